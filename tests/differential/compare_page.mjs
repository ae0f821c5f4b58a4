// Pages: the links, base, canonical, refresh and encoding of a page, against parse5's tree with whatwg-url,
// html-encoding-sniffer and iconv-lite. Which attributes are links, and which words of rel, is trawl's own choice
// (shared/page.h), told here once more; how a page is read is not.
import htmlEncodingSniffer from "html-encoding-sniffer";
import iconv from "iconv-lite";
import { Parser, TokenizerMode, html } from "parse5";
import encoding from "whatwg-encoding";
import whatwgUrl from "whatwg-url";
import { decodeBytes, fromBuffer, toBuffer, utf8 } from "./bytes.mjs";
import { refreshSteps } from "./compare_mime.mjs";

const { labelToName } = encoding;
const { parseURL, serializeURL } = whatwgUrl;
const DOCUMENT = "http://h.example/d/p.html?q";

// ---- what a page may be made of ----------------------------------------------------------------------------

const URLS = ["/a", "b", "../c", "?q=1", "#f", "", " /d ", "//o.example/e", "http://o.example/", "https://o.example:8443/x", "mailto:x@y", "javascript:1",
    "/a&amp;b", "/a&b", "/&copy;x", "/&copyx", "?a=1&copy=2", "/&#x41;", "/&#128;", "/a\tb", "/a\nb", "/a b", "/%41", "\\x", "http:g", "data:,x",
    "/\u00e9", "?\u00e9=\u4f8b", "/x?\u3042", "http://b\u00fccher.example/", "/a|b^c", "/[x]", "x:y", "&#10;/n", "/q'"];
const TEXT = ["text", "a < b", "&amp;", "&notit;", "\u00e9", "\u4f8b", "<", "</", "<!", "<?x?>", "<a", "\0", "--", "]]>", "\n", " "];
const CONTAINERS = ["div", "p", "span", "b", "i", "ul", "li", "table", "tr", "td", "select", "option", "template", "noscript", "svg", "math", "mtext",
    "foreignObject", "desc", "title", "textarea", "script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext", "head", "body",
    "html", "frameset", "button", "h1", "form", "object", "video", "picture", "annotation-xml", "mi", "dl", "dt", "nobr", "center", "font",
    "caption", "colgroup", "marquee", "pre", "image", "listing"];
const METAS = ["<meta charset=utf-8>", "<meta charset='iso-8859-1'>", "<meta charset=koi8-r>", "<meta http-equiv=content-type content='text/html; charset=windows-1251'>",
    "<meta http-equiv=refresh content='0;url=/r'>", "<meta http-equiv=Refresh content=\"5; URL='r2'\">", "<meta http-equiv=refresh content=3>",
    "<meta name=x content=y>", "<meta http-equiv=refresh content='1;/r3'>", "<meta charset=shift_jis>", "<meta charset=utf-16>"];
const ODD = [..."<>/=\"'` \t\n\r\f!-?&;#[]\0", "<!--", "-->", "--!>", "<![CDATA[", "]]>", "<script>", "</script>", "<!DOCTYPE html>", "</svg>", "</p>", "&quot;",
    "<svg>", "<template>", "</template>", "<base href=/z/>", "<a href=/m>", "</a>", "<plaintext>", "\xff", "\xc3"];
const RELS = ["canonical", "next", "alternate", "stylesheet", "icon", "CANONICAL", "prev nofollow", "help", "preload", "x", "", "license next",
    "dns-prefetch", "stylesheet canonical"];

function attribute(rng, name, value) {
    const quoted = rng.below(4);
    const sign = rng.pick(["=", "=", "=", " = ", "=\n"]);
    const put = rng.chance(8) ? name.toUpperCase() : name;
    if (quoted === 0 && !/[\s"'=<>`]/.test(value) && value !== "")
        return put + sign + value;
    return quoted === 1 ? `${put}${sign}'${value.replaceAll("'", "")}'` : `${put}${sign}"${value.replaceAll("\"", "")}"`;
}

function linkTag(rng) {
    const url = rng.pick(URLS);
    const more = rng.chance(4) ? " " + rng.pick(["class=x", "href=/second", "hidden", "a=\"b>c\"", "/", "=", "x='"]) : "";
    switch (rng.below(12)) {
    case 0: return `<base ${attribute(rng, "href", url)}${more}>`;
    case 1: return `<link ${attribute(rng, "rel", rng.pick(RELS))} ${attribute(rng, "href", url)}${more}>`;
    case 2: return `<area ${attribute(rng, "href", url)}${more}>`;
    case 3: return `<frame ${attribute(rng, "src", url)}>`;
    case 4: return `<iframe ${attribute(rng, "src", url)}></iframe>`;
    case 5: return `<form ${attribute(rng, "action", url)} ${rng.pick(["", "method=get", "method=POST", "method=x", "method=dialog"])}>`;
    case 6: return rng.pick(METAS);
    case 7: return `<svg><a ${attribute(rng, rng.pick(["href", "xlink:href"]), url)}>x</a></svg>`;
    default: return `<a${more} ${attribute(rng, "href", url)}>${rng.pick(TEXT)}${rng.pick(["</a>", "</a>", ""])}`;
    }
}

function piece(rng, depth) {
    switch (rng.below(6)) {
    case 0: return rng.pick(TEXT);
    case 1: {
        const tag = rng.pick(CONTAINERS);
        const inner = depth > 3 ? "" : rng.many(3, () => piece(rng, depth + 1)).join("");
        return `<${tag}${rng.pick(["", "", " x=y", "/"])}>${inner}${rng.chance(4) ? "" : `</${tag}>`}`;
    }
    case 2: return rng.pick(["<!-- ", "<!--", "<!-->", "<![CDATA["]) + rng.pick(TEXT) + linkTag(rng) + rng.pick([" -->", "-->", "]]>", "--!>", ""]);
    default: return linkTag(rng);
    }
}

const CHARSETS = ["utf-8", "windows-1252", "koi8-r", "shift_jis", "euc-jp", "gbk", "big5", "euc-kr", "windows-1251", "utf-16le"];

function encodePage(rng, text) {
    const name = rng.chance(3) ? rng.pick(CHARSETS) : "utf-8";
    const bytes = name === "utf-8" ? utf8(text) : fromBuffer(iconv.encode(text, name));
    const said = rng.below(4);
    if (said === 0)
        return { type: `text/html; charset=${name}`, body: bytes };
    return { type: "text/html", body: said === 1 && name === "utf-8" ? "\xef\xbb\xbf" + bytes : bytes };
}

// ---- the other reading -------------------------------------------------------------------------------------

const KNOWN_RELS = new Map(Object.entries({ stylesheet: "out", icon: "out", "apple-touch-icon": "out", "apple-touch-icon-precomposed": "out",
    "mask-icon": "out", image_src: "out", preload: "out", modulepreload: "out", prefetch: "out" }));
for (const rel of ["canonical", "alternate", "next", "prev", "previous", "amphtml", "appendix", "author", "bookmark", "chapter", "contents",
    "copyright", "first", "glossary", "help", "home", "index", "last", "license", "me", "prerender", "privacy-policy", "section",
    "shortlink", "start", "subsection", "tag", "terms-of-service", "toc", "top", "up"])
    KNOWN_RELS.set(rel, "in");

const words = (text) => text.toLowerCase().split(/[\t\n\f\r ,]+/).filter((w) => w !== "");

function linkIsWanted(rel) {
    const list = words(rel);
    if (list.includes("stylesheet"))
        return false;
    const first = list.find((w) => KNOWN_RELS.has(w));
    return first !== undefined && KNOWN_RELS.get(first) === "in";
}

// Start tags, as an attribute getter each, to what they say.
class Gathered {
    links = [];
    base = null;
    canonical = null;
    charset = null;

    // `isInert`: in a <template>, where nothing is said of the page (HTML 4.12.3).
    add(name, isHtml, get, isInert) {
        if (!isHtml) {
            if (name === "a" || name === "A")
                this.link(get("href") ?? get("xlink:href"));
            return;
        }
        switch (name) {
        case "a":
        case "area": this.link(get("href")); break;
        case "frame":
        case "iframe": this.link(get("src")); break;
        case "base":
            if (!isInert)
                this.base ??= get("href");
            break;
        case "form":
            if (!/^(post|dialog)$/i.test(get("method") ?? ""))
                this.link(get("action"));
            break;
        case "link": this.linkElement(get("rel"), get("href"), isInert); break;
        case "meta": this.meta(get); break;
        default:
        }
    }

    link(url) {
        if (url !== null && url !== undefined)
            this.links.push(url);
    }

    linkElement(rel, href, isInert) {
        if (rel === null || href === null)
            return;
        if (!isInert && words(rel).includes("canonical"))
            this.canonical ??= href;
        if (linkIsWanted(rel))
            this.link(href);
    }

    meta(get) {
        const pragma = (get("http-equiv") ?? "").toLowerCase();
        const content = get("content");
        const label = get("charset") ?? (pragma === "content-type" && content !== null ? charsetOfContent(content) : null);
        this.charset ??= label === null ? null : labelToName(label);
        if (pragma === "refresh" && content !== null)
            this.link(refreshSteps(content)?.url);
    }
}

function charsetOfContent(content) {
    const m = /charset[\t\n\f\r ]*=[\t\n\f\r ]*("[^"]*"|'[^']*'|[^"'\t\n\f\r ;][^\t\n\f\r ;]*)/i.exec(content);
    return m === null ? null : m[1].replace(/^["']|["']$/g, "");
}

const POINTS = new Set(["foreignobject", "desc", "title", "mi", "mo", "mn", "ms", "mtext", "annotation-xml"]);
const RAW = new Set(["iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp"]);

// From the tree; and from every start tag that the tree's construction saw, also those that it dropped.
class TagParser extends Parser {
    tags = new Gathered();
    templates = 0;          // open, by their tags
    rawIgnored = false;     // a tag that begins raw text had no place, so that what follows it is none
    foreignIgnored = false; // an <svg> or <math> had no place (in a <select> or <frameset>), so that what follows it is HTML
    unclosed = false;       // an end tag of HTML's closed an <svg> or <math> left open, or one of theirs closed nothing

    isForeign() {
        const node = this.openElements.current;
        return node.tagName !== undefined && node.namespaceURI !== html.NS.HTML;
    }

    onEndTag(token) {
        const was = this.isForeign();
        const depth = this.openElements.stackTop;
        if (!was && token.tagName === "template" && this.templates > 0)
            this.templates--;
        super.onEndTag(token);
        if (was ? !this.isForeign() && !["svg", "math"].includes(token.tagName) : POINTS.has(token.tagName) && depth === this.openElements.stackTop)
            this.unclosed = true;
    }

    onStartTag(token) {
        super.onStartTag(token);
        if (RAW.has(token.tagName) && this.tokenizer.state === TokenizerMode.DATA)
            this.rawIgnored = true;
        if (["svg", "math"].includes(token.tagName) && !token.selfClosing && !this.isForeign())
            this.foreignIgnored = true;
        const get = (n) => token.attrs.find((a) => a.name === n && !a.namespace)?.value ??
            token.attrs.find((a) => a.name === n || (a.prefix && `${a.prefix}:${a.name}` === n))?.value ?? null;
        this.tags.add(token.tagName.toLowerCase(), true, get, this.templates > 0);
        if (token.tagName === "template" && !this.isForeign())
            this.templates++;
        if (token.tagName.toLowerCase() === "a")        // where a tree has dropped the <svg> around it
            this.tags.add("a", false, get);
    }
}

function walk(node, gathered) {
    const stack = [[node, false]];
    while (stack.length > 0) {
        const [n, isInert] = stack.pop();
        if (n.tagName !== undefined)
            gathered.add(n.tagName, n.namespaceURI === html.NS.HTML, (name) => (n.attrs.find((a) => !a.prefix && a.name === name) ??
                n.attrs.find((a) => a.prefix && `${a.prefix}:${a.name}` === name))?.value ?? null, isInert);
        if (n.content !== undefined)
            stack.push([n.content, true]);
        stack.push(...[...n.childNodes ?? []].reverse().map((child) => [child, isInert]));
    }
    return gathered;
}

function parsePage(text) {
    const parser = new TagParser({ scriptingEnabled: false });
    parser.tokenizer.write(text, true);
    return { tree: walk(parser.document, new Gathered()), tags: parser.tags, unclosed: parser.unclosed, foreignIgnored: parser.foreignIgnored, rawIgnored: parser.rawIgnored };
}

// "Percent-encode after encoding" of a query, in an encoding that is not UTF-8.
function encodeQuery(url, name) {
    const hash = url.indexOf("#");
    const end = hash < 0 ? url.length : hash;
    const at = url.indexOf("?");
    if (at < 0 || at >= end || name.startsWith("UTF-") || /^[\0-\x7f]*$/.test(url.slice(at, end)))
        return url;
    let query = "";
    for (const ch of url.slice(at + 1, end).replace(/[\t\n\r]/g, "")) {
        const bytes = name === "windows-1252" && /[\x81\x8d\x8f\x90\x9d]/.test(ch) ? toBuffer(ch) : iconv.encode(ch, name);
        if (bytes[0] === ch.charCodeAt(0) && bytes.length === 1 && bytes[0] > 0x7e)
            query += `%${bytes.toString("hex").toUpperCase()}`;
        else if (ch === "\ufffd" || ch !== "?" && iconv.decode(bytes, name) !== ch)
            query += `%26%23${ch.codePointAt(0)}%3B`;
        else
            query += [...bytes].map((b) => b > 0x7e || b <= 0x20 || "\"#<>'".includes(String.fromCharCode(b))
                ? `%${b.toString(16).toUpperCase().padStart(2, "0")}` : String.fromCharCode(b)).join("");
    }
    return url.slice(0, at + 1) + query + url.slice(end);
}

function resolve(url, base, name) {
    const trimmed = url.replace(/^[\0- ]+|[\0- ]+$/g, "");
    const u = parseURL(encodeQuery(trimmed, name), { baseURL: base });
    if (u === null || (u.scheme !== "http" && u.scheme !== "https"))
        return null;
    u.fragment = null;
    u.username = u.password = "";
    return serializeURL(u);
}

function resolveAll(g, name) {
    const document = parseURL(DOCUMENT);
    let base = g.base === null || g.base === "" ? document : parseURL(g.base, { baseURL: document }) ?? document;
    if (base.scheme === "data" || base.scheme === "javascript")
        base = document;
    const links = new Set();
    for (const l of g.links) {
        const url = resolve(l, base, name);
        if (url !== null)
            links.add(url);
    }
    return { links: [...links].sort(), canonical: g.canonical === null || g.canonical === "" ? null : resolve(g.canonical, base, name) };
}

function isUtf8(bytes) {
    try {
        new TextDecoder("utf-8", { fatal: true }).decode(toBuffer(bytes));
        return true;
    } catch {
        return false;
    }
}

// The standard leaves to the reader what a page is in that does not say (HTML 13.2.3.2, step 9).
function sniff(c) {
    const label = /charset=([^;]*)/.exec(c.type)?.[1];
    const ascii = /^[\0-\x7f]*$/.test(c.body);
    const defaultEncoding = !ascii && isUtf8(c.body) ? "UTF-8" : "windows-1252";
    const bytes = toBuffer(c.body);
    const found = htmlEncodingSniffer(bytes, { transportLayerEncodingLabel: label, defaultEncoding });
    const other = htmlEncodingSniffer(bytes, { transportLayerEncodingLabel: label, defaultEncoding: "x-user-defined" });
    const certain = label !== undefined || /^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(c.body);
    return { name: found, certain, said: other === found };
}

export default {
    name: "page",
    against: "parse5, whatwg-url, html-encoding-sniffer, iconv-lite",
    batch: 100,
    fixed: ["type"],

    // html-encoding-sniffer falls over some that end in "charset".
    valid(c) {
        try {
            sniff(c);
            return true;
        } catch {
            return false;
        }
    },

    make(rng) {
        const text = (rng.chance(3) ? "" : "<!doctype html>") + rng.many(8, () => piece(rng, 0)).join("");
        const page = encodePage(rng, text);
        if (rng.chance(2))
            page.body = rng.mutate(page.body, ODD, 4);
        return page;
    },

    async ours(driver, c) {
        const told = await driver.ask("response", DOCUMENT, `HTTP/1.1 200 OK\r\nContent-Type: ${c.type}\r\n\r\n`, c.body);
        return { links: (told.link ?? []).sort(), canonical: told.canonical?.[0] ?? null };
    },

    theirs(c) {
        let { name, certain } = sniff(c);
        let read = parsePage(decodeBytes(c.body, name));
        if (!certain && !name.startsWith("UTF-16") && read.tree.charset !== null) {
            const declared = read.tree.charset.startsWith("UTF-16") ? "UTF-8" : read.tree.charset;
            if (declared !== name) {
                name = declared;
                read = parsePage(decodeBytes(c.body, name));
            }
        }
        const based = Object.assign(new Gathered(), read.tree, { base: read.tags.base });
        const tags = resolveAll(read.tags, name);
        tags.links.push(...resolveAll(Object.assign(new Gathered(), read.tags, { base: read.tree.base }), name).links);
        const charsetDropped = !certain && read.tags.charset !== read.tree.charset;
        return { name, charsetDropped, unclosed: read.unclosed, foreignIgnored: read.foreignIgnored, rawIgnored: read.rawIgnored, tree: resolveAll(read.tree, name), based: resolveAll(based, name), tags };
    },

    same: (ours, theirs) => JSON.stringify(ours) === JSON.stringify(theirs.tree),
};

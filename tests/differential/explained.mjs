import { agrees } from "./compare_framing.mjs";

// Differences that are as they should be: each says by which rule, and which cases it covers. `when` gets the case,
// trawl's reading and the others'.
const subset = (a, b) => a.every((x) => b.includes(x));
// The standard escapes ^ in paths since November 2024, node does not yet.
const caret = (url) => url?.replaceAll("^", "%5E");

// The final response among these bytes: its status line, its lines as they came, its fields without folds as [name, value], and what is
// behind the head; and the status lines of interim ones before it.
function readHead(bytes) {
    let rest = bytes;
    const interim = [], interimRaw = [];
    for (;;) {
        const end = /\r?\n\r?\n/.exec(rest);
        const text = end === null ? rest : rest.slice(0, end.index);
        const [line, ...raw] = text.split(/\r?\n/);
        const status = Number(/^HTTP\/\S+ +(\d{3})/i.exec(line)?.[1]);
        const lines = text.replace(/(?<=\n[^]*)\r?\n(?=[ \t])/g, " ").split(/\r?\n/).slice(1);
        if (end !== null && status >= 100 && status < 200 && status !== 101) {
            interim.push(line);
            interimRaw.push(raw);
            rest = rest.slice(end.index + end[0].length);
            continue;
        }
        return { line, status, text, raw, lines, interim, interimRaw, whole: end !== null, body: end === null ? "" : rest.slice(end.index + end[0].length),
            fields: lines.map((f) => [f.split(":")[0], f.slice(f.indexOf(":") + 1)]) };
    }
}

const trimmed = (text) => text.replace(/^[ \t]+|[ \t]+$/g, "");
const valuesOf = (head, name) => head.fields.filter(([n]) => trimmed(n).toLowerCase() === name).map(([, v]) => trimmed(v).toLowerCase());
const listOf = (head, name) => valuesOf(head, name).flatMap((v) => v.split(",")).map(trimmed);
const codingsOf = (head) => listOf(head, "transfer-encoding");
const isChunked = (c) => codingsOf(readHead(c.bytes)).includes("chunked");

function lengthsAgree(head) {
    const lengths = listOf(head, "content-length");
    return lengths.every((l) => /^\d{1,18}$/.test(l)) && new Set(lengths.map(Number)).size <= 1;
}

// Chunks to the letter (RFC 9112 7.1), with the last one and trailers that are fields.
function chunksConform(body) {
    for (let rest = body; ;) {
        const size = /^([0-9a-f]+)(;[\t\x20-\x7e\x80-\xff]*)?\r\n/i.exec(rest);
        if (size === null)
            return false;
        const length = Number.parseInt(size[1], 16);
        rest = rest.slice(size[0].length);
        if (length === 0)
            return /^([!#$%&'*+.^_`|~\w-]+:[^\r\n\0]*\r\n)*\r\n/.test(rest);
        if (rest.slice(length, length + 2) !== "\r\n")
            return false;
        rest = rest.slice(length + 2);
    }
}

const asCurl = (ours, curl) => ours.failed !== undefined ? curl === null : curl !== null && agrees(ours, curl);

// U+FFFD once where it stands several times, in a path and in a query that cannot encode it.
const oneEach = (url) => url.replace(/%EF%A3%B7/g, "%EF%BF%BD").replace(/(%EF%BF%BD)+/g, "%EF%BF%BD").replace(/(%26%2365533%3B)+/g, "%26%2365533%3B");

export const EXPLAINED = [
    {
        id: "others-disagree",
        of: ["url", "text"],
        when: (c, ours, theirs) => theirs.whatwg !== theirs.node && (ours === theirs.whatwg || caret(ours) === caret(theirs.node)),
        why: "the two others differ, and one of them says what trawl says",
        source: "the URL standard 4.4, the Encoding standard, at different dates",
    },
    {
        id: "ascii-domain",
        of: ["url"],
        when: (c, ours, theirs) => ours !== null && theirs.whatwg === null && /^[a-z]+:\/\/([^/?#]*[.@])?xn--/.test(ours),
        why: "a domain that is ASCII is lower-cased and not looked into, also where it has xn--; the others do as the standard did before",
        source: "URL standard 3.3, \"domain to ASCII\"; web-platform-tests' https://xn--/",
    },
    {
        id: "no-field-line",
        of: ["framing"],
        when: (c, ours, { undici, curl }) => ours.failed === "protocol-header-invalid" && undici === null && curl === null &&
            [readHead(c.bytes).raw, ...readHead(c.bytes).interimRaw].some((raw) => raw.some((l, i) => /^[ \t]/.test(l) ? i === 0 : !l.split("\r")[0].includes(":"))),
        why: "a line in the head without a colon, or with a bare CR before it, or a first one that goes on from nothing: browsers pass over it; libcurl, which trawl reads with, ends there, and cannot be told otherwise",
        source: "RFC 9112 5, 2.2; libcurl 7.88, headers.c",
    },
    {
        id: "nul-in-head",
        of: ["framing"],
        when: (c, ours) => /^(protocol-header-invalid|header-incomplete)$/.test(ours.failed) && readHead(c.bytes).text.includes("\0"),
        why: "a NUL in a field: trawl refuses it, as a user agent has to; curl refuses it or stops there, undici or Chromium reads on",
        source: "RFC 9110 5.5",
    },
    {
        id: "length-invalid",
        of: ["framing"],
        when: (c, ours) => /^protocol-(header-invalid|length-conflict)$/.test(ours.failed) && !isChunked(c) && !lengthsAgree(readHead(c.bytes)),
        why: "a length that is no number, or two that differ: a user agent must discard the answer, and does; curl reads the digits at its beginning, Chromium to the end of the connection",
        source: "RFC 9112 6.3, rule 5",
    },
    {
        id: "length-beside-chunks",
        of: ["framing"],
        when: (c, ours, { curl }) => ours.failed === "protocol-header-invalid" && curl === null && isChunked(c) && !lengthsAgree(readHead(c.bytes)),
        why: "a length that is no number before the coding that overrides it: libcurl, which trawl reads with, ends there; undici refuses it",
        source: "RFC 9112 6.3, rule 3; libcurl 7.88, http.c",
    },
    {
        id: "length-spelt-twice",
        of: ["framing"],
        when: (c, ours, { chromium }) => ours.failed === undefined && chromium === null && new Set(valuesOf(readHead(c.bytes), "content-length")).size > 1 && lengthsAgree(readHead(c.bytes)),
        why: "one length in two spellings (04 and 4) is one number to trawl and curl; Chromium compares the texts",
        source: "RFC 9112 6.3, rule 5",
    },
    {
        id: "coding-undone",
        of: ["framing"],
        when: (c, ours) => ours.failed === "protocol-transfer-coding" && codingsOf(readHead(c.bytes)).some((w) => ["gzip", "deflate", "compress", "x-gzip", "x-compress"].includes(w)),
        why: "a body that is packed in its transfer, which nobody asked for: trawl refuses it; the others archive, or show, packed bytes, or fail to unpack them",
        source: "RFC 9112 6.1, 7.2, 7.4",
    },
    {
        id: "chunked-unseen",
        of: ["framing"],
        when: (c, ours) => ours.failed === "protocol-transfer-coding" && isChunked(c) && !readHead(c.bytes).raw.some((l) => /^transfer-encoding:(.*,)?[ \t]*chunked[ \t]*(,|$)/i.test(l)),
        why: "chunked in a field with white space before its colon or with a fold in it: curl does not see it and gives chunks for a body, undici refuses it; trawl refuses it",
        source: "RFC 9112 5.1, 5.2",
    },
    {
        id: "status-line",
        of: ["framing"],
        when: (c, ours, { curl }) => asCurl(ours, curl) && !/^HTTP\/1\.[01] [1-9]\d\d( [^\r]*)?$/.test(readHead(c.bytes).line),
        why: "no status line of HTTP/1: trawl reads or refuses it as curl does; Chromium takes it for HTTP/0.9, or looks for one a few bytes on",
        source: "RFC 9112 2.3, 4",
    },
    {
        id: "interim-status-line",
        of: ["framing"],
        when: (c, ours, { curl }) => asCurl(ours, curl) && readHead(c.bytes).interim.some((l) => !/^HTTP\/1\.[01] 1\d\d( [^\r]*)?$/.test(l)),
        why: "an interim response whose status line is none of HTTP/1: trawl reads or refuses it as curl does",
        source: "RFC 9112 4",
    },
    {
        id: "head-without-end",
        of: ["framing"],
        when: (c, ours) => /^(empty-reply|(header|body)-incomplete)$/.test(ours.failed) && !(readHead(c.bytes).whole && /^HTTP\/1\.[01] \d{3}( |$)/i.test(readHead(c.bytes).line)),
        why: "no empty line ends the head, or behind an interim response comes none: what came may be half of it; curl, undici or Chromium takes it for whole",
        source: "RFC 9112 8",
    },
    {
        id: "line-begins-with-cr",
        of: ["framing"],
        when: (c, ours) => /^(header-incomplete|protocol-header-invalid|connection-broken)$/.test(ours.failed) && /\n\r[^\n]/.test(c.bytes),
        why: "a bare CR begins a line of the head: curl takes that for the empty line, and chunks or a body from there; trawl sees no end of the head and refuses it",
        source: "RFC 9112 2.2, 8",
    },
    {
        id: "body-cut",
        of: ["framing"],
        when: (c, ours) => ours.failed === "body-incomplete" && (isChunked(c) ? !chunksConform(readHead(c.bytes).body)
            : lengthsAgree(readHead(c.bytes)) && readHead(c.bytes).body.length < Number.parseInt(valuesOf(readHead(c.bytes), "content-length")[0], 10)),
        why: "less came than the length or the last chunk says: that is no whole body; undici reads to the end where chunked is not the last coding, Chromium takes what is there when it is sent on",
        source: "RFC 9112 8",
    },
    {
        id: "chunks-broken",
        of: ["framing"],
        when: (c, ours, { curl }) => ours.failed === "protocol-chunking" && curl === null && isChunked(c) && !chunksConform(readHead(c.bytes).body),
        why: "what should be a chunk is none: curl and trawl refuse it; undici reads to the end where chunked is not the last coding, Chromium follows a Location before it looks",
        source: "RFC 9112 7.1, 8",
    },
    {
        id: "as-browsers",
        of: ["framing"],
        when: (c, ours, { chromium }) => ours.failed === undefined && chromium !== undefined && agrees(ours, chromium),
        why: "trawl reads what Chromium reads, and the page is had; undici or curl holds more to the letter, or reads on where nothing may follow",
        source: "RFC 9112 2.2, 4, 5.2, 6.3",
    },
    {
        id: "trailers",
        of: ["framing"],
        when: (c, ours, { curl }) => ours.failed === undefined && curl === null && isChunked(c) && !chunksConform(readHead(c.bytes).body) &&
            /(^|\n)[ \t]*0+[ \t\r]*(;[^\n]*)?\n/.test(readHead(c.bytes).body),
        why: "the last chunk has come, and with it the whole body: what is wrong with the trailers behind it costs no page",
        source: "RFC 9112 7.1.2",
    },
    {
        id: "size-0x",
        of: ["framing"],
        when: (c, ours) => ours.failed === undefined && isChunked(c) && /(^|\n)[ \t]*0+x/i.test(readHead(c.bytes).body),
        why: "libcurl reads the size 0x12 as 0 with something behind it, the last chunk; trawl keeps what came before and marks it as unproven",
        source: "RFC 9112 7.1",
    },
    {
        id: "status-101",
        of: ["framing"],
        when: (c, ours, { curl }) => asCurl(ours, curl) && readHead(c.bytes).status === 101,
        why: "a switch of protocols that nobody asked for: trawl keeps it as the answer, http-101, as curl does; undici refuses it, Chromium reads on",
        source: "RFC 9110 15.2.2",
    },
    {
        id: "status-205",
        of: ["framing"],
        when: (c, ours, { chromium }) => ours.failed === undefined && readHead(c.bytes).status === 205 && chromium?.body?.startsWith("0 "),
        why: "a 205 has no content, by its meaning but not by its framing: what came is archived; Chromium gives it no body",
        source: "RFC 9110 15.3.6, RFC 9112 6.3",
    },
    {
        id: "no-content",
        of: ["framing"],
        when: (c, ours) => [204, 304].includes(readHead(c.bytes).status) && ours.failed === undefined && ours.body.startsWith("0 "),
        why: "a 204 or 304 ends with its head, whatever its fields say; undici reads a body or refuses, curl waits for chunks, Chromium refuses two Locations or lengths",
        source: "RFC 9112 6.3, rule 1",
    },
    {
        id: "coding-in-1.0",
        of: ["framing"],
        when: (c, ours) => ours.failed === undefined && /^HTTP\/1\.0 /.test(readHead(c.bytes).line) && isChunked(c),
        why: "HTTP/1.0 has no transfer codings: Chromium takes none for one, curl and trawl undo it",
        source: "RFC 9112 6.1",
    },
    {
        id: "two-locations",
        of: ["framing"],
        when: (c, ours, { chromium }) => ours.failed === undefined && chromium === null && new Set(readHead(c.bytes).fields
            .filter(([n]) => n.trim().toLowerCase() === "location").map(([, v]) => v.trim())).size > 1,
        why: "Chromium gives up where two Location fields differ, also in what is no redirect",
        source: "RFC 9110 10.2.2, 5.3",
    },
    {
        id: "chunks-odd",
        of: ["framing"],
        when: (c, ours, { curl }) => ours.failed === undefined && asCurl(ours, curl) && isChunked(c) && !chunksConform(readHead(c.bytes).body),
        why: "white space, bare LF or more beside the size of a chunk: trawl reads as curl does; undici refuses it, or reads to the end where chunked is not the last coding; Chromium has other tolerances",
        source: "RFC 9112 7.1, 2.2",
    },
    {
        id: "folded-coding",
        of: ["framing"],
        when: (c, ours, { curl }) => (curl === null || asCurl(ours, curl)) && readHead(c.bytes).raw.some((l, i, all) => /^transfer-encoding[ \t]*:/i.test(l) && /^[ \t]/.test(all[i + 1] ?? "")),
        why: "a fold makes chunked a word that is none; curl, and trawl with it, sees the first line alone and takes chunks",
        source: "RFC 9112 5.2",
    },
    {
        id: "cr-in-framing",
        of: ["framing"],
        when: (c, ours, { undici, curl }) => undici === null && asCurl(ours, curl) && /\n(content-length|transfer-encoding)[^\n]*\r[^\n]|\r(content-length|transfer-encoding)[ \t]*:/i.test(readHead(c.bytes).text),
        why: "a bare CR in a length or a coding, or before one: undici refuses it, to curl and trawl the line goes on; to Chromium it ends there",
        source: "RFC 9112 2.2",
    },
    {
        id: "undici-alone",
        of: ["framing"],
        when: (c, ours, { curl, chromium }) => /^(protocol-|header-incomplete|body-incomplete)/.test(ours.failed) && curl === null && chromium === null &&
            /\0|\r[^\n]/.test(readHead(c.bytes).text),
        why: "a NUL or a bare CR in the head: undici alone reads it",
        source: "RFC 9110 5.5, RFC 9112 2.2",
    },
    ...[
        ["secure", (set) => /;[ \t\f]*secure/i.test(set), "without TLS nobody sets a Secure cookie, nor takes another away with one; tough-cookie has it take the place of another", "5.7, step 8"],
        ["tab", (set) => set.split("\n").some((l) => /\S\t+\S/.test(l.split(";")[0])), "a tab within a name or value stays; tough-cookie takes it for a control character", "5.6, step 1"],
        ["epoch", (set) => /1970/.test(set), "tough-cookie takes the time 0 for none, and keeps the cookie", "RFC 6265 5.2.1"],
        ["prefix", (set) => /(^|\n)[ \t\f]*__(host|secure)-/i.test(set), "__Host- and __Secure- bind", "5.7, steps 20 and 21"],
        ["control", (set) => /[\0-\x08\x0b\x0e-\x1f\x7f]/.test(set), "a cookie with a control character is none; tough-cookie cuts it there", "5.6, step 1"],
    ].map(([id, when, why, source]) => ({ id: `cookie-${id}`, of: ["cookies"], when: (c) => when(c.set), why, source: `rfc6265bis ${source}`.replace(/.*(RFC 6265)/, "$1") })),
    {
        id: "packed-again",
        of: ["content"],
        when: (c, ours, theirs) => theirs.packed,
        why: "text that is still gzip after what its codings say is unpacked once more: servers pack what was packed already",
        source: "RFC 9110 8.4; shared/content.h",
    },
    {
        id: "unknown-words",
        of: ["content"],
        when: (c, ours, theirs) => theirs.unknown.length > 0,
        why: "beside a word that names no coding the others are undone; Fetch leaves the whole body as it is",
        source: "Fetch, \"handle content codings\"; shared/content.h",
    },
    {
        id: "mislabelled",
        of: ["content"],
        when: (c, ours, theirs) => theirs.links === null && ours !== null,
        why: "what is in fewer codings than it says, or in another, is read for what it is; it is not taken for whole",
        source: "RFC 9110 8.4; shared/content.h",
    },
    {
        id: "fold-spaces-sent",
        of: ["framing"],
        when: (c, ours, { chromium }) => /\n[ \t]/.test(c.bytes) && typeof ours.redirect === "string" &&
            ours.redirect.replace(/(%20)+/g, "%20") === chromium?.redirect?.replace(/(%20)+/g, "%20"),
        why: "a fold is one or more spaces, as one likes: in a Location they show",
        source: "RFC 9112 5.2",
    },
    {
        id: "fold-spaces",
        of: ["fields"],
        when: (c, ours, theirs) => ours.mime === theirs.mime && c.fields.includes("\r\n") && typeof theirs.redirect === "string" &&
            ours.redirect?.replace(/(%20)+/g, "%20") === theirs.redirect.replace(/(%20)+/g, "%20"),
        why: "a fold is one or more spaces, as one likes: in a URL they show",
        source: "RFC 9112 5.2",
    },
    {
        id: "label-not-supported",
        of: ["charset"],
        when: (c, ours, theirs) => theirs === null && ["replacement", "iso-2022-jp", "iso-8859-8-i", "x-mac-cyrillic"].includes(ours),
        why: "whatwg-encoding says of itself that it leaves these encodings out",
        source: "Encoding standard 4.2",
    },
    {
        id: "label-trimmed",
        of: ["charset"],
        when: (c, ours, theirs) => ours === null && theirs !== null && /^[\v\xa0]|[\v\xa0]$/.test(c.label.replace(/^[ \t\n\f\r]+|[ \t\n\f\r]+$/g, "")),
        why: "whatwg-encoding takes away what JavaScript calls white space; the standard means ASCII white space, which has no vertical tab",
        source: "Encoding standard 4.2, \"get an encoding\" step 1",
    },
    {
        id: "foreign-left-open",
        of: ["page"],
        when: (c, ours, theirs) => theirs.unclosed || theirs.foreignIgnored,
        why: "an end tag of HTML's closes an <svg> or <math>, one of theirs closes nothing, or a <select> or <frameset> drops one: trawl does not know which elements are open",
        source: "HTML 13.2.6.5; shared/html_context.h",
    },
    {
        id: "raw-text-ignored",
        of: ["page"],
        when: (c, ours, theirs) => theirs.rawIgnored,
        why: "a tag that begins raw text (<noembed>, <iframe>) where a tree has no place for it (in a frameset, in an old select) begins it for trawl",
        source: "HTML 13.2.6; shared/html_context.h",
    },
    {
        id: "meta-without-place",
        of: ["page"],
        when: (c, ours, theirs) => theirs.charsetDropped,
        why: "a <meta> that says the encoding where a tree has no place for it (in a frameset) says it to trawl",
        source: "HTML 13.2.6; shared/page.h",
    },
    {
        id: "label-trimmed-in-page",
        of: ["page"],
        when: (c) => /charset[^>]*[\v\xa0]/i.test(c.body),
        why: "as label-trimmed: a label in a page with a vertical tab at its end is none",
        source: "Encoding standard 4.2",
    },
    {
        id: "meta-torn",
        of: ["page"],
        when: (c) => /<meta[^>]*$/i.test(c.body),
        why: "html-encoding-sniffer believes a <meta> that the page ends in; whose bytes run out there says nothing",
        source: "HTML 13.2.3.2, \"prescan\": when there are no more bytes it is aborted",
    },
    {
        id: "xml-declaration",
        of: ["page"],
        when: (c) => /^(<\0\?\0x\0|\0<\0\?\0x|<\?xml)/.test(c.body),
        why: "html-encoding-sniffer does not look at XML declarations",
        source: "HTML 13.2.3.2, \"prescan\" step 3, and \"get an XML encoding\"",
    },
    {
        id: "decoded-late",
        of: ["page"],
        when: (c, ours, { name }) => name === "UTF-8" && /[\xc2-\xf4][\x80-\xbf]*[\t\n\r]+[\x80-\xbf]/.test(c.body),
        why: "a page in UTF-8 is read as it stands: of a character that a line end tears apart the two halves meet where its URL is parsed",
        source: "Encoding standard 4.1, URL standard 4.4 (line ends are taken away)",
    },
    {
        id: "how-many-malformed",
        of: ["page"],
        when: (c, ours, { name, tags }) => /^(EUC-JP|EUC-KR|Shift_JIS|GBK|gb18030|Big5)$/i.test(name) && ours.links.every((l) => tags.links.some((t) => oneEach(t) === oneEach(l))),
        why: "of malformed bytes in East Asian encodings ICU makes one U+FFFD where the standard makes two, or a private character of 0xff",
        source: "Encoding standard 4.1; shared/charset.h",
    },
    {
        id: "no-tree",
        of: ["page"],
        when: (c, ours, { tree, based, tags }) => [tree, based, tags].some((t) => t.canonical === ours.canonical) &&
            (subset(tree.links, ours.links) || subset(based.links, ours.links)) && subset(ours.links, tags.links),
        why: "trawl reads tags and builds no tree: links count also of tags that a tree has no place for (a frame in a body, a form in a form)",
        source: "HTML 13.2.6; shared/page.h",
    },
];

export function explain(comparison, c, ours, theirs) {
    return EXPLAINED.find((e) => e.of.includes(comparison) && e.when(c, ours, theirs))?.id ?? null;
}

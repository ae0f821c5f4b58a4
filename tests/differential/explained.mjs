import { agrees } from "./compare_framing.mjs";

// Differences that are as they should be: each says by which rule, and which cases it covers. `when` gets the case,
// trawl's reading and the others'.
const subset = (a, b) => a.every((x) => b.includes(x));
// The standard escapes ^ in paths since November 2024, node does not yet.
const caret = (url) => url?.replaceAll("^", "%5E");

// The head of the final response among these bytes: its status line and its fields, [name, value] as written.
function readHead(bytes) {
    let rest = bytes;
    for (let i = 0; i < 20; i++) {
        const end = /\r?\n\r?\n/.exec(rest);
        const head = end === null ? rest : rest.slice(0, end.index);
        const [line, ...fields] = head.split(/\r?\n/);
        const status = Number(/^HTTP\/\S+ +(\d{3})/i.exec(line)?.[1]);
        if (!(status >= 100 && status < 200 && status !== 101) || end === null)
            return { line, status, whole: end !== null, fields: fields.map((f) => [f.split(":")[0], f.slice(f.indexOf(":") + 1)]) };
        rest = rest.slice(end.index + end[0].length);
    }
    return { line: "", status: 0, whole: false, fields: [] };
}

const valuesOf = (head, name) => head.fields.filter(([n]) => n.trim().toLowerCase() === name).map(([, v]) => v.trim().toLowerCase());
const FRAMING_NAME = /^(content-length|transfer-encoding)$/i;
const hasFraming = (c, test) => readHead(c.bytes).fields.some(([n], i, all) => FRAMING_NAME.test(n.trim()) && test(n, all[i + 1]?.[0]));

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
        id: "as-browsers",
        of: ["framing"],
        when: (c, ours, { chromium }) => ours.failed === undefined && chromium !== undefined && agrees(ours, chromium),
        why: "trawl reads what Chromium reads; undici holds more to the letter, or reads on where nothing may follow",
        source: "RFC 9112 2.2, 4, 5.2, 6.3",
    },
    {
        id: "refused-by-others",
        of: ["framing"],
        when: (c, ours, { undici }) => undici === null && /^(protocol-|header-incomplete|body-incomplete|empty-reply|connection-broken)/.test(ours.failed),
        why: "no message of HTTP, or one that ends too early: undici refuses it as trawl does; Chromium guesses",
        source: "RFC 9112 2.2, 4, 5.1, 6.3, 7.1, 8",
    },
    {
        id: "trailers",
        of: ["framing"],
        when: (c, ours, { undici, curl }) => ours.failed === undefined && undici === null && curl === null &&
            valuesOf(readHead(c.bytes), "transfer-encoding").includes("chunked") && /(^|\n)[ \t]*0+[ \t\r]*(;[^\n]*)?\n/.test(c.bytes),
        why: "the last chunk has come, and with it the whole body: what is wrong with the trailers behind it costs no page",
        source: "RFC 9112 7.1.2",
    },
    {
        id: "size-0x",
        of: ["framing"],
        when: (c, ours, { undici, curl }) => ours.failed === undefined && undici === null && curl === null && /(^|\n)[ \t]*0+x/i.test(c.bytes),
        why: "libcurl reads the size 0x12 as 0 with something behind it, the last chunk; trawl keeps what came before and marks it as unproven",
        source: "RFC 9112 7.1",
    },
    {
        id: "undici-alone",
        of: ["framing"],
        when: (c, ours, { curl, chromium }) => /^(protocol-|header-incomplete|body-incomplete|empty-reply)/.test(ours.failed) && curl === null && !chromium,
        why: "undici alone reads it: NUL or a bare CR in a head, say",
        source: "RFC 9110 5.5, RFC 9112 2.2",
    },
    {
        id: "as-curl",
        of: ["framing"],
        when: (c, ours, { undici, curl }) => ours.failed === undefined && undici === null && curl !== null && agrees(ours, curl),
        why: "no conformant message, undici refuses it: trawl reads it as curl does (chunk sizes, white space before a colon, a torn last line)",
        source: "RFC 9112 2.2, 5.1, 7.1",
    },
    {
        id: "status-line",
        of: ["framing"],
        when: (c) => !/^HTTP\/1\.[01] [1-9]\d\d( [^\r]*)?$/.test(readHead(c.bytes).line),
        why: "no status line of HTTP/1",
        source: "RFC 9112 2.3, 4",
    },
    {
        id: "transfer-coding",
        of: ["framing"],
        when: (c) => valuesOf(readHead(c.bytes), "transfer-encoding").some((v) => v !== "chunked"),
        why: "a transfer coding that nobody asked for, or chunked not once and last: where the message ends is a guess, and they guess differently",
        source: "RFC 9112 6.1, 6.3, 7.4",
    },
    {
        id: "coding-in-1.0",
        of: ["framing"],
        when: (c) => /^HTTP\/(1\.0|0|1 )/.test(readHead(c.bytes).line) && valuesOf(readHead(c.bytes), "transfer-encoding").length > 0,
        why: "HTTP/1.0 has no transfer codings: Chromium takes none for one, curl and trawl undo it",
        source: "RFC 9112 6.1",
    },
    {
        id: "identity-and-length",
        of: ["framing"],
        when: (c, ours) => ours.failed === undefined && valuesOf(readHead(c.bytes), "transfer-encoding").every((v) => v === "identity" || v === "") &&
            valuesOf(readHead(c.bytes), "transfer-encoding").length > 0,
        why: "identity is no transfer coding since RFC 7230: some count the length beside it, some read to the end of the connection",
        source: "RFC 9112 6.3, 7",
    },
    {
        id: "status-101",
        of: ["framing"],
        when: (c) => readHead(c.bytes).status === 101,
        why: "a switch of protocols that nobody asked for: trawl keeps it as the answer, http-101; undici reads on",
        source: "RFC 9110 15.2.2",
    },
    {
        id: "status-205",
        of: ["framing"],
        when: (c) => readHead(c.bytes).status === 205,
        why: "a 205 has no content, by its meaning but not by its framing: what came is archived; Chromium gives it no body",
        source: "RFC 9110 15.3.6, RFC 9112 6.3",
    },
    {
        id: "no-content",
        of: ["framing"],
        when: (c, ours, { curl }) => [204, 304].includes(readHead(c.bytes).status) && ours.failed === undefined && agrees(ours, curl),
        why: "a 204 or 304 ends with its head, whatever its fields say; undici reads a body",
        source: "RFC 9112 6.3, rule 1",
    },
    {
        id: "space-before-colon",
        of: ["framing"],
        when: (c) => hasFraming(c, (name) => /[ \t]$/.test(name)),
        why: "white space before the colon of a length or a coding: undici refuses, curl takes it for another field, Chromium for that one",
        source: "RFC 9112 5.1",
    },
    {
        id: "folded-framing",
        of: ["framing"],
        when: (c) => hasFraming(c, (name, next) => next !== undefined && /^[ \t]/.test(next)),
        why: "a length or a coding that is folded over two lines",
        source: "RFC 9112 5.2",
    },
    {
        id: "two-locations",
        of: ["framing"],
        when: (c, ours, { chromium }) => chromium === null && new Set(valuesOf(readHead(c.bytes), "location")).size > 1,
        why: "Chromium gives up where two Location fields differ, also in what is no redirect",
        source: "RFC 9110 10.2.2, 5.3",
    },
    {
        id: "head-without-end",
        of: ["framing"],
        when: (c, ours) => ours.failed === "header-incomplete",
        why: "no empty line ends the head: what came may be half of it",
        source: "RFC 9112 2.2, 8",
    },
    ...[
        ["name-case", (set) => /(^|\n)[ \t]*a[ \t]*=/.test(set) && /(^|\n)[ \t]*A[ \t]*=/.test(set), "curl takes two names for one that differ only in case"],
        ["empty-pair", (set) => /(^|\n)[ \t]*[;=]/.test(set), "curl takes the next pair of a line that begins with an empty one for the cookie; RFC 6265 drops the line"],
        ["max-age", (set) => /max-age[ \t]*=[ \t]*(?!-?\d+[ \t]*(;|\n|$))/i.test(set), "curl ends a cookie at once whose Max-Age is no number; RFC 6265 passes over the attribute"],
        ["domain-dot", (set) => /domain[ \t]*=[ \t]*\.[ \t]*(;|\n|$)/i.test(set), "curl refuses a cookie whose Domain is a dot; RFC 6265 takes it for none"],
        ["path-odd", (set) => /path[ \t]*=[ \t]*(?!\/([a-z/]*[a-z])?[ \t]*(;|\n|$))/i.test(set), "a Path that does not begin with a slash is the default to RFC 6265, / to curl; one that ends in a slash matches more to curl"],
        ["expires-odd", (set) => /expires[ \t]*=(?![ \t]*[a-z]{3}, \d\d[ -][a-z]{3}[ -]\d{2,4} \d\d:\d\d:\d\d gmt[ \t]*(;|\n|$))/i.test(set), "dates that are cut or mixed up: curl makes a time of more of them than RFC 6265 5.1.1"],
        ["path-quoted", (set) => /path[ \t]*=[ \t]*"/i.test(set), "curl takes the quotes away from a Path; to RFC 6265 it is one that does not begin with /"],
        ["secure", (set) => /;[ \t]*secure/i.test(set), "without TLS curl leaves a Secure cookie alone, as the draft that follows RFC 6265 says; tough-cookie has it take the place of another"],
        ["epoch", (set) => /1970/.test(set), "tough-cookie takes the time 0 for none"],
        ["prefix", (set) => /__(host|secure)-/i.test(set), "__Host- and __Secure- bind in curl, as the draft that follows RFC 6265 says"],
        ["control", (set) => /[\0-\x08\x09\x0b-\x1f\x7f]/.test(set), "curl refuses cookies with controls, as that draft says"],
    ].map(([id, when, why]) => ({ id: `cookie-${id}`, of: ["cookies"], when: (c) => when(c.set), why, source: "RFC 6265 5.2, 5.3; libcurl keeps trawl's cookies" })),
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
        when: (c, ours, theirs) => theirs.unclosed || /<(svg|math|select|frameset)[^]*<(svg|math)/i.test(c.body),
        why: "an <svg> or <math> that is not closed, or stands in another, in a <select> or <frameset>: trawl does not know which elements are open",
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

// MIME types, labels of encodings, texts in encodings, declared refreshes.
import encoding from "whatwg-encoding";
import mimetype from "whatwg-mimetype";
import { decodeBytes, toBuffer, utf8 } from "./bytes.mjs";

const { labelToName } = encoding;
const MIMEType = mimetype.MIMEType ?? mimetype;

const TYPES = ["text/html", "TEXT/HTML", "text/html;charset=utf-8", "application/xhtml+xml; charset=\"utf-8\"", "text/plain", "*/*", "text",
    "text/", "/html", "text/html;charset", "text/html;=x", "text/html;charset=gbk;charset=utf-8", "a/b;c=\"d\\\"e\"", "a/b;c=\"d",
    "a/b; ;c=d", "a/b;c= d", "a/b;c=d ;e=f", "application/rss+xml"];
const ODD = [..."/;=\"\\ \t\n\r,()<>@:[]?{}\0\x7f\x80\xa0\xe9\xff", "charset", "CHARSET", "utf-8", "''", "\"\""];

export const mime = {
    name: "mime",
    against: "whatwg-mimetype",
    batch: 400,
    make: (rng) => ({ value: rng.mutate(rng.pick(TYPES) + rng.many(2, () => rng.pick([";", "; "]) + rng.pick(["charset=utf-8", "a=b",
        "A=\"b c\"", "a", "a=", "=b", "a=\"\"", "a=\"b\"c"])).join(""), ODD, 4) }),
    ours: async (driver, c) => (await driver.ask("mime", c.value)).mime?.[0] ?? null,
    theirs: (c) => MIMEType.parse(c.value)?.toString() ?? null,
    same: (ours, theirs) => ours === theirs,
};

const LABELS = ["utf-8", "UTF8", "unicode-1-1-utf-8", "latin1", "iso-8859-1", "ascii", "windows-1252", "cp1251", "koi8-r", "koi8_u", "gbk", "gb2312",
    "gb18030", "big5-hkscs", "shift_jis", "sjis", "ms_kanji", "euc-jp", "iso-2022-jp", "iso-2022-kr", "euc-kr", "ks_c_5601-1987", "utf-16",
    "utf-16be", "utf-16le", "utf-7", "utf-32", "x-user-defined", "replacement", "csunicode", "iso-8859-8-i", "logical", "iso88591",
    "iso_8859-15", "tis-620", "dos-874", "macintosh", "x-mac-cyrillic", "hz-gb-2312", "none", "binary", ""];

export const charset = {
    name: "charset",
    against: "whatwg-encoding",
    batch: 400,
    make: (rng) => ({ label: rng.mutate(rng.pick([" ", "\t", "\n", "", "", ""]) + rng.pick(LABELS) + rng.pick([" ", "\r", "", "", ""]),
        [..."_- \t\v\0\xa0123x", "iso"], 2) }),
    ours: async (driver, c) => (await driver.ask("charset", c.label)).charset?.[0] ?? null,
    theirs: (c) => labelToName(c.label)?.toLowerCase() ?? null,
    same: (ours, theirs) => ours === theirs,
};

// Any bytes in those that are tables of one byte, and in Unicode's own.
const TABLES = ["utf-8", "utf-8", "utf-8", "utf-16le", "utf-16be", "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254",
    "windows-1255", "windows-1256", "windows-1257", "windows-1258", "windows-874", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5",
    "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-10", "iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16", "koi8-r", "koi8-u",
    "macintosh", "x-mac-cyrillic", "ibm866", "x-user-defined"];

export const text = {
    name: "text",
    against: "whatwg-encoding, node's TextDecoder",
    batch: 200,
    make(rng) {
        const name = rng.pick(TABLES);
        const start = rng.pick(["", "plain ", utf8("\u00e9\u4f8b\u{1f600}"), "\xd8\x00\xdc\x00"]);
        return { name, bytes: start + rng.many(12, () => String.fromCharCode(rng.chance(3) ? rng.below(128) : rng.below(256))).join("") };
    },
    fixed: ["name"],
    valid: (c) => !/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(c.bytes),     // whoever decodes has looked for it before
    ours: async (driver, c) => (await driver.ask("text", c.name, c.bytes)).text?.[0] ?? null,
    theirs(c) {
        let node = null;
        try {
            node = utf8(new TextDecoder(c.name, { ignoreBOM: true }).decode(toBuffer(c.bytes)));
        } catch {
            // this node does not know it
        }
        const name = labelToName(c.name);       // null: it leaves that one out
        return { node, whatwg: name === null ? node : utf8(decodeBytes(c.bytes, name)) };
    },
    same: (ours, theirs) => ours === theirs.whatwg && (theirs.node === null || ours === theirs.node),
};

// "Shared declarative refresh steps" of the HTML standard, word for word.
export function refreshSteps(input) {
    let p = 0;
    const space = () => {
        while (p < input.length && /[\t\n\f\r ]/.test(input[p]))
            p++;
    };
    space();
    let digits = "";
    while (p < input.length && /[0-9]/.test(input[p]))
        digits += input[p++];
    if (digits === "" && input[p] !== ".")
        return null;
    while (p < input.length && /[0-9.]/.test(input[p]))
        p++;
    const delay = digits === "" ? 0 : Number(digits);
    if (p >= input.length)
        return { delay, url: null };
    if (!/[;,\t\n\f\r ]/.test(input[p]))
        return null;
    space();
    if (input[p] === ";" || input[p] === ",")
        p++;
    space();
    if (p >= input.length)
        return { delay, url: null };
    let url = input.slice(p);
    const m = /^[Uu][Rr][Ll][\t\n\f\r ]*=[\t\n\f\r ]*/.exec(url);
    if (m !== null)
        p += m[0].length;
    else if (/^[Uu]/.test(url))
        return { delay, url };
    const quote = input[p] === "'" || input[p] === "\"" ? input[p++] : null;
    url = input.slice(p);
    if (quote !== null && url.includes(quote))
        url = url.slice(0, url.indexOf(quote));
    return { delay, url };
}

export const refresh = {
    name: "refresh",
    against: "the steps of HTML 4.2.5.3",
    batch: 400,
    make: (rng) => ({ content: rng.mutate(rng.pick(["0", "5", "1.5", ".5", "", " 3", "99999999999", "007"]) + rng.pick([";", ",", "; ", " ", "", " ; "]) +
        rng.pick(["url=", "URL = ", "url", "", "Url='", "url=\"", "u"]) + rng.pick(["/a", "http://h.example/x", "'/b'", "\"/c\" d", "", "url=/d"]),
    [..."url=;,.'\" \t\n\f\v\x000159\xe9"], 3) }),
    async ours(driver, c) {
        const told = await driver.ask("refresh", c.content);
        return told.delay === undefined ? null : { delay: Number(told.delay[0]), url: told.url?.[0] ?? null };
    },
    theirs(c) {
        const r = refreshSteps(c.content);
        return r === null ? null : { delay: Math.min(r.delay, 2 ** 32 - 1), url: r.url };
    },
    same: (ours, theirs) => JSON.stringify(ours) === JSON.stringify(theirs),
};

// URLs: whatwg-url, and the parser of node (ada).
import whatwgUrl from "whatwg-url";
import { decodeUtf8, utf8 } from "./bytes.mjs";

const { parseURL, serializeURL } = whatwgUrl;
const SCHEMES = ["http:", "https:", "HTTP:", "ftp:", "ws:", "file:", "mailto:", "javascript:", "data:", "x-y:", "http", ""];
const SLASHES = ["//", "/", "", "\\\\", "/\\", "///", "////"];
const HOSTS = ["h.example", "EXAMPLE.com", "127.0.0.1", "0x7f.1", "1.2.3", "256.1.1.1", "[::1]", "[1:2::3.4.5.6]", "[::1%25x]",
    "b\u00fccher.example", "xn--bcher-kva.example", "xn--a", "fa\u00df.de", "\u4f8b\u3048.jp", "a_b.c", "a..b", "a.", ".", "",
    "%41.com", "a%00b", "\uff41.com", "a b", "ex\u00adample.com", "user@h", "user:pw@h", "a@b@c", ":@h", "1e2.3", "08.1", "0xffffffff"];
const PORTS = ["", ":", ":80", ":443", ":8080", ":65535", ":65536", ":0", ":080", ":x", ":8a"];
const PATHS = ["", "/", "/a", "/a/b/../c", "/./", "/..", "/%2e%2E/x", "/a//b", "a/b", "../x", "./y", "/C:/x", "/C|/x", "/\u00e9",
    "/a b", "/a%zzb", "/{x}|^`", "/a\\b", "/[x]", "/~!$&'()*+,;=:@", "/\u{1f600}", "//x", "/.//x", "/a;p=1", "/%", "/a\tb"];
const QUERIES = ["", "?", "?a=b", "?a b", "?\u00e9=\u00fc", "?'\"<>", "?a#b?c", "?%zz", "?{|}^`", "?a=1&b=2"];
const HASHES = ["", "", "#", "#a", "#a b", "#\u00e9`"];
const ODD = [..."/\\:?#@[]%.<>|^`{}\"' \t\n\r\u0000\u0001\u001f\u007f\u0080\u00a0\u00ad\u00df\u0131\u200d\u3002\ufdd0\uff0e\ufffd", "..", "%2e", "%00", "xn--",
    "\u{10ffff}", "http:", "//"];
const BASES = ["http://h.example/d/p.html?q#f", "https://u:p@h.example:8443/a/b/", "http://h.example", "file:///C:/d/e", "mailto:x@y",
    "http://[::1]/x?y"];

export default {
    name: "url",
    against: "whatwg-url, node",
    batch: 400,

    make(rng) {
        const input = rng.pick(SCHEMES) + rng.pick(SLASHES) + rng.pick(HOSTS) + rng.pick(PORTS) + rng.pick(PATHS) +
            rng.pick(QUERIES) + rng.pick(HASHES);
        const relative = rng.pick(PATHS) + rng.pick(QUERIES) + rng.pick(HASHES);
        const text = rng.mutate(rng.chance(3) ? relative : input, ODD);
        const bytes = rng.chance(10) ? rng.mutate(utf8(text), ["\xff", "\xc3", "\xed\xa0\x80", "\xf0\x9f"]) : utf8(text);
        return { input: bytes, base: rng.pick(BASES) };
    },
    fixed: ["base"],

    async ours(driver, c) {
        return (await driver.ask("url", c.input, c.base)).url?.[0] ?? null;
    },

    theirs(c) {
        const text = decodeUtf8(c.input);
        const whatwg = parseURL(text, { baseURL: parseURL(c.base) });
        let node = null;
        try {
            node = new URL(text, c.base).href;
        } catch {
            // it is none
        }
        return { whatwg: whatwg === null ? null : serializeURL(whatwg), node };
    },

    same: (ours, theirs) => ours === theirs.whatwg && ours === theirs.node,
};

// Content codings: node's zlib, undone as the Fetch standard says ("handle content codings") and read to their end.
import zlib from "node:zlib";
import { parse } from "parse5";
import { fromBuffer, toBuffer } from "./bytes.mjs";

const CODERS = {
    gzip: (b) => zlib.gzipSync(b),
    "x-gzip": (b) => zlib.gzipSync(b),
    deflate: (b) => zlib.deflateSync(b),
    br: (b) => zlib.brotliCompressSync(b, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 } }),
};
const UNDO = {
    gzip: zlib.gunzipSync,
    "x-gzip": zlib.gunzipSync,
    deflate: (b) => (b[0] & 15) === 8 ? zlib.inflateSync(b) : zlib.inflateRawSync(b),
    br: zlib.brotliDecompressSync,
    identity: (b) => b,
    "": (b) => b,
};
const WORDS = ["utf-8", "UTF-8", "none", "x-unknown", "compress", "binary", "8bit", "chunked", "aws-chunked", "gzip;q=1", "*", "text/html"];

function linksOf(page) {
    const found = new Set(), stack = [parse(page)];
    while (stack.length > 0) {
        const node = stack.pop();
        const href = node.tagName === "a" ? node.attrs.find((x) => x.name === "href")?.value : undefined;
        const path = href !== undefined && URL.canParse(href, "http://h.example/") ? new URL(href, "http://h.example/").pathname : null;
        if (path === "/first" || path === "/last")
            found.add(path);
        stack.push(...(node.childNodes ?? []));
    }
    return [...found].sort().join();
}

export default {
    name: "content",
    against: "node's zlib",
    batch: 100,

    make(rng) {
        let body = Buffer.from(`<!doctype html><a href=/first></a>${"x".repeat(rng.below(300))}${rng.next()}<a href=/last></a>`);
        const names = [];
        for (let n = rng.pick([0, 1, 1, 1, 1, 2, 3]); n > 0; n--) {
            const name = rng.pick(Object.keys(CODERS));
            body = name === "deflate" && rng.chance(3) ? zlib.deflateRawSync(body) : CODERS[name](body);
            names.push(name);
        }
        if (rng.chance(3))
            names.splice(rng.below(names.length + 1), 0, rng.pick([...WORDS, "identity", "", "gzip", "br"]));
        let codings = names.map((n) => rng.chance(4) ? n.toUpperCase() : n).join(rng.pick([",", ", ", " ,\t", ",,"]));
        if (rng.chance(6))
            codings = rng.mutate(codings, [..." ,;\"-xg", "gzip", ","], 2);
        let bytes = fromBuffer(body);
        switch (rng.below(8)) {
        case 0: bytes = bytes.slice(0, rng.below(bytes.length + 1)); break;
        case 1: bytes = rng.mutate(bytes, ["\0", "\xff", "\x1f\x8b"], 2); break;
        case 2: bytes += rng.pick(["\0", "\r\n", "junk", fromBuffer(zlib.gzipSync("more\n")), "\x1f", "\x1f\x8b"]); break;
        default:
        }
        return { codings, bytes };
    },

    // Of a page: which of its links were found, and whether its coding was damaged.
    async ours(driver, c) {
        const head = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: ${c.codings}\r\n\r\n`;
        const told = await driver.ask("response", "http://h.example/", head, c.bytes);
        const links = (told.link ?? []).map((l) => l.slice("http://h.example".length));
        return told.remark?.[0] === "content-damaged" ? null : links.filter((l) => l === "/first" || l === "/last").sort().join();
    },

    theirs(c) {
        const names = c.codings.split(",").map((n) => n.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
        const unknown = names.filter((n) => !(n in UNDO));
        let body = toBuffer(c.bytes);
        try {
            for (const n of unknown.length > 0 || body.length === 0 ? [] : names.reverse())
                body = UNDO[n](body);
        } catch {
            return { links: null, unknown, packed: false };
        }
        return { links: linksOf(fromBuffer(body)), unknown, packed: body[0] === 0x1f && body[1] === 0x8b };
    },

    same: (ours, theirs) => ours === theirs.links,
};

// Framing and status lines: the same bytes on a socket, as undici, curl and Chromium read them, and as a crawl does.
import { createHash } from "node:crypto";
import undici from "undici";
import { Chromium } from "./chromium.mjs";
import { Origins, crawl, curl } from "./origins.mjs";

const BATCH = 240;
const HOME = "/home-of-the-browser";

// ---- what may come over a socket ---------------------------------------------------------------------------

const STATUS = ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 404 N",
    "HTTP/1.1 404 Not Found", "HTTP/1.1 302 Found", "HTTP/1.1 301 M", "HTTP/1.1 204 N", "HTTP/1.1 304 N", "HTTP/1.1 205 R", "HTTP/1.1 500 \xe9",
    "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK"];
const ODD_STATUS = ["http/1.1 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1 0200 OK", "HTTP/1.1 20 OK", "HTTP/1.2 200 OK", "HTTP/2 200 OK", "HTTP/0.9 200 OK", "ICY 200 OK",
    "HTTP/1.1\t200 OK", "HTTP/11 200 OK", "HTTP/1.1 999 X", "HTTP/1.1 099 X", "HTTP/1 200 OK", "HTTP/1.1 +200 OK", "HTTP /1.1 200 OK"];
const LENGTHS = (n) => [`${n}`, `${n}`, `${n}`, `0${n}`, `+${n}`, ` ${n} `, `${n}, ${n}`, `${n},${n + 1}`, `${n};x`, `0x${n}`, "", `-${n}`, `${n}\t`,
    `${n - 1}`, `${n + 3}`, `${n} ${n}`, `${n}.0`, "0", `"${n}"`];
const CODINGS = ["chunked", "chunked", "Chunked", "identity", "gzip, chunked", "chunked, chunked", "\tchunked", "xchunked", "chunked;q=1", "", "chunked, identity",
    "identity, chunked", "chunked,", "gzip", "\"chunked\"", "chun ked"];
const FIELDS = ["X-A: b", "Content-Type: text/html", "Connection: close", "Connection: keep-alive", "Content-Type: text/plain", "X-A : b", ": b", "X-A", "X\tA: b",
    "X-A: b\r\n c", "X-A: \xe9\x80", "X-A: a\rb", "X-(A): b", "Location: /target", "Location: /target#f", "Location: /t arget", "Location: ?q",
    "Server: x", "Set-Cookie: a=b", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Trailer: X-T", "Keep-Alive: timeout=5", "X-A: a\0b", " folded: first",
    "Content-Length : 3", "Transfer-Encoding : chunked"];
const BODIES = ["hello", "<p>a page of some length\n", "5\r\nhello\r\n0\r\n\r\n", "", "HTTP/1.1 200 OK\r\n\r\n", "\r\n\r\n"];

function chunks(rng, body) {
    let out = "";
    const half = rng.below(body.length + 1);
    for (const part of [body.slice(0, half), body.slice(half)].filter((p) => p !== "")) {
        const size = part.length.toString(16);
        out += rng.pick([size, size, size, size.toUpperCase(), `00${size}`, `${size} `, `${size};a=b`, `${size} ; a="b;c"`, ` ${size}`, `0x${size}`,
            `${size};`, `${size}\t`, `${size};\xe9`]) + rng.pick(["\r\n", "\r\n", "\r\n", "\n"]) + part + rng.pick(["\r\n", "\r\n", "\r\n", "\n", ""]);
    }
    return out + rng.pick(["0\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n", "0\r\n", "0", "", "00\r\n\r\n", "0;a\r\n\r\n", "0\r\nX-T: t\r\n\r\n", "0\n\n", "0\r\nbad\r\n\r\n",
        "0\r\n\r\nmore", "0\r\nContent-Length: 3\r\n\r\n", "-1\r\n\r\n"]);
}

function response(rng) {
    const lines = [rng.pick(rng.chance(8) ? ODD_STATUS : STATUS)];
    let body = rng.pick(BODIES);
    const framing = rng.below(6);
    if (framing <= 2)
        lines.push(`Content-Length:${rng.pick([" ", "", "\t"])}${rng.pick(LENGTHS(body.length))}`);
    if (framing === 0 && rng.chance(4))
        lines.push(`Content-Length: ${rng.pick(LENGTHS(body.length))}`);
    if (framing >= 2 && framing <= 4) {
        lines.push(`Transfer-Encoding: ${rng.pick(CODINGS)}`);
        if (rng.chance(8))
            lines.push(`Transfer-Encoding: ${rng.pick(CODINGS)}`);
        body = rng.chance(6) ? body : chunks(rng, body);
    }
    for (const field of rng.many(3, () => rng.pick(FIELDS)))
        lines.splice(1 + rng.below(lines.length), 0, field);
    const end = rng.pick(["\r\n", "\r\n", "\r\n", "\r\n", "\n"]);
    const before = rng.chance(8) ? rng.pick(["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "\r\n", "\n", " ",
        "HTTP/1.1 101 Switch\r\n\r\n", "HTTP/1.1 100 C\r\nContent-Length: 3\r\n\r\n"]) : "";
    return before + lines.join(end) + end + (rng.chance(30) ? "" : end) + body;
}

const ODD = [..."\r\n\t :,;0123456789aA\0\x80\xff", "\r\n", "\r\n\r\n", "\n\n", "\r", "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n", "0\r\n\r\n"];

// ---- both readings -----------------------------------------------------------------------------------------

const base32 = (buffer) => {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = "";
    for (const b of buffer)
        bits += b.toString(2).padStart(8, "0");
    return bits.match(/.{5}/g).map((five) => letters[parseInt(five, 2)]).join("");
};
const digest = (body) => `${body.length} ${base32(createHash("sha1").update(body).digest())}`;

let origins, cases = [], browser = null;

function answer(i, request) {
    if (!/^GET \/ HTTP/.test(request)) {        // a redirect's target, or the browser's own page
        const body = request.startsWith(`GET ${HOME} `) ? "<title>home</title>" : "target";
        return [`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`];
    }
    const { bytes, pieces } = cases[i];
    if (pieces === "1")
        return [bytes];
    const size = Math.max(1, Math.ceil(bytes.length / Number(pieces)));
    return bytes.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
}

const asked = new undici.Agent({ headersTimeout: 20000, bodyTimeout: 20000, keepAliveTimeout: 1, keepAliveMaxTimeout: 1 });

async function askUndici(url) {
    try {
        const r = await undici.request(url, { dispatcher: asked });
        return { status: r.statusCode, body: digest(Buffer.from(await r.body.arrayBuffer())) };
    } catch {
        return null;
    }
}

function fromBrowser(a, url) {
    if (a === null)
        return null;
    if (a.redirected)
        return { redirect: a.url.replace(/#.*/s, "") };
    return { status: a.status, body: digest(a.body) };
}

export default {
    name: "framing",
    against: "undici, curl, Chromium",
    batch: BATCH,
    every: 4,
    fixed: ["pieces"],

    async begin(tools) {
        if (tools.trawl === undefined)
            return "no --trawl";
        origins = await new Origins().listen(BATCH, answer);
        const name = Chromium.find();
        if (name === undefined) {
            console.log("framing: without Chromium, which is not installed");
            this.against = "undici, curl";
            return null;
        }
        browser = new Chromium();
        await browser.begin(name);
        await browser.goto(origins.url(0, HOME));
        return null;
    },

    async end() {
        origins?.close();
        await browser?.end();
        await asked.close();
    },

    make(rng) {
        const bytes = rng.chance(3) ? rng.mutate(response(rng), ODD, 2) : response(rng);
        return { bytes, pieces: rng.pick(["1", "1", "2", "5"]) };
    },

    async oursOfAll(tools, asking) {
        cases = asking;
        const urls = asking.map((_, i) => origins.url(i));
        const rows = await crawl(tools.trawl, urls, ["--max-depth", "0"]);
        return urls.map((u) => {
            const row = rows.get(u);
            if (row === undefined || row.digest === null)
                return { failed: row?.reason ?? "not there" };
            return { status: row.status, body: `${row.length} ${row.digest?.slice(5)}`, redirect: row.redirect_to ?? undefined, reason: row.reason ?? undefined };
        });
    },

    async theirsOfAll(tools, asking) {
        cases = asking;
        const urls = asking.map((_, i) => origins.url(i));
        const [byCurl, byUndici, byBrowser] = await Promise.all([curl(urls), Promise.all(urls.map(askUndici)), browser?.fetchAll(urls)]);
        return urls.map((u, i) => {
            const c = byCurl.get(u);
            return {
                undici: byUndici[i],
                curl: c === null ? null : { status: c.status, body: digest(c.body) },
                chromium: byBrowser === undefined ? undefined : fromBrowser(byBrowser[i], u),
            };
        });
    },

    same: (ours, theirs) => Object.values(theirs).every((t) => t === undefined || agrees(ours, t)),
};

// Whether two readings are one. A browser does not say what was in the redirect that it followed.
export function agrees(ours, t) {
    if (t === null || ours.failed !== undefined)
        return t === null && ours.failed !== undefined;
    if (t.redirect !== undefined)
        return ours.redirect === t.redirect;
    return ours.status === t.status && ours.body === t.body;
}

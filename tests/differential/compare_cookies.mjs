// Cookies: what a crawl with `--cookies visit` sends back to a page's link, against tough-cookie.
import tough from "tough-cookie";
import { Origins, crawl } from "./origins.mjs";

const { Cookie, CookieJar } = tough;
const BATCH = 240;
const PAGE = "/d/p";
const NEXT = ["/d/next", "/d/e/next", "/next", "/dx", "/d"];

const PAIRS = ["a=1", "a=2", "b=2", "b=3", "c=4", "c=", "dd=5", "dd=6", "e.f=7", "a=1", "b=2", "c=4", "a=", "=x", "a", "", "a=\"q\"", "a=b=c", " a = 1 ", "A=1", "a=\xe9", "a=b,c", "a=b c", "__Host-a=1", "__Secure-a=1", "a=b\tc"];
const ATTRIBUTES = ["Path=/", "Path=/d", "Path=/d/e", "Path=/", "Path=/x", "Max-Age=50", "Max-Age=0", "Expires=Wed, 09 Jun 2097 10:18:14 GMT",
    "Expires=Tue, 09 Jun 2020 10:18:14 GMT", "expires=Tue, 09-Jun-20 10:18:14 GMT", "HttpOnly", "SameSite=Lax", "Path=/", "Path=/d", "Path=/d/", "Path=/e", "Path=", "Path=d", "path = /d ", "Path=/d; Path=/", "Path=\"/\"", "Secure", "HttpOnly", "SameSite=Strict",
    "Max-Age=0", "Max-Age=-1", "Max-Age=100", "Max-Age=x", "Max-Age=", "Max-Age=\"100\"", "Max-Age=1e3", "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "Expires=Wed, 01-Jan-2098 00:00:00 GMT", "Expires=Wed, 09 Jun 2097 10:18:14 GMT", "expires=x", "Expires=0", "Expires=2097", "Expires=Jun 9 2097 10:18:14",
    "Domain=", "Domain=other.example", "Domain=127.0.0.1", "Domain=.", "X=y", "", "Partitioned", "Version=1"];
const FOLD = "\f";       // where the field goes on in another line
const ODD = [..."=;, \t\"\x01\x7f\xe9", "; ", "=="];

let origins, cases = [], sent = [];

function answer(i, request) {
    const path = /^GET (\S+) /.exec(request)?.[1];
    const c = cases[i];
    let fields = "", body = "done";
    if (path === PAGE) {
        fields = c.set.split("\n").filter((l) => l !== "").map((l) => `Set-Cookie: ${l.replaceAll(FOLD, "\r\n ")}\r\n`).join("");
        body = `<!doctype html><a href="${c.next}">x</a>`;
    } else if (path === c.next) {
        sent[i] = /^cookie: *(.*?) *\r$/im.exec(request)?.[1] ?? "";
    }
    return [`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`];
}

const sorted = (cookies) => cookies.split("; ").filter((c) => c !== "").sort();

export default {
    name: "cookies",
    against: "tough-cookie",
    batch: BATCH,
    every: 8,
    fixed: ["next"],

    async begin(tools) {
        if (tools.trawl === undefined)
            return "no --trawl";
        origins = await new Origins().listen(BATCH, answer);
        return null;
    },

    end: () => origins?.close(),

    make(rng) {
        const line = () => {
            const text = [rng.pick(PAIRS), ...rng.many(2, () => rng.pick(ATTRIBUTES))].join(rng.pick(["; ", "; ", ";", `;${FOLD}`]));
            return rng.chance(4) ? rng.mutate(text, ODD, 2) : text;
        };
        return { set: [line(), ...rng.many(2, line)].join("\n"), next: rng.pick(NEXT) };
    },

    async oursOfAll(tools, asking) {
        cases = asking;
        sent = asking.map(() => null);
        await crawl(tools.trawl, asking.map((_, i) => origins.url(i, PAGE)), ["--cookies", "visit"]);
        return sent.map((s) => s === null ? null : sorted(s));
    },

    // The address stands for the host: its own is another one each time.
    theirs(c) {
        const jar = new CookieJar(undefined, { rejectPublicSuffixes: false });
        const at = origins.url(0, PAGE);
        for (const text of c.set.split("\n")) {
            const cookie = Cookie.parse(text.replaceAll(FOLD, "   "));
            if (cookie !== undefined)
                jar.setCookieSync(cookie, at, { ignoreError: true, http: true });
        }
        return sorted(jar.getCookieStringSync(origins.url(0, c.next), { http: true }));
    },

    same: (ours, theirs) => ours !== null && JSON.stringify(ours) === JSON.stringify(theirs),
};

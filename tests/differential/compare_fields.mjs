// The fields of a response: undici's reading of Content-Type and Location, as the Fetch standard has them, and of a
// page behind them whether it is read at all, and in which encoding.
import { createRequire } from "node:module";
import encoding from "whatwg-encoding";
import whatwgUrl from "whatwg-url";
import { toBuffer, utf8 } from "./bytes.mjs";

const { labelToName } = encoding;
const { parseURL, serializeURL } = whatwgUrl;
const require = createRequire(import.meta.url);
const { extractMimeType } = require("undici/lib/web/fetch/util.js");
const { HeadersList } = require("undici/lib/web/fetch/headers.js");

const TYPES = ["text/html", "text/html; charset=utf-8", "text/html;charset=ISO-8859-1", "text/html;charset=\"windows-1251\"", "text/plain", "*/*",
    "unknown/unknown", "application/unknown", "application/xhtml+xml", "image/png", "application/json;charset=utf-8", "", "text", "html",
    "text/html, text/plain", "text/plain, text/html;charset=koi8-r", "text/html;charset=utf-8, */*", "text/html;charset=gbk, text/html",
    "text/html;x=\"a,b\";charset=koi8-r"];
const LOCATIONS = ["/a", "b", "?q", "#f", "//other.example/x", "https://h.example/", "http:/x", "/a b", "/\xe9", utf8("/\u00e9\u4f8b"),
    "/x?\xe9\xff", "", "javascript:x", "http://h.example:99999/", "../..", "\\x", "http://b\xfccher.example/", "/%zz", "/{a}|"];
const STATUSES = ["200 OK", "200", "301 Moved", "302 Found", "303 See", "307 T", "308 P", "304 N", "300 M", "305 U", "203 X"];
const PAGE = "<!doctype html><title>x</title><a href=/in\xc3\xa9>x</a>";

// Field lines of a head, folded ones in one piece (RFC 9112 5.2), without white space around them.
function readFields(head) {
    const lines = head.split("\r\n").slice(1, -2);
    const fields = [];
    for (const line of lines) {
        if (/^[ \t]/.test(line)) {
            if (fields.length > 0)
                fields.at(-1)[1] = `${fields.at(-1)[1]} ${line.replace(/^[ \t]+/, "")}`;
            continue;
        }
        const at = line.indexOf(":");
        if (at > 0)
            fields.push([line.slice(0, at), line.slice(at + 1)]);
    }
    return fields.map(([name, value]) => [name, value.replace(/^[ \t]+|[ \t]+$/g, "")]);
}

// Octets that are not UTF-8 go back to the server as they came: RFC 3986 2.5, "the server's own octets".
function toText(bytes) {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(toBuffer(bytes));
    } catch {
        return null;
    }
}

// What 300 prefers may be followed (RFC 9110 15.4.1), which Fetch leaves alone.
function location(status, value) {
    if (![300, 301, 302, 303, 307, 308].includes(status) || value === null || value === "")
        return null;
    const text = toText(value);
    if (text === null)
        return undefined;
    const url = parseURL(text, { baseURL: parseURL("http://h.example/d/p") });
    if (url === null || (url.scheme !== "http" && url.scheme !== "https"))
        return null;
    url.fragment = null;
    url.username = url.password = "";
    return serializeURL(url);
}

export default {
    name: "fields",
    against: "undici, whatwg-url",
    batch: 200,

    make(rng) {
        const lines = rng.many(3, () => {
            const kind = rng.below(3);
            const name = kind === 0 ? "Content-Type" : kind === 1 ? "Location" : rng.pick(["X-A", "Content-Type-Options", "Content", "Server"]);
            let value = rng.mutate(rng.pick(kind === 0 ? TYPES : LOCATIONS), [..."/;=\" \t,?#%\x01\x80\xe9\xff", "charset"], 2);
            if (rng.chance(6))
                value = value.slice(0, value.length >> 1) + "\r\n" + rng.pick([" ", "\t", "  "]) + value.slice(value.length >> 1);
            return (rng.chance(4) ? name.toUpperCase() : name) + ":" + rng.pick([" ", "", "\t", "  "]) + value + rng.pick(["", "", " "]);
        });
        return { status: rng.pick(STATUSES), fields: lines.map((l) => l + "\r\n").join(""), page: PAGE };
    },
    fixed: ["status", "page"],
    valid: (c) => (c.fields === "" || c.fields.endsWith("\r\n")) && !/[\r\n]/.test(c.fields.replaceAll("\r\n", "")) &&
        !c.fields.startsWith("\r") && !c.fields.includes("\r\n\r\n") && !c.fields.includes("\0") &&
        c.fields.split("\r\n").every((l, i) => l === "" || (/^[ \t]/.test(l) ? i > 0 && l.trim() !== "" : /^[!-9;-~]+:/.test(l))),

    async ours(driver, c) {
        const told = await driver.ask("response", "http://h.example/d/p", `HTTP/1.1 ${c.status}\r\n${c.fields}\r\n`, c.page);
        return { mime: told.mime?.[0] ?? null, redirect: told.redirect?.[0] ?? null, link: told.link?.[0] ?? null };
    },

    theirs(c) {
        const head = `HTTP/1.1 ${c.status}\r\n${c.fields}\r\n`;
        const fields = readFields(head);
        const status = Number(c.status.slice(0, 3));
        const headers = new HeadersList();
        for (const [name, value] of fields)
            headers.append(name, value);
        const type = fields.some(([n]) => n.toLowerCase() === "content-type") ? extractMimeType(headers) : "failure";
        const mime = type === "failure" ? null : type.essence;
        const where = fields.find(([n]) => n.toLowerCase() === "location");
        const unknown = mime === null || mime === "unknown/unknown" || mime === "application/unknown";
        let link = null;
        if (status >= 200 && status <= 299 && (unknown || mime === "text/html" || mime === "application/xhtml+xml")) {
            const label = type === "failure" ? undefined : type.parameters.get("charset");
            const name = label === undefined ? "UTF-8" : labelToName(label) ?? "UTF-8";
            link = name;
        }
        return { mime, redirect: location(status, where === undefined ? null : where[1]), link };
    },

    // The page's one link tells the encoding: in UTF-8 its path ends in one character.
    same(ours, theirs) {
        const link = ours.link === null ? null : /in%C3%A9$/.test(ours.link) ? "utf-8" : "other";
        const due = theirs.link === null ? null : ["utf-8", "utf-16le", "utf-16be"].includes(theirs.link.toLowerCase()) ? "utf-8" : "other";
        return ours.mime === theirs.mime && link === due && (theirs.redirect === undefined || ours.redirect === theirs.redirect);
    },
};

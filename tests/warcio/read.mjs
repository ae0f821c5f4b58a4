// Reads WARC files with npm's warcio, checks every record, and prints one JSON object a record.
//
//     node read.mjs FILE...
//
// Fields: file, offset, length (compressed), type, uri, status (a number), payload_digest as the record states it,
// payload_digest_computed, payload_length, date, id, truncated; null where the record has none. A record that is wrong
// has `error` too; it is said on standard error as well, and the exit code is 1. A file's reading ends at a record whose
// end cannot be found.
//
// warcio unpacks, and parses both headers. What is around it makes it strict: it takes a damaged member for data that
// is not compressed, goes on behind the end of a record whose header has no end, and only warns of a wrong
// Content-Length. So it gets one record at a time here, and must come out exactly at its end: one record a gzip member,
// nothing before, between or behind them, digests that match, no record ID twice.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { AsyncIterReader, StatusAndHeadersParser, WARCParser } from "warcio";

const WINDOW_BYTES = 1 << 20;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const TYPES = new Set(["warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion",
    "continuation"]);
const DATE = /^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z)?)?)?$/;

const seenIds = new Set();
let failed = false;
let warnings = [];
console.warn = console.log = (...text) => warnings.push(text.join(" "));    // warcio says there what it thinks is wrong

// A file as a window that moves forward, and grows when a record does not fit.
class Window {
    constructor(name) {
        this.fd = openSync(name, "r");
        this.size = fstatSync(this.fd).size;
        this.buffer = Buffer.allocUnsafe(WINDOW_BYTES);
        this.start = this.end = 0;      // what part of the file is in the buffer
    }

    // Bytes from `offset` on, at least `want` of them or all there are.
    at(offset, want) {
        want = Math.min(want, this.size - offset);
        if (offset + want > this.end) {
            const size = Math.min(Math.max(want, WINDOW_BYTES), this.size - offset);
            const buffer = size > this.buffer.length ? Buffer.allocUnsafe(size) : this.buffer;
            this.buffer.copy(buffer, 0, offset - this.start, this.end - this.start);
            let have = this.end - offset;
            while (have < size) {
                const n = readSync(this.fd, buffer, have, size - have, offset + have);
                if (n === 0)
                    throw new Error("the file became shorter");
                have += n;
            }
            [this.buffer, this.start, this.end] = [buffer, offset, offset + have];
        }
        return this.buffer.subarray(offset - this.start, this.end - this.start);
    }

    close() {
        closeSync(this.fd);
    }
}

function base32(bytes) {
    let out = "", bits = 0, count = 0;
    for (const byte of bytes) {
        bits = (bits << 8 | byte) & 0xffff;
        for (count += 8; count >= 5; count -= 5)
            out += BASE32[bits >> (count - 5) & 31];
    }
    return count > 0 ? out + BASE32[bits << (5 - count) & 31] : out;
}

function digestsOf(bytes, algorithm) {
    const digest = createHash(algorithm).update(bytes).digest();
    return { base32: base32(digest), hex: digest.toString("hex") };
}

// The digest of `bytes` in the manner of `stated` ("sha1:..." or "sha-256:...", base32 or hex).
function digestLike(stated, bytes) {
    const [label, value] = [stated.slice(0, stated.indexOf(":")), stated.slice(stated.indexOf(":") + 1)];
    const digests = digestsOf(bytes, label.toLowerCase().replace("-", ""));
    const isHex = value.length === digests.hex.length;
    return { text: `${label}:${isHex ? digests.hex : digests.base32}`,
             matches: isHex ? value.toLowerCase() === digests.hex
                            : value.toUpperCase().replace(/=+$/, "") === digests.base32 };
}

function unpacked(reader) {
    const { inflator } = reader;
    return inflator === null || reader.compressed === null ? null : inflator;
}

// One record at the start of `bytes`. `more`: it does not end in there, and there may be more of it.
async function readRecord(bytes, isGzip, isAll) {
    const reader = new AsyncIterReader([bytes], isGzip ? "gzip" : null);
    const record = await new WARCParser(reader, { parseHttp: false }).parse();
    if (isGzip && unpacked(reader) === null)
        throw new Error(`damaged gzip member (${reader.inflator.msg || reader.inflator.err})`);
    if (record === null) {
        if (!isAll)
            return { more: true };
        throw new Error("no record");
    }
    const stated = record.warcHeader("Content-Length") ?? "";
    const block = await record.readFully(false);
    const end = await reader.readSize(4);
    if (isGzip ? !reader.inflator.ended : block.length < Number(stated) || end.length < 4) {
        if (!isAll)
            return { more: true };
        throw new Error("cut off");
    }
    if (isGzip && (unpacked(reader) === null || reader.inflator.err))
        throw new Error("damaged gzip member");
    if (!/^WARC\/(0\.1[78]|1\.[01])$/i.test(record.warcHeaders.statusline))
        throw new Error(`not the start of a record: ${JSON.stringify(record.warcHeaders.statusline.slice(0, 40))}`);
    if (!/^\d{1,15}$/.test(stated) || block.length !== Number(stated))
        throw new Error(`Content-Length is ${JSON.stringify(stated)}, the block has ${block.length} bytes`);
    if (end.length !== 4 || end[0] !== 13 || end[1] !== 10 || end[2] !== 13 || end[3] !== 10)
        throw new Error("the record does not end in CR LF CR LF");
    if (isGzip && (reader.inflator.chunks.length > 0 || reader._savedChunk?.length > 0))
        throw new Error("bytes behind the record in its gzip member");
    return { record, block, length: isGzip ? reader.inflator.strm.total_in : reader.getReadOffset() };
}

// Header and payload of an HTTP message; the payload with the transfer coding undone, and as it stands.
async function parseHttp(block) {
    const reader = new AsyncIterReader([block], null);
    const head = await new StatusAndHeadersParser().parse(reader, { headersClass: Headers });
    if (head === null)
        throw new Error("no HTTP header");
    const at = Buffer.from(block.buffer, block.byteOffset, block.length).indexOf("\r\n\r\n");
    const stored = await reader.readFully();
    if (at < 0 || stored.length !== block.length - at - 4)
        throw new Error("the HTTP header has no end, or another than warcio finds");
    const isChunked = /^chunked$/i.test(head.headers.get("Transfer-Encoding") ?? "");
    const payload = isChunked ? await new AsyncIterReader([stored], null, true).readFully() : stored;
    return { head, stored, payload };
}

function checkFields(record, problems) {
    const id = record.warcHeader("WARC-Record-ID") ?? "";
    if (!TYPES.has(record.warcType))
        problems.push(`WARC-Type is ${JSON.stringify(record.warcType)}`);
    if (!/^<[^<>\s]+>$/.test(id))
        problems.push(`WARC-Record-ID is ${JSON.stringify(id)}`);
    if (seenIds.has(id))
        problems.push(`a second record is ${id}`);
    seenIds.add(id);
    if (!DATE.test(record.warcDate ?? ""))
        problems.push(`WARC-Date is ${JSON.stringify(record.warcDate)}`);
    if (record.warcType !== "warcinfo" && !/^\S+$/.test(record.warcTargetURI ?? ""))
        problems.push(`WARC-Target-URI is ${JSON.stringify(record.warcTargetURI)}`);
}

async function describe(found, row) {
    const { record, block } = found;
    const problems = [];
    checkFields(record, problems);
    Object.assign(row, { length: found.length, type: record.warcType ?? null, uri: record.warcTargetURI ?? null,
        date: record.warcDate ?? null, id: record.warcHeader("WARC-Record-ID") ?? null,
        payload_digest: record.warcPayloadDigest ?? null, truncated: record.warcHeader("WARC-Truncated") ?? null });
    if (record.warcBlockDigest && !digestLike(record.warcBlockDigest, block).matches)
        problems.push(`WARC-Block-Digest is ${record.warcBlockDigest}, the block's is ` +
            digestLike(record.warcBlockDigest, block).text);

    const isHttp = /^application\/http\b/i.test(record.warcContentType ?? "") && block.length > 0;
    const http = isHttp ? await parseHttp(block) : { stored: block, payload: block };
    if (isHttp && record.warcType !== "request")
        row.status = http.head.statusCode;
    const isPart = record.warcType === "continuation" || record.warcHeader("WARC-Segment-Number") !== null;
    if (record.warcType !== "revisit" && !isPart) {
        row.payload_length = http.payload.length;
        if (row.payload_digest !== null) {
            const computed = digestLike(row.payload_digest, http.payload);
            row.payload_digest_computed = computed.text;
            // Many writers take a chunked body as it stands.
            if (!computed.matches && !digestLike(row.payload_digest, http.stored).matches)
                problems.push(`WARC-Payload-Digest is ${row.payload_digest}, the payload's is ${computed.text}`);
        }
    }
    return problems;
}

async function print(row) {
    if (!process.stdout.write(JSON.stringify(row) + "\n"))
        await new Promise((resolve) => process.stdout.once("drain", resolve));
    if (row.error) {
        process.stderr.write(`${row.file} at ${row.offset}: ${row.error}\n`);
        failed = true;
    }
}

async function readFile(name) {
    const window = new Window(name);
    const isGzip = window.at(0, 2).subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));
    for (let offset = 0, want = WINDOW_BYTES >> 4; offset < window.size;) {
        const row = { file: name, offset, length: null, type: null, uri: null, status: null, payload_digest: null,
            payload_digest_computed: null, payload_length: null, date: null, id: null, truncated: null };
        let found = null;
        try {
            const bytes = window.at(offset, want);
            found = await readRecord(bytes, isGzip, offset + bytes.length === window.size);
            if (found.more) {
                want = 2 * bytes.length;
                continue;
            }
            const problems = (await describe(found, row)).concat(warnings);
            if (problems.length > 0)
                row.error = problems.join("; ");
        } catch (error) {
            row.error = [error.message, ...warnings].join("; ");
        }
        warnings = [];
        await print(row);
        if (found === null)
            break;
        offset += found.length;
        want = WINDOW_BYTES >> 4;
    }
    window.close();
}

if (process.argv.length < 3) {
    process.stderr.write("usage: node read.mjs FILE...\n");
    process.exitCode = 2;
}
process.stdout.on("error", () => process.exit(1));
for (const name of process.argv.slice(2)) {
    try {
        await readFile(name);
    } catch (error) {
        await print({ file: name, offset: 0, error: error.message });
    }
}
if (failed)
    process.exitCode = 1;

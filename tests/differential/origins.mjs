// Raw servers on loopback, an address each, so that every case is an origin of its own; and crawls of them.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const REQUEST_BYTES_MAX = 64 << 10;

export class Origins {
    // `answer(index, request)`: the pieces to send, as byte strings; then the connection is closed.
    async listen(count, answer) {
        this.answer = answer;
        this.servers = [];
        for (let tries = 0; this.servers.length === 0; tries++) {
            this.port = 20000 + Math.floor(Math.random() * 12000);
            try {
                for (let i = 0; i < count; i++)
                    this.servers.push(await this.one(i));
            } catch (e) {
                this.close();
                if (tries > 50)
                    throw e;
            }
        }
        return this;
    }

    url(i, path = "/") {
        return `http://127.92.${1 + (i >> 7)}.${1 + (i & 127)}:${this.port}${path}`;
    }

    one(i) {
        const server = net.createServer((socket) => this.serve(i, socket));
        return new Promise((done, failed) => {
            server.once("error", failed);
            server.listen(this.port, new URL(this.url(i)).hostname, 64, () => done(server));
        });
    }

    serve(i, socket) {
        let request = "";
        socket.on("error", () => socket.destroy());
        socket.on("data", async (data) => {
            const whole = request.includes("\r\n\r\n");
            request = request.length < REQUEST_BYTES_MAX ? request + data.toString("latin1") : request;
            if (whole || !request.includes("\r\n\r\n"))
                return;
            for (const piece of this.answer(i, request)) {
                if (socket.destroyed)
                    return;
                socket.write(Buffer.from(piece, "latin1"));
                await sleep(1);
            }
            socket.end();
        });
    }

    close() {
        for (const s of this.servers.splice(0))
            s.close();
    }
}

function run(command, args, options = {}) {
    return new Promise((done, failed) => {
        const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
        const out = [], err = [];
        child.stdout.on("data", (d) => out.push(d));
        child.stderr.on("data", (d) => err.push(d));
        child.on("error", failed);
        child.on("close", (code) => done({ code, out: Buffer.concat(out).toString("utf8"), err: Buffer.concat(err).toString("utf8") }));
    });
}

// Crawls these URLs alone and returns its export: URL -> row.
export async function crawl(trawl, urls, more = []) {
    const dir = mkdtempSync(join(tmpdir(), "trawl-differential-"));
    try {
        writeFileSync(join(dir, "seeds"), urls.join("\n") + "\n");
        const crawled = await run(trawl, ["crawl", "--dir", join(dir, "crawl"), "--seeds", join(dir, "seeds"), "--workers", "1", "--threads", "1",
            "--delay", "0s", "--retries", "1", "--timeout", "20s", "--allow-net", "127.0.0.0/8", "--http", "off", "--listen", "tcp://127.0.0.1:0",
            "--robots", "ignore", "--sitemaps", "off", "--scope", "host", "--quiet", ...more]);
        if (crawled.code > 1)
            throw new Error(`trawl crawl: exit ${crawled.code}: ${crawled.err.slice(-600)}`);
        const verified = await run(trawl, ["verify", join(dir, "crawl")]);
        if (verified.code !== 0)
            throw new Error(`trawl verify: exit ${verified.code}: ${verified.out.slice(-600)}${verified.err.slice(-600)}`);
        const { out } = await run(trawl, ["export", join(dir, "crawl"), "--format", "jsonl"]);
        return new Map(out.split("\n").filter((l) => l !== "").map((l) => JSON.parse(l)).map((row) => [row.url, row]));
    } finally {
        rmSync(dir, { recursive: true, force: true });
    }
}

// curl, one process for many: URL -> status and body, or null where it failed. Some errors end the process: it goes on
// behind them.
export async function curl(urls) {
    const answers = new Map(urls.map((u) => [u, null]));
    for (let from = 0; from < urls.length;)
        from += await curlSome(urls.slice(from), answers);
    return answers;
}

// Returns how many it is through with.
async function curlSome(urls, answers) {
    const dir = mkdtempSync(join(tmpdir(), "trawl-differential-"));
    try {
        const lines = urls.map((u, i) => `url = "${u}"\noutput = "${join(dir, String(i))}"`);
        writeFileSync(join(dir, "conf"), lines.join("\n") + "\n");
        const { out } = await run("curl", ["-q", "-s", "--max-time", "20", "--noproxy", "*", "--path-as-is",
            "-H", "Accept-Encoding: gzip, br, zstd, deflate", "-w", "%{urlnum} %{exitcode} %{http_code}\\n", "-K", join(dir, "conf")]);
        let told = 0;
        for (const line of out.split("\n")) {
            const m = /^(\d+) (\d+) (\d+)$/.exec(line);
            if (m === null)
                continue;
            told = Math.max(told, Number(m[1]));
            if (m[2] === "0")
                answers.set(urls[Number(m[1])], { status: Number(m[3]), body: readIfThere(join(dir, m[1])) });
        }
        return told + 1;
    } finally {
        rmSync(dir, { recursive: true, force: true });
    }
}

function readIfThere(name) {
    try {
        return readFileSync(name);
    } catch {
        return Buffer.alloc(0);
    }
}

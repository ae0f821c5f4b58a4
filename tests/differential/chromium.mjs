// Headless Chromium, by its debugging pipe: what fetch() in a page makes of URLs.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"];
const AT_ONCE = 24;

// In the page. Cross-origin answers can be read, for web security is off.
const FETCH_ALL = `async (urls, atOnce) => {
    const answers = new Array(urls.length).fill(null);
    let next = 0;
    const one = async () => {
        while (next < urls.length) {
            const i = next++;
            try {
                const r = await fetch(urls[i], { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(20000) });
                const bytes = new Uint8Array(await r.arrayBuffer());
                let text = "";
                for (const b of bytes)
                    text += String.fromCharCode(b);
                answers[i] = { status: r.status, url: r.url, redirected: r.redirected, body: btoa(text) };
            } catch {}
        }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
    return answers;
}`;

export class Chromium {
    static find() {
        return NAMES.find((n) => spawnSync("sh", ["-c", `command -v ${n}`]).status === 0);
    }

    async begin(name) {
        this.dir = mkdtempSync(join(tmpdir(), "trawl-chromium-"));
        this.child = spawn(name, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-web-security", "--disable-dev-shm-usage",
            "--no-first-run", "--no-proxy-server", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-features=PrivateNetworkAccessChecks,LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
            `--user-data-dir=${this.dir}`, "--remote-debugging-pipe", "about:blank"], { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
        this.waiting = new Map();
        this.lastId = 0;
        this.child.on("exit", () => {
            for (const { failed } of this.waiting.values())
                failed(new Error("Chromium ended"));
        });
        this.child.stdio[3].on("error", () => {});
        let rest = "";
        this.child.stdio[4].setEncoding("utf8");
        this.child.stdio[4].on("data", (data) => {
            const parts = (rest + data).split("\0");
            rest = parts.pop();
            for (const p of parts)
                this.take(JSON.parse(p));
        });
        const { targetInfos } = await this.send("Target.getTargets", {});
        const page = targetInfos.find((t) => t.type === "page");
        this.session = (await this.send("Target.attachToTarget", { targetId: page.targetId, flatten: true })).sessionId;
    }

    take(message) {
        const w = this.waiting.get(message.id);
        this.waiting.delete(message.id);
        if (w !== undefined && message.error !== undefined)
            w.failed(new Error(message.error.message));
        else
            w?.done(message.result);
    }

    send(method, params, sessionId) {
        const id = ++this.lastId;
        return new Promise((done, failed) => {
            this.waiting.set(id, { done, failed });
            this.child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
        });
    }

    // In the context of a page at `at`, for about:blank may fetch nothing.
    async goto(at) {
        await this.send("Page.navigate", { url: at }, this.session);
        for (let i = 0; i < 100; i++) {
            const { result } = await this.send("Runtime.evaluate", { expression: "document.readyState + ' ' + location.href" }, this.session);
            if (result.value === `complete ${at}`)
                return;
            await new Promise((r) => setTimeout(r, 50));
        }
        throw new Error(`Chromium does not come to ${at}`);
    }

    async fetchAll(urls) {
        const expression = `(${FETCH_ALL})(${JSON.stringify(urls)}, ${AT_ONCE})`;
        const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, this.session);
        if (exceptionDetails !== undefined)
            throw new Error(`Chromium: ${exceptionDetails.text}`);
        return result.value.map((a) => a === null ? null : { ...a, body: Buffer.from(a.body, "base64") });
    }

    async end() {
        const gone = new Promise((done) => this.child.on("close", done));
        process.kill(-this.child.pid, "SIGKILL");       // with all its helpers
        await gone;
        rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
}

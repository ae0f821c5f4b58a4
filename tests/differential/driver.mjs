// Questions to driver.c, many at once. Texts are byte strings: one character a byte.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const hex = (text) => text.length === 0 ? "-" : Buffer.from(text, "latin1").toString("hex");

export class Driver {
    constructor(path) {
        this.child = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
        this.waiting = [];
        createInterface({ input: this.child.stdout }).on("line", (line) => this.waiting.shift().done(line));
        this.child.on("exit", (code, signal) => {
            for (const w of this.waiting.splice(0))
                w.failed(new Error(`the driver ended (${code ?? signal}) at: ${w.question.slice(0, 2000)}`));
        });
    }

    // What it tells: name -> list of texts.
    ask(kind, ...args) {
        const question = [kind, ...args.map(hex)].join(" ");
        return new Promise((done, failed) => {
            this.waiting.push({ question, done: (line) => done(parse(line)), failed });
            this.child.stdin.write(question + "\n");
        });
    }

    end() {
        this.child.stdin.end();
    }
}

function parse(line) {
    const told = {};
    for (const pair of line.split(" ")) {
        const at = pair.indexOf("=");
        if (at > 0)
            (told[pair.slice(0, at)] ??= []).push(Buffer.from(pair.slice(at + 1), "hex").toString("latin1"));
    }
    return told;
}

// Runs trawl's reading of HTTP and of pages against other implementations, on made and mutated inputs.
//
//     node run.mjs --driver build/tests/differential [--trawl build/trawl] [--time 60] [--seed N] [--case K]
//                  [--only NAME,NAME] [--batches N]
//
// Each comparison (compare_*.mjs) takes its turn until the time is over. A case follows from the seed and its number;
// --seed with --case and --only replays one and shows both readings. What differs is made smaller, and must be one of
// the differences in explained.mjs: else it is printed, with how to replay it, and the exit code is 1. Ends with a
// table: cases a comparison, how many differ, and by which explanation.
import { parseArgs } from "node:util";
import { Driver } from "./driver.mjs";
import { Rng } from "./rng.mjs";
import { explain, EXPLAINED } from "./explained.mjs";
import { comparisons } from "./comparisons.mjs";

const SHRINK_MS_MAX = 20000;
const UNEXPLAINED_MAX = 10;         // shown; the run ends there

const { values: options } = parseArgs({ options: {
    driver: { type: "string" },
    trawl: { type: "string" },
    time: { type: "string", default: "60" },
    seed: { type: "string" },
    case: { type: "string" },
    only: { type: "string" },
    batches: { type: "string" },
} });

const seed = Number(options.seed ?? Date.now() % 1000000);
const deadline = Date.now() + Number(options.time) * 1000;
let unexplained = 0;

const show = (c) => JSON.stringify(c, (_, v) => v === undefined ? "undefined" : v);

// Both readings of each case: those that differ, with what explains them (null: nothing does).
async function compare(comparison, tools, cases) {
    const ours = comparison.oursOfAll !== undefined ? await comparison.oursOfAll(tools, cases)
        : await Promise.all(cases.map((c) => comparison.ours(tools.driver, c)));
    const theirs = comparison.theirsOfAll !== undefined ? await comparison.theirsOfAll(tools, cases)
        : await Promise.all(cases.map((c) => comparison.theirs(c)));
    const differ = [];
    cases.forEach((c, i) => {
        if (!comparison.same(ours[i], theirs[i]))
            differ.push({ c, ours: ours[i], theirs: theirs[i], why: explain(comparison.name, c, ours[i], theirs[i]) });
    });
    return { differ, ours, theirs };
}

// The case without one piece of it each, larger pieces first.
function* smaller(comparison, c) {
    for (const name of Object.keys(c).filter((n) => !(comparison.fixed ?? []).includes(n) && typeof c[n] === "string")) {
        const text = c[name];
        for (let size = Math.ceil(text.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
            for (let at = 0; at < text.length; at += size)
                yield { ...c, [name]: text.slice(0, at) + text.slice(at + size) };
    }
}

async function shrink(comparison, tools, found) {
    const until = Date.now() + SHRINK_MS_MAX;
    while (Date.now() < until) {
        const candidates = [...smaller(comparison, found.c)].filter((c) => comparison.valid?.(c) ?? true);
        let next;
        for (let at = 0; at < candidates.length && next === undefined && Date.now() < until; at += comparison.batch) {
            const { differ } = await compare(comparison, tools, candidates.slice(at, at + comparison.batch));
            next = differ.find((d) => d.why === null);
        }
        if (next === undefined)
            break;
        found = next;
    }
    return found;
}

async function report(comparison, tools, found, number) {
    unexplained++;
    console.log(`${comparison.name}: a difference that nothing explains; seed ${seed}, case ${number}`);
    console.log(`  replay: scripts/differential.sh --seed ${seed} --case ${number} --only ${comparison.name}`);
    const small = await shrink(comparison, tools, found);
    console.log(`  input:  ${show(small.c)}\n  trawl:  ${show(small.ours)}\n  others: ${show(small.theirs)}`);
}

// On a busy machine one of those who are asked may have run out of time.
async function differsAgain(comparison, tools, c) {
    const { differ } = await compare(comparison, tools, [c]);
    return differ.some((d) => d.why === null);
}

function makeCase(comparison, number) {
    const rng = new Rng(seed, number);
    for (let tries = 0; tries < 100; tries++) {
        const c = comparison.make(rng);
        if (comparison.valid?.(c) ?? true)
            return c;
    }
    throw new Error(`${comparison.name} makes no valid case`);
}

async function runBatch(comparison, tools, tally) {
    const from = tally.cases;
    const cases = Array.from({ length: comparison.batch }, (_, i) => makeCase(comparison, from + i));
    const { differ } = await compare(comparison, tools, cases);
    tally.cases += cases.length;
    for (const d of differ) {
        if (d.why !== null)
            tally.explained.set(d.why, (tally.explained.get(d.why) ?? 0) + 1);
        else if (unexplained < UNEXPLAINED_MAX && await differsAgain(comparison, tools, d.c))
            await report(comparison, tools, d, from + cases.indexOf(d.c));
    }
}

async function replay(comparison, tools, number) {
    const c = makeCase(comparison, number);
    const { differ, ours, theirs } = await compare(comparison, tools, [c]);
    console.log(`input:  ${show(c)}\ntrawl:  ${show(ours[0])}\nothers: ${show(theirs[0])}`);
    console.log(differ.length === 0 ? "the same" : `differs: ${differ[0].why ?? "nothing explains it"}`);
    unexplained += differ.filter((d) => d.why === null).length;
}

function table(tallies) {
    console.log(`\nseed ${seed}\n| comparison | against | cases | differ | explained by |\n| --- | --- | --- | --- | --- |`);
    for (const [comparison, t] of tallies) {
        const differ = [...t.explained.values()].reduce((a, b) => a + b, 0);
        const why = [...t.explained].map(([id, n]) => `${id} ${n}`).join(", ");
        console.log(`| ${comparison.name} | ${comparison.against} | ${t.cases} | ${differ} | ${why} |`);
    }
    const used = new Set([...tallies.values()].flatMap((t) => [...t.explained.keys()]));
    for (const e of EXPLAINED.filter((x) => used.has(x.id)))
        console.log(`${e.id}: ${e.why} (${e.source})`);
}

async function main() {
    const only = options.only?.split(",");
    const tools = { driver: new Driver(options.driver), trawl: options.trawl };
    const chosen = [];
    for (const c of comparisons.filter((x) => only === undefined || only.includes(x.name))) {
        const missing = await c.begin?.(tools);
        if (missing)
            console.log(`${c.name}: skipped, ${missing}`);
        else
            chosen.push(c);
    }
    if (chosen.length === 0)
        throw new Error("there is nothing to compare");
    const tallies = new Map(chosen.map((c) => [c, { cases: 0, explained: new Map() }]));
    if (options.case !== undefined) {
        for (const c of chosen)
            await replay(c, tools, Number(options.case));
    } else {
        const limit = Number(options.batches ?? Infinity);
        for (let round = 0; round < limit && (round === 0 || Date.now() < deadline) && unexplained < UNEXPLAINED_MAX; round++)
            for (const [c, t] of tallies)
                if (round % (c.every ?? 1) === 0)
                    await runBatch(c, tools, t);
        table(tallies);
        console.log(`${unexplained} differences that nothing explains`);
    }
    for (const c of chosen)
        await c.end?.();
    tools.driver.end();
    process.exitCode = unexplained > 0 ? 1 : 0;
}

await main();

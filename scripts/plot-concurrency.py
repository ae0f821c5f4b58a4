#!/usr/bin/env python3
"""Draws what scripts/bench-concurrency.sh measured, or prints it as a table.

    scripts/plot-concurrency.py <docs/concurrency.jsonl >docs/concurrency.svg
    scripts/plot-concurrency.py --table <docs/concurrency.jsonl          # Markdown

Reads lines of bench/concurrency with the server's name in them. Both axes are logarithmic.
"""
import json
import math
import sys

SHAPES = [("one", "one event loop", "#1b6ca8"), ("threads", "a thread a fetch", "#c8553d"), ("cores", "a loop a core", "#4f772d")]
FIGURES = [("pages_per_s", "pages a second"), ("cpu_us_a_page", "CPU microseconds a page"),
           ("bytes_a_transfer", "bytes a transfer, peak")]
WIDTH, HEIGHT, PLOT_W, PLOT_H, TOP, LEFT = 1060, 660, 250, 210, 50, 70


def load(stream):
    runs = {}
    for line in stream:
        run = json.loads(line)
        runs[run["server"], run["shape"], run["transfers"]] = run
    if not runs:
        sys.exit("plot-concurrency.py: no lines on standard input")
    return runs


def nice(n):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:g}{unit}"
    return f"{n:g}"


def marks(values):
    low = math.floor(math.log10(max(1, min(values))))
    high = math.ceil(math.log10(max(10, *values)))
    return [10.0**e for e in range(low, max(high, low + 1) + 1)]


def panel(out, left, top, title, runs, server, key):
    points = {shape: [(n, runs[s, p, n][key]) for s, p, n in sorted(runs, key=lambda r: r[2])
                      if s == server and p == shape and runs[s, p, n][key] > 0] for shape, _, _ in SHAPES}
    xs = sorted({n for s, _, n in runs if s == server})
    ys = marks([v for line in points.values() for _, v in line])
    span_x = math.log(xs[-1] / xs[0]) or 1
    span_y = math.log(ys[-1] / ys[0])

    def x(n):
        return left + PLOT_W * math.log(n / xs[0]) / span_x

    def y(value):
        return top + PLOT_H - PLOT_H * math.log(value / ys[0]) / span_y

    out.append(f'<text x="{left}" y="{top - 10}" font-weight="bold">{title}</text>')
    for mark in ys:
        out.append(f'<path d="M{left} {y(mark):.1f}h{PLOT_W}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{nice(mark)}</text>')
    for mark in xs:
        out.append(f'<text x="{x(mark):.1f}" y="{top + PLOT_H + 15}" text-anchor="middle">{mark}</text>')
    for shape, _, colour in SHAPES:
        path = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in points[shape])
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.extend(f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in points[shape])


def plot(runs):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>']
    for row, (server, words) in enumerate([("fast", "fast server"), ("slow", "50 ms")]):
        for column, (key, title) in enumerate(FIGURES):
            panel(out, LEFT + column * (PLOT_W + 85), TOP + row * (PLOT_H + 70), f"{title}, {words}", runs, server, key)
    for i, (_, name, colour) in enumerate(SHAPES):
        out.append(f'<text x="{LEFT + i * 150}" y="{HEIGHT - 20}" fill="{colour}" font-weight="bold">{name}</text>')
    out.append(f'<text x="{LEFT + 480}" y="{HEIGHT - 20}">across: transfers at once</text>')
    out.append("</svg>")
    print("\n".join(out))


def table(runs):
    print("| server | transfers | pages/s: one loop | threads | loop a core | CPU us a page: one | threads | cores "
          "| KiB a transfer: one | threads | cores |")
    print("| --- |" + " --- |" * 10)
    for server in ("fast", "slow"):
        for n in sorted({n for s, _, n in runs if s == server}):
            cells = [f'{runs[server, shape, n][key] / unit:,.{digits}f}' for key, unit, digits in
                     (("pages_per_s", 1, 0), ("cpu_us_a_page", 1, 0), ("bytes_a_transfer", 1024, 0)) for shape, _, _ in SHAPES]
            print(f"| {server} | {n:,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    (table if sys.argv[1:] == ["--table"] else plot)(load(sys.stdin))

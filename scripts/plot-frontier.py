#!/usr/bin/env python3
"""Draws what the frontier costs against its size.

    build/bench/frontier DIR URLS >>frontier.jsonl       # once a size
    scripts/plot-frontier.py <frontier.jsonl >docs/frontier.svg

Reads the lines of bench/frontier, the last one of each size counts. Both axes are logarithmic.
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, PLOT_W, PLOT_H = 760, 330, 60, 40, 270, 220
COLOURS = ["#1b6ca8", "#c8553d", "#4f772d"]


def nice(n):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:g}{unit}"
    return f"{n:g}"


def axis(low, high):
    """Marks at 1, 2 and 5 times powers of ten that take in both ends."""
    marks = [m * 10.0**e for e in range(-1, 12) for m in (1, 2, 5)]
    first = max(m for m in marks if m <= low)
    last = min(m for m in marks if m >= high)
    return [m for m in marks if first <= m <= last]


def panel(out, left, title, sizes, curves):
    values = [v for _, points in curves for v in points]
    xs, ys = axis(min(sizes), max(sizes)), axis(min(values), max(values))

    def place(marks, value, length):
        span = math.log(marks[-1] / marks[0]) or 1
        return length * math.log(value / marks[0]) / span

    def x(value):
        return left + place(xs, value, PLOT_W)

    def y(value):
        return TOP + PLOT_H - place(ys, value, PLOT_H)

    out.append(f'<text x="{left}" y="{TOP - 16}" font-weight="bold">{title}</text>')
    for mark in ys:
        out.append(f'<path d="M{left} {y(mark):.1f}h{PLOT_W}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{nice(mark)}</text>')
    for mark in sizes:
        out.append(f'<path d="M{x(mark):.1f} {TOP}v{PLOT_H}" stroke="#eee"/>')
        out.append(f'<text x="{x(mark):.1f}" y="{TOP + PLOT_H + 16}" text-anchor="middle">{nice(mark)}</text>')
    out.append(f'<text x="{left + PLOT_W / 2}" y="{TOP + PLOT_H + 32}" text-anchor="middle">known URLs</text>')
    for i, (name, points) in enumerate(curves):
        path = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(sizes, points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[i]}" stroke-width="2"/>')
        for s, v in zip(sizes, points):
            out.append(f'<circle cx="{x(s):.1f}" cy="{y(v):.1f}" r="3" fill="{COLOURS[i]}"/>')
        at = TOP + PLOT_H + 48
        out.append(f'<text x="{left + i * 95}" y="{at}" fill="{COLOURS[i]}">{name}</text>')


def main():
    by_size = {}
    for line in sys.stdin:
        run = json.loads(line)
        if run["bench"] == "frontier":
            by_size[float(f'{run["urls"]:.2g}')] = run
    if len(by_size) < 2:
        sys.exit("plot-frontier.py: lines of at least two sizes are needed on standard input")
    sizes = sorted(by_size)
    runs = [by_size[s] for s in sizes]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    panel(out, LEFT, "bytes a known URL", sizes, [
        ("RAM", [r["ram_bytes_per_url"] for r in runs]),
        ("seen-set", [r["seen_bytes_per_url"] for r in runs]),
        ("disk", [r["disk_bytes_per_url"] for r in runs]),
    ])
    panel(out, LEFT + PLOT_W + 90, "a CPU second, all threads", sizes, [
        ("links alone", [r["links_only"]["links_per_cpu_s"] for r in runs]),
        ("links, growing", [r["grow"]["links_per_cpu_s"] for r in runs]),
        ("URLs alone", [r["urls_only"]["urls_per_cpu_s"] for r in runs]),
    ])
    out.append("</svg>")
    print("\n".join(out))


if __name__ == "__main__":
    main()

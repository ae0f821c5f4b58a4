#!/usr/bin/env python3
"""What scripts/bench.sh measured: a plot, or tables, and what a billion pages would cost.

    scripts/plot-bench.py <docs/bench.jsonl >docs/bench.svg
    scripts/plot-bench.py --table <docs/bench.jsonl          # Markdown

Reads the lines of bench.jsonl.
"""
import json
import sys

TOOLS = ["trawl", "libcurl", "wget2", "wget", "scrapy"]
NAMES = {"libcurl": "libcurl alone", "wget": "wget --warc-file", "scrapy": "Scrapy"}
COLOURS = {"trawl": "#1b6ca8", "libcurl": "#9aa5b1", "wget2": "#c8553d", "wget": "#e0a458", "scrapy": "#4f772d"}
PARTS = ["parse_us", "digest_us", "compress_us", "write_us"]

# A billion pages. What is assumed; change it, and the sums follow.
BILLION = 1e9
PAGE_BYTES = 28000          # of a page's body
CORE_HOUR_DOLLARS = 0.0425  # a virtual core of a rented machine with its memory, on demand
CORE_USE = 0.5              # how much of the time that is paid for the cores are busy
GB_MONTH_DOLLARS = 0.023    # object storage
PUBLISHED = [("a crawl of 2025, as published", 460), ("a crawl of 2012, as published", 2320)]


def load(stream):
    by_tree = {}
    for line in stream:
        run = json.loads(line)
        by_tree.setdefault(run["tree"], {})[run["tool"]] = run
    if not by_tree:
        sys.exit("plot-bench.py: no lines of bench.jsonl on standard input")
    return by_tree


def parts_us(tools):
    """The floor: the fetch with libcurl alone, and the parts measured alone. None: not measured."""
    if "libcurl" not in tools or "parts" not in tools:
        return None
    html = tools["libcurl"]["cpu_us_a_page"]
    return html + sum(tools["parts"][p] for p in PARTS)


def table(by_tree):
    print("| tree | tool | pages | pages/s | CPU us a page | peak RSS MiB | written MiB | runs |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for tools in by_tree.values():
        for tool in TOOLS:
            if tool not in tools:
                continue
            r = tools[tool]
            print(f'| {r["label"]} | {NAMES.get(tool, tool)} | {r["pages"]:,.0f} | {r["pages_per_s"]:,.0f} | '
                  f'{r["cpu_us_a_page"]:,.0f} | {r["rss_mib"]:,.0f} | {r["written_kib"] / 1024:,.0f} | {r["runs"]} |')
    print("\n| tree | fetch (libcurl alone) | parse | digest | compress | write | sum of the parts, us | trawl, us | trawl / sum "
          "| trawl / wget2, pages/s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for tools in by_tree.values():
        total = parts_us(tools)
        if total is None or "trawl" not in tools:
            continue
        t, p = tools["trawl"], tools["parts"]
        other = f'{t["pages_per_s"] / tools["wget2"]["pages_per_s"]:.2f}' if "wget2" in tools else ""
        print(f'| {t["label"]} | {tools["libcurl"]["cpu_us_a_page"]:.0f} | '
              + " | ".join(f"{p[name]:.0f}" for name in PARTS)
              + f' | {total:.0f} | {t["cpu_us_a_page"]:.0f} | {t["to_parts"]:.2f} | {other} |')
    billion(by_tree)


def billion(by_tree):
    """From the tree that is most like the web: many origins, over TLS if that was measured."""
    tree = next((t for t in ("many-tls", "many", "openjdk") if "trawl" in by_tree.get(t, {})), None)
    if tree is None or "parts" not in by_tree[tree]:
        return
    t, p = by_tree[tree]["trawl"], by_tree[tree]["parts"]
    here = p["bytes"] / p["pages"]
    # What grows with the size of a page, and what does not.
    by_size = sum(p[name] for name in PARTS)
    us = t["cpu_us_a_page"] - by_size + by_size * PAGE_BYTES / here
    print(f"\nA billion pages of {PAGE_BYTES / 1000:.0f} KB, computed from {t['label']}:\n")
    print("| | |\n| --- | --- |")
    print(f"| CPU a page: {t['cpu_us_a_page']:.0f} us at {here / 1000:.1f} KB, of which {by_size:.0f} us grow with the size "
          f"| {us:.0f} us |")
    s = by_tree[tree].get("stages", {})
    if s.get("tls_us", 0) > 0 and s["connections"] > 0:
        handshake = s["tls_us"] * t["pages"] / s["connections"]
        print(f"| a TLS handshake, for each page one: {s['connections']:,.0f} were measured | {handshake:.0f} us |")
        us += handshake - s["tls_us"]
    hours = us * BILLION / 1e6 / 3600
    packed = p["written"] / p["bytes"]
    stored_gb = BILLION * PAGE_BYTES * packed / 1e9
    print(f"| core hours, busy | {hours:,.0f} |")
    print(f"| at ${CORE_HOUR_DOLLARS} a core hour, cores busy {100 * CORE_USE:.0f}% of the time "
          f"| **${hours / CORE_USE * CORE_HOUR_DOLLARS:,.0f}** |")
    for name, dollars in PUBLISHED:
        print(f"| {name}: machines | ${dollars:,} |")
    print(f"| beside it: the archive, packed to {100 * packed:.0f}% | {stored_gb / 1000:.1f} TB |")
    print(f"| ... at ${GB_MONTH_DOLLARS} a GB and month | ${stored_gb * GB_MONTH_DOLLARS:,.0f} a month |")


def plot(by_tree):
    width, left, bar, gap = 860, 210, 16, 26
    rows = sum(len([t for t in TOOLS if t in tools]) for tools in by_tree.values())
    height = 40 + rows * (bar + 3) + len(by_tree) * gap + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>']
    panels = [("pages a second", "pages_per_s", left, 260), ("CPU microseconds a page", "cpu_us_a_page", left + 330, 260)]
    for title, _, x, _ in panels:
        out.append(f'<text x="{x}" y="20" font-weight="bold">{title}</text>')
    y = 34
    for tools in by_tree.values():
        present = [t for t in TOOLS if t in tools]
        out.append(f'<text x="10" y="{y + 12}" font-weight="bold">{tools[present[0]]["label"]}</text>')
        for tool in present:
            out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{NAMES.get(tool, tool)}</text>')
            for _, key, x, w in panels:
                most = max(tools[t][key] for t in present)
                length = w * tools[tool][key] / most
                out.append(f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{bar}" fill="{COLOURS[tool]}"/>')
                out.append(f'<text x="{x + length + 4:.1f}" y="{y + 12}">{tools[tool][key]:,.0f}</text>')
            y += bar + 3
        y += gap
    out.append("</svg>")
    print("\n".join(out))


def main():
    by_tree = load(sys.stdin)
    if sys.argv[1:] == ["--table"]:
        table(by_tree)
    else:
        plot(by_tree)


if __name__ == "__main__":
    main()

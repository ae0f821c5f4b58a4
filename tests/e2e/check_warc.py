#!/usr/bin/env python3
"""Check an archive against what was expected and against the export, with npm's warcio as the reader.

    check_warc.py --archive DIR [--archive DIR ...] --expected expected.tsv --export export.jsonl

Holds when: no segment is left open; every segment reads without an error and every digest is right; every URL that
was to be fetched has exactly one response record over all segments and no other URL has one; every row of the
export that got an answer points (warc_file, warc_offset) at a record with its URL, status and digest; and every
response record is pointed at by a row: none is uncommitted. robots.txt is archived but is no page: it is left out,
except that its records may not be doubled within a segment and offset. Exit 1 with one line a violation.
"""
import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
WARCIO = os.path.join(HERE, "..", "warcio")
OWN_NODE = os.path.join(WARCIO, "node_modules", ".bin", "node")      # deps.sh puts it there when the system's is old
READER = [OWN_NODE if os.access(OWN_NODE, os.X_OK) else "node",
          os.environ.get("E2E_WARC_READER", os.path.join(WARCIO, "read.mjs"))]
ANSWERED = {"fetched", "redirected"}


class Checker:
    def __init__(self, show):
        self.bad, self.show = 0, show

    def violation(self, text):
        self.bad += 1
        if self.bad <= self.show:
            print(text)

    def holds(self, condition, text):
        if not condition:
            self.violation(text)


def read_expected(names):
    want, banned = {}, {}
    for name in names:
        with open(name, encoding="utf-8") as f:
            for line in f:
                cls, status, _, url = line.rstrip("\n").split("\t")
                if cls in ("forbidden", "outside"):
                    banned[url] = cls
                else:
                    want[url] = (cls, int(status))
    return want, banned


def find_segments(c, archives, allow_open):
    segments = []
    for d in archives:
        for name in sorted(glob.glob(os.path.join(d, "*.warc.gz.open"))):
            if not allow_open:
                c.violation(f"open: {name} was not sealed")
        segments += sorted(glob.glob(os.path.join(d, "*.warc.gz")))
    names = [os.path.basename(s) for s in segments]
    for name, count in collections.Counter(names).items():
        c.holds(count == 1, f"name: {count} segments are called {name}")
    c.holds(segments, f"no sealed segment below {' '.join(archives)}")
    return segments


def read_records(c, segments, from_file):
    if from_file:
        with open(from_file, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.strip()]
    if not segments:
        return []
    run = subprocess.run(READER + segments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if run.returncode != 0:
        c.violation("warcio: exit %d: %s" % (run.returncode, run.stderr.decode(errors="replace").strip()[-600:]))
    records = []
    for line in run.stdout.decode("utf-8", "surrogateescape").splitlines():
        if line.strip():
            records.append(json.loads(line))
    return records


def payload_digest(record):
    """The payload digest under whichever name the reader gives it."""
    for holder in (record, record.get("digests") or {}):
        if isinstance(holder, dict):
            for key, value in holder.items():
                if "payload" in key.lower() and isinstance(value, str):
                    return value
    return None


NO_URI = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~:/?@!$&'()*+,;=%-]")


def uri_of(url):
    """The URI (RFC 3986) that a record of a URL has: what a URL may have and a URI may not is escaped."""
    start = re.match(r"https?://(\[[0-9A-Fa-f:.]*\])?", url).end()
    return url[:start] + NO_URI.sub(lambda m: "".join("%%%02X" % b for b in m.group().encode()), url[start:])


def check_records(c, args, records, want, banned):
    """One response record a URL; returns (basename, offset) -> record."""
    at, uris = {}, collections.Counter()
    want, banned = ({uri_of(url): what for url, what in urls.items()} for urls in (want, banned))
    for r in records:
        if r.get("error"):
            c.violation(f"reader: {r['file']} at {r.get('offset')}: {r['error']}")
        if r.get("type") not in ("response", "revisit"):
            continue
        at[(os.path.basename(r["file"]), int(r["offset"]))] = r
        if urllib.parse.urlsplit(r["uri"]).path == "/robots.txt" and r["uri"] not in want:
            continue
        uris[r["uri"]] += 1
        c.holds(uri_of(r["uri"]) == r["uri"], f"uri: {r['uri']} is none")
        if r["uri"] in want and int(r["status"]) != want[r["uri"]][1]:
            c.violation(f"status: the record of {r['uri']} says {r['status']}, {want[r['uri']][1]} was expected")
        if r["uri"] in banned:
            c.violation(f"{banned[r['uri']]}: there is a record of {r['uri']}")
    for uri, count in sorted(uris.items()):
        c.holds(count == 1, f"twice: {count} response records of {uri}")
        c.holds(not args.expected or uri in want or uri in banned or args.more, f"unexpected: a record of {uri}")
    for uri in sorted(set(want) - set(uris)):
        c.holds(args.partial, f"missing: no response record of {uri}")
    print(f"# {len(records)} records, {sum(uris.values())} responses of {len(uris)} URLs")
    return at


def check_export(c, args, at, want, banned):
    pointed, rows = set(), {}
    with open(args.export, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            url = row["url"]
            c.holds(url not in rows, f"export: two rows of {url}")
            rows[url] = row
            if row.get("warc_file"):
                place = (os.path.basename(row["warc_file"]), int(row["warc_offset"]))
                check_pointer(c, url, row, at.get(place), place)
                c.holds(place not in pointed, f"export: two rows point at {place}")
                pointed.add(place)
            else:
                c.holds(row["state"] not in ANSWERED, f"export: {url} is {row['state']} and has no record")
    for place, r in sorted(at.items()):
        if place not in pointed and urllib.parse.urlsplit(r["uri"]).path != "/robots.txt":
            c.violation(f"uncommitted: no row points at {place[0]}:{place[1]}, {r['uri']}")
    check_states(c, args, rows, want, banned)
    print(f"# export: {dict(collections.Counter(r['state'] for r in rows.values()))}")


def check_pointer(c, url, row, record, place):
    if record is None:
        c.violation(f"export: {url} points at {place[0]}:{place[1]}, where no response record begins")
        return
    c.holds(record["uri"] == uri_of(url), f"export: {url} points at a record of {record['uri']}")
    c.holds(str(record["status"]) == str(row["status"]), f"export: {url} says {row['status']}, its record "
            f"{record['status']}")
    digest = payload_digest(record)
    c.holds(digest == row["digest"], f"export: the digest of {url} is {row['digest']}, in its record {digest}")


def check_states(c, args, rows, want, banned):
    for url, row in rows.items():
        c.holds(row["state"] in ("fetched", "redirected", "excluded", "failed", "pending"),
                f"export: {url} has state {row['state']}")
        if row["state"] == "pending":
            c.holds(args.partial, f"export: {url} is still pending")
        if url in banned:
            c.holds(row["state"] == "excluded", f"export: {banned[url]} {url} is {row['state']}")
        elif url in want and row["state"] != "pending":
            cls = want[url][0]
            due = {"page": {"fetched"}, "redirect": {"redirected"}}.get(cls, {"failed", "fetched"})
            c.holds(row["state"] in due, f"export: {cls} {url} is {row['state']}")
        elif args.expected and url not in want:
            c.holds(args.more or row["state"] == "excluded" or url.endswith("/robots.txt"),
                    f"export: {url} is {row['state']}; no link leads there")
    if not args.partial:
        for url in sorted((set(want) | set(banned)) - set(rows)):
            c.violation(f"export: no row of {url}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--archive", action="append", default=[], help="directory of segments; repeatable")
    p.add_argument("--expected", action="append", default=[])
    p.add_argument("--export", help="the output of trawl export --format jsonl")
    p.add_argument("--records", help="the reader's output in a file, instead of running it")
    p.add_argument("--partial", action="store_true", help="the crawl was stopped: some may be missing or pending")
    p.add_argument("--more", action="store_true", help="URLs that were not expected are all right")
    p.add_argument("--allow-open", action="store_true", help="a segment may still be open")
    p.add_argument("--show", type=int, default=20)
    args = p.parse_args()
    c = Checker(args.show)
    want, banned = read_expected(args.expected)
    segments = [] if args.records else find_segments(c, args.archive, args.allow_open)
    records = read_records(c, segments, args.records)
    at = check_records(c, args, records, want, banned)
    if args.export:
        check_export(c, args, at, want, banned)
    if c.bad:
        print(f"{c.bad} violations")
        sys.exit(1)


if __name__ == "__main__":
    main()

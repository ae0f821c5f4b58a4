#!/usr/bin/env python3
"""Check what a crawl of server.py came to.

    check.py states --origins origins.tsv --expected expected.tsv --export export.jsonl
        every URL of a hostile origin fits a line of expected.tsv, and each line has as many as it says
    check.py split --origins origins.tsv --export export.jsonl --expected good.tsv
        expected.tsv for check_warc.py on standard output: the good ones, and what the export says of the hostile ones
    check.py reasons --export export.jsonl --docs architecture.md
        the word of every reason stands in the table of reasons
    check.py plain FILE...
        no file has a control character but tab and line ends, nor one of C1 or a change of direction in UTF-8

Exit 1 with one line a violation.
"""
import argparse
import collections
import json
import re
import sys

FIELDS = ("behaviour", "path", "count", "state", "reason", "status", "bytes")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")


def read_origins(name):
    with open(name, encoding="utf-8") as f:
        return {origin: behaviour for behaviour, origin in (line.rstrip("\n").split("\t") for line in f)}


def read_rows(name):
    with open(name, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def read_expected(name):
    lines = []
    with open(name, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                values = line.rstrip("\n").split("\t")
                lines.append(dict(zip(FIELDS, values + [""] * (len(FIELDS) - len(values)))))
    return lines


def split_url(url):
    m = re.match(r"(https?://[^/]*)(.*)", url, re.S)
    return m.group(1), m.group(2)


def fits(line, behaviour, path, row):
    return (line["behaviour"] == behaviour and re.fullmatch(line["path"], path)
            and row["state"] == line["state"] and (row["reason"] or "") == line["reason"]
            and str(row["status"] or "") == line["status"] and line["bytes"] in ("", str(row["length"])))


def check_states(args):
    origins, lines, bad = read_origins(args.origins), read_expected(args.expected), 0
    counts = collections.Counter()
    for row in read_rows(args.export):
        origin, path = split_url(row["url"])
        if origin not in origins:
            continue
        which = [i for i, line in enumerate(lines) if fits(line, origins[origin], path, row)]
        counts.update(which)
        if len(which) != 1:
            bad += 1
            print(f"{origins[origin]} {path[:100]}: {row['state']} {row['reason']} {row['status']} {row['length']} "
                  f"fits {len(which)} lines")
    for i, line in enumerate(lines):
        due, more = int(line["count"].rstrip("+")), line["count"].endswith("+")
        if counts[i] < due or (counts[i] > due and not more):
            bad += 1
            print(f"{line['behaviour']} {line['path']} {line['state']} {line['reason']}: {counts[i]}, "
                  f"{line['count']} were due")
    for name in set(origins.values()) - {line["behaviour"] for line in lines}:
        bad += 1
        print(f"{name}: nothing is expected of it")
    print(f"# {sum(counts.values())} URLs of {len(origins)} hostile origins")
    return bad


def split(args):
    origins = read_origins(args.origins)
    with open(args.expected, encoding="utf-8") as f:
        sys.stdout.write(f.read())
    for row in read_rows(args.export):
        if split_url(row["url"])[0] in origins and row["warc_file"] and row["state"] != "excluded":
            cls = {"fetched": "page", "redirected": "redirect"}.get(row["state"], "error")
            print(cls, row["status"], row["depth"], row["url"], sep="\t")
    return 0


def check_reasons(args):
    with open(args.docs, encoding="utf-8") as f:
        table = [line for line in f.read().split("## Reasons")[1].splitlines() if line.startswith("| `")]
    known = set(re.findall(r"`([a-z0-9-]+)`", " ".join(line.split("|")[1] for line in table)))
    bad, words = 0, collections.Counter()
    for row in read_rows(args.export):
        if row["reason"] is not None:
            words[re.sub(r"^http-\d+$", "http-nnn", row["reason"].split(":")[0])] += 1
    for word in sorted(set(words) - known):
        bad += 1
        print(f"reason: {word} is not in {args.docs}")
    print(f"# {len(words)} reasons")
    return bad


def check_plain(args):
    bad = 0
    for name in args.files:
        with open(name, "rb") as f:
            for at, line in enumerate(f, 1):
                if CONTROL.search(line):
                    bad += 1
                    print(f"{name}:{at}: {line[:200]!r}")
    return bad


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["states", "split", "reasons", "plain"])
    p.add_argument("--origins")
    p.add_argument("--expected")
    p.add_argument("--export")
    p.add_argument("--docs")
    p.add_argument("files", nargs="*")
    args = p.parse_args()
    run = {"states": check_states, "split": split, "reasons": check_reasons, "plain": check_plain}[args.what]
    sys.exit(run(args) > 0)


if __name__ == "__main__":
    main()

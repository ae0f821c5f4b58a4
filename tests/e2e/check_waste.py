#!/usr/bin/env python3
"""Check that nothing was fetched again but what was uncommitted when something was killed.

    check_waste.py LOG --archive DIR... [--fault DIR...] [--outages FILE]

LOG is nginx's (see check_log.py), the archives are those of a crawl that has ended. Each --fault is a directory that
the test made when a worker was killed or stopped, with what could be seen from outside at that time:

    time        seconds since 1970
    ports       local ports of the worker's connections to the server, one a line; '*': every connection was its own
    *.open      copies of its open segments

--outages: a line "DOWN UP" (seconds) for each time without a master. Records are told apart by their WARC-Record-ID,
read with Python's zlib. Holds when
 1. no URL was requested after the request whose record was committed;
 2. every other request but a URL's last has a reason: its record was in an open segment at a fault, and is in no sealed
    one; or it was the last request on a connection of the worker at a fault (in flight, or not written yet); or it was
    the last one of its origin before or in an outage that outlasts its lease (--lease).
So what was uncommitted at the faults is an upper bound of what is fetched again; both are printed. robots.txt is
no page. Prints one line a violation, exit 1 if any.
"""
import argparse
import bisect
import collections
import datetime
import glob
import os
import sys
import zlib

from check_log import read_logs, seconds, url_of

# A server that is busy reads a request so much later than it was sent, by a worker that has stood still or been dead since.
LATE_MS = 1000

Record = collections.namedtuple("Record", "id uri date_ms")
Fault = collections.namedtuple("Fault", "name at_ms ports records")


def members(name):
    """The gzip members of a file, unpacked; a torn last one is left out."""
    with open(name, "rb") as f:
        rest = f.read()
    while rest:
        z = zlib.decompressobj(31)
        try:
            data = z.decompress(rest) + z.flush()
        except zlib.error:
            return
        if not z.eof:
            return
        yield data
        rest = z.unused_data


def responses(name):
    for data in members(name):
        head = data.split(b"\r\n\r\n", 1)[0].decode("utf-8", "surrogateescape")
        field = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        if field.get("WARC-Type") not in ("response", "revisit") or field["WARC-Target-URI"].endswith("/robots.txt"):
            continue
        date = datetime.datetime.fromisoformat(field["WARC-Date"].replace("Z", "+00:00"))
        yield Record(field["WARC-Record-ID"], field["WARC-Target-URI"], date.timestamp() * 1000)


def read_fault(path):
    with open(os.path.join(path, "time"), encoding="ascii") as f:
        at_ms = float(f.read()) * 1000
    with open(os.path.join(path, "ports"), encoding="ascii") as f:
        ports = set(f.read().split())
    records = [r for name in sorted(glob.glob(os.path.join(path, "*.open"))) for r in responses(name)]
    return Fault(os.path.basename(path), at_ms, ports, records)


class Checker:
    def __init__(self, args, requests, committed):
        self.args, self.bad = args, 0
        self.committed = {r.uri: r for r in committed}
        self.by_url = collections.defaultdict(list)
        self.by_conn = collections.defaultdict(list)
        self.by_origin = collections.defaultdict(list)
        for r in requests:
            self.by_conn[r.conn].append(r)
            self.by_origin[r.origin].append(r)
            if r.uri != "/robots.txt":
                self.by_url[url_of(r)].append(r)

    def violation(self, text):
        self.bad += 1
        if self.bad <= self.args.show:
            print(text)

    def after_commit(self):
        """Promise 1 above; the committed request is the one whose start is nearest to the record's date."""
        for url, requests in self.by_url.items():
            record = self.committed.get(url)
            if record is None:
                continue
            nearest = min(range(len(requests)), key=lambda i: abs(requests[i].start - record.date_ms))
            for r in requests[nearest + 1:]:
                self.violation(f"committed: {url} was requested {r.start - record.date_ms:.0f} ms after the request "
                               "whose record is committed")

    def waste(self, faults):
        """What was uncommitted at the faults: (URL, time) of records; requests that were the last on a connection."""
        kept = {r.id for r in self.committed.values()}
        lost = collections.defaultdict(list)
        for f in faults:
            for r in f.records:
                if r.id not in kept:
                    lost[r.uri].append(r.date_ms)
        hanging = set()
        for f in faults:
            for requests in self.by_conn.values():
                if "*" not in f.ports and str(requests[0].port) not in f.ports:
                    continue
                before = [r for r in requests if r.start <= f.at_ms + LATE_MS]
                if before:
                    hanging.add(before[-1])
        return lost, hanging

    def in_outage(self, request):
        """The last of its origin before the master was there again, or before its lease was renewed."""
        group = self.by_origin[request.origin]
        following = bisect.bisect_right([r.start for r in group], request.start)
        next_ms = group[following].start if following < len(group) else float("inf")
        lease_ms = self.args.lease * 1000
        return any(down - 1000 <= request.start <= up + lease_ms and next_ms >= up and
                   next_ms >= request.start + lease_ms / 2 for down, up in self.args.outages)

    def refetches(self, faults):
        lost, hanging = self.waste(faults)
        why = collections.Counter()
        for url, requests in self.by_url.items():
            for r in requests[:-1]:
                if any(abs(r.start - date) < self.args.near for date in lost.get(url, [])):
                    why["uncommitted records"] += 1
                elif r in hanging:
                    why["in flight"] += 1
                elif self.in_outage(r):
                    why["in flight when leases ended"] += 1
                elif r.status >= 500:
                    why["answered with an error"] += 1
                else:
                    self.violation(f"waste: {url}, answered {r.status}, was requested again, and no fault had hit it")
        pages = sum(r.uri != "/robots.txt" for r in hanging)
        records = sum(len(dates) for dates in lost.values())
        print(f"# {sum(why.values())} fetched again: " + (", ".join(f"{n} {k}" for k, n in why.most_common()) or "-"))
        print(f"# uncommitted at {len(faults)} faults: {records} records, at most {pages} in flight: {records + pages}")
        limit = records + pages + why["in flight when leases ended"] + why["answered with an error"]
        if sum(why.values()) > limit:
            self.violation(f"waste: {sum(why.values())} fetched again, {limit} were uncommitted")


def read_outages(name):
    with open(name, encoding="ascii") as f:
        return [tuple(float(t) * 1000 for t in line.split()) for line in f if line.strip()]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("log", nargs="+")
    p.add_argument("--archive", action="append", default=[])
    p.add_argument("--fault", action="append", default=[])
    p.add_argument("--outages", type=read_outages, default=[])
    p.add_argument("--lease", type=seconds, default=2.0)
    p.add_argument("--near", type=lambda t: seconds(t) * 1000, default=300.0,
                   help="a record's date and the request it is of differ by at most so much (300ms)")
    p.add_argument("--show", type=int, default=20, help="violations to print")
    args = p.parse_args()
    segments = [s for d in args.archive for s in sorted(glob.glob(os.path.join(d, "*.warc.gz")))]
    committed = [r for s in segments for r in responses(s)]
    requests = read_logs(args.log)
    if not requests or not committed:
        sys.exit("check_waste.py: no requests, or no records")
    c = Checker(args, requests, committed)
    c.after_commit()
    c.refetches([read_fault(d) for d in args.fault])
    if c.bad:
        print(f"{c.bad} violations")
        sys.exit(1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Check politeness and completeness from a web server's access log alone.

    check_log.py LOG... [checks]

The log is what tests/e2e/lib.sh makes nginx write: one line a request, at its end, tab-separated
    msec request_time connection connection_requests remote_addr remote_port server_addr server_port
    status bytes method request_uri connections_active user_agent
A request runs from msec - request_time to msec; both come from nginx's cached clock, in milliseconds,
so a gap can look up to --slack (2 ms) shorter than it was. An origin is server_addr:server_port.

What can be proved. Requests in flight: exactly, by overlap of the intervals. Connections: between a
connection's first request and its last one it was open for certain (--max-conn: a lower bound), and
$connections_active counts all connections of this nginx, idle ones too, at each request's end
(--max-active: use it when the server has one origin). Prints one line a violation, exit 1 if any.
"""
import argparse
import collections
import heapq
import sys

FIELDS = 14
Request = collections.namedtuple("Request", "start end conn nth client port origin status method uri active agent")


def seconds(text):
    for suffix, unit in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(suffix):
            return float(text[:-len(suffix)]) * unit
    return float(text)


def read_logs(names):
    requests = []
    for number, name in enumerate(names):
        with open(name, encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                part = line.rstrip("\n").split("\t")
                if len(part) != FIELDS:
                    sys.exit(f"check_log.py: {name}: not a line of ours: {line!r}")
                end = round(float(part[0]) * 1000)
                start = end - round(float(part[1]) * 1000)
                requests.append(Request(start, end, (number, int(part[2])), int(part[3]), part[4], int(part[5]),
                                        f"{part[6]}:{part[7]}", int(part[8]), part[10], part[11], int(part[12]),
                                        part[13]))
    requests.sort(key=lambda r: (r.start, r.end))
    return requests


def url_of(request):
    addr, port = request.origin.rsplit(":", 1)
    return f"http://{addr}" + ("" if port == "80" else f":{port}") + request.uri


def by_origin(requests):
    groups = collections.defaultdict(list)
    for r in requests:
        groups[r.origin].append(r)
    return groups


def peak(intervals):
    """The most intervals that overlap; ones that only touch do not."""
    ends, most = [], 0
    for start, end in sorted(intervals):
        while ends and ends[0] <= start:
            heapq.heappop(ends)
        heapq.heappush(ends, max(end, start + 1))
        most = max(most, len(ends))
    return most


class Checker:
    def __init__(self, args):
        self.args, self.bad = args, 0

    def violation(self, text):
        self.bad += 1
        if self.bad <= self.args.show:
            print(text)

    def delay(self, origin, group, least):
        for a, b in zip(group, group[1:]):
            gap = (b.start - a.start) / 1000
            if gap < least - self.args.slack:
                self.violation(f"delay: {origin}: {b.uri} came {gap:.3f} s after {a.uri}, {least:.3f} was due")

    def inflight(self, origin, group):
        most = peak((r.start, r.end) for r in group)
        if most > self.args.max_inflight:
            self.violation(f"inflight: {origin}: {most} requests at once, {self.args.max_inflight} allowed")

    def connections(self, origin, group):
        spans = {}
        for r in group:
            first, last = spans.get(r.conn, (r.start, r.end))
            spans[r.conn] = (min(first, r.start), max(last, r.end))
        most = peak(spans.values())
        if most > self.args.max_conn:
            self.violation(f"connections: {origin}: {most} at once, {self.args.max_conn} allowed")

    def robots(self, origin, group):
        first = group[0]
        if first.uri != "/robots.txt":
            self.violation(f"robots: {origin}: {first.uri} was requested before robots.txt")
        count = sum(r.uri == "/robots.txt" for r in group)
        if count > self.args.robots_max:
            self.violation(f"robots: {origin}: fetched {count} times, {self.args.robots_max} allowed")

    def refetches(self, requests):
        """Requests of a URL that had been requested before. A 5xx answer may be tried again."""
        last, first, count = {}, {}, 0
        kills = self.args.kills
        for r in requests:
            key = (r.origin, r.uri)
            if r.uri == "/robots.txt":
                continue
            if key in last and last[key].status < 500 and last[key].status != 499:
                count += 1
                if kills is not None and not any(first[key].start - 1000 <= k <= r.start for k in kills):
                    self.violation(f"refetch: {url_of(r)} again, and nothing was killed in between")
            last[key] = r
            first.setdefault(key, r)
        print(f"# {count} refetches in {len(requests)} requests")
        limit = self.args.refetch_max
        if limit is not None and count > limit:
            self.violation(f"refetch: {count} in all, {limit} allowed")

    def expected(self, requests):
        want, banned = {}, {}
        for name in self.args.expected:
            with open(name, encoding="utf-8") as f:
                for line in f:
                    cls, status, _, url = line.rstrip("\n").split("\t")
                    if cls in ("forbidden", "outside"):
                        banned[url] = cls
                    else:
                        want[url] = int(status)
        seen = {}
        for r in requests:
            if r.uri != "/robots.txt":
                seen.setdefault(url_of(r), set()).add(r.status)
        for url in sorted(set(seen) & set(banned)):
            self.violation(f"{banned[url]}: {url} was requested")
        if self.args.forbidden_only:
            return
        for url in sorted(set(want) - set(seen)):
            self.violation(f"missing: {url} was never requested")
        if not self.args.subset:
            for url in sorted(set(seen) - set(want) - set(banned)):
                self.violation(f"unexpected: {url} was requested")
        for url in sorted(set(seen) & set(want)):
            if want[url] not in seen[url]:
                self.violation(f"status: {url} answered {sorted(seen[url])}, {want[url]} was expected")

    def side_by_side(self, requests):
        window, most, counts, left = self.args.window * 1000, 0, collections.Counter(), 0
        for r in requests:
            counts[r.origin] += 1
            while requests[left].start < r.start - window:
                counts[requests[left].origin] -= 1
                if counts[requests[left].origin] == 0:
                    del counts[requests[left].origin]
                left += 1
            most = max(most, len(counts))
        print(f"# {most} origins within {self.args.window} s")
        if most < self.args.side_by_side:
            self.violation(f"side by side: at most {most} origins within {self.args.window} s, "
                           f"{self.args.side_by_side} were due")

    def quiet(self, requests):
        for r in requests:
            listed = r.port in self.args.quiet_ports or r.client in self.args.quiet_clients
            if listed and self.args.after <= r.start <= self.args.before:
                self.violation(f"quiet: {r.client}:{r.port} requested {url_of(r)} {r.start - self.args.after:.0f} ms "
                               "into the time in which it had no lease")

    def run(self, requests):
        args = self.args
        if not requests:
            self.violation("the log is empty")
            return
        for origin, group in sorted(by_origin(requests).items()):
            least = args.delay_for.get(origin, args.delay)
            if least is not None:
                self.delay(origin, group, least)
            if args.max_inflight is not None:
                self.inflight(origin, group)
            if args.max_conn is not None:
                self.connections(origin, group)
            if args.robots_max is not None:
                self.robots(origin, group)
        if args.max_active is not None:
            most = max(r.active for r in requests)
            print(f"# {most} connections at once")
            if most > args.max_active:
                self.violation(f"connections: the server had {most} at once, {args.max_active} allowed")
        if args.min_inflight is not None:
            most = peak((r.start, r.end) for r in requests)
            print(f"# {most} requests in flight at once")
            if most < args.min_inflight:
                self.violation(f"inflight: at most {most} at once, {args.min_inflight} were due")
        if args.refetch_max is not None or args.kills is not None:
            self.refetches(requests)
        if args.expected:
            self.expected(requests)
        if args.side_by_side is not None:
            self.side_by_side(requests)
        if args.after is not None:
            self.quiet(requests)
        if args.clients_min is not None:
            clients = {r.client for r in requests}
            if len(clients) < args.clients_min:
                self.violation(f"clients: only {sorted(clients)}")
        for status in args.no_status:
            for r in requests:
                if r.status == status:
                    self.violation(f"status: {url_of(r)} answered {status}")
        if args.agent and not all(args.agent in r.agent for r in requests):
            self.violation(f"agent: a request without {args.agent!r} in its user agent")
        for method in {r.method for r in requests} - {"GET"}:
            self.violation(f"method: a {method} request")


def read_times(name):
    with open(name, encoding="utf-8") as f:
        return [float(line.split()[0]) * 1000 for line in f if line.strip()]


def origin_delay(text):
    origin, _, value = text.partition("=")
    return origin, seconds(value)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("log", nargs="+")
    p.add_argument("--delay", type=seconds, help="least time between two request starts of an origin")
    p.add_argument("--delay-for", type=origin_delay, action="append", default=[], metavar="ORIGIN=T")
    p.add_argument("--slack", type=seconds, default=0.002, help="resolution of the log")
    p.add_argument("--max-inflight", type=int, help="most requests at once, an origin")
    p.add_argument("--max-conn", type=int, help="most connections at once, an origin (lower bound)")
    p.add_argument("--max-active", type=int, help="most connections at once, the whole server")
    p.add_argument("--min-inflight", type=int, help="this many requests were in flight at once, the whole server")
    p.add_argument("--robots-max", type=int, help="robots.txt comes first, and at most so often, an origin")
    p.add_argument("--refetch-max", type=int, help="most requests of URLs that had been requested before")
    p.add_argument("--kills", type=read_times, help="file of times (s); refetches are allowed only across one")
    p.add_argument("--expected", action="append", help="expected.tsv: exactly these URLs, with these answers")
    p.add_argument("--subset", action="store_true", help="with --expected: others may be requested as well")
    p.add_argument("--forbidden-only", action="store_true", help="with --expected: only what must not be requested")
    p.add_argument("--side-by-side", type=int, help="so many origins within one --window")
    p.add_argument("--window", type=seconds, default=1.0)
    p.add_argument("--quiet-ports", default="", help="client ports that must be silent from --after to --before")
    p.add_argument("--quiet-clients", default="", help="client addresses, likewise")
    p.add_argument("--after", type=lambda t: float(t) * 1000, help="epoch seconds")
    p.add_argument("--before", type=lambda t: float(t) * 1000, default=float("inf"))
    p.add_argument("--clients-min", type=int, help="requests came from so many addresses")
    p.add_argument("--no-status", type=int, action="append", default=[])
    p.add_argument("--agent", help="text in every user agent")
    p.add_argument("--show", type=int, default=20, help="violations to print")
    args = p.parse_args()
    args.delay_for = dict(args.delay_for)
    args.quiet_ports = {int(x) for x in args.quiet_ports.replace(",", " ").split()}
    args.quiet_clients = set(args.quiet_clients.replace(",", " ").split())
    checker = Checker(args)
    checker.run(read_logs(args.log))
    if checker.bad:
        print(f"{checker.bad} violations")
        sys.exit(1)


if __name__ == "__main__":
    main()

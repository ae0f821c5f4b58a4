#!/usr/bin/env python3
"""Check that what is archived under a URL is what the server sent for that URL.

    check_sent.py --sent FILE --nginx LOG=ROOT ... --archive DIR ... [--seen FILE]

FILE is what bodies.py notes. LOG is one of lib.sh's nginx, ROOT where its files are ($server_addr and $server_port
stand for what they are in nginx): a 200 is its file, whose digest is taken now; of what nginx makes up by itself
(redirects, error pages) the length must be right. A record is looked up by the address it came from, its port and its
path. Holds when each response record of each segment, sealed or open, has a body that was sent for this URL, or, where the record
says WARC-Truncated, the beginning of one; a revisit record, the digest of one. --seen: records that were
compared in an earlier run are not looked at again (a site may change in between), and those of this one are added.

Prints `# N bodies compared`; exit 1 with one line a violation, and when nothing was compared, unless no server sent
anything. Reads archives by itself.
"""
import argparse
import base64
import collections
import hashlib
import ipaddress
import os
import re
import sys
import urllib.parse
import zlib

WANTED = ("response", "revisit")
PIECE_BYTES = 16 * 1024
Record = collections.namedtuple("Record", "place type uri ip truncated status fields body digest")


def members(name):
    """The gzip members of a segment: (offset, bytes). A torn one at the end is none."""
    with open(name, "rb") as f:
        data = memoryview(f.read())
    at = 0
    while at < len(data):
        z, end, out = zlib.decompressobj(31), at, []
        try:
            while not z.eof and end < len(data):        # in pieces: what is left over of one is copied
                out.append(z.decompress(data[end:end + PIECE_BYTES]))
                end += PIECE_BYTES
        except zlib.error:
            return
        if not z.eof:
            return
        yield at, b"".join(out)
        at = min(end, len(data)) - len(z.unused_data)


def fields_of(head):
    pairs = (line.partition(b":") for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").splitlines()[1:])
    return {name.strip().lower().decode("latin-1"): value.strip().decode("utf-8", "surrogateescape")
            for name, _, value in pairs}


def dechunk(body):
    out, at = [], 0
    while True:
        end = body.find(b"\n", at)
        size = int(body[at:end].split(b";")[0].strip() or b"0", 16) if end >= 0 else 0
        if size == 0:
            return b"".join(out)
        out.append(body[end + 1:end + 1 + size])
        at = body.index(b"\n", end + 1 + size) + 1


def split_http(block):
    ends = [(block.find(end), len(end)) for end in (b"\r\n\r\n", b"\n\n") if end in block]
    at, size = min(ends) if ends else (len(block), 0)
    head, body = block[:at], block[at + size:]
    fields = fields_of(head)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = dechunk(body)
    word = head.split(b" ", 2)[1:2]
    return int(word[0]) if word and word[0][:3].isdigit() else 0, fields, body


def records(name):
    for at, data in members(name):
        head, _, rest = data.partition(b"\r\n\r\n")
        warc = fields_of(head)
        if warc.get("warc-type") not in WANTED or not warc.get("content-type", "").startswith("application/http"):
            continue
        status, fields, body = split_http(rest[:int(warc["content-length"])])
        yield Record((os.path.basename(name), at), warc["warc-type"], warc["warc-target-uri"], warc.get("warc-ip-address"),
                     "warc-truncated" in warc, status, fields, body, warc.get("warc-payload-digest", ""))


def server_of(address, port):
    """As the server sees it: a mapped address is one of IPv4, and whoever connects to no address connects to itself."""
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return str(ip), int(port)


def key_of(server, path):
    """Escapes do not count: what is escaped in a record's URI may have been asked for as it was."""
    return server + (urllib.parse.unquote_to_bytes(path),)


def is_crawled(r):
    """Archives that a test makes by hand say no address, of a host that there is not."""
    return r.ip is not None or re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*", urllib.parse.urlsplit(r.uri).hostname or "")


def key_of_record(r):
    uri = urllib.parse.urlsplit(r.uri)
    port = uri.port or (443 if uri.scheme == "https" else 80)
    path = (uri.path or "/") + ("?" + uri.query if uri.query or r.uri.endswith("?") else "")
    return key_of(server_of(r.ip or uri.hostname, port), path.encode("utf-8", "surrogateescape"))


class Sent:
    """What servers sent: key -> set of (length, hexadecimal SHA-1 or None, status or None)."""

    def __init__(self):
        self.answers, self.files, self.kept = collections.defaultdict(set), {}, None

    def read_notes(self, name):
        self.kept = name + ".d"
        if not os.path.exists(name):
            return
        with open(name, encoding="utf-8") as f:
            for line in f:
                address, port, path, length, sha1 = line.rstrip("\n").split("\t")
                self.answers[key_of(server_of(address, port), path.encode())].add((int(length), sha1, None))

    def read_nginx(self, log, root):
        with open(log, encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                part = line.rstrip("\n").split("\t")
                address, port, status, length, path = part[6], part[7], int(part[8]), int(part[9]), part[11]
                key = key_of(server_of(address, port), path.encode("utf-8", "surrogateescape"))
                here = root.replace("$server_addr", address).replace("$server_port", port)
                file = file_of(here, path) if status == 200 else None
                self.answers[key].add((length, None, status))
                if file is not None:
                    self.files[key] = file

    def whole(self, key, body):
        """Whether it was sent so. None: only its length is known."""
        if key in self.files:
            with open(self.files[key], "rb") as f:
                return f.read() == body
        sha1 = hashlib.sha1(body).hexdigest()
        if any(s == sha1 for _, s, _ in self.answers[key]):
            return True
        return None if any(s is None for _, s, _ in self.answers[key]) else False

    def begins(self, key, body):
        names = [self.files[key]] if key in self.files else [os.path.join(self.kept, s) for _, s, _ in self.answers[key] if s]
        for name in filter(os.path.exists, names):
            with open(name, "rb") as f:
                if f.read(len(body)) == body:
                    return True
        return False


def file_of(root, path):
    name = urllib.parse.unquote_to_bytes(path.split("?")[0].encode("utf-8", "surrogateescape"))
    whole = os.path.join(os.fsencode(root), os.path.normpath(b"/" + name).lstrip(b"/"))
    if name.endswith(b"/"):
        whole = os.path.join(whole, b"index.html")
    return whole if os.path.isfile(whole) else None


def decoded(r):
    """nginx may have packed a file on its way."""
    return zlib.decompress(r.body, 47) if r.fields.get("content-encoding") == "gzip" else r.body


def wrong(r, sent):
    """What is wrong with the record; None: nothing."""
    key = key_of_record(r)
    if key not in sent.answers:
        return "nobody was asked for that"
    if r.type == "revisit":
        if r.status == 304:
            return None         # nothing was sent
        hexed = base64.b32decode(r.digest.partition(":")[2]).hex()
        if key in sent.files:
            with open(sent.files[key], "rb") as f:
                return None if hashlib.sha1(f.read()).hexdigest() == hexed else "a revisit of what was not sent"
        return None if any(s in (hexed, None) for _, s, _ in sent.answers[key]) else "a revisit of what was not sent"
    whole = sent.whole(key, decoded(r) if key in sent.files and r.status == 200 else r.body) if r.status != 304 else True
    if key in sent.files and r.status != 200:
        whole = None            # an answer of nginx itself, at another time
    if whole:
        return None
    lengths = {(n, s) for n, _, s in sent.answers[key] if s is not None}
    if whole is None and ((len(r.body), r.status) in lengths or r.truncated and any(n >= len(r.body) for n, _ in lengths)):
        return None
    if r.truncated and sent.begins(key, r.body):
        return None
    return f"status {r.status}, {len(r.body)} bytes{' (truncated)' if r.truncated else ''}: {r.body[:60]!r}; the server sent {describe(sent, key)}"


def describe(sent, key):
    file = sent.files.get(key)
    return os.fsdecode(file) if file else ", ".join(f"{n} bytes {(s or 'of its own')[:10]}" for n, s, _ in sorted(
        sent.answers[key], key=str)[:5])


def segments(places):
    for place in places:
        for where, _, names in os.walk(place):
            yield from (os.path.join(where, n) for n in sorted(names) if n.endswith((".warc.gz", ".warc.gz.open")))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sent", required=True)
    p.add_argument("--nginx", action="append", default=[], metavar="LOG=ROOT")
    p.add_argument("--archive", action="append", default=[])
    p.add_argument("--seen")
    p.add_argument("--show", type=int, default=20)
    args = p.parse_args()
    sent, seen, bad, compared = Sent(), set(), 0, 0
    sent.read_notes(args.sent)
    for pair in args.nginx:
        sent.read_nginx(*pair.split("=", 1))
    if args.seen and os.path.exists(args.seen):
        with open(args.seen, encoding="utf-8") as f:
            seen = set(f.read().splitlines())
    for name in segments(args.archive):
        for r in records(name):
            mark = f"{r.place[0].removesuffix('.open')} {r.place[1]} {hashlib.sha1(r.body).hexdigest()} {r.uri}"
            if mark in seen or not is_crawled(r):
                continue
            seen.add(mark)
            compared += 1
            why = wrong(r, sent)
            if why is not None:
                bad += 1
                if bad <= args.show:
                    print(f"body: {name} at {r.place[1]}: {r.uri}: {why}")
    if args.seen:
        with open(args.seen, "w", encoding="utf-8") as f:
            f.writelines(m + "\n" for m in sorted(seen))
    print(f"# {compared} bodies compared")
    none = not seen and (args.nginx or os.path.exists(args.sent))
    if none:
        print("nothing was compared")
    sys.exit(bool(bad or none))


if __name__ == "__main__":
    main()

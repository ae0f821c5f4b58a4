#!/usr/bin/env python3
"""A hostile web server: each behaviour is an origin of its own.

    server.py --port 8080 --tls-port 8443 --net 127.66.0 --certs DIR --out DIR

listens on NET.1, NET.2, ... (one address a behaviour, in the order in which they stand here; robots.txt is none but
for robots-*) and writes, when all listen:

    OUT/origins.tsv     behaviour, origin
    OUT/seeds.txt       what a crawl should begin with

and, while it serves, OUT/requests.tsv: behaviour, path, one line a request. What a crawl must make of each stands in
expected.tsv. `refused` and `black-hole` never accept; CERTS has NAME.pem and NAME.key for each behaviour tls-NAME.
"""
import argparse
import asyncio
import base64
import ctypes
import gzip
import os
import random
import resource
import signal
import socket
import ssl
import struct
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import bodies  # noqa: E402

BEHAVIOURS = {}         # name -> (handler, seeds, tls)
APART = set()           # those that are served only when they are asked for
BUSY = {                # those that send very much: served by a process of their own, so that no other waits
    "endless-body", "endless-chunks", "chunk-extensions", "header-many", "bombs", "many-links", "nested", "huge-attribute",
    "three-for-one", "long-links", "sitemap-bomb", "robots-huge", "robots-bomb"}
PAGE = b"<!doctype html><title>t</title><p>a page\n"
BOMB_BYTES = 64 << 20
PR_SET_PDEATHSIG = 1
LINK_INSIDE = b'<a href="/inside">in</a>'
LINK_BEHIND = b'<a href="/behind">behind</a>'
MADE = {}               # name -> what makes, of its host, what is sent often or takes long to make


def made(name):
    def add(maker):
        MADE[name] = maker
        return maker
    return add


def behaviour(name, *seeds, tls=False):
    def add(handler):
        BEHAVIOURS[name] = (handler, seeds or ("/",), tls)
        return handler
    return add


class Exchange:
    """One request, and what may be done to its sender."""

    def __init__(self, server, name, reader, writer, path):
        self.server, self.name, self.reader, self.writer, self.path = server, name, reader, writer, path
        self.host = "%s:%d" % writer.get_extra_info("sockname")[:2]
        self.made = server.made.get(name)
        self.keep = False
        self.sent = bodies.Sent(writer.get_extra_info("sockname")[:2], path, [server.args.max_body])

    async def raw(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def body(self, data):
        """Of a body as it stands."""
        self.sent.add(data)
        await self.raw(data)

    async def answer(self, body=PAGE, fields=(), status="200 OK", kind=b"text/html"):
        lines = [b"HTTP/1.1 " + (status if isinstance(status, bytes) else status.encode())]
        if kind is not None:
            lines.append(b"Content-Type: " + kind)
        lines.append(b"Content-Length: %d" % len(body))
        lines.extend(fields)
        self.sent.add(body)
        await self.raw(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.keep = True

    async def not_found(self):
        await self.answer(b"none\n", status="404 Not Found", kind=b"text/plain")

    async def redirect(self, to):
        await self.answer(b"", [b"Location: " + to], "302 Found")

    async def drip(self, byte, pause=1.0):
        while True:
            await self.raw(byte)
            await asyncio.sleep(pause)


# ---- slow, endless, silent ---------------------------------------------------------------------------------

@behaviour("silent")
async def silent(x):
    await asyncio.sleep(3600)


@behaviour("slow-headers")
async def slow_headers(x):
    await x.raw(b"HTTP/1.1 200 OK\r\n")
    await x.drip(b"X-A: b\r\n")


@behaviour("slow-body")
async def slow_body(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n")
    await x.drip(b"a")


@behaviour("endless-body")
async def endless_body(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
    await x.body(LINK_INSIDE)
    while True:
        await x.body(b"a" * 65536)


@behaviour("endless-chunks")
async def endless_chunks(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        x.sent.add(b"a" * 0x10000)
        await x.raw((b"1000\r\n" + b"a" * 0x1000 + b"\r\n") * 16)


@behaviour("chunk-extensions")
async def chunk_extensions(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await x.raw(b"1;" + b"e" * 65536)


@behaviour("odd-trailers")
async def odd_trailers(x):
    if x.path == "/robots.txt":
        return await x.not_found()
    trailers = {"/colon": b"no colon at all\r\n", "/http": b"HTTP/1.1 404 Gone: x\r\nX: y\r\n", "/interim": b"X: y\r\n",
                "/": b"HTTP/2: 1\r\n"}.get(x.path, b"")
    body = b"<a href=/colon>a</a><a href=/http>b</a><a href=/interim>c</a>" if x.path == "/" else b"<p>" + x.path.encode()
    x.sent.add(body)
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </none>\r\n\r\n" if x.path == "/interim" else b""
    await x.raw(interim + b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailers))


@behaviour("endless-trailers")
async def endless_trailers(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5\r\nhello\r\n0\r\n")
    while True:
        await x.raw(b"X-T: t\r\n" * 1024)


@behaviour("endless-interim")
async def endless_interim(x):
    while True:
        await x.raw(b"HTTP/1.1 100 Continue\r\nX-I: 1\r\n\r\n" * 256)


# ---- headers -----------------------------------------------------------------------------------------------

@behaviour("header-1mib")
async def header_1mib(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Big: " + b"b" * (1 << 20) + b"\r\n\r\nx")


@made("header-many")
def many_fields(_host):
    return b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(100000)) + b"\r\nx"


@behaviour("header-many")
async def header_many(x):
    await x.raw(x.made)


@behaviour("header-nul")
async def header_nul(x):
    await x.answer(fields=[b"X-Nul: a\0b"])


@behaviour("header-bare-cr")
async def header_bare_cr(x):
    await x.answer(fields=[b"X-Cr: a\rX-Forged: b"])


@behaviour("header-no-colon")
async def header_no_colon(x):
    await x.answer(fields=[b"not a field"])


@behaviour("header-folded")
async def header_folded(x):
    await x.answer(fields=[b"X-Folded: a\r\n \tb"])


@behaviour("header-none")
async def header_none(x):
    await x.raw(b"HTTP/1.1 200 OK\r\n\r\n")
    await x.body(PAGE)


@behaviour("length-and-chunked")
async def length_and_chunked(x):
    x.sent.add(LINK_INSIDE)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n18\r\n" + LINK_INSIDE + b"\r\n0\r\n\r\n")


@behaviour("two-lengths")
async def two_lengths(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n" +
                b"a" * 50)


@behaviour("one-length-twice")
async def one_length_twice(x):
    x.sent.add(b"hello")
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")


@behaviour("bad-length", "/word", "/minus", "/huge")
async def bad_length(x):
    value = {"/word": b"many", "/minus": b"-5", "/huge": b"9" * 40}.get(x.path)
    if value is None:
        return await x.not_found()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " + value + b"\r\n\r\nhello")


@behaviour("transfer-gzip")
async def transfer_gzip(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n" +
                gzip.compress(PAGE))


@behaviour("bad-chunk")
async def bad_chunk(x):
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")


@behaviour("not-http")
async def not_http(x):
    await x.raw(b"SSH-2.0-OpenSSH_9.2\r\n" + b"\x8a" * 64)


@behaviour("http-0.9")
async def http_09(x):
    await x.raw(PAGE)


@behaviour("odd-status", "/999", "/099", "/600")
async def odd_status(x):
    if x.path.lstrip("/") not in ("999", "099", "600"):
        return await x.not_found()
    await x.answer(status=x.path[1:] + " Odd")


@behaviour("status-lower")
async def status_lower(x):
    x.sent.add(PAGE)
    await x.raw(b"http/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE))


@behaviour("unasked")
async def unasked(x):
    """A second answer behind the first, for a request that was never made."""
    await x.answer(LINK_INSIDE)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 24\r\n\r\n" +
                b'<a href="/forged">f</a> ')


# ---- early ends --------------------------------------------------------------------------------------------

@behaviour("early-close", "/head", "/length", "/chunked")
async def early_close(x):
    if x.path == "/head":
        await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    elif x.path == "/length":
        await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n" + b"a" * 500)
    elif x.path == "/chunked":
        await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
                    b"a" * 500)
    else:
        await x.not_found()
        return
    x.keep = False


@behaviour("empty-reply")
async def empty_reply(x):
    pass


@behaviour("reset")
async def reset(x):
    x.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    x.writer.transport.abort()


@behaviour("kept-reset")
async def kept_reset(x):
    """Each connection has one page; who asks for another there is cut off. That is about the connection, not the page."""
    if getattr(x.writer, "had_one", False):
        return await reset(x)
    x.writer.had_one = True
    await x.answer(b'<a href="/inside">in</a>')


@behaviour("refused")
async def refused(x):
    raise AssertionError("nobody listens there")


@behaviour("black-hole")
async def black_hole(x):
    raise AssertionError("nobody is accepted there")


# ---- bombs -------------------------------------------------------------------------------------------------

def bomb_pieces():
    yield LINK_INSIDE
    piece = b" " * (1 << 20)
    for _ in range(BOMB_BYTES >> 20):
        yield piece
    yield LINK_BEHIND


def gzip_of(pieces):
    z = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join([z.compress(p) for p in pieces] + [z.flush()])


def zstd_block(data, kind, size, last):
    return struct.pack("<I", last | kind << 1 | size << 3)[:3] + data


def zstd_frame(blocks):
    """RFC 8878 §3.1.1: no content size, no check sum, a window of 1 MiB."""
    return b"\x28\xb5\x2f\xfd\x00\x50" + b"".join(blocks)


def zstd_bomb():
    size = 128 << 10
    blocks = [zstd_block(LINK_INSIDE, 0, len(LINK_INSIDE), 0)]
    blocks += [zstd_block(b" ", 1, size, 0)] * (BOMB_BYTES // size)
    blocks.append(zstd_block(LINK_BEHIND, 0, len(LINK_BEHIND), 1))
    return zstd_frame(blocks)


def zstd_stored(data):
    size = 128 << 10
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return zstd_frame([zstd_block(p, 0, len(p), p is pieces[-1]) for p in pieces])


# The same with 256 MiB of spaces, by node's zlib.brotliCompressSync().
BROTLI_BOMB = base64.b64decode("""
y///PwCkQURefDQjlAjzmEY0rpRHgJz1eofe/wH///8AkACIwwLQvf/j//8fABIAcVgAuvd//P//A0ACIA4LQPf+j///fwBIAMRhAeje//H//w
8ACYA4LADd+z/+//8BIAEQhwWge//H//8/ACQA4rAAdO//+P//B4AEQBwWgO79H////wCQAIjDAtC9/+P//x8AEgBxWAC693/8//8DQAIgDgtA
9/6P//9/AEgAxGEB6N7/8f//DwAJgDgsAN37P/7//wEgARCHBaB7/8f//z8AJADisAB07//4//8HgARAHBaA7v0f////AJAAiMMC0L3/4///Hw
ASAHFYALr3f/z//wNAAiAOC0D3/o///38ASADEYQHo3v/x//8PAAmAOCwA3fs//v//ASABEIcFoHv/x///PwAkAOKwAHTv//j//weABEAcFoDu
/R////8AkACIwwLQvf/j//8fABIAcVgAuvd//P//A0ACIA4LQPf+j///fwBIAMRhAeje//H//w8ACYA4LADd+z/+//8BIAEQhwWge//H//8/AC
QA4rAAdO//YgYAgMBEjjyQQL7IDxtwLjmGAU14STi6AzCA7gkAkTcf
""")


@made("bombs")
def make_bombs(_host):
    one = gzip_of(bomb_pieces())
    two = gzip.compress(one)
    return {
        "/gzip": (b"gzip", one),
        "/br": (b"br", BROTLI_BOMB),
        "/zstd": (b"zstd", zstd_bomb()),
        "/gzip-gzip": (b"gzip, gzip", two),
        "/gzip-gzip-zstd": (b"gzip, gzip, zstd", zstd_stored(two)),
        "/members": (b"gzip", gzip.compress(LINK_INSIDE) + gzip.compress(b"") * 100000),
        "/five": (b"gzip, gzip, gzip, gzip, gzip", two),
        "/unknown": (b"x-bomb", one),
        "/torn": (b"gzip", gzip.compress(LINK_INSIDE + random.Random(1).randbytes(5000))[:3000]),
        "/not-gzip": (b"gzip", PAGE),
    }


@behaviour("bombs", "/gzip", "/br", "/zstd", "/gzip-gzip", "/gzip-gzip-zstd", "/members", "/five", "/unknown",
           "/torn", "/not-gzip")
async def bombs(x):
    if x.path in x.made:
        await x.answer(x.made[x.path][1], [b"Content-Encoding: " + x.made[x.path][0]])
    elif x.path == "/inside":
        await x.answer()
    else:
        await x.not_found()


# ---- headers that are read in more than one way ----------------------------------------------------------------

async def inside(x, name):
    """The page that the one of that name must have led to."""
    await (x.answer() if x.path == "/inside/" + name else x.not_found())


FOLDED = {
    "/location": (b"302 Found", b"", [b"Location:\r\n /inside/location"]),
    "/type": (b"200 OK", b"<nav><a href=/inside/type>x</a>", [b"Content-Type:\r\n\ttext/html"]),
    "/coding": (b"200 OK", gzip.compress(b"<a href=/inside/coding>x</a>"),
                [b"Content-Type: text/html", b"Content-Encoding:\r\n gzip"]),
    "/noindex": (b"200 OK", PAGE, [b"Content-Type: text/html", b"X-Robots-Tag: noarchive,\r\n noindex"]),
    "/link": (b"200 OK", PAGE, [b"Content-Type: text/html", b"Link: </inside/link>;\r\n rel=next"]),
}


@behaviour("fields-folded", *FOLDED)
async def fields_folded(x):
    if x.path in FOLDED:
        status, body, fields = FOLDED[x.path]
        return await x.answer(body, fields, status, kind=None)
    await inside(x, x.path[len("/inside/"):])


def gzipped(body):
    return gzip.compress(body)


CODINGS = {
    "/utf-8": (b"UTF-8", bytes), "/none": (b"none", bytes), "/none-gzip": (b"none, gzip", gzipped), "/empty": (b"", bytes),
    "/twice-once": (b"gzip, gzip", gzipped), "/unsaid": (None, gzipped),
    "/once-twice": (b"x-gzip", lambda b: gzipped(gzipped(b))), "/false-gzip": (b"gzip", bytes), "/false-br": (b"br", bytes),
}


@behaviour("coding-words", *CODINGS)
async def coding_words(x):
    if x.path not in CODINGS:
        return await inside(x, x.path[len("/inside/"):])
    word, packed = CODINGS[x.path]
    await x.answer(packed(b"<!doctype html><a href=/inside%s>x</a>" % x.path.encode()),
                   [] if word is None else [b"Content-Encoding: " + word])


TYPES = {
    "/plain-html": [b"text/plain", b"text/html"], "/list": [b"text/plain, text/html"], "/garbage": [b"text/html, garbage"],
    "/any": [b"*/*"], "/unknown": [b"unknown/unknown"], "/blank": [b""], "/none": [], "/html-plain": [b"text/html, text/plain"],
}


@behaviour("type-words", *TYPES)
async def type_words(x):
    if x.path not in TYPES:
        return await inside(x, x.path[len("/inside/"):])
    await x.answer(b"<!doctype html><a href=/inside%s>x</a>" % x.path.encode(),
                   [b"Content-Type: " + t for t in TYPES[x.path]], kind=None)


OCTETS = {"/latin1": b"/caf\xe9", "/utf8": b"/caf\xc3\xa9", "/sjis": b"/\x95\x5c?q=\x95\x5c", "/eucjp": b"/\xc6\xfc"}


@behaviour("location-octets", *OCTETS)
async def location_octets(x):
    if x.path in OCTETS:
        return await x.redirect(OCTETS[x.path])
    await (x.answer() if x.path in ("/caf%E9", "/caf%C3%A9", "/%95/?q=%95\\", "/%C6%FC") else x.not_found())


# ---- endless spaces ----------------------------------------------------------------------------------------

@behaviour("redirect-loop", "/a", "/self")
async def redirect_loop(x):
    to = {"/a": b"/b", "/b": b"/c", "/c": b"/a", "/self": b"/self"}.get(x.path)
    await (x.redirect(to) if to else x.not_found())


@behaviour("redirect-chain", "/1")
async def redirect_chain(x):
    n = x.path[1:]
    if n.isdigit() and int(n) < 1000:
        await x.redirect(b"/%d" % (int(n) + 1))
    else:
        await (x.answer() if n == "1000" else x.not_found())


@behaviour("redirect-odd", "/script", "/empty", "/long", "/port", "/credentials", "/two")
async def redirect_odd(x):
    to = {"/script": b"javascript:alert(1)", "/empty": b"", "/long": b"/" + b"l" * 20000,
          "/port": b"http://127.0.0.1:22/", "/credentials": b"http://user:secret@127.0.0.1:25/",
          "/two": b"/first\r\nLocation: /second"}.get(x.path)
    if to is not None:
        await x.redirect(to)
    else:
        await (x.answer() if x.path in ("/first", "/second") else x.not_found())


@behaviour("inert")
async def inert(x):
    """What stands in a <template> says nothing of the page."""
    if x.path == "/":
        await x.answer(b"<!doctype html><template><base href='http://127.0.0.1:1/'><meta name=robots content=none></template><a href=inside>in</a>")
    else:
        await x.answer()


@behaviour("xml-pages", "/utf16", "/prefix", "/untyped")
async def xml_pages(x):
    """XHTML in UTF-16, with a prefix, without a type."""
    page = ("<?xml version='1.0'?><h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:a href='/inside%s'/></h:html>" % x.path).encode()
    if x.path == "/utf16":
        await x.answer(page.decode().encode("utf-16"), kind=b"application/xml")
    elif x.path in ("/prefix", "/untyped"):
        await x.answer(page, kind=b"application/xhtml+xml" if x.path == "/prefix" else None)
    else:
        await x.answer()


@behaviour("redirect-300", "/which", "/none")
async def redirect_300(x):
    if x.path in ("/which", "/none"):
        fields = [b"Location: /one"] if x.path == "/which" else []
        await x.answer(b'<a href="/other">or that</a>', fields, "300 Multiple Choices")
    else:
        await x.answer()


@behaviour("calendar", "/cal/2026/01")
async def calendar(x):
    parts = x.path.split("/")
    if len(parts) != 4 or parts[1] != "cal":
        return await x.not_found()
    year, month = int(parts[2]), int(parts[3])
    links = [(year + m // 12, m % 12 + 1) for m in (month, month + 1, month - 2 + 12 * 7)]
    await x.answer(b"".join(b'<a href="/cal/%d/%02d">m</a>' % link for link in links))


@behaviour("growing-path")
async def growing_path(x):
    await x.answer(b'<a href="a/">deeper</a>')


@behaviour("growing-woven")
async def growing_woven(x):
    await x.answer(b'<a href="a/">one</a> <a href="b/">other</a>')


@behaviour("growing-mixed")
async def growing_mixed(x):
    await x.answer(b'<a href="d%d/">deeper</a>' % x.path.count("/"))


@behaviour("session-ids", "/s?sid=0000000000000000")
async def session_ids(x):
    if not x.path.startswith("/s?"):
        return await x.not_found()
    await x.answer(b"".join(b'<a href="/s?sid=%016x">n</a>' % x.server.random.getrandbits(64) for _ in range(5)))


# ---- pages that are too much -------------------------------------------------------------------------------

@made("many-links")
def many_links_page(_host):
    return b"".join(b"<a href=/n/%d>" % i for i in range(1000000))


@behaviour("many-links", "/all")
async def many_links(x):
    if x.path == "/all":
        await x.answer(x.made)
    elif x.path.startswith("/n/"):
        await x.answer()
    else:
        await x.not_found()


@behaviour("nested", "/deep")
async def nested(x):
    if x.path == "/deep":
        await x.answer(b"<div>" * 1000000 + LINK_INSIDE + b"</div>" * 1000000 + b'<a href="/after">x</a>')
    else:
        await (x.answer() if x.path in ("/inside", "/after") else x.not_found())


@made("huge-attribute")
def attribute(_host):
    return gzip_of(attribute_pieces())


def attribute_pieces():
    """100 MiB, compressed about 1 : 100, so that the ratio alone is no ground to stop."""
    rng = random.Random(1)
    yield LINK_INSIDE + b'<p title="'
    for _ in range(100):
        yield (rng.randbytes(10240).hex().encode() + b"a" * (1 << 20))[:1 << 20]
    yield b'">' + LINK_BEHIND


@behaviour("huge-attribute", "/plain", "/gzip")
async def huge_attribute(x):
    if x.path == "/gzip":
        await x.answer(x.made, [b"Content-Encoding: gzip"])
    elif x.path == "/plain":
        await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
        await x.body(LINK_INSIDE + b'<p title="')
        for _ in range(100):
            await x.body(b"a" * (1 << 20))
        await x.body(b'">' + LINK_BEHIND)
    else:
        await (x.answer() if x.path == "/inside" else x.not_found())


@made("three-for-one")
def three_for_one_page(_host):
    """32 MiB in a legacy encoding that are 96 MiB in UTF-8."""
    return gzip_of([LINK_INSIDE] + [(b"%d " % i + b"\x80" * 3000) for i in range(11000)] + [LINK_BEHIND])


@behaviour("three-for-one", "/page")
async def three_for_one(x):
    if x.path == "/page":
        await x.answer(x.made, [b"Content-Encoding: gzip"], kind=b"text/html; charset=windows-1252")
    else:
        await (x.answer() if x.path in ("/inside", "/behind") else x.not_found())


@made("heavy")
@made("long-links")
def long_links_page(_host):
    """11,000 links that are three times as long when escaped, compressed."""
    return gzip_of([b'<a href="/%05d/' % i + b"\xc3\xa9" * 1340 + b'">' for i in range(11000)])


@behaviour("long-links", "/page")
async def long_links(x):
    if x.path == "/page":
        await x.answer(x.made, [b"Content-Encoding: gzip"], kind=b"text/html; charset=utf-8")
    else:
        await x.not_found()


@made("sitemap-bomb")
def sitemap_of_long_urls(host):
    return gzip_of([b"<urlset>"] + [b"<url><loc>http://%s/%d%s</loc></url>" % (host.encode(), i, b"l" * 2000)
                                    for i in range(50000)])


@behaviour("sitemap-bomb", "/sitemap.xml.gz")
async def sitemap_bomb(x):
    if x.path == "/sitemap.xml.gz":
        await x.answer(x.made, kind=b"application/gzip")
    else:
        await x.not_found()


# ---- robots.txt --------------------------------------------------------------------------------------------

async def page_of_site(x):
    await (x.answer() if x.path in ("/open", "/closed") else x.not_found())


@behaviour("robots-huge", "/open", "/closed")
async def robots_huge(x):
    if x.path != "/robots.txt":
        return await page_of_site(x)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    await x.body(b"User-agent: *\nDisallow: /closed\n")
    for i in range(1 << 20):
        await x.body(b"Disallow: /%d/\n" % i * 1024)


@behaviour("robots-binary", "/open", "/closed")
async def robots_binary(x):
    if x.path != "/robots.txt":
        return await page_of_site(x)
    await x.answer(random.Random(2).randbytes(100000), kind=b"application/octet-stream")


@made("robots-bomb")
def robots_with_spaces(_host):
    return gzip_of([b"User-agent: *\nDisallow: /closed\n"] + [b" " * (1 << 20)] * 256)


@behaviour("robots-bomb", "/open", "/closed")
async def robots_bomb(x):
    if x.path != "/robots.txt":
        return await page_of_site(x)
    await x.answer(x.made, [b"Content-Encoding: gzip"], kind=b"text/plain")


@behaviour("robots-slow", "/open")
async def robots_slow(x):
    if x.path != "/robots.txt":
        return await page_of_site(x)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    await x.drip(b"#")


@behaviour("robots-5xx", "/open")
async def robots_5xx(x):
    await (x.answer(status="500 Broken") if x.path == "/robots.txt" else page_of_site(x))


@behaviour("robots-changing", "/open", "/closed")
async def robots_changing(x):
    """Forbids /closed at first, everything afterwards."""
    if x.path != "/robots.txt":
        return await page_of_site(x)
    what = b"/closed" if x.server.count(x.name, "/robots.txt") == 1 else b"/"
    await x.answer(b"User-agent: *\nDisallow: " + what + b"\n", kind=b"text/plain")


@behaviour("robots-circle", "/open")
async def robots_circle(x):
    to = {"/robots.txt": b"/r1", "/r1": b"/r2", "/r2": b"/robots.txt"}.get(x.path)
    await (x.redirect(to) if to else page_of_site(x))


@behaviour("robots-torn", "/open")
async def robots_torn(x):
    """Too short: what would have forbidden the page may be what is missing."""
    if x.path != "/robots.txt":
        return await page_of_site(x)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nUser-agent: *\n")
    x.keep = False


TORN = b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % i for i in range(500)) + b"Disallow: /closed\n"


@behaviour("robots-torn-gzip", "/closed")
async def robots_torn_gzip(x):
    await (x.answer(gzip.compress(TORN)[:-40], [b"Content-Encoding: gzip"], kind=b"text/plain") if x.path == "/robots.txt"
           else page_of_site(x))


@behaviour("robots-false-gzip", "/closed")
async def robots_false_gzip(x):
    await (x.answer(TORN, [b"Content-Encoding: gzip"], kind=b"text/plain") if x.path == "/robots.txt" else page_of_site(x))


@behaviour("robots-coding-word", "/open", "/closed")
async def robots_coding_word(x):
    await (x.answer(TORN, [b"Content-Encoding: UTF-8"], kind=b"text/plain") if x.path == "/robots.txt" else page_of_site(x))


@behaviour("robots-429", "/open", "/closed")
async def robots_429(x):
    if x.path != "/robots.txt":
        return await page_of_site(x)
    if x.server.count(x.name, "/robots.txt") == 1:
        await x.answer(status="429 Too Many Requests", fields=[b"Retry-After:\r\n 1"])
    else:
        await x.answer(TORN, kind=b"text/plain")


@behaviour("robots-300", "/open", "/closed")
async def robots_300(x):
    if x.path == "/robots.txt":
        await x.answer(fields=[b"Location: /rules"], status="300 Multiple Choices")
    elif x.path == "/rules":
        await x.answer(TORN, kind=b"text/plain")
    else:
        await page_of_site(x)


@behaviour("robots-utf16", "/open", "/closed")
async def robots_utf16(x):
    if x.path == "/robots.txt":
        await x.answer("User-agent: *\r\nDisallow: /closed\r\n".encode("utf-16"), kind=b"text/plain")
    else:
        await page_of_site(x)


@behaviour("robots-part", "/open")
async def robots_part(x):
    if x.path == "/robots.txt":
        body = b"User-agent: *\nDisallow: /a\n"
        await x.answer(body, [b"Content-Range: bytes 0-%d/60" % (len(body) - 1)], "206 Partial Content", b"text/plain")
    else:
        await page_of_site(x)


@behaviour("robots-304", "/open")
async def robots_304(x):
    await (x.answer(b"", status="304 Not Modified") if x.path == "/robots.txt" else page_of_site(x))


# ---- forgeries ---------------------------------------------------------------------------------------------

RECORD = (b"WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: http://forged.example/\r\n"
          b"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
          b"Content-Type: application/http; msgtype=response\r\nContent-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\r\n\r\n")


@behaviour("forged-record", "/header", "/cr", "/lf", "/body", "/type", "/location")
async def forged_record(x):
    if x.path == "/header":
        await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-A: b\r\n\r\n")
        await x.body(b"\r\n\r\n" + RECORD)
    elif x.path == "/cr":
        await x.answer(fields=[b"X-A: b\r\r\rWARC/1.1\rWARC-Type: response\r"])
    elif x.path == "/lf":
        await x.answer(fields=[b"X-A: b\n \n\t\nWARC/1.1: x\nWARC-Type: response"])
    elif x.path == "/body":
        await x.answer(b"\r\n\r\n" + gzip.compress(RECORD) + b"\r\n\r\n" + RECORD)
    elif x.path == "/type":
        await x.answer(kind=b"text/html;\rWARC-Type=response; a=\"\\\r\"")
    elif x.path == "/location":
        await x.answer(b"", [b"Location: /x\rWARC-Type: response"], "302 Found")
    elif x.path.startswith("/x"):
        await x.answer()
    else:
        await x.not_found()


@behaviour("escapes", "/", "/status", "/type", "/location")
async def escapes(x):
    """ESC and C1 controls, raw and in UTF-8, wherever a server can put them."""
    evil = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xc2\x9b31m\xe2\x80\xae"
    if x.path == "/":
        await x.answer(b"<title>" + evil + b"</title><a href='/l" + evil + b"'>x</a><a href='/%1b%5B2J'>y</a>"
                       b"<link rel=canonical href='/c" + evil + b"'><a href='http://e" + evil + b".example/'>z</a>",
                       [b"X-Evil: " + evil])
    elif x.path == "/status":
        await x.answer(status=b"403 " + evil)
    elif x.path == "/type":
        await x.answer(kind=b"text/" + evil)
    elif x.path == "/location":
        await x.answer(b"", [b"Location: /t" + evil], "302 Found")
    else:
        await x.answer()


# ---- connections, transfer codings, addresses of pages -------------------------------------------------------

STALE = {
    "answer": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nlate",
    "line": b"\r\n",
    "408": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "chunk": b"0\r\n\r\n",
}
STALE_PAGES = 3
STALE_LATE_S = 0.5      # of the second that the next request comes later


def stale(late, closes):
    """Something comes on a connection on which nothing was asked for. Each page is longer than the one before."""
    async def handler(x):
        if x.path == "/robots.txt":
            await x.answer(b"User-agent: *\nCrawl-delay: 1\n", kind=b"text/plain")
        elif x.path[1:].isdigit() and int(x.path[1:]) < STALE_PAGES:
            n = int(x.path[1:])
            await x.answer(b"<a href=/%d>" % (n + 1) + b"n" * n if n + 1 < STALE_PAGES else b"the last one")
        else:
            return await x.not_found()
        answered = time.monotonic()
        await asyncio.sleep(0.01)
        if time.monotonic() - answered < STALE_LATE_S:      # or it could meet the next request, as its answer
            await x.raw(late)
            x.server.note(x.name, "late")
        x.keep = not closes
    return handler


for _name, _late in STALE.items():
    behaviour("robots-stale-" + _name, "/0")(stale(_late, _name == "408"))


@behaviour("closes-under-request", "/0")
async def closes_under_request(x):
    """A connection answers once; the next request on it is read, and not answered."""
    answered, x.server.answered = x.writer in x.server.answered, x.server.answered | {x.writer}
    n = int(x.path[1:])
    if not answered:
        await x.answer(b"<a href=/%d>n</a>" % (n + 1) if n < 3 else PAGE)


LISTS = {"/identity": b"identity, chunked", "/empty": b"chunked ,", "/blank": b"", "/after": b"chunked, identity"}


@behaviour("coding-lists", *LISTS)
async def coding_lists(x):
    if x.path not in LISTS:
        return await x.not_found()
    x.sent.add(PAGE)
    body = PAGE if x.path == "/blank" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: %s\r\n\r\n%s" % (LISTS[x.path], body))


HELD = {    # the connection stays open behind each
    "/identity": b"Content-Length: 41\r\nTransfer-Encoding: identity", "/word": b"Transfer-Encoding: utf-8\r\nContent-Length: 41",
    "/list": b"Content-Length: 41, 41", "/space": b"Content-Length : 41", "/fold": b"X: y\r\nTransfer-Encoding: x,\r\n y\r\nContent-Length: 41"}


@behaviour("length-held", *HELD)
async def length_held(x):
    """Bodies whose end the connection does not show."""
    if x.path not in HELD:
        return await x.not_found()
    x.sent.add(PAGE)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%s\r\n\r\n%s" % (HELD[x.path], PAGE))
    await x.reader.read()


BODILESS = {"/length": b"Content-Length: 5", "/lengths": b"Content-Length: 5, 6\r\nContent-Length: x", "/chunked": b"Transfer-Encoding: chunked",
            "/gzip": b"Transfer-Encoding: gzip", "/plain": b"X: y"}


@behaviour("no-content", *BODILESS)
async def no_content(x):
    """204 with fields about a body; the connection stays open."""
    if x.path not in BODILESS:
        return await x.not_found()
    x.sent.add(b"")
    await x.raw(b"HTTP/1.1 204 No Content\r\n%s\r\n\r\n" % BODILESS[x.path])
    x.keep = True


@behaviour("chunked-unseen", "/space", "/fold")
async def chunked_unseen(x):
    field = {"/space": b"Transfer-Encoding : chunked", "/fold": b"Transfer-Encoding:\r\n chunked"}.get(x.path)
    if field is None:
        return await x.not_found()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%s\r\n\r\n5\r\nhello\r\n0\r\n\r\n" % field)


@behaviour("space-before-colon", "/type", "/location")
async def space_before_colon(x):
    if x.path == "/type":
        await x.answer(LINK_INSIDE, [b"Content-Type : text/plain, text/html"], kind=None)
    elif x.path == "/location":
        await x.answer(b"", [b"Location\t: /inside"], "302 Found")
    else:
        await (x.answer() if x.path == "/inside" else x.not_found())


@behaviour("header-folded-first")
async def header_folded_first(x):
    await x.raw(b"HTTP/1.1 200 OK\r\n folded: at first\r\nContent-Length: 1\r\n\r\nx")


@behaviour("redirect-late", "/1", "/late")
async def redirect_late(x):
    """What stands behind too many redirects is linked from a page, too."""
    n = x.path[1:]
    if n.isdigit() and int(n) < 22:
        await x.redirect(b"/%d" % (int(n) + 1))
    elif n == "late":
        await asyncio.sleep(0.5)
        await x.answer(b"<a href=/22>x</a>")
    else:
        await (x.answer() if n == "22" else x.not_found())


@behaviour("cookie-wall")
async def cookie_wall(x):
    """To those without cookies it is a redirect to itself."""
    await x.answer(b"", [b"Location: /", b"Set-Cookie: seen=1"], "302 Found")


ODD_URIS = ["/a|b", "/c^d", "/{e}", "/[f]", "/100%", "/g'h?i|j={k}"]


@behaviour("odd-uris")
async def odd_uris(x):
    await x.answer(b"".join(b'<a href="%s">x</a>' % u.encode() for u in ODD_URIS) if x.path == "/" else PAGE)


@behaviour("robots-bom", "/open", "/closed")
async def robots_bom(x):
    await (x.answer(b"\xef\xbb\xbfUser-agent: *\rDisallow: /closed\r", kind=b"text/plain") if x.path == "/robots.txt"
           else page_of_site(x))


ATOM = (b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:base="/blog/"><entry><link href="entry"/></entry>'
        b'<entry xml:base="sub/"><link rel="alternate" href="other"/></entry></feed>')
ODD_MAP = b'<?xml version="1.0" encoding="utf-16"?><urlset><url><loc>http://%s/in-map</loc></url>\x0b</urlset>'


REFERENCES_MAP = ("<?xml version='1.0' encoding='UTF-8'?><urlset><url><t>&nbsp;&#1;</t><loc>http://%s/in-map16?a=1&b=2</loc></url>"
                  "</urlset>")
IN_MAPS = ("/open", "/in-map", "/in-map16?a=1&b=2", "/in-map16t", "/blog/entry", "/blog/sub/other")


@behaviour("robots-maps", "/open")
async def robots_maps(x):
    """A feed with relative links; sitemaps that are not in the encoding that they say, with controls and references that XML does not
    know in them; one whose one tag is octets of no encoding, and takes its time to read."""
    host = x.host.encode()
    if x.path == "/robots.txt":
        await x.answer(b"".join(b"Sitemap: http://%s/%s\n" % (host, name) for name in (b"feed", b"map.xml", b"map16.xml", b"map16.txt",
                       b"map-octets.xml")), kind=b"text/plain")
    elif x.path == "/feed":
        await x.answer(ATOM, kind=b"application/atom+xml")
    elif x.path == "/map.xml":
        await x.answer(ODD_MAP % host, kind=b"application/xml")
    elif x.path == "/map16.xml":
        await x.answer((REFERENCES_MAP % x.host).encode("utf-16"), kind=b"application/xml")
    elif x.path == "/map16.txt":
        await x.answer(("http://%s/in-map16t\r\n" % x.host).encode("utf-16"), kind=b"text/plain")
    elif x.path == "/map-octets.xml":
        await x.answer(b"<urlset><url x='" + b"\xff" * (1 << 20), kind=b"application/xml")
    else:
        await (x.answer() if x.path in IN_MAPS else x.not_found())


# ---- TLS ---------------------------------------------------------------------------------------------------

async def any_page(x):
    await x.answer()


for _name in ("good", "self-signed", "expired", "not-yet", "wrong-host", "untrusted", "chain-less"):
    behaviour("tls-" + _name, tls=True)(any_page)


@behaviour("tls-plain", tls=True)
async def tls_plain(x):
    raise AssertionError("no handshake is answered")


@behaviour("tls-unproven", tls=True)
async def tls_unproven(x):
    """The connection ends without TLS's own end: whether the body is whole, nobody can say."""
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    await x.body(PAGE)
    x.writer.transport.abort()


@behaviour("tls-h2-unspoken", tls=True)
async def tls_h2_unspoken(x):
    """Agrees on HTTP/2 where it is offered, and speaks HTTP/1.1."""
    if x.path == "*":
        await x.raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    else:
        await x.answer()


# ---- many at once ------------------------------------------------------------------------------------------

IN_FLIGHT = 1024


async def in_flight(x):
    """As much header as is allowed and half of the body, held until so many stand so; then they all end."""
    fields = b"".join(b"X-%d: %0230d\r\n" % (i, i) for i in range(250))
    half = x.server.random.randbytes(400000)
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 800000\r\n" + fields + b"\r\n")
    await x.body(half)
    x.server.holding += 1
    if x.server.holding == IN_FLIGHT:
        x.server.note("all", "in flight")
        x.server.all_held.set()
    await x.server.all_held.wait()
    await x.body(half)
    x.keep = True


for _n in range(4):
    behaviour("in-flight-%d" % _n, *("/%d" % i for i in range(IN_FLIGHT // 4)), tls=_n % 2 == 1)(in_flight)
    APART.add("in-flight-%d" % _n)


HEAVY = 32


@behaviour("heavy", *("/page%d" % i for i in range(HEAVY)))
async def heavy(x):
    """Pages of long links, the same on all of them, that arrive together."""
    if not x.path.startswith("/page"):
        return await x.not_found()
    x.server.holding += 1
    if x.server.holding == HEAVY:
        x.server.note("all", "in flight")
        x.server.all_held.set()
    await x.server.all_held.wait()
    await x.answer(x.made, [b"Content-Encoding: gzip"], kind=b"text/html; charset=utf-8")


APART.add("heavy")


# ---- the server --------------------------------------------------------------------------------------------

class Server:
    def __init__(self, args):
        self.args = args
        self.made = {}
        self.random = random.Random(3)
        self.log = open(os.path.join(args.out, "requests.tsv"), "w", encoding="utf-8", buffering=1)
        self.counts = {}
        self.answered = frozenset()
        self.held = []
        self.holding = 0
        self.all_held = None     # of the loop that runs

    def count(self, name, path):
        return self.counts.get((name, path), 0)

    def note(self, name, path):
        self.counts[name, path] = self.count(name, path) + 1
        self.log.write(f"{name}\t{path.encode('unicode_escape').decode()}\n")

    async def serve(self, name, handler, reader, writer):
        x = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode("latin-1")
                self.note(name, path)
                x = Exchange(self, name, reader, writer, path)
                if path == "/robots.txt" and not name.startswith("robots-"):
                    await x.not_found()
                else:
                    await handler(x)
                x.sent.end()
                if not x.keep:
                    break
                x = None
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ssl.SSLError):
            pass
        finally:
            if x is not None:
                x.sent.end()
            writer.close()

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        base = os.path.join(self.args.certs, name.removeprefix("tls-"))
        base = base if os.path.exists(base + ".pem") else os.path.join(self.args.certs, "good")
        context.load_cert_chain(base + ".pem", base + ".key")
        if name == "tls-h2-unspoken":
            context.set_alpn_protocols(["h2"])
        return context

    def fill_backlog(self, address, port):
        """One connection that is never accepted takes the whole queue: whoever comes later is not answered."""
        full = socket.socket()
        full.bind((address, port))
        full.listen(0)
        self.held.append(full)
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((address, port))
            self.held.append(s)

    async def plain_bytes(self, reader, writer):
        """No TLS where TLS is due."""
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    def listen(self, name, address, port):
        """The socket, or None where nobody serves."""
        if name == "refused":
            return None
        if name == "black-hole":
            self.fill_backlog(address, port)
            return None
        return socket.create_server((address, port), backlog=2048)

    async def accept(self, name, handler, tls, listening):
        if name == "tls-plain":
            return await asyncio.start_server(self.plain_bytes, sock=listening)
        return await asyncio.start_server(lambda r, w: self.serve(name, handler, r, w), sock=listening, backlog=2048,
                                          ssl=self.context(name) if tls else None)

    async def run(self, served):
        self.all_held = asyncio.Event()
        self.held += [await self.accept(*one) for one in served]
        await asyncio.Event().wait()

    def start(self):
        """Listens, says so, and serves in two processes."""
        origins, seeds, busy, quick = [], [], [], []
        only = self.args.only
        chosen = {name: how for name, how in BEHAVIOURS.items()
                  if (name.startswith(only) if only else name not in APART)}
        for i, (name, (handler, paths, tls)) in enumerate(chosen.items(), 1):
            address, port = f"{self.args.net}.{i}", self.args.tls_port if tls else self.args.port
            if name in MADE:
                self.made[name] = MADE[name](f"{address}:{port}")
            listening = self.listen(name, address, port)
            if listening is not None:
                (busy if name in BUSY else quick).append((name, handler, tls, listening))
            origin = f"{'https' if tls else 'http'}://{address}:{port}"
            origins.append(f"{name}\t{origin}\n")
            seeds += [f"{origin}{path}\n" for path in paths]
        for file, lines in (("seeds.txt", seeds), ("origins.tsv", origins)):
            with open(os.path.join(self.args.out, file + ".new"), "w", encoding="utf-8") as f:
                f.writelines(lines)
            os.rename(f.name, os.path.join(self.args.out, file))
        parent = os.getpid()
        if busy and os.fork() == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                asyncio.run(self.run(busy))
        else:
            asyncio.run(self.run(quick))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--tls-port", type=int, required=True)
    p.add_argument("--net", default="127.66.0", help="three octets")
    p.add_argument("--only", help="behaviours whose names begin so")
    p.add_argument("--max-body", type=int, default=24 << 20, help="where the crawl cuts bodies")
    p.add_argument("--certs", required=True)
    p.add_argument("--out", required=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    Server(p.parse_args()).start()


if __name__ == "__main__":
    sys.exit(main())

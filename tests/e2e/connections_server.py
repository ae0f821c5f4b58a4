#!/usr/bin/env python3
"""Servers whose connections go wrong. connections_server.py NET PORT CERTS LOG: each behaviour below has an address of its own,
NET.N in the order in which they are defined, at PORT. CERTS: a directory with good.pem and good.key (for NET.*), and chain-less.pem
and chain-less.key. Prints "NAME URL" for each when all listen. LOG: a line "URL" for each body that was sent as the answer to
a request.

A page / has links to /p0 to /p5, each page says its own path; /robots.txt is not there unless said otherwise."""
import os
import socket
import ssl
import struct
import sys
import threading
import time

import bodies

NET, PORT, CERTS, LOG = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PAGES = 6
log = open(LOG, "a", buffering=1)
lock = threading.Lock()
behaviours = []


def behaviour(tls=None, cert="good"):
    def add(f):
        behaviours.append((f.__name__.replace("_", "-"), f, tls, cert))
        return f
    return add


class Gone(Exception):
    """The connection is to be closed."""


class Connection:
    def __init__(self, sock, origin, number):
        self.sock, self.origin, self.number = sock, origin, number
        self.requests, self.buffer = 0, b""

    def read_request(self):
        while b"\r\n\r\n" not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise Gone
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.requests += 1
        return head.split(b" ")[1].decode()

    def body(self, path):
        links = "".join('<a href="/p%d">.</a>' % i for i in range(PAGES)) if path == "/" else ""
        return ("<!doctype html><p>%s%s" % (path, links)).encode()

    def note(self, path, body):
        with lock:
            log.write("%s%s\n" % (self.origin, path))
        bodies.note(self.sock.getsockname()[:2], path, body)

    def send(self, *parts):
        for part in parts:
            if isinstance(part, float):
                time.sleep(part)
            else:
                self.sock.sendall(part)

    def answer(self, path, status="200 OK", fields=(), body=None):
        body = self.body(path) if body is None else body
        self.note(path, body)
        head = "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n" % (status, len(body))
        return head.encode() + b"".join(f.encode() + b"\r\n" for f in fields) + b"\r\n" + body

    def robots(self, path):
        """Answers what is about robots.txt."""
        if path == "/robots.txt":
            self.send(self.answer(path, "404 Not Found"))
        return path == "/robots.txt"

    def reset(self):
        raw = socket.socket(fileno=os.dup(self.sock.fileno()))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raw.close()
        raise Gone

    def end_without_alert(self):
        raw = socket.socket(fileno=os.dup(self.sock.fileno()))
        raw.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        raw.close()
        raise Gone


def each(handle):
    """A behaviour that is what it does with each request but that for robots.txt."""
    def run(c):
        while True:
            path = c.read_request()
            if not c.robots(path):
                handle(c, path)
    run.__name__ = handle.__name__
    return run


NOBODYS = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nnobody"
LATE = 0.04


@behaviour()
@each
def late_answer(c, path):
    c.send(c.answer(path), LATE, NOBODYS)


@behaviour()
@each
def answer_at_once(c, path):
    c.send(c.answer(path) + NOBODYS)


@behaviour()
@each
def late_line(c, path):
    c.send(c.answer(path), LATE, b"\r\n")


@behaviour()
@each
def late_chunk(c, path):
    body = c.body(path)
    c.note(path, body)
    c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
           % (len(body), body), LATE, b"0\r\n\r\n")


def under_request(late):
    """The same so late that the next request meets it, and that its answer comes behind it: at once, or later."""
    def handle(c, path):
        answer = c.answer(path)
        if c.requests <= 2:
            c.send(answer)
        elif path in ("/p0", "/p1", "/p2"):
            c.send(late + answer)
        else:
            c.send(late, LATE, answer)
    return handle


@behaviour()
@each
def line_under_request(c, path):
    under_request(b"\r\n")(c, path)


@behaviour()
@each
def chunk_under_request(c, path):
    under_request(b"0\r\n\r\n")(c, path)


@behaviour()
@each
def late_408(c, path):
    c.send(c.answer(path), LATE, c.answer(path, "408 Request Timeout", ["Connection: close"], b"slow"))
    raise Gone


@behaviour()
@each
def late_end(c, path):
    c.send(c.answer(path), LATE)
    raise Gone


@behaviour()
@each
def end_under_request(c, path):
    if c.requests > 1 and path != "/":
        raise Gone
    c.send(c.answer(path))


@behaviour()
@each
def reset_under_request(c, path):
    if c.requests > 1 and path != "/":
        c.reset()
    c.send(c.answer(path))


@behaviour(tls=["http/1.1"])
@each
def tls_late_answer(c, path):
    c.send(c.answer(path), LATE, NOBODYS)


@behaviour(tls=["http/1.1"])
@each
def tls_unproven(c, path):
    body = c.body(path)
    c.note(path, body)
    c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)
    c.end_without_alert()


@behaviour(tls=["http/1.1"])
@each
def tls_proven(c, path):
    body = c.body(path)
    c.note(path, body)
    c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)
    c.sock.unwrap()
    raise Gone


@behaviour(tls=["http/1.1"])
def tls_robots_unproven(c):
    while True:
        if c.read_request() == "/robots.txt":
            c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nUser-agent: *\nDisallow: /x")
            c.end_without_alert()
        c.send(c.answer("/"))


@behaviour(tls=["http/1.1"], cert="chain-less")
@each
def tls_chain_less(c, path):
    c.send(c.answer(path))


# HTTP/2: frames without a decoder of header blocks, so a server knows no paths: the first stream of all is that for robots.txt.

SETTINGS, RST_STREAM, GOAWAY, HEADERS, DATA, END_STREAM, END_HEADERS = 4, 3, 7, 1, 0, 1, 4


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def http1_instead(f):
    """Where HTTP/2 was not agreed on, all is well."""
    def run(c):
        if c.sock.selected_alpn_protocol() == "h2":
            f(c)
            return
        while True:
            path = c.read_request()
            if not c.robots(path):
                c.send(c.answer(path))
    run.__name__ = f.__name__
    return run


def streams(c):
    """The streams on which something is asked for."""
    lines = c.sock.makefile("rb")
    lines.read(24)
    c.send(frame(SETTINGS, 0, 0))
    while len(head := lines.read(9)) == 9:
        lines.read(int.from_bytes(head[:3], "big"))
        if head[3] == HEADERS:
            yield int.from_bytes(head[5:9], "big")


H2 = ["h2", "http/1.1"]


@behaviour(tls=H2)
@http1_instead
def h2_spoken_as_http1(c):
    c.sock.recv(4096)
    c.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    raise Gone


@behaviour(tls=H2)
@http1_instead
def h2_end(c):
    c.sock.recv(4096)
    raise Gone


@behaviour(tls=H2)
@http1_instead
def h2_reset(c):
    c.sock.recv(4096)
    c.reset()


@behaviour(tls=H2)
@http1_instead
def h2_silent(c):
    while c.sock.recv(4096):
        pass
    raise Gone


@behaviour(tls=H2)
@http1_instead
def h2_goaway(c):
    c.send(frame(SETTINGS, 0, 0), frame(GOAWAY, 0, 0, bytes(8)))
    c.sock.recv(4096)
    raise Gone


@behaviour(tls=H2)
@http1_instead
def h2_refused(c):
    for stream in streams(c):
        c.send(frame(RST_STREAM, 0, stream, (7).to_bytes(4, "big")))


@behaviour(tls=H2)
def h2_torn(c):
    for stream in streams(c):
        with lock:
            c.served["n"] = c.served.get("n", 0) + 1
        if c.served["n"] == 1:
            bodies.note((c.sock.getsockname()[:2]), "/robots.txt", b"")
            c.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x8d"))
            continue
        bodies.note((c.sock.getsockname()[:2]), "/", b"<p>half")
        c.send(frame(HEADERS, END_HEADERS, stream, b"\x88"), frame(DATA, 0, stream, b"<p>half"), 0.05,
               frame(RST_STREAM, 0, stream, bytes(4)))


def context(alpn, cert):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain("%s/%s.pem" % (CERTS, cert), "%s/%s.key" % (CERTS, cert))
    c.set_alpn_protocols(alpn)
    return c


def serve(sock, run, origin, tls, number, served):
    try:
        sock.settimeout(60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = Connection(tls.wrap_socket(sock, server_side=True) if tls else sock, origin, number)
        c.served = served
        sock = c.sock
        run(c)
    except (OSError, Gone, ValueError):
        pass
    finally:
        sock.close()


def accept(listener, run, origin, tls):
    number, served = 0, {}
    while True:
        sock, _ = listener.accept()
        number += 1
        threading.Thread(target=serve, args=(sock, run, origin, tls, number, served), daemon=True).start()


names = []
for i, (name, run, alpn, cert) in enumerate(behaviours):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("%s.%d" % (NET, i + 1), PORT))
    listener.listen(64)
    origin = "%s://%s.%d:%d" % ("https" if alpn else "http", NET, i + 1, PORT)
    names.append((name, origin))
    threading.Thread(target=accept, daemon=True,
                     args=(listener, run, origin, context(alpn, cert) if alpn else None)).start()
print("".join("%s %s\n" % n for n in names), end="", flush=True)
threading.Event().wait()

"""What a test's server sent, for check_sent.py.

    bodies.note((address, port), path, body)          one whole body, once it has been handed over
    sent = bodies.Sent((address, port), path)         one that is sent in pieces, perhaps without end:
    sent.add(piece) ...; sent.end()                   end() also when the client has gone; nothing is noted without add()

A line each in the file that $E2E_BODIES names, tabs between: ADDRESS PORT PATH LENGTH SHA1. The path as it was asked for,
%-escaped where it is not plain; the body with transfer codings undone, content codings not. A body that is not long is
kept in $E2E_BODIES.d/SHA1, so that a part of it can be told. Without $E2E_BODIES nothing is noted.
"""
import hashlib
import os
import threading
import urllib.parse

KEEP_BYTES = 1 << 20
FILE = os.environ.get("E2E_BODIES")


def write(server, path, length, sha1, body):
    if body is not None and length <= KEEP_BYTES:
        os.makedirs(FILE + ".d", exist_ok=True)
        name = os.path.join(FILE + ".d", sha1)
        if not os.path.exists(name):
            with open(f"{name}.{os.getpid()}-{threading.get_ident()}.new", "wb") as f:
                f.write(body)
            os.replace(f.name, name)
    if isinstance(path, str):
        path = path.encode("latin-1")
    line = f"{server[0]}\t{server[1]}\t{urllib.parse.quote(path, safe='/%?&=+;,:@!$()*~.-_')}\t{length}\t{sha1}\n"
    fd = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, line.encode())
    os.close(fd)


def note(server, path, body):
    if FILE:
        write(server, path, len(body), hashlib.sha1(body).hexdigest(), body)


class Sent:
    """`limits`: lengths at which a client may cut it; what had been sent by then is noted, too."""

    def __init__(self, server, path, limits=()):
        self.server, self.path, self.limits = server, path, sorted(limits)
        self.hash, self.length, self.kept, self.any = hashlib.sha1(), 0, bytearray(), False

    def take(self, piece):
        self.hash.update(piece)
        self.length += len(piece)
        if self.length <= KEEP_BYTES:
            self.kept += piece

    def add(self, piece):
        self.any = True
        while self.limits and self.length + len(piece) >= self.limits[0]:
            room = self.limits.pop(0) - self.length
            self.take(piece[:room])
            piece = piece[room:]
            self.end()
        self.take(piece)

    def end(self):
        if FILE and self.any:
            kept = bytes(self.kept) if self.length <= KEEP_BYTES else None
            write(self.server, self.path, self.length, self.hash.hexdigest(), kept)

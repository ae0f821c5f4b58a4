#!/usr/bin/env python3
"""A server that asks to be left alone. moody_server.py PORT LOG: each request is a line "SECONDS PATH STATUS" in LOG.

/busy-N    429 with Retry-After: N, once
/dated-N   503 with Retry-After as a date at least N seconds away, once
/always    429, always, with nothing said of when to come again
/broken    500, always
/reset     closes the connection without an answer: a kept one always, which is no attempt, and a fresh one once
/, /page   200
/moved     302 to /page
/hop/N     302 to /hop/N+1
/noindex   a page that says so
/robots.txt  503 twice, then 404; MOODY_ROBOTS=STATUS: always that; MOODY_ROBOTS=200: forbids /private
MOODY_LINKS="URL ...": what / links to.
"""
import collections
import email.utils
import http.server
import os
import socketserver
import sys
import time

import bodies

PAGES = os.environ.get("MOODY_LINKS", "/page /busy-2 /dated-3 /always /broken /reset").split()
RULES = "User-agent: *\n# nobody\nDisallow: /private\n"
asked = collections.Counter()
log = open(sys.argv[2], "a", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = 0  # on this connection

    def answer(self, status, body="", **headers):
        log.write(f"{time.time():.3f} {self.path} {status}\n")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        bodies.note(self.server.server_address, self.path, body.encode())

    def do_GET(self):
        self.requests += 1
        path, first = self.path, asked[self.path] == 0
        if path != "/reset" or self.requests == 1:
            asked[path] += 1
        if path == "/robots.txt":
            always = os.environ.get("MOODY_ROBOTS")
            status = int(always) if always else 503 if asked[path] <= 2 else 404
            self.answer(status, RULES if status == 200 else "")
        elif path == "/moved":
            self.answer(302, Location="/page")
        elif path.startswith("/hop/"):
            self.answer(302, Location=f"/hop/{int(path[5:]) + 1}")
        elif path == "/noindex":
            self.answer(200, "<meta name=robots content=noindex>")
        elif path == "/always":
            self.answer(429)
        elif path == "/broken":
            self.answer(500)
        elif path.startswith("/busy-") and first:
            self.answer(429, Retry_After=path.split("-")[1])
        elif path.startswith("/dated-") and first:
            at = int(time.time()) + 1 + int(path.split("-")[1])
            self.answer(503, Retry_After=email.utils.formatdate(at, usegmt=True))
        elif path == "/reset" and (first or self.requests > 1):
            log.write(f"{time.time():.3f} {path} 0\n")
            self.close_connection = True
        elif path == "/":
            self.answer(200, "".join(f'<a href="{p}">x</a>' for p in PAGES))
        else:
            self.answer(200, "a page")

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

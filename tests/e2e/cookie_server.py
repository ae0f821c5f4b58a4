#!/usr/bin/env python3
"""A site for those with its cookie. cookie_server.py ADDR PORT LOG [URL]: / sets it and links to /page and to URL; /page is
there for who sends it, /wall and /login?back=/room for who comes again with another. Each request is a line "ADDR PATH COOKIES" in LOG."""
import http.server
import socketserver
import sys

import bodies

ADDR, PORT, LOG = sys.argv[1:4]
OTHER = "".join(sys.argv[4:])
# Without that cookie, there; those but /room set it.
MOVES = {"/wall": ("/wall", "wall=1"), "/room": ("/login?back=/room", "room=1"), "/login?back=/room": ("/room", "room=1")}
log = open(LOG, "a", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cookies = self.headers.get("Cookie", "")
        log.write(f"{ADDR} {self.path} {cookies or '-'}\n")
        status, body = 404, b""
        if self.path == "/":
            status, body = 200, f'<a href="/page">page</a> <a href="/wall">wall</a> <a href="/room">room</a> <a href="{OTHER}">other</a>'.encode()
        elif self.path == "/page":
            status = 200 if f"at={ADDR}" in cookies else 403
        elif self.path in MOVES:
            status = 200 if MOVES[self.path][1] in cookies else 302
        self.send_response(status)
        if self.path == "/":
            self.send_header("Set-Cookie", f"at={ADDR}")
            self.send_header("Set-Cookie", "folded=\r\n yes; Path=/")
        if status == 302:
            self.send_header("Location", MOVES[self.path][0])
        if status == 302 and self.path != "/room":
            self.send_header("Set-Cookie", MOVES[self.path][1] + "; Path=/")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        bodies.note((ADDR, PORT), self.path, body)

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server((ADDR, int(PORT)), Handler) as server:
    server.serve_forever()

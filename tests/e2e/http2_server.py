#!/usr/bin/env python3
"""An HTTP/2 server that resets every stream. http2_server.py ADDR PORT CERT KEY ERROR LOG: ERROR is the code of the
RST_STREAM (13: HTTP_1_1_REQUIRED). A client that agrees on HTTP/1.1 is answered. LOG: a line "PROTOCOL" a request."""
import socketserver
import ssl
import sys

import bodies

ADDR, PORT, CERT, KEY, ERROR, LOG = sys.argv[1:7]
SETTINGS, RST_STREAM, HEADERS = 4, 3, 1
PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
log = open(LOG, "a", buffering=1)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERT, KEY)
tls.set_alpn_protocols(["h2", "http/1.1"])


def frame(kind, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            with tls.wrap_socket(self.request, server_side=True) as s, s.makefile("rb") as lines:
                if s.selected_alpn_protocol() == "h2":
                    self.reset(s, lines)
                else:
                    self.answer(s, lines)
        except OSError:
            pass

    def reset(self, s, lines):
        lines.read(PREFACE)
        s.sendall(frame(SETTINGS, 0, b""))
        while len(head := lines.read(9)) == 9:
            lines.read(int.from_bytes(head[:3], "big"))
            if head[3] == HEADERS:
                log.write("h2\n")
                s.sendall(frame(RST_STREAM, int.from_bytes(head[5:9], "big"), int(ERROR).to_bytes(4, "big")))

    def answer(self, s, lines):
        while (line := lines.readline()):
            while lines.readline().strip():
                pass
            robots = b"/robots.txt" in line
            body = b"" if robots else b"<p>plain</p>"
            log.write("http/1.1\n")
            s.sendall(b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
                      % (404 if robots else 200, len(body), body))
            bodies.note((ADDR, PORT), line.split(b" ")[1], body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server((ADDR, int(PORT)), Handler) as server:
    server.serve_forever()

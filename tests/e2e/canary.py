#!/usr/bin/env python3
"""A web server that tells whom it should never have met.

    canary.py --public ADDR --port N ... --site FILE --log FILE

Listens on every address of its machine at every --port. What is connected to a --public address at port 80 is the web
site of FILE: a JSON object, "HOST/PATH" to {status, headers, body}, all optional. Every other connection is a
hit. A line each in the log, tabs between:

    HIT ADDRESS PORT                          as soon as it is accepted
    REQ ADDRESS PORT HOST TARGET CREDENTIALS  once there is a request; of the site, too; "-" without credentials
"""

import argparse
import asyncio
import ipaddress
import json
import socket

import bodies

def address_of(writer):
    ip, port = writer.get_extra_info("sockname")[:2]
    ip = ipaddress.ip_address(ip.split("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip), port


class Canary:
    def __init__(self, args):
        self.public = {str(ipaddress.ip_address(a)) for a in args.public}
        self.log = open(args.log, "a", buffering=1, encoding="utf-8")
        with open(args.site, encoding="utf-8") as f:
            self.site = json.load(f)

    def note(self, *fields):
        self.log.write("\t".join(str(f) for f in fields) + "\n")

    async def serve(self, reader, writer):
        address, port = address_of(writer)
        public = address in self.public and port == 80
        if not public:
            self.note("HIT", address, port)
        try:
            while await asyncio.wait_for(self.answer(reader, writer, address, port, public), 20):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, ConnectionError):
            pass
        writer.close()

    async def answer(self, reader, writer, address, port, public):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        target = head[0].split(" ")[1]
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        host = fields.get("host", "")
        secret = fields.get("authorization") or fields.get("proxy-authorization") or fields.get("cookie") or "-"
        self.note("REQ", address, port, host, target, secret)
        default = {"status": 404} if public or target == "/robots.txt" else {"body": "canary"}
        page = self.site.get(host + target, default) if public else default
        body = page.get("body", "").encode()
        lines = [f"HTTP/1.1 {page.get('status', 200)} x", f"Content-Length: {len(body)}"]
        lines += [f"{k}: {v}" for k, v in ({"Content-Type": "text/html"} | page.get("headers", {})).items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        await writer.drain()
        bodies.note((address, port), target, body)
        return True


async def main():
    p = argparse.ArgumentParser()
    p.add_argument("--public", action="append", required=True)
    p.add_argument("--port", action="append", type=int, required=True)
    p.add_argument("--site", required=True)
    p.add_argument("--log", required=True)
    args = p.parse_args()
    canary = Canary(args)
    servers = []
    for port in args.port:
        s = socket.socket(socket.AF_INET6)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", port))
        servers.append(await asyncio.start_server(canary.serve, sock=s))
    canary.note("READY")
    await asyncio.gather(*(s.serve_forever() for s in servers))


asyncio.run(main())

#!/usr/bin/env python3
"""A peer of a master that is ill, or means harm: rpc_peer.py MODE ADDR PORT [N]

silent N   N connections that say nothing at all
idle N     N connections that say which protocol they speak, and nothing more
deaf N     N connections that ask for the status, again and again, and read no answer

Says "ready" when all are made, and keeps at it until it is killed; connections that are closed are made anew.
"""
import os
import re
import select
import socket
import struct
import sys
import time

HELLO = b"\0SP\0" + struct.pack(">HH", 48, 0)  # nng's request protocol
WIRE = os.path.join(os.path.dirname(__file__), "../../proto/wire.h")


def status_request():
    version = int(re.search(r"WIRE_VERSION (\d+)u", open(WIRE).read()).group(1))
    body = bytes([0x08, version, 0x8a, 0x01, 0x00])  # Request{version, status}
    return struct.pack(">QI", len(body) + 4, 0x80000001) + body


def connect(address, mode):
    s = socket.create_connection(address, timeout=5)
    if mode == "deaf":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if mode != "silent":
        s.sendall(HELLO)
    s.setblocking(False)
    return s


def gone(s, mode):
    """Whether the other end has closed it; what a deaf one is sent stays unread."""
    try:
        got = s.recv(1, socket.MSG_PEEK)
        return got == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def say(s, request):
    try:
        while s.send(request) == len(request):
            pass
        return False  # cut in the middle: it may never go on
    except BlockingIOError:
        return True
    except OSError:
        return False


def main():
    mode, host, port = sys.argv[1:4]
    count = int(sys.argv[4])
    address = (host, int(port))
    request = status_request() * 16
    peers = []
    told = False
    end = time.monotonic() + 300
    while time.monotonic() < end:
        peers = [s for s in peers if not gone(s, mode) or s.close()]
        while len(peers) < count:
            try:
                peers.append(connect(address, mode))
            except OSError:
                break
        if mode == "deaf":
            for s in peers:
                if not say(s, request):
                    s.close()
        peers = [s for s in peers if s.fileno() >= 0]
        if len(peers) >= count * 9 // 10 and not told:
            told = True
            print("ready", flush=True)
        select.select([], [], [], 0.05)


main()

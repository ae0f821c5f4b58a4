#!/usr/bin/env python3
"""check_bodies.py LOG EXPORT...: each fetched page of the JSONL exports has the digest of what its server's log says that it sent for
that very URL (a line "URL SHA1"). Prints what is otherwise, and how many agree; exit 1 unless all do."""
import base64
import json
import sys

sent = {}
for line in open(sys.argv[1]):
    url, digest = line.split()
    sent.setdefault(url, set()).add("sha1:" + base64.b32encode(bytes.fromhex(digest)).decode())
agreed = wrong = 0
for name in sys.argv[2:]:
    for line in open(name):
        row = json.loads(line)
        if row["state"] != "fetched":
            continue
        if row["digest"] in sent.get(row["url"], ()):
            agreed += 1
        else:
            wrong += 1
            print("%s: archived %s, sent %s" % (row["url"], row["digest"], sorted(sent.get(row["url"], []))))
print("%d agree" % agreed)
sys.exit(1 if wrong or not agreed else 0)

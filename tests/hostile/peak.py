#!/usr/bin/env python3
"""peak.py FILE COMMAND...: runs the command; FILE gets its peak resident memory in KiB when it ends."""
import os
import resource
import signal
import sys

pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda n, frame: os.kill(pid, n))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
with open(sys.argv[1], "w", encoding="utf-8") as f:
    f.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\n")
sys.exit(code if code >= 0 else 128 - code)

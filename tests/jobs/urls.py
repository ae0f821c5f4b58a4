#!/usr/bin/env python3
"""A map command for tests: URL TAB status of each page."""
import json
import sys

for line in sys.stdin:
    page = json.loads(line)
    print(page["url"], page["status"], sep="\t")

#!/usr/bin/env python3
"""A crawler of few lines, one request after the other: it shows that the checkers pass honest work, without trawl.

    mini_crawl.py DELAY_SECONDS SEED_URL...      scope: the seeds' hosts; obeys /private/, *.bak and /cgi/?q
"""
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
from walk import Links, resolve


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def forbidden(url):
    path = re.sub(r"^http://[^/]*", "", url)
    return (path.startswith("/private/") and not path.startswith("/private/open-")
            or path.endswith(".bak") or bool(re.match(r"/cgi/.*\?q=", path)))


def main():
    delay, seeds = float(sys.argv[1]), sys.argv[2:]
    opener = urllib.request.build_opener(NoRedirect)
    bases = {s.rstrip("/") for s in seeds}
    queue = [b + "/robots.txt" for b in bases] + seeds
    seen = set(queue)
    while queue:
        url, body, found = queue.pop(0), b"", []
        try:
            with opener.open(url, timeout=10) as answer:
                body = answer.read()
        except urllib.error.HTTPError as e:
            if e.headers.get("Location"):
                found.append(resolve(url, e.headers["Location"]))
        time.sleep(delay)
        links = Links()
        links.feed(body.decode("utf-8", "replace"))
        found += [resolve(url, t) for t in links.found]
        for target in found:
            if target and target not in seen and not forbidden(target) \
                    and re.match(r"http://[^/]*", target).group(0) in bases:
                seen.add(target)
                queue.append(target)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The independent walk: which URLs can be reached from a start page, by reading the files under a document root.

    walk.py ROOT BASE [--start /index.html]      BASE like http://127.0.0.1:8080

Prints expected.tsv (class, status, depth, URL; see tests/web/gen.py). Python's html.parser and urllib, so that it
shares no code with trawl. Stands for nginx serving static files: index.html for a directory, 301 from /dir to
/dir/, 404 for what is missing, 403 for a directory without index.
"""
import argparse
import collections
import html.parser
import os
import re
import sys
import urllib.parse

# What leads to another page: element -> attribute, with the conditions in follow(). The one table of the policy.
FOLLOWED = {"a": "href", "area": "href", "iframe": "src", "frame": "src", "link": "href", "form": "action",
            "meta": "content"}
LINK_RELS = {"next", "prev", "alternate", "canonical"}
HTML_SUFFIXES = (".html", ".htm", ".shtml", ".xhtml")


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.found, self.base = [], None

    def updatepos(self, i, j):
        return j                        # line numbers, which nobody asks for, cost a tenth of the time

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag, attrs):
        values = {}
        for key, value in attrs:
            values.setdefault(key, value or "")
        if tag == "base" and self.base is None and "href" in values:
            self.base = values["href"]
        elif tag in FOLLOWED:
            target = self.follow(tag, values)
            if target is not None:
                self.found.append(target)

    @staticmethod
    def follow(tag, values):
        target = values.get(FOLLOWED[tag])
        if tag == "link" and not LINK_RELS & set(values.get("rel", "").lower().split()):
            return None
        if tag == "form":
            return (target or "") if values.get("method", "get").lower() == "get" else None
        if tag == "meta":
            if values.get("http-equiv", "").lower() != "refresh":
                return None
            found = re.match(r"""\s*[\d.]+\s*[;,]?\s*url\s*=\s*["']?([^"']*)""", target or "", re.I)
            return found.group(1) if found else None
        return target


def resolve(base, target):
    """The absolute URL without fragment, or None when it is none of ours to fetch."""
    target = target.strip(" \t\n\r\f").replace("\t", "").replace("\n", "").replace("\r", "")
    try:
        url = urllib.parse.urldefrag(urllib.parse.urljoin(base, target)).url
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._[]|^\\")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&()*+,;=~-._?[]|^\\`{}")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.lower(), path, query, ""))


def answer(root, url):
    """What the server says to a URL: (class, status, file to read or None, redirect target or None)."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    name = root + path
    if os.path.isdir(name):
        if not path.endswith("/"):
            return "redirect", 301, None, url + "/"
        name = os.path.join(name, "index.html")
        if not os.path.isfile(name):
            return "missing", 403, None, None
    if path.endswith("/") and not name.endswith("index.html") or not os.path.isfile(name):
        return "missing", 404, None, None
    return "page", 200, name if name.endswith(HTML_SUFFIXES) else None, None


def links_of(name, url):
    with open(name, encoding="utf-8", errors="replace") as f:
        parser = Links()
        parser.feed(f.read())
        parser.close()
    base = urllib.parse.urljoin(url, parser.base) if parser.base is not None else url
    return [resolve(base, target) for target in dict.fromkeys(t.split("#", 1)[0] for t in parser.found)]


def walk(root, base, start):
    """URL -> (class, status, depth), breadth first."""
    known = {}
    queue = collections.deque([(base + start, 0)])
    while queue:
        url, depth = queue.popleft()
        if url in known:
            continue
        if not url.startswith(base + "/"):
            known[url] = ("outside", 0, depth)
            continue
        cls, status, name, target = answer(root, url)
        known[url] = (cls, status, depth)
        for found in [target] if target else links_of(name, url) if name else []:
            if found is not None and found not in known:
                queue.append((found, depth + 1))
    return known


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("root")
    p.add_argument("base")
    p.add_argument("--start", default="/")
    args = p.parse_args()
    known = walk(args.root.rstrip("/"), args.base.rstrip("/"), args.start)
    for url in sorted(known):
        cls, status, depth = known[url]
        print(f"{cls}\t{status}\t{depth}\t{url}")
    if not any(cls == "page" for cls, _, _ in known.values()):
        sys.exit("walk.py: not one page can be reached")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What jobs on a crawl have to find, computed in another way from the files of the site and from its links.

    job_answers.py pagerank NODES LINKS        power iteration; URL TAB RANK
    job_answers.py dups BASE DIR               simhashes of all pairs; exact|near TAB GROUP TAB URL
"""
import hashlib
import html.parser
import itertools
import os
import re
import sys

M = (1 << 64) - 1


def pagerank(nodes, links):
    with open(nodes, encoding="utf-8") as f:
        urls = [line.rstrip("\n") for line in f]
    number = {u: i for i, u in enumerate(urls)}
    out = [set() for _ in urls]
    with open(links, encoding="utf-8") as f:
        for line in f:
            to, source = line.rstrip("\n").split("\t")[:2]
            if to in number and source in number and to != source:
                out[number[source]].add(number[to])
    n, rank = len(urls), [1 / len(urls)] * len(urls)
    for _ in range(300):
        new = [0.15 / n + 0.85 * sum(r for r, o in zip(rank, out) if not o) / n] * n
        for i, targets in enumerate(out):
            for target in targets:
                new[target] += 0.85 * rank[i] / len(targets)
        rank = new
    for u, r in sorted(zip(urls, rank), key=lambda x: x[0].encode()):
        print(f"{u}\t{r:.15f}")


class Text(html.parser.HTMLParser):
    """The text of a page of job_site.py: tags are between words, but for three of them."""

    def __init__(self):
        super().__init__()
        self.dropped, self.found = False, ""

    def tag(self, name, starts):
        self.dropped = starts and name in ("title", "script")
        self.found += "" if name in ("a", "b", "span") else " "

    def handle_starttag(self, tag, attrs):
        self.tag(tag, True)

    def handle_endtag(self, tag):
        self.tag(tag, False)

    def handle_data(self, data):
        self.found += "" if self.dropped else data.replace("\u00a0", " ")


def words(page):
    t = Text()
    t.feed(page)
    return re.findall(rb"[a-z0-9\x80-\xff]+", t.found.encode().lower())


def mixed(word):
    h = 0xCBF29CE484222325
    for c in word:
        h = (h ^ c) * 0x100000001B3 & M
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ h >> 33) * factor & M
    return h ^ h >> 33


def simhash(page_words):
    hashes = [mixed(w) for w in page_words]
    return sum(1 << i for i in range(64) if 2 * sum(h >> i & 1 for h in hashes) > len(hashes))


def groups(urls, pairs):
    of = {u: {u} for u in urls}
    for a, b in pairs:
        if of[a] is not of[b]:
            of[a] |= of[b]
            for u in of[b]:
                of[u] = of[a]
    return of


def dups(base, top):
    body, hashes = {}, {}
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.relpath(os.path.join(where, name), top)
            url = f"{base}/" + (path[: -len("index.html")] if name == "index.html" else path)
            with open(os.path.join(where, name), "rb") as f:
                body[url] = hashlib.sha1(f.read()).digest()
            with open(os.path.join(where, name), encoding="utf-8") as f:
                found = words(f.read())
            if len(found) >= 10:
                hashes[url] = simhash(found)
    same = [(a, b) for a, b in itertools.combinations(sorted(body), 2) if body[a] == body[b]]
    near = [(a, b) for a, b in itertools.combinations(sorted(hashes), 2) if bin(hashes[a] ^ hashes[b]).count("1") <= 3]
    exact, alike = groups(body, same), groups(body, same + near)
    for url in sorted(body):
        if len(exact[url]) > 1:
            print("exact", min(exact[url]), url, sep="\t")
        if len({min(exact[u]) for u in alike[url]}) > 1:
            print("near", min(alike[url]), url, sep="\t")


{"pagerank": pagerank, "dups": dups}[sys.argv[1]](*sys.argv[2:])

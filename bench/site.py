#!/usr/bin/env python3
"""Makes sites for benchmarks: DIR/1 to DIR/SITES, each of PAGES pages of about BYTES bytes with 40 links within the site.

    bench/site.py DIR PAGES BYTES SITES

The same arguments make the same sites. From index.html every page is reached. No two pages are the same: an archive that
stores the same payload only once must store them all.
"""
import os
import random
import sys

LINKS = 40
NAME = "@NAME@"


def page(number, pages, size, words, chance):
    title = f"Page {number} of {NAME}"
    links = [(number * LINKS + k) % pages for k in range(1, LINKS // 2 + 1)]
    links += [chance.randrange(pages) for _ in range(LINKS - len(links))]
    menu = "\n".join(f'<li><a href="p{i}.html" title="to page {i}">{chance.choice(words)} {i}</a></li>' for i in links)
    text, length = [], len(menu)
    while length < size - 400:
        sentence = " ".join(chance.choice(words) for _ in range(60))
        text.append(f'<p class="text">{sentence.capitalize()}.</p>')
        length += len(text[-1])
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            f'<link rel="stylesheet" href="style.css"></head>\n<body><h1>{title}</h1>\n<ul>\n{menu}\n</ul>\n'
            + "\n".join(text) + "\n</body></html>\n")


def main():
    directory, (pages, size, sites) = sys.argv[1], map(int, sys.argv[2:])
    chance = random.Random(1)
    words = ["".join(chance.choice("abcdefghilmnoprstuvw") for _ in range(chance.randint(2, 11))) for _ in range(3000)]
    files = {f"p{number}.html": page(number, pages, size, words, chance) for number in range(pages)}
    # What the others call p0.html; not quite the same.
    files["index.html"] = page(0, pages, size, words, chance)
    for site in range(1, sites + 1):
        root = os.path.join(directory, str(site))
        os.makedirs(root, exist_ok=True)
        for name, text in files.items():
            with open(os.path.join(root, name), "w", encoding="ascii") as f:
                f.write(text.replace(NAME, f"site {site}"))
        with open(os.path.join(root, "style.css"), "w", encoding="ascii") as f:
            f.write("body { font: 16px serif }\n")


if __name__ == "__main__":
    main()

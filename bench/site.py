#!/usr/bin/env python3
"""Makes a site for benchmarks: PAGES pages of about BYTES bytes, each with 40 links within the site.

    bench/site.py DIR PAGES BYTES

The same arguments make the same site. From index.html every page is reached. Links are relative, so that any number of
origins may serve the same files.
"""
import os
import random
import sys

LINKS = 40


def page(number, pages, size, words, chance):
    title = f"Page {number}"
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
    directory, pages, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(1)
    words = ["".join(chance.choice("abcdefghilmnoprstuvw") for _ in range(chance.randint(2, 11))) for _ in range(3000)]
    os.makedirs(directory, exist_ok=True)
    for number in range(pages):
        name = "index.html" if number == 0 else f"p{number}.html"
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(page(number, pages, size, words, chance))
    # What page 0 is called by the others.
    with open(os.path.join(directory, "p0.html"), "w", encoding="ascii") as f:
        f.write(page(0, pages, size, words, chance))
    with open(os.path.join(directory, "style.css"), "w", encoding="ascii") as f:
        f.write("body { font: 16px serif }\n")


if __name__ == "__main__":
    main()

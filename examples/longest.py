#!/usr/bin/env python3
"""A streaming job: the longest words of each initial letter.

    trawl job run --map 'examples/longest.py map' --reduce 'examples/longest.py reduce' --output longest book.txt

Of a crawl a page comes as one JSON object a line; of a file a line comes as it is.
"""
import json
import re
import sys


def text_of(line):
    if line.startswith('{"url"'):
        return json.loads(line).get("text", "")
    return line


def map_lines():
    for line in sys.stdin:
        for word in re.findall("[A-Za-z]+", text_of(line)):
            print(word[0].lower(), word.lower(), sep="\t")


def reduce_lines():
    longest = {}
    for line in sys.stdin:
        letter, word = line.rstrip("\n").split("\t")
        longest[letter] = max(longest.get(letter, ""), word, key=lambda w: (len(w), w))
    for letter, word in sorted(longest.items()):
        print(letter, word)


{"map": map_lines, "reduce": reduce_lines}[sys.argv[1]]()

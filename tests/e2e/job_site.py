#!/usr/bin/env python3
"""A site for the jobs on crawls, and what they have to find in it, known because it was made so.

    job_site.py DIR BASE      writes DIR/site and DIR/links, the link graph that `trawl job run links` has to find

BASE is where DIR/site will be served: http://HOST:PORT. All that is random comes from one seed.
"""
import os
import random
import sys

PAGES = 200
rnd = random.Random(6)
top, base = sys.argv[1:]
site = os.path.join(top, "site")
words = ["".join(rnd.choice("abcdefghiklmnoprstuvw") for _ in range(rnd.randint(2, 9))) for _ in range(2000)]
links = set()


def write(path, text):
    name = os.path.join(site, path)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "w", encoding="utf-8") as f:
        f.write(text)


def place(n):
    return f"s{n % 7}/p{n}.html"


# (as written in HTML, as it has to come out)
ANCHORS = [
    ("plain words", "plain words"),
    ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
    ("\n   over\n   two\tlines  ", "over two lines"),
    ("w<b>or</b>d", "word"),
    ("caf&eacute;&nbsp;&#x2603;", "caf\u00e9 \u2603"),
    ("<span>one</span><br>two", "one two"),
    ("<img src='/i.png' alt=x>", ""),
    ("a" * 600, "a" * 512),
]


def link(source, target, form):
    """One link of page `source`, written in one of several ways."""
    here, there = place(source), place(target)
    written = rnd.choice([f"/{there}", f"../{there}", f"{base}/{there}#frag", f"../s{target % 7}/./p{target}.html"])
    html, text = form
    return f"<p><a href='{written}'>{html}</a>\n", (f"{base}/{there}", f"{base}/{here}", text)


def page(n):
    out, found = [], set()
    for target in rnd.sample(range(PAGES), rnd.randint(0, 12)) + [n + 1] * (n + 1 < PAGES):
        for _ in range(rnd.choice([1, 1, 1, 2])):
            html, line = link(n, target, rnd.choice(ANCHORS))
            out.append(html)
            found.add(line)
    with_text = {line[0] for line in found if line[2]}
    links.update(line for line in found if line[2] or line[0] not in with_text)
    write(place(n), "<!doctype html><title>p</title><script>var a = '<a href=/no>no</a>'</script>\n" + "".join(out))


for i in range(PAGES):
    page(i)
# A redirect (nginx: a directory without its slash), a page that is not there, a host that is not crawled.
write("sub/index.html", "<base href='/s0/'><a href='p0.html'>by the base</a>")
write("index.html", "<a href=/s0/p0.html>start</a> <a href='/sub' rel=nofollow>not followed</a> <a href=/sub>sub</a>"
      "<a href=/gone.html>gone</a> <a href=http://outside.example/x?q>outside</a> <a href=/dups/>copies</a>"
      "<a href=/copy0/>the same</a>")
links |= {
    (f"{base}/s0/p0.html", f"{base}/", "start"),
    (f"{base}/sub", f"{base}/", "not followed"),
    (f"{base}/sub", f"{base}/", "sub"),
    (f"{base}/sub/", f"{base}/sub", ""),
    (f"{base}/s0/p0.html", f"{base}/sub/", "by the base"),
    (f"{base}/gone.html", f"{base}/", "gone"),
    ("http://outside.example/x?q", f"{base}/", "outside"),
    (f"{base}/dups/", f"{base}/", "copies"),
    (f"{base}/copy0/", f"{base}/", "the same"),
}

# Pages with the same payload and relative links: all but one may become revisit records.
for i in range(6):
    write(f"copy{i}/index.html", "<a href=leaf.html>leaf</a> <a href='../copy0/'>copy</a>" + "<p>the same again" * 60)
    write(f"copy{i}/leaf.html", f"<a href=/copy{(i + 1) % 6}/>copy {i + 1}</a>")
    links |= {
        (f"{base}/copy{i}/leaf.html", f"{base}/copy{i}/", "leaf"),
        (f"{base}/copy0/", f"{base}/copy{i}/", "copy"),
        (f"{base}/copy{(i + 1) % 6}/", f"{base}/copy{i}/leaf.html", f"copy {i + 1}"),
    }

# ---- copies --------------------------------------------------------------------------------------------------


def document(text):
    return "<!doctype html><title>d</title><p>" + " ".join(text) + "\n"


names = []
for i in range(12):
    text = [rnd.choice(words) for _ in range(400)]
    write(f"dups/t{i}.html", document(text))
    names.append(f"t{i}.html")
    if i % 3 == 0:
        write(f"dups/t{i}-same.html", document(text))
        names.append(f"t{i}-same.html")
    if i % 4 == 0:
        for k in range(3):
            changed = list(text)
            changed[rnd.randrange(400)] = "changed"
            write(f"dups/t{i}-near{k}.html", document(changed))
            names.append(f"t{i}-near{k}.html")
    if i % 5 == 0:
        write(f"dups/t{i}-far.html", document(text[:200] + [rnd.choice(words) for _ in range(200)]))
        names.append(f"t{i}-far.html")
write("dups/index.html", "".join(f"<a href='{n}'>{n}</a>\n" for n in names))
links |= {(f"{base}/dups/{n}", f"{base}/dups/", n) for n in names}

with open(os.path.join(top, "links"), "wb") as f:
    for line in sorted("\t".join(one).encode() for one in links):
        f.write(line + b"\n")

#!/usr/bin/env python3
"""Generate a synthetic web, and say what a correct crawl of it must find.

    gen.py OUT --addr 127.0.1.1 --port 8080 --pages 100

writes, deterministically for one --seed:

    OUT/www/ADDR:PORT/...   one document root an origin (nginx: root OUT/www/$server_addr:$server_port)
    OUT/maps.conf           nginx maps: $to_url (redirects) and $force_status (errors)
    OUT/seeds.txt           the front page of every origin
    OUT/expected.tsv        class, status, depth, URL of every URL that a link leads to

Classes: page, redirect, missing (404), error (5xx): a crawl must request it;
forbidden (robots.txt) and outside (another scope): it must not.
The expected set is a breadth-first walk over the links that were written, not a guess.
"""
import argparse
import collections
import os
import random
import sys

WORDS = ("ash basin beacon bell bright buoy cable calm cape channel chart chalk cliff cloud coast cold coral "
         "course crane current dawn deck deep dock drift east ebb eddy ferry flag fleet flood fog gale glass "
         "gull harbour haze helm hull inlet island jetty keel keeper lamp lantern lee light line log low marsh "
         "mast mist moon moor neap north oar ocean pier pilot point quay reef rigging rock rope rudder sail "
         "salt sand shallow shoal shore signal slack sound south spar squall stern storm strait swell tide "
         "timber tower vane vessel warm watch water wave weather west wharf wind winter wreck yard").split()


class Site:
    """One origin: pages in sections, with what stands around them."""

    def __init__(self, addr, port, args):
        self.addr, self.port, self.args = addr, port, args
        self.base = f"http://{addr}" + ("" if port == 80 else f":{port}")
        self.rng = random.Random(f"{args.seed}/{addr}")
        self.paths = [self.path(i) for i in range(args.pages)]

    def path(self, i):
        if i == 0:
            return "/"
        return f"/s{i % 7}/page-{i}.html"


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--addr", action="append", default=[], help="an origin's address; repeatable")
    p.add_argument("--count", type=int, default=0, help="so many origins, 127.0.1.1, 127.0.1.2, ...")
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--pages", type=int, default=50, help="pages an origin")
    p.add_argument("--size", type=int, default=9000, help="bytes a page, about")
    p.add_argument("--seed", default="1")
    p.add_argument("--shape", choices=["web", "tree", "chain", "dense"], default="web")
    p.add_argument("--branch", type=int, default=4, help="children a page (tree, web)")
    p.add_argument("--degree", type=int, default=20, help="links a page besides its children (dense)")
    p.add_argument("--cross", type=int, default=0, help="links to other origins from every page")
    p.add_argument("--ring", action="store_true", help="each front page links to the next origin's")
    p.add_argument("--redirects", type=int, default=0, help="redirects an origin")
    p.add_argument("--missing", type=int, default=0, help="broken links an origin")
    p.add_argument("--errors", type=int, default=0, help="URLs that answer 500, an origin")
    p.add_argument("--queries", type=int, default=0, help="URLs with a query, an origin")
    p.add_argument("--disallow", type=int, default=0, help="pages that robots.txt forbids, an origin")
    p.add_argument("--crawl-delay", default=None, help="Crawl-delay in robots.txt, seconds")
    p.add_argument("--no-robots", action="store_true", help="no robots.txt at all (404)")
    p.add_argument("--outside", action="store_true", help="links that leave the scope, and ones that are none")
    p.add_argument("--random-bytes", action="store_true", help="text that hardly compresses")
    args = p.parse_args()
    args.addr += [f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(args.count)]
    if not args.addr:
        p.error("no origins: give --addr or --count")
    return args


def children(shape, branch, pages, i):
    """The spanning structure: every page can be reached from page 0."""
    if shape == "chain":
        return [i + 1] if i + 1 < pages else []
    return [c for c in range(i * branch + 1, i * branch + 1 + branch) if c < pages]


def spell(rng, site, source, target):
    """One of the ways to write a link from path to path on a site; each resolves to `target`."""
    ways = [target, site.base + target]
    sdir = source.rsplit("/", 1)[0] + "/"
    tdir, tname = target.rsplit("/", 1)
    tdir += "/"
    if sdir == tdir and tname:
        ways += [tname, "./" + tname, tname + "#part-2"]
    elif sdir != "/":
        ways += [".." + target, "x/../.." + target]
    elif tname:
        ways += [target[1:], "./" + target[1:]]
    ways += [target + "#top", "//" + site.base[len("http://"):] + target]
    return rng.choice(ways)


def anchor(rng, href, text):
    """HTML of a link, in one of the ways that people write it."""
    esc = href.replace("&", "&amp;")
    return rng.choice([
        f'<a href="{esc}">{text}</a>',
        f"<a class=ref href='{esc}' title=\"a &gt; b\">{text}</a>",
        f'<A HREF="{esc}"\n   rel="next">{text}</A>',
        f'<a href=" {esc} ">{text}</a>',
        f"<a href={esc} >{text}</a>",
    ])


def build(args):
    sites = [Site(a, args.port, args) for a in args.addr]
    links = collections.defaultdict(list)    # URL -> URLs it leads to
    answer = {}                              # URL -> (class, status)
    redirect_map, status_map = [], []
    filler = make_filler(args)

    for n, site in enumerate(sites):
        root = os.path.join(args.out, "www", f"{site.addr}:{site.port}")
        rng = site.rng
        extra = collections.defaultdict(list)    # page number -> further targets (path or URL)

        def put(path, cls, status, _site=site):
            answer[_site.base + path] = (cls, status)

        def hang(target):
            extra[rng.randrange(args.pages)].append(target)

        for i, path in enumerate(site.paths):
            put(path, "page", 200)
        for k in range(args.redirects):
            path, goal = f"/moved/{k}", site.paths[rng.randrange(args.pages)]
            if k % 3 == 2:
                goal = f"/moved/{k - 1}"                      # a chain of two
            put(path, "redirect", 301 if k % 2 else 302)
            where = goal if k % 4 else site.base + goal
            redirect_map.append((site, path, where, 301 if k % 2 else 302))
            links[site.base + path].append(site.base + goal)
            hang(path)
        for k in range(args.missing):
            put(f"/gone/{k}.html", "missing", 404)
            hang(f"/gone/{k}.html")
        for k in range(args.errors):
            put(f"/broken/{k}.html", "error", 500)
            status_map.append((site, f"/broken/{k}.html", 500))
            hang(f"/broken/{k}.html")
        for k in range(args.queries):
            path = f"{site.paths[rng.randrange(1, args.pages)] if args.pages > 1 else '/'}?id={k}&sort=up"
            put(path, "page", 200)
            hang(path)
        forbidden_pages = []
        for k in range(args.disallow):
            kind = k % 4
            path = (f"/private/{k}.html", f"/private/open-{k}.html", f"/s1/draft-{k}.bak",
                    f"/cgi/run-{k}?q=1")[kind]
            put(path, "page" if kind == 1 else "forbidden", 200 if kind == 1 else 0)
            hang(path)
            forbidden_pages.append((path, kind))
        if args.outside:
            for target in ("http://outside.invalid/", "http://outside.invalid/a/b.html"):
                answer[target] = ("outside", 0)
                hang(target)
            for target in ("mailto:keeper@outside.invalid", "javascript:void(0)", "tel:+123", "data:text/html,x",
                           "#here", "http://[bad"):
                hang(target)

        for i, path in enumerate(site.paths):
            targets = [site.paths[c] for c in children(args.shape, args.branch, args.pages, i)]
            if args.shape == "dense":
                targets += [site.paths[rng.randrange(args.pages)] for _ in range(args.degree)]
            if args.shape == "web":
                targets += [site.paths[rng.randrange(args.pages)] for _ in range(6)] + ["/"]
            targets += extra[i]
            if args.ring and i == 0:
                targets.append(sites[(n + 1) % len(sites)].base + "/")
            for _ in range(args.cross):
                other = sites[rng.randrange(len(sites))]
                targets.append(other.base + other.paths[rng.randrange(args.pages)])
            write_page(root, path, site, targets, rng, filler, args, links)
        for path, kind in forbidden_pages:              # they exist: only robots.txt keeps a crawler away
            write_page(root, path.split("?")[0], site, ["/"], rng, filler, args, links)
        # A page is one file, whatever its query.
        for url in [u for u in answer if u.startswith(site.base + "/") and "?" in u]:
            links[url] = [u for u in links.get(url.split("?")[0], [])]
        if not args.no_robots:
            write_robots(root, args)
    write_maps(args, redirect_map, status_map)
    return sites, links, answer


def write_robots(root, args):
    lines = ["# made by gen.py", "User-agent: other-bot", "Disallow: /", "", "User-agent: *"]
    if args.crawl_delay:
        lines.append(f"Crawl-delay: {args.crawl_delay}")
    lines += ["Disallow: /private/", "Allow: /private/open-", "Disallow: /*.bak$", "Disallow: /cgi/*?q=", ""]
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "robots.txt"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


def make_filler(args):
    """Paragraphs to pick from; making new words for each page would be slow."""
    rng = random.Random(f"{args.seed}/text")
    if args.random_bytes:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return lambda r: "<p>" + "".join(r.choices(letters, k=900)) + "</p>\n"
    pool = []
    for _ in range(300):
        words = [rng.choice(WORDS) for _ in range(rng.randrange(40, 110))]
        words[0] = words[0].capitalize()
        pool.append("<p>" + " ".join(words) + ".</p>\n")
    return lambda r: r.choice(pool)


def write_page(root, path, site, targets, rng, filler, args, links):
    name = path + ("index.html" if path.endswith("/") else "")
    out = [f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{site.addr}{path}</title>\n'
           '<link rel="stylesheet" href="/style.css"><!-- <a href="/never/comment.html">no link</a> -->\n'
           '<script>var s = "<a href=\'/never/script.html\'>no link</a>";</script></head>\n<body><h1>'
           + path + "</h1>\n<nav>\n"]
    seen = links[site.base + path]
    for target in targets:
        if target.startswith("/"):
            href = spell(rng, site, path, target) if "?" not in target else target
            seen.append(site.base + target)
        else:
            href = target
            seen.append(target)
        out.append("<li>" + anchor(rng, href, rng.choice(WORDS)) + "</li>\n")
    out.append("</nav>\n")
    size = sum(map(len, out))
    while size < args.size:
        text = filler(rng)
        out.append(text)
        size += len(text)
    out.append("</body></html>\n")
    full = root + name
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write("".join(out))


def write_maps(args, redirects, statuses):
    with open(os.path.join(args.out, "maps.conf"), "w", encoding="utf-8") as f:
        f.write("map_hash_max_size 65536;\nmap_hash_bucket_size 256;\n")
        for code in (301, 302):
            f.write(f'map "$server_addr:$server_port$uri" $to_url_{code} {{\n    default "";\n')
            for site, path, where, status in redirects:
                if status == code:
                    f.write(f'    "{site.addr}:{site.port}{path}" "{where}";\n')
            f.write("}\n")
        f.write('map "$server_addr:$server_port$uri" $force_status {\n    default "";\n')
        for site, path, status in statuses:
            f.write(f'    "{site.addr}:{site.port}{path}" "{status}";\n')
        f.write("}\n")


def expect(args, sites, links, answer):
    """Breadth-first from the front pages: what a crawl must see, and at which depth."""
    depth = {s.base + "/": 0 for s in sites}
    queue = collections.deque(depth)
    while queue:
        url = queue.popleft()
        if answer.get(url, ("none", 0))[0] not in ("page", "redirect"):
            continue
        for target in links.get(url, []):
            if target not in depth and target in answer:
                depth[target] = depth[url] + 1
                queue.append(target)
    with open(os.path.join(args.out, "expected.tsv"), "w", encoding="utf-8") as f:
        for url in sorted(depth):
            cls, status = answer[url]
            f.write(f"{cls}\t{status}\t{depth[url]}\t{url}\n")
    with open(os.path.join(args.out, "seeds.txt"), "w", encoding="utf-8") as f:
        f.write("".join(s.base + "/\n" for s in sites))
    return depth


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    sites, links, answer = build(args)
    depth = expect(args, sites, links, answer)
    lost = [u for u, (cls, _) in answer.items() if u not in depth and cls != "outside"]
    if lost:
        sys.exit(f"gen.py: {len(lost)} URLs cannot be reached, such as {lost[0]}")


if __name__ == "__main__":
    main()

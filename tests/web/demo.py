#!/usr/bin/env python3
"""Write the small web that `make demo` crawls: an almanac of lighthouses that never were.

    demo.py OUT --port 8080

Three sites of about 100 pages (127.0.0.1: the lights, 127.0.0.2: their keepers, 127.0.0.3: ships and wrecks)
that link to each other. Laid out as gen.py does it: OUT/www/ADDR:PORT/..., maps.conf, seeds.txt, expected.tsv.
"""
import argparse
import os
import random

ADDRS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
COUNT = 98
FIRST = "Gull Grey Salt Long Iron White Raven Lantern Storm Seal Kelp Amber Hollow Tern Black North Whistle Ember".split()
SECOND = "Point Rock Head Ness Skerry Holm Reef Stack Sound Haven Bar Foreland Cape Isle Shoal Knoll".split()
NAMES = "Ada Bram Cora Dirk Elin Finn Greta Hanne Ivo Jory Kaia Lars Mira Nils Orla Piet Runa Sten Tove Wim".split()
FAMILY = "Holm Lund Vik Strand Berg Dahl Moen Sund Nygaard Fjeld Hauge Ness Roth Skov Tveit Aasen".split()
SHIPS = ("Patience", "Meridian", "Kittiwake", "Good Intent", "Second Wind", "Halcyon", "Marigold", "Far Horizon",
         "Evening Tide")
MOODS = ("The fog came in before the oil did.", "In clear weather it is seen from eleven miles.",
         "Nobody has ever agreed on how tall it is.", "The stair has one step more going down than going up.",
         "The bell was cast from two older bells that did not like each other.",
         "On still nights the lamp can be heard turning.", "A gull has nested in the gallery since before the log begins.",
         "The log for that winter is written in three hands and a child's drawing.",
         "Its light was once mistaken for the moon, and the moon for its light.",
         "The path is under water for five hours of every twelve.")


def page(title, body, home):
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            "<style>body{font:16px/1.5 Georgia,serif;max-width:40em;margin:2em auto;padding:0 1em}</style></head>\n"
            f'<body><p><a href="{home}">The Almanac of Unlit Coasts</a></p>\n<h1>{title}</h1>\n{body}\n</body></html>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    rng = random.Random("almanac")
    base = [f"http://{a}:{args.port}" for a in ADDRS]
    lights = [f"{FIRST[i % len(FIRST)]} {SECOND[(i * 5 + i // 18) % len(SECOND)]}" for i in range(COUNT)]
    keepers = [f"{NAMES[i % len(NAMES)]} {FAMILY[(i * 3 + i // 20) % len(FAMILY)]}" for i in range(COUNT)]
    ships = [f"The {SHIPS[i % len(SHIPS)]}" + f" No. {i // len(SHIPS) + 1}" for i in range(COUNT)]
    urls = []

    def write(site, path, title, body):
        urls.append(base[site] + path)
        name = os.path.join(args.out, "www", f"{ADDRS[site]}:{args.port}") + path
        name += "index.html" if path.endswith("/") else ""
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as f:
            f.write(page(title, body, base[0] + "/"))

    def text(n):
        return "".join(f"<p>{' '.join(rng.choice(MOODS) for _ in range(4))}</p>\n" for _ in range(n))

    def shelf(site, word, titles, intro):
        """A front page that lists 25, and pages of 25 after it, each linking to the next."""
        for start in range(0, COUNT, 25):
            items = "".join(f'<li><a href="/{word}/{i}.html">{titles[i]}</a></li>\n'
                            for i in range(start, min(start + 25, COUNT)))
            more = (f'<p><a rel="next" href="/list-{start // 25 + 1}.html">More</a></p>'
                    if start + 25 < COUNT else "")
            write(site, "/" if start == 0 else f"/list-{start // 25}.html", intro, f"<ul>\n{items}</ul>{more}")

    shelf(0, "light", lights, "The lights")
    shelf(1, "keeper", keepers, "The keepers")
    shelf(2, "ship", ships, "Ships and wrecks")
    for i in range(COUNT):
        near = [(i + k) % COUNT for k in (1, 7, 31)]
        write(0, f"/light/{i}.html", lights[i], text(3)
              + f'<p>Kept by <a href="{base[1]}/keeper/{i}.html">{keepers[i]}</a>. In sight: '
              + ", ".join(f'<a href="{n}.html">{lights[n]}</a>' for n in near) + ".</p>")
        write(1, f"/keeper/{i}.html", keepers[i], text(2)
              + f'<p>Keeper of <a href="{base[0]}/light/{i}.html">{lights[i]}</a>, who last signalled '
              + f'<a href="{base[2]}/ship/{near[0]}.html">{ships[near[0]]}</a>.</p>')
        write(2, f"/ship/{i}.html", ships[i], text(2)
              + f'<p>Lost near <a href="{base[0]}/light/{near[1]}.html">{lights[near[1]]}</a>'
              + (f', and still listed with <a href="/ship/{near[2]}.html">{ships[near[2]]}</a>' if i % 3 else "")
              + ".</p>")
    for a in ADDRS:
        with open(os.path.join(args.out, "www", f"{a}:{args.port}", "robots.txt"), "w", encoding="utf-8") as f:
            f.write("User-agent: *\nDisallow: /vault/\n")
    with open(os.path.join(args.out, "maps.conf"), "w", encoding="utf-8") as f:
        for name in ("to_url_301", "to_url_302", "force_status"):
            f.write(f'map "$uri" ${name} {{ default ""; }}\n')
    with open(os.path.join(args.out, "seeds.txt"), "w", encoding="utf-8") as f:
        f.write("".join(f"{b}/\n" for b in base))
    with open(os.path.join(args.out, "expected.tsv"), "w", encoding="utf-8") as f:
        f.write("".join(f"page\t200\t0\t{u}\n" for u in sorted(urls)))


if __name__ == "__main__":
    main()

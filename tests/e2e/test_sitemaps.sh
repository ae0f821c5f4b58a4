#!/usr/bin/env bash
# Sitemaps: an index to gzip, plain XML, text and RSS; by robots.txt and by --sitemap; at another origin; large ones.
. "$(dirname "$0")/lib.sh"
begin sitemaps
need_trawl

port=$(free_port)
site=http://127.0.1.1:$port
other=http://127.0.1.2:$port
python3 - "$T/site" "$site" "$other" <<'PY' || fail "the site"
import gzip, os, sys
top, site, other = sys.argv[1:]
def put(name, data, origin=site):
    path = "%s/www/%s/%s" % (top, origin[len("http://"):], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
def urlset(urls):
    return ('<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">%s</urlset>'
            % "".join("<url><loc>%s</loc></url>" % u for u in urls))
def pages(kind, n=5):
    for i in range(n):
        put("%s/%d.html" % (kind, i), "<p>%s %d" % (kind, i))
    return ["%s/%s/%d.html" % (site, kind, i) for i in range(n)]
put("index.html", "<p>Nothing is linked here.")
put("robots.txt", "User-agent: *\nDisallow: /secret\nSitemap: %s/maps/index.xml\nSitemap: /relative.txt\n"
    "Sitemap: %s/elsewhere.xml\nSitemap: %s/secret/map.xml\n" % (site, other, site))
put("maps/index.xml", '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">%s</sitemapindex>'
    % "".join("<sitemap><loc>%s/maps/%s</loc></sitemap>" % (site, m)
              for m in ("a.xml.gz", "b.xml", "c.txt", "d.rss", "index.xml", "gone.xml", "page.html")))
put("maps/a.xml.gz", gzip.compress(urlset(pages("gz") + ["http://outside.example/"]).encode()))
put("maps/b.xml", urlset(pages("xml") + [site + "/secret/x.html"]))
put("maps/c.txt", "\n".join(pages("text")))
put("maps/d.rss", '<rss version="2.0"><channel>%s</channel></rss>'
    % "".join("<item><link>%s</link></item>" % u for u in pages("rss")))
put("maps/page.html", '<a href="%s">' % pages("html", 1)[0])
put("relative.txt", "\n".join(pages("relative")))
put("secret/map.xml", urlset(pages("secret")))
put("elsewhere.xml", urlset(pages("elsewhere") + [other + "/not-in-scope.html"]), other)
put("robots.txt", "Sitemap: http://127.0.1.3:1/never.xml\n", other)
# By the command line alone; its URLs are of 50 bytes more than one exchange takes.
put("named/large.xml", urlset("%s/none/%s-%05d" % (site, "x" * 80, i) for i in range(50000)))
put("named/over.txt", "\n".join("%s/none/y-%05d" % (site, i) for i in range(50001)))
put("named/cut.xml", urlset(pages("cut"))[:-9])
put("links.html", "".join('<a href="/none/z-%s-%06d">' % ("z" * 50, i) for i in range(100001)))
put("deep.html", '<a href="/linked.xml">')
put("linked.xml", urlset(pages("linked")))
PY
# shellcheck disable=SC2016
NGINX_SERVER='location = /maps/b.xml { gzip on; gzip_types *; add_header X-Robots-Tag "noindex, nofollow"; }'
nginx_start web "$port" "$T/site" 127.0.1.1 127.0.1.2 127.0.1.3
crawl() {
    local dir=$1
    shift
    start crawl "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
        --delay 0 "$@"
}
# rows DIR EXPRESSION: how many rows of the export it holds for; r is the row.
rows() {
    "$TRAWL" export "$T/$1" --format jsonl | python3 -c '
import json, sys
print(sum(bool(eval(sys.argv[1])) for r in map(json.loads, sys.stdin)))' "$2"
}
fetched() {     # fetched DIR PART: pages of that part
    rows "$1" "r['state'] == 'fetched' and '/$2/' in r['url'] and r['url'].endswith('.html')"
}

crawl robots "$site/"
check "by robots.txt: exit 0" exits crawl 60 0
for part in gz xml text rss relative elsewhere; do
    check "... the pages of $part" test "$(fetched robots $part)" = 5
done
check "... a sitemap that is a page: its links" test "$(fetched robots html)" = 1
check "... the way to a page is its sitemap" test "$(rows robots "'/gz/' in r['url'] and r['via'] == '$site/maps/a.xml.gz'")" = 5
check "... one step from the seed" test "$(rows robots "'/gz/' in r['url'] and r['depth'] == 1")" = 5
check "... sitemaps are archived" test "$(rows robots "'/maps/' in r['url'] and r['state'] == 'fetched' and r['warc_file']")" = 6
check "... and fail like pages" test "$(rows robots "r['url'].endswith('gone.xml') and r['reason'] == 'http-404'")" = 1
check "... robots.txt forbids a sitemap, too" \
    test "$(rows robots "'/secret/' in r['url'] and r['state'] == 'excluded' and r['reason'].startswith('robots')")" = 2
check "... the scope decides about what is in them" \
    test "$(rows robots "r['state'] == 'excluded' and r['reason'] == 'scope' and ('outside' in r['url'] or 'not-in-scope' in r['url'])")" = 2
check "... a host that only has a sitemap names none" test "$(rows robots "'never.xml' in r['url']")" = 0
check "... nothing was fetched twice" check_log "$T/web.log" --refetch-max 0
check "... the archive is that of the crawldb" "$TRAWL" verify "$T/robots"

crawl off --sitemaps off "$site/"
check "--sitemaps off: exit 0" exits crawl 60 0
check "... the seed alone" test "$(rows off "r['state'] == 'fetched'")" = 1

crawl named --sitemaps off --sitemap "$site/maps/index.xml" --sitemap "$site/named/cut.xml" "$site/deep.html"
check "--sitemap: exit 0" exits crawl 60 0
check "... the pages of its index" test "$(fetched named rss)$(fetched named gz)" = 55
check "... a sitemap that is cut: what is there, and a remark" \
    test "$(fetched named cut)$(rows named "r['url'].endswith('cut.xml') and r['reason'] == 'sitemap-damaged'")" = 51
check "... one that is only linked is no sitemap with --sitemaps off" test "$(rows named "'/linked/' in r['url']")" = 0
crawl linked "$site/deep.html"
check "a linked sitemap: exit 0" exits crawl 60 0
check "... its pages" test "$(fetched linked linked)" = 5

crawl large --sitemaps off --max-depth 0 --sitemap "$site/named/large.xml" --sitemap "$site/named/over.txt" "$site/"
check "50,000 URLs of 110 bytes, and 50,001: exit 0" exits crawl 60 0
check "... none is lost" test "$(rows large "'/none/xxx' in r['url'] and r['state'] == 'pending'")" = 50000
check "... 50,000, and a remark" \
    test "$(rows large "'/none/y-' in r['url']")$(rows large "r['reason'] == 'sitemap-limited'")" = 500001
crawl links --max-depth 0 --sitemaps off "$site/links.html"
check "a page of 100,001 links, 7 MB of them: exit 0" exits crawl 60 0
check "... 100,000, and a remark" \
    test "$(rows links "'/none/z-' in r['url']")$(rows links "r['reason'] == 'links-limited'")" = 1000001

"$TRAWL" crawl --dir "$T/wrong" --sitemap "ftp://x/" "$site/" 2>"$T/wrong.err"
check "--sitemap takes URLs only" test $? = 2
finish

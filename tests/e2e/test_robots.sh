#!/usr/bin/env bash
# robots.txt in all its answers (RFC 9309): absent, forbidden, broken, redirected, with a Crawl-delay, and ignored.
. "$(dirname "$0")/lib.sh"
begin robots
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 5 --port "$port" --pages 12 --disallow 4 --crawl-delay 0.4 || fail "gen.py"
rm "$T/site/www/127.0.1.1:$port/robots.txt"              # .1: 404, all allowed
cp -r "$T/site/www/127.0.1.5:$port" "$T/copy"
mv "$T/site/www/127.0.1.5:$port/robots.txt" "$T/site/www/127.0.1.5:$port/rules.txt"
# shellcheck disable=SC2016
NGINX_SERVER='location = /robots.txt {
    if ($server_addr = 127.0.1.2) { return 403; }
    if ($server_addr = 127.0.1.3) { return 503; }
    if ($server_addr = 127.0.1.5) { return 301 /rules.txt; }
}'
nginx_start web "$port" "$T/site" 127.0.1.1 127.0.1.2 127.0.1.3 127.0.1.4 127.0.1.5
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 50ms --retries 1 --seeds "$T/site/seeds.txt"
check "the crawl ends by itself" exits crawl 60 0
of() {          # of N: the paths requested of 127.0.1.N, besides robots.txt
    awk -F'\t' -v a="127.0.1.$1" '$7 == a && $12 !~ /^\/(robots|rules).txt/ { print $12 }' "$T/web.log" | sort -u
}
all() {         # all N CLASSES: the paths that gen.py expects
    awk -F'\t' -v a="http://127.0.1.$1:$port" -v c="$2" 'index($4, a "/") == 1 && index(c, $1) { print substr($4, length(a) + 1) }' \
        "$T/site/expected.tsv" | sort -u
}
check "404: everything may be fetched" diff <(all 1 page,forbidden) <(of 1)
check "403: everything may be fetched" diff <(all 2 page,forbidden) <(of 2)
check "503: nothing may be fetched" test -z "$(of 3)"
check "rules: what they allow, and only that" diff <(all 4 page) <(of 4)
check "a redirect to the rules: the same" diff <(all 5 page) <(of 5)
check "Crawl-delay counts when it is longer, the delay otherwise" check_log "$T/web.log" --delay 50ms \
    --delay-for "127.0.1.4:$port=400ms" --max-inflight 1

mv "$T/web.log" "$T/first.log"
kill -USR1 "${PID[web]}"
wait_until 5 test -e "$T/web.log"
start crawl "$TRAWL" crawl --dir "$T/ignore" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
    --delay 10ms --robots ignore "http://127.0.1.4:$port/"
check "--robots ignore: exit 0" exits crawl 60 0
check "... everything is fetched" diff <(all 4 page,forbidden) <(of 4)
check "... and it warns" grep -qi robots "$T/crawl.err"

# Each says that the other has it, as the http and https or the www and bare side of one host do: in a circle robots.txt is
# unavailable (RFC 9309 section 2.3.1.2), and nobody waits for ever.
one=$(free_port)
two=$(free_port)
mkdir -p "$T/circle"
echo '<p>no link' >"$T/circle/index.html"
NGINX_SERVER="location = /robots.txt { return 302 http://127.0.0.1:$two/robots.txt; }"
nginx_start one "$one" "$T/circle" 127.0.0.1
NGINX_SERVER="location = /robots.txt { return 302 http://127.0.0.1:$one/robots.txt; }"
nginx_start two "$two" "$T/circle" 127.0.0.1
start crawl "$TRAWL" crawl --dir "$T/in-circle" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 10ms "http://127.0.0.1:$one/" "http://127.0.0.1:$two/"
check "robots.txt in a circle: the crawl ends" exits crawl 60 0
check "... with both pages" test "$(export_jsonl "$T/in-circle" | grep -c '"state":"fetched"')" = 2
check "... after few requests" test "$(cat "$T/one.log" "$T/two.log" | grep -c robots.txt)" -le 12
finish

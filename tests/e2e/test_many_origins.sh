#!/usr/bin/env bash
# 64 origins with a delay of 200 ms: never closer than that, and fetched side by side.
# Alone: it measures time.
. "$(dirname "$0")/lib.sh"
begin many_origins
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 64 --port "$port" --pages 20 --ring --cross 1 --redirects 2 --missing 1 \
    --errors 1 --queries 1 --disallow 4 --outside || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
# One seed: the others are found through the ring of front pages.
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 3 \
    --scope any --exclude '^http://outside\.invalid/' --delay 200ms --retries 1 "$(head -n 1 "$T/site/seeds.txt")"
check "the crawl ends by itself" exits crawl 120 0
check "no two requests to an origin closer than the delay, one at a time, robots.txt first and once" \
    check_log "$T/web.log" --delay 200ms --max-inflight 1 --max-conn 1 --robots-max 1 --refetch-max 0
check "different origins are fetched side by side" check_log "$T/web.log" --side-by-side 32 --window 1s
complete "64 origins" "$T/site/expected.tsv" "$T/crawl" "" "$T/web.log"
finish

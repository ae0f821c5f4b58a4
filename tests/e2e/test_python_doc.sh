#!/usr/bin/env bash
# Real HTML: Debian's python3-doc. The set of URLs fetched equals what an independent walk of the files reaches.
. "$(dirname "$0")/lib.sh"
begin python_doc
need_trawl
root=/usr/share/doc/python3/html
[ -f $root/index.html ] || { skip "python3-doc" "the package python3-doc is not there"; finish; }

port=$(free_port)
start walk python3 "$E2E/walk.py" $root "http://127.0.0.1:$port"        # takes 10 s: beside the crawl
nginx_start web "$port" $root 127.0.0.1
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 0 --host-connections 8 --ip-connections 8 "http://127.0.0.1:$port/"
check "the crawl ends by itself" exits crawl 90 0
check "the independent walk ends" exits walk 60 0
grep -v ^outside "$T/walk.out" >"$T/expected.tsv"
check "it reaches more than 500 pages" test "$(expected_count "$T/expected.tsv")" -gt 500
check "robots.txt first and once, at most 8 connections" check_log "$T/web.log" --robots-max 1 --max-active 8 \
    --refetch-max 0 --agent trawl/
complete "python3-doc" "$T/expected.tsv" "$T/crawl" "" "$T/web.log"
check "trawl verify agrees" "$TRAWL" verify "$T/crawl"
check "no trace of a crash" test -z "$(grep -lE 'Sanitizer|assert' "$T"/crawl.err "$T"/crawl/logs/* 2>/dev/null)"
finish

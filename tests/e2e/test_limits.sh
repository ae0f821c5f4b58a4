#!/usr/bin/env bash
# Limits end a crawl cleanly; with a higher one it resumes.
. "$(dirname "$0")/lib.sh"
begin limits
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 3 --port "$port" --pages 40 --shape tree --branch 3 --ring || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
crawl() {
    local dir=$1
    shift
    start crawl "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
        --scope any --delay "${delay:-10ms}" --seeds "$T/site/seeds.txt" "$@"
}
# count DIR STATE [HOST]: URLs in that state.
count() {
    "$TRAWL" export "$T/$1" --format jsonl | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
print(sum(r["state"] == sys.argv[1] and sys.argv[2] in r["url"] for r in rows))' "$2" "${3:-}"
}

crawl pages --max-pages 20
check "--max-pages: exit 0" exits crawl 30 0
check "--max-pages 20: 20 pages" test "$(count pages fetched)" = 20
check "... sealed" check_warc --archive "$T/pages/archive" --partial --expected "$T/site/expected.tsv"
crawl pages --max-pages 50
check "resume with --max-pages 50: exit 0" exits crawl 30 0
check "... 50 pages" test "$(count pages fetched)" = 50
crawl pages --max-pages 1000
check "resume with --max-pages 1000: exit 0" exits crawl 30 0
check "... nothing was fetched twice" check_log "$T/web.log" --refetch-max 0
complete "... all pages" "$T/site/expected.tsv" "$T/pages" "" "$T/web.log"

mv "$T/web.log" "$T/pages.log"
kill -USR1 "${PID[web]}"
wait_until 5 test -e "$T/web.log"
awk -F'\t' '$3 <= 2' "$T/site/expected.tsv" >"$T/depth2.tsv"
crawl depth --max-depth 2
check "--max-depth: exit 0" exits crawl 30 0
check "--max-depth 2: exactly the pages of depth 0 to 2" check_log "$T/web.log" --expected "$T/depth2.tsv"
crawl depth --max-depth 100
check "resume with --max-depth 100: exit 0" exits crawl 30 0
complete "... all pages" "$T/site/expected.tsv" "$T/depth" "" "$T/web.log"

crawl host --max-pages-per-host 10
check "--max-pages-per-host: exit 0" exits crawl 30 0
for a in "${addrs[@]}"; do
    check "--max-pages-per-host 10: 10 pages of $a" test "$(count host fetched "//$a:")" = 10
done
crawl host --max-pages-per-host 15
check "resume with --max-pages-per-host 15: exit 0" exits crawl 30 0
check "... 15 pages of ${addrs[1]}" test "$(count host fetched "//${addrs[1]}:")" = 15

delay=200ms crawl time --max-time 1s
begun=$(now)
check "--max-time: exit 0" exits crawl 30 0
check "--max-time 1s: ended within 6 s" holds "$(now) - $begun < 6 * $SCALE"
check "... and before all pages" test "$(count time fetched)" -lt 100

crawl bytes --max-bytes 100KiB
check "--max-bytes: exit 0" exits crawl 30 0
got=$(count bytes fetched)
check "--max-bytes 100KiB: about 11 pages of 9 KB ($got)" test "$got" -ge 8 -a "$got" -le 40

crawl include --include '/s[12]/|/$' --exclude 'page-1\.html'
check "--include, --exclude: exit 0" exits crawl 30 0
check "... only what they allow" test "$(count include fetched /s3/)$(count include fetched page-1.html)" = 00
check "... and that" test "$(count include fetched /s2/)" -gt 0
finish

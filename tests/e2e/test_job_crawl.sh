#!/usr/bin/env bash
# The built-in jobs on crawls, against answers had by other means: links (the site was made so).
. "$(dirname "$0")/lib.sh"
begin job_crawl
need_trawl

port=$(free_port)
base=http://127.0.0.1:$port
dead=http://127.0.0.1:$(free_port)      # nobody listens there
python3 "$E2E/job_site.py" "$T" "$base" || fail "job_site.py"
nginx_start web "$port" "$T/site" 127.0.0.1
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --delay 0s --host-connections 8 --ip-connections 8 --warc-size 200KiB --retries 1 --quiet "$base/" "$dead/"
check "the crawl ends" exits crawl 60 0

# run NAME ARGUMENT...: a job over the crawl, to its end; its output, sorted, as $T/NAME.txt.
run() {
    local name=$1
    shift
    start "$name" "$TRAWL" job run "$@" --json --quiet --workers 2 --reduces 3 --output "$T/$name.d"
    check "$name ends" exits "$name" 60 0
    LC_ALL=C sort "$T/$name.d"/part-* >"$T/$name.txt"
}
sorted_parts() {
    local f
    for f in "$1"/part-*; do LC_ALL=C sort -c "$f" || return 1; done
}
# figure NAME KEY...: of the job's end.
figure() {
    python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: v = v[k]
print(v)' "$T/$1.out" "${@:2}"
}

# ---- links ---------------------------------------------------------------------------------------------------
run links links --input "$T/crawl"
check "... each link and anchor that the site was made with, and no other" diff "$T/links" "$T/links.txt"
check "... sorted" sorted_parts "$T/links.d"
check "... counted" test "$(figure links counters links)" = "$(wc -l <"$T/links")"

# ---- hosts ---------------------------------------------------------------------------------------------------
run hosts hosts --input "$T/crawl"
"$TRAWL" export "$T/crawl" --format jsonl | python3 -c '
import json, math, sys, urllib.parse
by = {}
for line in sys.stdin:
    row = json.loads(line)
    url = urllib.parse.urlsplit(row["url"])
    by.setdefault(f"{url.scheme}://{url.netloc}", []).append(row)
for origin, rows in sorted(by.items()):
    status = [r["status"] or 0 for r in rows]
    bad = [r["state"] == "failed" or s >= 400 for r, s in zip(rows, status)]
    times = sorted(r["duration_ms"] for r, s in zip(rows, status) if s)
    rank = lambda part: times[math.ceil(part * len(times)) - 1]
    print(origin, len(rows), sum(r["state"] == "fetched" and not b for r, b in zip(rows, bad)), sum(bad),
          sum(r["length"] or 0 for r in rows), len(times),
          *((math.floor(sum(times) / len(times) + 0.5), rank(0.5), rank(0.99), times[-1]) if times else "----"), sep="\t")
' >"$T/hosts"
check "... as the export says" diff "$T/hosts" "$T/hosts.txt"
check "... of both origins, with what failed" test "$(awk -F'\t' '$4 >= 1' "$T/hosts.txt" | wc -l)" = 2

# ---- mistakes ----------------------------------------------------------------------------------------------------------
# wrong TEXT ARGUMENT...: exit 2, and the message has the text.
wrong() {
    local text=$1 rc=0
    shift
    "$TRAWL" job "$@" >"$T/wrong.out" 2>"$T/wrong.err" || rc=$?
    [ "$rc" = 2 ] && grep -q "$text" "$T/wrong.err"
}
check "links of plain files" wrong 'links reads pages; accepted is the directory of a crawl' run links --output "$T/x" "$T/links"
check "hosts of plain files" wrong "hosts reads what became of a crawl's URLs; accepted is" run hosts --output "$T/x" "$T/links"
finish

#!/usr/bin/env bash
# The built-in jobs on crawls, against answers had by other means: links, hosts, dups, pagerank.
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
    start "$name" "$TRAWL" job run --json --quiet --workers 2 --reduces 3 --output "$T/$name.d" --input "$T/crawl" "$@"
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
run links links
check "... each link and anchor that the site was made with, and no other" diff "$T/links" "$T/links.txt"
check "... sorted" sorted_parts "$T/links.d"
check "... counted" test "$(figure links counters links)" = "$(wc -l <"$T/links")"

check "... copies of pages became revisit records, and their links are there, too" test \
    "$(find "$T/crawl/archive" -name '*.warc.gz' -exec zcat {} + | grep -ac '^WARC-Type: revisit')" -ge 2

# ---- hosts ---------------------------------------------------------------------------------------------------
run hosts hosts
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

# ---- pages that are alike -------------------------------------------------------------------------------------
run dups dups
python3 "$E2E/job_answers.py" dups "$base" "$T/site" | LC_ALL=C sort >"$T/dups"
check "... what a comparison of all pairs finds" diff "$T/dups" "$T/dups.txt"
check "... copies, copies of which one word is changed, and not those of which half is" test \
    "$(grep -c '^exact.*-same' "$T/dups.txt") $(grep -c '^near.*-near' "$T/dups.txt") $(grep -c -- -far "$T/dups.txt")" = "8 13 0"
check "... counted" test "$(figure dups counters exact-groups)" = "$(grep ^exact "$T/dups" | cut -f2 | sort -u | wc -l)"

# ---- pagerank ------------------------------------------------------------------------------------------------
run pagerank pagerank -- 1e-7
"$TRAWL" export "$T/crawl" --format jsonl | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row["status"] and row["status"] < 400:
        print(row["url"])' >"$T/nodes"
python3 "$E2E/job_answers.py" pagerank "$T/nodes" "$T/links" >"$T/ranks"
# close: the same URLs, ranks that differ by less than what a tolerance of 1e-7 leaves and add up to 1.
close() {
    python3 - "$@" <<'PY'
import sys
a, b = ([line.rstrip("\n").split("\t") for line in open(name, encoding="utf-8")] for name in sys.argv[1:])
assert [x[0] for x in a] == [x[0] for x in b] and len(a) > 200, "other pages"
worst = max(abs(float(x[1]) - float(y[1])) for x, y in zip(a, b))
assert worst <= 6e-7, f"ranks differ by {worst}"
assert abs(sum(float(y[1]) for y in b) - 1) < 1e-12
assert len({y[1] for y in b}) > 100
PY
}
check "... the ranks of a power iteration" close "$T/ranks" "$T/pagerank.txt"
check "... in more than ten iterations" test "$(figure pagerank counters iterations)" -gt 10
check "... nothing is left beside the output" test "$(find "$T/pagerank.d" -mindepth 1 | wc -l)" = 3
start again "$TRAWL" job run pagerank --json --quiet --workers 1 --reduces 1 --output "$T/again.d" --input "$T/crawl" -- 1 2
check "with one worker it ends" exits again 60 0
check "... after as many iterations as it may take" test "$(figure again counters iterations)" -le 2

# ---- the example ---------------------------------------------------------------------------------------------
check "the example is made as it says" cc -shared -fPIC -I "$TOP/worker" -o "$T/types.so" "$TOP/examples/types.c"
run types "$T/types.so"
"$TRAWL" export "$T/crawl" --format jsonl | python3 -c '
import collections, json, sys
n = collections.Counter(row["mime"] for row in map(json.loads, sys.stdin) if (row["status"] or 0) // 100 == 2)
for mime, pages in n.items(): print(mime, pages, sep="\t")' | LC_ALL=C sort >"$T/types"
check "... counts the types that the export names" diff "$T/types" <(cut -f 1,2 "$T/types.txt")

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
check "a tolerance that is none" wrong "pagerank: tolerance much: accepted is" run pagerank --input "$T/crawl" --output "$T/x" -- much
check "dups with an argument" wrong "dups takes no arguments" run dups --input "$T/crawl" --output "$T/x" -- 3
finish

#!/usr/bin/env bash
# `trawl why` tells of each URL what became of it; and all that count URLs count the same.
. "$(dirname "$0")/lib.sh"
begin why
need_trawl

web=$(free_port)
closed=$(free_port)
root=http://127.0.0.1:$web
links="/page /moved /private/x /always /broken /reset /skip/1 /page#part http://outside.example/ http://127.0.0.1:$closed/"
links+=" /noindex /hop/1 http://127.0.0.1:22/ /$(printf 'l%.0s' {1..2100}) /$(printf '%s/' {1..21}) /a/b/a/c/a/b/a"
links+=" /q?$(printf '%s&amp;' {1..33}) /order?a=1&amp;b=2 /order?b=2&amp;a=1 $(printf '/kind/%s ' {1..26})"
start web env MOODY_ROBOTS=200 MOODY_LINKS="$links" \
    python3 "$E2E/moody_server.py" "$web" "$T/web.log"
listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
wait_until 10 listens "$web" || fail "the server starts"

master=$(free_port)
crawl() {
    start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$master" --workers 2 --delay 10ms \
        --scope domain --exclude /skip/ --max-per-template 25 "$@" "$root/"
}
status() {
    "$TRAWL" status --master "tcp://127.0.0.1:$master" "$@"
}
# counts: known, and by state, of JSON Lines on standard input.
counts() {
    python3 -c '
import collections, json, sys
states = collections.Counter(json.loads(line)["state"] for line in sys.stdin)
print(sum(states.values()), *(states[s] for s in ("pending", "fetched", "redirected", "excluded", "failed")))'
}
counts_csv() {
    python3 -c '
import collections, csv, sys
states = collections.Counter(row["state"] for row in csv.DictReader(sys.stdin))
print(sum(states.values()), *(states[s] for s in ("pending", "fetched", "redirected", "excluded", "failed")))'
}
counts_status() {
    status --json | python3 -c '
import json, sys
urls = json.load(sys.stdin)["urls"]
print(*(urls[s] for s in ("known", "pending", "fetched", "redirected", "excluded", "failed")))'
}
# The summary of the crawl that has just ended.
counts_summary() {
    awk '$1 == "URLs" { print $2, $12, $4, $6, $8, $10 }' "$T/crawl.out" | tail -n 1
}
# agree WHERE COUNTS...: all of them say the same, and the states sum to the number known.
agree() {
    local first=$1 c
    for c in "$@"; do
        echo "$c"
        [ "$c" = "$first" ] || return 1
        awk '{ exit NF != 6 || $1 == 0 || $1 != $2 + $3 + $4 + $5 + $6 }' <<<"$c" || return 1
    done
}
why() {
    "$TRAWL" why --dir "$T/crawl" "$@"
}
# told URL PYTHON-EXPRESSION: holds of the JSON of why, as `w`.
told() {
    why --json "$1" >"$T/why.json"
    python3 -c '
import json, sys
w = json.load(open(sys.argv[1]))
print(json.dumps(w, indent=1))
assert eval("(" + sys.argv[2] + ")")' "$T/why.json" "$2"
}
exits_with() {
    local code=$1
    shift
    "$@"
    [ $? = "$code" ]
}

# A limit ends the first run early; what is left is pending.
crawl --max-pages 2
check "a limit ends the crawl" exits crawl 60 0
check "limit: summary, jsonl and csv agree" agree "$(counts_summary)" \
    "$("$TRAWL" export "$T/crawl" --format jsonl | counts)" "$("$TRAWL" export "$T/crawl" --format csv | counts_csv)"
check "... and something is pending" test "$(counts_summary | cut -d' ' -f2)" -gt 0
check "... and the archive" "$TRAWL" verify "$T/crawl"

crawl --max-pages 1000
is_resting() {
    why --json "$root/always" >"$T/resting.json" && grep -q '"reason": "http-429"' "$T/resting.json"
}
check "a running crawl tells of attempts that failed" wait_until 30 is_resting
"$TRAWL" ctl pause --master "tcp://127.0.0.1:$master" >/dev/null
at_rest() {
    [ "$(status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["leases"])')" = 0 ]
}
wait_until 20 at_rest
paused=$(counts_status)
check "paused: the states sum to the number known ($paused)" agree "$paused"
"$TRAWL" ctl resume --master "tcp://127.0.0.1:$master" >/dev/null
check "the crawl ends by itself" exits crawl 120 0
check "summary, jsonl and csv agree" agree "$(counts_summary)" \
    "$("$TRAWL" export "$T/crawl" --format jsonl | counts)" "$("$TRAWL" export "$T/crawl" --format csv | counts_csv)"
check "... with nothing pending" test "$(counts_summary | cut -d' ' -f2)" = 0
check "... and the archive" "$TRAWL" verify "$T/crawl"
reasons() {
    "$TRAWL" export "$T/crawl" --format jsonl | python3 -c '
import json, sys
words = {(row["reason"] or "none").split(":")[0] for row in map(json.loads, sys.stdin)}
missing = set(sys.argv[1:]) - words
print("missing:", *missing, "of", *words)
sys.exit(len(missing) > 0)' "$@"
}
check "... for every kind of reason" reasons none robots scope exclude port noindex redirect-limit http-429 http-500 \
    robots-unreachable trap-url-length trap-path-depth trap-repeats trap-query-params trap-query-order trap-template
summary=$(counts_summary)
start crawl "$TRAWL" master --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$master" --keep
wait_until 20 status || fail "the master answers"
check "status --json, asked of a master over what is there, agrees with them" agree "$summary" "$(counts_status)"
kill -TERM "${PID[crawl]}"
check "... and it ends, with the same summary" exits crawl 20 0
check "... and the same" agree "$summary" "$(counts_summary)"

# shellcheck disable=SC2016
check "a page" told "$root/page#x" 'w["known"] and w["state"] == "fetched" and w["canonical"].endswith("/page")
    and "the fragment is dropped" in w["notes"] and w["via"][-1]["seed"] and w["robots"]["allowed"]'
record() {
    python3 - "$T/why.json" "$T/crawl/archive" "$root/page" <<'PY'
import gzip, json, sys
r = json.load(open(sys.argv[1]))["record"]
with open(sys.argv[2] + "/" + r["file"], "rb") as f:
    f.seek(r["offset"])
    text = gzip.decompress(f.read(r["length"])).decode()
assert "WARC-Type: response" in text and sys.argv[3] in text, text
PY
}
check "... whose record lies there" record
check "a redirect" told "$root/moved" 'w["state"] == "redirected" and w["redirect_to"].endswith("/page")'
check "forbidden by robots.txt: the line" told "$root/private/x" 'w["state"] == "excluded"
    and w["robots"]["line"] == 3 and w["robots"]["field"] == "Disallow" and w["robots"]["rule"] == "/private"
    and w["attempts"] == 0'
check "out of scope" told "http://outside.example/" 'w["state"] == "excluded" and w["reason"] == "scope"
    and w["scope"]["verdict"] == "scope" and w["via"][0]["url"].endswith("/")'
check "excluded by a pattern" told "$root/skip/1" 'w["state"] == "excluded" and w["scope"]["by"] == "--exclude /skip/"'
check "429 always: three attempts, each told" told "$root/always" 'w["state"] == "failed" and w["reason"] == "http-429"
    and [t["status"] for t in w["tries"]] == [429, 429, 429] and all(t["worker"] and t["task"] for t in w["tries"])'
check "reset once: fetched, and the attempt that failed told" told "$root/reset" 'w["state"] == "fetched"
    and len(w["tries"]) == 1 and w["attempts"] == 2'
check "an origin that was given up" told "http://127.0.0.1:$closed/" 'w["state"] == "failed"
    and w["origin"]["reason"].startswith("robots-unreachable: connection-refused")'
check "... out of scope or forbidden?" told "$root/private/y" 'not w["known"] and w["scope"]["verdict"] == "in"
    and not w["robots"]["allowed"]'
check "... by its exit code" exits_with 1 why "$root/private/y"
check "known: exit 0" why "$root/page"
check "no URL: exit 2" exits_with 2 why "nonsense"
check "for people: aligned, the state and the line" \
    grep -qE '^robots     forbidden by line 3: Disallow: /private' <(why "$root/private/x")
finish

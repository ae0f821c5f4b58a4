#!/usr/bin/env bash
# Servers that ask to be left alone are; those that keep failing are given up, by name.
. "$(dirname "$0")/lib.sh"
begin backoff
need_trawl

moody=$(free_port)
start moody python3 "$E2E/moody_server.py" "$moody" "$T/moody.log"
closed=$(free_port)
robots=$(free_port)
start robots env MOODY_ROBOTS=503 python3 "$E2E/moody_server.py" "$robots" "$T/robots.log"
listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
for port in "$moody" "$robots"; do
    wait_until 10 listens "$port" || fail "the servers start"
done

master=$(free_port)
start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$master" --workers 2 --delay 10ms \
    "http://127.0.0.1:$moody/" "http://127.0.0.1:$closed/" "http://127.0.0.1:$robots/"

status() {
    "$TRAWL" status --master "tcp://127.0.0.1:$master" "$@"
}
# parked PORT REASON: status names this origin as given up.
# shellcheck disable=SC2016
parked() {
    status --json | python3 -c '
import json, sys
for o in json.load(sys.stdin)["parked"]["origins"]:
    if o["origin"] == sys.argv[1] and o["reason"].startswith(sys.argv[2]):
        sys.exit(0)
sys.exit(1)' "http://127.0.0.1:$1" "$2"
}
check "status names an origin that does not answer, and why" \
    wait_until 20 parked "$closed" "robots-unreachable: connection-refused"
check "... so people can read it" grep -q "http://127.0.0.1:$closed  *robots-unreachable: connection-refused" <(status)
check "the crawl ends by itself" exits crawl 120 0
"$TRAWL" export "$T/crawl" --format jsonl >"$T/export.jsonl"

# is PORT PATH FIELD=VALUE...: what the export says of a URL.
is() {
    python3 - "$T/export.jsonl" "http://127.0.0.1:$1$2" "${@:3}" <<'PY'
import json, sys
rows = [r for r in map(json.loads, open(sys.argv[1])) if r["url"] == sys.argv[2]]
print(rows)
assert len(rows) == 1
for want in sys.argv[3:]:
    name, value = want.split("=", 1)
    assert str(rows[0].get(name)).startswith(value), want
PY
}
check "429 once, then fetched" is "$moody" /busy-2 state=fetched attempts=2
check "503 with a date once, then fetched" is "$moody" /dated-3 state=fetched attempts=2
check "reset once, then fetched" is "$moody" /reset state=fetched attempts=2
check "429 always: failed, after all attempts" is "$moody" /always state=failed reason=http-429 attempts=3
check "500 always: failed, after all attempts" is "$moody" /broken state=failed reason=http-500 attempts=3
check "robots.txt 503 twice: asked again, and the page fetched" is "$moody" /page state=fetched
check "nobody listens: failed, with the last error" is "$closed" / state=failed "reason=robots-unreachable: connection-refused"
check "robots.txt 503 always: failed, with the last error" \
    is "$robots" / state=failed "reason=robots-unreachable: http-503"
# shellcheck disable=SC2016
check "... and nothing but robots.txt was asked for there" \
    awk '$2 != "/robots.txt" { exit 1 }' "$T/robots.log"
# shellcheck disable=SC2016
check "... six times, with growing pauses" awk '
    NR > 1 { pause = $1 - last; if (pause < 2 ^ (NR - 2)) exit bad = 1 }
    { last = $1 }
    END { exit bad || NR != 6 }' "$T/robots.log"

# quiet STATUS PATH SECONDS: no request to that server for so long after this answer.
quiet() {
    awk -v path="$2" -v status="$1" -v pause="$3" '
        until && $1 < until { print "too early: " $0; exit bad = 1 }
        { until = 0 }
        $2 == path && $3 == status { until = $1 + pause; seen = 1 }
        END { exit bad || !seen }' "$T/moody.log"
}
check "no request for 2 s after Retry-After: 2" quiet 429 /busy-2 2
check "no request for 3 s after a date 3 s away" quiet 503 /dated-3 3
check "no request for 1 s after 429 without Retry-After" quiet 429 /always 1
check "the archive agrees" "$TRAWL" verify "$T/crawl"
finish

#!/usr/bin/env bash
# Cookies are sent when asked for, to the origin that set them, in the visit in which it did; else none are.
. "$(dirname "$0")/lib.sh"
begin cookies
need_trawl

# Cookies know no ports: the two origins of one address are as near as origins can be.
addr=127.68.0.1
port=$(free_port)
other=$(free_port)
start site python3 "$E2E/cookie_server.py" $addr "$port" "$T/site.log" "http://$addr:$other/other"
start other python3 "$E2E/cookie_server.py" $addr "$other" "$T/other.log"
listens() {
    (exec 3<>"/dev/tcp/$addr/$1") 2>/dev/null
}
for p in "$port" "$other"; do
    wait_until 10 listens "$p" || fail "the servers start"
done
# crawl DIR OPTION...
crawl() {
    local dir=$1
    shift
    start crawl "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
        --threads 1 --scope any --delay 10ms "http://$addr:$port/" "$@"
    check "$dir: the crawl ends" exits crawl 60 0
    mv "$T/site.log" "$T/$dir.site"
    mv "$T/other.log" "$T/$dir.other"
}
# with DIR.SERVER: requests there that had a cookie.
with() {
    grep -vc -- ' -$' "$T/$1"
}
# state_is DIR PATH STATE
state_is() {
    "$TRAWL" export "$T/$1" --format jsonl | grep -F "\"http://$addr:$port$2\"" | grep -q "\"state\": *\"$3\""
}
crawl off
check "by default: /page was asked for" grep -q ' /page -$' "$T/off.site"
check "... and no cookie was sent" test "$(with off.site)" = 0
stop site
stop other
start site python3 "$E2E/cookie_server.py" $addr "$port" "$T/site.log" "http://$addr:$other/other"
start other python3 "$E2E/cookie_server.py" $addr "$other" "$T/other.log"
for p in "$port" "$other"; do
    wait_until 10 listens "$p" || fail "the servers start again"
done
crawl visit --cookies visit
check "--cookies visit: it is sent back" grep -q " /page .*at=$addr" "$T/visit.site"
check "... and one whose field is folded, whole" grep -q " /page .*folded=yes" "$T/visit.site"
check "... first of all it is not there" test "$(head -n 2 "$T/visit.site" | grep -c -- ' -$')" = 2
check "... the other origin was asked" grep -q ' /other ' "$T/visit.other"
check "... and sees none" test "$(with visit.other)" = 0
check "a page behind a redirect to itself is had, once it has its cookie" state_is visit /wall fetched
check "... and one behind a way there and back" state_is visit /room fetched
check "... of each there is one record, and no more of its redirects" "$TRAWL" verify "$T/visit"
check "by default the redirect is what there is" state_is off /wall redirected
check "crawl.conf has it" grep -q '^cookies *= *visit' "$T/visit/crawl.conf"
finish

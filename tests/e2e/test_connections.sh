#!/usr/bin/env bash
# Connections that go wrong between two answers, under a request, by their protocol, at their end: each URL has its own answer,
# at the first attempt, or says why not.
. "$(dirname "$0")/lib.sh"
begin connections
need_trawl

net=127.68.0
port=$(free_port)
mkdir "$T/certs"
bash "$TOP/tests/hostile/certs.sh" "$T/certs" $net >"$T/certs.out" 2>&1 || fail "certificates" "$(tail -n 5 "$T/certs.out")"
start server python3 "$TOP/tests/e2e/connections_server.py" $net "$port" "$T/certs" "$T/sent"
wait_until 20 grep -q h2-torn "$T/server.out" || fail "the server starts" "$(cat "$T/server.err")"

# url NAME: of the origin that behaves so.
url() {
    awk -v name="$1" '$1 == name { print $2 }' "$T/server.out"
}
# All origins at once; the delay leaves room for what comes late.
awk '{ print $2 "/" }' "$T/server.out" >"$T/seeds"
start crawl env SSL_CERT_FILE="$T/certs/ca.pem" "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --workers 1 --threads 1 \
    --listen "tcp://127.0.0.1:$(free_port)" --delay 120ms --timeout $((4 * SCALE))s --seeds "$T/seeds"
check "the crawl ends" exits crawl 120 0
"$TRAWL" export "$T/crawl" --format jsonl >"$T/rows.jsonl" || not_ok "export"
check "the archive is whole" "$TRAWL" verify "$T/crawl"

# rows NAME FILTER: how many rows of the origin the filter lets through, a Python expression on a row r.
rows() {
    python3 -c 'import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
print(sum(1 for r in rows if r["url"].startswith(sys.argv[2] + "/") and eval(sys.argv[3])))' "$T/rows.jsonl" "$(url "$1")" "$2"
}
# all_fetched NAME: its seven pages, each at the first attempt, none with a remark.
all_fetched() {
    [ "$(rows "$1" 'r["state"] == "fetched" and r["attempts"] == 1 and not r["reason"]')" = 7 ]
}
for name in late-answer answer-at-once late-line late-chunk line-under-request chunk-under-request late-408 late-end end-under-request reset-under-request \
    tls-late-answer tls-proven h2-spoken-as-http1 h2-end h2-reset h2-silent h2-goaway h2-refused; do
    check "$name: all pages, each at the first attempt" all_fetched $name
done
bodies "each URL is archived with what was sent for it"

# truncated NAME: how many records of the origin say that nothing proves their end.
truncated() {
    zcat "$T"/crawl/archive/*.warc.gz | tr -d '\r' | awk -v target="WARC-Target-URI: $(url "$1")/" '
        /^WARC\/1/ { here = cut = 0 }
        index($0, target) == 1 { here = 1 }
        $0 == "WARC-Truncated: disconnect" { cut = 1 }
        $0 == "" && here { n += cut; here = 0 }
        END { print n + 0 }'
}
check "no closure alert: said in each record" test "$(truncated tls-unproven)" = 7
check "... and in the export" test "$(rows tls-unproven 'r["state"] == "fetched" and r["reason"] == "body-unproven"')" = 7
check "a closure alert: nothing is said" test "$(truncated tls-proven)" = 0
check "a stream without its end: said" test "$(truncated h2-torn)" = 1
check "robots.txt without its end is none" test "$(rows tls-robots-unproven 'r["state"] == "failed" and r["reason"] == "robots-unreachable: body-incomplete"')" = 1
check "... and nothing is asked for" test "$(grep -c "^$(url tls-robots-unproven)/" "$T/sent")" = 0
check "an incomplete chain of certificates is called so" \
    test "$(rows tls-chain-less 'r["state"] == "failed" and "tls-incomplete-chain" in r["reason"]')" = 1
finish

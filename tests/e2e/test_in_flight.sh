#!/usr/bin/env bash
# A worker with 1,024 transfers in flight at once, half of them over TLS, each with as much header as is allowed and
# 400,000 bytes of body: what it takes. The server holds all of them until the last one has come.
. "$(dirname "$0")/lib.sh"
begin in_flight
need_trawl
HOSTILE=$TOP/tests/hostile
RSS_MAX=256

listen=tcp://127.0.0.1:$(free_port)
mkdir "$T/certs" "$T/server"
bash "$HOSTILE/certs.sh" "$T/certs" 127.67.0 >"$T/certs.out" 2>&1 || fail "certificates" "$(tail -n 5 "$T/certs.out")"
start server python3 "$HOSTILE/server.py" --only in-flight --port "$(free_port)" --tls-port "$(free_port)" \
    --net 127.67.0 --certs "$T/certs" --out "$T/server"
wait_until 30 test -s "$T/server/origins.tsv" || fail "the server starts" "$(cat "$T/server.err")"
start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --scope host --delay 0 --timeout 60s \
    --retries 1 --host-connections 256 --seeds "$T/server/seeds.txt"
start w1 env SSL_CERT_FILE="$T/certs/ca.pem" python3 "$HOSTILE/peak.py" "$T/w1.peak" \
    "$TRAWL" worker --master "$listen" --dir "$T/worker1" --name w1 --threads 1 --transfers 1024
check "the crawl ends by itself" exits master 120 0
check "the worker leaves with it" exits w1 20 0
check "1,024 were in flight at once" grep -qP '^all\tin flight$' "$T/server/requests.tsv"
peak=$(($(cat "$T/w1.peak") / 1024))
check "the worker never took more than $RSS_MAX MiB ($peak MiB)" test "$peak" -le "$RSS_MAX"
# That all end at once is no reason to be late with a heartbeat.
check "no lease was lost" grep -q 'workers  *0 lost, 0 tasks reassigned' "$T/master.out"
fetched=$("$TRAWL" export "$T/master" --format jsonl | grep -c '"state":"fetched"')
check "all were fetched" test "$fetched" = 1024
finish

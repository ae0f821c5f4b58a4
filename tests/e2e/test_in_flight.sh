#!/usr/bin/env bash
# A worker with 1,024 transfers in flight at once, half of them over TLS, each with as much header as is allowed and
# 400,000 bytes of body: what it takes. The server holds all of them until the last one has come.
# Alone: it measures memory, with 1,024 connections that wait for one another.
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

# Pages with 16 MiB of links each, 32 at once: what is not reported yet is bounded too.
mkdir "$T/heavy"
start heavy python3 "$HOSTILE/server.py" --only heavy --port "$(free_port)" --tls-port "$(free_port)" \
    --net 127.67.0 --certs "$T/certs" --out "$T/heavy"
wait_until 30 test -s "$T/heavy/origins.tsv" || fail "the server starts" "$(cat "$T/heavy.err")"
listen=tcp://127.0.0.1:$(free_port)
start master2 "$TRAWL" master --dir "$T/master2" "${QUICK[@]}" --listen "$listen" --scope host --delay 0 \
    --host-connections 32 --seeds "$T/heavy/seeds.txt"
start w2 python3 "$HOSTILE/peak.py" "$T/w2.peak" "$TRAWL" worker --master "$listen" --dir "$T/worker2" --name w2 \
    --threads 1
check "heavy pages: the crawl ends by itself" exits master2 120 0
check "heavy pages: the worker leaves with it" exits w2 20 0
check "heavy pages: 32 were in flight at once" grep -qP '^all\tin flight$' "$T/heavy/requests.tsv"
peak=$(($(cat "$T/w2.peak") / 1024))
check "heavy pages: the worker never took more than $RSS_MAX MiB ($peak MiB)" test "$peak" -le "$RSS_MAX"
fetched=$("$TRAWL" export "$T/master2" --format jsonl | grep -c '"reason":"links-limited"')
check "heavy pages: all were fetched" test "$fetched" = 32
finish

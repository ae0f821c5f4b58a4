#!/usr/bin/env bash
# Signals, and what whoever starts us left of its own: SIGTERM to a worker whose master is away, SIGHUP as a clean stop
# (and none under nohup), SIGCHLD ignored and SIGTERM blocked by the one who starts trawl.
. "$(dirname "$0")/lib.sh"
begin signals
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 60 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.0.1
seed=http://127.0.0.1:$port/

# crawl NAME DIR DELAY [PREFIX...]
crawl() {
    local name=$1 dir=$2 delay=$3
    shift 3
    start "$name" "$@" "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
        --delay "$delay" "$seed"
}
sealed() {
    ! compgen -G "$1/archive/*.open" >/dev/null
}

# ---- SIGTERM while the master is away ---------------------------------------------------------------------
listen=tcp://127.0.0.1:$(free_port)
start master "$TRAWL" master --dir "$T/away" --http off --allow-net 127.0.0.0/8 --listen "$listen" --delay 100ms "$seed"
start worker "$TRAWL" worker --dir "$T/away-worker" --master "$listen" --threads 2
before=$(requests web)
fetched_at_least web $((before + 10)) 30 || fail "the worker fetches"
kill9 master
kill -TERM "${PID[worker]}"
asked=$(now)
check "SIGTERM to a worker whose master is away: exit 0" exits worker 20 0
check "... within 9 s" holds "$(now) - $asked < 9 * $SCALE"

# ---- SIGHUP -----------------------------------------------------------------------------------------------
before=$(requests web)
crawl crawl hangup 100ms
fetched_at_least web $((before + 10)) 30 || fail "the crawl fetches"
kill -HUP "${PID[crawl]}"
check "SIGHUP to the crawl: exit 0" exits crawl 20 0
check "... every segment is sealed" sealed "$T/hangup"
check "... trawl verify agrees" "$TRAWL" verify "$T/hangup"

listen=tcp://127.0.0.1:$(free_port)
start master "$TRAWL" master --dir "$T/hangup-master" "${QUICK[@]}" --listen "$listen" --delay 100ms "$seed"
start worker "$TRAWL" worker --dir "$T/hangup-worker" --master "$listen" --threads 1
before=$(requests web)
fetched_at_least web $((before + 5)) 30 || fail "the worker fetches"
kill -HUP "${PID[worker]}"
check "SIGHUP to a worker: exit 0" exits worker 20 0
check "... every segment is sealed" sealed "$T/hangup-worker"
kill -HUP "${PID[master]}"
check "SIGHUP to a master: exit 0" exits master 20 0

before=$(requests web)
crawl crawl nohup 50ms env --ignore-signal=HUP
fetched_at_least web $((before + 5)) 30 || fail "the crawl fetches"
kill -HUP "${PID[crawl]}"
check "SIGHUP under nohup: the crawl goes on to its end" exits crawl 60 0
check "... with every page" test "$(export_jsonl "$T/nohup" | grep -c '"state":"fetched"')" -ge 60

# ---- what the starter left ----------------------------------------------------------------------------------
careless='import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGINT])
os.execv(sys.argv[1], sys.argv[1:])'
crawl crawl ignored 0 python3 -c "$careless"
check "started with SIGCHLD ignored: the crawl ends" exits crawl 60 0
start job python3 -c "$careless" "$TRAWL" job run hosts --input "$T/ignored" --output "$T/hosts"
check "... and a job" exits job 60 0
crawl crawl blocked 200ms python3 -c "$careless"
before=$(requests web)
fetched_at_least web $((before + 3)) 30 || fail "the crawl fetches"
kill -TERM "${PID[crawl]}"
check "started with SIGTERM blocked: it still stops the crawl" exits crawl 20 0
finish

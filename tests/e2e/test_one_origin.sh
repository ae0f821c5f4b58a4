#!/usr/bin/env bash
# One origin, no delay, 32 connections allowed: all four workers share it, and never more than 32 in total.
# Alone: it measures time.
. "$(dirname "$0")/lib.sh"
begin one_origin
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 1500 --branch 8 || fail "gen.py"
# Each page takes about 0.1 s, so that connections overlap; a 33rd at once is answered 503 (limit_conn).
# shellcheck disable=SC2016
NGINX_HTTP='limit_conn_zone $server_port zone=all:1m;'
NGINX_SERVER='limit_conn all 32; limit_rate 60k; sendfile_max_chunk 4k;'
nginx_start web "$port" "$T/site" 127.0.0.1
start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --delay 0 --host-connections 32 \
    --ip-connections 32 "http://127.0.0.1:$port/"
for i in 1 2 3 4; do
    start "w$i" "$TRAWL" worker --master "$listen" --dir "$T/worker$i" --name "w$i" --threads 1
done
# Who has connections to the server, as the kernel says, until all four have been seen or the crawl is over.
declare -A used=()
most=0
sample() {
    local i total
    # In all: one look, or connections that move from one worker to another would count twice.
    total=$(ss -Htn state established "dport = :$port" | wc -l)
    for i in 1 2 3 4; do
        [ -n "$(sockets "${PID[w$i]:-0}" "$port")" ] && used[$i]=1
    done
    [ "$total" -gt "$most" ] && most=$total
    ended master
}
wait_until 90 sample
check "the master ends by itself" exits master 30 0
for i in 1 2 3 4; do
    check "worker $i leaves with it" exits "w$i" 20 0
done
check "all four workers were used (${!used[*]})" test ${#used[@]} = 4
check "32 connections at most, by the kernel's count ($most)" test "$most" -le 32
check "32 connections at most, by the server's count; robots.txt once" check_log "$T/web.log" --max-active 32 \
    --max-inflight 32 --no-status 503 --robots-max 1 --refetch-max 0
check "most of them were in use at once" check_log "$T/web.log" --min-inflight 20
complete "one origin" "$T/site/expected.tsv" "$T/master" \
    "$T/worker1/archive $T/worker2/archive $T/worker3/archive $T/worker4/archive" "$T/web.log"
finish

#!/usr/bin/env bash
# A worker is stopped past its lease and continued: no request of its after the lease, nothing recorded twice.
. "$(dirname "$0")/lib.sh"
begin stop_cont
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 160 --missing 2 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.0.1
start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --delay 50ms "http://127.0.0.1:$port/"
for i in 1 2; do
    start "w$i" "$TRAWL" worker --master "$listen" --dir "$T/worker$i" --name "w$i"
done
fetched_at_least web 30 20 || fail "the crawl starts" "$(requests web) requests"

# There is one origin with one connection: the worker that holds it is the one with the socket.
holder() {
    local i
    for i in 1 2; do
        if [ -n "$(sockets "${PID[w$i]}" "$port")" ]; then
            held=$i
            return 0
        fi
    done
    return 1
}
wait_until 10 holder || fail "one worker holds the origin"
holder
kill -STOP "${PID[w$held]}"
stopped=$(now)
frozen=$(sockets "${PID[w$held]}" "$port")
at_stop=$(requests web)
check "the other worker takes over" fetched_at_least web $((at_stop + 15)) 15
took=$(calc "$(now) - $stopped")
check "not before the lease was over (2 s; fetching went on after $took s)" holds "$took > 1.5"
kill -CONT "${PID[w$held]}"
continued=$(now)
# The other one holds the origin now and keeps it: the late one must not open a connection of its own.
fresh() {
    sockets "${PID[w$held]}" "$port" | grep -vwF "${frozen:-none}"
}
check "the late worker opens no connection while the other holds the origin" none_for 2 fresh
check "the master ends by itself" exits master 60 0
for i in 1 2; do
    check "worker $i leaves with it" exits "w$i" 20 0
done
check "the stopped worker asked for nothing after its lease" check_log "$T/web.log" --quiet-ports "$frozen" \
    --after "$(calc "$stopped + 2.1")"
check "polite throughout" check_log "$T/web.log" --delay 50ms --max-inflight 1 --robots-max 2
printf '%s\n%s\n' "$stopped" "$continued" >"$T/kills"
check "bounded waste" check_log "$T/web.log" --kills "$T/kills" --refetch-max 40
complete "after SIGSTOP and SIGCONT" "$T/site/expected.tsv" "$T/master" "$T/worker1/archive $T/worker2/archive" \
    "$T/web.log"
finish

#!/usr/bin/env bash
# One master, four workers; each second a random worker is killed with SIGKILL and started again in the same place.
. "$(dirname "$0")/lib.sh"
begin kill_workers
need_trawl
RANDOM=${E2E_SEED:-7}

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 8 --port "$port" --pages 70 --ring --cross 1 --redirects 3 --missing 3 \
    --queries 3 --disallow 4 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
expected=$(expected_count "$T/site/expected.tsv")

worker() {
    start "w$1" "$TRAWL" worker --master "$listen" --dir "$T/worker$1" --name "w$1" --threads 1
}
start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --scope any --delay 200ms \
    --seeds "$T/site/seeds.txt"
for i in 1 2 3 4; do
    worker $i
done

# Kill until 90% of the pages have been asked for; then let it end by itself.
kills=0
: >"$T/kills"
fetched_at_least web 20 20 || fail "the crawl starts" "$(requests web) requests"
# sandboxed PID: it can gain no privileges, and some system calls are refused (2: by a filter).
sandboxed() {
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$1/status" && grep -q '^Seccomp:[[:space:]]*2$' "/proc/$1/status"
}
check "workers are in their sandbox" sandboxed "${PID[w1]}"
deadline=$(calc "$(now) + 90 * $SCALE")
while running master && ! at_least web $((expected * 9 / 10)) && holds "$(now) < $deadline"; do
    victim=$((RANDOM % 4 + 1))
    now >>"$T/kills"
    kill9 "w$victim"
    worker $victim
    kills=$((kills + 1))
    wait_until 1 at_least web "$expected" || true       # the second between two kills
done
echo "# $kills workers killed"
check "at least five workers were killed" test $kills -ge 5
check "the master ends by itself" exits master 90 0
for i in 1 2 3 4; do
    check "worker $i leaves with it" exits "w$i" 20 0
done
check "polite: never closer than the delay, one connection, robots.txt first" check_log "$T/web.log" --delay 200ms \
    --max-inflight 1 --robots-max $((kills + 1))
check "bounded waste: refetches only where a worker was killed" check_log "$T/web.log" --kills "$T/kills" \
    --refetch-max $((kills * 12))
complete "after $kills kills" "$T/site/expected.tsv" "$T/master" \
    "$T/worker1/archive $T/worker2/archive $T/worker3/archive $T/worker4/archive" "$T/web.log"
finish

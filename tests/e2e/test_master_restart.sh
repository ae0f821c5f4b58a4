#!/usr/bin/env bash
# The master is killed with SIGKILL in mid-crawl, twice, and started again on its directory; the workers stay up.
. "$(dirname "$0")/lib.sh"
begin master_restart
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 4 --port "$port" --pages 60 --ring --redirects 3 --missing 2 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
master() {
    start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --scope any --delay 80ms \
        --seeds "$T/site/seeds.txt"
}
master
for i in 1 2; do
    start "w$i" "$TRAWL" worker --master "$listen" --dir "$T/worker$i" --name "w$i"
done
: >"$T/kills"
for share in 60 140; do
    fetched_at_least web $share 30 || fail "the crawl goes on" "$(requests web) requests of $share"
    now >>"$T/kills"
    kill9 master
    if [ $share = 60 ]; then        # once, it stays away for longer than every lease
        wait_until 3 false
    fi
    now >>"$T/kills"
    master
done
check "the master ends by itself" exits master 60 0
for i in 1 2; do
    check "worker $i leaves with it" exits "w$i" 20 0
done
check "polite across both restarts" check_log "$T/web.log" --delay 80ms --max-inflight 1 --robots-max 3
check "bounded waste" check_log "$T/web.log" --kills "$T/kills" --refetch-max 60
complete "after two restarts" "$T/site/expected.tsv" "$T/master" "$T/worker1/archive $T/worker2/archive" "$T/web.log"

# Everything at once, kill -9, and again.
start crawl "$TRAWL" crawl --dir "$T/all" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --scope any --delay 80ms --seeds "$T/site/seeds.txt"
before=$(requests web)
fetched_at_least web $((before + 80)) 30 || fail "the second crawl starts" "$(requests web) requests"
kill9 crawl
# A worker may outlive it: it finishes and seals, or waits for its disk.
start w1 flock "$T/all/workers/w1/lock" tail -f /dev/null
cp "$T/web.log" "$T/upto.log"
start crawl "$TRAWL" crawl --dir "$T/all" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
    --scope any --delay 80ms --seeds "$T/site/seeds.txt"
waits() {
    grep -q "waits for the one of that name" "$T/all/logs/worker-w1.log"
}
check "a worker of the crawl that was killed is waited for" wait_until 20 waits
wait_until 3 false          # longer than all attempts at starting the new one took before
kill9 w1
check "a crawl killed with all its workers resumes and ends" exits crawl 60 0
tail -n "+$((before + 1))" "$T/web.log" >"$T/second.log"
check "polite across kill -9 of everything" check_log "$T/second.log" --delay 80ms --max-inflight 1
complete "after kill -9 of everything" "$T/site/expected.tsv" "$T/all" "" "$T/second.log"
check "resuming fetched only what was left" test "$(requests web)" -le $((before + $(expected_count "$T/site/expected.tsv") + 68))
finish

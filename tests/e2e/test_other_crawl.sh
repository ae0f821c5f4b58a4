#!/usr/bin/env bash
# A worker outlives the master of one crawl, and the next at the same address has another: to that the worker is new, and
# nothing that the first master knew counts. What the first crawl left unsealed stays, and is named.
. "$(dirname "$0")/lib.sh"
begin other_crawl
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 2 --port "$port" --pages 60 --ring || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
master() {
    start master "$TRAWL" master --dir "$T/$1" "${QUICK[@]}" --listen "$listen" --scope any --delay 40ms --seeds "$T/site/seeds.txt"
}
master first
start worker "$TRAWL" worker --master "$listen" --dir "$T/worker" --name w
fetched_at_least web 50 30 || fail "the first crawl goes on" "$(requests web) requests"
kill9 master
wait_until 1 false
before=$(requests web)
master second
check "the second crawl ends by itself" exits master 60 0
check "the worker cannot seal what is the first crawl's" exits worker 20 1
check "and says so" grep -q 'the master refuses: it is a segment of another crawl' "$T/worker.err"
tail -n "+$((before + 1))" "$T/web.log" >"$T/second.log"
check "the second crawl asked for every URL" check_log "$T/second.log" --expected "$T/site/expected.tsv"
export_jsonl "$T/second" >"$T/second.jsonl"
check "and has them all" test "$(grep -c '"state": *"fetched"' "$T/second.jsonl")" = "$(expected_count "$T/site/expected.tsv")"
"$TRAWL" verify "$T/second" "$T/worker" >"$T/verify.out" 2>&1
check "verify finds its records with the worker's" test $? = 0
finish

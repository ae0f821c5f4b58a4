#!/usr/bin/env bash
# A master with few descriptors, and more connections than it has of them: some that say nothing, some that never ask, some that
# ask and read no answer. The crawl goes on, others are answered, and the crawldb has the files that it needs.
. "$(dirname "$0")/lib.sh"
begin master_descriptors
need_trawl

port=$(free_port)
listen=$(free_port)
address=tcp://127.0.0.1:$listen
python3 "$WEB/gen.py" "$T/site" --count 2 --port "$port" --pages 150 --size 2000 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.1.1 127.0.1.2

start master bash -c "ulimit -Hn 200; exec '$TRAWL' master --dir '$T/m' --listen '$address' --http off --delay 20ms \
    --allow-net 127.0.0.0/8 --warc-size 64KiB --seeds '$T/site/seeds.txt'"
check "the master is up" wait_until 20 test -s "$T/m/master.addr"
for mode in silent idle deaf; do
    count=300
    [ "$mode" = deaf ] && count=8
    start "$mode" python3 "$E2E/rpc_peer.py" "$mode" 127.0.0.1 "$listen" "$count"
done
ready() {
    grep -q ready "$T/deaf.out"
}
check "peers that never read are there" wait_until 30 ready
start worker "$TRAWL" worker --dir "$T/w" --master "$address" --threads 1
answered() {
    timeout 5 "$TRAWL" status --master "$address" >"$T/status.txt"
}
check "an operator is answered meanwhile" wait_until 20 answered
check "the crawl ends by itself" exits master 120 0
check "... its worker, too" exits worker 30 0
check_not "the crawldb never failed" grep -i "crawldb failed\|too many open files" "$T/master.err" "$T/m/logs/master.log"
check "every page is there" test "$("$TRAWL" export "$T/m" --format jsonl | grep -c '"state":"fetched"')" -ge 300
cp "$T"/w/archive/*.warc.gz "$T/m/archive/" 2>/dev/null
check "verify finds nothing wrong" "$TRAWL" verify "$T/m"
finish

#!/usr/bin/env bash
# SIGINT once: finish, seal, exit 0, and a second run resumes. Twice: 130, and a second run resumes as well.
. "$(dirname "$0")/lib.sh"
begin sigint
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 3 --port "$port" --pages 50 --ring --redirects 2 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
crawl() {
    start crawl "$TRAWL" crawl --dir "$T/$1" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
        --scope any --delay 80ms --seeds "$T/site/seeds.txt"
}

# interrupt LABEL DIR: SIGINT to $1 (a pid, or -pid for the terminal's whole group), then a run that resumes.
for way in process group; do
    dir=once-$way
    before=$(requests web)
    crawl $dir
    fetched_at_least web $((before + 40)) 30 || fail "the crawl starts" "$(requests web) requests"
    if [ $way = process ]; then
        kill -INT "${PID[crawl]}"
    else
        kill -INT -- "-${PID[crawl]}"
    fi
    check "SIGINT once to the $way: exit 0" exits crawl 20 0
    check "... it stopped before the end" test "$(requests web)" -lt $((before + 150))
    "$TRAWL" export "$T/$dir" --format jsonl >"$T/export.jsonl"
    check "... everything is sealed and committed" check_warc --archive "$T/$dir/archive" --partial \
        --expected "$T/site/expected.tsv" --export "$T/export.jsonl"
    check "... trawl verify agrees" "$TRAWL" verify "$T/$dir"
    crawl $dir
    check "... a second run ends" exits crawl 60 0
    tail -n "+$((before + 1))" "$T/web.log" >"$T/$dir.log"
    check "... nothing was fetched twice, politely" check_log "$T/$dir.log" --refetch-max 0 --delay 80ms --max-inflight 1
    complete "... resumed" "$T/site/expected.tsv" "$T/$dir" "" "$T/$dir.log"
done

# Slow answers, so that one SIGINT has something to wait for when the second one comes.
slow=$(free_port)
python3 "$WEB/gen.py" "$T/slow" --addr 127.0.0.1 --port "$slow" --pages 12 --size 3000 || fail "gen.py"
NGINX_SERVER='location /s { limit_rate 1200; }'
nginx_start snail "$slow" "$T/slow" 127.0.0.1
lazy() {
    start crawl "$TRAWL" crawl --dir "$T/twice" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
        --delay 0 --host-connections 4 "http://127.0.0.1:$slow/"
}
under_way() {
    ss -tnH state established "dport = :$slow" | awk 'END { exit NR < 3 }'
}
lazy
wait_until 20 under_way || fail "slow transfers are under way"
kill -INT "${PID[crawl]}"
interrupted=$(now)
kill -INT "${PID[crawl]}"
check "SIGINT twice: exit 130" exits crawl 10 130
check "... at once" holds "$(now) - $interrupted < 3"
lazy
check "... a second run ends" exits crawl 60 0
complete "... resumed" "$T/slow/expected.tsv" "$T/twice" "" "$T/snail.log"
finish

#!/usr/bin/env bash
# A crawl whose end is called off, and whose workers leave while it goes on: URLs that are added at the very end are fetched or
# refused, never forgotten; a worker of `trawl crawl` that was stopped by somebody else comes again; with all of them
# drained the crawl stops and says so, and goes on when it is started again.
. "$(dirname "$0")/lib.sh"
begin phases
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 40 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.0.1
base=http://127.0.0.1:$port

# crawl DIR OPTION...: $master is its address
crawl() {
    local dir=$1
    shift
    master=tcp://127.0.0.1:$(free_port)
    start crawl "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "$master" "$@"
}
ctl() {
    "$TRAWL" ctl "$@" --master "$master"
}
worker_pid() {
    pgrep -P "${PID[crawl]}" -f -- "--name $1 "
}
pid_changed() {
    local pid
    pid=$(worker_pid "$1") && [ "$pid" != "$2" ]
}

# ---- added at the end ----------------------------------------------------------------------------------------
mkdir -p "$T/single"
echo '<p>no link' >"$T/single/index.html"
lone=$(free_port)
nginx_start lone "$lone" "$T/single" 127.0.0.1
crawl add --workers 2 --delay 100ms "http://127.0.0.1:$lone/"
wait_until 10 ctl pause || fail "the master answers"
ctl add "http://127.0.0.1:$lone/first" >"$T/ctl.txt" || fail "a paused crawl takes URLs"
ctl resume >"$T/ctl.txt"
taken=("http://127.0.0.1:$lone/first")
for n in $(seq 1 40); do
    sleep "0.0$((n * 7 % 10))"
    ctl add "http://127.0.0.1:$lone/added-$n" >"$T/ctl.txt" 2>&1 || break
    grep -q kept "$T/ctl.txt" || taken+=("http://127.0.0.1:$lone/added-$n")
done
check "URLs are added all the while: the crawl ends by itself" exits crawl 30 0
export_jsonl "$T/add" >"$T/export.jsonl"
forgotten() {
    local url
    for url in "${taken[@]}"; do
        grep -qF "\"url\":\"$url\",\"state\":\"failed\"" "$T/export.jsonl" || echo "$url"
    done
}
echo "# ${#taken[@]} were taken"
check "... and each of them was asked for" test -z "$(forgotten)"
check "... nothing is pending" test "$(grep -c '"state":"pending"' "$T/export.jsonl")" = 0

# ---- a worker that leaves ------------------------------------------------------------------------------------
crawl left --workers 1 --delay 200ms "$base/"
wait_until 20 worker_pid w1 || fail "the worker runs"
pid=$(worker_pid w1)
before=$(requests web)
fetched_at_least web $((before + 3)) 20 || fail "the crawl fetches"
kill -TERM "$pid"
check "a worker of the crawl is stopped by somebody else: it comes again" wait_until 20 pid_changed w1 "$pid"
check "... and the crawl ends" exits crawl 60 0
check "... with every page" test "$(export_jsonl "$T/left" | grep -c '"state":"fetched"')" -ge 40

# ---- drained ---------------------------------------------------------------------------------------------------
crawl drained --workers 2 --delay 300ms "$base/"
before=$(requests web)
fetched_at_least web $((before + 3)) 20 || fail "the crawl fetches"
check "a worker is drained" ctl drain w1
pid=$(worker_pid w2)
none_for 2 worker_pid w1 || wait_until 10 eval '! worker_pid w1'
check "... and stays away while another one works" none_for 2 worker_pid w1
check "the last one is drained, too" ctl drain w2
check "... then the crawl stops" exits crawl 20 0
check "... and says why" grep -q "every worker was drained" "$T/crawl.out"
crawl drained --workers 2 --delay 0 "$base/"
check "started again it ends" exits crawl 60 0
check "... with every page" test "$(export_jsonl "$T/drained" | grep -c '"state":"fetched"')" -ge 40
finish

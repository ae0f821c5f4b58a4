#!/usr/bin/env bash
# A worker's own trouble is no URL's doing: an archive that cannot be made or written, a worker that dies at each write. Alone,
# `trawl crawl` ends with exit 1 and one line that says why, and the same command fetches everything once that is mended; beside a
# good worker it costs no URL.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
begin sick_worker
need_trawl

port=$(free_port)
pages=40
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages $pages || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.0.1
seed=http://127.0.0.1:$port/

# crawl DIR [PREFIX...]
crawl() {
    local dir=$1
    shift
    start crawl "$@" "$TRAWL" crawl --dir "$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 2 \
        --delay 20ms "$seed"
}
fetched() {
    export_jsonl "$1" | grep -c '"state":"fetched"'
}
failed() {
    export_jsonl "$1" | grep -c '"state":"failed"'
}
# mended LABEL DIR: the same command again.
mended() {
    crawl "$2"
    check "$1: mended, the same command ends" exits crawl 60 0
    check "$1: ... with every page" test "$(fetched "$2")" = $pages
    check "$1: ... and verify agrees" "$TRAWL" verify "$2"
}
# tell_why TEXT: the last line, and only that, has it.
tell_why() {
    tail -n 1 "$T/crawl.err" | grep -qiE "$1" && [ "$(grep -ciE "$1" "$T/crawl.err")" = 1 ]
}

# ---- alone ---------------------------------------------------------------------------------------------------
mkdir -p "$T/in-the-way"
touch "$T/in-the-way/archive"
crawl "$T/in-the-way"
check "a file in the way of archive/: exit 1" exits crawl 30 1
check "... with a line that says so" tell_why "^trawl: .*archive.*not a directory"
rm "$T/in-the-way/archive"
mended "a file in the way" "$T/in-the-way"

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    mkdir -p "$T/read-only/archive"
    rm -f "$T/crawl.err"
    crawl "$T/read-only" unshare -m sh -c "mount --bind $T/read-only/archive $T/read-only/archive &&
        mount -o remount,ro,bind $T/read-only/archive && exec \"\$@\"" sh
    check "archive/ is read-only: exit 1" exits crawl 60 1
    check "... with a line that says so" tell_why "^trawl: no worker can work: w[12]: .*read-only file system"
    check "... no URL has failed" test "$(failed "$T/read-only")" = 0
    mended "read-only" "$T/read-only"
else
    skip "archive/ is read-only" "needs root and mount namespaces"
fi

mkdir -p "$T/link" "$T/elsewhere"
ln -s "$T/elsewhere" "$T/link/archive"
mended "archive/ is a link to another place" "$T/link"
check "... which has the segments" test -n "$(find "$T/elsewhere" -name '*.warc.gz')"

# ---- beside a good one -----------------------------------------------------------------------------------------
# Many small origins, so that the sick one gets something again and again.
ports=$(free_port)
python3 "$WEB/gen.py" "$T/sites" --count 12 --port "$ports" --pages 4 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/sites/seeds.txt")
nginx_start sites "$ports" "$T/sites" "${addrs[@]}"
pages=48
# beside DIR [PREFIX...]: a master, a good worker, and one that is started with PREFIX, again and again.
beside() {
    local dir=$1
    shift
    listen=tcp://127.0.0.1:$(free_port)
    start master "$TRAWL" master --dir "$dir" "${QUICK[@]}" --listen "$listen" --delay 1s --ip-connections 1 \
        --seeds "$T/sites/seeds.txt"
    # shellcheck disable=SC2016
    start sick bash -c 'while kill -0 "$1"; do "${@:2}"; echo "sick: exit $?"; sleep 0.1; done 2>&1' sh "${PID[master]}" "$@" \
        "$TRAWL" worker --dir "$dir-sick" --name sick --master "$listen" --threads 1 --connect-timeout 1s
    sleep 1
    start good "$TRAWL" worker --dir "$dir-good" --name good --master "$listen" --threads 1
}
sick_said() {
    "$TRAWL" status --master "$listen" >"$T/status.txt" && grep -qE "cannot work: .*$1" "$T/status.txt"
}

beside "$T/small" prlimit --fsize=64
check "a worker that can write nothing says so, and status shows it" wait_until 20 sick_said "File too large"
check "... beside a good one: the crawl ends" exits master 60 0
stop sick
check "... with every page" test "$(fetched "$T/small")" = $pages
check "... all by the good one" test "$(export_jsonl "$T/small" | grep -c '"worker":"good"')" = $pages
check "... its log says so, too" grep -q "worker sick cannot work" "$T/small/logs/master.log"

[ -r "$B/tests/faults.so" ] || fail "there is a library that makes faults" "no $B/tests/faults.so: run make unit"
with_faults "$T/faults.log" 'role=worker op=write path=*/archive/sick-* do=kill-before'
beside "$T/dies" "${WITH[@]}"
check "a worker that dies at each write, beside a good one: the crawl ends" exits master 60 0
stop sick
check "... it has died many times" test "$(grep -c 'exit 137' "$T/sick.out")" -gt 3
check "... with every page" test "$(fetched "$T/dies")" = $pages
check "... and none has failed" test "$(failed "$T/dies")" = 0
finish

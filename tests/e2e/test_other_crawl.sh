#!/usr/bin/env bash
# A worker's directory is for the records of one crawl. A worker that outlives the master of one crawl, and finds that of
# another at the same address, ends and says so; so does one that is started for it there. Nothing is written into the
# archive, and nothing that the first crawl had is lost.
. "$(dirname "$0")/lib.sh"
begin other_crawl
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 2 --port "$port" --pages 60 --ring || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
master() {
    start "master$1" "$TRAWL" master --dir "$T/$1" "${QUICK[@]}" --listen "$listen" --scope any --delay 40ms --seeds "$T/site/seeds.txt"
}
worker() {
    start "$1" "$TRAWL" worker --master "$listen" --dir "$T/$2" --name "$3"
}
archive() {
    (cd "$T/worker" && find archive crawl-id -type f -exec sha1sum {} + | sort)
}
said() {
    grep -q 'another crawl' "$T/$1.err" && grep -q -e 'another --dir' "$T/$1.err"
}

master first
worker w worker w
fetched_at_least web 50 30 || fail "the first crawl goes on" "$(requests web) requests"
kill9 masterfirst
# Until its lease is over it works on.
settled() {
    archive >"$T/before"
    wait_until 2 false
    archive | cmp -s "$T/before" -
}
wait_until 30 settled || fail "without a master it comes to rest"
before=$(requests web)
master second
check "a worker of the first crawl ends when it meets the second" exits w 20 1
check "and says why, and what is accepted" said w
worker v worker v
check "so does one that is started there under another name" exits v 20 1
check "and says it, too" said v
archive >"$T/after"
check "neither has written into the archive" cmp "$T/before" "$T/after"

worker other other w
check "the second crawl ends by itself with a worker that has a directory of its own" exits mastersecond 60 0
check "and that worker does" exits other 20 0
tail -n "+$((before + 1))" "$T/web.log" >"$T/second.log"
check "the second crawl asked for every URL" check_log "$T/second.log" --expected "$T/site/expected.tsv"
"$TRAWL" verify "$T/second" "$T/other" >"$T/verify.out" 2>&1
check "verify finds its records with the worker's" test $? = 0

master first
worker w worker w
check "the first crawl goes on where it was" exits masterfirst 60 0
check "with its worker" exits w 20 0
"$TRAWL" verify "$T/first" "$T/worker" >"$T/verify.out" 2>&1
check "verify finds its records there" test $? = 0
export_jsonl "$T/first" >"$T/first.jsonl"
check "and it has every page" test "$(grep -c '"state": *"fetched"' "$T/first.jsonl")" = "$(expected_count "$T/site/expected.tsv")"

# A directory of a version that did not write down whose it is.
rm "$T/worker/crawl-id"
master third
worker old worker w
check "what the segments are called says whose they are, when nothing else does" exits old 20 1
check "and that is said" said old
kill9 masterthird
finish

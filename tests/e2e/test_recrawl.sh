#!/usr/bin/env bash
# What is found again: identical payloads become revisit records, which refer to records that are there; --recrawl asks
# only for what has changed, also when its master is killed at its start and amid it.
. "$(dirname "$0")/lib.sh"
begin recrawl
need_trawl

port=$(free_port)
site=http://127.0.2.1:$port
mkdir -p "$T/site/www/127.0.2.1:$port"
www=$T/site/www/127.0.2.1:$port
python3 - "$www" <<'PY'
import os, sys
os.chdir(sys.argv[1])
same = "<p>" + "The same on every page. " * 40
with open("index.html", "w") as f:
    f.write("<p>" + "".join('<a href="same%d.html">%d</a> <a href="own%d.html">%d</a> ' % (i, i, i, i) for i in range(30)))
for i in range(30):
    open("same%d.html" % i, "w").write(same)
    open("own%d.html" % i, "w").write("<p>" + "Page %d, as it was. " % i * 40)
    open("tiny%d.html" % i, "w").write("<p>tiny")
PY
nginx_start web "$port" "$T/site" 127.0.2.1
crawl() {
    local dir=$1
    shift
    start crawl "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --delay "${DELAY:-0}" "$@"
}
# records DIR TYPE: how many there are in the archive.
records() {
    zcat "$T/$1"/archive/*.warc.gz | grep -ac "^WARC-Type: $2"
}
# verified DIR [WORKER-DIR...]
verified() {
    "$TRAWL" verify "$T/$1" "${@:2}" | tee "$T/verify.out" | tail -n 1 | grep -q ' 0 problems'
}

DELAY=20ms crawl d --warc-size 4KiB --workers 1 --threads 1 "$site/"
check "a crawl of pages of which half are the same" exits crawl 60 0
check "... verify" verified d
check "... it has revisit records, for most of the same" holds "$(records d revisit) >= 10 && $(records d revisit) <= 29"
check "... and one record a URL" holds "$(records d response) + $(records d revisit) == 61"
# The segment with the record that most others refer to.
original() {
    local f
    for f in "$1"/archive/*.warc.gz; do
        zcat "$f" | grep -a -A4 "^WARC-Type: response" | tr -d "\r" | grep -qax "$2" && echo "$f"
    done
}
referred=$(zcat "$T"/d/archive/*.warc.gz | grep -a "^WARC-Refers-To-Target-URI: " | head -n 1 | tr -d '\r' | cut -d' ' -f2)
cp -r "$T/d" "$T/x"
rm "$(original "$T/x" "WARC-Target-URI: $referred")"
check_not "the segment that they refer to is gone: verify fails" verified x
check "... and says so" grep -q "refers to a record that is not there" "$T/verify.out"

# ---- a second round ------------------------------------------------------------------------------------------------
# since N: the log from its line N + 1.
since() {
    tail -n "+$(($1 + 1))" "$T/web.log"
}
first=$(requests web)
crawl e --workers 2 "$site/"
check "a first round" exits crawl 60 0
check "... its 61 URLs" holds "$(requests web) - $first == 62"
again=$(records e revisit)      # of those no validators are kept: they are fetched again
bodies "what the rounds so far archived is what was sent"
sleep 1.1      # Last-Modified counts whole seconds
echo "<p>Page 3, changed. $(seq 100)" >"$www/own3.html"
echo '<p>New. <a href="/new2.html">2</a>' >"$www/new.html"
echo '<p>New, too.' >"$www/new2.html"
echo "<p>Page 4 leads on. <a href=/new.html>new</a>" >"$www/own4.html"
rm "$www/own5.html"
first=$(requests web)
crawl e --workers 2 --recrawl
check "a second round" exits crawl 60 0
# answers STATUS: how many of the round.
answers() {
    since "$first" | awk -F'\t' -v s="$1" '$9 == s { n++ } END { print n + 0 }'
}
check "... asks for everything that is known, and what is new, once" holds "$(requests web) - $first == 63"
check "... what has not changed is not sent" holds "$(answers 304) == 58 - ${again:-0}"
check "... what has, and what is new, is" holds "$(answers 200) == 4 + ${again:-0}"
check "... verify" verified e
"$TRAWL" export "$T/e" --format jsonl >"$T/rows"
# rows EXPRESSION: how many rows of the export it holds for; r is the row.
rows() {
    python3 -c 'import json, sys
print(sum(bool(eval(sys.argv[1])) for r in map(json.loads, open(sys.argv[2]))))' "$1" "$T/rows"
}
check "... one row a URL, those of 304 with digest and type of what was there" holds \
    "$(rows 'r["state"] == "fetched" and r["digest"] and r["mime"] == "text/html"') == 62 && $(rows True) == 63"
check "... the one that is gone has failed" holds "$(rows 'r["state"] == "failed" and r["reason"] == "http-404"') == 1"
check "... the index has both rounds" holds "$(lines "$T/e/index.cdxj") == 61 + 63"
check "... and 58 revisits at least" holds "$(grep -c '"warc/revisit"' "$T/e/index.cdxj") >= 58"

# ---- killed amid a round --------------------------------------------------------------------------------------------
# crawl_dir: the processes of the crawl, the first one first.
pids() {
    pgrep -f -- "--dir $T/e"
}
first=$(requests web)
DELAY=15ms crawl e --workers 2 --recrawl
wait_until 20 at_least web $((first + 20))
for pid in $(pids); do
    kill -KILL "$pid"
done
wait_exit crawl 10
check "killed amid the third round, the rest are asked for by the same command" test "$(requests web)" -lt $((first + 60))
DELAY=0 crawl e --workers 2 --recrawl
check "... which ends" exits crawl 60 0
check "... verify" verified e
check "... every URL was asked for once, but for those in flight" \
    holds "$(requests web) - $first >= 63 && $(requests web) - $first <= 63 + 25"
"$TRAWL" export "$T/e" --format jsonl >"$T/rows"
check "... nothing is pending" holds "$(rows 'r["state"] == "pending"') == 0 && $(rows True) == 63"

# ---- what 304 spoke of is gone ----------------------------------------------------------------------------------------
port2=$(free_port)
start master "$TRAWL" master --keep --recrawl --dir "$T/e" "${QUICK[@]}" --listen "tcp://127.0.0.1:$port2"
# forgotten WORKER: also when it never had any of them.
forgotten() {
    "$TRAWL" ctl forget "$1" --master "tcp://127.0.0.1:$port2" 2>&1 | grep -qE "will be fetched again|no segment of a worker"
}
check "forgetting the workers that have the payloads" wait_until 10 forgotten w1
check "... both" wait_until 10 forgotten w2
rm -r "$T/e/archive"
first=$(requests web)
start w9 "$TRAWL" worker --master "tcp://127.0.0.1:$port2" --dir "$T/w9" --threads 1
check "... all is fetched again" wait_until 20 at_least web $((first + 63))
"$TRAWL" ctl stop --master "tcp://127.0.0.1:$port2" >/dev/null
check "... the master ends" exits master 30 0
exits w9 30 0 || fail "the worker leaves"
check "... without condition" test "$(answers 304)" = 0
check "... verify" verified e "$T/w9"

# ---- only the worker with the payloads is lost ------------------------------------------------------------------------
# round WORKER: one of its own in $T/WORKER.
round() {
    local port
    port=$(free_port)
    start master "$TRAWL" master --recrawl --dir "$T/f" "${QUICK[@]}" --listen "tcp://127.0.0.1:$port" --delay 0 "$site/"
    start worker "$TRAWL" worker --master "tcp://127.0.0.1:$port" --dir "$T/$1" --name "$1" --threads 1
    exits master 40 0 && exits worker 30 0
}
check "a round of one worker" round a
check "... and one of another" round b
modified=$(records b revisit)
check "... which has revisit records" test "$modified" -gt 20
check "... verify" verified f "$T/a" "$T/b"
port2=$(free_port)
start master "$TRAWL" master --keep --dir "$T/f" "${QUICK[@]}" --listen "tcp://127.0.0.1:$port2"
check "forgetting the first" wait_until 10 forgotten a
rm -r "$T/a"
start w9 "$TRAWL" worker --master "tcp://127.0.0.1:$port2" --dir "$T/c" --name c --threads 1
none_pending() {
    "$TRAWL" status --master "tcp://127.0.0.1:$port2" --json | python3 -c 'import json, sys
sys.exit(json.load(sys.stdin)["urls"]["pending"] != 0)'
}
check "... all is fetched again" wait_until 20 none_pending
"$TRAWL" ctl stop --master "tcp://127.0.0.1:$port2" >/dev/null
check "... the master ends" exits master 30 0
exits w9 30 0 || fail "the worker leaves"
check "... verify: what the other said of it stays" verified f "$T/b" "$T/c"
check "... in the index, too" holds "$("$TRAWL" export "$T/f" --format cdxj | grep -c '"warc/revisit"') >= $modified"
finish

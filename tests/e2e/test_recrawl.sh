#!/usr/bin/env bash
# What is found again: identical payloads become revisit records, which refer to records that are there.
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
verified() {
    "$TRAWL" verify "$T/$1" | tee "$T/verify.out" | tail -n 1 | grep -q ' 0 problems'
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
finish

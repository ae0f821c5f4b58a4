#!/usr/bin/env bash
# What is damaged in an archive is named: file, offset, URL, and nothing else; jobs read on behind it. In a directory whose name
# has all that a shell would take for something else.
. "$(dirname "$0")/lib.sh"
begin verify
need_trawl

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 1 --port "$port" --pages 30 --size 1500 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.1.1
# shellcheck disable=SC2016,SC1003
D=$T/'x[1] *?{a,b} $HOME \'
start crawl "$TRAWL" crawl --dir "$D" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 --delay 0s --quiet \
    --seeds "$T/site/seeds.txt"
check "a crawl in a directory of an odd name ends" exits crawl 60 0
check "verify agrees" "$TRAWL" verify "$D"
# shellcheck disable=SC2016
check "... and says of how many records" bash -c '"$1" verify "$2" | grep -q "^[1-9][0-9]* committed records in 1 segments, 0 problems"' - "$TRAWL" "$D"

# told DIR COUNT TEXT...: verify exits with 1 and says so many problems, each text in one of them.
told() {
    local dir=$1 count=$2 rc=0 text
    shift 2
    "$TRAWL" verify "$dir" >"$T/verify.out" 2>&1 || rc=$?
    cat "$T/verify.out"
    [ "$rc" = 1 ] && grep -q ", $count problems\$" "$T/verify.out" || return 1
    for text; do
        grep -qF -- "$text" "$T/verify.out" || return 1
    done
}
# damage DIR ROW: one bit in the middle of the ROW-th record by offset; prints its file, offset and URL.
damage() {
    "$TRAWL" export "$1" --format jsonl | python3 -c '
import json, os, sys
rows = sorted((r for r in map(json.loads, sys.stdin) if r["warc_file"]), key=lambda r: r["warc_offset"])
r = rows[int(sys.argv[2])]
with open(os.path.join(sys.argv[1], r["warc_file"]), "r+b") as f:
    f.seek(r["warc_offset"] + r["warc_length"] // 2)
    b = f.read(1)
    f.seek(-1, 1)
    f.write(bytes([b[0] ^ 0x10]))
print(r["warc_offset"], r["url"])' "$1" "$2"
}
BAD=$T/$'bad\n[2]'
cp -r "$D" "$BAD"
read -r offset url < <(damage "$BAD" 7)
check "a damaged record: its file, offset and URL are told, and no other's" told "$BAD" 1 ".warc.gz at $offset: damaged" ": $url"
start links "$TRAWL" job run links --json --quiet --input "$BAD" --output "$T/links"
check "a job over it ends" exits links 60 0
check "... and counts the record" grep -q '"records damaged": *1' "$T/links.out"
start good "$TRAWL" job run links --json --quiet --input "$D" --output "$T/good"
check "a job over the sound one ends" exits good 60 0
# By source: the pages whose links are there.
sources() {
    cut -f2 "$1"/part-* | LC_ALL=C sort -u
}
check "... and has the pages of the damaged one, but for that" diff <(sources "$T/links") <(sources "$T/good" | grep -vxF "$url")
check "an index is written from the crawldb all the same" "$TRAWL" export "$BAD" --format cdxj

cp -r "$D" "$T/moved"
sed -i '3s/"offset": "\([0-9]*\)"/"offset": "9\1"/' "$T/moved/index.cdxj"
check "a line of the index that points elsewhere" told "$T/moved" 1 'index.cdxj at' 'points to no committed record'
"$TRAWL" verify "$D" "$T/nowhere" >"$T/nowhere.out"
check "a worker's directory that is not there: exit 1" test $? = 1
check "... and its name" grep -q 'nowhere/archive.*cannot be read' "$T/nowhere.out"
finish

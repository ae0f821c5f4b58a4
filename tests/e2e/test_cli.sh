#!/usr/bin/env bash
# The commands as a user meets them: help, version, status, ctl, export, verify.
. "$(dirname "$0")/lib.sh"
begin cli
need_trawl

says() {        # says PATTERN COMMAND...: exit 0, and standard output matches
    local pattern=$1
    shift
    "$@" >"$T/says.txt" 2>"$T/says.err" || { echo "exit $?: $(head -n 3 "$T/says.err")"; return 1; }
    grep -qE -- "$pattern" "$T/says.txt" || { head -n 5 "$T/says.txt"; return 1; }
}
check "--version" says '^trawl [0-9]+\.[0-9]+' "$TRAWL" --version
check "--help" says 'crawl' "$TRAWL" --help
for cmd in crawl master worker status ctl export verify; do
    check "$cmd --help" says "trawl $cmd" "$TRAWL" $cmd --help
done
for option in --dir --workers --scope --include --exclude --seeds --max-pages --max-depth --max-time --max-bytes \
    --max-pages-per-host --delay --host-connections --ip-connections --user-agent --contact --robots --allow-net \
    --timeout --max-body --retries --listen --http --heartbeat --lease --warc-size --config --quiet --verbose \
    --log-format --threads --transfers; do
    grep -qe "$option" <("$TRAWL" crawl --help) || missing+=" $option"
done
check "crawl --help names every option" test -z "${missing:-}"

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
http=127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 300 --redirects 3 --missing 2 --disallow 4 \
    || fail "gen.py"
python3 "$WEB/gen.py" "$T/more" --addr 127.0.0.2 --port "$port" --pages 5 || fail "gen.py"
cp -r "$T/more/www/127.0.0.2:$port" "$T/site/www/"
nginx_start web "$port" "$T/site" 127.0.0.1 127.0.0.2
start master "$TRAWL" master --dir "$T/crawl" --heartbeat 200ms --lease 2s --allow-net 127.0.0.0/8 --listen "$listen" \
    --http "$http" --delay 50ms --user-agent 'lamp/1.0 (test)' --keep "http://127.0.0.1:$port/"
start w1 "$TRAWL" worker --master "$listen" --dir "$T/worker" --name w1
fetched_at_least web 10 20 || fail "the crawl starts"

is_json() {
    "$TRAWL" status --master "$listen" --json >"$T/status.json" && python3 -m json.tool "$T/status.json" >/dev/null
}
check "status" says '[0-9]' "$TRAWL" status --master "$listen"
check "status --json is JSON" is_json
check "the status page answers" curl -fsS -m 5 -o "$T/page.html" "http://$http/"
check "... and the metrics" curl -fsS -m 5 -o "$T/metrics.txt" "http://$http/metrics"

costs() {
    is_json && python3 -c "import json, sys
c = json.load(open('$T/status.json'))['cost']
s = c['stages_us']
sys.exit(not (c['pages'] > 0 and abs(sum(s.values()) - c['cpu_us']) == 0 and all(s[k] > 0 for k in ('transfer', 'parse',
    'compress', 'write', 'rpc', 'commit'))))"
}
check "what the pages cost, by stage" wait_until 10 costs

check "ctl pause" "$TRAWL" ctl pause --master "$listen"
settled() {             # no request for a second
    local n
    n=$(requests web)
    ! wait_until 1 at_least web $((n + 1))
}
check "... and the server gets no more requests" wait_until 10 settled
check "ctl resume" "$TRAWL" ctl resume --master "$listen"
n=$(requests web)
check "... and requests come again" fetched_at_least web $((n + 5)) 10
check "ctl add URL" "$TRAWL" ctl add "http://127.0.0.2:$port/" --master "$listen"
added() {
    [ "$(awk -F'\t' '$7 == "127.0.0.2" && $12 != "/robots.txt"' "$T/web.log" | wc -l)" -ge 5 ]
}
check "... and its site is crawled" wait_until 20 added
cat "$T/site/expected.tsv" "$T/more/expected.tsv" >"$T/expected.tsv"
want=$(expected_count "$T/expected.tsv")
check "all pages are fetched" fetched_at_least web $((want + 2)) 60
check "--keep: the master stays up" running master
check "ctl stop" "$TRAWL" ctl stop --master "$listen"
check "... the master exits 0" exits master 20 0
check "... the worker exits 0" exits w1 20 0
check "a summary on standard output" grep -qE 'CPU +[0-9.]+ us a page: [a-z]+ [0-9]' "$T/master.out"
check "robots.txt once, the user agent as told" check_log "$T/web.log" --robots-max 1 --refetch-max 0 --agent 'lamp/1.0'
complete "the crawl" "$T/expected.tsv" "$T/crawl" "$T/worker/archive" "$T/web.log"

# Exports: as many rows as URLs, each in its form.
rows=$(wc -l <"$T/export.jsonl")
check "export csv: a heading and one row a URL" python3 -c '
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
head = ("url state reason status depth via mime length digest fetched_at duration_ms attempts worker ip redirect_to "
        "warc_file warc_offset warc_length").split()
sys.exit(0 if rows[0] == head and len(rows) == 1 + int(sys.argv[2]) and all(len(r) == len(head) for r in rows) else 1)
' <("$TRAWL" export "$T/crawl" --format csv) "$rows"
check "export jsonl: every field of the contract" python3 -c '
import json, sys
head = set("url state reason status depth via mime length digest fetched_at duration_ms attempts worker ip redirect_to "
           "warc_file warc_offset warc_length".split())
for line in open(sys.argv[1]):
    row = json.loads(line)
    assert head == set(row), sorted(head ^ set(row))
    if row["state"] == "fetched" and row["status"] == 200:
        assert row["ip"].startswith("127.0.0.") and row["mime"].startswith("text/html") and row["worker"] == "w1", row
        assert row["digest"].startswith("sha1:") and row["length"] > 5000 and row["attempts"] == 1, row
        assert row["fetched_at"].startswith("20") and row["depth"] >= 0, row
    if row["state"] == "redirected":
        assert row["redirect_to"].startswith("http://127.0.0.1:"), row
' "$T/export.jsonl"
# shellcheck disable=SC2016
check "export cdxj: sorted" bash -c '"$1" export "$2" --format cdxj >"$3" && [ -s "$3" ] && LC_ALL=C sort -c "$3"' - \
    "$TRAWL" "$T/crawl" "$T/index"
check "export links" says 'http://127.0.0.1' "$TRAWL" export "$T/crawl" --format links
check "index.cdxj was written" test -s "$T/crawl/index.cdxj"
check "crawl.conf was written" test -s "$T/crawl/crawl.conf"
check "a log was written" test -s "$T/crawl/logs/master.log"

# verify: agrees, and then not, once a byte of an archive is changed or a segment is gone.
port2=$(free_port)
nginx_start web2 "$port2" "$T/site/www/127.0.0.2:$port" 127.0.0.1
start crawl "$TRAWL" crawl --dir "$T/local" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 --delay 0 \
    --include "^http://127\\.0\\.0\\.1:$port2/" "http://127.0.0.1:$port2/"
check "a small crawl" exits crawl 30 0
check "verify agrees" "$TRAWL" verify "$T/local"
segment=$(find "$T/local/archive" -name '*.warc.gz' -size +0 | head -n 1)
cp -r "$T/local" "$T/bad"
python3 - "$T/bad/archive/${segment##*/}" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2)
    size = f.tell()
    f.seek(size // 2)
    byte = f.read(1)
    f.seek(size // 2)
    f.write(bytes([byte[0] ^ 0x55]))
PY
check_not "verify finds a changed byte" "$TRAWL" verify "$T/bad"
rm -f "$T"/bad/archive/*.warc.gz
check_not "verify finds a segment missing" "$TRAWL" verify "$T/bad"
finish

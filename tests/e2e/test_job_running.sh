#!/usr/bin/env bash
# Jobs on a crawl that runs, given out by its own master: both end as they should, whoever ends first; list, status, cancel; what
# the status page shows; the master is killed and started again in the middle of a job.
. "$(dirname "$0")/lib.sh"
begin job_running
need_trawl
WORDS=$B/tests/jobs/words.so
[ -r "$WORDS" ] || fail "there is a job of the tests" "no $WORDS: run make unit"

port=$(free_port)
http=$(free_port)
address=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 1 --port "$port" --pages 80 --size 3000 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.1.1
crawl() {
    start crawl "$TRAWL" crawl --dir "$T/crawl" "${QUICK[@]}" --http "127.0.0.1:$http" --listen "$address" --workers 2 \
        --delay $((70 * SCALE))ms --quiet --warc-size 16KiB --seeds "$T/site/seeds.txt"
}
job() {
    local name=$1
    shift
    start "$name" "$TRAWL" job run --json --quiet "$@"
}
python3 - "$T/text" <<'PY'
import sys
open(sys.argv[1], "w").write("one two three four\n" * 1000)
PY
crawl
sealed() {
    [ "$(find "$T/crawl/archive" -name '*.warc.gz' 2>/dev/null | wc -l)" -ge "$1" ]
}
check "segments are sealed while the crawl runs" wait_until 20 sealed 3
"$TRAWL" ctl pause --master "$address" >"$T/pause.txt"        # until all that follows has begun, however slow this machine is

# ---- a job that ends first --------------------------------------------------------------------------------------
mkdir -p "$T/before/archive" "$T/after"
cp "$T"/crawl/archive/*.warc.gz "$T/before/archive/"
job pages wordcount --master "$address" --workers 2 --input "$T/crawl" --output "$T/pages.d"
check "word count over what is sealed: the job ends" exits pages 30 0
check "... and the crawl goes on" running crawl

# ---- asked about, cancelled -------------------------------------------------------------------------------------
# A name that is no good for a terminal or for HTML.
cp "$WORDS" "$T/<i>&$(printf '\u202e')odd.so"
start odd "$TRAWL" job run "$T/<i>&$(printf '\u202e')odd.so" --quiet --master "$address" --reduces 3 --output "$T/odd.d" "$T/text" -- plain x
listed() {
    "$TRAWL" job list --dir "$T/crawl" >"$T/list.txt" && grep -q "$1" "$T/list.txt"
}
check "job list has both: the one that is done" wait_until 10 listed '^1 done      wordcount'
check "... and the one that waits for workers, its name escaped" wait_until 10 listed '^2 running   <i>&\\xe2\\x80\\xaeodd maps 0/1 reduces 0/3 '
check "job status tells of one" grep -q '^job 2 .*odd running' <("$TRAWL" job status 2 --master "$address")
check "status has a line for the one that runs, and for no other" test "$("$TRAWL" status --master "$address" | grep '^job ')" \
    = 'job      2 <i>&\xe2\x80\xaeodd maps 0/1 reduces 0/3'
curl -s "http://127.0.0.1:$http/" >"$T/page.html"
check "the status page has a table of jobs" grep -q '<tr><td>1</td><td>wordcount</td><td>done</td><td></td><td>[1-9][0-9]* of ' "$T/page.html"
check "... names escaped" grep -q '<tr><td>2</td><td>&lt;i&gt;&amp;.*odd</td><td>running</td><td></td><td>0 of 1, 0 running</td>' "$T/page.html"
nobody() {
    grep -q "no worker of that master runs tasks: start some with trawl worker --tasks N --master $address" "$T/odd.err"
}
check "job run says that nobody runs tasks" wait_until 10 nobody
"$TRAWL" job cancel 2 --dir "$T/crawl" >"$T/cancel.txt"
check "job cancel cancels it" grep -q '^2 cancelled' "$T/cancel.txt"
check "... and its job run ends" exits odd 10 1
check "... and says why" grep -q 'was cancelled: cancelled by an operator' "$T/odd.err"
check "... and the crawl goes on" running crawl

# ---- the master is killed; the crawl ends first ----------------------------------------------------------------
start slow "$TRAWL" job run --quiet --master "$address" --workers 2 --split-size 4KiB --task-timeout 5m --output "$T/slow.d" \
    --shell --map "while [ ! -e '$T/go' ]; do sleep 0.1; done; tr ' ' '\\n'" --reduce "uniq -c | awk '{ print \$2, \$1 }'" "$T/text"
at_work() {
    "$TRAWL" job status 3 --master "$address" | grep -q 'maps      0 done, 2 running'
}
check "a job that waits for a file begins" wait_until 20 at_work
kill9 crawl
waits() {
    grep -q 'waiting for the master to come back' "$T/slow.err"
}
check "the master is killed: job run waits for it" wait_until 20 waits
crawl
check "it is started again" wait_until 20 "$TRAWL" ctl resume --master "$address"
stopping() {
    "$TRAWL" status --master "$address" | grep -q '^stopping for .*frontier empty'
}
check "... and its crawl has fetched all" wait_until 40 stopping
check "... it waits for the job" running crawl
check "... which goes on" wait_until 10 at_work
touch "$T/go"
check "the job ends" exits slow 30 0
check "... with the right output" diff <(LC_ALL=C sort "$T/slow.d"/part-*) <(printf '%s 1000\n' four one three two)
check "then the crawl ends" exits crawl 20 0
complete "all of it" "$T/site/expected.tsv" "$T/crawl" "$T/crawl/archive" "$T/web.log"

# ---- what the first job counted ---------------------------------------------------------------------------------
job before wordcount --workers 1 --input "$T/before" --output "$T/before.d"
job after wordcount --workers 1 --input "$T/crawl" --output "$T/after.d"
check "the pages that were sealed before it are counted" exits before 30 0
check "... and all in the end" exits after 30 0
check "the job on the running crawl counted all of the first, and none that is not in the end" python3 - "$T/before.d" "$T/pages.d" "$T/after.d" <<'PY'
import glob, sys
def read(d):
    return {w: int(n) for p in glob.glob(d + "/part-*") for w, n in (line.split() for line in open(p))}
before, job, after = map(read, sys.argv[1:])
assert before and all(n <= job.get(w, 0) for w, n in before.items())
assert job and all(n <= after.get(w, 0) for w, n in job.items())
PY
finish

#!/usr/bin/env bash
# A crawl to watch: a small web on loopback, a master, three workers; one worker is killed on the way.
#
#   scripts/demo.sh        (`make demo` builds first)
#
# Environment: B, the build directory; DEMO_DIR, where the results go (default $B/demo).
# shellcheck source=SCRIPTDIR/../tests/e2e/lib.sh
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin demo
need_trawl
out=${DEMO_DIR:-$B/demo}
short=${out#"$TOP/"}
rm -rf "$out"
mkdir -p "$out"

say() {
    printf '\n\033[1m%s\033[0m\n' "$*"
}
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
die() {
    echo "demo: $*" >&2
    keep_logs
    exit 1
}

say "1. A small web on loopback: an almanac of lighthouses, their keepers and ships (3 sites, 306 pages)"
port=$(free_port)
python3 "$WEB/demo.py" "$T/site" --port "$port" || die "no web to serve"
nginx_start web "$port" "$T/site" 127.0.0.1 127.0.0.2 127.0.0.3
sed 's/^/   /' "$T/site/seeds.txt"

say "2. A master and three workers"
listen=tcp://127.0.0.1:$(free_port)
http=127.0.0.1:$(free_port)
args=(--dir "$out/master" --scope any --allow-net 127.0.0.0/8 --delay 120ms --heartbeat 300ms --lease 2s)
echo "   trawl master ${args[*]//"$TOP/"/} --seeds seeds.txt"
start master "$TRAWL" master "${args[@]}" --seeds "$T/site/seeds.txt" --listen "$listen" --http "$http"
worker() {
    start "$1" "$TRAWL" worker --master "$listen" --dir "$out/$1" --name "$1"
}
for name in ada bram cora; do
    echo "   trawl worker --master $listen --dir $short/$name --name $name"
    worker $name
done
echo "   status page while it runs: http://$http/"

# One line: what each site's server has answered, and which workers live.
progress() {
    local a line alive=
    line=$(printf '   %5.1f s ' "$(calc "$(now) - $begun")")
    for a in 1 2 3; do
        line+=$(printf '  %s %3d' "$(sed -n ${a}p <<<$'lights\nkeepers\nships')" \
            "$(cut -f7 "$T/web.log" | grep -cx "127.0.0.$a")")
    done
    for a in ada bram cora; do
        running $a && alive+=" $a"
    done
    echo "$line   workers:$alive"
}
# watch LIMIT COMMAND...: a progress line each second until the command succeeds; 1 after LIMIT seconds.
watch() {
    local i limit=$1
    shift
    for ((i = 0; i < limit; i++)); do
        wait_until 1 "$@" && return 0
        progress
    done
    return 1
}

say "3. The crawl, as the web server's log sees it: requests answered, a site"
begun=$(now)
watch 30 at_least web 110 || die "the crawl does not start"
progress

victim=bram
say "4. kill -9: $victim dies in the middle of its work (pid ${PID[$victim]})"
kill9 $victim
at=$(requests web)
echo "   Its lease runs out in 2 s; then its site goes to another worker. Only what it had not committed is fetched again."
watch 15 at_least web $((at + 75)) || die "the others do not go on"
progress

say "5. $victim is started again in the same directory: what it had archived and committed is kept"
worker $victim
watch 60 ended master || die "the crawl does not end"
progress
wait_exit master 5
[ "${RC[master]:-1}" = 0 ] || die "the master ended with exit code ${RC[master]:-?}"
for name in ada bram cora; do
    wait_exit $name 15 || die "$name does not leave"
done

say "6. The master's summary"
sed 's/^/   /' "$T/master.out"

say "7. Checked from outside, by the server's log and an independent reader of the archives"
archives=()
for name in ada bram cora; do
    archives+=(--archive "$out/$name/archive")
done
"$TRAWL" export "$out/master" --format jsonl >"$out/crawl.jsonl" || die "no export"
check_log "$T/web.log" --expected "$T/site/expected.tsv" --delay 120ms --max-inflight 1 --refetch-max 50 |
    sed 's/^# /   /'
[ "${PIPESTATUS[0]}" = 0 ] || die "the server's log shows a violation"
if [ -d "$TOP/tests/warcio/node_modules" ]; then
    check_warc "${archives[@]}" --expected "$T/site/expected.tsv" --export "$out/crawl.jsonl" | sed 's/^# /   /'
    [ "${PIPESTATUS[0]}" = 0 ] || die "the archives show a violation"
    echo "   every page exactly once, each digest right, no request closer than the delay"
fi

say "Results"
echo "   $short/crawl.jsonl            one line a URL"
echo "   $short/*/archive/*.warc.gz    the pages, as the servers sent them"
if "$TRAWL" report "$out/master" >/dev/null 2>&1 && [ -s "$out/master/report.html" ]; then
    echo "   $short/master/report.html     the report"
fi
exit 0

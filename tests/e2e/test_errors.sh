#!/usr/bin/env bash
# What goes wrong is said in one clear line, with the right exit code, and nothing is lost.
. "$(dirname "$0")/lib.sh"
begin errors
need_trawl

# says_wrong CODE "WORD WORD..." COMMAND...: that exit code, one line on standard error with every word, nothing else.
says_wrong() {
    local code=$1 words=$2 word rc
    shift 2
    timeout -k 2 $((10 * SCALE)) env --default-signal=PIPE "$@" >"$T/said.out" 2>"$T/said.err" </dev/null
    rc=$?
    [ "$rc" = "$code" ] || { echo "exit $rc, $code was due"; head -n 5 "$T/said.err"; return 1; }
    [ "$(wc -l <"$T/said.err")" = 1 ] || { echo "not one line:"; head -n 5 "$T/said.err"; return 1; }
    for word in $words; do
        grep -qiF -- "$word" "$T/said.err" || { echo "no '$word' in:"; cat "$T/said.err"; return 1; }
    done
}
# usage "WORDS" ARGUMENTS...: wrong usage of trawl.
usage() {
    local words=$1
    shift
    check "usage: trawl ${*//"$T"/DIR}" says_wrong 2 "$words" "$TRAWL" "$@"
}
seed=http://127.0.0.1:9/
dir=(--dir "$T/none")
# shellcheck disable=SC2016
check "no command: exit 2" bash -c '"$1" >/dev/null 2>&1; [ $? = 2 ]' - "$TRAWL"
usage "fly crawl" fly
usage "URL" crawl "${dir[@]}"
usage "--no-such-option" crawl "${dir[@]}" --no-such-option $seed
usage "--delay banana 500ms" crawl "${dir[@]}" --delay banana $seed
usage "--delay -1s" crawl "${dir[@]}" --delay=-1s $seed
usage "--timeout 99999999999999h" crawl "${dir[@]}" --timeout 99999999999999h $seed
usage "--lease 10q" crawl "${dir[@]}" --lease 10q $seed
usage "--scope planet host domain prefix any" crawl "${dir[@]}" --scope planet $seed
usage "--robots maybe obey ignore" crawl "${dir[@]}" --robots maybe $seed
usage "--log-format xml text json" crawl "${dir[@]}" --log-format xml $seed
usage "--workers 0" crawl "${dir[@]}" --workers 0 $seed
usage "--workers many" crawl "${dir[@]}" --workers many $seed
usage "--host-connections -3" crawl "${dir[@]}" --host-connections=-3 $seed
usage "--max-pages 1e99" crawl "${dir[@]}" --max-pages 1e99 $seed
usage "--max-body 12Q MiB" crawl "${dir[@]}" --max-body 12Q $seed
usage "--warc-size big MiB" crawl "${dir[@]}" --warc-size big $seed
usage "--allow-net 300.1.2.3/8" crawl "${dir[@]}" --allow-net 300.1.2.3/8 $seed
usage "--allow-net 10.0.0.0/33" crawl "${dir[@]}" --allow-net 10.0.0.0/33 $seed
usage "--include (" crawl "${dir[@]}" --include '(' $seed
usage "--listen nowhere tcp://" master "${dir[@]}" --listen nowhere $seed
usage "--http nowhere" master "${dir[@]}" --http nowhere $seed
usage "--delay" crawl "${dir[@]}" $seed --delay
usage "ftp://127.0.0.1/ http" crawl "${dir[@]}" ftp://127.0.0.1/
usage "http://[bad" crawl "${dir[@]}" 'http://[bad'
usage "--master" worker --dir "$T/none"
usage "--master nowhere tcp://" worker --dir "$T/none" --master nowhere
usage "dance pause" ctl dance
usage "--format xml jsonl csv cdxj links" export "$T" --format xml
check "wrong usage left no directory behind" test ! -e "$T/none"
check "a seeds file that is not there" says_wrong 1 "no-such-file" "$TRAWL" crawl "${dir[@]}" --seeds "$T/no-such-file"
printf 'delay = banana\n' >"$T/bad.conf"
check "a wrong value in a config file" says_wrong 2 "delay banana" "$TRAWL" crawl "${dir[@]}" --config "$T/bad.conf" $seed
check "export of a directory without a crawl" says_wrong 1 "$T/nowhere" "$TRAWL" export "$T/nowhere" --format jsonl
check "verify of a directory without a crawl" says_wrong 1 "$T/nowhere" "$TRAWL" verify "$T/nowhere"
closed=$(free_port)
check "status without a master" says_wrong 1 "127.0.0.1:$closed" "$TRAWL" status --master "tcp://127.0.0.1:$closed"
check "ctl without a master" says_wrong 1 "127.0.0.1:$closed" "$TRAWL" ctl pause --master "tcp://127.0.0.1:$closed"
check "a master beyond loopback without TLS" says_wrong 2 "--insecure --tls-cert" "$TRAWL" master --dir "$T/open" \
    --listen "tcp://0.0.0.0:$closed" --http off $seed

# A worker whose master is not there says so, waits, and works when it comes.
port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --addr 127.0.0.1 --port "$port" --pages 400 --random-bytes || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.0.1
listen=tcp://127.0.0.1:$(free_port)
start w1 "$TRAWL" worker --master "$listen" --dir "$T/worker" --name w1
says_unreachable() {
    grep -qF "${listen#tcp://}" "$T/w1.err"
}
check "a worker names the master that it cannot reach" wait_until 15 says_unreachable
start master "$TRAWL" master --dir "$T/late" "${QUICK[@]}" --listen "$listen" --delay 0 --max-pages 20 \
    "http://127.0.0.1:$port/"
check "... and works when it comes" exits master 30 0
check "... and leaves with it" exits w1 15 0

# Taken ports and directories.
check "--listen on a taken port" says_wrong 1 "127.0.0.1:$port in use" "$TRAWL" master --dir "$T/taken" --http off \
    --listen "tcp://127.0.0.1:$port" --allow-net 127.0.0.0/8 "http://127.0.0.1:$port/"
check "--http on a taken port" says_wrong 1 "127.0.0.1:$port in use" "$TRAWL" master --dir "$T/taken" \
    --http "127.0.0.1:$port" --listen "tcp://127.0.0.1:$(free_port)" --allow-net 127.0.0.0/8 "http://127.0.0.1:$port/"
before=$(requests web)
start first "$TRAWL" crawl --dir "$T/shared" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
    --delay 100ms --max-pages 80 "http://127.0.0.1:$port/"
fetched_at_least web $((before + 5)) 20 || fail "a crawl to disturb"
check "a directory in use by another crawl" says_wrong 1 "$T/shared in use" "$TRAWL" crawl --dir "$T/shared" \
    "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" "http://127.0.0.1:$port/"
check "... and that one goes on to its end" exits first 30 0

# The crawldb is gone, the rest is there: nothing to resume from, and no new crawl into the old archive.
mv "$T/shared/state" "$T/state.away"
check "a directory without its crawldb" says_wrong 1 "$T/shared/state gone resumed" "$TRAWL" crawl --dir "$T/shared" \
    "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" "http://127.0.0.1:$port/"
mkdir "$T/shared/state"
check "... or with an empty one" says_wrong 1 "$T/shared/state gone resumed" "$TRAWL" master --dir "$T/shared" \
    "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)"
rmdir "$T/shared/state" && mv "$T/state.away" "$T/shared/state"
start again "$TRAWL" crawl --dir "$T/shared" --max-pages 26 --listen "tcp://127.0.0.1:$(free_port)"
check "... with the old one put back, it goes on" exits again 30 0

# A directory that cannot be made or written.
: >"$T/file"
check "--dir below a file" says_wrong 1 "$T/file" "$TRAWL" crawl --dir "$T/file/crawl" "${QUICK[@]}" \
    --listen "tcp://127.0.0.1:$(free_port)" "http://127.0.0.1:$port/"
if [ "$(id -u)" = 0 ] && mkdir "$T/ro" "$T/small" && mount -t tmpfs -o size=1m tmpfs "$T/ro" 2>/dev/null; then
    undo umount "$T/ro"
    mount -o remount,ro "$T/ro"
    check "a read-only directory" says_wrong 1 "$T/ro read-only" "$TRAWL" crawl --dir "$T/ro/crawl" "${QUICK[@]}" \
        --listen "tcp://127.0.0.1:$(free_port)" "http://127.0.0.1:$port/"

    # The disk fills in mid-crawl: exit 1, one clear line; with room again, the same command completes.
    mount -t tmpfs -o size=192m tmpfs "$T/small"
    undo umount "$T/small"
    mv "$T/web.log" "$T/before.log"
    kill -USR1 "${PID[web]}"
    wait_until 5 test -e "$T/web.log"
    fill() {
        start crawl "$TRAWL" crawl --dir "$T/small/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" \
            --workers 2 --delay 15ms "http://127.0.0.1:$port/"
    }
    fill
    fetched_at_least web 100 30 || fail "a crawl to run out of disk"
    head -c 256M /dev/zero >"$T/small/ballast" 2>/dev/null
    check "full disk: the crawl ends with exit 1" exits crawl 40 1
    check "... and says why" grep -qiE 'no space left' "$T/crawl.err"
    check "... before the end of the site" test "$(requests web)" -lt 395
    rm "$T/small/ballast"
    fill
    check "... with room again, it completes" exits crawl 60 0
    check "... waste is bounded" check_log "$T/web.log" --refetch-max 60
    complete "... after a full disk" "$T/site/expected.tsv" "$T/small/crawl" "" "$T/web.log"
else
    skip "a read-only directory, a full disk" "needs root and mount"
fi
# A full device for the results of an export.
# shellcheck disable=SC2016
check "export to a full device" bash -c '"$1" export "$2" --format jsonl >/dev/full 2>"$3"; [ $? = 1 ]' - \
    "$TRAWL" "$T/late" "$T/full.err"

# Standard descriptors that are closed: no file of the crawl takes their numbers.
# shellcheck disable=SC2016
start crawl bash -c 'exec "$@" <&- >&- 2>&-' - "$TRAWL" crawl --dir "$T/closed" "${QUICK[@]}" \
    --listen "tcp://127.0.0.1:$(free_port)" --workers 1 --delay 20ms --max-pages 60 "http://127.0.0.1:$port/"
wait_until 30 test -e "$T/closed/state/CURRENT" || fail "a crawl with closed descriptors"
check "closed descriptors: they are nobody's" test "$(readlink "/proc/${PID[crawl]}/fd/"[0-2] | sort -u)" = /dev/null
check "... the crawl ends" exits crawl 60 0
check "... and its archive is whole" "$TRAWL" verify "$T/closed"
# shellcheck disable=SC2016
for command in "why --dir $T/closed http://127.0.0.1:$port/" "verify $T/closed" --help; do
    # shellcheck disable=SC2086
    check "${command%% *} to a full device" bash -c '"${@:2}" >/dev/full 2>"$1"; [ $? = 1 ] && grep -q "No space left" "$1"' - \
        "$T/full.err" "$TRAWL" $command
done

# Servers that cannot be reached, or must not be.
state() {       # state DIR URL: its state and reason
    "$TRAWL" export "$1" --format jsonl | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row["url"] == sys.argv[1]:
        print(row["state"], row["reason"])' "$2"
}
start crawl "$TRAWL" crawl --dir "$T/refused" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
    --delay 50ms --retries 1 "http://127.0.0.1:$closed/"
check "a server that refuses connections: the crawl ends, exit 0" exits crawl 60 0
check "... its page failed, with a reason" grep -qE '^failed [a-z]' <(state "$T/refused" "http://127.0.0.1:$closed/")
mv "$T/web.log" "$T/before2.log"
kill -USR1 "${PID[web]}"
wait_until 5 test -e "$T/web.log"
start crawl "$TRAWL" crawl --dir "$T/private" --heartbeat 200ms --lease 2s --http off --workers 1 \
    --listen "tcp://127.0.0.1:$(free_port)" --delay 50ms --retries 1 "http://127.0.0.1:$port/"
check "without --allow-net, loopback is refused: the crawl ends, exit 0" exits crawl 60 0
check "... its page was not fetched, with a reason" grep -qE '^(failed|excluded) [a-z]' \
    <(state "$T/private" "http://127.0.0.1:$port/")
check "... the server saw nothing" test ! -s "$T/web.log"
finish

#!/usr/bin/env bash
# Kill and pause master and workers at random during one crawl; then check the promises from outside.
#
#   scripts/torture.sh [SECONDS]      how long the crawl would last undisturbed (default 240); sets the delay
#
# A master and four workers, each in its own directory, crawl a generated web on 16 loopback origins. Now and then one
# is killed with SIGKILL and started again, or stopped for longer than its lease and continued. At the end: complete,
# exactly once and polite, from the server's log and with an independent WARC reader. Environment: TORTURE_KILLS=200,
# TORTURE_MASTER_KILLS=20, TORTURE_PAUSES (a tenth of the kills), TORTURE_PAGES=30000, E2E_SEED; E2E_KEEP=1 keeps all.
# TORTURE_OPTIONS=1: at each start of the master but the first and the last the delay, the lease, the heartbeat, what is excluded, the
# user agent and the connections are others. Polite is then what the mildest of them allow, at any time; and what workers
# drop because of them is fetched again, up to what they had not committed.
# A minute: TORTURE_KILLS=10 TORTURE_MASTER_KILLS=2 TORTURE_PAGES=2000 scripts/torture.sh 30
case ${1:-} in -*) sed -n '2,14s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin torture
need_trawl
cp "$TRAWL" "$T/trawl" && TRAWL=$T/trawl      # a build meanwhile does not matter
SPAN=${1:-240}
KILLS=${TORTURE_KILLS:-200}
MASTER_KILLS=${TORTURE_MASTER_KILLS:-20}
PAUSES=${TORTURE_PAUSES:-$((KILLS / 10))}
PAGES=${TORTURE_PAGES:-30000}
ORIGINS=16
RANDOM=${E2E_SEED:-1}
echo "# seed ${E2E_SEED:-1}"

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count $ORIGINS --port "$port" --pages $((PAGES / ORIGINS)) --size 2500 --ring \
    --cross 1 --redirects 6 --missing 6 --queries 6 --disallow 8 --seed "${E2E_SEED:-1}" || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
expected=$(expected_count "$T/site/expected.tsv")
delay=$((SPAN * 1000 * ORIGINS / expected))
[ "$delay" -ge 5 ] || delay=5

worker() {
    start "w$1" "$TRAWL" worker --master "$listen" --dir "$T/worker$1" --name "w$1" --threads 1
}
master_starts=0
inflight=1
[ -z "${TORTURE_OPTIONS:-}" ] || inflight=2
master() {
    local options=(--delay "${delay}ms" --ip-connections 1)
    # What a start does not name stays as it was (crawl.conf).
    [ -z "${TORTURE_OPTIONS:-}" ] || options+=(--host-connections 1 --user-agent torture/0 --exclude '/nothing-there$')
    if [ -n "${TORTURE_OPTIONS:-}" ] && [ $master_starts -gt 0 ] && [ $master_starts -lt "$MASTER_KILLS" ]; then
        options=(--delay "$((delay * (1 + RANDOM % 3)))ms" --host-connections $((1 + RANDOM % 2)) --ip-connections 2
            --lease "$((15 + RANDOM % 20))00ms" --heartbeat "$((1 + RANDOM % 4))00ms" --user-agent "torture/$master_starts")
        if [ $((RANDOM % 2)) = 0 ]; then options+=(--exclude '[?]'); else options+=(--exclude '/nothing-there$'); fi
        echo "# the master is started with ${options[*]}"
    fi
    master_starts=$((master_starts + 1))
    start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "$listen" --scope any \
        --seeds "$T/site/seeds.txt" "${options[@]}"
}

# Every event has its place in the crawl: the nth one comes when that share of 90% of the URLs has been asked for.
mapfile -t events < <({
    for ((i = 0; i < KILLS; i++)); do echo "$RANDOM kill"; done
    for ((i = 0; i < MASTER_KILLS; i++)); do echo "$RANDOM master"; done
    for ((i = 0; i < PAUSES; i++)); do echo "$RANDOM pause"; done
} | sort -n | cut -d' ' -f2)
total=${#events[@]}
kills=0 master_kills=0 pauses=0 died=0
paused='' until=0
: >"$T/kills"
: >"$T/outages"
evidence=()

# What can be seen of a worker that stands still, right before it is killed or its leases end: what is in its open
# segments, and which connections it has (check_waste.py).
look_at() {
    local to=$T/fault${#evidence[@]}
    mkdir "$to"
    now >"$to/time"
    sockets_of "${PID[$1]}" >"$to/ports"
    cp "$T/worker${1#w}"/archive/*.open "$to" 2>/dev/null
    evidence+=(--fault "$to")
}
sockets_of() {
    ss -tnpH state all "dport = :$port" 2>/dev/null |
        awk -v p="pid=$1," 'index($0, p) { n = split($4, a, ":"); print a[n] }'
}

# The one that was paused goes on when its time is over.
resume() {
    if [ -n "$paused" ] && holds "$(now) >= $until"; then
        running "$paused" && kill -CONT -- "-${PID[$paused]}" 2>/dev/null
        now >>"$T/kills"
        paused=''
    fi
}

# Those that ended without being asked to: started again, counted, and a failure at the end.
revive() {
    local name
    for name in master w1 w2 w3 w4; do
        [ "$(requests web)" -lt $((expected * 9 / 10)) ] || return 0
        running "$name" && continue
        wait_exit "$name" 1
        echo "# $name ended by itself, exit ${RC[$name]:-?}: $(tail -n 1 "$T/$name.err")"
        died=$((died + 1))
        if [ "$name" = master ]; then master; else worker "${name#w}"; fi
    done
}

happen() {
    local victim=$((RANDOM % 4 + 1))
    case $1 in
        kill)
            [ "$paused" = "w$victim" ] && [ $((RANDOM % 2)) = 0 ] && victim=$((victim % 4 + 1))
            now >>"$T/kills"
            kill -STOP -- "-${PID[w$victim]}"
            look_at "w$victim"
            kill9 "w$victim"
            [ "$paused" != "w$victim" ] || paused=''
            worker $victim
            kills=$((kills + 1))
            ;;
        master)
            now >>"$T/kills"
            down=$(now)
            kill9 master
            [ $((RANDOM % 4)) != 0 ] || wait_until 3 false      # now and then it stays away for longer than every lease
            now >>"$T/kills"
            master
            echo "$down $(now)" >>"$T/outages"
            master_kills=$((master_kills + 1))
            ;;
        pause)
            [ -z "$paused" ] || return 0
            paused=w$victim
            running "$paused" || { paused=''; return 0; }
            now >>"$T/kills"
            kill -STOP -- "-${PID[$paused]}"
            look_at "$paused"
            until=$(calc "$(now) + 2.2 + $((RANDOM % 20)) / 10")
            pauses=$((pauses + 1))
            ;;
    esac
}

begun=$(now)
master
for i in 1 2 3 4; do
    worker $i
done
deadline=$(calc "$begun + $SPAN * 5 + 120")
for ((n = 0; n < total; n++)); do
    share=$((20 + (expected * 9 / 10 - 20) * n / total))
    while ! at_least web $share && holds "$(now) < $deadline"; do
        sleep 0.05
        resume
        revive
    done
    happen "${events[$n]}"
    holds "$(now) < $deadline" || break
done
while [ -n "$paused" ]; do
    sleep 0.1
    resume
done
check "the master ends by itself" exits master $((SPAN + 120)) 0
seconds=$(calc "$(now) - $begun")
for i in 1 2 3 4; do
    check "worker $i leaves with it" exits "w$i" 30 0
done
check "all $KILLS worker and $MASTER_KILLS master kills took place" test $kills = "$KILLS" -a $master_kills = "$MASTER_KILLS"
check "nobody ended without being asked to" test $died = 0
faults=$((kills + master_kills + pauses))
# Other options are to each worker what a kill is: it drops what it holds.
drops=$faults
[ -z "${TORTURE_OPTIONS:-}" ] || drops=$((faults + 4 * master_kills))
check "polite: the delay, one request at once, robots.txt first" check_log "$T/web.log" --delay "${delay}ms" \
    --max-inflight $inflight --robots-max $((faults + 1))
check "bounded waste: refetches only across a fault" check_log "$T/web.log" --kills "$T/kills" \
    --refetch-max $((drops * 12))
if [ -z "${TORTURE_OPTIONS:-}" ]; then
    check "bounded waste: only what was uncommitted is fetched again" python3 "$E2E/check_waste.py" "$T/web.log" \
        "${evidence[@]}" --outages "$T/outages" --lease 2s --archive "$T/worker1/archive" --archive "$T/worker2/archive" \
        --archive "$T/worker3/archive" --archive "$T/worker4/archive"
    cat "$T/check.txt"
fi
complete "after $faults faults" "$T/site/expected.tsv" "$T/master" \
    "$T/worker1/archive $T/worker2/archive $T/worker3/archive $T/worker4/archive" "$T/web.log"
check_log "$T/web.log" --refetch-max 1000000000 >"$T/refetches"
robots=$(awk -F'\t' '$12 == "/robots.txt"' "$T/web.log" | wc -l)
refetches=$(awk '/refetches in/ { print $2 }' "$T/refetches")
echo "# $expected URLs on $ORIGINS origins, delay $delay ms: $(calc "$seconds" | sed 's/\..*//') s (undisturbed: about" \
    "$SPAN s or the chain of links' length)"
echo "# $kills workers killed, master killed $master_kills times, $pauses pauses past the lease, $died ended by themselves"
echo "# $(requests web) requests: $robots of robots.txt, $refetches refetches" \
    "($(calc "$refetches / ($faults + !$faults)" | cut -c1-5) a fault)"
finish

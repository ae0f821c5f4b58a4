#!/usr/bin/env bash
# What a crawl loses with one of ten workers: the same crawl with and without a SIGKILL at 40% of the pages, in turn.
#
#   scripts/lost-worker.sh [PAIRS]        default 3
#
# A master and ten workers on 200 loopback origins, each worker held to LOST_SHARE (1) percent of one core by a cgroup,
# so that workers are what the crawl is short of. Time is from the first to the last request, by the server's log.
# The killed one stays away. Explained: what is left takes 10/9 of its time, and one lease. Environment: LOST_PAGES
# (40000), LOST_LEASE (3s). Needs root and the cpu controller of cgroups.
case ${1:-} in -*) sed -n '2,9s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin lost_worker
need_trawl
need_root "CPU time limits"
cp "$TRAWL" "$T/trawl" && TRAWL=$T/trawl      # a build meanwhile does not matter
PAIRS=${1:-3}
PAGES=${LOST_PAGES:-40000}
SHARE=${LOST_SHARE:-1}
LEASE=${LOST_LEASE:-3s}
ORIGINS=200 WORKERS=10
. "$(dirname "$0")/cpu-groups.sh"

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count $ORIGINS --port "$port" --pages $((PAGES / ORIGINS)) --size 4000 --ring \
    --cross 1 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
expected=$(expected_count "$T/site/expected.tsv")

for ((i = 1; i <= WORKERS; i++)); do
    share "$i" $((SHARE * 1000))
done

# one NUMBER [KILL]: a crawl; SECONDS_LAST is its time, PROGRESS what was done at the kill.
one() {
    local listen first before i
    listen=tcp://127.0.0.1:$(free_port)
    before=$(requests web)
    start master "$TRAWL" master --dir "$T/$1/master" --http off --allow-net 127.0.0.0/8 --listen "$listen" --scope any \
        --delay 0s --lease "$LEASE" --seeds "$T/site/seeds.txt"
    for ((i = 1; i <= WORKERS; i++)); do
        start_in "$i" "w$i" "$TRAWL" worker \
            --master "$listen" --dir "$T/$1/w$i" --threads 1
    done
    PROGRESS=1
    if [ "${2:-}" = kill ]; then
        wait_until 300 at_least web $((before + expected * 4 / 10))
        PROGRESS=$(calc "($(requests web) - $before) / $expected")
        kill9 w1
    fi
    check "crawl $1 ends" exits master 600 0
    for ((i = 1; i <= WORKERS; i++)); do
        [ "$i${2:-}" = 1kill ] || exits "w$i" 60 0 || fail "worker $i leaves"
    done
    tail -n +$((before + 1)) "$T/web.log" >"$T/$1.log"
    check "crawl $1 asked for everything" check_log "$T/$1.log" --expected "$T/site/expected.tsv" --refetch-max 1000
    first=$(head -n 1 "$T/$1.log" | cut -f1)
    SECONDS_LAST=$(calc "$(tail -n 1 "$T/$1.log" | cut -f1) - $first")
    rm -rf "${T:?}/$1"
}

seconds=${LEASE%s}
ratios=() bounds=()
for ((pair = 1; pair <= PAIRS; pair++)); do
    one "whole$pair"
    whole=$SECONDS_LAST
    one "less$pair" kill
    ratio=$(calc "$SECONDS_LAST / $whole")
    bound=$(calc "$PROGRESS + (1 - $PROGRESS) * 10 / 9 + $seconds / $whole")
    echo "# undisturbed $whole s; one of ten killed at $(calc "$PROGRESS * 100" | cut -c1-4)%: $SECONDS_LAST s: $ratio of it;" \
        "lost capacity and one lease explain $bound"
    ratios+=("$ratio")
    bounds+=("$bound")
done
check "no longer than the lost capacity and one lease explain" \
    holds "$(median "${ratios[@]}") <= $(median "${bounds[@]}")"
echo "# median of $PAIRS: $(median "${ratios[@]}"), explained $(median "${bounds[@]}")"
finish

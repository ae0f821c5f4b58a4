#!/usr/bin/env bash
# What a MapReduce job loses with killed workers and with a slow one: as in the paper of 2004, each beside an undisturbed run.
#
#   scripts/lost-tasks.sh [ROUNDS]        default 3; in each, in turn:
#
#     whole     18 task workers, each held to SHARE (5) percent of one core by a cgroup
#     killed    two of them (11%) are killed when 40% of the map tasks are done, and started again at once
#     slow      one of them gets a 20th of the others' share
#     stuck     the same, with --no-backup
#
# The job is a word count over 108 splits of SPLIT_MIB (12) each, with 18 reduce tasks; its time is from its start to its end by
# the master's clock. All outputs must be the same. Needs root and the cpu controller of cgroups.
case ${1:-} in -*) sed -n '2,13s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin lost_tasks
need_trawl
need_root "CPU time limits"
cp "$TRAWL" "$T/trawl" && TRAWL=$T/trawl      # a build meanwhile does not matter
ROUNDS=${1:-3}
SHARE=${SHARE:-5}
SPLIT_MIB=${SPLIT_MIB:-12}
WORKERS=18 MAPS=108
. "$(dirname "$0")/cpu-groups.sh"

python3 - "$T/text" $((MAPS * SPLIT_MIB)) <<'PY'
import itertools, random, sys
r = random.Random(1)
words = ["".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(1, 11))) for _ in range(50000)]
weights = list(itertools.accumulate(1 / n for n in range(1, len(words) + 1)))
piece = ""
while len(piece) < 4 << 20:
    piece += " ".join(r.choices(words, cum_weights=weights, k=12)) + "\n"
with open(sys.argv[1], "w") as f:
    for _ in range(int(sys.argv[2]) // 4):
        f.write(piece[: (4 << 20) - 1] + "\n")
PY

listen=tcp://127.0.0.1:$(free_port)
start master "$TRAWL" master --keep --dir "$T/master" --http off --allow-net 127.0.0.0/8 --listen "$listen" http://127.0.0.1:9/
worker() {
    start_in "$1" "w$1" "$TRAWL" worker --tasks 1 --master "$listen" --dir "$T/w$1"
}
for ((i = 1; i <= WORKERS; i++)); do
    share "$i" $((SHARE * 1000))
    worker "$i"
done

# maps_done N: so many map tasks of the newest job.
maps_done() {
    [ "$("$TRAWL" job list --json --master "$listen" |
        python3 -c 'import json, sys; print(max(map(json.loads, sys.stdin), key=lambda j: j["job"])["maps"]["done"])')" -ge "$1" ]
}
attached() {
    [ "$("$TRAWL" status --json --master "$listen" |
        python3 -c 'import json, sys; print(sum(w["silent_ms"] < 3000 for w in json.load(sys.stdin)["workers"]))')" = "$1" ]
}

# one NAME [OPTION]: a job; SECONDS_LAST is its time.
one() {
    local name=$1
    shift
    start "$name" "$TRAWL" job run wordcount --json --quiet --master "$listen" --reduces $WORKERS --split-size "${SPLIT_MIB}MiB" \
        --output "$T/$name.d" "$@" "$T/text"
    if [[ $name == killed* ]]; then
        wait_until 300 maps_done $((MAPS * 4 / 10))
        for i in 1 2; do
            kill9 "w$i"
            worker "$i"
        done
    fi
    check "job $name ends" exits "$name" 900 0
    SECONDS_LAST=$(python3 -c 'import json, sys; j = json.load(sys.stdin); print((j["ended_ms"] - j["started_ms"]) / 1000)' \
        <"$T/$name.out")
    LC_ALL=C sort "$T/$name.d"/part-* | cksum >"$T/$name.sum"
    rm -r "${T:?}/$name.d"
    check "... with the same output" cmp "$T/$name.sum" "$T/whole1.sum"
}

check "all workers are there" wait_until 120 attached $WORKERS
killed=() slow=() stuck=()
for ((round = 1; round <= ROUNDS; round++)); do
    one "whole$round"
    whole=$SECONDS_LAST
    one "killed$round"
    killed+=("$(calc "$SECONDS_LAST / $whole")")
    check "all workers are back" wait_until 120 attached $WORKERS
    share 3 $((SHARE * 500)) 1000000
    one "slow$round"
    slow+=("$(calc "$SECONDS_LAST / $whole")")
    one "stuck$round" --no-backup
    stuck+=("$(calc "$SECONDS_LAST / $whole")")
    share 3 $((SHARE * 1000))
    echo "# undisturbed $whole s; two of $WORKERS killed: ${killed[-1]} of it; one 20 times slower: ${slow[-1]};" \
        "without backup tasks: ${stuck[-1]}"
done
echo "# medians of $ROUNDS: killed $(median "${killed[@]}"), slow $(median "${slow[@]}"), without backup $(median "${stuck[@]}")"
check "a slow worker costs less with backup tasks" holds "$(median "${slow[@]}") < $(median "${stuck[@]}")"
finish

#!/usr/bin/env bash
# MapReduce side by side with the shell, and in little memory.
#
#   scripts/bench-jobs.sh [speed|memory]      (default: both)
#
# speed: word count over SPEED_MIB=1024 of text, by trawl on all cores, and by tr, sort and uniq with as many threads.
# memory: MEMORY_MIB=2048 of words that are nearly all different, as one map and one reduce task with SORT=64MiB:
# the largest process, and its output beside that of the shell.
# Environment: B, the build directory; TMPDIR needs six times the size of the text. Exit 1 when an output differs.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
SPEED_MIB=${SPEED_MIB:-1024}
MEMORY_MIB=${MEMORY_MIB:-2048}
SORT=${SORT:-64MiB}
T=$(mktemp -d "${TMPDIR:-/tmp}/bench-jobs.XXXXXX")
trap 'rm -rf "$T"' EXIT
export LC_ALL=C
bad=0

# timed NAME COMMAND...: its wall time, CPU time of all its processes, and the largest of them.
timed() {
    python3 - "$@" <<'PY'
import resource, subprocess, sys, time
begin = time.monotonic()
code = subprocess.run(sys.argv[2:]).returncode
wall = time.monotonic() - begin
r = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{sys.argv[1]:28} {wall:8.1f} s   {r.ru_utime + r.ru_stime:8.1f} s of CPU   largest process {r.ru_maxrss // 1024} MiB")
sys.exit(code)
PY
}

by_shell() {
    timed "tr | sort | uniq -c" bash -c \
        "tr -cs A-Za-z '\\n' <'$1' | sort --parallel=$(nproc) -T '$T' | uniq -c >'$T/shell'"
}

# Both outputs as "WORD COUNT", sorted.
compare() {
    if sort -m -T "$T" "$1"/part-* | cmp -s - <(awk 'NF == 2 { print $2, $1 }' "$T/shell"); then
        echo "the outputs are the same"
    else
        echo "THE OUTPUTS DIFFER"
        bad=1
    fi
}

speed() {
    python3 - "$T/piece" <<'PY'
import itertools, random, sys
r = random.Random(1)
words = ["".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(1, 11))) for _ in range(50000)]
weights = list(itertools.accumulate(1 / n for n in range(1, len(words) + 1)))
with open(sys.argv[1], "w") as f:
    size = 0
    while size < 16 << 20:
        line = " ".join(r.choices(words, cum_weights=weights, k=12)) + "\n"
        size += f.write(line)
    f.truncate(16 << 20)
PY
    for ((i = 0; i < SPEED_MIB / 16; i++)); do
        cat "$T/piece"
    done >"$T/text"
    echo "== word count over $SPEED_MIB MiB, $(nproc) cores"
    timed "trawl job run wordcount" "$B/trawl" job run wordcount --quiet --output "$T/words" "$T/text" >"$T/figures"
    tail -n 1 "$T/figures"
    by_shell "$T/text"
    compare "$T/words"
    rm -r "$T/words" "$T/text"
}

memory() {
    head -c $((MEMORY_MIB * 786432)) /dev/zero |
        openssl enc -aes-128-ctr -K 0123456789abcdef0123456789abcdef -iv 0 2>/dev/null | base64 -w 63 >"$T/text"
    echo "== $((MEMORY_MIB)) MiB, one map and one reduce task, --sort-memory $SORT"
    timed "trawl job run words.so" "$B/trawl" job run "$B/tests/jobs/words.so" --quiet --workers 1 --reduces 1 \
        --split-size 1024GiB --sort-memory "$SORT" --output "$T/random" "$T/text" -- slow 0 >"$T/figures"
    tail -n 1 "$T/figures"
    by_shell "$T/text"
    compare "$T/random"
}

case ${1:-both} in
    speed) speed ;;
    memory) memory ;;
    both) speed; memory ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
exit $bad

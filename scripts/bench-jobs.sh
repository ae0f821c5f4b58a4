#!/usr/bin/env bash
# MapReduce side by side with the shell, and in little memory.
#
#   scripts/bench-jobs.sh [speed|memory|links]      (default: speed and memory)
#
# speed: word count over SPEED_MIB=1024 of text, by trawl on all cores, and by tr, sort and uniq with as many threads.
# memory: MEMORY_MIB=2048 of words that are nearly all different, as one map and one reduce task with SORT=64MiB:
# the largest process, and its output beside that of the shell.
# links: openjdk-17-doc (10,000 pages; scripts/deps.sh bench) is crawled from an nginx here, and then `links`, `pagerank` and
# `dups` run over its archive, all with as many workers as there are cores. Exit 1 when `links` takes longer than the crawl; where other programs
# take the cores, and so times say nothing, when it takes more CPU time.
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

# field NAME N: the N-th word of what timed() printed for it: 2 its seconds, 4 those of CPU.
field() {
    awk -v name="$1" -v n="$2" '$1 == name { print $n }' "$T/times"
}

percent() {
    awk -v a="$(field links "$1")" -v b="$(field crawl "$1")" 'BEGIN { printf "%.0f", 100 * a / b }'
}

links() {
    local root=/usr/share/doc/openjdk-17-doc/api port=${PORT:-28765} load busy
    load=$(cut -d' ' -f1 /proc/loadavg)
    busy=$(awk -v load="$load" -v cores="$(nproc)" 'BEGIN { print (load > cores) }')
    [ -d $root ] || { echo "bench-jobs.sh: no $root: run scripts/deps.sh bench" >&2; exit 1; }
    {
        echo "daemon off; pid $T/nginx.pid; error_log $T/nginx.log warn; worker_processes 1;"
        [ "$(id -u)" != 0 ] || echo "user root;"
        echo "events {} http { include /etc/nginx/mime.types; access_log off; sendfile on; keepalive_requests 100000;"
        echo "server { listen 127.0.0.1:$port; root $root; } }"
    } >"$T/nginx.conf"
    nginx -e "$T/nginx.log" -c "$T/nginx.conf" &
    trap 'kill $!; rm -rf "$T"' EXIT
    for ((i = 0; i < 100; i++)); do
        curl -s -o "$T/first" "http://127.0.0.1:$port/" && break
        sleep 0.1
    done
    echo "== openjdk-17-doc, $(nproc) cores"
    timed crawl "$B/trawl" crawl --dir "$T/crawl" --workers "$(nproc)" --delay 0 --host-connections 32 --ip-connections 32 \
        --http off --listen "tcp://127.0.0.1:$((port + 1))" --allow-net 127.0.0.0/8 --quiet "http://127.0.0.1:$port/" >"$T/times"
    for job in links pagerank dups; do
        timed "$job" "$B/trawl" job run $job --quiet --input "$T/crawl" >"$T/$job.figures"
        tail -n 1 "$T/$job.figures" >>"$T/times"
    done
    grep -a ' s of CPU' "$T/times"
    grep -hE 'counter +(pages|links|targets|iterations|exact-groups|near-groups) ' "$T"/*.figures
    du -sh "$T/crawl/archive" | sed 's/\t.*/ of archive/'
    echo "links takes $(percent 2)% of the time of the crawl, $(percent 4)% of its CPU time"
    [ "$busy" = 0 ] || echo "the machine is busy: its load was $load"
    [ "$(percent $((busy == 1 ? 4 : 2)))" -lt 100 ] || bad=1
}

case ${1:-both} in
    links) links ;;
    speed) speed ;;
    memory) memory ;;
    both) speed; memory ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
exit $bad

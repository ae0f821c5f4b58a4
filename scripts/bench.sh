#!/usr/bin/env bash
# Side by side in one run: trawl, which writes WARC, against wget2, which writes files, on real HTML from Debian.
#
#   scripts/bench.sh [TREE...]      TREE: openjdk, rust (default: both)
#
# The crawler has core 0 and nginx core 1; the figures are medians of RUNS=3 runs, the tools taking turns. Environment:
# B, the build directory; BENCH_OUT, a file that gets the table as well; BENCH_WGET=1, wget --warc-file too (one
# connection); BENCH_TIMEOUT, the longest run (default 300 s); BENCH_CHECK=0, no comparison with the independent walk.
# Only figures: it fails when a run does, or when trawl's pages are not those that the walk of the files finds.
case ${1:-} in -*) sed -n '2,9s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin bench
[ -x "$TRAWL" ] || { echo "bench.sh: no executable at $TRAWL: run make" >&2; exit 1; }
cp "$TRAWL" "$T/trawl" && TRAWL=$T/trawl      # a build meanwhile does not matter
for tool in nginx taskset wget2 python3; do
    command -v $tool >/dev/null || { echo "bench.sh: no $tool: run scripts/deps.sh bench" >&2; exit 1; }
done
RUNS=${RUNS:-3}
LIMIT=${BENCH_TIMEOUT:-300}
TOOLS=(trawl wget2)
[ -z "${BENCH_WGET:-}" ] || TOOLS+=(wget)
CRAWLER=0
SERVER=1
[ "$(nproc)" -gt 1 ] || { SERVER=0; echo "bench.sh: one core: crawler and server share it" >&2; }

declare -A ROOT=([openjdk]=/usr/share/doc/openjdk-17-doc/api [rust]=/usr/share/doc/rust-doc/html)
declare -A LABEL=([openjdk]=openjdk-17-doc [rust]=rust-doc)

# measure.py: runs a command in a session of its own, with a time limit; prints seconds, CPU seconds of the whole tree
# (every descendant that was waited for), peak memory (MiB, all processes together, sampled), exit code.
cat >"$T/measure.py" <<'PY'
import os, resource, signal, subprocess, sys, time

def tree_rss(session):
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                part = f.read().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(part[3]) == session or int(pid) == session:
            total += int(part[21]) * os.sysconf("SC_PAGE_SIZE")
    return total

limit, log, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
begin, peak = time.monotonic(), 0
with open(log, "ab") as out:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    def end(*_):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        sys.exit(124)
    signal.signal(signal.SIGTERM, end)
    while True:
        try:
            code = child.wait(0.25)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, tree_rss(child.pid))
        if time.monotonic() - begin > limit:
            end()
wall = time.monotonic() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = max(peak, used.ru_maxrss * 1024)
print(f"{wall:.3f} {used.ru_utime + used.ru_stime:.3f} {peak / 2**20:.1f} {code}")
PY

# run TOOL URL DIR: one crawl into a directory that is not there yet; prints measure.py's line.
run() {
    local command
    case $1 in
        trawl) command=("$TRAWL" crawl --dir "$3" --workers 1 --threads 1 --delay 0 --host-connections 32
            --ip-connections 32 --allow-net 127.0.0.0/8 --http off --listen tcp://127.0.0.1:0 --quiet "$2") ;;
        wget2) command=(wget2 -q -r -l inf --max-threads=32 --no-parent --no-config -P "$3" "$2") ;;
        wget) command=(wget -q -r -l inf --no-parent --no-config --delete-after --warc-file="$3/warc" -P "$3" "$2") ;;
    esac
    [ "$1" = trawl ] || mkdir -p "$3"
    taskset -c $SERVER python3 "$T/measure.py" "$LIMIT" "$T/$1.err" taskset -c $CRAWLER "${command[@]}"
}

# urls FROM: distinct URLs that nginx answered with 200 since that line of its log, robots.txt not among them.
urls() {
    tail -n "+$(($1 + 1))" "$T/web.log" | awk -F'\t' '$9 == 200 && $12 != "/robots.txt" { print $12 }' | sort -u
}

# one TREE TOOL NUMBER: a line "tool html urls requests seconds cpu rss written" into $T/figures.TREE.
one() {
    local tree=$1 tool=$2 before total html seconds cpu rss rc written requested
    before=$(requests web)
    read -r seconds cpu rss rc < <(run "$tool" "http://127.0.0.1:$port/" "$T/out")
    if [ -z "${rc:-}" ] || { [ "$rc" != 0 ] && [ "$tool$rc" != wget28 ] && [ "$tool$rc" != wget8 ]; }; then
        echo "bench.sh: $tool on $tree: ${rc:+exit $rc}${rc:-took longer than $LIMIT s}" >&2
        tail -n 5 "$T/$tool.err" >&2
        exit 1
    fi
    wait_until 2 false                          # nginx writes the last lines
    requested=$(($(requests web) - before))
    urls "$before" >"$T/urls.$tree.$tool"
    total=$(wc -l <"$T/urls.$tree.$tool")
    html=$(sed 's/?.*//' "$T/urls.$tree.$tool" | grep -cE '(/|\.html?)$')
    written=$(du -s --apparent-size -B 1024 "$T/out" | cut -f1)
    [ "$tool" = trawl ] && [ "$3" = 1 ] && check_pages "$tree"
    rm -rf "$T/out"
    echo "$tool $html $total $requested $seconds $cpu $rss $written" | tee -a "$T/figures.$tree" |
        awk -v t="${LABEL[$tree]}" -v n="$3" '{ printf "# %s run %d: %s %d pages in %.2f s\n", t, n, $1, $2, $5 }' >&2
}

# check_pages TREE: once, what trawl got must be what the walk of the files reaches.
check_pages() {
    local from=http://127.0.0.1:$port
    [ "${BENCH_CHECK:-1}" = 1 ] && [ "$1" = openjdk ] || return 0
    timeout "$LIMIT" python3 "$E2E/walk.py" "${ROOT[$1]}" "$from" >"$T/walk.$1" || { echo "bench.sh: walk.py" >&2; exit 1; }
    awk -F'\t' -v n=${#from} '$1 == "page" { print substr($4, n + 1) }' "$T/walk.$1" | sort -u >"$T/walk.urls"
    if cmp -s "$T/walk.urls" "$T/urls.$1.trawl"; then
        echo "complete: ${LABEL[$1]}: trawl fetched exactly the $(wc -l <"$T/walk.urls") URLs that the independent walk finds" >>"$T/notes"
    else
        {
            echo "INCOMPLETE: ${LABEL[$1]}: $(comm -23 "$T/walk.urls" "$T/urls.$1.trawl" | wc -l) URLs missed," \
                "$(comm -13 "$T/walk.urls" "$T/urls.$1.trawl" | wc -l) not expected, such as:"
            comm -3 "$T/walk.urls" "$T/urls.$1.trawl" | head -n 5
        } >>"$T/notes"
        FAILED=1
    fi
}

# table TREE: medians of each column by tool, and the ratios.
table() {
    awk -v label="${LABEL[$1]}" '
        function median(tool, col,    n, i, j, v, x) {
            n = count[tool]
            for (i = 1; i <= n; i++) x[i] = cell[tool, i, col]
            for (i = 2; i <= n; i++) { v = x[i]; for (j = i - 1; j && x[j] > v; j--) x[j + 1] = x[j]; x[j + 1] = v }
            return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
        }
        { if (!($1 in count)) order[++tools] = $1
          i = ++count[$1]
          for (c = 2; c <= 8; c++) cell[$1, i, c] = $c
          cell[$1, i, 9] = $2 / $5; cell[$1, i, 10] = $3 / $5 }
        END {
            printf "%-15s %-6s %7s %7s %9s %9s %9s %9s %8s %9s %12s\n", "tree", "tool", "pages", "URLs", "requests",
                "seconds", "pages/s", "URLs/s", "CPU s", "RSS MiB", "written MiB"
            for (t = 1; t <= tools; t++) {
                n = order[t]
                printf "%-15s %-6s %7d %7d %9d %9.2f %9.1f %9.1f %8.2f %9.1f %12.1f\n", label, n, median(n, 2),
                    median(n, 3), median(n, 4), median(n, 5), median(n, 9), median(n, 10), median(n, 6), median(n, 7),
                    median(n, 8) / 1024
            }
            printf "%-15s trawl/wget2: %.2f in pages/s, %.2f in URLs/s, %.2f in CPU a page\n", label,
                median("trawl", 9) / median("wget2", 9), median("trawl", 10) / median("wget2", 10),
                (median("trawl", 6) / median("trawl", 2)) / (median("wget2", 6) / median("wget2", 2))
        }' "$T/figures.$1"
}

trees=("$@")
[ ${#trees[@]} -gt 0 ] || trees=(openjdk rust)
: >"$T/notes"
for tree in "${trees[@]}"; do
    [ -f "${ROOT[$tree]:-}/index.html" ] || { echo "bench.sh: no tree $tree: run scripts/deps.sh bench" >&2; exit 1; }
done
for tree in "${trees[@]}"; do
    port=$(free_port)
    NGINX_VIA=(taskset -c "$SERVER")
    rm -f "$T/web.log"
    nginx_start web "$port" "${ROOT[$tree]}" 127.0.0.1
    # The files come from memory in every run.
    find -L "${ROOT[$tree]}" -type f -exec cat {} + >/dev/null
    for ((i = 1; i <= RUNS; i++)); do
        for tool in "${TOOLS[@]}"; do
            one "$tree" "$tool" $i
        done
    done
    table "$tree" >>"$T/table"
    stop web
done
{
    echo "medians of $RUNS runs; crawler on core $CRAWLER, nginx on core $SERVER; pages: distinct HTML URLs answered 200," \
        "URLs: all distinct ones; load average $(cut -d' ' -f1-3 /proc/loadavg)"
    cat "$T/table" "$T/notes"
} >"$T/report"
cat "$T/report"
[ -z "${BENCH_OUT:-}" ] || cp "$T/report" "$BENCH_OUT"
[ "$FAILED" = 0 ]

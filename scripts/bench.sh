#!/usr/bin/env bash
# Side by side in one run: trawl, which writes WARC, wget2, which writes files, wget --warc-file, Scrapy, which stores
# nothing, and the floor: the same URLs fetched with libcurl alone, and the other parts of a crawl measured alone.
#
#   scripts/bench.sh [TREE...]      TREE: openjdk, rust, many, many-tls (default: all)
#
# openjdk and rust are documentation of Debian's on one origin; many is 64 origins with 500 made-up pages of 9 KB each, no two
# the same, and many-tls the same over TLS. The crawler has core 0 and nginx core 1; the figures are medians of
# RUNS=5 runs, the tools taking turns. trawl has 32 connections to one origin, or one to each of many; wget2 32, libcurl 64
# in all. wget (one connection) and Scrapy run SLOW_RUNS=1 times, and get a smaller part: about 80 MB and 1,500 pages, of
# many four origins; but wget gets all of openjdk. All of it takes less than 25 minutes on a quiet machine. Environment: B,
# the build directory; BENCH_OUT, a directory that gets bench.jsonl (for scripts/plot-bench.py), bench.md and bench.svg;
# BENCH_TOOLS, some of trawl libcurl wget2 wget scrapy, trawl first; BENCH_ORIGINS, other than 64; BENCH_TIMEOUT, the longest
# run (default 300 s); BENCH_CHECK=0, no comparison with the independent walk.
# Only figures: it fails when a run does, or when trawl's pages are not those that the walk of the files finds.
case ${1:-} in -*) sed -n '2,18s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin bench
[ -x "$TRAWL" ] || { echo "bench.sh: no executable at $TRAWL: run make" >&2; exit 1; }
read -r -a TOOLS <<<"${BENCH_TOOLS:-trawl libcurl wget2 wget scrapy}"
for tool in "${TOOLS[@]}" nginx taskset python3 openssl; do
    case $tool in trawl | libcurl) continue ;; esac
    command -v "$tool" >/dev/null || { echo "bench.sh: no $tool: run scripts/deps.sh bench" >&2; exit 1; }
done
make -s -C "$TOP" B="$B" "$B/bench/concurrency" "$B/bench/parts" || exit 1
# A build meanwhile does not matter.
cp "$TRAWL" "$T/trawl" && TRAWL=$T/trawl
cp "$B/bench/concurrency" "$B/bench/parts" "$T/" || exit 1
RUNS=${RUNS:-5}
SLOW_RUNS=${SLOW_RUNS:-1}
LIMIT=${BENCH_TIMEOUT:-300}
SLOW_BYTES=80m SLOW_PAGES=1500 SLOW_ORIGINS=4
ORIGINS=${BENCH_ORIGINS:-64} PAGES=500 PAGE_BYTES=9000
CRAWLER=0
SERVER=1
[ "$(nproc)" -gt 1 ] || { SERVER=0; echo "bench.sh: one core: crawler and server share it" >&2; }

declare -A ROOT=([openjdk]=/usr/share/doc/openjdk-17-doc/api [rust]=/usr/share/doc/rust-doc/html [many]=$T/site/www
    [many-tls]=$T/site/www)
declare -A LABEL=([openjdk]=openjdk-17-doc [rust]=rust-doc [many]="$ORIGINS origins" [many-tls]="$ORIGINS origins, TLS")

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

# run TOOL DIR: one crawl of SEEDS into a directory that is not there yet; prints measure.py's line.
run() {
    local command few=("${SEEDS[@]:0:SLOW_ORIGINS}") quota=(-Q "$SLOW_BYTES") connections=32
    [ ${#SEEDS[@]} = 1 ] || connections=1
    [ "$TREE" != openjdk ] || quota=()
    case $1 in
        trawl) command=("$TRAWL" crawl --dir "$2" --workers 1 --threads 1 --delay 0 --host-connections "$connections"
            --ip-connections "$connections" --allow-net 127.0.0.0/8 --http off --listen tcp://127.0.0.1:0 --quiet "${SEEDS[@]}") ;;
        libcurl) command=("$T/concurrency" one 64 "$(wc -l <"$T/urls.$TREE.trawl")" "$T/shuffled.$TREE") ;;
        wget2) command=(wget2 -q -r -l inf --max-threads=32 --no-parent --no-config -P "$2" "${AUTHORITY[@]}" "${SEEDS[@]}") ;;
        wget) command=(wget -q -r -l inf --no-parent --no-config --delete-after --warc-file="$2/warc" -P "$2" "${quota[@]}"
            "${AUTHORITY[@]}" "${few[@]}") ;;
        scrapy) command=(scrapy runspider "$TOP/bench/spider.py" -s "CLOSESPIDER_PAGECOUNT=$SLOW_PAGES"
            -a "seeds=$(IFS=,; echo "${few[*]}")") ;;
    esac
    [ "$1" = trawl ] || mkdir -p "$2"
    taskset -c $SERVER python3 "$T/measure.py" "$LIMIT" "$T/$1.err" taskset -c $CRAWLER "${command[@]}"
}

# urls FROM: distinct URLs that nginx answered with 200 since that line of its log, robots.txt not among them.
urls() {
    tail -n "+$(($1 + 1))" "$T/web.log" |
        awk -F'\t' -v s="$SCHEME" '$9 == 200 && $12 != "/robots.txt" { print s "://" $7 ":" $8 $12 }' | sort -u
}

# fine TOOL CODE: the exit code of a crawl that ended as it should. wget and wget2 tell of missing pages with 8.
fine() {
    case $1$2 in *0 | wget8 | wget28) return 0 ;; esac
    return 1
}

# one TOOL NUMBER: a line "tool html urls requests seconds cpu rss written" into $T/figures.TREE.
one() {
    local tool=$1 before total html seconds cpu rss rc written requested
    sync                                        # what the tool before wrote is not this one's
    before=$(requests web)
    read -r seconds cpu rss rc < <(run "$tool" "$T/out")
    if [ -z "${rc:-}" ] || ! fine "$tool" "$rc"; then
        echo "bench.sh: $tool on $TREE: ${rc:+exit $rc}${rc:-took longer than $LIMIT s}" >&2
        tail -n 5 "$T/$tool.err" >&2
        exit 1
    fi
    wait_until 1 false                          # nginx writes the last lines
    requested=$(($(requests web) - before))
    urls "$before" >"$T/urls.$TREE.$tool"
    total=$(wc -l <"$T/urls.$TREE.$tool")
    html=$(sed 's/?.*//' "$T/urls.$TREE.$tool" | grep -cE '(/|\.html?)$')
    written=$(du -s --apparent-size -B 1024 "$T/out" | cut -f1)
    [ "$tool" = trawl ] && [ "$2" = 1 ] && check_pages "$TREE"
    [ "$tool" = trawl ] && stages "$before"
    rm -rf "$T/out"
    echo "$tool $html $total $requested $seconds $cpu $rss $written" | tee -a "$T/figures.$TREE" |
        awk -v t="${LABEL[$TREE]}" -v n="$2" '{ printf "# %s run %d: %s %d pages in %.2f s\n", t, n, $1, $2, $5 }' >&2
}

# check_pages TREE: once, what trawl got must be what the walk of the files reaches.
check_pages() {
    local from=http://127.0.0.1:$PORT
    [ "${BENCH_CHECK:-1}" = 1 ] && [ "$1" = openjdk ] || return 0
    timeout "$LIMIT" python3 "$E2E/walk.py" "${ROOT[$1]}" "$from" >"$T/walk.$1" || { echo "bench.sh: walk.py" >&2; exit 1; }
    awk -F'\t' -v n=${#from} '$1 == "page" { print substr($4, n + 1) }' "$T/walk.$1" | sort -u >"$T/walk.urls"
    sed 's,^http://[^/]*,,' "$T/urls.$1.trawl" | sort -u >"$T/paths"
    if cmp -s "$T/walk.urls" "$T/paths"; then
        echo "complete: ${LABEL[$1]}: trawl fetched exactly the $(wc -l <"$T/walk.urls") URLs that the independent walk finds" >>"$T/notes"
    else
        {
            echo "INCOMPLETE: ${LABEL[$1]}: $(comm -23 "$T/walk.urls" "$T/paths" | wc -l) URLs missed," \
                "$(comm -13 "$T/walk.urls" "$T/paths" | wc -l) not expected, such as:"
            comm -3 "$T/walk.urls" "$T/paths" | head -n 5
        } >>"$T/notes"
        FAILED=1
    fi
}

# stages FROM: what trawl itself says that its last run cost by stage, and the connections that nginx saw, as JSON. The URLs are
# shuffled, so that libcurl has a few connections to every origin, and not all to one after the other.
stages() {
    local connections
    connections=$(tail -n "+$(($1 + 1))" "$T/web.log" | awk -F'\t' '{ print $3 }' | sort -u | wc -l)
    tr '\n' ' ' <"$T/trawl.err" | sed 's/.* us a page: //; s/  bodies .*//' | tr ',' '\n' |
        awk -v n="$connections" 'BEGIN { printf "{\"connections\": %d", n } { printf ", \"%s_us\": %s", $1, $2 } END { print "}" }' \
            >"$T/stages.$TREE"
    shuf "$T/urls.$TREE.trawl" >"$T/shuffled.$TREE"
}

# parts: what the tree's pages cost in what a crawl does beside fetching, by bench/parts: a line of JSON. Like the tools they
# take their turn: what else the machine does falls on all alike.
parts() {
    [ -s "$T/list.$TREE" ] || list >"$T/list.$TREE"
    taskset -c $CRAWLER "$T/parts" "$T/list.$TREE" "$T/parts.warc.gz" || exit 1
    rm -f "$T/parts.warc.gz"
}

# list: the pages that trawl got, and their files.
list() {
    local url path
    while read -r url; do
        path=${url#*://*/}
        [ ${#SEEDS[@]} = 1 ] || path=${url#*://}
        path=${ROOT[$TREE]}/$path
        path=${path%%\?*}
        [ ! -d "$path" ] || path=${path%/}/index.html
        [ ! -f "$path" ] || printf '%s\t%s\n' "$url" "$path"
    done <"$T/urls.$TREE.trawl"
}

# medians: of each tool's runs, a line of JSON a tool; then that of the parts. What trawl costs, to the parts, is the median of
# the rounds' ratios: libcurl and the parts come right behind it.
medians() {
    python3 - "$TREE" "${LABEL[$TREE]}" "$T/figures.$TREE" "$T/parts.$TREE" "$T/stages.$TREE" <<'PY'
import json, statistics, sys
tree, label, figures, parts, stages = sys.argv[1:]
runs = {}
with open(parts, encoding="utf-8") as f:
    rounds = [json.loads(line) for line in f]
for line in open(figures, encoding="utf-8"):
    tool, *cells = line.split()
    runs.setdefault(tool, []).append([float(c) for c in cells])
names = ["pages", "urls", "requests", "seconds", "cpu_s", "rss_mib", "written_kib"]
def to_parts():
    each = zip(runs["trawl"], runs.get("libcurl", []), rounds)
    beside = ("parse_us", "digest_us", "compress_us", "write_us")
    return [t[4] / t[0] / (c[4] / c[0] + sum(p[part] for part in beside) / 1e6) for t, c, p in each]

for tool, rows in runs.items():
    one = {name: statistics.median(row[i] for row in rows) for i, name in enumerate(names)}
    one["pages_per_s"] = statistics.median(row[0] / row[3] for row in rows)
    one["cpu_us_a_page"] = statistics.median(row[4] * 1e6 / row[0] for row in rows)
    if tool == "trawl" and to_parts():
        one["to_parts"] = statistics.median(to_parts())
    print(json.dumps({"tree": tree, "label": label, "tool": tool, "runs": len(rows), **one}))
one = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
print(json.dumps({"tree": tree, "label": label, "tool": "parts", "runs": len(rounds), **one}))
with open(stages, encoding="utf-8") as f:
    print(json.dumps({"tree": tree, "label": label, "tool": "stages", "runs": 1, **json.load(f)}))
PY
}

# The tree's server: SEEDS, SCHEME and AUTHORITY are set.
serve() {
    local addresses=(127.0.0.1) site=${ROOT[$TREE]} i port
    port=$(free_port)
    NGINX_VIA=(taskset -c "$SERVER")
    NGINX_SERVER=
    SCHEME=http AUTHORITY=()
    unset SSL_CERT_FILE
    case $TREE in
        many*)
            addresses=()
            for ((i = 1; i <= ORIGINS; i++)); do addresses+=("127.1.0.$i"); done
            [ -d "$T/sites" ] || python3 "$TOP/bench/site.py" "$T/sites" $PAGES $PAGE_BYTES "$ORIGINS" || exit 1
            publish "$port" "${addresses[@]}" ;;
    esac
    if [ "$TREE" = many-tls ]; then
        certify "${addresses[@]}"
        local tls_port
        tls_port=$(free_port)
        publish "$tls_port" "${addresses[@]}"
        NGINX_SERVER="ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;"
        for i in "${addresses[@]}"; do NGINX_SERVER+=" listen $i:$tls_port ssl backlog=2048;"; done
        SCHEME=https AUTHORITY=(--ca-certificate="$T/server.pem")
        export SSL_CERT_FILE=$T/server.pem
    fi
    rm -f "$T/web.log"
    nginx_start web "$port" "${site%/www}" "${addresses[@]}"
    SEEDS=()
    for i in "${addresses[@]}"; do SEEDS+=("$SCHEME://$i:${tls_port:-$port}/"); done
    PORT=$port
}

# publish PORT ADDRESS...: each address has a site of its own at that port, as nginx_start looks for it.
publish() {
    local port=$1 i=0 address
    shift
    rm -rf "$T/site/www"
    mkdir -p "$T/site/www"
    for address; do ln -s "$T/sites/$((++i))" "$T/site/www/$address:$port"; done
}

# certify ADDRESS...: a certificate for them that is its own authority.
certify() {
    local names
    names=$(printf 'IP:%s,' "$@")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=trawl bench" \
        -addext "subjectAltName=${names%,}" -addext basicConstraints=critical,CA:TRUE \
        -keyout "$T/server.key" -out "$T/server.pem" 2>/dev/null || exit 1
}

trees=("$@")
[ ${#trees[@]} -gt 0 ] || trees=(openjdk rust many many-tls)
: >"$T/notes"
for tree in "${trees[@]}"; do
    case $tree in many | many-tls) continue ;; esac
    [ -f "${ROOT[$tree]:-}/index.html" ] || { echo "bench.sh: no tree $tree: run scripts/deps.sh bench" >&2; exit 1; }
done
for TREE in "${trees[@]}"; do
    serve
    # The files come from memory in every run.
    find -L "${ROOT[$TREE]}" -type f -exec cat {} + >/dev/null
    for ((i = 1; i <= RUNS; i++)); do
        for tool in "${TOOLS[@]}"; do
            case $tool in wget | scrapy) [ $i -le "$SLOW_RUNS" ] || continue ;; esac
            one "$tool" $i
            [ "$tool" != trawl ] || parts >>"$T/parts.$TREE"
        done
    done
    medians >>"$T/bench.jsonl"
    stop web
done
{
    echo "Medians of $RUNS runs (wget and scrapy: $SLOW_RUNS, of a smaller part, but for wget on openjdk-17-doc); crawler on" \
        "core $CRAWLER, nginx on core $SERVER; $(date -u '+%Y-%m-%d %H:%M'), load average $(cut -d' ' -f1-3 /proc/loadavg)."
    echo
    python3 "$TOP/scripts/plot-bench.py" --table <"$T/bench.jsonl"
    [ ! -s "$T/notes" ] || { echo; cat "$T/notes"; }
} >"$T/report"
cat "$T/report"
if [ -n "${BENCH_OUT:-}" ]; then
    mkdir -p "$BENCH_OUT" && cp "$T/report" "$BENCH_OUT/bench.md" && cp "$T/bench.jsonl" "$BENCH_OUT/bench.jsonl" || exit 1
    python3 "$TOP/scripts/plot-bench.py" <"$T/bench.jsonl" >"$BENCH_OUT/bench.svg" || exit 1
fi
[ "$FAILED" = 0 ]

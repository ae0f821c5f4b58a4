# shellcheck shell=bash
# End-to-end test helpers. A test is a bash script tests/e2e/test_NAME.sh:
#
#     . "$(dirname "$0")/lib.sh"
#     begin NAME                       # makes $T, a directory of its own; everything started is stopped at the end
#     nginx_start web "$port" "$T/site" 127.0.0.1
#     start crawl "$TRAWL" crawl ...   # in the background: PID[crawl], $T/crawl.out, $T/crawl.err
#     check "it ends by itself" exits crawl 60 0
#     finish                        # looks at every archive below $T: is it what was sent?
#
# It prints TAP lines (ok / not ok) and ends 0 only when all were ok. It looks at trawl from outside:
# the web server's log, the WARC files, exit codes. Only processes that it started are stopped, by pid.
set -u

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E=$TOP/tests/e2e
# shellcheck disable=SC2034
WEB=$TOP/tests/web
B=${B:-build}
case $B in /*) ;; *) B=$TOP/$B ;; esac
TRAWL=${TRAWL:-$B/trawl}
SCALE=${E2E_SCALE:-1}       # bounded waits are this much longer (sanitizer builds)

declare -A PID=() RC=()
COUNT=0
FAILED=0
T=

begin() {
    NAME=$1
    T=$(mktemp -d "${TMPDIR:-/tmp}/trawl-e2e-$NAME.XXXXXX") || exit 1
    chmod 755 "$T"
    export E2E_BODIES=$T/bodies.tsv     # where the servers of a test note what they sent
    UNDO=()
    trap cleanup EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
}

# NO_WEB: set by a test that archives nothing, to why.
NO_WEB=

finish() {
    if [ -z "$NO_WEB" ]; then
        bodies "what is archived is what was sent"
    fi
    echo "1..$COUNT"
    [ "$FAILED" = 0 ] && [ "$COUNT" -gt 0 ]
    exit
}

# Undo commands (umount, ip netns del) run after all processes have ended, last one first.
undo() {
    UNDO+=("$*")
}

cleanup() {
    local rc=$? name i
    trap - EXIT
    trap '' TERM INT
    for name in "${!PID[@]}"; do
        stop "$name"
    done
    for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do
        eval "${UNDO[$i]}" >/dev/null 2>&1
    done
    if [ "$FAILED" != 0 ] || [ "$rc" != 0 ]; then
        keep_logs
    fi
    if [ -n "${E2E_KEEP:-}" ]; then
        echo "# kept: $T"
    else
        rm -rf "$T"
    fi
    exit "$rc"
}

# After a failure: the ends of all logs go to the output, whole logs to $E2E_LOGS when that is set.
keep_logs() {
    local f
    for f in "$T"/*.err "$T"/*.out; do
        [ -s "$f" ] || continue
        echo "# --- ${f##*/}"
        tail -n 15 "$f" | cut -c1-300 | sed 's/^/# /'
    done
    if [ -n "${E2E_LOGS:-}" ]; then
        mkdir -p "$E2E_LOGS/$NAME" &&
            (cd "$T" && find . -type f -size -20M \( -name '*.log' -o -name '*.err' -o -name '*.out' -o -name '*.tsv' \
                -o -name '*.jsonl' -o -name '*.conf' \) -exec cp --parents -t "$E2E_LOGS/$NAME" {} +)
    fi
}

ok() {
    COUNT=$((COUNT + 1))
    echo "ok $COUNT - $NAME: $1"
}

not_ok() {
    COUNT=$((COUNT + 1))
    FAILED=$((FAILED + 1))
    echo "not ok $COUNT - $NAME: $1"
    if [ $# -gt 1 ]; then
        printf '%s\n' "${@:2}" | head -n 40 | cut -c1-400 | sed 's/^/# /'
    fi
}

skip() {
    COUNT=$((COUNT + 1))
    echo "ok $COUNT - $NAME: $1 # SKIP $2"
}

fail() {
    not_ok "$@"
    NO_WEB="nothing more was done"
    finish
}

# check NAME COMMAND...: one test; the command's output is shown when it fails. Runs in this shell.
check() {
    local what=$1
    shift
    if "$@" >"$T/check.txt" 2>&1; then
        ok "$what"
    else
        not_ok "$what" "command: $*" "$(cat "$T/check.txt")"
        return 1
    fi
}

# check_not NAME COMMAND...: the command must fail (exit 1, not a crash).
check_not() {
    local what=$1 rc
    shift
    "$@" >"$T/check.txt" 2>&1
    rc=$?
    if [ "$rc" = 1 ]; then
        ok "$what"
    else
        not_ok "$what" "command: $* (exit $rc, 1 was due)" "$(cat "$T/check.txt")"
        return 1
    fi
}

need_trawl() {
    [ -x "$TRAWL" ] || fail "there is a trawl to test" "no executable at $TRAWL: run make"
}

need_root() {
    if [ "$(id -u)" != 0 ]; then
        skip "${1:-all}" "needs root"
        NO_WEB="nothing ran"
        finish
    fi
}

now() {
    date +%s.%N
}

# calc EXPRESSION: arithmetic with fractions; `holds EXPRESSION`: is it true?
calc() {
    awk "BEGIN { printf \"%.6f\", $1 }"
}

holds() {
    awk "BEGIN { exit !($1) }"
}

# wait_until SECONDS COMMAND...: polls until the command succeeds; 1 when the time is over.
wait_until() {
    local limit=$1 end
    shift
    end=$(calc "$(now) + $limit * $SCALE")
    until "$@" >/dev/null 2>&1; do
        holds "$(now) > $end" && return 1
        sleep 0.05
    done
}

# none_for SECONDS COMMAND...: the command never succeeds within this time.
none_for() {
    ! wait_until "$@"
}

# A port that nobody listens on at any address, below the range that outgoing connections use.
free_port() {
    python3 - <<'PY'
import random, socket
for _ in range(500):
    port = random.randrange(20000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            continue
        print(port)
        break
PY
}

# start NAME COMMAND...: in the background, in a process group of its own, with the signals as a shell would leave them.
start() {
    local name=$1
    shift
    setsid env --default-signal=INT,QUIT,TERM,PIPE "$@" >>"$T/$name.out" 2>>"$T/$name.err" </dev/null &
    PID[$name]=$!
    unset "RC[$name]"
}

running() {
    local state
    [ -n "${PID[$1]:-}" ] || return 1
    state=$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/${PID[$1]}/stat" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

ended() {
    ! running "$1"
}

# wait_exit NAME SECONDS: RC[NAME] is its exit code; 1 when it still runs.
wait_exit() {
    local pid=${PID[$1]:-}
    [ -n "$pid" ] || return 1
    wait_until "$2" ended "$1" || return 1
    wait "$pid" 2>/dev/null
    RC[$1]=$?
    unset "PID[$1]"
}

# exits NAME SECONDS CODE (for `check`): it ends by itself, with that exit code.
exits() {
    if [ -z "${RC[$1]:-}" ] && ! wait_exit "$1" "$2"; then
        echo "$1 still runs after $2 s"
        return 1
    fi
    [ "${RC[$1]}" = "$3" ] || {
        echo "$1: exit ${RC[$1]}, $3 was due"
        tail -n 5 "$T/$1.err" 2>/dev/null
        return 1
    }
}

# kill9 NAME: SIGKILL its whole process group and wait for it to be gone.
kill9() {
    local pid=${PID[$1]:-}
    [ -n "$pid" ] || return 0
    kill -KILL -- "-$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    unset "PID[$1]"
}

stop() {
    local pid=${PID[$1]:-}
    [ -n "$pid" ] || return 0
    if running "$1"; then
        kill -CONT -- "-$pid" 2>/dev/null
        kill -TERM -- "-$pid" 2>/dev/null
        wait_until 3 ended "$1"
    fi
    kill -KILL -- "-$pid" 2>/dev/null      # what is left of its group
    wait "$pid" 2>/dev/null
    unset "PID[$1]"
}

# nginx_start NAME PORT SITE ADDR...: serves SITE/www/ADDR:PORT (as made by gen.py) or, when there is none, SITE
# itself. Its access log, for check_log.py, is $T/NAME.log. NGINX_HTTP, NGINX_SERVER: more lines for these blocks.
# NGINX_VIA: an array, what to run it with (ip netns exec ...). NGINX_CONNECTIONS: at once, other than 2000.
nginx_start() {
    local name=$1 port=$2 site=$3 dir=$T/nginx-$1 addr root
    shift 3
    mkdir -p "$dir"
    root=$site
    # shellcheck disable=SC2016
    [ -d "$site/www" ] && root=$site'/www/$server_addr:$server_port'
    {
        echo "daemon off; pid $dir/pid; error_log $T/$name.error.log warn; worker_processes 1;"
        [ "$(id -u)" = 0 ] && echo "user root;"
        [ -z "${NGINX_CONNECTIONS:-}" ] || echo "worker_rlimit_nofile $((NGINX_CONNECTIONS * 2));"
        echo "events { worker_connections ${NGINX_CONNECTIONS:-2000}; }"
        cat <<'CONF'
http {
    log_format e2e '$msec\t$request_time\t$connection\t$connection_requests\t$remote_addr\t$remote_port\t'
                   '$server_addr\t$server_port\t$status\t$body_bytes_sent\t$request_method\t$request_uri\t'
                   '$connections_active\t$http_user_agent';
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    types_hash_max_size 4096;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 60s;
    keepalive_requests 100000;
    client_max_body_size 1m;
CONF
        echo "    access_log $T/$name.log e2e; access_log $T/$name.all e2e;"    # tests may empty the first one
        echo "    client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fcgi;"
        echo "    uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;"
        [ -f "$site/maps.conf" ] && echo "    include $site/maps.conf;"
        echo "    ${NGINX_HTTP:-}"
        echo "    server {"
        for addr in "$@"; do
            echo "        listen $addr:$port backlog=8192;"
        done
        echo "        root \"$root\";"
        if [ -f "$site/maps.conf" ]; then
            cat <<'CONF'
        if ($to_url_301) { return 301 $to_url_301; }
        if ($to_url_302) { return 302 $to_url_302; }
        if ($force_status = 500) { return 500 "broken\n"; }
CONF
        fi
        echo "        ${NGINX_SERVER:-}"
        echo "    }"
        echo "}"
    } >"$dir/nginx.conf"
    : >>"$T/$name.log"
    : >>"$T/$name.all"
    NGINX_ROOTS+=("$T/$name.all=$root")
    rm -f "$dir/pid"
    start "$name" "${NGINX_VIA[@]}" nginx -p "$dir" -c "$dir/nginx.conf"
    if ! wait_until 10 test -s "$dir/pid"; then
        fail "nginx starts" "$(cat "$T/$name.err" "$T/$name.error.log" 2>/dev/null)"
    fi
}
NGINX_ROOTS=()
NGINX_VIA=()
NGINX_CONNECTIONS=
NGINX_HTTP=
NGINX_SERVER=

# requests NAME: how many requests nginx has answered so far. at_least NAME N.
requests() {
    local n
    n=$(wc -l <"$T/$1.log")
    echo "$n"
}

at_least() {
    [ "$(requests "$1")" -ge "$2" ]
}

# pages FILE: how many URLs of expected.tsv are to be requested.
expected_count() {
    awk -F'\t' '$1 != "forbidden" && $1 != "outside"' "$1" | wc -l
}

check_log() {
    python3 "$E2E/check_log.py" "$@"
}

check_warc() {
    python3 "$E2E/check_warc.py" "$@"
}

# bodies WHAT: every body in every archive below $T is one that was sent for its URL. `finish` looks; before a site changes
# a test looks at what there is by then.
bodies() {
    local pair args=()
    for pair in "${NGINX_ROOTS[@]}"; do
        args+=(--nginx "$pair")
    done
    check "$1" python3 "$E2E/check_sent.py" --sent "$E2E_BODIES" --seen "$T/bodies.seen" --archive "$T" "${args[@]}" &&
        grep '^# ' "$T/check.txt"
}

export_jsonl() {
    "$TRAWL" export "$1" --format jsonl
}

# complete LABEL EXPECTED DIR "ARCHIVE..." LOG...: promises 1 and 2 from outside, for a crawl that has ended.
# The archives default to DIR/archive. CHECK_WARC: more options for check_warc.py.
complete() {
    local label=$1 expected=$2 dir=$3 archives=${4:-$3/archive} a args=()
    shift 4
    for a in $archives; do
        args+=(--archive "$a")
    done
    check "$label: every expected URL was requested, and nothing else" check_log "$@" --expected "$expected"
    if ! export_jsonl "$dir" >"$T/export.jsonl" 2>"$T/export.err"; then
        not_ok "$label: export" "$(tail -n 3 "$T/export.err")"
        return 1
    fi
    check "$label: one record a URL, none uncommitted, digests match" \
        check_warc "${args[@]}" --expected "$expected" --export "$T/export.jsonl" "${CHECK_WARC[@]}"
}
CHECK_WARC=()

# Options of every crawl here: quick leases, no status page on a fixed port, the loopback addresses allowed.
# shellcheck disable=SC2034
QUICK=(--heartbeat 200ms --lease 2s --http off --allow-net 127.0.0.0/8)

# fetched_at_least NAME N SECONDS: wait until the server NAME has answered N requests.
fetched_at_least() {
    wait_until "$3" at_least "$1" "$2"
}

# sockets PID PORT: local ports of the process's connections to that server port.
sockets() {
    ss -tnpH state established "dport = :$2" 2>/dev/null |
        awk -v p="pid=$1," 'index($0, p) { n = split($3, a, ":"); print a[n] }'
}

lines() {
    wc -l <"$1"
}

#!/usr/bin/env bash
# One event loop, a thread a fetch, an event loop a core: bench/concurrency against a fast and a slow server, for 1 to 4,096
# transfers; writes docs/concurrency.svg and prints the table that stands in docs/concurrency.md. Takes less than 6 minutes.
#
#   scripts/bench-concurrency.sh [DIR]      DIR gets concurrency.jsonl and concurrency.svg (default: docs)
#
# The fast server is nginx with one worker and a page of 9 KB; the slow one (bench/slow_server.c) answers after 50 ms. Both are
# 64 origins. The shapes share the machine's cores with the server. Environment: B, the build directory; SECONDS_EACH,
# what a point is to take, about (default 4); POINTS, the numbers of transfers.
case ${1:-} in -*) sed -n '2,10s/^# \{0,1\}//p' "$0"; [ "$1" = --help ]; exit ;; esac
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin concurrency
make -s -C "$TOP" B="$B" "$B/bench/concurrency" "$B/bench/slow_server" || exit 1
out=${1:-$TOP/docs}
mkdir -p "$out" || exit 1
SECONDS_EACH=${SECONDS_EACH:-4}
BYTES=9000 DELAY_MS=50 ORIGINS=64
read -r -a points <<<"${POINTS:-1 4 16 64 256 1024 4096}"

# rate SERVER TRANSFERS: pages a second to be expected at most, from which the number of requests follows.
rate() {
    local most=20000
    [ "$1" = fast ] || most=$(($2 * 1000 / DELAY_MS))
    [ $most -lt 12000 ] || most=12000
    echo $most
}

# point SERVER SHAPE TRANSFERS URLS: a line of JSON.
point() {
    local requests
    requests=$(($(rate "$1" "$3") * SECONDS_EACH / 2))
    [ $requests -gt $(($3 * 16)) ] || requests=$(($3 * 16))
    timeout 60 "$B/bench/concurrency" "$2" "$3" $requests "$4" >"$T/line" ||
        { echo "bench-concurrency.sh: $2 with $3 transfers on the $1 server failed: $(cat "$T/line")" >&2; exit 1; }
    sed "s/^{/{\"server\": \"$1\", /" "$T/line" | tee -a "$T/concurrency.jsonl" >&2
}

mkdir -p "$T/site"
head -c $BYTES /dev/zero | tr '\0' x >"$T/site/index.html"
fast=$(free_port)
NGINX_HTTP="access_log off;"
NGINX_CONNECTIONS=10000
addresses=()
for ((i = 1; i <= ORIGINS; i++)); do addresses+=("127.1.0.$i"); done
nginx_start fast "$fast" "$T/site" "${addresses[@]}"
slow=$(free_port)
start slow "$B/bench/slow_server" "$slow" $DELAY_MS $BYTES $ORIGINS
printf "http://%s:$fast/\n" "${addresses[@]}" >"$T/fast.urls"
printf "http://%s:$slow/\n" "${addresses[@]}" >"$T/slow.urls"
wait_until 10 curl -fsS -o /dev/null "http://127.1.0.1:$slow/" || { echo "bench-concurrency.sh: no server" >&2; exit 1; }
for server in fast slow; do
    for n in "${points[@]}"; do
        for shape in one threads cores; do
            point $server $shape "$n" "$T/$server.urls"
        done
    done
done
cp "$T/concurrency.jsonl" "$out/concurrency.jsonl" &&
    python3 "$TOP/scripts/plot-concurrency.py" <"$T/concurrency.jsonl" >"$out/concurrency.svg" &&
    python3 "$TOP/scripts/plot-concurrency.py" --table <"$T/concurrency.jsonl"

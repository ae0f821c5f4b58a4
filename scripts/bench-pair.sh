#!/usr/bin/env bash
# Two builds of trawl side by side: scripts/bench-pair.sh OLD NEW [ROUNDS=5]. 64 origins with 500 made-up pages of 9 KB each
# (bench.sh's `many`), crawled by each in turn; the crawler has core 0, nginx core 1. Prints a line a run, then the
# medians and their ratio: CPU seconds a crawl, which tell also on a machine that is busy with others, and pages a second.
# Environment: BENCH_ORIGINS, other than 64.
. "$(dirname "$0")/../tests/e2e/lib.sh"
begin bench-pair
if ! [ -x "${1:-}" ] || ! [ -x "${2:-}" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2
fi
ROUNDS=${3:-5} ORIGINS=${BENCH_ORIGINS:-64} PAGES=500
cp "$1" "$T/old" && cp "$2" "$T/new" || exit 1      # a build meanwhile does not matter

port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count "$ORIGINS" --port "$port" --pages $PAGES --size 9000 || exit 1
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
mapfile -t seeds <"$T/site/seeds.txt"
NGINX_VIA=(taskset -c 1)
nginx_start web "$port" "$T/site" "${addrs[@]}"

# run WHICH: "pages CPU-seconds seconds", of a crawl and all its processes.
run() {
    local from
    from=$(requests web)
    sync
    python3 - "$T/$1.err" taskset -c 0 "$T/$1" crawl --dir "$T/out" --workers 1 --threads 1 --delay 0 --host-connections 1 \
        --ip-connections 1 --allow-net 127.0.0.0/8 --http off --listen tcp://127.0.0.1:0 --quiet "${seeds[@]}" <<'PY' || exit 1
import resource, subprocess, sys, time
begin = time.monotonic()
with open(sys.argv[1], "ab") as log:
    code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:.3f} {time.monotonic() - begin:.3f}")
sys.exit(code)
PY
    wait_until 10 at_least web $((from + ORIGINS * PAGES)) || { echo "bench-pair.sh: $1 did not fetch every page" >&2; exit 1; }
    rm -rf "$T/out"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
for ((i = 1; i <= ROUNDS; i++)); do
    for which in $([ $((i % 2)) = 1 ] && echo old new || echo new old); do
        figures=$(run "$which") || exit 1
        echo "$which $figures" | tee -a "$T/figures"
    done
done
for which in old new; do
    awk -v w=$which '$1 == w { print $2 }' "$T/figures" | median >"$T/$which.cpu"
    awk -v w=$which '$1 == w { print $3 }' "$T/figures" | median >"$T/$which.wall"
done
paste "$T"/old.cpu "$T"/old.wall "$T"/new.cpu "$T"/new.wall | awk -v n=$((ORIGINS * PAGES)) '{
    printf "CPU, us a page: old %.1f, new %.1f, ratio %.3f\n", $1 / n * 1e6, $3 / n * 1e6, $3 / $1
    printf "pages/s: old %.0f, new %.0f, ratio %.3f\n", n / $2, n / $4, $2 / $4 }'
exit 0

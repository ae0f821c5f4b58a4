#!/usr/bin/env bash
# What a change most likely breaks, soon said: the unit tests but for the slow ones, a short simulation, and a few crawls and jobs on
# real processes. From a built tree under three minutes on two cores. `make test` is for all of it.
# Environment: B, the build directory, which must be built. Ends with one line, N passed, N failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build}
SLOW='test_(gumbo|alloc_core|alloc_job|alloc_parsers|trial|corpus_html_tree)$'
SEEDS=400
E2E='test_verify test_robots test_sigint test_one_origin test_recrawl'
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# add: the closing line of run-tests.sh into the sums.
add() {
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    if [ -z "$line" ]; then
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + $(sed -E 's/^([0-9]+) passed.*/\1/' <<<"$line")))
    failed=$((failed + $(sed -E 's/.* ([0-9]+) failed.*/\1/' <<<"$line")))
}

SKIP=$SLOW scripts/run-tests.sh --unit 2>&1 | tee "$log"
add
if "$B/sim" 0 "$SEEDS" >"$log" 2>&1; then
    passed=$((passed + 1))
    tail -n 1 "$log"
else
    failed=$((failed + 1))
    tail -n 20 "$log"
fi
for name in $E2E; do
    scripts/run-tests.sh --e2e "$name.sh" 2>&1 | tee "$log"
    add
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

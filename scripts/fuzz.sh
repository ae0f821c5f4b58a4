#!/usr/bin/env bash
# Run fuzzers for SECONDS each: scripts/fuzz.sh SECONDS BINARY...
# What they learn is kept in build-fuzz/corpus; what they find stands in build-fuzz/findings.
set -u
seconds=$1
shift
failed=0
for bin; do
    name=$(basename "$bin")
    corpus=build-fuzz/corpus/$name
    mkdir -p "$corpus" build-fuzz/findings
    echo "== $name, $seconds s"
    "$bin" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/findings/$name-" "$corpus" 2>&1 |
        grep -E 'number_of_executed_units|ERROR|SUMMARY|artifact' || true
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
done
exit "$failed"

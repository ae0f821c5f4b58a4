#!/usr/bin/env bash
# Run fuzzers for SECONDS each: scripts/fuzz.sh SECONDS BINARY...
# Begins with the known-answer corpora, if they are there. What the fuzzers learn is kept in build-fuzz/corpus; what they
# find stands in build-fuzz/findings.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=$1
shift
corpora=${TRAWL_CORPORA:-../shared/corpora}
declare -A seeds=([fuzz_url]=url [fuzz_html]=html [fuzz_page]=html [fuzz_robots]=robots
    [fuzz_sitemap]=sitemaps [fuzz_warc]=warc [fuzz_content]=gzip)
failed=0
for bin; do
    name=$(basename "$bin")
    corpus=build-fuzz/corpus/$name
    mkdir -p "$corpus" build-fuzz/findings
    args=("$corpus")
    [ -d "$corpora/${seeds[$name]:-none}" ] && args+=("$corpora/${seeds[$name]}")
    [ -f "tests/fuzz/$name.dict" ] && args=("-dict=tests/fuzz/$name.dict" "${args[@]}")
    echo "== $name, $seconds s"
    "$bin" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/findings/$name-" "${args[@]}" 2>&1 |
        grep -E 'number_of_executed_units|ERROR|SUMMARY|artifact'
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
done
exit "$failed"

#!/usr/bin/env bash
# Everything that CI runs: the tests of the plain build, then those that profit from it under AddressSanitizer with
# UndefinedBehaviorSanitizer, and under ThreadSanitizer. Ends with one line, N passed, N failed, over all of them.
# Environment: B, the plain build's directory, which must be built; FUZZ_SECONDS, how long each fuzzer runs.
set -u
cd "$(dirname "$0")/.." || exit 1
plain=${B:-build}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run BUILD-DIR ARG...: one run of run-tests.sh; its closing line is added to the sums.
run() {
    local b=$1 line
    shift
    echo "== $b $*"
    B=$b scripts/run-tests.sh "$@" 2>&1 | tee "$log"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    if [ -z "$line" ]; then
        echo "no tests were counted in $b $*"
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + $(sed -E 's/^([0-9]+) passed.*/\1/' <<<"$line")))
    failed=$((failed + $(sed -E 's/.* ([0-9]+) failed.*/\1/' <<<"$line")))
    [[ $line == *skipped* ]] && skipped=$((skipped + $(sed -E 's/.* ([0-9]+) skipped.*/\1/' <<<"$line")))
}

# build SANITIZERS
build() {
    echo "== build with -fsanitize=$1"
    # A make of its own: the one above us has a build directory and flags in the environment.
    env -u B -u MAKEFLAGS make -s -j"$(nproc)" SANITIZE="$1" OPT="-O1 -g" WERROR=1 all unit >"$log" 2>&1 && return
    cat "$log"
    failed=$((failed + 1))
    return 1
}

run "$plain"
if build address,undefined; then
    run build-address-undefined --unit
    run build-address-undefined --e2e python_doc
fi
if build thread; then
    for name in channel offload log rpc commit server fence seal segment; do
        run build-thread --unit "test_$name"
    done
    run build-thread --e2e python_doc
fi
# A few seconds of each fuzzer, each counted as one test; `make fuzz` is for long runs. `make lint` brings clang.
if command -v clang >/dev/null; then
    echo "== fuzz"
    if env -u B -u MAKEFLAGS make -s -j"$(nproc)" fuzzers >"$log" 2>&1; then
        for bin in build-fuzz/fuzz_*; do
            [ -x "$bin" ] || continue
            if scripts/fuzz.sh "${FUZZ_SECONDS:-5}" "$bin"; then
                passed=$((passed + 1))
            else
                failed=$((failed + 1))
            fi
        done
    else
        cat "$log"
        failed=$((failed + 1))
    fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

#!/usr/bin/env bash
# Simulate many crawls, side by side on all cores: scripts/sim.sh BINARY SEEDS [FROM]
# Ends with the sum of the seeds run and broken; exit 0 only when none broke.
set -eu
bin=$1 seeds=$2 from=${3:-0}
jobs=$(nproc)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
share=$(((seeds + jobs - 1) / jobs))
pids=()
for ((i = 0; i < jobs; i++)); do
    "$bin" $((from + i * share)) "$share" >"$out/$i" &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
done
cat "$out"/*
if [ "$failed" = 0 ]; then
    echo "sim: $((share * jobs)) seeds, none broken"
else
    echo "sim: BROKEN, see above"
fi
exit "$failed"

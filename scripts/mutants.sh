#!/usr/bin/env bash
# Let the simulation look for planted bugs: scripts/mutants.sh BINARY..., each built with one of them.
# Exit 0 only when every one was caught within SEEDS seeds (default 3000).
set -u
missed=0
for bin; do
    caught=$("$bin" 0 "${SEEDS:-3000}" | grep '^seed ' | head -n 1)
    if [ -n "$caught" ]; then
        echo "caught $(basename "$bin"): $caught"
    else
        echo "MISSED $(basename "$bin")"
        missed=1
    fi
done
exit "$missed"

#!/usr/bin/env bash
# Plant one known bug at a time and let the simulation look for it: scripts/mutants.sh MUTANT...
# Exit 0 only when every one was caught within SEEDS seeds (default 3000).
set -u
cd "$(dirname "$0")/.." || exit 1
missed=0
for mutant; do
    b=build-mutant-$mutant
    if ! make -s "B=$b" "MUTANT=$mutant" "$b/sim" >"/tmp/mutant.$$" 2>&1; then
        cat "/tmp/mutant.$$"
        rm -f "/tmp/mutant.$$"
        exit 1
    fi
    rm -f "/tmp/mutant.$$"
    caught=$("$b/sim" 0 "${SEEDS:-3000}" | grep '^seed ' | head -n 1)
    if [ -n "$caught" ]; then
        echo "caught $mutant: $caught"
    else
        echo "MISSED $mutant"
        missed=1
    fi
done
exit "$missed"

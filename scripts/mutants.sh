#!/usr/bin/env bash
# Let the simulation look for planted bugs: scripts/mutants.sh BINARY..., each built with one of them; on all cores.
# Exit 0 only when every one was caught within SEEDS seeds (default 3000).
set -u
export SEEDS=${SEEDS:-3000}
look() {
    local caught
    caught=$("$1" 0 "$SEEDS" | grep '^seed ' | head -n 1)
    if [ -n "$caught" ]; then
        echo "caught $(basename "$1"): $caught"
    else
        echo "MISSED $(basename "$1")"
        return 1
    fi
}
export -f look
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'look "$1"' -

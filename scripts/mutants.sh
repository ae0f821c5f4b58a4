#!/usr/bin/env bash
# Let the simulation look for planted bugs: scripts/mutants.sh BINARY..., each built with one of them; on all cores.
# Exit 0 only when every one was caught within SEEDS seeds (default 3000); those that take long are looked for first where they
# were caught last.
set -u
export SEEDS=${SEEDS:-3000}
look() {
    local caught name
    local -A last=([OLD_TERMS]=2507 [BLAME_UNPROVEN]=1332 [SAME_WORKER]=1356 [TASK_TWICE]=1313 [ENDLESS_TURN]=1313
        [NO_FENCING]=464 [REFETCH_FREELY]=369 [NO_STAND]=151 [TELL_ONCE]=148)
    name=$(basename "$1")
    caught=$("$1" "${last[$name]:-0}" 5 1 | grep '^seed ' | head -n 1)
    [ -n "$caught" ] || caught=$("$1" 0 "$SEEDS" 1 | grep '^seed ' | head -n 1)
    if [ -n "$caught" ]; then
        echo "caught $name: $caught"
    else
        echo "MISSED $name"
        return 1
    fi
}
export -f look
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'look "$1"' -

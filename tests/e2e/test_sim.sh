#!/usr/bin/env bash
# The simulation: many crawls under faults, none of which may break a promise; and known bugs planted one at a
# time, each of which it must catch. SIM_SEEDS (default 2000) crawls.
# Alone: it takes all cores.
. "$(dirname "$0")/lib.sh"
begin sim
NO_WEB="its web is made up"

seeds=${SIM_SEEDS:-2000}
simulate() {
    "$TOP/scripts/sim.sh" "$B/sim" "$seeds" >"$T/sim.out" 2>&1 || {
        grep -E '^seed|BROKEN|never happened' "$T/sim.out"
        return 1
    }
}
check "$seeds crawls under faults: every promise kept" simulate
caught() {
    make -C "$TOP" -s -j"$(nproc)" mutants >"$T/mutants.out" 2>&1 || {
        cat "$T/mutants.out"
        return 1
    }
}
check "each planted bug is caught" caught
finish

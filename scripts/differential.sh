#!/usr/bin/env bash
# Compare trawl's reading of HTTP and of pages with others' (tests/differential): scripts/differential.sh [--time SECONDS]
# [--seed N] [--case K] [--only NAME,...]. Exit 1: a difference that nothing explains. Environment: B, the build directory.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
node=tests/warcio/node_modules/.bin/node        # deps.sh puts it there when the system's is old
[ -x "$node" ] || node=node
exec nice "$node" tests/differential/run.mjs --driver "$B/tests/differential" --trawl "$B/trawl" "$@"

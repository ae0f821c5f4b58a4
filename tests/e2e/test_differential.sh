#!/usr/bin/env bash
# HTTP and pages, as others read them: a short run of tests/differential; `make differential TIME=3600` is a long one.
. "$(dirname "$0")/lib.sh"
begin differential
need_trawl
NO_WEB="its crawls are compared by what it asks"
driver=$B/tests/differential
[ -x "$driver" ] || fail "there is a driver" "no executable at $driver: run make unit"
[ -d "$TOP/tests/differential/node_modules/undici" ] || fail "npm's packages are there" "run scripts/deps.sh test"

run() {
    B=$B TMPDIR=$T timeout -k 10 $((200 * SCALE)) bash "$TOP/scripts/differential.sh" "$@"
}
check "no difference that nothing explains" run --time 25 --seed 1
sed -n 's/^seed\|^| [a-z]\|: skipped\|: without/# &/p' "$T/check.txt"

# It finds what is there: a driver that reads one thing wrongly is caught, made small, and can be replayed.
cat >"$T/wrong" <<SH
#!/bin/sh
exec "$driver" | sed -u 's/^delay=30 \$/delay=31 /'
SH
chmod 755 "$T/wrong"
wrong() {
    node "$TOP/tests/differential/run.mjs" --driver "$T/wrong" --seed 7 --only refresh "$@"
}
check_not "caught: a delay that is read wrongly" wrong --batches 3
cp "$T/check.txt" "$T/found.txt"
number=$(sed -n 's/.*--case \([0-9]*\) .*/\1/p' "$T/found.txt" | head -n 1)
check "... in its smallest form" grep -E '^  input:  ."content":"[0.][^"]{0,2}"' "$T/found.txt"
check_not "... and its seed and number show it again" wrong --case "${number:-none}"
finish

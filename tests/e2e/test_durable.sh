#!/usr/bin/env bash
# Names outlive a power cut: whatever is new, or has a new name, has its directory synced; a sync that fails is said, and nothing is
# promised on it.
. "$(dirname "$0")/lib.sh"
. "$E2E/faults.sh"
begin durable
need_trawl
faults_begin

# A crawl two directories below what is there; each sync is noted.
faults_case
with_faults "$D/faults.log" "role=master op=sync do=note times=0; role=worker op=sync do=note times=0"
below=$D
D=$D/new/deep
master "${WITH[@]}"
wait_until 10 test -d "$D/master"
worker "${WITH[@]}"
check "a crawl ends" exits master 60 0
check "... and its worker" exits worker 20 0
# synced ROLE DIR: that directory was, by that role.
synced() {
    awk -v role="$1" -v dir="$2" '$2 == role && $4 == "sync" && $5 == dir { found = 1 } END { exit !found }' "$below/faults.log"
}
for dir in "$below" "$below/new" "$D" "$D/master"; do
    check "the master syncs ${dir#"$T"} for what is new in it" synced master "$dir"
done
for dir in "$D" "$D/worker" "$D/worker/workers" "$D/worker/workers/mortal" "$D/worker/archive"; do
    check "the worker syncs ${dir#"$T"} for what is new in it" synced worker "$dir"
done
# shellcheck disable=SC2016
check "crawl.conf and index.cdxj are synced before they get their names" bash -c '
    grep -q "sync .*crawl.conf.tmp" "$1" && grep -q "sync .*index.cdxj.tmp" "$1"' - "$below/faults.log"

faults_case
with_faults "$D/faults.log" "role=master op=sync path=$D do=EIO"
master "${WITH[@]}"
check "a directory that cannot be synced: exit 1" exits master 20 1
check "... and its name" grep -q "cannot make $D/master: Input/output error" "$T/master.err"
faults_case
with_faults "$D/faults.log" "role=worker op=sync path=$D/worker/workers do=EIO"
master
worker "${WITH[@]}"
check "the same of a worker's: exit 1" exits worker 20 1
check "... and its name" grep -q "Input/output error" "$T/worker.err"
finish

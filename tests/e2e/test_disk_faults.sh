#!/usr/bin/env bash
# A full disk and a bad disk, on purpose and at one place each: tests/faults/faults.c lets a call of the real worker or
# master fail with ENOSPC or EIO. Each time it says which file and why, and waits until the disk takes it again, or
# ends with exit 1 and is started again in the same place; then the crawl ends: complete, exactly once, no torn record.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
begin disk_faults
need_trawl

faults_begin

acted() {
    [ "$(grep -c " $1\$" "$D/faults.log")" -ge "$2" ]
}
both_ended() {
    ended "$1" || ended master
}
# told WHO TEXT: its log or its last words have the text.
told() {
    grep -hE "$2" "$T/$1.err" "$D"/*/logs/*.log
}

# fault WHAT WHO waits|ends ERROR TIMES TEXT RULES: the rules act on WHO at least TIMES times; it says TEXT. waits: it goes
# on by itself; ends: with exit 1, and is started again.
fault() {
    local what=$1 who=$2 how=$3 error=$4 times=$5 text=$6 before
    faults_case
    before=$(requests web)
    with_faults "$D/faults.log" "$7"
    if [ "$who" = master ]; then
        master "${WITH[@]}"
        worker
    else
        master
        worker "${WITH[@]}"
    fi
    if [ "$how" = ends ]; then
        wait_until 30 both_ended "$who"
        check "$what: the $who ends with exit 1" exits "$who" 5 1 || { stop master; stop worker; return 1; }
        again "$who"
    fi
    check "$what: the crawl ends" exits master 60 0 || { stop master; stop worker; return 1; }
    check "$what: the worker leaves" exits worker 30 0 || { stop worker; return 1; }
    check "$what: it happened" acted "$error" "$times"
    check "$what: it is told with the file" told "$who" "$text"
    tail -n +$((before + 1)) "$T/web.log" >"$D/web.log"
    complete "$what" "$T/site/expected.tsv" "$D/master" "$D/worker/archive" "$D/web.log"
    check "$what: verify" "$TRAWL" verify "$D/master" "$D/worker"
}

full='[Nn]o space left on device' bad='[Ii]nput/output error'
segment='role=worker op=write path=*/archive/mortal-*.warc.gz.open'
sync='role=worker op=sync path=*/archive/mortal-*.warc.gz.open'
log='role=master op=write path=*/state/*.log'

# ---- the worker -------------------------------------------------------------------------------------------
fault "no room for a segment" worker waits ENOSPC 2 "mortal-.*$full" \
    'role=worker op=rename path=*/archive/mortal-*.open times=2 do=ENOSPC'
fault "no room for a record" worker waits ENOSPC 5 "mortal-.*$full" "$segment nth=5 times=5 do=ENOSPC"
fault "room for half a record" worker waits ENOSPC 1 "mortal-.*$full" \
    "$segment nth=5 do=short;$segment nth=6 times=3 do=ENOSPC"
fault "a bad disk under a record" worker waits EIO 1 "mortal-.*$bad" "$segment nth=5 do=EIO"
fault "a bad disk under a segment's fdatasync" worker ends EIO 1 "mortal-.*$bad" "$sync nth=3 do=EIO"
fault "no room at a segment's fdatasync" worker ends ENOSPC 1 "mortal-.*$full" "$sync nth=3 do=ENOSPC"
fault "sealing: the rename fails" worker waits EIO 1 "mortal-.*$bad" \
    'role=worker op=rename path=*/archive/mortal-*.warc.gz do=EIO'
fault "sealing: no room for the rename" worker waits ENOSPC 1 "mortal-.*$full" \
    'role=worker op=rename path=*/archive/mortal-*.warc.gz do=ENOSPC'
fault "sealing: the directory cannot be synced" worker waits EIO 1 "archive.*$bad" \
    'role=worker op=rename path=*/archive/mortal-*.warc.gz do=note;role=worker op=sync path=*/archive after=0 do=EIO'

# ---- the master --------------------------------------------------------------------------------------------
fault "no room for the log" master waits ENOSPC 1 "state: $full" "$log nth=20 times=3 do=ENOSPC"
fault "a bad disk under the log" master waits EIO 1 "state: $bad" "$log nth=20 do=EIO"
fault "the log cannot be synced" master waits EIO 1 "state: $bad" 'role=master op=sync path=*/state/*.log nth=10 do=EIO'
fault "no room for the log's fdatasync" master waits ENOSPC 1 "state: $full" \
    'role=master op=sync path=*/state/*.log nth=10 do=ENOSPC'
finish

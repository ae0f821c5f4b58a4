#!/usr/bin/env bash
# SIGKILL at exact places of the commit path: tests/faults/faults.c kills the real worker or master right before or after
# one call. Each time: it was killed there (the library's log says so), what was killed is started again in the same
# place, the crawl ends by itself; then complete, exactly once, and fetched again only what was uncommitted.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
begin kill_points
need_trawl

faults_begin

one_ended() {
    ended master || ended worker
}

# killed WHO RULES: it is killed by the last of these rules.
killed() {
    local last=$2
    last=${last##*;}
    wait_until 30 one_ended
    wait_exit "$1" 1 || { echo "$1 still runs; the rules that acted:"; cat "$D/faults.log"; return 1; }
    [ "${RC[$1]}" = 137 ] || { echo "$1 ended with ${RC[$1]}"; tail -n 3 "$T/$1.err"; return 1; }
    tail -n 1 "$D/faults.log" | grep -q " ${last##*do=}$"
}

# What could be seen when the worker was killed: check_waste.py.
note_fault() {
    local to=$D/fault$1
    mkdir "$to"
    cp "$D"/worker/archive/*.open "$to" 2>/dev/null
    now >"$to/time"
    echo '*' >"$to/ports"
}

# point WHAT WHO RULES [RULES]: a crawl in which WHO is killed by the rules; with two sets, again when it has been
# started again.
point() {
    local what=$1 who=$2 before args=()
    shift 2
    faults_case
    before=$(requests web)
    with_faults "$D/faults.log" "$1"
    if [ "$who" = master ]; then
        master "${WITH[@]}"
        worker
    else
        master
        worker "${WITH[@]}"
    fi
    while [ $# -gt 0 ]; do
        check "$what: $who was killed there" killed "$who" "$1" || { stop master; stop worker; return 1; }
        if [ "$who" = worker ]; then
            note_fault $#
            args+=(--fault "$D/fault$#")
        fi
        shift
        WITH=()
        [ $# = 0 ] || with_faults "$D/faults.log" "$1"
        again "$who" "${WITH[@]}"
    done
    check "$what: the crawl ends" exits master 60 0 || { stop master; stop worker; return 1; }
    check "$what: the worker leaves" exits worker 30 0 || { stop worker; return 1; }
    tail -n +$((before + 1)) "$T/web.log" >"$D/web.log"
    complete "$what" "$T/site/expected.tsv" "$D/master" "$D/worker/archive" "$D/web.log"
    check "$what: verify" "$TRAWL" verify "$D/master" "$D/worker"
    check "$what: only what was uncommitted is fetched again" python3 "$E2E/check_waste.py" "$D/web.log" \
        --archive "$D/worker/archive" "${args[@]}"
    head -n 2 "$T/check.txt"
}

# ---- the worker -------------------------------------------------------------------------------------------
segment='role=worker op=write path=*/archive/mortal-*.warc.gz.open'
sync='role=worker op=sync path=*/archive/mortal-*.warc.gz.open'
sealed='role=worker op=rename path=*/archive/mortal-*.warc.gz'
told='role=worker op=send field=13 has=mortal- nth=2'     # the second exchange that reports records

point "a new segment has its name" worker 'role=worker op=rename path=*.warc.gz.open do=kill-after'
point "before a record is written" worker "$segment nth=7 do=kill-before"
point "a record half written" worker "$segment nth=7 do=torn" \
    'role=worker op=truncate path=*.warc.gz.open do=kill-after'
point "after a record was written" worker "$segment nth=7 do=kill-after" \
    'role=worker op=truncate path=*.warc.gz.open do=kill-before'
point "before the segment's fdatasync" worker "$sync nth=3 do=kill-before"
point "before the directory is synced" worker 'role=worker op=sync path=*/worker/archive do=kill-before'
point "after the fdatasync, before the report" worker "$sync nth=3 do=kill-after" "$sealed do=kill-before"
point "reported, not answered" worker "$told do=kill-after"
point "the acknowledgement has arrived" worker "$told do=note;role=worker op=recv field=13 after=0 do=kill-after" \
    "$sealed do=kill-after"
point "sealing: asked, before the holes are told" worker 'role=worker op=recv field=14 do=kill-after'
point "sealing: told, before the file is touched" worker 'role=worker op=recv field=14 nth=2 do=kill-after'
point "sealing: before the rename" worker "$sealed do=kill-before"
point "sealing: after the rename" worker "$sealed do=kill-after"

# ---- the master --------------------------------------------------------------------------------------------
heard='role=master op=recv field=13 has=mortal- nth=2 do=note'
point "before the log is written" master "$heard;role=master op=write path=*/state/*.log after=0 do=kill-before"
point "the log half written" master "$heard;role=master op=write path=*/state/*.log after=0 do=torn"
point "after the log was written, before its sync" master \
    "$heard;role=master op=write path=*/state/*.log after=0 do=kill-after"
point "after the log's sync, before the reply" master \
    "$heard;role=master op=sync path=*/state/*.log after=0 do=kill-after"
point "after the reply was sent" master "$heard;role=master op=send field=13 after=0 do=kill-after"
point "a segment is closed, its records not told yet" master \
    'role=master op=recv field=14 do=note;role=master op=sync path=*/state/*.log after=0 do=kill-after'
point "a segment's holes were told" master \
    'role=master op=recv field=15 do=note;role=master op=send field=14 after=0 do=kill-after'
finish

#!/usr/bin/env bash
# Who may speak to a master on loopback: its own user and root, nobody else on the machine. And in reverse: a worker does
# what a master of its own user or of root says, not what somebody else tells it who listens at that port.
. "$(dirname "$0")/lib.sh"
begin authority
need_trawl
# shellcheck disable=SC2119
need_root
command -v setpriv >/dev/null || { skip "all" "no setpriv"; finish; }

# Another user, who can read the program, and has a place to write.
cp "$TRAWL" "$T/trawl"
chmod 755 "$T/trawl"
mkdir "$T/other"
chown 65534:65534 "$T/other"
other() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$T/trawl" "$@"
}
# refused COMMAND...: exit 1, and the other user hears why.
refused() {
    local rc
    "$@" >"$T/refused.txt" 2>&1
    rc=$?
    [ "$rc" = 1 ] && grep -q "only its own user and root are served; you are user .*65534" "$T/refused.txt" && return
    echo "exit $rc"
    cat "$T/refused.txt"
    return 1
}
says() {
    local code=$1 text=$2 rc
    shift 2
    "$@" >"$T/says.txt" 2>&1
    rc=$?
    [ "$rc" = "$code" ] && grep -q -- "$text" "$T/says.txt" && return
    echo "exit $rc"
    cat "$T/says.txt"
    return 1
}

# ---- a master of root's -----------------------------------------------------------------------------------------
for host in 127.0.0.1 '[::1]'; do
    dir=$T/m${#host}
    start "master${#host}" "$TRAWL" master --dir "$dir" --keep --listen "tcp://$host:0" --http off --allow-net 127.0.0.0/8
    check "$host: the master is up" wait_until 20 test -s "$dir/master.addr"
    address=$(cat "$dir/master.addr")
    check "$host: its own user is served" "$TRAWL" status --master "$address"
    check "$host: another user is refused the status" refused other status --master "$address"
    check "$host: ... and to add" refused other ctl add http://127.0.0.1:9/ --master "$address"
    check "$host: ... and to stop" refused other ctl stop --master "$address"
    check "$host: ... and to run a job" refused other job run wordcount --master "$address" --output "$T/other/out" /etc/passwd
    check "$host: ... and to join" refused other worker --dir "$T/other/w" --master "$address"
    check "$host: ... and to run tasks" refused other worker --dir "$T/other/t" --tasks 1 --master "$address"
    check "$host: the master runs on, and was told nothing" grep -q '^URLs *0 known' <("$TRAWL" status --master "$address")
done

# ---- a master of the other user's -------------------------------------------------------------------------------
start theirs setpriv --reuid=65534 --regid=65534 --clear-groups "$T/trawl" master --dir "$T/other/m" --keep \
    --listen tcp://127.0.0.1:0 --http off
check "the other user's master is up" wait_until 20 test -s "$T/other/m/master.addr"
theirs=$(cat "$T/other/m/master.addr")
check "it serves its own user" other status --master "$theirs"
check "... and root" "$TRAWL" status --master "$theirs"
check "a worker of root's does not work for it" says 1 "user .*65534.* listens at $theirs" \
    timeout 20 "$TRAWL" worker --dir "$T/w" --master "$theirs"
check "... nor run commands for it" says 1 "user .*65534.* listens at $theirs" \
    timeout 20 "$TRAWL" worker --dir "$T/t" --tasks 1 --master "$theirs"
start joins setpriv --reuid=65534 --regid=65534 --clear-groups "$T/trawl" worker --dir "$T/other/w" --master "$theirs"
joined() {
    "$TRAWL" status --master "$theirs" --json | grep -q '"loops"'
}
check "a worker of its own user joins it" wait_until 20 joined

# ---- map outputs ------------------------------------------------------------------------------------------------
check "map outputs are not served beyond this machine" says 2 "accepted is --serve on loopback, or --insecure" \
    timeout 20 "$TRAWL" worker --dir "$T/t" --tasks 1 --master tcp://192.0.2.1:7700
finish

# Sourced by scripts that hold processes to a share of a core: cgroups, version 1 or 2. Needs tests/e2e/lib.sh and root.
# shellcheck shell=bash
cpu=/sys/fs/cgroup/cpu
[ -f "$cpu/cpu.cfs_quota_us" ] || cpu=/sys/fs/cgroup
grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null || [ -f "$cpu/cpu.cfs_quota_us" ] ||
    fail "cgroups limit CPU time" "no cpu controller in /sys/fs/cgroup"
group=$cpu/trawl-$$
undo "for g in $group-*; do rmdir \$g; done"

# share NAME MICROSECONDS [PERIOD]: the group NAME, made if need be, gets so much of each period (100000) of one core.
share() {
    mkdir -p "$group-$1"
    if [ -f "$group-$1/cpu.max" ]; then
        echo "$2 ${3:-100000}" >"$group-$1/cpu.max"
    else
        echo "${3:-100000}" >"$group-$1/cpu.cfs_period_us"
        echo "$2" >"$group-$1/cpu.cfs_quota_us"
    fi
}

# start_in NAME PROCESS COMMAND...: start of lib.sh, in the group NAME.
start_in() {
    local name=$1 process=$2
    shift 2
    # shellcheck disable=SC2016
    start "$process" sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$group-$name" "$@"
}

median() {
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

#!/usr/bin/env bash
# Run the tests and count them.
#
#   scripts/run-tests.sh [--unit|--e2e] [--list] [PATTERN]
#
# PATTERN: only files whose name holds it. Environment: SKIP, a pattern (ERE) of paths to leave out; B, the build directory (default build); JOBS, unit tests at
# once, and end-to-end tests that do not say "Alone:" in their head (default: cores); UNIT_TIMEOUT, E2E_TIMEOUT, seconds a file; E2E_SCALE, by how much waits are stretched
# (default 1, sanitizer builds 4). A single test is counted as one: cmocka's, and every check of an end-to-end test.
# The last line is `N passed, N failed`; the exit code is 0 only when some passed and none failed.
set -u
cd "$(dirname "$0")/.." || exit 1

export B=${B:-build}
JOBS=${JOBS:-$(nproc)}
UNIT_TIMEOUT=${UNIT_TIMEOUT:-180}
E2E_TIMEOUT=${E2E_TIMEOUT:-900}
case $B in
    *-address* | *-thread* | *-undefined* | *-memory*) scale=4 ;;
    *) scale=1 ;;
esac
export E2E_SCALE=${E2E_SCALE:-$scale}
LOGS=$PWD/$B/test-logs
case $B in /*) LOGS=$B/test-logs ;; esac

want=all
list=
pattern=
for arg; do
    case $arg in
        --unit | --e2e) want=${arg#--} ;;
        --list) list=1 ;;
        -*) sed -n '2,11s/^# \{0,1\}//p' "$0"; [ "$arg" = --help ]; exit ;;
        *) pattern=$arg ;;
    esac
done

# files KIND: the tests of that kind that the pattern leaves.
files() {
    local f
    if [ "$1" = unit ]; then
        for f in "$B"/tests/test_*; do
            [ -x "$f" ] && [ -f "$f" ] && [[ $f != *.* ]] && echo "$f"
        done
    else
        for f in tests/e2e/test_*.sh; do
            [ -f "$f" ] && echo "$f"
        done
    fi | grep -F -- "$pattern" | grep -vE -- "${SKIP:-^$}"
}

unit=()
e2e=()
[ "$want" = e2e ] || mapfile -t unit < <(files unit)
[ "$want" = unit ] || mapfile -t e2e < <(files e2e)
if [ -n "$list" ]; then
    printf '%s\n' "${unit[@]}" "${e2e[@]}"
    exit
fi

rm -rf "$LOGS"
mkdir -p "$LOGS"
passed=0
failed=0
skipped=0
broken=()

# run_one KIND FILE: into $LOGS/NAME.log; NAME.rc is its exit code, NAME.time its seconds.
run_one() {
    local kind=$1 file=$2 name begin
    name=$(basename "$file" .sh)
    begin=$(date +%s%N)
    if [ "$kind" = unit ]; then
        CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$((UNIT_TIMEOUT * E2E_SCALE))" "$file" >"$LOGS/$name.log" 2>&1 </dev/null &
    else
        E2E_LOGS=$LOGS timeout -k 20 "$((E2E_TIMEOUT * E2E_SCALE))" bash "$file" >"$LOGS/$name.log" 2>&1 </dev/null &
    fi
    trap 'kill $!' TERM
    wait $!
    echo $? >"$LOGS/$name.rc"
    awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $begin) / 1e9 }" >"$LOGS/$name.time"
}

# count_one KIND FILE: add up what its log says, and show what failed.
count_one() {
    local kind=$1 file=$2 name log rc good bad skip plan extra=
    name=$(basename "$file" .sh)
    log=$LOGS/$name.log
    rc=$(cat "$LOGS/$name.rc" 2>/dev/null || echo '?')
    read -r good bad skip plan < <(awk '
        /^(not )?ok [0-9]+.*# [Ss][Kk][Ii][Pp]/ { skip++; next }
        /^ok [0-9]+/ { good++ }
        /^not ok [0-9]+/ { bad++ }
        /^1\.\.[0-9]+$/ { plan += substr($0, 4) }
        END { print good + 0, bad + 0, skip + 0, plan + 0 }' "$log")
    if [ "$bad" = 0 ]; then
        case $rc in
            0)
                if [ $((good + skip)) = 0 ]; then
                    extra="reported no test"
                elif [ "$plan" -gt $((good + skip)) ]; then
                    extra="reported $((good + skip)) of $plan tests"
                fi
                ;;
            124 | 137) extra="took too long, or was killed (exit $rc)" ;;
            *) extra="ended with exit code $rc" ;;
        esac
        [ -n "$extra" ] && bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
    printf '%-5s %-26s %5d ok' "$kind" "$name" "$good"
    [ "$bad" != 0 ] && printf ', %d FAILED' "$bad"
    [ "$skip" != 0 ] && printf ', %d skipped' "$skip"
    printf '   %s s\n' "$(cat "$LOGS/$name.time" 2>/dev/null)"
    [ "$skip" != 0 ] && grep -E '^(not )?ok .*# [Ss][Kk][Ii][Pp]' "$log" | sed 's/^/        /'
    if [ "$bad" != 0 ]; then
        broken+=("$name")
        [ -n "$extra" ] && echo "      $name $extra"
        grep -A 30 '^not ok' "$log" | grep -v '^ok ' | head -n 60 | cut -c1-300 | sed 's/^/      /'
        [ -n "$extra" ] && tail -n 25 "$log" | cut -c1-300 | sed 's/^/      /'
    else
        rm -f "$log"
    fi
    rm -f "$LOGS/$name.rc" "$LOGS/$name.time"
}

trap 'trap "" TERM; kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM

for ((i = 0; i < ${#unit[@]}; i++)); do
    while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
        wait -n
    done
    run_one unit "${unit[$i]}" &
done
wait
for f in "${unit[@]}"; do
    count_one unit "$f"
done
# Side by side but for those that measure time or memory, or take both cores: these last. Each is told of as it ends.
alone=()
declare -A running=()
end_one() {
    local pid
    wait -n -p pid "${!running[@]}"
    count_one e2e "${running[$pid]}"
    unset "running[$pid]"
}
for f in "${e2e[@]}"; do
    if grep -q '^# Alone: ' "$f"; then
        alone+=("$f")
        continue
    fi
    while [ ${#running[@]} -ge "$JOBS" ]; do
        end_one
    done
    run_one e2e "$f" &
    running[$!]=$f
done
while [ ${#running[@]} -gt 0 ]; do
    end_one
done
for f in "${alone[@]}"; do
    run_one e2e "$f" &
    wait $!
    count_one e2e "$f"
done

[ ${#broken[@]} = 0 ] || echo "failed: ${broken[*]}; logs in ${LOGS#"$PWD/"}"
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

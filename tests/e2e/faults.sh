# faults: a small site, one master and one worker, crawl after crawl, under the library of tests/faults/faults.c. After lib.sh:
#
#     begin NAME; faults_begin          # the site and its server
#     faults_case; with_faults LOG RULES; master "${WITH[@]}"; worker
#
# shellcheck shell=bash disable=SC2034

# with_faults LOG RULES: sets WITH, an array of words to put before a command.
with_faults() {
    WITH=(env "LD_PRELOAD=$B/tests/faults.so" "FAULTS=$2" "FAULTS_LOG=$1")
}

# Long leases: nothing is lost because somebody was slow, only because of a fault.
FAULTS_OPTIONS=(--heartbeat 200ms --lease 15s --http off --allow-net 127.0.0.0/8 --scope any --delay 15ms)

faults_begin() {
    local port addrs
    [ -r "$B/tests/faults.so" ] || fail "there is a library that makes faults" "no $B/tests/faults.so: run make unit"
    port=$(free_port)
    python3 "$WEB/gen.py" "$T/site" --count 2 --port "$port" --pages 14 --size 1500 --ring --cross 1 --redirects 2 \
        --missing 1 || fail "gen.py"
    mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
    nginx_start web "$port" "$T/site" "${addrs[@]}"
    number=0
}

# A crawl of its own: its directory is D.
faults_case() {
    number=$((number + 1))
    D=$T/$number
    mkdir "$D"
    : >"$D/faults.log"
    listen=tcp://127.0.0.1:$(free_port)
}

# master [WORD...], worker [WORD...]: started, with these words before the command.
master() {
    start master "$@" "$TRAWL" master --dir "$D/master" "${FAULTS_OPTIONS[@]}" --listen "$listen" \
        --seeds "$T/site/seeds.txt"
}
worker() {
    start worker "$@" "$TRAWL" worker --master "$listen" --dir "$D/worker" --name mortal --threads 1
}
again() {
    if [ "$1" = master ]; then master "${@:2}"; else worker "${@:2}"; fi
}

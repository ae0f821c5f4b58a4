#!/usr/bin/env bash
# The directory of a worker is copied, and a worker is started in the copy, under the same name, while the first one works:
# it is refused, the first one goes on undisturbed, and no segment has two writers. When the first one has died, the copy
# is let in after the first one's leases.
. "$(dirname "$0")/lib.sh"
begin copied_worker
need_trawl

port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 4 --port "$port" --pages 150 --ring || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$port" "$T/site" "${addrs[@]}"
start master "$TRAWL" master --dir "$T/crawl" "${QUICK[@]}" --listen "$listen" --scope any --delay 60ms --lease 3s --heartbeat 300ms \
    --seeds "$T/site/seeds.txt"
worker() {
    start "$1" "$TRAWL" worker --master "$listen" --dir "$T/$2" --name "$3"
}
sealed() {
    (cd "$T/$1/archive" && find . -name '*.warc.gz' | sort)
}
opened() {
    (cd "$T/$1/archive" && find . -name '*.open' | sort)
}

worker first first w
fetched_at_least web 20 30 || fail "the crawl begins" "$(requests web) requests"
cp -a "$T/first" "$T/copy"
worker copy copy w
check "a worker in a copy of the directory is refused while the first one works" exits copy 20 1
check "and says what is to be done" grep -q 'the name w is in use: .* a copy; start this one with another --name and an empty --dir' "$T/copy.err"
check "the first one runs on" kill -0 "${PID[first]}"
at=$(requests web)
check "and fetches on" fetched_at_least web $((at + 20)) 20
kill9 first
worker copy copy w
check "when it has died the copy is let in" fetched_at_least web $((at + 80)) 30
check "the crawl ends by itself" exits master 90 0
# What was copied is short of what the first one has committed since: that is the first one's to seal.
check "its worker ends, and says that the copied segments are not whole" exits copy 20 1
check "which is so" grep -q 'the committed record at .* is not in the file' "$T/copy.err"
check "the copy has left the first one's segments as they were" test -n "$(opened first)" -a "$(opened first)" = "$(opened copy)"
check "and has its own" test -n "$(sealed copy)"
start master "$TRAWL" master --dir "$T/crawl" "${QUICK[@]}" --listen "$listen"
worker first first w
check "when the first one is started again the crawl has all segments" exits master 60 0
stop first
check "no segment has two writers" test -z "$( (sealed first; sealed copy) | sort | uniq -d)"
rm "$T"/copy/archive/*.open
check "every record is there once" "$TRAWL" verify "$T/crawl" "$T/first" "$T/copy"
finish

#!/usr/bin/env bash
# A web that means harm (tests/hostile/server.py), crawled together with two servers that do not.
# Alone: it measures time and memory.
. "$(dirname "$0")/lib.sh"
begin hostile
need_trawl
HOSTILE=$TOP/tests/hostile
RSS_MAX=256

port=$(free_port)
tls_port=$(free_port)
good_port=$(free_port)
listen=tcp://127.0.0.1:$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 2 --port "$good_port" --pages 40 --ring --redirects 3 --missing 3 || fail "gen.py"
mapfile -t addrs < <(awk -F'[/:]' '{ print $4 }' "$T/site/seeds.txt")
nginx_start web "$good_port" "$T/site" "${addrs[@]}"

mkdir "$T/certs" "$T/server" "$T/ca"
bash "$HOSTILE/certs.sh" "$T/certs" 127.66.0 >"$T/certs.out" 2>&1 || fail "certificates" "$(tail -n 5 "$T/certs.out")"
start server python3 "$HOSTILE/server.py" --port "$port" --tls-port "$tls_port" --net 127.66.0 --certs "$T/certs" \
    --out "$T/server"
wait_until 60 test -s "$T/server/origins.tsv" || fail "the hostile server starts" "$(cat "$T/server.err")"

cat "$T/site/seeds.txt" "$T/server/seeds.txt" >"$T/seeds.txt"
start master python3 "$HOSTILE/peak.py" "$T/master.peak" "$TRAWL" master --dir "$T/master" "${QUICK[@]}" \
    --listen "$listen" --scope host --delay 10ms --lease 6s --timeout 3s --retries 2 --max-body 24MiB --max-per-template 50 \
    --seeds "$T/seeds.txt"
for i in 1 2; do
    start "w$i" env SSL_CERT_FILE="$T/certs/ca.pem" python3 "$HOSTILE/peak.py" "$T/w$i.peak" \
        "$TRAWL" worker --master "$listen" --dir "$T/worker$i" --name "w$i" --threads 1
done
begun=$(now)
check "it is asked how it does meanwhile" wait_until 20 "$TRAWL" status --master "$listen"
"$TRAWL" status --master "$listen" >"$T/status.out" 2>&1
check "the crawl ends by itself" exits master 120 0
echo "# after $(calc "$(now) - $begun") s"
for i in 1 2; do
    check "worker $i leaves with it" exits "w$i" 20 0
done
"$TRAWL" export "$T/master" --format jsonl >"$T/export.jsonl" || not_ok "export"

# Bounded: what the worst of it may take, in MiB. A worker that parses nothing has about 22.
for who in master w1 w2; do
    peak=$(($(cat "$T/$who.peak") / 1024))
    check "$who never took more than $RSS_MAX MiB ($peak MiB)" test "$peak" -le "$RSS_MAX"
done

check "every hostile URL came to its end, for its reason" python3 "$HOSTILE/check.py" states \
    --origins "$T/server/origins.tsv" --expected "$HOSTILE/expected.tsv" --export "$T/export.jsonl"
check "every reason is documented" python3 "$HOSTILE/check.py" reasons --export "$T/export.jsonl" \
    --docs "$TOP/docs/architecture.md"
changing=$(grep -cP '^robots-changing\t/robots.txt$' "$T/server/requests.tsv")
check "a changing robots.txt was asked for once" test "$changing" = 1
late=$(grep -P '^robots-stale-\S+\tlate$' "$T/server/requests.tsv" | sort -u | wc -l)
check "each of what comes late came, and answered nothing" test "$late" = 4

# The others never noticed.
check "the good origins: every URL was requested, and nothing else" check_log "$T/web.log" \
    --expected "$T/site/expected.tsv" --refetch-max 0 --max-inflight 1
# Alone they take their pages times the delay, half a second.
took=$(awk 'NR == 1 { from = $1 } { to = $1 } END { print to - from }' <(cut -f1 "$T/web.log" | sort -n))
check "... as soon as if they were alone (in $took s)" holds "$took < 5 * $SCALE"
python3 "$HOSTILE/check.py" split --origins "$T/server/origins.tsv" --export "$T/export.jsonl" \
    --expected "$T/site/expected.tsv" >"$T/expected.tsv"
check "one record a URL, for warcio too" check_warc --archive "$T/worker1/archive" --archive "$T/worker2/archive" \
    --expected "$T/expected.tsv" --export "$T/export.jsonl" --more
check "trawl verify" "$TRAWL" verify "$T/master" "$T/worker1" "$T/worker2"

# Nothing that a server said reaches a terminal or a log as it is.
for format in csv cdxj links; do
    "$TRAWL" export "$T/master" --format $format >"$T/export.$format" || not_ok "export as $format"
done
check "no control character in any output" python3 "$HOSTILE/check.py" plain "$T"/export.* "$T/status.out" \
    "$T"/master.{out,err} "$T"/w[12].{out,err} "$T"/master/logs/*.log "$T"/master/index.cdxj
finish

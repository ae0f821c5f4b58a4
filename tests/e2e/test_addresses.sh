#!/usr/bin/env bash
# Hosts with several addresses, some of them dead: from the start, or amid the crawl. In a network namespace with a DNS of its own.
. "$(dirname "$0")/lib.sh"
begin addresses
need_trawl
need_root "a network of its own"
ns=ta$$
if ! ip netns add $ns 2>/dev/null; then
    skip "several addresses" "no network namespaces here"
    finish
fi
undo ip netns del $ns
in_ns() {
    ip netns exec "$ns" "$@"
}
# What is sent to 10.99.0.0/24 is never heard of again.
{
    ip -n $ns link set lo up && ip -n $ns link add hole type veth peer name end && ip -n $ns link set hole up &&
        ip -n $ns link set end up && ip -n $ns addr add 10.99.0.2/24 dev hole &&
        ip -n $ns neigh add 10.99.0.1 lladdr 02:00:00:00:99:01 dev hole nud permanent
} || fail "a network"
mkdir -p "/etc/netns/$ns"
undo rm -rf "/etc/netns/$ns"
echo "nameserver 127.0.0.1" >"/etc/netns/$ns/resolv.conf"
echo "127.0.0.1 localhost" >"/etc/netns/$ns/hosts"
cat >"$T/hosts" <<HOSTS
127.0.0.9 refused.test
127.0.0.10 refused.test
127.0.0.11 refused.test
127.0.0.1 refused.test
::1 six.test
127.0.0.1 six.test
10.99.0.1 hole.test
127.0.0.1 hole.test
127.0.0.9 dead.test
127.0.0.10 dead.test
127.0.0.20 dies.test
127.0.0.21 dies.test
127.0.0.9 kept-out.test
10.1.2.3 kept-out.test
HOSTS
start dns ip netns exec $ns dnsmasq --conf-file=/dev/null --keep-in-foreground --user=root --pid-file= --no-resolv --no-hosts \
    --addn-hosts="$T/hosts" --listen-address=127.0.0.1 --bind-interfaces --local=/test/ --log-queries --log-facility="$T/dns.log"

pages=30
mkdir "$T/www"
for ((i = 0; i < pages; i++)); do
    echo "<p>$i" >"$T/www/p$i.html"
    echo "<a href=/p$i.html>$i</a>" >>"$T/www/index.html"
done
NGINX_VIA=(ip netns exec "$ns")
nginx_start web 8080 "$T/www" 127.0.0.1
nginx_start first 8080 "$T/www" 127.0.0.20
nginx_start second 8080 "$T/www" 127.0.0.21

# crawl NAME OPTIONS... URL: in the background.
crawl() {
    local name=$1
    shift
    start "$name" ip netns exec $ns "$TRAWL" crawl --dir "$T/$name.d" "${QUICK[@]}" --workers 1 --threads 1 --allow-net ::1/128 \
        --allow-net 10.99.0.0/24 --listen "tcp://127.0.0.1:$(free_port)" "$@"
}
# states NAME: how many rows are in which state, with how many attempts.
states() {
    "$TRAWL" export "$T/$1.d" --format jsonl | python3 -c 'import collections, json, sys
c = collections.Counter((r["state"], r["attempts"]) for r in map(json.loads, sys.stdin))
print(" ".join("%s/%d:%d" % (*k, n) for k, n in sorted(c.items())))'
}
for name in refused six hole; do
    crawl $name --delay 0 "http://$name.test:8080/"
done
for name in refused six hole; do
    check "$name: the crawl ends" exits $name 60 0
    check "$name: all pages, each at the first attempt" test "$(states $name)" = "fetched/1:$((pages + 1))"
done

# Nobody at any address is as one address that is dead; one that is not allowed is not tried.
for name in dead kept-out; do
    crawl $name --delay 0 "http://$name.test:8080/"
done
for name in dead kept-out; do
    check "$name: the crawl ends" wait_exit $name 60
    check "$name: the page failed" grep -q '^failed/' <(states $name)
    check "$name: ... for its reason" grep -q connection-refused <("$TRAWL" export "$T/$name.d" --format jsonl)
done

# A name that is not there yet when it is first asked for: each attempt asks anew.
crawl late --delay 0 --retries 5 http://late.test:8080/
wait_until 30 grep -q 'late.test is NXDOMAIN' "$T/dns.log" || fail "late.test is asked for"
echo 127.0.0.1 late.test >>"$T/hosts"
kill -HUP "${PID[dns]}"
check "late: the crawl ends" exits late 60 0
check "late: all pages" test "$(states late)" = "fetched/1:$((pages + 1))"

delay=50
crawl dies --delay ${delay}ms "http://dies.test:8080/"
used() {
    at_least first 6 || at_least second 6
}
wait_until 30 used || fail "the crawl of dies.test starts"
if at_least first 6; then dying=first living=second; else dying=second living=first; fi
stop $dying
check "dies: the crawl ends" exits dies 60 0
check "dies: all pages" test "$("$TRAWL" export "$T/dies.d" --format jsonl | grep -c '"state":"fetched"')" = $((pages + 1))
check "dies: the other address has served the rest" at_least $living 10
check "dies: the delay holds over both" python3 -c 'import sys
at = sorted(float(l.split("\t")[0]) - float(l.split("\t")[1]) for f in sys.argv[2:] for l in open(f))
gaps = [b - a for a, b in zip(at, at[1:])]
print(min(gaps))
sys.exit(min(gaps) < float(sys.argv[1]) / 1000 - 0.004)' $delay "$T/first.log" "$T/second.log"
check "dies: the archive is whole" "$TRAWL" verify "$T/dies.d"
finish

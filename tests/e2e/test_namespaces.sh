#!/usr/bin/env bash
# Several machines: a master, three workers and two web servers, each in a network namespace of its own. One worker
# is killed, one is cut off for longer than its lease and comes back.
. "$(dirname "$0")/lib.sh"
begin namespaces
need_trawl
need_root "several machines"
ns=tw$$
if ! ip netns add $ns-hub 2>/dev/null; then
    skip "several machines" "no network namespaces here"
    NO_WEB="nothing ran"
    finish
fi
undo ip netns del $ns-hub
in_hub() {
    ip netns exec $ns-hub "$@"
}
in_hub ip link add br0 type bridge || { skip "several machines" "no bridges here"; finish; }
in_hub ip link set br0 up

# machine NAME ADDRESS: a namespace with one interface, plugged into the hub's bridge.
machine() {
    undo ip netns del "$ns-$1"
    if ! { ip netns add "$ns-$1" &&
        in_hub ip link add "v-$1" type veth peer name eth0 netns "$ns-$1" &&
        in_hub ip link set "v-$1" master br0 up &&
        ip -n "$ns-$1" addr add "$2/24" dev eth0 &&
        ip -n "$ns-$1" link set eth0 up &&
        ip -n "$ns-$1" link set lo up; }; then
        fail "a namespace for $1"
    fi
}
machine master 10.77.0.1
machine w1 10.77.0.11
machine w2 10.77.0.12
machine w3 10.77.0.13
machine web1 10.77.0.21
machine web2 10.77.0.22

python3 "$WEB/gen.py" "$T/site" --addr 10.77.0.21 --addr 10.77.0.22 --port 80 --pages 220 --ring --cross 1 \
    --redirects 3 --missing 3 --disallow 4 || fail "gen.py"
for i in 1 2; do
    NGINX_VIA=(ip netns exec "$ns-web$i")
    nginx_start web$i 80 "$T/site" 10.77.0.2$i
done
start master ip netns exec "$ns-master" "$TRAWL" master --dir "$T/master" --listen tcp://10.77.0.1:7700 --insecure \
    --http off --heartbeat 200ms --lease 2s --allow-net 10.77.0.0/24 --delay 60ms --scope host \
    --seeds "$T/site/seeds.txt"
worker() {
    start "w$1" ip netns exec "$ns-w$1" "$TRAWL" worker --master tcp://10.77.0.1:7700 --insecure --dir "$T/worker$1" \
        --name "w$1"
}
for i in 1 2 3; do
    worker $i
done
both() {
    at_least web1 "$1" && at_least web2 "$1"
}
wait_until 30 both 25 || fail "the crawl starts" "$(requests web1), $(requests web2) requests"

# Who works on which server, as that server's log says.
last_client() {
    tail -n 1 "$T/web$1.log" | cut -f5
}
victim=$(last_client 1)
victim=w${victim##*.1}
: >"$T/kills"
now >>"$T/kills"
kill9 "$victim"
n=$(requests web1)
check "$victim is killed: another goes on with its server" fetched_at_least web1 $((n + 10)) 15

moved_on() {
    local client
    client=$(last_client 2)
    [ "w${client##*.1}" != "$victim" ]
}
wait_until 15 moved_on || fail "another goes on with server 2 as well"
cut_off=$(last_client 2)
machine=w${cut_off##*.1}
in_hub ip link set "v-$machine" down
cut_at=$(now)
echo "$cut_at" >>"$T/kills"
n=$(requests web2)
goes_on() {
    [ "$(tail -n +$((n + 1)) "$T/web2.log" | cut -f5 | grep -vcx "$cut_off")" -ge 10 ]
}
check "$machine is cut off: another goes on with its server" wait_until 15 goes_on
wait_until 3 false          # longer than its lease in any case
in_hub ip link set "v-$machine" up
back_at=$(now)
echo "$back_at" >>"$T/kills"
worker "${victim#w}"                # the killed machine is up again as well, with its disk
check "the master ends by itself" exits master 90 0
for i in 1 2 3; do
    check "worker $i leaves with it" exits "w$i" 30 0
done
for i in 1 2; do
    check "polite, as server $i saw it" check_log "$T/web$i.log" --delay 60ms --max-inflight 1 --robots-max 4
done
check "the worker that was cut off fetched nothing on a lease that was over" check_log "$T/web1.log" "$T/web2.log" \
    --quiet-clients "$cut_off" --after "$(calc "$cut_at + 2.1")" --before "$back_at"
check "bounded waste" check_log "$T/web1.log" "$T/web2.log" --kills "$T/kills" --refetch-max 60
check "several workers took part" check_log "$T/web1.log" "$T/web2.log" --clients-min 2
complete "over all archives" "$T/site/expected.tsv" "$T/master" \
    "$T/worker1/archive $T/worker2/archive $T/worker3/archive" "$T/web1.log" "$T/web2.log"
finish

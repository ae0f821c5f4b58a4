#!/usr/bin/env bash
# Safe by default: a crawl of a hostile web never connects to an address outside the public internet, whatever leads
# there: links, seeds, redirects, robots.txt, DNS, odd spellings, ports, proxies. The canary listens on such addresses,
# in a network namespace; a second crawl, that is allowed to go there, proves that it would have noticed.
. "$(dirname "$0")/lib.sh"
begin canary
need_trawl
need_root "a network of its own"
ns=twc$$
if ! ip netns add $ns 2>/dev/null; then
    skip "a network of its own" "no network namespaces here"
    NO_WEB="nothing ran"
    finish
fi
undo ip netns del $ns
inside() {
    ip netns exec $ns "$@"
}

# ---- the network -------------------------------------------------------------------------------------------

# No packet leaves the namespace: the public addresses are its own, too.
public=93.184.215.14 public6=2606:2800:21f::1 rebound=93.184.215.15
ip -n $ns link set lo up
for a in $public/32 $rebound/32 $public6/128 10.66.0.1/32 172.16.66.1/32 192.168.66.1/32 169.254.169.254/32 \
    100.64.66.1/32 198.18.66.1/32 192.0.2.66/32 240.0.0.66/32 fd00:66::1/128 fec0::66/128 64:ff9b::a42:1/128 \
    2002:a42:1::1/128 2001:db8::66/128 ::10.66.0.1/128; do
    case $a in *:*) nodad=nodad ;; *) nodad= ;; esac
    ip -n $ns addr add "$a" dev lo $nodad || fail "address $a"
done
mkdir -p "/etc/netns/$ns"
undo rm -rf "/etc/netns/$ns"
echo "nameserver 127.0.0.1" >"/etc/netns/$ns/resolv.conf"
echo "127.0.0.1 localhost" >"/etc/netns/$ns/hosts"

cat >"$T/hosts" <<HOSTS
$public site.test rob.test rob2.test both.test
10.66.0.1 priv.test both.test
127.0.0.1 loop.test
0.0.0.0 zero.test
fd00:66::1 v6.test
::1 loop6.test
::ffff:10.66.0.1 mapped.test
::10.66.0.1 compat.test
64:ff9b::a42:1 nat64.test
2002:a42:1::1 sixtofour.test
HOSTS
echo "$rebound rebind.test" >"$T/hosts.rebind"
start dns ip netns exec $ns dnsmasq --conf-file=/dev/null --keep-in-foreground --user=root --pid-file= --no-resolv --no-hosts \
    --addn-hosts="$T/hosts" --addn-hosts="$T/hosts.rebind" --local-ttl=1 --log-queries --log-facility="$T/dns.log" \
    --listen-address=127.0.0.1 --bind-interfaces --cname=alias.test,priv.test --address=/localhost/127.0.0.1 \
    --local=/test/

# ---- the traps ---------------------------------------------------------------------------------------------

# NAME, URL up to the path, and the reason that the crawl must give. Each is tried as a link, a seed and the goal of a
# redirect.
cat >"$T/traps" <<'TRAPS'
private-10	http://10.66.0.1	address-not-allowed: private
private-172	http://172.16.66.1	address-not-allowed: private
private-192	http://192.168.66.1	address-not-allowed: private
metadata	http://169.254.169.254	address-not-allowed: link local
loopback	http://127.0.0.1	address-not-allowed: loopback
loopback-far	http://127.255.66.1	address-not-allowed: loopback
zero	http://0.0.0.0	address-not-allowed: this network
zero-short	http://0	address-not-allowed: this network
shared	http://100.64.66.1	address-not-allowed: shared
benchmark	http://198.18.66.1	address-not-allowed: benchmark
documentation	http://192.0.2.66	address-not-allowed: documentation
reserved	http://240.0.0.66	address-not-allowed: reserved
decimal	http://172097537	address-not-allowed: private
hex	http://0x0a420001	address-not-allowed: private
hex-parts	http://0x0A.0x42.0.0x1	address-not-allowed: private
octal	http://012.0102.0.01	address-not-allowed: private
octal-long	http://0012.00000102.0.1	address-not-allowed: private
short-two	http://10.4325377	address-not-allowed: private
short-three	http://10.66.1	address-not-allowed: private
short-loopback	http://127.1	address-not-allowed: loopback
dot	http://10.66.0.1.	address-not-allowed: private
fullwidth	http://１０.６６.０.１	address-not-allowed: private
ideographic	http://10。66。0。1	address-not-allowed: private
circled	http://①0.66.0.1	address-not-allowed: private
percent	http://%31%30.66.0.%31	address-not-allowed: private
percent-hex	http://0%780a420001	address-not-allowed: private
userinfo	http://site.test@10.66.0.1	address-not-allowed: private
userinfo-port	http://site.test:80@10.66.0.1	address-not-allowed: private
userinfo-two	http://a@site.test@10.66.0.1	address-not-allowed: private
backslash	http:\\10.66.0.1	address-not-allowed: private
slashes	http:////10.66.0.1	address-not-allowed: private
tab	http://10.6	6.0.1	address-not-allowed: private
ipv6-loopback	http://[::1]	address-not-allowed: loopback
ipv6-any	http://[::]	address-not-allowed: unspecified
ipv6-local	http://[fd00:66::1]	address-not-allowed: unique local
ipv6-site	http://[fec0::66]	address-not-allowed: deprecated site local
ipv6-docs	http://[2001:db8::66]	address-not-allowed: documentation
ipv6-mapped	http://[::ffff:10.66.0.1]	address-not-allowed: private
ipv6-mapped-hex	http://[0:0:0:0:0:ffff:0a42:0001]	address-not-allowed: private
ipv6-compatible	http://[::10.66.0.1]	address-not-allowed: IPv4-compatible
ipv6-nat64	http://[64:ff9b::10.66.0.1]	address-not-allowed: private
ipv6-sixtofour	http://[2002:a42:1::1]	address-not-allowed: 6to4
localhost	http://localhost	address-not-allowed: loopback
localhost-dot	http://LOCALHOST.	address-not-allowed: loopback
localhost-sub	http://foo.localhost	address-not-allowed: loopback
name	http://priv.test	address-not-allowed: private
name-dot	http://priv.test.	address-not-allowed: private
name-alias	http://alias.test	address-not-allowed: private
name-loopback	http://loop.test	address-not-allowed: loopback
name-zero	http://zero.test	address-not-allowed: this network
name-v6	http://v6.test	address-not-allowed: unique local
name-loopback6	http://loop6.test	address-not-allowed: loopback
name-mapped	http://mapped.test	address-not-allowed: private
name-compatible	http://compat.test	address-not-allowed: IPv4-compatible
name-nat64	http://nat64.test	address-not-allowed: private
name-sixtofour	http://sixtofour.test	address-not-allowed: 6to4
tls	https://10.66.0.1	address-not-allowed: private
port-8080	http://10.66.0.1:8080	address-not-allowed: private
smtp	http://site.test:25	port
ssh	http://93.184.215.14:22	port
irc	http://site.test:6667	port
x11	http://site.test:6000	port
TRAPS
grep -v $'^tab\t' "$T/traps" >"$T/traps.tsv"          # the one with a tab in its URL: as a link of its own below

python3 - "$T" <<'PY' || fail "the site"
import html, json, sys

top = sys.argv[1]
traps = [line.rstrip("\n").split("\t") for line in open(top + "/traps.tsv", encoding="utf-8")]
alt = {"Alt-Svc": 'h2="10.66.0.1:443", http/1.1="10.66.0.1:80"; persist=1; ma=99999', "Set-Cookie": "secret=1; Path=/",
       "Link": "<http://10.66.0.1/link-header>; rel=next", "Refresh": "0; url=http://10.66.0.1/refresh-header"}
links = [f"{url}/link-{name}" for name, url, _ in traps]
links += ["http://10.6\t6.0.1/link-tab", "//10.66.0.1/link-relative", "/kinds", "/base", "http://rob.test/page",
          "http://rob2.test/page", "http://both.test/page", "http://rebind.test/0"]
links += [f"/to-{name}" for name, _, _ in traps]
links += [s + "10.66.0.1/scheme" for s in ("ftp://", "gopher://", "ws://", "dict://", "ldap://", "telnet://")]
links += ["file:///etc/passwd", "javascript:alert(1)", "http://user%40site.test:x%2f@10.66.0.1:99999/", "http://[10.66.0.1]/",
          "http://10.66.0.1%2f.site.test/", "http://10.66.0.256/", "http://0x10a420001/"]
page = lambda urls: "".join(f'<a href="{html.escape(u)}">x</a>\n' for u in urls)
robots = lambda text: {"headers": alt | {"Content-Type": "text/plain"}, "body": text}
site = {
    "site.test/": {"body": page(links), "headers": alt | {"Content-Type": "text/html; charset=utf-8"}},
    "site.test/robots.txt": robots("User-agent: *\nDisallow: /no\nSitemap: http://10.66.0.1/sitemap.xml\n"
                                   "Sitemap: http://priv.test/sitemap.xml\nSitemap: http://0x0a420001/sitemap2.xml\n"),
    "site.test/base": {"body": '<base href="http://10.66.0.1/"><a href=kind-base>x</a>'},
    "site.test/kinds": {"body": """<meta http-equiv=refresh content="0;url=http://10.66.0.1/kind-refresh">
        <link rel=canonical href=http://10.66.0.1/kind-canonical><iframe src=//10.66.0.1/kind-iframe></iframe>
        <form action=http://10.66.0.1/kind-form></form><map><area href=http://10.66.0.1/kind-area></map>"""},
    "rob.test/robots.txt": {"status": 302, "headers": {"Location": "http://10.66.0.1/robots-direct"}},
    "rob2.test/robots.txt": {"status": 301, "headers": {"Location": "http://priv.test/robots-name"}},
    "rob.test/page": {}, "rob2.test/page": {}, "both.test/page": {"body": "public"},
    "rebind.test/robots.txt": robots("User-agent: *\nCrawl-delay: 0.5\n"),
    "rebind.test/0": {"body": page(f"/{i}" for i in range(1, 100)), "headers": {"Connection": "close"}},
}
for i in range(1, 100):
    site[f"rebind.test/{i}"] = {"body": "x", "headers": {"Connection": "close"}}
for name, url, _ in traps:
    location = f"{url}/redirect-{name}".encode().decode("latin-1")
    site[f"site.test/to-{name}"] = {"status": 302, "headers": alt | {"Location": location}}
json.dump(site, open(top + "/site.json", "w"))
with open(top + "/seeds.txt", "w", encoding="utf-8") as f:
    f.writelines(f"{url}/seed-{name}\n" for name, url, _ in traps)
    f.write("http://site.test/\n")
PY

# ---- a hostile web, the defaults --------------------------------------------------------------------------------

ports=(80 443 8080 3128 22 25 6667 6000 21 23 70 389 2628)
canary() {          # canary NAME: its log is $T/NAME.log
    start "$1" ip netns exec $ns python3 "$E2E/canary.py" --public $public --public $rebound --public $public6 \
        "${ports[@]/#/--port=}" --site "$T/site.json" --log "$T/$1.log"
    wait_until 10 grep -qx READY "$T/$1.log" || fail "the canary sings" "$(cat "$T/$1.err")"
}
crawl() {           # crawl NAME OPTION...: with proxies and a password waiting for those who look
    local name=$1
    shift
    start "$name" ip netns exec $ns env HOME="$T/home" http_proxy=http://10.66.0.1:3128 https_proxy=http://10.66.0.1:3128 \
        HTTP_PROXY=http://10.66.0.1:3128 HTTPS_PROXY=http://10.66.0.1:3128 ALL_PROXY=http://10.66.0.1:3128 \
        all_proxy=http://10.66.0.1:3128 \
        "$TRAWL" crawl --dir "$T/$name" --heartbeat 200ms --http off --listen "tcp://127.0.0.1:$(free_port)" \
        --workers 1 --threads 2 --scope any --delay 20ms --timeout 3s --retries 2 --seeds "$T/seeds.txt" "$@"
}
mkdir -p "$T/home"
echo "default login thief password secret" >"$T/home/.netrc"
chmod 600 "$T/home/.netrc"
echo "proxy = http://10.66.0.1:3128" >"$T/home/.curlrc"

canary silent
crawl crawl
pages_of() {        # pages_of HOST NAME: pages that the canary's public side has given
    awk -F'\t' -v h="$1" '$1 == "REQ" && $4 == h && $5 != "/robots.txt"' "$T/$2.log" | wc -l
}
some_rebound() {
    [ "$(pages_of rebind.test silent)" -ge 3 ]
}
check "the crawl has begun" wait_until 30 some_rebound
# The name moves to a private address, and its public one is gone.
echo "10.66.0.1 rebind.test" >"$T/hosts.rebind"
kill -HUP "${PID[dns]}"
ip -n $ns addr del $rebound/32 dev lo
check "the crawl ends by itself" exits crawl 90 0
check "no connection to any address that is not public" test -z "$(grep HIT "$T/silent.log")"
check "the rebound name was asked for again, and was private" grep -q "rebind.test is 10.66.0.1" "$T/dns.log"
check "a name with both kinds of addresses was fetched from the public one" test "$(pages_of both.test silent)" = 1
check "the site was crawled" test "$(pages_of site.test silent)" -ge "$(lines "$T/traps.tsv")"
check "no password, no cookie was sent" test -z "$(awk -F'\t' '$1 == "REQ" && $6 != "-"' "$T/silent.log")"

"$TRAWL" export "$T/crawl" --format jsonl >"$T/export.jsonl" || fail "export"
cat >"$T/reasons.py" <<'PY'
"""Every trap has ended in a state, with its reason; what is not an http(s) URL is not there."""
import json, sys

top, bad = sys.argv[1], 0
traps = [line.rstrip("\n").split("\t") for line in open(top + "/traps.tsv", encoding="utf-8")]
rows = [json.loads(line) for line in open(top + "/export.jsonl", encoding="utf-8")]
by_path = {}
for r in rows:
    by_path.setdefault("/" + r["url"].split("/", 3)[3], []).append(r)

def expect(path, state, reason):
    global bad
    found = [(r["state"], r["reason"]) for r in by_path.get(path, [])]
    if len(found) != 1 or found[0][0] not in state or not found[0][1].startswith(reason):
        print(path, "expected", state, reason, "got", found)
        bad += 1

for name, url, reason in traps:
    for how in ("link", "seed", "redirect"):
        expect(f"/{how}-{name}", ("excluded",), reason)
for path in ("/link-tab", "/link-relative", "/kind-base", "/kind-refresh", "/kind-iframe", "/kind-form", "/kind-area",
             "/kind-canonical"):
    expect(path, ("excluded",), "address-not-allowed: private")
for host in ("rob.test", "rob2.test"):
    r = [r for r in rows if r["url"] == f"http://{host}/page"]
    if len(r) != 1 or r[0]["state"] != "failed" or "address-not-allowed" not in r[0]["reason"]:
        print(host, r)
        bad += 1
rebound = [r for r in rows if r["url"].startswith("http://rebind.test/")]
left = {(r["state"], r["reason"].split(" (")[0]) for r in rebound if r["state"] not in ("fetched", "failed")}
if left != {("excluded", "address-not-allowed: private use")}:
    print("rebind.test", left)
    bad += 1
for r in rows:
    if not r["url"].startswith(("http://", "https://")) or r["state"] == "pending" or \
            r["state"] in ("excluded", "failed") and not r["reason"]:
        print(r["url"], r["state"], r["reason"])
        bad += 1
sys.exit(bad > 0)
PY
check "every one ended in a state, with the reason" python3 "$T/reasons.py" "$T"

# ---- the canary can sing --------------------------------------------------------------------------------------------

stop silent
ip -n $ns addr add $rebound/32 dev lo
canary loud
crawl allowed --allow-net 0.0.0.0/0 --allow-net ::/0
check "all networks allowed: the crawl ends by itself" exits allowed 90 0
heard() {           # every trap that is an address or a name, and not a port, was sprung
    local name reason how missing=
    while IFS=$'\t' read -r name _ reason; do
        for how in link seed redirect; do
            case $reason-$name in
                port-*) continue ;;
                *-tls) grep -q $'^HIT\t10.66.0.1\t443' "$T/loud.log" || missing+=" $how-$name" ;;
                *) grep -q $'^REQ\t.*\t'"/$how-$name"$'\t' "$T/loud.log" || missing+=" $how-$name" ;;
            esac
        done
    done <"$T/traps.tsv"
    for how in sitemap.xml sitemap2.xml robots-direct robots-name link-tab link-relative kind-base kind-refresh kind-iframe kind-form kind-area; do
        grep -q $'^REQ\t10.66.0.1\t80\t.*\t'"/$how"$'\t' "$T/loud.log" || missing+=" $how"
    done
    [ -z "$missing" ] || {
        echo "not heard of:$missing"
        return 1
    }
}
check "then the canary hears of each" heard
port_hits() {
    awk -F'\t' '$1 == "HIT" && $3 != 80 && $3 != 443 && $3 != 8080 { print $2, $3 }' "$T/loud.log" | sort -u
}
check "ports of other protocols stay closed all the same, and there is no proxy" test -z "$(port_hits)"
HOME=$T/home http_proxy=http://10.66.0.1:3128 inside curl -s -n -m 5 http://site.test/proxied >/dev/null
check "curl, with the same environment, takes the proxy" test "$(port_hits)" = "10.66.0.1 3128"
# shellcheck disable=SC2016
check "... and the password" awk -F'\t' '$5 ~ /proxied/ && $6 != "-" { found = 1 } END { exit !found }' "$T/loud.log"
finish

#!/usr/bin/env bash
# HTTP/2 where an https server offers it; HTTP/1.1 where not, and where HTTP/2 turns out not to work.
. "$(dirname "$0")/lib.sh"
begin http2
need_trawl

net=127.67.0
mkdir "$T/certs" "$T/www"
bash "$TOP/tests/hostile/certs.sh" "$T/certs" $net >"$T/certs.out" 2>&1 || fail "certificates" "$(tail -n 5 "$T/certs.out")"
cp "$T/certs/good.pem" "$T/good.pem"
echo '<a href="/a.html">a</a> <a href="/b.html">b</a>' >"$T/www/index.html"
echo '<a href="/c.html">c</a>' >"$T/www/a.html"
echo '<a href="/missing.html">no</a>' >"$T/www/b.html"
echo '<p>c</p>' >"$T/www/c.html"

# tls_server NAME PORT ADDR OPTIONS: nginx with TLS there.
tls_server() {
    # shellcheck disable=SC2016
    NGINX_HTTP='log_format protocol "$server_protocol $status $request_uri $connection"; '"access_log $T/$1.protocol protocol;" \
        NGINX_SERVER="listen $3:$2 ssl $4; ssl_certificate $T/good.pem; ssl_certificate_key $T/certs/good.key;" \
        nginx_start "$1" "$2" "$T/www"
}
# crawl DIR URL...
crawl() {
    local dir=$1
    shift
    start crawl env SSL_CERT_FILE="$T/certs/ca.pem" "$TRAWL" crawl --dir "$T/$dir" "${QUICK[@]}" --workers 1 \
        --listen "tcp://127.0.0.1:$(free_port)" --delay 50ms "$@"
    check "$dir: the crawl ends" exits crawl 60 0
    check "$dir: the archive is whole" "$TRAWL" verify "$T/$dir"
    "$TRAWL" export "$T/$dir" --format jsonl >"$T/$dir.jsonl" || not_ok "export"
}
# fetched DIR: how many pages.
fetched() {
    grep -c '"state":"fetched"' "$T/$1.jsonl"
}
# protocols FILE: what requests came by.
protocols() {
    cut -d' ' -f1 "$1" | sort -u | xargs
}

port=$(free_port)
tls_server two "$port" $net.1 http2
crawl two "https://$net.1:$port/"
check "HTTP/2 is used, for everything" test "$(protocols "$T/two.protocol")" = HTTP/2.0
check "links are found" test "$(fetched two)" = 4
check "requests share connections" holds "$(awk '{ print $4 }' "$T/two.protocol" | sort -u | wc -l) < $(wc -l <"$T/two.protocol")"
check "the archive reads as HTTP/1.1" test "$(zcat "$T"/two/archive/*.warc.gz | grep -ac '^HTTP/1.1 200')" = 4
check_not "... and as nothing else" grep -aq '^HTTP/2' <(zcat "$T"/two/archive/*.warc.gz)
printf 'page\t200\t0\thttps://%s:%s%s\n' $net.1 "$port" / $net.1 "$port" /a.html $net.1 "$port" /b.html \
    $net.1 "$port" /c.html >"$T/expected.tsv"
printf 'missing\t404\t0\thttps://%s:%s/missing.html\n' $net.1 "$port" >>"$T/expected.tsv"
check "warcio agrees" check_warc --archive "$T/two/archive" --expected "$T/expected.tsv" --export "$T/two.jsonl"

port=$(free_port)
tls_server one "$port" $net.2 ""
crawl one "https://$net.2:$port/"
check "a server without HTTP/2 gets HTTP/1.1" test "$(protocols "$T/one.protocol")" = HTTP/1.1
check "... and all is fetched" test "$(fetched one)" = 4

port=$(free_port)
start demanding python3 "$TOP/tests/e2e/http2_server.py" $net.3 "$port" "$T/good.pem" "$T/certs/good.key" 13 "$T/demanding.log"
wait_until 20 test -e "$T/demanding.log" || fail "the demanding server starts" "$(cat "$T/demanding.err")"
wait_until 20 bash -c "exec 3<>/dev/tcp/$net.3/$port"
crawl demanding "https://$net.3:$port/"
check "it was asked by HTTP/2 first" test "$(head -n 1 "$T/demanding.log")" = h2
check "HTTP_1_1_REQUIRED: HTTP/1.1 it is" test "$(fetched demanding)" = 1
finish

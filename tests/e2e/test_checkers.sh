#!/usr/bin/env bash
# The checkers themselves: they pass honest work and catch each violation. Needs no trawl.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
begin checkers
shopt -s lastpipe      # what a pipe ends in runs in this shell, and counts

# An honest crawl of a made web, as nginx saw it.
port=$(free_port)
python3 "$WEB/gen.py" "$T/site" --count 2 --port "$port" --pages 12 --redirects 4 --missing 2 --errors 1 --queries 2 \
    --disallow 8 --outside --ring --size 2000 || fail "gen.py"
nginx_start web "$port" "$T/site" 127.0.1.1 127.0.1.2
mapfile -t seeds <"$T/site/seeds.txt"
check "a small crawler ends" timeout 60 python3 "$E2E/mini_crawl.py" 0.02 "${seeds[@]}"
expected=$T/site/expected.tsv
log=$T/web.log
check "check_log passes an honest crawl" check_log "$log" --expected "$expected" --delay 20ms --max-inflight 1 \
    --robots-max 1 --refetch-max 0 --max-active 2

# The walk agrees with the generator, which knows by construction.
python3 "$WEB/gen.py" "$T/plain" --count 1 --port "$port" --pages 60 --missing 3 --queries 4 --outside --size 1500
python3 "$E2E/walk.py" "$T/plain/www/127.0.1.1:$port" "http://127.0.1.1:$port" >"$T/walk.tsv"
check "walk.py finds what gen.py made" diff "$T/plain/expected.tsv" "$T/walk.tsv"
for shape in tree chain dense web; do
    python3 "$WEB/gen.py" "$T/$shape" --count 1 --port "$port" --pages 40 --shape $shape --size 500
    python3 "$E2E/walk.py" "$T/$shape/www/127.0.1.1:$port" "http://127.0.1.1:$port" >"$T/walk.tsv"
    check "walk.py agrees on a $shape" diff "$T/$shape/expected.tsv" "$T/walk.tsv"
done
python3 "$WEB/demo.py" "$T/demo" --port "$port"
check "every page of the demo can be reached" diff <(cut -f4 "$T/demo/expected.tsv") <(
    mkdir "$T/one" && for i in 1 2 3; do
        python3 "$E2E/walk.py" "$T/demo/www/127.0.0.$i:$port" "http://127.0.0.$i:$port" |
            awk -F'\t' '$1 == "page" { print $4 }'
    done | sort)

# line MSEC REQUEST_TIME CONN PORT ORIGIN STATUS URI [ACTIVE]: one line of a made log.
line() {
    printf '%s\t%s\t%s\t1\t127.0.0.1\t%s\t%s\t80\t%s\t10\tGET\t%s\t%s\ttrawl/0\n' "$1" "$2" "$3" "$4" "$5" "$6" "$7" "${8:-1}"
}
# caught WHAT OPTIONS...: the log on standard input must be refused, and pass without its last line.
caught() {
    local what=$1
    shift
    cat >"$T/bad.log"
    head -n -1 "$T/bad.log" >"$T/good.log"
    check "passes without $what" check_log "$T/good.log" "$@"
    check_not "caught: $what" check_log "$T/bad.log" "$@"
}
a=10.0.0.1
two() {
    line 100.000 0.001 1 5001 $a 200 /robots.txt
    line 100.200 0.001 1 5001 $a 200 /a
}
{ two; line 100.390 0.000 1 5001 $a 200 /b; } | caught "a gap below the delay" --delay 200ms
{ two; line 101.400 1.150 1 5001 $a 200 /slow; } | caught "a slow answer whose request came early" --delay 200ms
{ two; line 100.201 0.002 2 5002 $a 200 /b; } | caught "two requests at once" --max-inflight 1
{ two; line 100.100 0.001 2 5002 $a 200 /b; } | caught "two connections at once" --max-conn 1
{ two; line 100.500 0.001 2 5002 $a 200 /b 3; } | caught "a third connection, idle" --max-active 2
{ two; line 99.000 0.001 2 5002 $a 200 /b; } | caught "a page before robots.txt" --robots-max 1
{ two; line 100.900 0.001 2 5002 $a 200 /robots.txt; } | caught "robots.txt fetched twice" --robots-max 1
{ two; line 100.900 0.001 2 5002 $a 200 /a; } | caught "a page fetched twice" --refetch-max 0
printf '100.1\n' >"$T/kills"
{ two; line 102.900 0.001 2 5002 $a 200 /a; } | sed '2s/^100.200/101.900/' |
    caught "a refetch across no kill" --kills "$T/kills"
{ two; line 101.700 0.100 2 5001 $a 200 /b; } | caught "a request by one whose lease is over" \
    --quiet-ports "5001 5009" --after 101.5 --before 103
{ two; line 101.700 0.100 2 5001 $a 503 /b; } | caught "a refused connection" --no-status 503
printf 'page\t200\t0\thttp://10.0.0.1/a\nforbidden\t0\t1\thttp://10.0.0.1/no\n' >"$T/want.tsv"
{ two; line 101.700 0.100 2 5001 $a 200 /no; } | caught "a forbidden page" --expected "$T/want.tsv"
{ two; line 101.700 0.100 2 5001 $a 200 /more; } | caught "a page that no link leads to" --expected "$T/want.tsv"
{ two; line 101.700 0.100 2 5001 $a 404 /x; } | sed '2s/200/404/' >"$T/bad.log"
check_not "caught: a wrong answer" check_log "$T/bad.log" --expected "$T/want.tsv"
line 100.000 0.001 1 5001 $a 200 /robots.txt >"$T/bad.log"
check_not "caught: a page never requested" check_log "$T/bad.log" --expected "$T/want.tsv"
check_not "caught: origins one after the other" check_log "$T/bad.log" --side-by-side 2
{ two; line 100.100 0.001 9 5003 10.0.0.2 200 /a; } >"$T/good.log"
check "passes: origins side by side" check_log "$T/good.log" --side-by-side 2
: >"$T/empty.log"
check_not "caught: an empty log" check_log "$T/empty.log" --delay 1s

# The archive's checker, on made records and rows.
records() {
    cat <<'JSON'
{"file":"/x/a.warc.gz","offset":0,"type":"warcinfo","uri":null}
{"file":"/x/a.warc.gz","offset":400,"type":"response","uri":"http://h/robots.txt","status":200,"payload_digest":"sha1:R"}
{"file":"/x/a.warc.gz","offset":500,"type":"response","uri":"http://h/","status":200,"payload_digest":"sha1:A"}
{"file":"/x/a.warc.gz","offset":900,"type":"request","uri":"http://h/","payload_digest":"sha1:Q"}
{"file":"/x/b.warc.gz","offset":500,"type":"response","uri":"http://h/old","status":301,"payload_digest":"sha1:B"}
JSON
}
rows() {
    cat <<'JSON'
{"url":"http://h/","state":"fetched","status":200,"digest":"sha1:A","warc_file":"archive/a.warc.gz","warc_offset":500}
{"url":"http://h/old","state":"redirected","status":301,"digest":"sha1:B","warc_file":"b.warc.gz","warc_offset":500}
{"url":"http://h/no","state":"excluded","status":null,"reason":"robots","warc_file":null}
JSON
}
printf 'page\t200\t0\thttp://h/\nredirect\t301\t1\thttp://h/old\nforbidden\t0\t1\thttp://h/no\n' >"$T/want.tsv"
archive() {
    check_warc --records "$T/records" --expected "$T/want.tsv" --export "$T/rows"
}
records >"$T/records"
rows >"$T/rows"
check "check_warc passes a good archive" archive
# broken WHAT TEXT: the checker must refuse, for the reason that TEXT stands for.
broken() {
    local what=$1
    check_not "caught: $what" archive
    grep -q "$2" "$T/check.txt" || not_ok "the reason given for $what" "$(cat "$T/check.txt")"
    records >"$T/records"
    rows >"$T/rows"
}
records | sed 's/}$/,"error":"digest mismatch"}/;1,2s/,"error.*/}/' >"$T/records"; broken "a record that the reader refuses" "^reader:"
{ records; records | sed -n 3p | sed 's/"offset":500/"offset":9000/'; } >"$T/records"; broken "a URL recorded twice" "^twice:"
{ records; records | sed -n 3p | sed 's/a.warc/c.warc/;s/h\//h\/no/'; } >"$T/records"; broken "a record of a forbidden URL" "^forbidden:"
{ records; records | sed -n 3p | sed 's/a.warc/c.warc/;s/h\//h\/new/'; } >"$T/records"; broken "a record that no row points at" "^uncommitted:"
records | sed 5d >"$T/records"; broken "a committed record that is not there" "^missing:"
rows | sed 2d >"$T/rows"; broken "an uncommitted record" "^uncommitted:"
rows | sed 's/sha1:A/sha1:Z/' >"$T/rows"; broken "a digest that is not the record's" "the digest of"
rows | sed '1s/500/501/' >"$T/rows"; broken "an offset between records" "no response record begins"
rows | sed '1s/"status":200/"status":404/' >"$T/rows"; broken "a status that is not the record's" "says 404"
rows | sed '3s/excluded/pending/' >"$T/rows"; broken "a URL still pending" "still pending"
mkdir -p "$T/arc"
: >"$T/arc/a.warc.gz.open"
check_not "caught: a segment left open" check_warc --archive "$T/arc"

# What is archived and what was sent, on made archives of 10.0.0.1:80 and of nginx, which served 127.0.1.1.
PYTHONPATH=$E2E E2E_BODIES=$T/sent.tsv python3 -c '
import bodies
for path in b"/a", b"/b", b"/c|d?x=%zz":
    bodies.note(("10.0.0.1", 80), path, b"<p>of " + path)
sent = bodies.Sent(("10.0.0.1", 80), "/long", [40])
for i in range(9):
    sent.add(b"a piece, ")
sent.end()'
# made ADDRESS:PORT PATH BODY [FIELD...]: one more record in $T/made/a.warc.gz.
made() {
    python3 - "$T/made/a.warc.gz" "$@" <<'PY'
import gzip, sys
name, server, path, body, *more = sys.argv[1:]
http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body.encode()
head = ["WARC/1.1", "WARC-Type: response", f"WARC-Target-URI: http://{server.removesuffix(':80')}{path}", *more,
        f"WARC-IP-Address: {server.split(':')[0]}", "Content-Type: application/http; msgtype=response", f"Content-Length: {len(http)}"]
with open(name, "ab") as f:
    f.write(gzip.compress("\r\n".join(head).encode() + b"\r\n\r\n" + http + b"\r\n\r\n"))
PY
}
sent_checked() {
    python3 "$E2E/check_sent.py" --sent "$T/sent.tsv" --nginx "$log=$T/site/www/\$server_addr:\$server_port" --archive "$T/made" "$@"
}
# not_sent WHAT ADDRESS:PORT PATH BODY [FIELD...]: that record is caught, beside honest ones.
not_sent() {
    local what=$1
    shift
    honest
    made "$@"
    check_not "caught: $what" sent_checked
}
honest() {
    rm -rf "$T/made"
    mkdir "$T/made"
    if [ -e "$T/honest" ]; then
        cp "$T/honest" "$T/made/a.warc.gz"
        return
    fi
    made 10.0.0.1:80 /a "<p>of /a"
    made 10.0.0.1:80 "/c%7Cd?x=%25zz" "<p>of /c|d?x=%zz"
    made 10.0.0.1:80 /long "a piece, a pie" "WARC-Truncated: disconnect"
    made 10.0.0.1:80 /long "a piece, a piece, a piece, a piece, a pi"
    made "127.0.1.1:$port" "$page" "$(cat "$T/site/www/127.0.1.1:$port$page")
"
    cp "$T/made/a.warc.gz" "$T/honest"
}
page=$(cd "$T/site/www/127.0.1.1:$port" && find . -name '*.html' ! -name index.html ! -path './private/*' -size +1 | sed 's/^\.//' | sort | head -n 1)
honest
check "check_sent passes what was sent" sent_checked
not_sent "a body of another URL" 10.0.0.1:80 /b "<p>of /a"
not_sent "bodies shifted by a byte" 10.0.0.1:80 /b "p>of /b<"
not_sent "a body that is cut, and does not say so" 10.0.0.1:80 /b "<p>of"
not_sent "a body that is cut, and another one" 10.0.0.1:80 /b "<p>if" "WARC-Truncated: length"
not_sent "a URL that nobody was asked for" 10.0.0.1:80 /z "<p>of /a"
not_sent "the right path of another server" 10.0.0.2:80 /a "<p>of /a"
not_sent "another file of nginx's" "127.0.1.1:$port" "$page" "$(cat "$T/site/www/127.0.1.1:$port/index.html")
"
rm -rf "$T/made"
mkdir "$T/made"
check_not "caught: nothing to compare" sent_checked
honest
check "what was compared is remembered" sent_checked --seen "$T/seen"
made 10.0.0.1:80 /b "<p>of /a"
check_not "... and what comes later is looked at" sent_checked --seen "$T/seen"
NO_WEB="its archives are made"
finish

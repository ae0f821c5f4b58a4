#!/usr/bin/env bash
# Small disks that fill up, of many sizes: a crawl waits, or ends with a clear line; it never dies of a signal. (That it goes on when there
# is room again: test_errors.sh.)
. "$(dirname "$0")/lib.sh"
begin full_disk
need_trawl
# shellcheck disable=SC2119
need_root

port=$(free_port)
cat >"$T/pages.py" <<'PY'
import bodies, http.server, random, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        r = random.Random(self.path)
        body = "".join('<a href="/%s%d">x</a>' % ("p" * r.randrange(1, 200), r.randrange(10 ** 9)) for _ in range(300)).encode()
        code = 404 if self.path == "/robots.txt" else 200
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        bodies.note(self.server.server_address, self.path, body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
start pages env PYTHONPATH="$E2E" python3 "$T/pages.py" "$port"
up() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}
wait_until 20 up || fail "the server starts" "$(cat "$T/pages.err")"
SIZES="1 3 5 6 8 20"
mounted() {
    mkdir "$T/m$1" && mount -t tmpfs -o "size=$1m" tmpfs "$T/m$1" && undo umount -l "$T/m$1"
}
for size in $SIZES; do
    mounted "$size" || fail "a disk of $size MiB"
    start "c$size" "$TRAWL" crawl --dir "$T/m$size/crawl" "${QUICK[@]}" --listen "tcp://127.0.0.1:$(free_port)" --workers 1 \
        --delay 0s --max-pages 100000 "http://127.0.0.1:$port/"
done
# full SIZE: it has said so, or is over.
full() {
    ended "c$1" || grep -q 'No space left' "$T/c$1.err" || [ "$(df --output=avail "$T/m$1" | tail -n 1)" -lt 64 ]
}
for size in $SIZES; do
    check "a disk of $size MiB fills up" wait_until 60 full "$size"
done
sleep 5 # in which it is tried again and again, which must not end it
for size in $SIZES; do
    # ok SIZE: it runs, or has ended with a clear line.
    fine() {
        running "c$1" && return
        wait_exit "c$1" 1
        [ "${RC[c$1]}" = 1 ] && grep -q '^trawl: .*No space left on device' "$T/c$1.err" && ! grep -qi assert "$T/c$1.err"
    }
    check "... $size MiB: it waits, or has ended with a clear line" fine "$size"
done
for size in $SIZES; do
    stop "c$size"
done
finish

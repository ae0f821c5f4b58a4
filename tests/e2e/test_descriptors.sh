#!/usr/bin/env bash
# Few file descriptors: a crawl of more origins than there are of them is complete, with fewer connections; with too few of them
# it ends and says so.
. "$(dirname "$0")/lib.sh"
begin descriptors
need_trawl

port=$(free_port)
cat >"$T/server.py" <<'PY'
import asyncio, bodies, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            robots = b" /robots.txt " in head
            await asyncio.sleep(0 if robots else 0.2)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>" % (404 if robots else 200))
            await writer.drain()
            bodies.note(writer.get_extra_info("sockname"), head.split(b" ")[1], b"<p>")
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
PY
start server env PYTHONPATH="$E2E" python3 "$T/server.py" "$port"
wait_until 20 grep -q ready "$T/server.out" || fail "the server starts" "$(cat "$T/server.err")"
for ((i = 0; i < 400; i++)); do
    echo "http://127.69.$((i / 200)).$((i % 200 + 1)):$port/"
done >"$T/seeds"

# crawl NAME DESCRIPTORS THREADS: of all 400.
crawl() {
    # shellcheck disable=SC2016
    start "$1" bash -c 'ulimit -n "$1"; shift; exec "$@"' - "$2" "$TRAWL" crawl --dir "$T/$1.d" "${QUICK[@]}" --workers 1 \
        --threads "$3" --listen "tcp://127.0.0.1:$(free_port)" --delay 0 --seeds "$T/seeds"
}
fetched() {
    "$TRAWL" export "$T/$1.d" --format jsonl | grep -c '"state":"fetched"'
}
crawl few 200 1
check "200 descriptors: the crawl ends" exits few 60 0
check "... with all pages" test "$(fetched few)" = 400
check "... and the log says why it was slow" grep -q 'file descriptors are enough for' "$T"/few.d/logs/worker-*.log
check "... once" test "$(cat "$T"/few.d/logs/worker-*.log | grep -c 'file descriptors')" = 1
check "... and verify agrees" "$TRAWL" verify "$T/few.d"
crawl shared 400 4
check "400 for four loops: the crawl ends" exits shared 60 0
check "... with all pages" test "$(fetched shared)" = 400

# A worker alone, so that the master has enough.
start master "$TRAWL" master --dir "$T/master" "${QUICK[@]}" --listen "tcp://127.0.0.1:$((port2 = $(free_port)))" --delay 0 "http://127.69.0.1:$port/"
start worker bash -c 'ulimit -n 50; exec "$@"' - "$TRAWL" worker --master "tcp://127.0.0.1:$port2" --dir "$T/worker" --threads 8
check "50 for eight loops: the worker ends" exits worker 30 1
check "... and says so" grep -q 'too few file descriptors: 50' "$T/worker.err"
finish

/*
 * How long a master is away: `trawl master` on a directory, from exec until a worker has registered.
 *
 *     restart TRAWL DIR
 *
 * DIR: as bench/frontier or a crawl left it. The files of the crawldb are dropped from the page cache before. Two
 * lines of JSON: so, and then once more with the master killed by SIGKILL and the cache warm. The master asks no
 * server for anything, as it has no worker.
 */
#include "bench/crew.h"
#include "bench/launch.h"
#include "proto/rpc.h"
#include "shared/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATH_BYTES = 4096, TIMEOUT_MS = 60000 };

static void die(const char *text) {
    fprintf(stderr, "restart: %s\n", text);
    exit(1);
}

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void register_worker(const char *address) {
    struct error err = {.text = "out of memory"};
    struct rpc_client *client = rpc_client_new(address, RPC_DIAL_BACKGROUND, &err);
    struct synth *synth = synth_new(1, 1);
    struct arena arena;
    struct buf request, reply;

    if (client == NULL || synth == NULL)
        die(err.text);
    struct crew *w = crew_new(synth, "restart", 0, 1);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&request, LIMIT_WIRE_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    if (!wire_pack(&request, &crew_register(w)->base) ||
        !rpc_call_sync(client, request.data, request.len, TIMEOUT_MS, &reply, &err))
        die(err.text);
    crew_registered(w, wire_reply_unpack(&arena, reply.data, reply.len));
    crew_free(w);
    synth_free(synth);
    buf_release(&request);
    buf_release(&reply);
    arena_release(&arena);
    (void)rpc_client_free(client);
}

static void restart(const char *trawl, const char *dir, const char *cache) {
    static const char *const arguments[] = {"--scope", "any", "--keep", NULL};
    struct rusage usage;
    struct launched m = launch_master(trawl, dir, arguments);
    double listening_s = now_s() - m.exec_s;

    register_worker(m.address);
    double ready_s = now_s() - m.exec_s;
    double cpu_s = launch_cpu_s(&m);
    uint64_t resident = launch_resident_bytes(&m);
    launch_kill(&m, &usage);
    printf("{\"bench\": \"restart\", \"cache\": \"%s\", \"listening_s\": %.2f, \"registered_s\": "
           "%.2f, "
           "\"cpu_s\": %.2f, \"resident_bytes\": %llu}\n",
           cache, listening_s, ready_s, cpu_s, (unsigned long long)resident);
    fflush(stdout);
}

int main(int argc, char **argv) {
    char state[PATH_BYTES];

    if (argc != 3)
        die("usage: restart TRAWL DIR");
    snprintf(state, sizeof state, "%s/state", argv[2]);
    launch_drop_cache(state);
    restart(argv[1], argv[2], "cold");
    restart(argv[1], argv[2], "warm");
    return 0;
}

/*
 * What one master carries: a real `trawl master`, and workers over nng that fetch nothing (crew.h) but report what a
 * made-up web has (synth.h), all in this process and one thread.
 *
 *     master TRAWL DIR [WORKERS] [SECONDS] [URLS] [SEED]
 *
 * Default: 100 workers, 20 s, 5000000 1. DIR must not exist; it is left there. Each worker asks again as soon as it is
 * answered: VISITS visits an exchange, all URLs of which it reports, with their links, in the next one; and a heartbeat
 * a second on a line of its own. The first third of the time is not counted. One line of JSON; CPU seconds are the
 * master's process, all threads of it.
 */
#include "bench/crew.h"
#include "bench/launch.h"
#include "proto/rpc.h"
#include "shared/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    VISITS = 16,
    WORKERS_MAX = 4000, /* below LIMIT_RPC_CONNECTIONS */
    SEEDS = 64,
    TIMEOUT_MS = 60000,
    LATENCIES_MAX = 1 << 22,
    PATH_BYTES = 4096,
};

enum line { LINE_EXCHANGE, LINE_HEARTBEAT, LINES };

struct worker {
    char name[32];
    struct crew *crew;
    struct rpc_client *client;
    struct rpc_lines *lines;
    bool busy[LINES];
    double asked_s;     /* the exchange that is under way */
    double exchange_s;  /* when the next one is due */
    double heartbeat_s; /* likewise */
};

struct bench {
    struct launched master;
    struct synth *synth;
    struct worker *workers;
    size_t count;
    int epoll;
    struct arena arena; /* of the last answer */
    struct buf bytes;   /* of the last request */
    float *latencies_ms;
    size_t latency_count;
};

struct totals {
    double wall_s, cpu_s;
    uint64_t urls, links;
    size_t exchanges;
};

static void die(const char *text) {
    fprintf(stderr, "master: %s\n", text);
    exit(1);
}

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- workers ------------------------------------------------------------------------------------------- */

static void pack(struct bench *b, const Trawl__Request *request) {
    buf_reset(&b->bytes);
    if (!wire_pack(&b->bytes, &request->base))
        die("a request is too long");
}

static const Trawl__Reply *unpack(struct bench *b, const void *bytes, size_t len) {
    arena_reset(&b->arena);
    return wire_reply_unpack(&b->arena, bytes, len);
}

static void join(struct bench *b, size_t i) {
    struct worker *w = &b->workers[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
    struct error err = {.text = "out of memory"};
    struct buf reply;

    snprintf(w->name, sizeof w->name, "w%zu", i);
    w->crew = crew_new(b->synth, w->name, 0, 1);
    w->client = rpc_client_new(b->master.address, RPC_DIAL_NOW, &err);
    w->lines = w->client == NULL ? NULL : rpc_lines_new(w->client, LINES, &err);
    if (w->lines == NULL)
        die(err.text);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    pack(b, crew_register(w->crew));
    if (!rpc_call_sync(w->client, b->bytes.data, b->bytes.len, TIMEOUT_MS, &reply, &err))
        die(err.text);
    crew_registered(w->crew, unpack(b, reply.data, reply.len));
    buf_release(&reply);
    w->heartbeat_s = now_s() + 1;
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, rpc_lines_fd(w->lines), &event) != 0)
        die("no epoll");
}

static void ask(struct bench *b, struct worker *w, enum line line, const Trawl__Request *request) {
    pack(b, request);
    if (!rpc_lines_send(w->lines, line, b->bytes.data, b->bytes.len, TIMEOUT_MS))
        die("out of memory");
    w->busy[line] = true;
}

/* Whatever is due. A heartbeat names what is held now, so none is made while an exchange is under way that gives it
 * back: exchanges renew the session as well. */
static void start_due(struct bench *b, struct worker *w, double now) {
    if (!w->busy[LINE_EXCHANGE] && !w->busy[LINE_HEARTBEAT] && now >= w->heartbeat_s) {
        ask(b, w, LINE_HEARTBEAT, crew_heartbeat(w->crew));
        w->heartbeat_s = now + 1;
    }
    if (!w->busy[LINE_EXCHANGE] && now >= w->exchange_s) {
        ask(b, w, LINE_EXCHANGE, crew_exchange(w->crew, VISITS, CREW_ALL));
        w->asked_s = now;
    }
}

static void take_answers(struct bench *b, struct worker *w) {
    struct rpc_answer a;

    while (rpc_lines_take(w->lines, &a)) {
        w->busy[a.line] = false;
        if (!a.ok)
            die("no answer from the master");
        if (a.line == LINE_HEARTBEAT)
            continue;
        double now = now_s();
        crew_answered(w->crew, unpack(b, a.bytes, a.len));
        if (b->latency_count < LATENCIES_MAX)
            b->latencies_ms[b->latency_count++] = (float)((now - w->asked_s) * 1000);
        w->exchange_s = crew_held(w->crew) > 0 ? now : now + crew_wait_ms(w->crew) / 1000.0;
    }
}

static void run(struct bench *b, double seconds) {
    struct epoll_event events[256];
    double end = now_s() + seconds;

    for (double now; (now = now_s()) < end;) {
        double due = now + 0.05;
        for (size_t i = 0; i < b->count; i++) {
            struct worker *w = &b->workers[i];
            start_due(b, w, now);
            if (!w->busy[LINE_EXCHANGE] && w->exchange_s < due)
                due = w->exchange_s;
        }
        int wait_ms = due <= now ? 0 : (int)((due - now) * 1000) + 1;
        int n = epoll_wait(b->epoll, events, 256, wait_ms);
        for (int i = 0; i < n; i++)
            take_answers(b, events[i].data.ptr);
    }
}

/* ---- figures ------------------------------------------------------------------------------------------- */

static struct totals totals(const struct bench *b) {
    struct totals t = {.wall_s = now_s(), .cpu_s = launch_cpu_s(&b->master)};

    for (size_t i = 0; i < b->count; i++) {
        t.urls += crew_outcomes(b->workers[i].crew);
        t.links += crew_links(b->workers[i].crew);
    }
    t.exchanges = b->latency_count;
    return t;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void report(const struct bench *b, struct totals from) {
    struct totals t = totals(b);
    double wall_s = t.wall_s - from.wall_s, cpu_s = t.cpu_s - from.cpu_s;
    uint64_t urls = t.urls - from.urls, links = t.links - from.links;
    size_t n = t.exchanges - from.exchanges;
    float *latency = b->latencies_ms + from.exchanges;

    if (n == 0 || urls == 0)
        die("nothing was fetched");
    qsort(latency, n, sizeof *latency, by_value);
    printf("{\"bench\": \"master\", \"workers\": %zu, \"exchanges\": %zu, \"urls\": %llu, "
           "\"links\": %llu, \"wall_s\": %.2f, \"master_cpu_s\": %.2f",
           b->count, n, (unsigned long long)urls, (unsigned long long)links, wall_s, cpu_s);
    printf(", \"urls_per_s\": %.0f, \"links_per_s\": %.0f, \"urls_per_master_cpu_s\": %.0f",
           (double)urls / wall_s, (double)links / wall_s, (double)urls / cpu_s);
    printf(", \"exchange_p50_ms\": %.1f, \"exchange_p99_ms\": %.1f, \"resident_bytes\": %llu}\n",
           (double)latency[n / 2], (double)latency[n * 99 / 100],
           (unsigned long long)launch_resident_bytes(&b->master));
}

/* The seeds as a file in DIR, for --seeds. */
static void write_seeds(const struct bench *b, const char *path) {
    char name[SYNTH_NAME_BYTES];
    FILE *f = fopen(path, "we");

    if (f == NULL)
        die("cannot write the seeds");
    for (uint32_t i = 0; i < SEEDS && i < synth_origins(b->synth); i++) {
        (void)synth_name(i, name);
        fprintf(f, "%s/\n", name);
    }
    fclose(f);
}

int main(int argc, char **argv) {
    struct bench b = {.count = argc > 3 ? strtoul(argv[3], NULL, 10) : 100};
    double seconds = argc > 4 ? strtod(argv[4], NULL) : 20;
    uint64_t urls = argc > 5 ? strtoull(argv[5], NULL, 10) : 5000000;
    char seeds[PATH_BYTES];
    struct rusage usage;

    if (argc < 3 || argc > 7 || b.count == 0 || b.count > WORKERS_MAX || !(seconds >= 1))
        die("usage: master TRAWL DIR [WORKERS] [SECONDS] [URLS] [SEED]");
    if (mkdir(argv[2], 0777) != 0)
        die(errno == EEXIST ? "DIR must not exist" : "cannot make DIR");
    b.synth = synth_new(urls, argc > 6 ? strtoull(argv[6], NULL, 10) : 1);
    b.workers = calloc(b.count, sizeof *b.workers);
    b.latencies_ms = calloc(LATENCIES_MAX, sizeof *b.latencies_ms);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (b.synth == NULL || b.workers == NULL || b.latencies_ms == NULL || b.epoll < 0)
        die("out of memory");
    arena_init(&b.arena, LIMIT_ARENA_BYTES);
    buf_init(&b.bytes, LIMIT_WIRE_BYTES);
    snprintf(seeds, sizeof seeds, "%s/seeds", argv[2]);
    write_seeds(&b, seeds);
    const char *arguments[] = {"--scope", "any", "--seeds", seeds, NULL};
    b.master = launch_master(argv[1], argv[2], arguments);
    for (size_t i = 0; i < b.count; i++)
        join(&b, i);
    run(&b, seconds / 3);
    struct totals from = totals(&b);
    run(&b, seconds - seconds / 3);
    report(&b, from);
    launch_kill(&b.master, &usage);
    for (size_t i = 0; i < b.count; i++) {
        rpc_lines_free(b.workers[i].lines);
        (void)rpc_client_free(b.workers[i].client);
        crew_free(b.workers[i].crew);
    }
    synth_free(b.synth);
    free(b.workers);
    free(b.latencies_ms);
    arena_release(&b.arena);
    buf_release(&b.bytes);
    close(b.epoll);
    return 0;
}

/*
 * What the frontier costs: the master's core over the crawldb, in one thread, fed by fetch loops that fetch nothing
 * (crew.h) with what a made-up web has (synth.h).
 *
 *     frontier DIR [URLS] [SEED] [FILL]
 *
 * Default: 1000000 1 15. FILL: so many percent of the links are new until the part that is measured. DIR must not exist; it is left there as `trawl master --dir DIR` has it. One line of JSON. It
 * grows the crawl until URLS are known, then measures ten links for each URL, as the aim has it (300,000 links and 30,000
 * URLs a second), apart what links cost, and what visits without links cost, and at last how long closing takes and a
 * start, with the files of the crawldb dropped from the page cache.
 *
 * CPU seconds are of all threads, RocksDB's own included, less what the made-up web takes; seconds by the wall likewise.
 * What is measured begins when the crawldb has nothing left to write and merge, and ends when it has nothing left again:
 * each part pays for the compactions that it causes, and for no others.
 */
#include "bench/crew.h"
#include "bench/launch.h"
#include "bench/synth.h"
#include "master/core.h"
#include "master/store_rocks.h"
#include "shared/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOPS = 16,
    VISITS = 64,          /* asked for in one exchange */
    EXCHANGES_A_SYNC = 8, /* as many replies as wait for one sync under load */
    SEEDS = 64,
    MEASURED_MAX = 2000000, /* of the growth */
    FETCHED_MAX = 3000000,  /* alone */
    MIXED_MAX = 2000000,    /* URLs, with ten links each */
    MIXED_ROUNDS = 4,       /* pages have 40 links: every fourth round brings its links */
    PATH_BYTES = 4096,
};

struct meter {
    double cpu_s, wall_s;
    uint64_t links, urls; /* reported; granted and committed */
};

struct bench {
    char path[PATH_BYTES]; /* of the crawldb */
    struct options options;
    struct store *store;
    struct core *core;
    struct now now;
    struct synth *synth;
    struct crew *crews[LOOPS];
    struct arena arena; /* of the last answer */
    struct buf reply;
    uint64_t exchanges;
    struct meter meter; /* since the start, of what is measured */
};

static void die(const char *text) {
    fprintf(stderr, "frontier: %s\n", text);
    exit(1);
}

static double clock_s(clockid_t clock) {
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what is measured: a stretch between begin and end is not ---------------------------------------------- */

struct pause {
    double cpu_s, wall_s;
};

static struct pause pause_begin(void) {
    return (struct pause){clock_s(CLOCK_THREAD_CPUTIME_ID), clock_s(CLOCK_MONOTONIC)};
}

static void pause_end(struct bench *b, struct pause p) {
    b->meter.cpu_s -= clock_s(CLOCK_THREAD_CPUTIME_ID) - p.cpu_s;
    b->meter.wall_s -= clock_s(CLOCK_MONOTONIC) - p.wall_s;
}

static struct meter meter_now(const struct bench *b) {
    struct meter m = b->meter;

    m.cpu_s += clock_s(CLOCK_PROCESS_CPUTIME_ID);
    m.wall_s += clock_s(CLOCK_MONOTONIC);
    for (size_t i = 0; i < LOOPS; i++) {
        m.links += crew_links(b->crews[i]);
        m.urls += crew_outcomes(b->crews[i]);
    }
    return m;
}

static struct meter meter_since(const struct bench *b, struct meter then) {
    struct meter m = meter_now(b);

    return (struct meter){m.cpu_s - then.cpu_s, m.wall_s - then.wall_s, m.links - then.links,
                          m.urls - then.urls};
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void sync_store(struct bench *b) {
    struct error err;
    uint64_t synced;

    if (!store_sync(b->store, &synced, &err))
        die(err.text);
}

static void ask(struct bench *b, const Trawl__Request *request) {
    struct error err;

    (void)core_request(b->core, b->now, request, "bench", &b->reply);
    if (core_failed(b->core, &err))
        die(err.text);
}

static const Trawl__Reply *unpacked(struct bench *b) {
    arena_reset(&b->arena);
    return wire_reply_unpack(&b->arena, b->reply.data, b->reply.len);
}

static void register_all(struct bench *b) {
    for (size_t i = 0; i < LOOPS; i++) {
        ask(b, crew_register(b->crews[i]));
        crew_registered(b->crews[i], unpacked(b));
    }
}

static void exchange(struct bench *b, struct crew *w, uint32_t visits, enum crew_what what) {
    struct pause p = pause_begin();
    const Trawl__Request *request = crew_exchange(w, visits, what);
    pause_end(b, p);

    ask(b, request);
    if (++b->exchanges % EXCHANGES_A_SYNC == 0)
        sync_store(b);
    p = pause_begin();
    crew_answered(w, unpacked(b));
    pause_end(b, p);
}

/* Each loop once. */
static void round_of(struct bench *b, uint32_t visits, enum crew_what what) {
    bool idle = true;

    for (size_t i = 0; i < LOOPS; i++) {
        exchange(b, b->crews[i], visits, what);
        idle = idle && crew_held(b->crews[i]) == 0;
    }
    int64_t step = idle ? core_next_ms(b->core, b->now) - b->now.mono_ms : 10;
    if (step < 1)
        step = 1;
    b->now.mono_ms += step;
    b->now.unix_ms += step;
    core_tick(b->core, b->now);
}

static struct core_stats stats(const struct bench *b) {
    struct core_stats s;

    core_stats(b->core, &s);
    return s;
}

/* ---- sizes --------------------------------------------------------------------------------------------- */

static uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL || fscanf(f, "%*u %llu", &pages) != 1)
        die("no /proc/self/statm");
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- the course ---------------------------------------------------------------------------------------- */

static void open_store(struct bench *b, enum store_rocks_mode mode) {
    static const unsigned char random16[16] = {1};
    struct error err;

    b->store = store_rocks_open(b->path, mode, &err);
    if (b->store == NULL)
        die(err.text);
    b->core = core_new(&b->options, b->store, b->now, random16, &err);
    if (b->core == NULL)
        die(err.text);
    sync_store(b);
}

static void begin(struct bench *b, const char *dir, uint64_t urls, uint64_t seed) {
    if (mkdir(dir, 0777) != 0)
        die(errno == EEXIST ? "DIR must not exist" : "cannot make DIR");
    snprintf(b->path, sizeof b->path, "%s/state", dir);
    b->now = (struct now){.mono_ms = 1000000, .unix_ms = 1700000000000};
    b->synth = synth_new(urls, seed);
    if (b->synth == NULL || !options_init(&b->options))
        die("out of memory");
    b->options.scope = SCOPE_ANY;
    for (size_t i = 0; i < LOOPS; i++)
        b->crews[i] = crew_new(b->synth, "bench", (uint32_t)i, LOOPS);
    arena_init(&b->arena, LIMIT_ARENA_BYTES);
    buf_init(&b->reply, LIMIT_WIRE_BYTES);
}

static void plant_seeds(struct bench *b) {
    char url[SYNTH_NAME_BYTES + 1];
    struct error err;

    for (uint32_t i = 0; i < SEEDS && i < synth_origins(b->synth); i++) {
        size_t len = synth_name(i, url);
        url[len++] = '/';
        if (!core_seed(b->core, b->now, url, len, &err))
            die(err.text);
    }
}

static struct meter begin_part(struct bench *b) {
    store_rocks_settle(b->store);
    return meter_now(b);
}

static struct meter end_part(struct bench *b, struct meter then) {
    store_rocks_settle(b->store);
    return meter_since(b, then);
}

/* Until so many are known. The last tenth, or less, is measured: what it costs at that size. */
static struct meter grow(struct bench *b, uint64_t urls, uint32_t fill_percent) {
    uint64_t measured = urls / 10 < MEASURED_MAX ? urls / 10 : MEASURED_MAX;

    synth_set_new_percent(b->synth, fill_percent);
    while (stats(b).known < urls - measured)
        round_of(b, VISITS, CREW_ALL);
    synth_set_new_percent(b->synth, SYNTH_NEW_PERCENT);
    struct meter then = begin_part(b);
    while (stats(b).known < urls)
        round_of(b, VISITS, CREW_ALL);
    return end_part(b, then);
}

/* Links alone: what is held stays leased. */
static struct meter take_links(struct bench *b, uint64_t links) {
    round_of(b, VISITS, CREW_OUTCOMES);
    struct meter then = begin_part(b);
    while (meter_since(b, then).links < links)
        round_of(b, 0, CREW_LINKS);
    struct meter m = end_part(b, then);
    m.urls = 0;
    return m;
}

/* Ten links for each URL. */
static struct meter mix(struct bench *b, uint64_t urls) {
    struct meter then = begin_part(b);

    while (meter_since(b, then).urls < urls) {
        round_of(b, VISITS, CREW_ALL);
        for (int i = 1; i < MIXED_ROUNDS; i++)
            round_of(b, VISITS, CREW_OUTCOMES);
    }
    return end_part(b, then);
}

static struct meter fetch(struct bench *b, uint64_t urls) {
    struct meter then = begin_part(b);

    while (meter_since(b, then).urls < urls)
        round_of(b, VISITS, CREW_OUTCOMES);
    return end_part(b, then);
}

static void close_store(struct bench *b) {
    core_free(b->core);
    store_close(b->store);
}

/* Open, ready for requests, durable: what the master does before it listens. */
static struct meter restart(struct bench *b) {
    launch_drop_cache(b->path);
    struct meter then = meter_now(b);
    open_store(b, STORE_ROCKS_OPEN);
    return meter_since(b, then);
}

static void print_rates(const char *name, struct meter m) {
    printf(", \"%s\": {\"links\": %llu, \"urls\": %llu, \"cpu_s\": %.2f, \"wall_s\": %.2f, "
           "\"links_per_cpu_s\": %.0f, \"urls_per_cpu_s\": %.0f}",
           name, (unsigned long long)m.links, (unsigned long long)m.urls, m.cpu_s, m.wall_s,
           (double)m.links / m.cpu_s, (double)m.urls / m.cpu_s);
}

int main(int argc, char **argv) {
    static struct bench b;
    uint64_t urls = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    unsigned long fill = argc > 4 ? strtoul(argv[4], NULL, 10) : SYNTH_NEW_PERCENT;

    if (argc < 2 || argc > 5 || urls < 10000 || fill < 1 || fill > 100)
        die("usage: frontier DIR [URLS, at least 10000] [SEED] [FILL, 1 to 100]");
    begin(&b, argv[1], urls, seed);
    uint64_t before = resident_bytes();
    open_store(&b, STORE_ROCKS_CREATE);
    register_all(&b);
    plant_seeds(&b);
    struct meter grown = grow(&b, urls, (uint32_t)fill);
    struct meter whole = meter_now(&b);
    sync_store(&b);
    uint64_t resident = resident_bytes() - before, disk = launch_disk_bytes(b.path);
    struct core_stats s = stats(&b);
    struct meter mixed = mix(&b, urls / 5 < MIXED_MAX ? urls / 5 : MIXED_MAX),
                 links = take_links(&b, 2000000),
                 fetched = fetch(&b, urls / 2 < FETCHED_MAX ? urls / 2 : FETCHED_MAX);
    close_store(&b);
    struct meter start = restart(&b);
    struct core_stats again = stats(&b);

    printf("{\"bench\": \"frontier\", \"seed\": %llu, \"fill_percent\": %lu, \"urls\": %llu, "
           "\"origins\": %llu, "
           "\"fetched\": %llu, \"links\": %llu",
           (unsigned long long)seed, fill, (unsigned long long)s.known,
           (unsigned long long)s.origins, (unsigned long long)s.fetched,
           (unsigned long long)whole.links);
    printf(
        ", \"ram_bytes_per_url\": %.1f, \"seen_bytes_per_url\": %.1f, \"disk_bytes_per_url\": %.1f",
        (double)resident / (double)s.known, (double)s.seen_bytes / (double)s.known,
        (double)disk / (double)s.known);
    print_rates("grow", grown);
    print_rates("ten_links_a_url", mixed);
    print_rates("links_only", links);
    print_rates("urls_only", fetched);
    printf(", \"restart\": {\"urls\": %llu, \"cpu_s\": %.2f, \"wall_s\": %.2f}}\n",
           (unsigned long long)again.known, start.cpu_s, start.wall_s);
    close_store(&b);
    for (size_t i = 0; i < LOOPS; i++)
        crew_free(b.crews[i]);
    synth_free(b.synth);
    return 0;
}

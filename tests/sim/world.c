#include "tests/sim/world.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "master/core.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "master/tries.h"
#include "shared/heap.h"
#include "shared/limits.h"
#include "shared/map.h"
#include "tests/sim/skew.h"
#include "tests/sim/web.h"
#include "worker/agent.h"
#include "worker/visit.h"

enum {
    WORKERS_MAX = 4,
    LOOPS = 2,
    TRANSFERS = 4,
    SEGMENT_BYTES = 4000, /* small, so that segments are closed often */
    HEAD_BYTES = 100,     /* of a segment: its warcinfo record */
    CALL_TIMEOUT_MS = 1500,
    FAULTS_END_MS = 60 * 1000,
    END_MS = 1200 * 1000,
    EVENTS_MAX = 2000000,
};

/* ---- what there is --------------------------------------------------------------------------------------------- */

struct sim_record {
    uint64_t offset, length;
    uint32_t origin, page;
};

struct sim_segment {
    char name[96];
    bool sealed;
    uint64_t size, durable; /* bytes; durable: survive the machine */
    struct sim_record *records;
    size_t count, room;
    struct sim_segment *next;
};

/* What the shell keeps beside a visit. */
struct sim_visit {
    struct visit *visit;   /* NULL: void */
    uint32_t origin, open; /* connections */
    uint32_t stale;        /* of these, while its worker resumes */
    uint32_t busy;
    int64_t quiet_until_ms; /* what the server asked of it last, on the server's clock */
    struct sim_visit *next;
};

struct sim_transfer {
    uint64_t fetch;
    struct sim_visit *visit;
    bool robots, sitemap;
    uint32_t origin, page;
    int64_t started_ms; /* on the worker's clock */
    struct web_answer answer;
    struct sim_transfer *next;
};

struct sim_loop {
    struct sim_worker *worker;
    uint32_t number;
    struct agent *agent;
    uint64_t incarnation; /* of this loop's memory: events of an older one are void */
    struct sim_segment *segment;
    uint32_t serial; /* of segments */
    char crawl[24];
    struct sim_visit *visits;
    struct sim_transfer *transfers;
    uint64_t call[AGENT_LINES];           /* number of the request under way; 0: none */
    const struct buf *asked[AGENT_LINES]; /* its bytes */
    int64_t wake_ms;
    bool left;
};

struct sim_worker {
    char name[8];
    unsigned char instance[16];
    uint64_t incarnation;
    bool alive;
    int64_t paused_until_ms;
    bool cut_up, cut_down; /* partitions */
    struct skew skew;      /* of its clock */
    struct sim_loop loops[LOOPS];
    struct sim_segment *disk;
    struct cost_sums cost; /* of this process */
};

enum event_kind {
    EVENT_WAKE,
    EVENT_REQUEST, /* arrives at the master */
    EVENT_REPLY,   /* arrives at a loop */
    EVENT_TIMEOUT,
    EVENT_FETCHED,
    EVENT_RESOLVED,
    EVENT_SYNCED,
    EVENT_SEAL,
    EVENT_MASTER_TICK,
    EVENT_MASTER_SYNC,
    EVENT_MASTER_START,
    EVENT_WORKER_START,
    EVENT_FAULT,
};

struct event {
    struct heap_item at;
    uint64_t order; /* ties are broken by it */
    enum event_kind kind;
    struct sim_loop *loop;
    struct sim_worker *worker;
    uint64_t incarnation, number;
    enum agent_line line;
    struct buf bytes;
    struct sim_transfer *transfer;
    struct sim_visit *visit;
    struct sim_segment *segment;
};

/* A reply that waits for a sync. */
struct held_reply {
    struct event *event;
    struct held_reply *next;
};

struct world {
    const struct world_options *options;
    struct world_result *result;
    struct rng rng;
    int64_t now_ms, unix_jump_ms;
    struct heap events;
    uint64_t orders;
    struct web web;
    struct sim_worker workers[WORKERS_MAX];
    uint32_t worker_count;
    uint64_t incarnations, calls;

    struct options crawl;
    /* often so few that the links of a page take several exchanges */
    size_t exchange_link_bytes, exchange_links;
    struct store *store;
    struct core *core; /* NULL: the master is down */
    uint64_t master_incarnation;
    struct held_reply *held;
    bool syncing, ended, jumped;
    /* What was acknowledged to a worker, by fingerprint: must be in the store for ever after. */
    struct map acknowledged;
    /* What all workers used; and before this master was. */
    struct cost_sums cost, cost_before;
};

static const char *const fault_names[FAULTS] = {
    "request lost", "reply lost",     "late",           "doubled",       "reordered",
    "partition up", "partition down", "worker killed",  "worker paused", "zombie",
    "restarted",    "tail lost",      "master killed",  "writes lost",   "store full",
    "server broke", "clock jump",     "killed sealing", "told to wait",  "flapped",
    "poisoned",
};

const char *world_fault_name(enum world_fault f) {
    return fault_names[f];
}

static void note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct world *w, const char *fmt, ...) {
    va_list args;

    if (w->options->trace == NULL)
        return;
    fprintf(w->options->trace, "%9.3f ", (double)w->now_ms / 1000);
    va_start(args, fmt);
    vfprintf(w->options->trace, fmt, args);
    va_end(args);
    fputc('\n', w->options->trace);
}

static void fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct world *w, const char *fmt, ...) {
    va_list args;

    if (w->result->why[0] != '\0')
        return;
    va_start(args, fmt);
    vsnprintf(w->result->why, sizeof w->result->why, fmt, args);
    va_end(args);
    note(w, "BROKEN %s", w->result->why);
}

/* May a fault of this kind happen now? Counts it. */
static bool fault(struct world *w, enum world_fault f, uint32_t permille) {
    if (w->options->calm || w->now_ms >= FAULTS_END_MS || rng_below(&w->rng, 1000) >= permille)
        return false;
    w->result->faults[f]++;
    return true;
}

static struct now master_now(const struct world *w) {
    return (struct now){.mono_ms = w->now_ms,
                        .unix_ms = 1700000000000 + w->now_ms + w->unix_jump_ms};
}

static struct event *schedule(struct world *w, int64_t delay_ms, enum event_kind kind) {
    struct event *e = calloc(1, sizeof *e);

    if (e == NULL)
        abort();
    e->kind = kind;
    e->order = ++w->orders;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    /* Order within one moment is part of the key: the run must not depend on the heap's shape. */
    if (!heap_set(&w->events, &e->at,
                  (w->now_ms + delay_ms) * 1000000 + (int64_t)(e->order % 1000000)))
        abort();
    return e;
}

static void event_free(struct event *e) {
    buf_release(&e->bytes);
    free(e);
}

static void wake(struct world *w, struct sim_loop *l, int64_t delay_ms) {
    if (l->agent == NULL || l->wake_ms <= w->now_ms + delay_ms)
        return;
    struct event *e = schedule(w, delay_ms, EVENT_WAKE);
    e->loop = l;
    e->incarnation = l->incarnation;
    l->wake_ms = w->now_ms + delay_ms;
}

/* ---- the network -------------------------------------------------------------------------------------------------- */

static int64_t travel_ms(struct world *w) {
    if (fault(w, FAULT_LATE, 30))
        return rng_below(&w->rng, 20000);
    if (fault(w, FAULT_REORDERED, 50))
        return rng_below(&w->rng, 60);
    return 1 + rng_below(&w->rng, 3);
}

static void send_request(struct world *w, struct sim_loop *l, struct sim_worker *from,
                         enum agent_line line, uint64_t number, const struct buf *bytes,
                         struct sim_segment *segment) {
    int copies = fault(w, FAULT_DOUBLED, 30) ? 2 : 1;

    if (from->cut_up) {
        w->result->faults[FAULT_PARTITION_UP]++;
        return;
    }
    if (fault(w, FAULT_REQUEST_LOST, 20))
        return;
    for (int i = 0; i < copies; i++) {
        struct event *e = schedule(w, travel_ms(w), EVENT_REQUEST);
        e->loop = l;
        e->worker = from;
        e->incarnation = l != NULL ? l->incarnation : from->incarnation;
        e->line = line;
        e->number = number;
        e->segment = segment;
        if (!buf_append(&e->bytes, bytes->data, bytes->len))
            abort();
    }
}

static void deliver_reply(struct world *w, struct event *e) {
    struct event *r;

    if (e->worker->cut_down) {
        w->result->faults[FAULT_PARTITION_DOWN]++;
        event_free(e);
        return;
    }
    if (fault(w, FAULT_REPLY_LOST, 20)) {
        event_free(e);
        return;
    }
    r = schedule(w, travel_ms(w), EVENT_REPLY);
    r->loop = e->loop;
    r->worker = e->worker;
    r->incarnation = e->incarnation;
    r->line = e->line;
    r->number = e->number;
    r->segment = e->segment;
    r->bytes = e->bytes;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    event_free(e);
}

/* ---- the master --------------------------------------------------------------------------------------------------- */

static void check_acknowledged(struct world *w);
static void worker_kill(struct world *w, struct sim_worker *s);
static void restart_later(struct world *w, struct sim_worker *s, int64_t delay_ms);

static void drop_held(struct world *w) {
    while (w->held != NULL) {
        struct held_reply *h = w->held;
        w->held = h->next;
        event_free(h->event);
        free(h);
    }
}

static void master_start(struct world *w) {
    static const unsigned char random16[16] = {1, 2, 3};
    struct error err = {0};

    w->core = core_new(&w->crawl, w->store, master_now(w), random16, &err);
    if (w->core == NULL) {
        struct event *e = schedule(w, 500, EVENT_MASTER_START);
        e->incarnation = w->master_incarnation;
        note(w, "master cannot start: %s", err.text);
        if (!store_reopen(w->store, &err))
            fail(w, "the store does not open again: %s", err.text);
        return;
    }
    char seed[96];
    size_t n = web_url(&w->web, 0, 0, seed);
    if (!core_seed(w->core, master_now(w), seed, n, &err))
        note(w, "seed: %s", err.text);
    note(w, "master starts");
    w->cost_before = w->cost;
    check_acknowledged(w);
    struct event *e = schedule(w, 10, EVENT_MASTER_TICK);
    e->incarnation = w->master_incarnation;
}

static void master_stop(struct world *w) {
    core_free(w->core);
    w->core = NULL;
    w->master_incarnation++;
    w->syncing = false;
    drop_held(w);
}

static void master_kill(struct world *w) {
    note(w, "master killed");
    w->result->faults[FAULT_MASTER_KILLED]++;
    master_stop(w);
    size_t unsynced = store_mem_unsynced(w->store);
    store_mem_crash(w->store, rng_next(&w->rng));
    w->result->faults[FAULT_WRITES_LOST] += unsynced > 0;
    struct event *e = schedule(w, 200 + rng_below(&w->rng, 8000), EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

/* The store refused: the core is void, and made anew from what the store has. */
static void master_renew(struct world *w) {
    note(w, "the store failed: core made anew");
    master_stop(w);
    struct error err = {0};
    if (!store_reopen(w->store, &err))
        fail(w, "the store does not open again: %s", err.text);
    struct event *e = schedule(w, 100, EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

static void request_sync(struct world *w) {
    if (w->syncing)
        return;
    w->syncing = true;
    struct event *e = schedule(w, 1 + rng_below(&w->rng, 10), EVENT_MASTER_SYNC);
    e->incarnation = w->master_incarnation;
}

static void note_request(struct world *w, const Trawl__Request *r, const struct buf *bytes) {
    static const char *const names[] = {"register", "attach", "heartbeat", "exchange",
                                        "query",    "seal",   "leave"};
    struct arena arena;

    if (w->options->trace == NULL)
        return;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Reply *reply = wire_reply_unpack(&arena, bytes->data, bytes->len);
    note(w, "master: %s of session %llu: code %d", names[r->body_case - 10],
         (unsigned long long)r->session, reply == NULL ? -1 : (int)reply->code);
    if (r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_visits; i++)
            if (r->exchange->visits[i]->done)
                note(w, "  gives back %llu", (unsigned long long)r->exchange->visits[i]->attempt);
    if (reply != NULL && reply->body_case == TRAWL__REPLY__BODY_ATTACH)
        for (size_t i = 0; i < reply->attach->n_visits; i++)
            note(w, "  %llu of %.*s with %zu URLs %s",
                 (unsigned long long)r->attach->visits[i]->attempt,
                 (int)r->attach->visits[i]->origin.len, r->attach->visits[i]->origin.data,
                 r->attach->visits[i]->n_items,
                 reply->attach->visits[i]->lost ? "is lost" : "stands");
    if (reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < reply->exchange->n_grants; i++)
            note(w, "  grants %llu: %.*s, %u connections",
                 (unsigned long long)reply->exchange->grants[i]->attempt,
                 (int)reply->exchange->grants[i]->origin.len,
                 reply->exchange->grants[i]->origin.data, reply->exchange->grants[i]->connections);
    arena_release(&arena);
}

static void master_request(struct world *w, struct event *e) {
    struct arena arena;
    struct buf reply;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED) {
        event_free(e);
        return;
    }
    if (fault(w, FAULT_STORE_FULL, 2))
        store_mem_fail_write(w->store, 1, ENOSPC);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    enum core_when when = core_request(w->core, master_now(w), r, "sim", &reply);
    w->result->attached += r->body_case == TRAWL__REQUEST__BODY_ATTACH;
    note_request(w, r, &reply);
    buf_release(&e->bytes);
    e->bytes = reply;
    arena_release(&arena);
    if (core_failed(w->core, NULL)) {
        deliver_reply(w, e);
        master_renew(w);
    } else if (when == CORE_AT_ONCE) {
        deliver_reply(w, e);
    } else {
        struct held_reply *h = malloc(sizeof *h);
        if (h == NULL)
            abort();
        *h = (struct held_reply){e, w->held};
        w->held = h;
        request_sync(w);
    }
}

static void master_synced(struct world *w) {
    struct error err = {0};
    uint64_t seq;
    struct held_reply *ready = w->held;

    w->syncing = false;
    if (!store_sync(w->store, &seq, &err)) {
        master_renew(w);
        return;
    }
    w->held = NULL;
    while (ready != NULL) {
        struct held_reply *h = ready;
        ready = h->next;
        deliver_reply(w, h->event);
        free(h);
    }
}

static bool all_loops_left(const struct sim_worker *s) {
    for (uint32_t i = 0; i < LOOPS; i++)
        if (!s->loops[i].left)
            return false;
    return true;
}

static bool all_sealed(const struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (const struct sim_segment *s = w->workers[i].disk; s != NULL; s = s->next)
            if (!s->sealed)
                return false;
    return true;
}

/* A worker that was away for longer than a lease has segments to seal: the user starts the master once more
 * for it, as for any stopped crawl. */
static void master_ended(struct world *w) {
    if (all_sealed(w)) {
        w->ended = true;
        return;
    }
    note(w, "ended with open segments: master and workers are started again");
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].alive && all_loops_left(&w->workers[i])) {
            worker_kill(w, &w->workers[i]);
            restart_later(w, &w->workers[i], 5000);
        }
    master_stop(w);
    struct event *e = schedule(w, 5000, EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

static void master_tick(struct world *w) {
    struct event *e;

    core_tick(w->core, master_now(w));
    if (core_failed(w->core, NULL)) {
        master_renew(w);
        return;
    }
    if (core_state(w->core) == CORE_ENDED) {
        master_ended(w);
        return;
    }
    int64_t next = core_next_ms(w->core, master_now(w)) - w->now_ms;
    e = schedule(w, next < 1 ? 1 : next, EVENT_MASTER_TICK);
    e->incarnation = w->master_incarnation;
}

/* ---- what was acknowledged -------------------------------------------------------------------------------------------- */

typedef void each_done(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len);

/* Calls `each` for every URL in a terminal state, read from the store itself. */
static void walk_done(struct world *w, each_done *each) {
    struct record_key prefix = record_group('u');
    struct arena arena;
    struct store_iter *i =
        store_iter_open(w->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        char url[256];
        struct buf origin;
        arena_reset(&arena);
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, value, n);
        assert(d != NULL);
        buf_init(&origin, LIMIT_WIRE_BYTES);
        int len = snprintf(url, sizeof url, "%.*s", (int)d->path.len, d->path.data);
        struct record_key key = record_origin(d->origin);
        if (d->origin != 0 && store_get(w->store, key.bytes, key.len, &origin) == STORE_FOUND) {
            Trawl__StoredOrigin *o =
                wire_unpack(&arena, &trawl__stored_origin__descriptor, origin.data, origin.len);
            len = snprintf(url, sizeof url, "%.*s%.*s", (int)o->name.len, o->name.data,
                           (int)d->path.len, d->path.data);
        }
        buf_release(&origin);
        each(w, d, url, (size_t)len);
    }
    store_iter_close(i);
    arena_release(&arena);
}

/* Promise 3: what was acknowledged is there after every restart. */
static void check_acknowledged(struct world *w) {
    struct buf value;

    buf_init(&value, LIMIT_WIRE_BYTES);
    for (size_t i = 0; i < w->acknowledged.size; i++) {
        if (w->acknowledged.slots[i].value == NULL)
            continue;
        struct record_key key = record_done(w->acknowledged.slots[i].key);
        buf_reset(&value);
        if (store_get(w->store, key.bytes, key.len, &value) != STORE_FOUND)
            fail(w, "acknowledged and lost: %016llx",
                 (unsigned long long)w->acknowledged.slots[i].key);
    }
    buf_release(&value);
}

/* ---- segments -------------------------------------------------------------------------------------------------------- */

static struct sim_segment *segment_new(struct sim_loop *l) {
    struct sim_segment *s = calloc(1, sizeof *s);

    if (s == NULL)
        abort();
    snprintf(s->name, sizeof s->name, "%s-%s-%06llu-%u-%04u", l->worker->name, l->crawl,
             (unsigned long long)agent_session(l->agent), l->number, ++l->serial);
    s->size = HEAD_BYTES;
    s->next = l->worker->disk;
    l->worker->disk = s;
    return s;
}

static struct sim_record *segment_append(struct world *w, struct sim_loop *l, uint32_t origin,
                                         uint32_t page) {
    struct sim_segment *s = l->segment;

    if (s == NULL)
        s = l->segment = segment_new(l);
    if (s->count == s->room) {
        s->room = s->room == 0 ? 16 : s->room * 2;
        s->records = realloc(s->records, s->room * sizeof *s->records);
        if (s->records == NULL)
            abort();
    }
    struct sim_record *r = &s->records[s->count++];
    *r = (struct sim_record){
        .offset = s->size, .length = 100 + rng_below(&w->rng, 400), .origin = origin, .page = page};
    s->size += r->length;
    return r;
}

static void segment_close(struct sim_loop *l) {
    if (l->segment == NULL)
        return;
    agent_segment_closed(l->agent, l->segment->name);
    l->segment = NULL;
}

/* Sealing is a conversation with the master, a step an answer. It belongs to the process, not to the loop. */
static void seal_ask(struct world *w, struct sim_worker *s, struct sim_loop *l,
                     struct sim_segment *segment) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    struct buf bytes;

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_SEGMENT_QUERY;
    r.segment_query = &q;
    q.name = segment->name;
    if (!wire_pack(&bytes, &r.base))
        abort();
    send_request(w, NULL, s, AGENT_CALL, 0, &bytes, segment);
    buf_release(&bytes);
    /* Asked again until the segment is sealed. */
    struct event *e = schedule(w, CALL_TIMEOUT_MS, EVENT_SEAL);
    e->worker = s;
    e->loop = l;
    e->incarnation = s->incarnation;
    e->segment = segment;
}

static bool is_committed(const Trawl__SegmentReply *m, const struct sim_record *r) {
#ifdef MUTANT_KEEP_ORPHANS
    return true;
#endif
    for (size_t i = 0; i < m->n_offsets; i++)
        if (m->offsets[i] == r->offset && m->lengths[i] == r->length)
            return true;
    return false;
}

static void tell_sealed(struct world *w, struct sim_worker *s, struct sim_segment *segment) {
    for (uint32_t i = 0; i < LOOPS; i++) {
        struct sim_loop *l = &s->loops[i];
        if (l->agent == NULL)
            continue;
        agent_sealed(l->agent, skew_now(&s->skew, w->now_ms), segment->name);
        wake(w, l, 0);
    }
}

static void seal_answer(struct world *w, struct event *e) {
    struct sim_segment *s = e->segment;
    struct sim_worker *worker = e->worker;
    struct arena arena;
    size_t kept = 0;

    if (!worker->alive || worker->incarnation != e->incarnation || s->sealed)
        return;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Reply *r = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r == NULL || r->body_case != TRAWL__REPLY__BODY_SEGMENT || r->code != TRAWL__CODE__OK)
        goto out;
    for (size_t i = 0; i < r->segment->n_offsets; i++) {
        bool there = false;
        for (size_t j = 0; j < s->count; j++)
            there |= s->records[j].offset == r->segment->offsets[i];
        if (!there)
            fail(w, "committed, and not in its segment: %s at %llu", s->name,
                 (unsigned long long)r->segment->offsets[i]);
        if (i > 0 && r->segment->offsets[i] <= r->segment->offsets[i - 1])
            fail(w, "%s: committed records are not listed by rising offsets", s->name);
    }
    if (fault(w, FAULT_KILLED_SEALING, 20))
        goto out; /* between answer and rename: asked again */
    for (size_t i = 0; i < s->count; i++) {
        if (is_committed(r->segment, &s->records[i]))
            s->records[kept++] = s->records[i];
    }
    w->result->holes += s->count - kept;
    s->count = kept;
    s->sealed = true;
    note(w, "%s sealed with %zu records", s->name, kept);
    tell_sealed(w, worker, s);
out:
    arena_release(&arena);
}

/* ---- one fetch loop ------------------------------------------------------------------------------------------------------ */

static struct sim_visit *shell_of(struct world *w, struct sim_loop *l, struct visit *v) {
    struct sim_visit *s = visit_shell(v);
    unsigned k;

    if (s != NULL)
        return s;
    s = calloc(1, sizeof *s);
    if (s == NULL || sscanf(visit_origin(v), "http://o%u.test", &k) != 1)
        abort();
    s->visit = v;
    s->origin = k;
    s->next = l->visits;
    l->visits = s;
    visit_set_shell(v, s);
    (void)w;
    return s;
}

static void close_connections(struct world *w, struct sim_loop *l, struct sim_visit *s) {
    if (s->open > 0) {
        note(w, "%s/%u closes %u connections to o%u", l->worker->name, l->number, s->open,
             s->origin);
        web_connection(&w->web, s->origin, -(int)s->open, l->worker->name);
    }
    s->open = 0;
    s->busy = 0;
    for (struct sim_transfer *t = l->transfers; t != NULL; t = t->next)
        if (t->visit == s)
            t->visit = NULL;
}

static void start_fetch(struct world *w, struct sim_loop *l, const struct agent_fetch *f) {
    struct sim_transfer *t = calloc(1, sizeof *t);
    struct sim_worker *s = l->worker;
    char who[16];

    if (t == NULL)
        abort();
    t->fetch = f->fetch;
    t->robots = f->robots;
    t->sitemap = f->sitemap;
    t->visit = shell_of(w, l, f->visit);
    t->started_ms = skew_now(&s->skew, w->now_ms);
    if (!web_find(&w->web, f->url, f->url_len, &t->origin, &t->page)) {
        fail(w, "a URL that is none: %.*s", (int)f->url_len, f->url);
        free(t);
        return;
    }
    snprintf(who, sizeof who, "%s/%u", s->name, l->number);
    note(w, "%s fetches %.*s", who, (int)f->url_len, f->url);
    if (t->visit->busy++ == t->visit->open) {
        t->visit->open++;
        web_connection(&w->web, t->origin, 1, who);
    }
    web_request(&w->web, w->now_ms, t->origin, t->page, who, &w->rng, &t->answer);
    (void)agent_sent(l->agent, skew_now(&s->skew, w->now_ms), f->fetch);
    if (fault(w, FAULT_SERVER_BROKE, 10))
        t->answer.duration_ms += 2000;
    t->next = l->transfers;
    l->transfers = t;
    struct event *e = schedule(w, t->answer.duration_ms, EVENT_FETCHED);
    e->loop = l;
    e->worker = s;
    e->incarnation = l->incarnation;
    e->transfer = t;
}

static void fetched_page(struct world *w, struct sim_loop *l, struct sim_transfer *t,
                         struct agent_outcome *o, int64_t now) {
    char links[WEB_LINKS_MAX][96];
    struct url_slice slices[WEB_LINKS_MAX];
    enum web_kind kind = w->web.origins[t->origin].kind[t->page];
    bool is_sitemap = kind == WEB_SITEMAP || kind == WEB_SITEMAP_INDEX;

    if (t->sitemap != is_sitemap)
        fail(w, "page %u of origin %u: a sitemap fetched as a page, or a page as a sitemap",
             t->page, t->origin);
    if (agent_disposition(l->agent, t->fetch, o->status, o->failure) == AGENT_ARCHIVE) {
        struct sim_record *r = segment_append(w, l, t->origin, t->page);
        o->segment = l->segment->name;
        o->offset = r->offset;
        o->record_length = r->length;
    }
    if (o->status == 200)
        o->link_count = web_links(&w->web, t->origin, t->page, links);
    for (size_t i = 0; i < o->link_count; i++)
        slices[i] = (struct url_slice){links[i], strlen(links[i])};
    if (o->redirect) {
        slices[0] = (struct url_slice){t->answer.redirect_to, strlen(t->answer.redirect_to)};
        o->link_count = 1;
    }
    o->links = slices;
    o->sitemaps = kind == WEB_SITEMAP_INDEX;
    agent_fetched(l->agent, now, t->fetch, o);
    if (l->segment != NULL && l->segment->size >= SEGMENT_BYTES)
        segment_close(l);
}

static void finish_fetch(struct world *w, struct sim_loop *l, struct sim_transfer *t) {
    int64_t now = skew_now(&l->worker->skew, w->now_ms);
    struct agent_outcome o = {.started_ms = t->started_ms, .duration_ms = t->answer.duration_ms};

    l->worker->cost.us[COST_TRANSFER] += 100;
    l->worker->cost.us[COST_PARSE] += 10 + t->page;
    w->cost.us[COST_TRANSFER] += 100;
    w->cost.us[COST_PARSE] += 10 + t->page;
    if (t->visit == NULL)
        return;
    t->visit->busy--;
    if (t->answer.broken) {
        o.failure = AGENT_NETWORK;
        o.reason = "connection reset";
    } else {
        o.status = t->answer.status;
        o.redirect = t->answer.redirect;
        o.redirect_to = t->answer.redirect_to;
        o.redirect_to_len = strlen(t->answer.redirect_to);
        o.retry_after_ms = t->answer.retry_after_ms;
        if (o.retry_after_ms > 0)
            t->visit->quiet_until_ms = w->web.origins[t->origin].quiet_until_ms;
    }
    if (t->robots) {
        agent_fetched_robots(l->agent, now, t->fetch, &o, t->answer.body, strlen(t->answer.body));
    } else {
        fetched_page(w, l, t, &o, now);
    }
}

static void remove_transfer(struct sim_loop *l, struct sim_transfer *t) {
    for (struct sim_transfer **at = &l->transfers; *at != NULL; at = &(*at)->next) {
        if (*at != t)
            continue;
        *at = t->next;
        free(t);
        return;
    }
}

static void forget_visit(struct world *w, struct sim_loop *l, struct visit *v) {
    struct sim_visit *s = visit_shell(v);

    if (s == NULL)
        return;
    close_connections(w, l, s);
    s->visit = NULL;
    visit_set_shell(v, NULL);
}

static void send_line(struct world *w, struct sim_loop *l, const struct agent_effect *e) {
    uint64_t number = ++w->calls;

    l->call[e->line] = number;
    l->asked[e->line] = e->request;
    send_request(w, l, l->worker, e->line, number, e->request, NULL);
    struct event *t = schedule(w, CALL_TIMEOUT_MS, EVENT_TIMEOUT);
    t->loop = l;
    t->worker = l->worker;
    t->incarnation = l->incarnation;
    t->line = e->line;
    t->number = number;
}

static bool is_poison(const struct world *w, const struct sim_transfer *t) {
    return !t->robots && t->visit != NULL && t->page < WEB_PAGES_MAX &&
           w->web.origins[t->origin].kind[t->page] == WEB_POISON;
}

/* The whole process dies of what it has fetched, and is started again. */
static void die_of(struct world *w, struct sim_transfer *t, struct sim_worker *s) {
    note(w, "page %u of origin %u kills its worker", t->page, t->origin);
    w->result->faults[FAULT_POISONED]++;
    worker_kill(w, s);
    restart_later(w, s, 100 + rng_below(&w->rng, 3000));
}

static struct event *later(struct world *w, struct sim_loop *l, int64_t delay_ms,
                           enum event_kind kind) {
    struct event *e = schedule(w, delay_ms, kind);

    e->loop = l;
    e->worker = l->worker;
    e->incarnation = l->incarnation;
    return e;
}

static struct sim_segment *on_disk(struct sim_worker *s, const char *name) {
    struct sim_segment *i = s->disk;

    while (i != NULL && strcmp(i->name, name) != 0)
        i = i->next;
    return i;
}

static void obey(struct world *w, struct sim_loop *l, const struct agent_effect *e) {
    switch (e->kind) {
    case AGENT_SEND:
        send_line(w, l, e);
        break;
    case AGENT_RESOLVE:
        later(w, l, rng_below(&w->rng, 20), EVENT_RESOLVED)->visit = shell_of(w, l, e->visit);
        break;
    case AGENT_CLOSE:
        close_connections(w, l, shell_of(w, l, e->visit));
        agent_closed(l->agent, skew_now(&l->worker->skew, w->now_ms), e->visit);
        break;
    case AGENT_ABORT:
        close_connections(w, l, shell_of(w, l, e->visit));
        break;
    case AGENT_FORGET:
        forget_visit(w, l, e->visit);
        break;
    case AGENT_SYNC:
        later(w, l, 1 + rng_below(&w->rng, 10), EVENT_SYNCED)->number = e->mark;
        break;
    case AGENT_ROTATE:
        segment_close(l);
        break;
    case AGENT_SEAL:
        seal_ask(w, l->worker, l, on_disk(l->worker, e->segment));
        break;
    case AGENT_LEFT:
        l->left = true;
        note(w, "%s/%u leaves", l->worker->name, l->number);
        break;
    case AGENT_REFUSED:
        fail(w, "%s is refused: %s", l->worker->name, e->text);
        break;
    case AGENT_FAILED:
        fail(w, "%s has no memory", l->worker->name);
        break;
    case AGENT_OPTIONS:
        snprintf(l->crawl, sizeof l->crawl, "%s", e->options->crawl);
        break;
    }
}

static void run_loop(struct world *w, struct sim_loop *l) {
    struct agent_effect e;
    struct agent_fetch f;
    int64_t now = skew_now(&l->worker->skew, w->now_ms);
    bool more = true;

    if (l->agent == NULL || l->left)
        return;
    while (more && w->result->why[0] == '\0') {
        more = false;
        agent_note_cost(l->agent, &l->worker->cost);
        while (!l->left && agent_poll(l->agent, now, &e)) {
            obey(w, l, &e);
            more = true;
        }
        while (!l->left && agent_next_fetch(l->agent, now, &f)) {
            start_fetch(w, l, &f);
            more = true;
        }
    }
    int64_t next = agent_next_ms(l->agent, now);
    int64_t at = skew_when(&l->worker->skew, w->now_ms, next);
    if (l->wake_ms <= w->now_ms)
        l->wake_ms = INT64_MAX;
    wake(w, l, at - w->now_ms < 1 ? 1 : at - w->now_ms);
}

/* ---- workers ------------------------------------------------------------------------------------------------------------- */

static void loop_start(struct world *w, struct sim_worker *s, uint32_t number) {
    struct sim_loop *l = &s->loops[number];
    struct agent_config config = {.worker = s->name,
                                  .incarnation = s->incarnation,
                                  .loop = number,
                                  .loops = LOOPS,
                                  .transfers_max = TRANSFERS,
                                  .exchange_link_bytes = w->exchange_link_bytes,
                                  .exchange_links = w->exchange_links};

    *l = (struct sim_loop){.worker = s, .number = number, .wake_ms = INT64_MAX};
    l->incarnation = ++w->incarnations;
    memcpy(config.instance, s->instance, sizeof config.instance);
    l->agent = agent_new(&config);
    if (l->agent == NULL)
        abort();
    wake(w, l, 0);
}

static void worker_start(struct world *w, struct sim_worker *s) {
    s->incarnation++;
    s->alive = true;
    s->cost = (struct cost_sums){0};
    s->paused_until_ms = 0;
    skew_draw(&s->skew, &w->rng);
    note(w, "%s starts", s->name);
    for (struct sim_segment *i = s->disk; i != NULL; i = i->next)
        if (!i->sealed)
            seal_ask(w, s, NULL, i);
    for (uint32_t i = 0; i < LOOPS; i++)
        loop_start(w, s, i);
}

static void loop_stop(struct world *w, struct sim_loop *l) {
    for (struct sim_visit *v = l->visits; v != NULL;) {
        struct sim_visit *next = v->next;
        close_connections(w, l, v);
        free(v);
        v = next;
    }
    while (l->transfers != NULL)
        remove_transfer(l, l->transfers);
    agent_free(l->agent);
    l->agent = NULL;
    l->visits = NULL;
    l->incarnation = ++w->incarnations;
}

/* What was not durable is gone, or is not: records from the end, and the last one torn. */
static void lose_tail(struct world *w, struct sim_segment *s) {
    bool lost = false;

    while (s->count > 0 && s->records[s->count - 1].offset >= s->durable &&
           rng_chance(&w->rng, 70)) {
        s->size = s->records[--s->count].offset;
        lost = true;
    }
    w->result->faults[FAULT_TAIL_LOST] += lost;
}

static void worker_kill(struct world *w, struct sim_worker *s) {
    note(w, "%s killed", s->name);
    for (uint32_t i = 0; i < LOOPS; i++)
        loop_stop(w, &s->loops[i]);
    for (struct sim_segment *i = s->disk; i != NULL; i = i->next)
        if (!i->sealed)
            lose_tail(w, i);
    s->alive = false;
}

static void restart_later(struct world *w, struct sim_worker *s, int64_t delay_ms) {
    struct event *e = schedule(w, delay_ms, EVENT_WORKER_START);

    e->worker = s;
    e->incarnation = s->incarnation;
}

/* Time stops for it; its connections stay, but nobody speaks on them. */
static void worker_pause(struct world *w, struct sim_worker *s, int64_t ms) {
    note(w, "%s paused for %lld ms", s->name, (long long)ms);
    s->paused_until_ms = w->now_ms + ms;
    for (uint32_t i = 0; i < LOOPS; i++)
        for (struct sim_visit *v = s->loops[i].visits; v != NULL; v = v->next)
            if (v->open > 0)
                web_connection(&w->web, v->origin, -(int)v->open, s->name);
}

/* The first thing that happens in it: the agents see the time. What they still hold counts again. */
static void worker_resume(struct world *w, struct sim_worker *s) {
    s->paused_until_ms = 0;
    w->result->faults[FAULT_ZOMBIE]++;
    note(w, "%s resumes", s->name);
    for (uint32_t i = 0; i < LOOPS; i++) {
        struct sim_loop *l = &s->loops[i];
        struct agent_effect e;
        /* Connections were counted out at the pause: those closed now are not to be counted out again. */
        for (struct sim_visit *v = l->visits; v != NULL; v = v->next) {
            v->stale = v->open;
            v->open = 0;
        }
        while (l->agent != NULL && !l->left &&
               agent_poll(l->agent, skew_now(&s->skew, w->now_ms), &e))
            obey(w, l, &e);
        for (struct sim_visit *v = l->visits; v != NULL; v = v->next) {
            if (v->visit != NULL && visit_deadline_ms(v->visit) > skew_now(&s->skew, w->now_ms) &&
                v->stale > 0) {
                v->open = v->stale;
                web_connection(&w->web, v->origin, (int)v->open, s->name);
            }
            v->stale = 0;
        }
    }
}

/* ---- faults --------------------------------------------------------------------------------------------------------------- */

static void fault_worker(struct world *w) {
    struct sim_worker *s = &w->workers[rng_below(&w->rng, w->worker_count)];

    if (!s->alive || s->paused_until_ms > 0)
        return;
    switch (rng_below(&w->rng, 4)) {
    case 0:
        w->result->faults[FAULT_WORKER_KILLED]++;
        w->result->faults[FAULT_RESTARTED]++;
        worker_kill(w, s);
        restart_later(w, s, 100 + rng_below(&w->rng, 15000));
        break;
    case 1:
        w->result->faults[FAULT_WORKER_PAUSED]++;
        worker_pause(w, s, 500 + rng_below(&w->rng, 20000));
        break;
    case 2:
        s->cut_up = !s->cut_up;
        break;
    default:
        s->cut_down = !s->cut_down;
        break;
    }
}

static void jump(struct world *w) {
    w->unix_jump_ms += (int64_t)rng_below(&w->rng, 7200000) - 3600000;
    w->jumped = true;
    for (uint32_t k = 0; k < w->web.origin_count; k++)
        w->web.origins[k].quiet_heard = false;
}

static void fault_event(struct world *w) {
    if (w->now_ms >= FAULTS_END_MS) {
        for (uint32_t i = 0; i < w->worker_count; i++)
            w->workers[i].cut_up = w->workers[i].cut_down = false;
        note(w, "the faults heal");
        return;
    }
    if (w->core != NULL && rng_chance(&w->rng, 8))
        master_kill(w);
    else if (rng_chance(&w->rng, 50))
        fault_worker(w);
    if (fault(w, FAULT_CLOCK_JUMP, 20))
        jump(w);
    schedule(w, 200 + rng_below(&w->rng, 3000), EVENT_FAULT);
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

static void note_visit(struct world *w, const Trawl__VisitReport *asked,
                       const Trawl__VisitReply *reply) {
    for (size_t i = 0, refused = 0; i < asked->n_outcomes; i++) {
        const Trawl__Outcome *o = asked->outcomes[i];
        if (refused < reply->n_refused && reply->refused[refused] == i) {
            refused++;
            w->result->refused++;
        } else if (o->state == TRAWL__STATE__LINKS) {
            w->result->parts++;
        } else if (o->segment != 0 && !map_put(&w->acknowledged, o->fp, w)) {
            abort();
        }
    }
}

/* What a server asked for is known to the master from now on, whatever dies. Only jumps of the wall clock may cut
 * it short, over a restart. */
static void note_rest(struct world *w, const struct sim_loop *l, const Trawl__VisitReport *asked) {
    unsigned k;

    if (asked->backoff_ms == 0 || !asked->done || w->jumped)
        return;
    for (const struct sim_visit *s = l->visits; s != NULL; s = s->next) {
        if (s->visit == NULL || s->visit->attempt != asked->attempt ||
            sscanf(visit_origin(s->visit), "http://o%u.test", &k) != 1)
            continue;
        /* The answer may be so late that another visit was asked for more meanwhile. */
        if (s->quiet_until_ms != w->web.origins[k].quiet_until_ms)
            continue;
        w->result->faults[FAULT_TOLD_TO_WAIT]++;
        web_heard(&w->web, k);
    }
}

/* The master answers nobody else while it takes them. */
static void check_link_count(struct world *w, const Trawl__Exchange *x) {
    size_t links = 0;

    for (size_t i = 0; i < x->n_visits; i++)
        for (size_t k = 0; k < x->visits[i]->n_outcomes; k++)
            links += x->visits[i]->outcomes[k]->n_links;
    if (w->exchange_links > 0 && links > w->exchange_links)
        fail(w, "%zu links in one exchange, not %zu", links, w->exchange_links);
}

/* The worker sees its answer: what it is promised by it is noted. */
static void note_acknowledged(struct world *w, const struct event *e) {
    struct arena arena;
    const struct buf *asked = e->loop->asked[e->line];

    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, asked->data, asked->len);
    Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r != NULL && r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        check_link_count(w, r->exchange);
    if (r != NULL && reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_visits && i < reply->exchange->n_visits; i++)
            if (!reply->exchange->visits[i]->lost) {
                note_visit(w, r->exchange->visits[i], reply->exchange->visits[i]);
                note_rest(w, e->loop, r->exchange->visits[i]);
            }
    arena_release(&arena);
}

static void take_reply(struct world *w, struct event *e) {
    struct sim_loop *l = e->loop;

    if (e->segment != NULL) {
        seal_answer(w, e);
        return;
    }
    if (l->incarnation != e->incarnation || l->agent == NULL || l->call[e->line] != e->number)
        return;
    l->call[e->line] = 0;
    note_acknowledged(w, e);
    agent_reply(l->agent, skew_now(&l->worker->skew, w->now_ms), e->line, e->bytes.data,
                e->bytes.len);
    run_loop(w, l);
}

static void loop_event(struct world *w, struct event *e) {
    struct sim_loop *l = e->loop;
    int64_t now = skew_now(&l->worker->skew, w->now_ms);
    static const unsigned char none[4];

    switch (e->kind) {
    case EVENT_WAKE:
        if (l->wake_ms > w->now_ms)
            return;
        l->wake_ms = INT64_MAX;
        break;
    case EVENT_TIMEOUT:
        if (l->call[e->line] != e->number)
            return;
        l->call[e->line] = 0;
        agent_no_reply(l->agent, now, e->line);
        break;
    case EVENT_FETCHED:
        if (is_poison(w, e->transfer)) {
            die_of(w, e->transfer, l->worker);
            return;
        }
        finish_fetch(w, l, e->transfer);
        remove_transfer(l, e->transfer);
        break;
    case EVENT_RESOLVED:
        if (e->visit->visit != NULL)
            agent_resolved(l->agent, now, e->visit->visit, w->web.origins[e->visit->origin].address,
                           sizeof none, false, "");
        break;
    case EVENT_SYNCED:
        for (struct sim_segment *s = l->worker->disk; s != NULL; s = s->next)
            s->durable = s->size;
        agent_synced(l->agent, now, e->number);
        break;
    default:
        break;
    }
    run_loop(w, l);
}

/* A paused worker's events wait for it; the servers' part of them has happened. */
static bool put_off(struct world *w, struct event *e) {
    struct sim_worker *s = e->worker != NULL ? e->worker : e->loop != NULL ? e->loop->worker : NULL;

    if (s == NULL || e->kind == EVENT_REQUEST || s->paused_until_ms <= w->now_ms)
        return false;
    e->order = ++w->orders;
    if (!heap_set(&w->events, &e->at, s->paused_until_ms * 1000000 + (int64_t)(e->order % 1000000)))
        abort();
    return true;
}

static void happen(struct world *w, struct event *e) {
    switch (e->kind) {
    case EVENT_REQUEST:
        master_request(w, e);
        return; /* took the event over */
    case EVENT_REPLY:
        take_reply(w, e);
        break;
    case EVENT_MASTER_TICK:
        if (e->incarnation == w->master_incarnation && w->core != NULL)
            master_tick(w);
        break;
    case EVENT_MASTER_SYNC:
        if (e->incarnation == w->master_incarnation && w->core != NULL)
            master_synced(w);
        break;
    case EVENT_MASTER_START:
        if (e->incarnation == w->master_incarnation && w->core == NULL)
            master_start(w);
        break;
    case EVENT_WORKER_START:
        if (!e->worker->alive && e->incarnation == e->worker->incarnation)
            worker_start(w, e->worker);
        break;
    case EVENT_SEAL:
        if (e->worker->alive && e->incarnation == e->worker->incarnation && !e->segment->sealed)
            seal_ask(w, e->worker, e->loop, e->segment);
        break;
    case EVENT_FAULT:
        fault_event(w);
        break;
    default:
        if (e->loop->incarnation == e->incarnation && e->loop->agent != NULL)
            loop_event(w, e);
        break;
    }
    event_free(e);
}

static void wake_paused(struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        if (s->paused_until_ms > 0 && s->paused_until_ms <= w->now_ms)
            worker_resume(w, s);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------ */

static int found[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
static bool recorded[WEB_ORIGINS_MAX][WEB_PAGES_MAX];

/* Each attempt that failed is told with the URL, up to a bound. The last one of a URL that has an answer did not
 * fail, and what is forbidden is not tried at all. */
static void check_tries(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len) {
    bool answered = d->state == TRAWL__STATE__FETCHED || d->state == TRAWL__STATE__REDIRECTED;

    if (answered && d->attempts == 0)
        fail(w, "answered without an attempt: %.*s", (int)len, url);
    size_t failed = d->attempts - answered;
    if (failed > TRIES_KEPT)
        failed = TRIES_KEPT;
    if (d->n_tries != failed)
        fail(w, "%zu failed attempts are told, not %zu: %.*s", d->n_tries, failed, (int)len, url);
    w->result->tries += d->n_tries;
}

static void collect(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len) {
    uint32_t o, p;

    check_tries(w, d, url, len);
    if (!web_find(&w->web, url, len, &o, &p) || p >= WEB_PAGES_MAX) {
        if (d->state != TRAWL__STATE__EXCLUDED)
            fail(w, "out of scope, and not excluded: %.*s", (int)len, url);
        return;
    }
    if (found[o][p] != TRAWL__STATE__PENDING)
        fail(w, "twice in the crawldb: %.*s", (int)len, url);
    found[o][p] = (int)d->state;
    recorded[o][p] = d->segment != 0;
    w->result->fetched += d->state == TRAWL__STATE__FETCHED;
}

/* Promise 1: each reachable URL in its one right state. */
static void check_complete(struct world *w) {
    int expected[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
    char url[96];

    web_expected(&w->web, expected);
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++) {
            if (expected[o][p] == found[o][p])
                continue;
            web_url(&w->web, o, p, url);
            fail(w, "%s ended in state %d, not %d", url, found[o][p], expected[o][p]);
        }
}

/* Promise 2: one record for each committed response, in sealed segments, and no other. */
static void check_archive(struct world *w) {
    static uint32_t records[WEB_ORIGINS_MAX][WEB_PAGES_MAX];

    memset(records, 0, sizeof records);
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (struct sim_segment *s = w->workers[i].disk; s != NULL; s = s->next) {
            if (!s->sealed)
                fail(w, "segment %s is not sealed", s->name);
            for (size_t j = 0; j < s->count; j++)
                records[s->records[j].origin][s->records[j].page]++;
        }
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            if (records[o][p] != (recorded[o][p] ? 1 : 0))
                fail(w, "%u records of page %u of origin %u, not %d", records[o][p], p, o,
                     recorded[o][p]);
}

/* Without faults nothing is asked for twice. */
static void check_calm(struct world *w) {
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            if (w->web.origins[o].asked[p] > 1 && w->web.origins[o].kind[p] != WEB_FLAKY &&
                w->web.origins[o].kind[p] != WEB_BUSY && w->web.origins[o].kind[p] != WEB_SITEMAP)
                fail(w, "page %u of origin %u asked for %u times", p, o,
                     w->web.origins[o].asked[p]);
}

/* What the master says of itself is what the store holds. */
static void check_figures(struct world *w) {
    struct core_stats s;
    uint64_t counted[5] = {0};

    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            counted[found[o][p]]++;
    core_stats(w->core, &s);
    if (s.pending != 0 || s.fetched != counted[TRAWL__STATE__FETCHED] ||
        s.redirected != counted[TRAWL__STATE__REDIRECTED] ||
        s.failed != counted[TRAWL__STATE__FAILED])
        fail(w, "the figures of the master are not those of the store");
}

/* No CPU time is counted twice, whatever is told again, late or to another master; and all of it without faults. */
static void check_cost(struct world *w) {
    struct core_cost cost;

    core_cost(w->core, &cost);
    for (unsigned i = 0; i < COST_STAGES; i++) {
        uint64_t used = w->cost.us[i] - w->cost_before.us[i], told = cost.sums.us[i];
        if (told > used || (w->options->calm && told != used))
            fail(w, "the master counts %llu us of %s, the workers used %llu",
                 (unsigned long long)told, cost_stage_name((enum cost_stage)i),
                 (unsigned long long)used);
    }
}

static void check_end(struct world *w) {
    memset(found, 0, sizeof found);
    memset(recorded, 0, sizeof recorded);
    walk_done(w, collect);
    check_complete(w);
    check_archive(w);
    check_figures(w);
    check_cost(w);
    if (w->options->calm)
        check_calm(w);
}

static void world_init(struct world *w) {
    struct rng *r = &w->rng;
    static const uint32_t delays[] = {0, 50, 300, 1000};
    uint32_t connections = 1 + rng_below(r, 4);

    if (!options_init(&w->crawl))
        abort();
    w->crawl.scope = SCOPE_DOMAIN;
    w->crawl.lease_ms = 5000;
    w->crawl.heartbeat_ms = 500;
    w->crawl.timeout_ms = 5000;
    w->crawl.delay_ms = delays[rng_below(r, 4)];
    w->crawl.host_connections = connections;
    w->crawl.ip_connections = connections + rng_below(r, 3);
    web_init(&w->web, rng_next(r), 1 + rng_below(r, WEB_ORIGINS_MAX), w->crawl.delay_ms,
             connections, w->crawl.ip_connections);
    if (!w->options->calm)
        web_poison(&w->web);
    w->crawl.scope = SCOPE_ANY;
    if (!string_list_add(&w->crawl.exclude, "^http://outside\\."))
        abort();
    if (rng_chance(&(struct rng){w->options->seed}, 60))
        w->exchange_link_bytes = 60 + rng_below(&(struct rng){w->options->seed + 1}, 200);
    if (rng_chance(&(struct rng){w->options->seed + 2}, 30))
        w->exchange_links = 1 + rng_below(&(struct rng){w->options->seed + 3}, 8);
    w->store = store_mem_new();
    heap_init(&w->events);
    map_init(&w->acknowledged);
    w->worker_count = 1 + rng_below(r, WORKERS_MAX);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        snprintf(s->name, sizeof s->name, "w%u", i + 1);
        s->instance[0] = (unsigned char)(i + 1);
        restart_later(w, s, rng_below(r, 100));
    }
    master_start(w);
    if (!w->options->calm)
        schedule(w, rng_below(r, 3000), EVENT_FAULT);
}

static void world_release(struct world *w) {
    struct heap_item *it;

    master_stop(w);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        for (uint32_t k = 0; k < LOOPS; k++)
            loop_stop(w, &s->loops[k]);
        while (s->disk != NULL) {
            struct sim_segment *next = s->disk->next;
            free(s->disk->records);
            free(s->disk);
            s->disk = next;
        }
    }
    while ((it = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, it);
        event_free((struct event *)it);
    }
    heap_release(&w->events);
    map_release(&w->acknowledged);
    store_close(w->store);
    options_release(&w->crawl);
}

void world_run(const struct world_options *options, struct world_result *result) {
    struct world *w = calloc(1, sizeof *w);
    struct heap_item *it;

    if (w == NULL)
        abort();
    *result = (struct world_result){.ok = false};
    w->options = options;
    w->result = result;
    w->rng.state = options->seed;
    world_init(w);
    while (!w->ended && result->why[0] == '\0' && (it = heap_min(&w->events)) != NULL) {
        struct event *e = (struct event *)it;
        heap_remove(&w->events, it);
        w->now_ms = it->key / 1000000;
        wake_paused(w);
        if (!put_off(w, e))
            happen(w, e);
        if (w->web.violation[0] != '\0')
            fail(w, "%s", w->web.violation);
        if (++result->events > EVENTS_MAX || w->now_ms > END_MS)
            fail(w, "the crawl does not end: %llu events, %lld s",
                 (unsigned long long)result->events, (long long)w->now_ms / 1000);
    }
    if (result->why[0] == '\0')
        check_end(w);
    result->requests = w->web.requests;
    result->faults[FAULT_FLAPPED] = w->web.flapped;
    result->ended_ms = w->now_ms;
    result->ok = result->why[0] == '\0';
    world_release(w);
    free(w);
}

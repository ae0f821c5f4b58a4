/* world_master: the real core, and what its process does around it: replies held for a sync, ticks, a new start. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/store_mem.h"
#include "shared/limits.h"
#include "tests/sim/world_state.h"

/* As shared/work.h counts it. */
enum { PIECE_WORK = 20000, REQUEST_WORK = 100000 };

static struct now master_now(const struct world *w) {
    return (struct now){.mono_ms = w->now_ms,
                        .unix_ms = 1700000000000 + w->now_ms + w->unix_jump_ms};
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

static void drop_held(struct world *w) {
    while (w->held != NULL) {
        struct held_reply *h = w->held;
        w->held = h->next;
        world_event_free(h->event);
        free(h);
    }
}

/* The user names the seed at each start. One that had failed is tried anew, even if the crawl was over for it and whoever
 * was told so has left. */
static void name_seed(struct world *w) {
    struct core_stats before, after;
    struct error err = {0};
    char seed[96];
    size_t n = web_url(&w->web, 0, 0, seed);

    core_stats(w->core, &before);
    if (!core_seed(w->core, master_now(w), seed, n, &err))
        world_note(w, "seed: %s", err.text);
    core_stats(w->core, &after);
    if (after.known == before.known && after.pending > before.pending) {
        world_note(w, "the seed is tried anew");
        w->seed_anew = true;
    }
}

void world_master_start(struct world *w) {
    const unsigned char random16[16] = {1, 2, 3, 0, (unsigned char)w->master_incarnation};
    struct error err = {0};

    world_options_choose(w);
    w->core = core_new(&w->crawl, w->store, master_now(w), random16, &err);
    if (w->core == NULL) {
        struct event *e = world_schedule(w, 500, EVENT_MASTER_START);
        e->incarnation = w->master_incarnation;
        world_note(w, "master cannot start: %s", err.text);
        if (!store_reopen(w->store, &err))
            world_fail(w, "the store does not open again: %s", err.text);
        return;
    }
    name_seed(w);
    world_note(w, "master starts");
    w->cost_before = w->cost;
    world_check_acknowledged(w);
    struct event *e = world_schedule(w, 10, EVENT_MASTER_TICK);
    e->incarnation = w->master_incarnation;
}

void world_master_stop(struct world *w) {
    core_free(w->core);
    w->core = NULL;
    w->master_incarnation++;
    w->syncing = false;
    drop_held(w);
}

void world_master_kill(struct world *w) {
    world_note(w, "master killed");
    w->result->faults[FAULT_MASTER_KILLED]++;
    world_master_stop(w);
    size_t unsynced = store_mem_unsynced(w->store);
    store_mem_crash(w->store, rng_next(&w->rng));
    w->result->faults[FAULT_WRITES_LOST] += unsynced > 0;
    struct event *e = world_schedule(w, 200 + rng_below(&w->rng, 8000), EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

/* The store refused: the core is void, and made anew from what the store has. */
static void master_renew(struct world *w) {
    world_note(w, "the store failed: core made anew");
    world_master_stop(w);
    struct error err = {0};
    if (!store_reopen(w->store, &err))
        world_fail(w, "the store does not open again: %s", err.text);
    struct event *e = world_schedule(w, 100, EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

/* Nobody waits long for the core (turn.h). What a request brings is done at once, of the rest only a slice and a piece. Nor
 * is more of rules kept in memory than may be. */
static void check_turn(struct world *w, bool tick) {
    uint64_t did = core_turn_work(w->core);
    uint64_t max = (tick ? PIECE_WORK : REQUEST_WORK) + w->crawl.slice_work;
    struct core_stats s;

    if (tick && did > w->result->turn_work)
        w->result->turn_work = did;
    if (w->crawl.slice_work > 0 && did > max)
        world_fail(w, "the core did %llu at once, not %llu", (unsigned long long)did,
                   (unsigned long long)max);
    core_stats(w->core, &s);
    if (w->crawl.rules_bytes > 0 && s.rules_bytes > w->crawl.rules_bytes)
        world_fail(w, "rules of %llu bytes are kept in memory", (unsigned long long)s.rules_bytes);
}

/* Nothing is told at once that a power cut could take back; heartbeats and figures say nothing that anybody builds on. */
static void check_durable(struct world *w, Trawl__Request__BodyCase kind) {
    if (kind != TRAWL__REQUEST__BODY_HEARTBEAT && kind != TRAWL__REQUEST__BODY_STATUS &&
        store_mem_unsynced(w->store) > 0)
        world_fail(w, "an answer is told before what it says is durable");
}

/* ---- requests --------------------------------------------------------------------------------------------- */

static void request_sync(struct world *w) {
    if (w->syncing)
        return;
    w->syncing = true;
    struct event *e = world_schedule(w, 1 + rng_below(&w->rng, 10), EVENT_MASTER_SYNC);
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
    world_note(w, "master: %s of session %llu: code %d", names[r->body_case - 10],
               (unsigned long long)r->session, reply == NULL ? -1 : (int)reply->code);
    if (r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_visits; i++)
            if (r->exchange->visits[i]->done)
                world_note(w, "  gives back %llu",
                           (unsigned long long)r->exchange->visits[i]->attempt);
    if (reply != NULL && reply->body_case == TRAWL__REPLY__BODY_ATTACH)
        for (size_t i = 0; i < reply->attach->n_visits; i++)
            world_note(w, "  %llu of %.*s with %zu URLs %s",
                       (unsigned long long)r->attach->visits[i]->attempt,
                       (int)r->attach->visits[i]->origin.len, r->attach->visits[i]->origin.data,
                       r->attach->visits[i]->n_items,
                       reply->attach->visits[i]->lost ? "is lost" : "stands");
    if (reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < reply->exchange->n_grants; i++)
            world_note(w, "  grants %llu: %.*s, %u connections",
                       (unsigned long long)reply->exchange->grants[i]->attempt,
                       (int)reply->exchange->grants[i]->origin.len,
                       reply->exchange->grants[i]->origin.data,
                       reply->exchange->grants[i]->connections);
    arena_release(&arena);
}

static void check_answer(struct world *w, const struct sim_worker *from, const Trawl__Request *r,
                         const struct buf *bytes) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, bytes->data, bytes->len);
    world_check_sizes(w, r, reply);
    world_guest_check(w, from, r, reply);
    arena_release(&arena);
}

void world_master_request(struct world *w, struct event *e) {
    struct arena arena;
    struct buf reply;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED) {
        world_event_free(e);
        return;
    }
    if (world_fault(w, FAULT_STORE_FULL, 2))
        store_mem_fail_write(w->store, 1, ENOSPC);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    enum core_when when = core_request(w->core, master_now(w), r, "sim", &reply);
    const Trawl__Request__BodyCase kind = r->body_case;
    check_turn(w, false);
    w->result->attached += r->body_case == TRAWL__REQUEST__BODY_ATTACH;
    note_request(w, r, &reply);
    check_answer(w, e->worker, r, &reply);
    buf_release(&e->bytes);
    e->bytes = reply;
    arena_release(&arena);
    if (core_failed(w->core, NULL)) {
        world_deliver_reply(w, e);
        master_renew(w);
    } else if (when == CORE_AT_ONCE) {
        check_durable(w, kind);
        world_deliver_reply(w, e);
    } else {
        struct held_reply *h = malloc(sizeof *h);
        if (h == NULL)
            abort();
        *h = (struct held_reply){e, w->held};
        w->held = h;
        request_sync(w);
    }
}

void world_master_synced(struct world *w) {
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
        world_deliver_reply(w, h->event);
        free(h);
    }
}

/* ---- operators -------------------------------------------------------------------------------------------- */

void world_master_control(struct world *w, Trawl__Verb verb) {
    static const char *const names[] = {"pauses", "resumes", "stops"};
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Control v = TRAWL__CONTROL__INIT;
    struct buf reply;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED)
        return;
    world_note(w, "an operator %s the crawl", names[verb]);
    w->stopped = w->stopped || verb == TRAWL__VERB__STOP;
    v.verb = verb;
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_CONTROL;
    r.control = &v;
    buf_init(&reply, LIMIT_WIRE_BYTES);
    (void)core_request(w->core, master_now(w), &r, "sim", &reply);
    buf_release(&reply);
    request_sync(w);
}

bool world_master_forget(struct world *w, const char *worker, bool *more) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Control v = TRAWL__CONTROL__INIT;
    struct arena arena;
    struct buf bytes;

    v.verb = TRAWL__VERB__FORGET;
    v.worker = (char *)worker;
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_CONTROL;
    r.control = &v;
    buf_init(&bytes, LIMIT_WIRE_BYTES);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    (void)core_request(w->core, master_now(w), &r, "sim", &bytes);
    check_turn(w, false);
    Trawl__Reply *reply = wire_reply_unpack(&arena, bytes.data, bytes.len);
    assert(reply != NULL);
    bool taken = reply->code == TRAWL__CODE__OK;
    *more = taken && reply->control->more;
    w->gone.refused_alive = !taken && strstr(reply->error, "is alive") != NULL;
    world_note(w, "an operator has %s forgotten: %s", worker,
               taken ? reply->control->message : reply->error);
    arena_release(&arena);
    buf_release(&bytes);
    if (core_failed(w->core, NULL))
        master_renew(w);
    else
        request_sync(w);
    return taken;
}

/* ---- ticks ------------------------------------------------------------------------------------------------ */

static bool all_loops_left(const struct sim_worker *s) {
    for (uint32_t i = 0; i < LOOPS; i++)
        if (!s->loops[i].left)
            return false;
    return true;
}

void world_master_recall(struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].alive && all_loops_left(&w->workers[i])) {
            world_worker_kill(w, &w->workers[i]);
            world_restart_later(w, &w->workers[i], 5000);
        }
}

static bool all_sealed(const struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (const struct sim_segment *s = w->workers[i].disk; s != NULL; s = s->next)
            if (!s->sealed && !s->copied)
                return false;
    return true;
}

/* A worker that was away for longer than a lease has segments to seal: the user starts the master once more
 * for it, as for any stopped crawl. */
static void master_ended(struct world *w) {
    if (all_sealed(w) && !world_options_odd(w) && !w->stopped && w->gone.worker == NULL) {
        w->ended = true;
        return;
    }
    world_options_restore(w);
    w->stopped = false;
    world_note(w, "ended with open segments, other options, or stopped: master and workers are "
                  "started again");
    world_master_recall(w);
    world_master_stop(w);
    struct event *e = world_schedule(w, 5000, EVENT_MASTER_START);
    e->incarnation = w->master_incarnation;
}

void world_master_tick(struct world *w) {
    struct event *e;

    core_tick(w->core, master_now(w));
    check_turn(w, true);
    if (core_failed(w->core, NULL)) {
        master_renew(w);
        return;
    }
    if (core_state(w->core) == CORE_ENDED) {
        master_ended(w);
        return;
    }
    /* Who left because there was nothing to do, under other options, before the seed was named again or because the crawl had
     * been stopped, is started again by the user. */
    if ((w->result->faults[FAULT_OTHER_OPTIONS] > 0 || w->result->faults[FAULT_DISK_LOST] > 0 ||
         w->seed_anew || w->stopped) &&
        !world_options_odd(w) && core_state(w->core) == CORE_RUNNING)
        world_master_recall(w);
    int64_t next = core_next_ms(w->core, master_now(w)) - w->now_ms;
    e = world_schedule(w, next < 1 ? 1 : next, EVENT_MASTER_TICK);
    e->incarnation = w->master_incarnation;
}

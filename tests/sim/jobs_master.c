/* jobs_master: the real core, and what its process does around it: replies held for a sync, ticks, a new start. */
#include <assert.h>
#include <errno.h>

#include "master/store_mem.h"
#include "shared/limits.h"
#include "tests/sim/jobs_state.h"

struct now jobs_master_now(const struct jobs_world *w) {
    return (struct now){.mono_ms = w->now_ms, .unix_ms = 1700000000000 + w->now_ms};
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

static void drop_held(struct jobs_world *w) {
    while (w->held != NULL) {
        struct event *e = w->held;
        w->held = e->held;
        jobs_event_free(e);
    }
}

void jobs_master_start(struct jobs_world *w) {
    static const unsigned char random16[16] = {1, 2, 3};
    struct error err = {0};

    w->core = core_new(&w->crawl, w->store, jobs_master_now(w), random16, &err);
    if (w->core == NULL) {
        jobs_note(w, "master cannot start: %s", err.text);
        if (!store_reopen(w->store, &err))
            jobs_fail(w, "the store does not open again: %s", err.text);
        jobs_schedule(w, 500, EVENT_MASTER_START, NULL);
        return;
    }
    jobs_note(w, "master starts");
    jobs_check_told(w);
    jobs_check_jobs(w, true);
    if (w->stopped)
        core_stop(w->core, jobs_master_now(w), "no more jobs");
    jobs_schedule(w, 10, EVENT_MASTER_TICK, NULL);
}

void jobs_master_stop(struct jobs_world *w) {
    core_free(w->core);
    w->core = NULL;
    w->master++;
    w->syncing = false;
    drop_held(w);
}

void jobs_master_kill(struct jobs_world *w) {
    jobs_note(w, "master killed");
    w->result->faults[JOBS_MASTER_KILLED]++;
    jobs_master_stop(w);
    w->result->faults[JOBS_WRITES_LOST] += store_mem_unsynced(w->store) > 0;
    store_mem_crash(w->store, rng_next(&w->rng));
    jobs_schedule(w, 100 + rng_below(&w->rng, 4000), EVENT_MASTER_START, NULL);
}

static void master_renew(struct jobs_world *w) {
    struct error err = {0};

    jobs_note(w, "the store failed: core made anew");
    jobs_master_stop(w);
    if (!store_reopen(w->store, &err))
        jobs_fail(w, "the store does not open again: %s", err.text);
    jobs_schedule(w, 100, EVENT_MASTER_START, NULL);
}

/* ---- requests --------------------------------------------------------------------------------------------- */

void jobs_master_request(struct jobs_world *w, struct event *e) {
    struct arena arena, answered;
    struct buf reply;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED) {
        jobs_event_free(e);
        return;
    }
    if (jobs_fault(w, JOBS_STORE_FULL, 2))
        store_mem_fail_write(w->store, 1, ENOSPC);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    arena_init(&answered, LIMIT_ARENA_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    enum core_when when = core_request(w->core, jobs_master_now(w), r, "sim", &reply);
    bool failed = core_failed(w->core, NULL);
    const Trawl__Reply *said = wire_reply_unpack(&answered, reply.data, reply.len);
    assert(said != NULL);
    if (!failed)
        jobs_note_request(w, e, r, said);
    buf_release(&e->bytes);
    e->bytes = reply;
    arena_release(&arena);
    arena_release(&answered);
    if (failed) {
        jobs_deliver(w, e);
        master_renew(w);
        return;
    }
    jobs_check_jobs(w, false);
    if (when == CORE_AT_ONCE) {
        jobs_deliver(w, e);
        return;
    }
    e->held = w->held;
    w->held = e;
    if (!w->syncing) {
        w->syncing = true;
        jobs_schedule(w, 1 + rng_below(&w->rng, 10), EVENT_MASTER_SYNC, NULL);
    }
}

void jobs_master_synced(struct jobs_world *w) {
    struct error err = {0};
    struct event *ready = w->held;
    uint64_t seq;

    w->syncing = false;
    if (!store_sync(w->store, &seq, &err)) {
        master_renew(w);
        return;
    }
    w->held = NULL;
    while (ready != NULL) {
        struct event *e = ready;
        ready = e->held;
        jobs_deliver(w, e);
    }
}

void jobs_master_tick(struct jobs_world *w) {
    core_tick(w->core, jobs_master_now(w));
    if (core_failed(w->core, NULL)) {
        master_renew(w);
        return;
    }
    jobs_check_jobs(w, false);
    w->ended = core_state(w->core) == CORE_ENDED;
    int64_t next = core_next_ms(w->core, jobs_master_now(w)) - w->now_ms;
    jobs_schedule(w, next < 1 ? 1 : next, EVENT_MASTER_TICK, NULL);
}

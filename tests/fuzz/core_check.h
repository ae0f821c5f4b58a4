/*
 * core_check: whether the core's tables agree with each other and with the crawldb. It counts everything anew and trusts
 * no counter. What does not hold is said on standard error, and ends the process.
 *
 *     core_check(c);         // after every step: what is in memory
 *     core_check_store(c);   // now and then: reads the whole crawldb; the core must have nothing unwritten
 *
 * For tests that may look into the core (core_state.h).
 */
#ifndef TRAWL_TESTS_FUZZ_CORE_CHECK_H
#define TRAWL_TESTS_FUZZ_CORE_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"

#define CORE_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- leases and sessions (lease.h) ------------------------------------------------------------------------ */

static inline void check_items(const struct core *c, const struct lease *l) {
    for (size_t i = 0; i < l->count; i++) {
        CORE_CHECK(l->items[i]->lease == l && l->items[i]->index == i);
        CORE_CHECK(lease_item(&c->leases, l->items[i]->fp) == l->items[i]);
        CORE_CHECK(l->items[i]->robots_for != 0 || seen_has(c->seen, l->items[i]->fp));
    }
}

static inline void check_lease(const struct core *c, const struct lease *l,
                               const struct session *s) {
    CORE_CHECK(l->session == s && lease_find(&c->leases, l->attempt) == l);
    CORE_CHECK(l->attempt > 0 && l->attempt < c->attempts.next);
    CORE_CHECK(l->deadline.place != 0 && l->deadline.key <= l->renewed_ms + c->leases.lease_ms);
    if (l->task != NULL) {
        CORE_CHECK(l->origin == NULL && l->count == 0 && l->connections == 0);
        CORE_CHECK(l->task->leases[0] == l || l->task->leases[1] == l);
        return;
    }
    CORE_CHECK(l->origin != NULL && s->tasks == 0);
    CORE_CHECK(l->connections <= c->hosts.rules.host_connections);
    CORE_CHECK(l->connections > 0 || l->address == NULL);
    check_items(c, l);
}

struct counted {
    size_t sessions, loops, unattached, leases, visits, items;
    uint64_t slots;
};

static inline void check_session(const struct core *c, const struct session *s, struct counted *n) {
    size_t leases = 0;

    CORE_CHECK(lease_session(&c->leases, s->id) == s && s->id < c->sessions.next);
    for (const struct lease *l = s->leases; l != NULL; l = l->next) {
        CORE_CHECK(l->next == NULL || l->next->prev == l);
        check_lease(c, l, s);
        leases++;
        n->visits += l->task == NULL;
        n->items += l->count;
    }
    CORE_CHECK(leases == s->lease_count);
    CORE_CHECK(s->deadline.place != 0 && s->deadline.key <= s->renewed_ms + c->leases.lease_ms);
    n->leases += leases;
    n->sessions++;
    n->loops += s->tasks == 0;
    n->unattached += s->tasks == 0 && !s->attached;
    n->slots += s->tasks;
}

static inline void check_worker(const struct core *c, const struct worker *w) {
    size_t at = 0, sessions = 0, visits = 0, taskers = 0;
    const struct session *s;

    while ((s = map_next(&c->leases.sessions, &at)) != NULL) {
        if (s->worker != w)
            continue;
        sessions++;
        taskers += s->tasks > 0;
        CORE_CHECK(s->tasks == 0 || w->tasker == s);
        for (const struct lease *l = s->leases; l != NULL; l = l->next)
            visits += l->task == NULL;
    }
    CORE_CHECK(sessions == w->sessions && visits == w->leases);
    CORE_CHECK(taskers == (w->tasker != NULL));
}

static inline void check_leases(const struct core *c) {
    struct counted n = {0};
    const struct lease_table *t = &c->leases;
    const struct session *s;
    size_t at = 0, workers = 0;

    while ((s = map_next(&t->sessions, &at)) != NULL)
        check_session(c, s, &n);
    for (const struct worker *w = t->workers; w != NULL; w = w->next, workers++)
        check_worker(c, w);
    CORE_CHECK(n.sessions == t->sessions.count && n.sessions == t->session_deadlines.count);
    CORE_CHECK(n.leases == t->by_attempt.count && n.leases == t->deadlines.count);
    CORE_CHECK(n.loops == t->loops && n.unattached == t->unattached && n.visits == t->visits);
    CORE_CHECK(n.items == t->in_flight.count && n.slots == t->slots);
    CORE_CHECK(workers == t->worker_count && workers <= LIMIT_WORKERS);
    CORE_CHECK(n.sessions <= LIMIT_SESSIONS);
}

/* ---- origins and addresses (host.h) ----------------------------------------------------------------------- */

static inline void check_origin(const struct core *c, const struct origin *o) {
    size_t at = 0;
    uint32_t leases = 0, connections = 0, leased = 0;
    const struct lease *l;

    while ((l = map_next(&c->leases.by_attempt, &at)) != NULL) {
        if (l->origin != o)
            continue;
        leases++;
        connections += l->connections;
        leased += (uint32_t)l->count;
    }
    CORE_CHECK(leases == o->leases && connections == o->connections && leased == o->leased);
    CORE_CHECK(connections <= c->hosts.rules.host_connections);
    CORE_CHECK(leased <= o->queued);
    CORE_CHECK(leases <= 1 || host_delay_ms(&c->hosts, o) == 0 || c->in_grace);
}

static inline void check_address(const struct core *c, const struct host_address *a) {
    size_t at = 0, waiters = 0;
    uint32_t connections = 0;
    const struct lease *l;

    while ((l = map_next(&c->leases.by_attempt, &at)) != NULL)
        connections += l->address == a ? l->connections : 0;
    for (const struct origin *o = a->first; o != NULL; o = o->next) {
        CORE_CHECK(o->place == HOST_WAITING && o->waits_for == a);
        waiters++;
    }
    CORE_CHECK(connections == a->connections);
    CORE_CHECK(connections > 0 || waiters > 0);
}

static inline void check_hosts(const struct core *c) {
    size_t places[4] = {0}, at = 0;
    uint64_t queued = 0;
    const struct host_address *a;

    for (size_t i = 0; i < c->hosts.count; i++) {
        const struct origin *o = c->hosts.by_id[i];
        check_origin(c, o);
        CORE_CHECK(o->id == i + 1 && host_find(&c->hosts, o->name, o->name_len) == o);
        CORE_CHECK(id_set_has(&c->hosts.ready, o->id) == (o->place == HOST_READY));
        places[o->place]++;
        queued += o->queued;
    }
    CORE_CHECK(places[HOST_READY] == c->hosts.ready.count);
    CORE_CHECK(places[HOST_COOLING] == c->hosts.cooling.count);
    CORE_CHECK(places[HOST_WAITING] == c->hosts.waiting_count);
    while ((a = map_next(&c->hosts.addresses, &at)) != NULL)
        check_address(c, a);
    CORE_CHECK(queued >= c->by_state[TRAWL__STATE__PENDING]);
}

/* ---- jobs (job.h; J1 to J3 of docs/mapreduce.md) ---------------------------------------------------------- */

static inline size_t list_length(const struct task_list *l, enum task_state state) {
    size_t n = 0;

    for (const struct task *t = l->first; t != NULL; t = t->next, n++) {
        CORE_CHECK(t->state == state);
        CORE_CHECK(t->next == NULL ? l->last == t : t->next->prev == t);
    }
    CORE_CHECK(n == l->count);
    return n;
}

static inline void check_task(const struct core *c, const struct task *t) {
    switch (t->state) {
    case TASK_IDLE:
        CORE_CHECK(t->leases[0] == NULL && t->leases[1] == NULL);
        break;
    case TASK_RUNNING:
        CORE_CHECK(t->leases[0] != NULL && t->leases[0]->task == t);
        CORE_CHECK(t->leases[1] == NULL || t->leases[1]->task == t);
        break;
    case TASK_DONE:
        CORE_CHECK(t->leases[0] == NULL && t->leases[1] == NULL && t->worker != NULL);
        CORE_CHECK(t->kind != TRAWL__TASK_KIND__MAP || t->worker->tasker != NULL);
        break;
    }
    for (int i = 0; i < TASK_AT_ONCE; i++)
        CORE_CHECK(t->leases[i] == NULL ||
                   lease_find(&c->leases, t->leases[i]->attempt) == t->leases[i]);
}

static inline void check_job(const struct core *c, const struct job *j) {
    for (int kind = 0; kind < TASK_KINDS; kind++) {
        uint32_t done = 0;
        for (uint32_t i = 0; i < j->count[kind]; i++) {
            check_task(c, &j->tasks[kind][i]);
            done += j->tasks[kind][i].state == TASK_DONE;
        }
        CORE_CHECK(done == j->done[kind]);
        CORE_CHECK(done + list_length(&j->idle[kind], TASK_IDLE) +
                       list_length(&j->running[kind], TASK_RUNNING) ==
                   j->count[kind]);
    }
    CORE_CHECK(job_runs(j) == (j->info == NULL));
    CORE_CHECK(!job_runs(j) || j->done[1] < j->count[1]);
}

static inline void check_jobs(const struct core *c) {
    size_t running = 0, over = 0, maps_done = 0;
    uint64_t last = 0;

    for (const struct job *j = c->jobs.first; j != NULL; j = j->next) {
        CORE_CHECK(j->number > last && j->number < c->job_numbers.next);
        last = j->number;
        running += job_runs(j);
        over += !job_runs(j);
        maps_done += j->done[TRAWL__TASK_KIND__MAP];
        check_job(c, j);
    }
    for (const struct worker *w = c->leases.workers; w != NULL; w = w->next)
        maps_done -= list_length(&w->maps, TASK_DONE);
    CORE_CHECK(maps_done == 0);
    CORE_CHECK(running == c->jobs.running && over == c->jobs.over);
    CORE_CHECK(running <= LIMIT_JOBS_RUNNING);
}

/* ---- segments --------------------------------------------------------------------------------------------- */

static inline void check_segments(const struct core *c) {
    size_t at = 0;
    const struct segment *s;

    while ((s = map_next(&c->segments_by_id, &at)) != NULL) {
        CORE_CHECK(segment_find(c, s->name) == s);
        CORE_CHECK(s->closed || !s->sealed);
        CORE_CHECK(strncmp(s->name, s->worker, strlen(s->worker)) == 0);
    }
}

static inline void core_check(const struct core *c) {
    struct core_stats s;

    CORE_CHECK(!core_failed(c, NULL));
    core_stats(c, &s);
    CORE_CHECK(s.known == s.pending + s.fetched + s.redirected + s.excluded + s.failed);
    CORE_CHECK(s.in_flight <= s.pending);
    CORE_CHECK(c->batch.count == 0 && c->committed.count == 0);
    check_leases(c);
    check_hosts(c);
    check_jobs(c);
    check_segments(c);
}

/* ---- the crawldb ------------------------------------------------------------------------------------------ */

static inline const void *check_value(struct core *c, const struct store_iter *i,
                                      const ProtobufCMessageDescriptor *type) {
    size_t n;
    const void *value = store_iter_value(i, &n);

    arena_reset(&c->record);
    const void *m = wire_unpack(&c->record, type, value, n);
    CORE_CHECK(m != NULL);
    return m;
}

static inline size_t check_group(struct core *c, char group,
                                 void (*look)(struct core *c, const struct store_iter *i)) {
    struct record_key prefix = record_group(group);
    struct store_iter *i =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    size_t n = 0;

    CORE_CHECK(i != NULL);
    for (; store_iter_valid(i); store_iter_next(i), n++)
        look(c, i);
    CORE_CHECK(store_iter_close(i));
    return n;
}

/* C2: queued or done, never both. */
static inline void check_queued(struct core *c, const struct store_iter *i) {
    const Trawl__QueuedUrl *q = check_value(c, i, &trawl__queued_url__descriptor);
    struct record_key key = record_done(q->fp);
    struct buf value;

    if (q->robots_for != 0)
        return; /* not a URL of the crawl */
    buf_init(&value, LIMIT_WIRE_BYTES);
    CORE_CHECK(store_get(c->store, key.bytes, key.len, &value) == STORE_NOT_FOUND);
    CORE_CHECK(seen_has(c->seen, q->fp));
    buf_release(&value);
}

static inline void check_done(struct core *c, const struct store_iter *i) {
    size_t n;
    const void *key = store_iter_key(i, &n);
    uint64_t fp;
    const Trawl__DoneUrl *d = check_value(c, i, &trawl__done_url__descriptor);

    CORE_CHECK(record_parse_number8(key, n, 'u', &fp) && seen_has(c->seen, fp));
    CORE_CHECK(lease_item(&c->leases, fp) == NULL);
    CORE_CHECK(d->state > TRAWL__STATE__PENDING && d->state <= TRAWL__STATE__FAILED);
    CORE_CHECK(d->segment == 0 || map_get(&c->segments_by_id, d->segment) != NULL);
    CORE_CHECK(host_by_id(&c->hosts, d->origin) != NULL);
}

static inline void core_check_store(struct core *c) {
    struct core_stats s;
    size_t queued = 0;

    core_stats(c, &s);
    for (size_t i = 0; i < c->hosts.count; i++)
        queued += c->hosts.by_id[i]->queued;
    CORE_CHECK(check_group(c, 'q', check_queued) == queued);
    CORE_CHECK(check_group(c, 'u', check_done) == s.fetched + s.redirected + s.excluded + s.failed);
}

#endif

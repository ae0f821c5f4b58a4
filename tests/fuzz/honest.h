/*
 * honest: a worker and a task worker that keep to the protocol, beside hostile ones, and know what they may expect.
 *
 *     struct honest h;
 *     honest_init(&h, "good", ask, arg);
 *     honest_step(&h, now);          // a heartbeat, a report of what it has, a request for more
 *     honest_check_segment(&h);      // exactly what was acknowledged is committed in its segment
 *     honest_release(&h);
 *
 * What it expects, whatever the others do: while it is heard from in time, its session stands, its exchanges are
 * taken, nothing that it fetched under a lease that stands is refused, and no URL that it has committed comes again.
 *
 * An answer is taken as it would be: after the writes before it are durable (C1). So a restart loses none.
 */
#ifndef TRAWL_TESTS_FUZZ_HONEST_H
#define TRAWL_TESTS_FUZZ_HONEST_H

#include <stdio.h>
#include <string.h>

#include "master/core.h"
#include "shared/limits.h"
#include "tests/fuzz/core_check.h"

enum { HONEST_VISITS = 4, HONEST_ITEMS = 16, HONEST_RECORDS = 4096 };

struct honest_visit {
    uint64_t attempt; /* 0: none */
    char origin[128];
    size_t origin_len;
    bool fetch_robots;
    uint64_t fps[HONEST_ITEMS], seqs[HONEST_ITEMS];
    uint32_t depths[HONEST_ITEMS];
    bool robots[HONEST_ITEMS]; /* the robots.txt of another origin */
    size_t count;
};

struct honest_record {
    uint64_t fp, offset;
};

struct honest {
    const char *name;
    uint32_t tasks; /* 0: a fetch loop */
    /* Asks the core; the answer is valid until the next. */
    const Trawl__Reply *(*ask)(void *arg, Trawl__Request *r);
    void *arg;
    uint64_t session, term, number;
    uint32_t serial;
    int64_t heard_ms; /* when an answer last renewed the session */
    int64_t lease_ms;
    char crawl[17];
    struct honest_visit visits[HONEST_VISITS];
    char segment[LIMIT_SEGMENT_NAME_BYTES + 1];
    bool attaching, segment_closed;
    uint32_t segments;
    uint64_t size; /* of the segment */
    struct honest_record
        records[HONEST_RECORDS]; /* acknowledged; those of the segment from `first` on */
    size_t count, first;
    uint64_t task; /* attempt that runs; 0: none */
    Trawl__TaskKind kind;
    size_t partitions;
    bool outputs_gone; /* of the reduce task that runs: not all outputs are its own */
    uint32_t gone[8];
    size_t gone_count;
    uint64_t progress; /* URLs and tasks done */
};

enum { HONEST_PLACE = 99 };

static inline void honest_init(struct honest *h, const char *name, uint32_t tasks, int64_t lease_ms,
                               const Trawl__Reply *(*ask)(void *arg, Trawl__Request *r),
                               void *arg) {
    *h =
        (struct honest){.name = name, .tasks = tasks, .lease_ms = lease_ms, .ask = ask, .arg = arg};
}

static inline const Trawl__Reply *honest_ask(struct honest *h, Trawl__Request__BodyCase what,
                                             void *body) {
    Trawl__Request r = TRAWL__REQUEST__INIT;

    r.version = WIRE_VERSION;
    r.term = h->term;
    r.session = h->session;
    r.body_case = what;
    r.control = body;
    return h->ask(h->arg, &r);
}

static inline void honest_instance(const struct honest *h, uint8_t instance[16]) {
    memset(instance, 0x5a, 16);
    instance[0] = (uint8_t)h->name[0];
    instance[1] = h->tasks > 0;
}

/* ---- coming ----------------------------------------------------------------------------------------------- */

static inline void honest_new_segment(struct honest *h) {
    snprintf(h->segment, sizeof h->segment, "%s-%s-%012llu-%05u", h->name, h->crawl,
             (unsigned long long)h->session, ++h->segments);
    h->size = 300;
    h->first = h->count;
    h->segment_closed = false;
}

/* A name may be taken by somebody while nobody has it. */
static inline bool honest_register(struct honest *h, int64_t now_ms) {
    Trawl__Register r = TRAWL__REGISTER__INIT;
    uint8_t instance[16];

    honest_instance(h, instance);
    r.worker = (char *)h->name;
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.incarnation = 1;
    r.process = r.place = HONEST_PLACE;
    r.loops = 1;
    r.serial = ++h->serial;
    r.tasks = h->tasks;
    r.serve = h->tasks > 0 ? "tcp://127.0.0.1:7" : "";
    h->session = 0;
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_REGISTER, &r);
    if (reply->code != TRAWL__CODE__OK)
        return false;
    h->session = reply->register_->session;
    h->term = reply->term;
    snprintf(h->crawl, sizeof h->crawl, "%s", reply->register_->options->crawl);
    h->number = 0;
    h->heard_ms = now_ms;
    h->task = 0;
    h->attaching = false;
    memset(h->visits, 0, sizeof h->visits);
    honest_new_segment(h);
    return true;
}

/* Its time was up. */
static inline bool honest_late(const struct honest *h, int64_t now_ms) {
    return now_ms - h->heard_ms >= h->lease_ms;
}

/* False: the session is to be made anew, or attached. */
static inline bool honest_heard(struct honest *h, const Trawl__Reply *reply, int64_t now_ms) {
    switch (reply->code) {
    case TRAWL__CODE__OK:
        h->heard_ms = now_ms;
        return true;
    case TRAWL__CODE__UNKNOWN_SESSION:
        CORE_CHECK(honest_late(h, now_ms));
        h->session = 0;
        return false;
    case TRAWL__CODE__RESTARTED:
        CORE_CHECK(reply->term > h->term);
        h->term = reply->term;
        h->attaching = true;
        if (h->tasks > 0)
            h->session = 0;
        return false;
    default:
        CORE_CHECK(false);
        return false;
    }
}

static inline void honest_attach_item(const struct honest_visit *v, size_t i,
                                      Trawl__AttachItem *item) {
    trawl__attach_item__init(item);
    item->fp = v->fps[i];
    item->seq = v->seqs[i];
    item->depth = v->depths[i];
}

static inline void honest_attached(struct honest *h, size_t at, const Trawl__AttachVisitReply *r) {
    struct honest_visit *v = &h->visits[at];
    size_t kept = 0;

    if (r->lost) {
        v->attempt = 0;
        return;
    }
    CORE_CHECK(r->n_items == v->count);
    for (size_t i = 0; i < v->count; i++) {
        if (r->items[i] != TRAWL__ITEM_FATE__YOURS)
            continue;
        v->fps[kept] = v->fps[i];
        v->seqs[kept] = v->seqs[i];
        v->depths[kept] = v->depths[i];
        v->robots[kept++] = v->robots[i];
    }
    v->count = kept;
}

/* What its own clock says is over is not told of. */
static inline void honest_attach(struct honest *h, int64_t now_ms) {
    Trawl__Attach a = TRAWL__ATTACH__INIT;
    Trawl__AttachVisit visits[HONEST_VISITS], *list[HONEST_VISITS];
    Trawl__AttachItem items[HONEST_VISITS][HONEST_ITEMS], *lists[HONEST_VISITS][HONEST_ITEMS];
    size_t which[HONEST_VISITS];

    if (honest_late(h, now_ms))
        memset(h->visits, 0, sizeof h->visits);
    for (size_t i = 0; i < HONEST_VISITS; i++) {
        const struct honest_visit *v = &h->visits[i];
        if (v->attempt == 0)
            continue;
        Trawl__AttachVisit *m = &visits[a.n_visits];
        trawl__attach_visit__init(m);
        m->attempt = v->attempt;
        m->origin = (ProtobufCBinaryData){.len = v->origin_len, .data = (uint8_t *)v->origin};
        m->connections = 1;
        for (size_t k = 0; k < v->count; k++) {
            honest_attach_item(v, k, &items[i][k]);
            lists[i][k] = &items[i][k];
        }
        m->items = lists[i];
        m->n_items = v->count;
        which[a.n_visits] = i;
        list[a.n_visits++] = m;
    }
    a.visits = list;
    h->number = 0;
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_ATTACH, &a);
    if (!honest_heard(h, reply, now_ms))
        return;
    h->attaching = false;
    CORE_CHECK(reply->body_case == TRAWL__REPLY__BODY_ATTACH);
    CORE_CHECK(reply->attach->n_visits == a.n_visits);
    for (size_t i = 0; i < a.n_visits; i++)
        honest_attached(h, which[i], reply->attach->visits[i]);
}

/* ---- heartbeats ------------------------------------------------------------------------------------------- */

static inline void honest_beat(struct honest *h, int64_t now_ms) {
    Trawl__Heartbeat m = TRAWL__HEARTBEAT__INIT;
    uint64_t attempts[HONEST_VISITS + 1];

    for (size_t i = 0; i < HONEST_VISITS; i++)
        if (h->visits[i].attempt != 0)
            attempts[m.n_attempts++] = h->visits[i].attempt;
    if (h->task != 0)
        attempts[m.n_attempts++] = h->task;
    m.attempts = attempts;
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_HEARTBEAT, &m);
    if (!honest_heard(h, reply, now_ms))
        return;
    for (size_t i = 0; i < reply->heartbeat->n_lost; i++) {
        for (size_t k = 0; k < HONEST_VISITS; k++)
            if (h->visits[k].attempt == reply->heartbeat->lost[i])
                h->visits[k].attempt = 0;
        if (h->task == reply->heartbeat->lost[i])
            h->task = 0;
    }
}

/* ---- fetching --------------------------------------------------------------------------------------------- */

static inline void honest_take_item(struct honest *h, struct honest_visit *v,
                                    const Trawl__Item *item) {
    for (size_t i = 0; i < h->count; i++)
        CORE_CHECK(h->records[i].fp != item->fp);
    if (v->count == HONEST_ITEMS)
        return; /* given back with the lease */
    v->fps[v->count] = item->fp;
    v->seqs[v->count] = item->seq;
    v->depths[v->count] = item->depth;
    v->robots[v->count++] = item->robots;
}

static inline void honest_take_grant(struct honest *h, const Trawl__Grant *g) {
    struct honest_visit *v = NULL;

    for (size_t i = 0; i < HONEST_VISITS; i++) {
        CORE_CHECK(h->visits[i].attempt != g->attempt);
        if (h->visits[i].attempt == 0)
            v = &h->visits[i];
    }
    CORE_CHECK(v != NULL && g->origin.len < sizeof v->origin && g->n_items > 0);
    *v = (struct honest_visit){.attempt = g->attempt, .origin_len = g->origin.len};
    memcpy(v->origin, g->origin.data, g->origin.len);
    v->fetch_robots = g->fetch_robots;
    for (size_t i = 0; i < g->n_items; i++)
        honest_take_item(h, v, g->items[i]);
}

static inline void honest_outcome(struct honest *h, const struct honest_visit *v, size_t i,
                                  Trawl__Outcome *o) {
    trawl__outcome__init(o);
    o->fp = v->fps[i];
    if (v->robots[i]) {
        o->state = TRAWL__STATE__FETCHED;
        o->status = 404;
        return;
    }
    o->state = TRAWL__STATE__FETCHED;
    o->status = 200;
    o->segment = 1;
    o->offset = h->size;
    o->record_length = 100;
    h->size += 100;
}

/* The first `n` of the visit's items were reported, and are told apart by what the master took. */
static inline void honest_reported(struct honest *h, struct honest_visit *v, size_t n,
                                   Trawl__Outcome *const *outcomes, bool done,
                                   const Trawl__VisitReply *reply) {
    CORE_CHECK(reply->attempt == v->attempt);
    if (reply->lost) {
        v->attempt = 0;
        return;
    }
    CORE_CHECK(reply->n_refused == 0);
    for (size_t i = 0; i < n; i++) {
        h->progress++;
        if (outcomes[i]->segment == 0)
            continue;
        CORE_CHECK(h->count < HONEST_RECORDS);
        h->records[h->count++] = (struct honest_record){outcomes[i]->fp, outcomes[i]->offset};
    }
    v->count = 0;
    v->fetch_robots = false;
    if (done)
        v->attempt = 0;
    for (size_t i = 0; !done && i < reply->n_more; i++)
        honest_take_item(h, v, reply->more[i]);
}

static inline void honest_visit_report(struct honest *h, struct honest_visit *v,
                                       Trawl__VisitReport *r, Trawl__RobotsReport *robots,
                                       Trawl__Outcome *outcomes, Trawl__Outcome **list) {
    trawl__visit_report__init(r);
    r->attempt = v->attempt;
    if (v->fetch_robots) {
        trawl__robots_report__init(robots);
        robots->status = 404;
        robots->valid_ms = 3600 * 1000;
        r->robots = robots;
    }
    for (size_t i = 0; i < v->count; i++) {
        honest_outcome(h, v, i, &outcomes[i]);
        list[i] = &outcomes[i];
    }
    r->outcomes = list;
    r->n_outcomes = v->count;
    r->want_urls = HONEST_ITEMS;
    r->done = v->count == 0 || v->count == HONEST_ITEMS;
}

static inline void honest_exchange(struct honest *h, int64_t now_ms) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__VisitReport reports[HONEST_VISITS], *list[HONEST_VISITS];
    Trawl__RobotsReport robots[HONEST_VISITS];
    Trawl__Outcome outcomes[HONEST_VISITS][HONEST_ITEMS], *lists[HONEST_VISITS][HONEST_ITEMS];
    struct honest_visit *visits[HONEST_VISITS];
    char *segments[] = {h->segment};

    if (h->segment_closed)
        honest_new_segment(h);
    segments[0] = h->segment;
    for (size_t i = 0; i < HONEST_VISITS; i++) {
        struct honest_visit *v = &h->visits[i];
        if (v->attempt == 0)
            continue;
        size_t n = x.n_visits++;
        honest_visit_report(h, v, &reports[n], &robots[n], outcomes[n], lists[n]);
        list[n] = &reports[n];
        visits[n] = v;
    }
    x.number = h->number + 1;
    x.visits = list;
    x.segments = segments;
    x.n_segments = 1;
    x.want_visits = HONEST_VISITS - (uint32_t)x.n_visits;
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_EXCHANGE, &x);
    if (!honest_heard(h, reply, now_ms))
        return;
    h->number++;
    CORE_CHECK(reply->body_case == TRAWL__REPLY__BODY_EXCHANGE);
    CORE_CHECK(reply->exchange->number == h->number && reply->exchange->n_visits == x.n_visits);
    for (size_t i = 0; i < x.n_visits; i++)
        honest_reported(h, visits[i], reports[i].n_outcomes, lists[i], reports[i].done,
                        reply->exchange->visits[i]);
    for (size_t i = 0; i < reply->exchange->n_grants; i++)
        honest_take_grant(h, reply->exchange->grants[i]);
}

/* ---- tasks ------------------------------------------------------------------------------------------------ */

static inline void honest_take_task(struct honest *h, const Trawl__TaskGrant *g) {
    const Trawl__TaskSpec *spec = g->spec;

    h->task = g->attempt;
    h->kind = spec->kind;
    h->partitions = spec->kind == TRAWL__TASK_KIND__MAP ? spec->job->reduces : 0;
    h->gone_count = 0;
    for (size_t i = 0; i < spec->n_outputs; i++) {
        CORE_CHECK(spec->outputs[i]->server < spec->n_servers);
        const char *worker = spec->servers[spec->outputs[i]->server]->worker;
        if (strcmp(worker, h->name) != 0 && h->gone_count < sizeof h->gone / sizeof *h->gone)
            h->gone[h->gone_count++] = spec->outputs[i]->map;
    }
}

static inline void honest_run_tasks(struct honest *h, int64_t now_ms) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__TaskReport report = TRAWL__TASK_REPORT__INIT, *reports[] = {&report};
    Trawl__TaskResult result = TRAWL__TASK_RESULT__INIT;
    uint64_t bytes[16] = {0};

    CORE_CHECK(h->partitions <= 16);
    result.partition_bytes = bytes;
    result.n_partition_bytes = h->partitions;
    /* What others made cannot be had from them. */
    if (h->gone_count > 0) {
        result.end = TRAWL__TASK_END__INPUT_GONE;
        result.gone = h->gone;
        result.n_gone = h->gone_count;
    }
    report.attempt = h->task;
    report.result = &result;
    x.number = h->number + 1;
    x.tasks = reports;
    x.n_tasks = h->task != 0;
    x.want_tasks = 1;
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_EXCHANGE, &x);
    if (!honest_heard(h, reply, now_ms))
        return;
    h->number++;
    h->progress += h->task != 0;
    h->task = 0;
    h->gone_count = 0;
    CORE_CHECK(reply->exchange->n_tasks <= 1);
    if (reply->exchange->n_tasks == 1)
        honest_take_task(h, reply->exchange->tasks[0]);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* One turn, at that time. */
static inline void honest_step(struct honest *h, int64_t now_ms) {
    if (h->session == 0 && !honest_register(h, now_ms))
        return;
    if (h->attaching)
        honest_attach(h, now_ms);
    if (h->session == 0 || h->attaching)
        return;
    honest_beat(h, now_ms);
    if (h->session == 0 || h->attaching)
        return;
    if (h->tasks > 0)
        honest_run_tasks(h, now_ms);
    else
        honest_exchange(h, now_ms);
}

/* Closes it, and begins another with the next exchange. */
static inline void honest_check_segment(struct honest *h) {
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    uint8_t instance[16];

    if (h->session == 0 || h->segment_closed)
        return;
    honest_instance(h, instance);
    q.name = h->segment;
    q.place = HONEST_PLACE;
    q.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    const Trawl__Reply *reply = honest_ask(h, TRAWL__REQUEST__BODY_SEGMENT_QUERY, &q);
    if (reply->code == TRAWL__CODE__HELD)
        return; /* somebody has the name, while nobody had it */
    CORE_CHECK(reply->code == TRAWL__CODE__OK);
    CORE_CHECK(reply->segment->n_offsets == h->count - h->first);
    for (size_t i = h->first; i < h->count; i++)
        CORE_CHECK(reply->segment->offsets[i - h->first] == h->records[i].offset);
    h->segment_closed = true;
}

#endif

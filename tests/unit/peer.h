/*
 * peer: a worker played by hand against the real core, for tests of what the core says to it. Request by request; the
 * answers are valid until the next one.
 *
 *     struct master m;
 *     struct peer p;
 *     master_begin(&m);                   // options may be changed now
 *     master_load(&m);
 *     master_seed(&m, "http://a.example/");
 *     peer_join(&p, &m, "w1", 1);
 *     const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, 0, 1);
 *
 * Included after cmocka.h.
 */
#ifndef TRAWL_TESTS_UNIT_PEER_H
#define TRAWL_TESTS_UNIT_PEER_H

#include <string.h>

#include "master/core.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "shared/limits.h"

struct master {
    struct options options;
    struct store *store;
    struct core *core;
    struct now now;
    unsigned char starts;
};

enum { PEER_PLACE = 7 };

struct peer {
    struct master *master;
    const char *name;
    uint32_t tasks; /* that it runs at once; 0: a fetch loop */
    uint32_t serial;
    uint64_t incarnation, term, session, number;
    struct arena arena; /* of the last answer */
    struct buf bytes;
    enum core_when when;
};

static inline void master_begin(struct master *m) {
    *m = (struct master){.now = {.mono_ms = 100000, .unix_ms = 1700000000000}};
    assert_true(options_init(&m->options));
    m->options.scope = SCOPE_ANY;
    m->options.delay_ms = 0;
    m->options.host_connections = 4;
    m->options.ip_connections = 4;
    m->options.robots_ignore = true;
    m->options.sitemaps_off = true;
    m->store = store_mem_new();
    assert_non_null(m->store);
}

static inline void master_load(struct master *m) {
    const unsigned char random16[16] = {1, m->starts, 0, 0, 0, m->starts};
    struct error err = {0};

    m->starts++;
    m->core = core_new(&m->options, m->store, m->now, random16, &err);
    assert_non_null(m->core);
}

static inline void master_restart(struct master *m) {
    core_free(m->core);
    master_load(m);
}

static inline void master_end(struct master *m) {
    core_free(m->core);
    store_close(m->store);
    options_release(&m->options);
}

static inline void master_seed(struct master *m, const char *url) {
    assert_true(core_seed(m->core, m->now, url, strlen(url), NULL));
}

/* In steps, so that every deadline on the way is met. */
static inline void master_wait(struct master *m, int64_t ms) {
    for (int64_t step; ms > 0; ms -= step) {
        step = ms < 100 ? ms : 100;
        m->now.mono_ms += step;
        m->now.unix_ms += step;
        core_tick(m->core, m->now);
    }
}

static inline struct core_stats master_stats(const struct master *m) {
    struct core_stats s;

    core_stats(m->core, &s);
    return s;
}

/* Appends the state and reason of a URL of origin 1, by its path, and a line feed: "failed http-404". */
static inline void master_tell(const struct master *m, const char *path, struct buf *out) {
    static const char *const states[] = {"pending", "fetched", "redirected", "excluded", "failed"};
    struct record_key prefix = record_group('u');
    struct store_iter *i =
        store_iter_open(m->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    const char *end = "unknown\n";
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, value, n);
        assert_non_null(d);
        if (d->path.len != strlen(path) || memcmp(d->path.data, path, d->path.len) != 0)
            continue;
        buf_printf(out, "%s%s%s", states[d->state], d->reason[0] == '\0' ? "" : " ", d->reason);
        end = "\n";
    }
    assert_true(store_iter_close(i));
    arena_release(&arena);
    buf_append_str(out, end);
}

#define assert_ended(m, path, expected)                                                            \
    do {                                                                                           \
        struct buf told_;                                                                          \
        buf_init(&told_, 4096);                                                                    \
        master_tell(m, path, &told_);                                                              \
        assert_string_equal(told_.data, expected "\n");                                            \
        buf_release(&told_);                                                                       \
    } while (0)

/* ---- the worker -------------------------------------------------------------------------------------------- */

static inline const Trawl__Reply *peer_ask(struct peer *p, Trawl__Request__BodyCase what,
                                           void *body) {
    Trawl__Request r = TRAWL__REQUEST__INIT;

    r.version = WIRE_VERSION;
    r.term = p->term;
    r.session = p->session;
    r.body_case = what;
    r.control = body;
    p->when = core_request(p->master->core, p->master->now, &r, "test", &p->bytes);
    arena_reset(&p->arena);
    const Trawl__Reply *reply = wire_reply_unpack(&p->arena, p->bytes.data, p->bytes.len);
    assert_non_null(reply);
    return reply;
}

static inline const Trawl__Reply *peer_register(struct peer *p) {
    static uint8_t instance[16];
    Trawl__Register r = TRAWL__REGISTER__INIT;

    memset(instance, 0, sizeof instance);
    memcpy(instance, p->name, strnlen(p->name, sizeof instance));
    r.worker = (char *)p->name;
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.incarnation = r.process = p->incarnation;
    r.place = PEER_PLACE;
    r.loops = 1;
    r.tasks = p->tasks;
    r.serve = p->tasks > 0 ? "tcp://127.0.0.1:1" : "";
    r.serial = p->serial;
    p->number = 0;
    return peer_ask(p, TRAWL__REQUEST__BODY_REGISTER, &r);
}

static inline void peer_come(struct peer *p) {
    const Trawl__Reply *reply = peer_register(p);

    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_REGISTER);
    p->session = reply->register_->session;
    p->term = reply->term;
}

static inline void peer_join(struct peer *p, struct master *m, const char *name,
                             uint64_t incarnation) {
    *p = (struct peer){.master = m, .name = name, .incarnation = incarnation};
    arena_init(&p->arena, LIMIT_ARENA_BYTES);
    buf_init(&p->bytes, LIMIT_WIRE_BYTES);
    peer_come(p);
}

static inline void peer_release(struct peer *p) {
    arena_release(&p->arena);
    buf_release(&p->bytes);
}

/* Killed, and started again in the same directory. */
static inline void peer_die(struct peer *p) {
    p->incarnation++;
    peer_come(p);
}

static inline const Trawl__Reply *peer_exchange_any(struct peer *p, uint64_t number,
                                                    Trawl__VisitReport *report, const char *segment,
                                                    uint32_t want_visits) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__VisitReport *reports[] = {report};
    char *segments[] = {(char *)segment};

    x.number = number;
    x.visits = reports;
    x.n_visits = report != NULL;
    x.segments = segments;
    x.n_segments = segment != NULL;
    x.want_visits = want_visits;
    return peer_ask(p, TRAWL__REQUEST__BODY_EXCHANGE, &x);
}

static inline const Trawl__ExchangeReply *peer_exchange(struct peer *p, Trawl__VisitReport *report,
                                                        const char *segment, uint32_t want_visits) {
    const Trawl__Reply *reply = peer_exchange_any(p, p->number + 1, report, segment, want_visits);

    p->number++;
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_EXCHANGE);
    return reply->exchange;
}

/* Reports one outcome of the visit; `done` gives the lease back. */
static inline const Trawl__ExchangeReply *peer_report(struct peer *p, uint64_t attempt, uint64_t fp,
                                                      Trawl__State state, bool done) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};

    outcome.fp = fp;
    outcome.state = state;
    outcome.status = state == TRAWL__STATE__FETCHED ? 200 : 0;
    outcome.reason = state == TRAWL__STATE__RETRY ? "connection-reset" : "";
    report.attempt = attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = done;
    return peer_exchange(p, &report, NULL, 0);
}

/* Renews the lease (0: none), and the session. */
static inline const Trawl__Reply *peer_beat(struct peer *p, uint64_t attempt) {
    Trawl__Heartbeat h = TRAWL__HEARTBEAT__INIT;

    h.attempts = &attempt;
    h.n_attempts = attempt != 0;
    return peer_ask(p, TRAWL__REQUEST__BODY_HEARTBEAT, &h);
}

#endif

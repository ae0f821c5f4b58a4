/*
 * libFuzzer target: a hostile worker and a hostile task worker, against the real core with a store in memory, beside an
 * honest worker and an honest task worker (honest.h).
 *
 * The input is a list of steps: sequences of requests by hostile peers, well formed or not quite, with numbers that
 * replies have taught (sessions of theirs, attempts, fingerprints, segments of anybody) mixed with any; time that
 * passes; the master killed, with unsynced writes lost; its store failing; steps of the honest ones. After each, all
 * that the core has in its tables is counted anew (core_check.h); the honest ones check what they are told. In the end
 * the hostile ones fall silent: then the crawl and its jobs must end within a bounded number of steps, unless one of
 * them, as any operator may, has stopped it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/store_mem.h"
#include "proto/wire.h"
#include "shared/limits.h"
#include "tests/fuzz/core_check.h"
#include "tests/fuzz/honest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS_MAX = 96,
    END_STEPS = 3000,
    SESSIONS_MAX = 6,
    KNOWN_MAX = 64,
    LIST_MAX = 4,
    STORE_CHECK_EVERY = 8,
};

struct input {
    const uint8_t *p, *end;
};

/* A session that a hostile peer has, or had. */
struct session_known {
    uint64_t id, number;
};

struct world {
    struct options options;
    struct store *store;
    struct core *core;
    struct now now;
    struct arena arena;  /* of the step's request */
    struct arena answer; /* of the last reply */
    struct buf packed, reply, last;
    uint64_t term;
    char crawl[17];
    struct session_known sessions[SESSIONS_MAX];
    size_t session_count;
    uint64_t attempts[KNOWN_MAX], fps[KNOWN_MAX], seqs[KNOWN_MAX], jobs[KNOWN_MAX];
    size_t attempt_count, fp_count, job_count;
    struct honest good, tasker;
    bool down;    /* the core is void: to be made anew */
    bool ailing;  /* the store is about to fail */
    bool stopped; /* somebody has asked for it */
    unsigned steps;
};

/* ---- bytes to values -------------------------------------------------------------------------------------- */

static uint8_t take_byte(struct input *in) {
    return in->p < in->end ? *in->p++ : 0;
}

/* Small ones mostly, and now and then any. */
static uint64_t take_number(struct input *in) {
    uint64_t n = take_byte(in);

    if (n < 0xf0)
        return n;
    for (uint64_t bytes = n - 0xf0; bytes > 0; bytes--)
        n = n << 8 | take_byte(in);
    return n;
}

static void *message(struct world *w, size_t size) {
    void *m = arena_alloc(&w->arena, size);

    CORE_CHECK(m != NULL);
    return m;
}

#define NEW(w, var, type, init)                                                                    \
    type *var = message(w, sizeof(type));                                                          \
    init(var)

static ProtobufCBinaryData take_bytes(struct world *w, struct input *in) {
    size_t n = take_byte(in), left = (size_t)(in->end - in->p);

    n = n < left ? n : left;
    ProtobufCBinaryData bytes = arena_bytes(&w->arena, in->p, n);
    in->p += n;
    return bytes;
}

static char *take_text(struct world *w, struct input *in) {
    ProtobufCBinaryData bytes = take_bytes(w, in);

    return arena_copy(&w->arena, bytes.data, bytes.len);
}

static ProtobufCBinaryData text_bytes(struct world *w, const char *text) {
    return arena_bytes(&w->arena, text, strlen(text));
}

static uint64_t take_known(struct input *in, const uint64_t *known, size_t count) {
    uint8_t which = take_byte(in);

    if (which >= 0xf0 || count == 0)
        return take_number(in);
    /* Neighbours too: numbers that were given to others, or will be. */
    return known[which / 3 % count] + which % 3 - (which % 3 == 2 ? 3 : 0);
}

static const char *const workers[] = {"evil", "bad", "good", "goodt", "good-1"};

static char *take_segment(struct world *w, struct input *in) {
    uint8_t how = take_byte(in);

    if (how % 8 == 7)
        return take_text(w, in);
    if (how % 8 == 6)
        return arena_printf(&w->arena, "%s", w->good.segment);
    return arena_printf(&w->arena, "%s-%s-%012llu-%05u", workers[how % 5], w->crawl,
                        (unsigned long long)take_number(in), 1u);
}

/* Of origins that are there, and near ones. */
static ProtobufCBinaryData take_url(struct world *w, struct input *in) {
    static const char *const starts[] = {"http://a.example/",
                                         "http://b.example/",
                                         "http://192.0.2.1/",
                                         "https://a.example/",
                                         "/",
                                         "http://"};
    uint8_t how = take_byte(in);

    if (how % 8 > 5)
        return take_bytes(w, in);
    char *url = arena_printf(&w->arena, "%s%u", starts[how % 8], how / 8u);
    return text_bytes(w, url);
}

static ProtobufCBinaryData take_address(struct world *w, struct input *in) {
    static const uint8_t addresses[3][16] = {{192, 0, 2, 1}, {192, 0, 2, 2}, {0x20, 1}};
    uint8_t how = take_byte(in);

    if (how % 8 == 7)
        return take_bytes(w, in);
    if (how % 8 > 3)
        return (ProtobufCBinaryData){0};
    return arena_bytes(&w->arena, addresses[how % 3], how % 3 == 2 ? 16 : 4);
}

/* ---- what a hostile fetch loop says ----------------------------------------------------------------------- */

/* The names of the honest ones are free while those are not there: who has such a name then is not told apart. */
static bool name_taken(const struct world *w, const char *name) {
    return (strcmp(name, "good") != 0 || w->good.session != 0) &&
           (strcmp(name, "goodt") != 0 || w->tasker.session != 0);
}

static Trawl__Register *take_register(struct world *w, struct input *in) {
    static const uint8_t instances[2][16] = {{1}, {2}};
    NEW(w, m, Trawl__Register, trawl__register__init);
    uint8_t how = take_byte(in);
    const char *name = how % 8 == 7 ? take_text(w, in) : workers[how % 5];

    m->worker = (char *)(name_taken(w, name) && !core_failed(w->core, NULL) ? name : "evil");
    m->instance = how & 8 ? take_bytes(w, in) : arena_bytes(&w->arena, instances[how >> 4 & 1], 16);
    m->incarnation = take_number(in);
    m->process = take_number(in) % 4;
    m->place = take_number(in) % 4;
    m->serial = (uint32_t)take_number(in);
    if (how & 32) {
        m->loops = 1;
        m->tasks = how & 64 ? (uint32_t)take_number(in) : 2;
        m->serve = how & 128 ? take_text(w, in) : "tcp://127.0.0.1:9";
        return m;
    }
    m->loops = (uint32_t)take_number(in) + 1;
    m->loop = (uint32_t)take_number(in);
    return m;
}

static Trawl__RobotsReport *take_robots(struct world *w, struct input *in) {
    NEW(w, m, Trawl__RobotsReport, trawl__robots_report__init);
    uint8_t how = take_byte(in);

    if (how & 1)
        m->rules = take_bytes(w, in);
    m->crawl_delay_ms = how & 2 ? (uint32_t)take_number(in) : 0;
    m->status = how & 4 ? (uint32_t)take_number(in) : 404;
    m->valid_ms = how & 8 ? (uint32_t)take_number(in) : 3600 * 1000;
    if (how & 16)
        m->redirect_to = take_url(w, in);
    return m;
}

static Trawl__Outcome *take_outcome(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Outcome, trawl__outcome__init);
    uint8_t how = take_byte(in);

    m->fp = take_known(in, w->fps, w->fp_count);
    m->state = (Trawl__State)(how % 9);
    m->status = how & 16 ? (uint32_t)take_number(in) : 200;
    if (how & 32) {
        m->reason = take_text(w, in);
        m->mime = take_bytes(w, in);
        m->length = take_number(in);
        m->digest = take_bytes(w, in);
        m->ip = take_address(w, in);
        m->fetched_at_ms = take_number(in);
        m->etag = take_bytes(w, in);
        m->revisit = take_byte(in) & 1;
        m->sitemaps = take_byte(in) & 1;
        m->canonical = take_url(w, in);
    }
    if (how & 64) {
        m->segment = (uint32_t)take_number(in);
        m->offset = take_number(in);
        m->record_length = take_number(in);
    }
    uint8_t more = how & 128 ? take_byte(in) : 0;
    m->n_links = more % (LIST_MAX + 1);
    m->links = message(w, LIST_MAX * sizeof *m->links);
    for (size_t i = 0; i < m->n_links; i++)
        m->links[i] = take_url(w, in);
    if (more & 64)
        m->redirect_to = take_url(w, in);
    if (more & 128)
        m->robots = take_robots(w, in);
    return m;
}

static Trawl__VisitReport *take_visit(struct world *w, struct input *in) {
    NEW(w, m, Trawl__VisitReport, trawl__visit_report__init);
    uint8_t parts = take_byte(in);

    m->attempt = take_known(in, w->attempts, w->attempt_count);
    m->n_outcomes = take_byte(in) % (LIST_MAX + 1);
    m->outcomes = message(w, LIST_MAX * sizeof(Trawl__Outcome *));
    for (size_t i = 0; i < m->n_outcomes; i++)
        m->outcomes[i] = take_outcome(w, in);
    if (parts & 1)
        m->robots = take_robots(w, in);
    if (parts & 2)
        m->address = take_address(w, in);
    m->done = (parts & 4) != 0;
    m->want_urls = parts & 8 ? (uint32_t)take_number(in) : 0;
    m->last_request_ago_ms = parts & 16 ? (uint32_t)take_number(in) : 0;
    m->backoff_ms = parts & 32 ? (uint32_t)take_number(in) : 0;
    if (parts & 64) {
        m->verdict = (Trawl__Verdict)(take_byte(in) % 5);
        m->reason = take_text(w, in);
    }
    return m;
}

/* ---- what a hostile task worker says ---------------------------------------------------------------------- */

static Trawl__TaskResult *take_result(struct world *w, struct input *in) {
    NEW(w, m, Trawl__TaskResult, trawl__task_result__init);
    uint8_t how = take_byte(in);

    m->end = (Trawl__TaskEnd)(how % 7);
    m->n_partition_bytes = how & 8 ? take_byte(in) % (LIST_MAX + 1) : 2;
    m->partition_bytes = message(w, LIST_MAX * sizeof *m->partition_bytes);
    for (size_t i = 0; i < m->n_partition_bytes; i++)
        m->partition_bytes[i] = take_number(in);
    m->n_gone = how & 16 ? take_byte(in) % (LIST_MAX + 1) : 0;
    m->gone = message(w, LIST_MAX * sizeof *m->gone);
    for (size_t i = 0; i < m->n_gone; i++)
        m->gone[i] = (uint32_t)take_number(in);
    if (how & 32) {
        m->reason = take_text(w, in);
        m->record = take_number(in);
        m->record_name = take_bytes(w, in);
        m->records_in = m->bytes_out = take_number(in);
    }
    m->n_counters = how & 64 ? take_byte(in) % (LIST_MAX + 1) : 0;
    m->counters = message(w, LIST_MAX * sizeof(Trawl__TaskCounter *));
    for (size_t i = 0; i < m->n_counters; i++) {
        NEW(w, counter, Trawl__TaskCounter, trawl__task_counter__init);
        counter->name = take_text(w, in);
        counter->n = (int64_t)take_number(in);
        m->counters[i] = counter;
    }
    return m;
}

static void take_tasks(struct world *w, struct input *in, Trawl__Exchange *m) {
    m->want_tasks = (uint32_t)take_number(in);
    m->n_tasks = take_byte(in) % (LIST_MAX + 1);
    m->tasks = message(w, LIST_MAX * sizeof(Trawl__TaskReport *));
    for (size_t i = 0; i < m->n_tasks; i++) {
        NEW(w, report, Trawl__TaskReport, trawl__task_report__init);
        report->attempt = take_known(in, w->attempts, w->attempt_count);
        report->result = take_byte(in) % 8 == 0 ? NULL : take_result(w, in);
        m->tasks[i] = report;
    }
    m->n_jobs = take_byte(in) % (LIST_MAX + 1);
    m->jobs = message(w, LIST_MAX * sizeof *m->jobs);
    for (size_t i = 0; i < m->n_jobs; i++)
        m->jobs[i] = take_known(in, w->jobs, w->job_count);
}

static Trawl__Exchange *take_exchange(struct world *w, struct input *in,
                                      const struct session_known *s) {
    NEW(w, m, Trawl__Exchange, trawl__exchange__init);
    uint8_t how = take_byte(in);

    /* The next, the last again, one skipped. */
    m->number = how >= 0xf8 ? take_number(in) : s->number + 1 - (how / 8 == 1) + (how / 8 == 2);
    m->want_visits = how & 1 ? (uint32_t)take_number(in) : 2;
    m->n_segments = how & 2 ? take_byte(in) % (LIST_MAX + 1) : 0;
    m->segments = message(w, LIST_MAX * sizeof(char *));
    for (size_t i = 0; i < m->n_segments; i++)
        m->segments[i] = take_segment(w, in);
    m->n_visits = take_byte(in) % (LIST_MAX + 1);
    m->visits = message(w, LIST_MAX * sizeof(Trawl__VisitReport *));
    for (size_t i = 0; i < m->n_visits; i++)
        m->visits[i] = take_visit(w, in);
    if (how & 4)
        take_tasks(w, in, m);
    return m;
}

/* ---- attachments, heartbeats, segments -------------------------------------------------------------------- */

static Trawl__AttachVisit *take_attach_visit(struct world *w, struct input *in) {
    static const char *const origins[] = {"http://a.example", "http://b.example",
                                          "http://192.0.2.1"};
    NEW(w, m, Trawl__AttachVisit, trawl__attach_visit__init);
    uint8_t how = take_byte(in);

    m->attempt = take_known(in, w->attempts, w->attempt_count);
    m->origin = how & 4 ? take_bytes(w, in) : text_bytes(w, origins[how % 4 % 3]);
    m->connections = how & 8 ? (uint32_t)take_number(in) : how >> 4 & 1;
    m->address = take_address(w, in);
    m->backoff_ms = how & 32 ? (uint32_t)take_number(in) : 0;
    m->n_items = take_byte(in) % (LIST_MAX + 1);
    m->items = message(w, LIST_MAX * sizeof(Trawl__AttachItem *));
    for (size_t i = 0; i < m->n_items; i++) {
        NEW(w, item, Trawl__AttachItem, trawl__attach_item__init);
        size_t which = w->fp_count == 0 ? 0 : take_byte(in) % w->fp_count;
        item->fp = w->fps[which];
        item->seq = how & 64 ? take_known(in, w->seqs, w->fp_count) : w->seqs[which];
        item->depth = how & 64 ? (uint32_t)take_number(in) : 0;
        item->reported = how & 128;
        item->segment = (uint32_t)take_number(in);
        item->offset = take_number(in);
        m->items[i] = item;
    }
    return m;
}

static Trawl__Attach *take_attach(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Attach, trawl__attach__init);

    m->n_segments = take_byte(in) % (LIST_MAX + 1);
    m->segments = message(w, LIST_MAX * sizeof(char *));
    for (size_t i = 0; i < m->n_segments; i++)
        m->segments[i] = take_segment(w, in);
    m->n_visits = take_byte(in) % (LIST_MAX + 1);
    m->visits = message(w, LIST_MAX * sizeof(Trawl__AttachVisit *));
    for (size_t i = 0; i < m->n_visits; i++)
        m->visits[i] = take_attach_visit(w, in);
    return m;
}

static Trawl__Heartbeat *take_heartbeat(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Heartbeat, trawl__heartbeat__init);

    m->n_attempts = take_byte(in) % (LIST_MAX + 1);
    m->attempts = message(w, LIST_MAX * sizeof *m->attempts);
    for (size_t i = 0; i < m->n_attempts; i++)
        m->attempts[i] = take_known(in, w->attempts, w->attempt_count);
    m->transfers = (uint32_t)take_number(in);
    m->bytes_in = take_number(in);
    m->n_cost_us = m->n_attempts;
    m->cost_us = m->attempts;
    return m;
}

/* Whoever has the directory of an honest worker has its instance: nobody here has. */
static ProtobufCBinaryData take_instance(struct world *w, struct input *in) {
    uint8_t instance[16] = {take_byte(in) % 4};

    return instance[0] == 3 ? take_bytes(w, in) : arena_bytes(&w->arena, instance, 16);
}

static Trawl__SegmentSeal *take_seal(struct world *w, struct input *in) {
    NEW(w, m, Trawl__SegmentSeal, trawl__segment_seal__init);
    uint8_t count = take_byte(in);

    m->name = take_segment(w, in);
    m->instance = take_instance(w, in);
    m->n_hole_offsets = count % (LIST_MAX + 1);
    m->n_hole_lengths = count & 64 ? LIST_MAX : m->n_hole_offsets;
    m->hole_offsets = message(w, LIST_MAX * sizeof *m->hole_offsets);
    m->hole_lengths = message(w, LIST_MAX * sizeof *m->hole_lengths);
    for (size_t i = 0; i < LIST_MAX; i++) {
        m->hole_offsets[i] = take_number(in);
        m->hole_lengths[i] = take_number(in);
    }
    m->size = take_number(in);
    return m;
}

/* ---- what an operator may say, and what hostile peers may then, too --------------------------------------- */

static Trawl__Control *take_control(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Control, trawl__control__init);
    uint8_t how = take_byte(in);

    m->verb = (Trawl__Verb)(how % 8);
    m->worker = how & 8 ? take_text(w, in) : (char *)workers[how / 16 % 5];
    /* What the honest ones have committed is asked for again by right. */
    if (m->verb == TRAWL__VERB__FORGET && strncmp(m->worker, "good", 4) == 0)
        m->worker = "evil";
    m->n_urls = m->verb == TRAWL__VERB__ADD ? take_byte(in) % (LIST_MAX + 1) : 0;
    m->urls = message(w, LIST_MAX * sizeof *m->urls);
    for (size_t i = 0; i < m->n_urls; i++)
        m->urls[i] = take_url(w, in);
    w->stopped |= m->verb == TRAWL__VERB__STOP;
    return m;
}

static Trawl__JobRun *take_job(struct world *w, struct input *in) {
    NEW(w, m, Trawl__JobRun, trawl__job_run__init);
    NEW(w, spec, Trawl__JobSpec, trawl__job_spec__init);
    uint8_t how = take_byte(in), token[16] = {how % 8};

    spec->name = how & 16 ? take_text(w, in) : "job";
    spec->function = how & 32 ? take_text(w, in) : "wordcount";
    spec->output = "/out";
    spec->reduces = how & 64 ? (uint32_t)take_number(in) % 16 : 2;
    spec->attempts = how & 128 ? (uint32_t)take_number(in) : 3;
    spec->timeout_ms = (uint32_t)take_number(in);
    m->spec = spec;
    m->token = arena_bytes(&w->arena, token, 16);
    m->n_splits = take_byte(in) % (LIST_MAX + 1);
    m->splits = message(w, LIST_MAX * sizeof(Trawl__Split *));
    for (size_t i = 0; i < m->n_splits; i++) {
        NEW(w, split, Trawl__Split, trawl__split__init);
        split->path = text_bytes(w, "/in");
        split->from = take_number(in) % 100;
        split->to = split->from + take_number(in);
        split->worker = (char *)workers[take_byte(in) % 5];
        m->splits[i] = split;
    }
    return m;
}

static void take_asked(struct world *w, struct input *in, Trawl__Request *r) {
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_CONTROL:
        r->control = take_control(w, in);
        break;
    case TRAWL__REQUEST__BODY_JOB_RUN:
        r->job_run = take_job(w, in);
        break;
    case TRAWL__REQUEST__BODY_JOB_QUERY:
        r->job_query = message(w, sizeof *r->job_query);
        trawl__job_query__init(r->job_query);
        r->job_query->job = take_known(in, w->jobs, w->job_count);
        break;
    case TRAWL__REQUEST__BODY_JOB_CANCEL:
        r->job_cancel = message(w, sizeof *r->job_cancel);
        trawl__job_cancel__init(r->job_cancel);
        r->job_cancel->job = take_known(in, w->jobs, w->job_count);
        r->job_cancel->why = take_text(w, in);
        break;
    case TRAWL__REQUEST__BODY_WHY:
        r->why = message(w, sizeof *r->why);
        trawl__why__init(r->why);
        r->why->url = take_url(w, in);
        break;
    default:
        r->body_case = TRAWL__REQUEST__BODY_STATUS;
        r->status = message(w, sizeof *r->status);
        trawl__status__init(r->status);
        break;
    }
}

static void take_body(struct world *w, struct input *in, Trawl__Request *r,
                      const struct session_known *s) {
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_REGISTER:
        r->register_ = take_register(w, in);
        break;
    case TRAWL__REQUEST__BODY_ATTACH:
        r->attach = take_attach(w, in);
        break;
    case TRAWL__REQUEST__BODY_HEARTBEAT:
        r->heartbeat = take_heartbeat(w, in);
        break;
    case TRAWL__REQUEST__BODY_EXCHANGE:
        r->exchange = take_exchange(w, in, s);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_QUERY:
        r->segment_query = message(w, sizeof *r->segment_query);
        trawl__segment_query__init(r->segment_query);
        r->segment_query->name = take_segment(w, in);
        r->segment_query->from_offset = take_number(in);
        r->segment_query->instance = take_instance(w, in);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_SEAL:
        r->segment_seal = take_seal(w, in);
        break;
    case TRAWL__REQUEST__BODY_LEAVE:
        r->leave = message(w, sizeof *r->leave);
        trawl__leave__init(r->leave);
        break;
    default:
        take_asked(w, in, r);
        break;
    }
}

/* ---- what replies teach ----------------------------------------------------------------------------------- */

static void learn_number(uint64_t *known, size_t *count, uint64_t n) {
    if (*count < KNOWN_MAX)
        known[(*count)++] = n;
    else
        known[n % KNOWN_MAX] = n;
}

static void learn_item(struct world *w, const Trawl__Item *item) {
    size_t at = w->fp_count < KNOWN_MAX ? w->fp_count++ : item->fp % KNOWN_MAX;

    w->fps[at] = item->fp;
    w->seqs[at] = item->seq;
}

/* Grants of the honest ones teach the hostile ones, too: numbers can be guessed. */
static void learn_exchange(struct world *w, const Trawl__ExchangeReply *x) {
    for (size_t i = 0; i < x->n_grants; i++) {
        learn_number(w->attempts, &w->attempt_count, x->grants[i]->attempt);
        for (size_t j = 0; j < x->grants[i]->n_items; j++)
            learn_item(w, x->grants[i]->items[j]);
    }
    for (size_t i = 0; i < x->n_visits; i++)
        for (size_t j = 0; j < x->visits[i]->n_more; j++)
            learn_item(w, x->visits[i]->more[j]);
    for (size_t i = 0; i < x->n_tasks; i++)
        learn_number(w->attempts, &w->attempt_count, x->tasks[i]->attempt);
}

static void learn_session(struct world *w, uint64_t id) {
    size_t at = 0;

    while (at < w->session_count && w->sessions[at].id != id)
        at++;
    if (at < w->session_count)
        return;
    at = w->session_count < SESSIONS_MAX ? w->session_count++ : id % SESSIONS_MAX;
    w->sessions[at] = (struct session_known){.id = id};
}

static void learn(struct world *w, const Trawl__Reply *r, struct session_known *s) {
    w->term = r->term != 0 ? r->term : w->term;
    if (r->code != TRAWL__CODE__OK)
        return;
    switch (r->body_case) {
    case TRAWL__REPLY__BODY_REGISTER:
        learn_session(w, r->register_->session);
        memcpy(w->crawl, r->register_->options->crawl, sizeof w->crawl);
        break;
    case TRAWL__REPLY__BODY_ATTACH:
        s->number = 0;
        break;
    case TRAWL__REPLY__BODY_EXCHANGE:
        s->number = r->exchange->number;
        learn_exchange(w, r->exchange);
        break;
    case TRAWL__REPLY__BODY_JOB:
        for (size_t i = 0; i < r->job->n_jobs; i++)
            learn_number(w->jobs, &w->job_count, r->job->jobs[i]->job);
        break;
    default:
        break;
    }
}

/* ---- the core --------------------------------------------------------------------------------------------- */

static void load(struct world *w) {
    unsigned char random16[16] = {7};

    random16[1] = (unsigned char)w->steps;
    w->core = core_new(&w->options, w->store, w->now, random16, NULL);
    CORE_CHECK(w->core != NULL);
    core_check(w->core);
    core_check_store(w->core);
}

/* As the shell does it: the store is mended first. */
static void restart(struct world *w, uint64_t seed) {
    core_free(w->core);
    store_mem_fail_write(w->store, 0, 0);
    store_mem_fail_read(w->store, 0, 0);
    store_mem_fail_sync(w->store, 0, 0);
    store_mem_crash(w->store, seed);
    w->down = w->ailing = false;
    load(w);
}

/* The reply leaves when what was written before it is durable (C1). */
static const Trawl__Reply *ask(struct world *w, const Trawl__Request *r) {
    uint64_t synced;

    (void)core_request(w->core, w->now, r, "192.0.2.9:1", &w->reply);
    if (core_failed(w->core, NULL)) {
        w->down = true;
        return NULL;
    }
    core_check(w->core);
    if (!store_sync(w->store, &synced, NULL)) {
        w->down = true;
        return NULL;
    }
    arena_reset(&w->answer);
    const Trawl__Reply *reply = wire_reply_unpack(&w->answer, w->reply.data, w->reply.len);
    CORE_CHECK(reply != NULL && reply->version == WIRE_VERSION);
    return reply;
}

/* Of the honest ones. A core that fails is made anew at once, and asked again. */
static const Trawl__Reply *ask_for_honest(void *arg, Trawl__Request *r) {
    struct world *w = arg;
    const Trawl__Reply *reply = NULL;

    for (int i = 0; i < 3 && reply == NULL; i++) {
        if (w->down)
            restart(w, 0);
        reply = ask(w, r);
    }
    CORE_CHECK(reply != NULL);
    if (reply->code == TRAWL__CODE__OK && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        learn_exchange(w, reply->exchange);
    return reply;
}

static void pass(struct world *w, int64_t ms) {
    w->now.mono_ms += ms;
    w->now.unix_ms += ms;
    core_tick(w->core, w->now);
    w->down |= core_failed(w->core, NULL);
    if (!w->down)
        core_check(w->core);
}

/* ---- steps ------------------------------------------------------------------------------------------------ */

static void send(struct world *w, const Trawl__Request *r, struct session_known *s) {
    const Trawl__Reply *reply = ask(w, r);

    if (reply != NULL)
        learn(w, reply, s);
}

static void send_hostile(struct world *w, struct input *in, Trawl__Request__BodyCase what) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    struct session_known nobody = {0};
    uint8_t how = take_byte(in);
    struct session_known *s =
        w->session_count == 0 ? &nobody : &w->sessions[how / 4 % w->session_count];

    r.version = WIRE_VERSION;
    r.session = s->id;
    r.term = (how & 3) == 3 ? take_number(in) : w->term;
    r.body_case = what;
    take_body(w, in, &r, s);
    buf_reset(&w->packed);
    CORE_CHECK(wire_pack(&w->packed, &r.base));
    const Trawl__Request *again = wire_request_unpack(&w->arena, w->packed.data, w->packed.len);
    CORE_CHECK(again != NULL);
    buf_reset(&w->last);
    buf_append(&w->last, w->packed.data, w->packed.len);
    send(w, again, s);
}

/* Late, and a second time. */
static void send_again(struct world *w) {
    struct session_known nobody = {0};
    const Trawl__Request *r = wire_request_unpack(&w->arena, w->last.data, w->last.len);

    if (w->last.len > 0 && r != NULL)
        send(w, r, &nobody);
}

static void honest_turn(struct world *w, bool tasks) {
    honest_step(tasks ? &w->tasker : &w->good, w->now.mono_ms);
    if (!tasks && w->steps % 16 == 15)
        honest_check_segment(&w->good);
}

static void fail_store(struct world *w, struct input *in) {
    uint8_t how = take_byte(in);

    w->ailing = true;
    if (how % 3 == 0)
        store_mem_fail_write(w->store, 1 + how / 3 % 4, ENOSPC);
    else if (how % 3 == 1)
        store_mem_fail_sync(w->store, 1, EIO);
    else
        store_mem_fail_read(w->store, 1 + how / 3 % 4, EIO);
}

static void step(struct world *w, struct input *in) {
    static const Trawl__Request__BodyCase kinds[] = {
        TRAWL__REQUEST__BODY_REGISTER,     TRAWL__REQUEST__BODY_REGISTER,
        TRAWL__REQUEST__BODY_EXCHANGE,     TRAWL__REQUEST__BODY_EXCHANGE,
        TRAWL__REQUEST__BODY_EXCHANGE,     TRAWL__REQUEST__BODY_EXCHANGE,
        TRAWL__REQUEST__BODY_HEARTBEAT,    TRAWL__REQUEST__BODY_ATTACH,
        TRAWL__REQUEST__BODY_ATTACH,       TRAWL__REQUEST__BODY_SEGMENT_QUERY,
        TRAWL__REQUEST__BODY_SEGMENT_SEAL, TRAWL__REQUEST__BODY_LEAVE,
        TRAWL__REQUEST__BODY_CONTROL,      TRAWL__REQUEST__BODY_JOB_RUN,
        TRAWL__REQUEST__BODY_JOB_CANCEL,   TRAWL__REQUEST__BODY_JOB_QUERY,
        TRAWL__REQUEST__BODY_WHY,          TRAWL__REQUEST__BODY_STATUS,
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    uint8_t op = take_byte(in);

    arena_reset(&w->arena);
    w->steps++;
    if (w->down)
        restart(w, op);
    if (op % 32 < KINDS)
        send_hostile(w, in, kinds[op % 32]);
    else if (op % 32 < 22)
        honest_turn(w, false);
    else if (op % 32 < 24)
        honest_turn(w, true);
    else if (op % 32 < 28)
        pass(w, (int64_t)(take_number(in) % 256) * 40);
    else if (op % 32 == 28)
        restart(w, take_byte(in));
    else if (op % 32 == 29)
        fail_store(w, in);
    else
        send_again(w);
    if (!w->down && !w->ailing && w->steps % STORE_CHECK_EVERY == 0)
        core_check_store(w->core);
}

/* ---- the end ---------------------------------------------------------------------------------------------- */

static bool all_over(const struct world *w) {
    struct core_stats s;

    core_stats(w->core, &s);
    return s.pending == 0 && w->core->jobs.running == 0;
}

/* What is left, and where each origin stands. */
static void tell_left(const struct world *w) {
    struct buf json;

    buf_init(&json, LIMIT_WIRE_BYTES);
    if (core_status_json(w->core, w->now, &json))
        fprintf(stderr, "%s\n", json.data);
    for (size_t i = 0; i < w->core->hosts.count; i++) {
        const struct origin *o = w->core->hosts.by_id[i];
        fprintf(stderr, "%s: queued %u, leased %u, leases %u, place %d, robots %d, parked %d\n",
                o->name, o->queued, o->leased, o->leases, (int)o->place, (int)o->robots_state,
                (int)o->parked);
    }
    buf_release(&json);
}

/* The hostile ones are silent: the honest ones must get all done that can be done. */
static void finish(struct world *w) {
    Trawl__Control resume = TRAWL__CONTROL__INIT;
    Trawl__Request r = TRAWL__REQUEST__INIT;

    restart(w, 1);
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_CONTROL;
    r.control = &resume;
    resume.verb = TRAWL__VERB__RESUME;
    (void)ask_for_honest(w, &r);
    for (int i = 0; i < END_STEPS && !w->stopped && !all_over(w); i++) {
        /* Whatever rests, rests for at most an hour. */
        int64_t pause = i % 8 == 7 ? 3000 : 500;
        honest_step(&w->good, w->now.mono_ms);
        honest_step(&w->tasker, w->now.mono_ms);
        pass(w, pause);
        if (i % 64 == 63 && w->core->hosts.cooling.count > 0)
            pass(w, 3000);
    }
    if (!w->stopped && !all_over(w))
        tell_left(w);
    CORE_CHECK(w->stopped || all_over(w));
    honest_check_segment(&w->good);
    core_check_store(w->core);
}

static void begin(struct world *w, struct input *in) {
    static const char seed[] = "http://a.example/", other[] = "http://b.example/x";
    uint8_t how = take_byte(in);

    *w = (struct world){.now = {.mono_ms = 1000000, .unix_ms = 1700000000000}, .crawl = "0"};
    CORE_CHECK(options_init(&w->options));
    w->options.delay_ms = how & 1 ? 1000 : 0;
    w->options.host_connections = how & 2 ? 4 : 1;
    w->options.ip_connections = how & 4 ? 4 : 1;
    w->options.retries = 2;
    w->options.robots_ignore = (how & 8) != 0;
    w->options.scope = how & 16 ? SCOPE_ANY : SCOPE_HOST;
    w->options.keep = true;
    w->options.lease_ms = 10000;
    w->store = store_mem_new();
    CORE_CHECK(w->store != NULL);
    arena_init(&w->arena, LIMIT_ARENA_BYTES);
    arena_init(&w->answer, LIMIT_ARENA_BYTES);
    buf_init(&w->packed, LIMIT_WIRE_BYTES);
    buf_init(&w->reply, LIMIT_WIRE_BYTES);
    buf_init(&w->last, LIMIT_WIRE_BYTES);
    load(w);
    CORE_CHECK(core_seed(w->core, w->now, seed, sizeof seed - 1, NULL));
    CORE_CHECK(core_seed(w->core, w->now, other, sizeof other - 1, NULL));
    honest_init(&w->good, "good", 0, w->options.lease_ms, ask_for_honest, w);
    honest_init(&w->tasker, "goodt", 1, w->options.lease_ms, ask_for_honest, w);
    honest_step(&w->good, w->now.mono_ms);
    honest_step(&w->tasker, w->now.mono_ms);
    memcpy(w->crawl, w->good.crawl, sizeof w->crawl);
    w->term = w->good.term;
}

static void end(struct world *w) {
    core_free(w->core);
    store_close(w->store);
    arena_release(&w->arena);
    arena_release(&w->answer);
    buf_release(&w->packed);
    buf_release(&w->reply);
    buf_release(&w->last);
    options_release(&w->options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world w;
    struct input in = {data, data + size};

    begin(&w, &in);
    for (int i = 0; i < STEPS_MAX && in.p < in.end; i++)
        step(&w, &in);
    finish(&w);
    end(&w);
    return 0;
}

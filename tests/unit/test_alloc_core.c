/*
 * Memory runs out at the N-th allocation of a whole crawl, for every N: the real core and the real agent crawl a
 * small web, and whichever of them is refused memory says so, is thrown away and made anew, from the crawldb or as a
 * worker that was started again. What comes out is what comes out otherwise; nothing leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "shared/limits.h"
#include "tests/unit/alloc.h"
#include "worker/agent_state.h"

#ifndef ALLOC_OWN

/* ---- the web ------------------------------------------------------------------------------------------------- */

struct resource {
    const char *url;
    uint32_t status; /* 0: the connection breaks the first time */
    const char *redirect;
    const char *links[8];
    const char *body; /* of robots.txt */
    bool sitemaps;
};

static const struct resource web[] = {
    {.url = "http://a.example/robots.txt",
     .status = 200,
     .body = "User-agent: *\nDisallow: /no\nSitemap: http://a.example/sitemap.xml\n"},
    {.url = "http://a.example/",
     .status = 200,
     .links = {"http://a.example/page?b=1&a=2&utm_source=x", "http://a.example/no",
               "http://a.example/moved", "http://a.example/missing", "http://a.example/flaky",
               "http://b.example/", "http://outside.example/", "http://a.example/skip/1"}},
    {.url = "http://a.example/page?b=1&a=2", .status = 200, .links = {"http://a.example/deep"}},
    {.url = "http://a.example/deep", .status = 200, .links = {"http://a.example/"}},
    {.url = "http://a.example/moved", .status = 301, .redirect = "http://www.a.example/new"},
    {.url = "http://a.example/missing", .status = 404},
    {.url = "http://a.example/flaky", .status = 0},
    {.url = "http://a.example/sitemap.xml",
     .status = 200,
     .links = {"http://a.example/sitemap-1.xml"},
     .sitemaps = true},
    {.url = "http://a.example/sitemap-1.xml",
     .status = 200,
     .links = {"http://a.example/mapped", "http://a.example/"}},
    {.url = "http://a.example/mapped", .status = 200},
    {.url = "http://www.a.example/robots.txt", .status = 404},
    {.url = "http://www.a.example/new", .status = 200},
    {.url = "http://b.example/robots.txt", .status = 302, .redirect = "http://c.example/rules"},
    {.url = "http://b.example/", .status = 200, .links = {"http://b.example/no"}},
    {.url = "http://c.example/robots.txt", .status = 200, .body = "User-agent: *\nDisallow:\n"},
    {.url = "http://c.example/rules", .status = 200, .body = "User-agent: *\nDisallow: /no\n"},
};

static const struct resource *look_up(const char *url, size_t len) {
    for (size_t i = 0; i < sizeof web / sizeof web[0]; i++)
        if (strlen(web[i].url) == len && memcmp(web[i].url, url, len) == 0)
            return &web[i];
    fail_msg("asked for %.*s", (int)len, url);
    return NULL;
}

/* ---- master and worker --------------------------------------------------------------------------------------- */

enum { RECORDS_MAX = 256, SEGMENTS_MAX = 64, ROUNDS_MAX = 20000, QUEUE_MAX = 64 };

struct record {
    size_t segment;
    uint64_t offset, length;
    bool kept;
};

/* What an effect left to be done once the agent has said all. */
struct chore {
    enum agent_effect_kind kind;
    enum agent_line line;
    struct visit *visit;
    uint64_t mark;
};

struct rig {
    struct options options;
    struct store *store;
    struct core *core;
    struct agent *agent;
    struct now now;
    uint64_t incarnation;
    bool left, broke, core_lost, agent_lost;
    char crawl[24];

    char segments[SEGMENTS_MAX][96];
    bool closed[SEGMENTS_MAX], sealed[SEGMENTS_MAX], awaited[SEGMENTS_MAX];
    size_t segment_count, open_segment;
    uint64_t offset; /* in the open segment */
    struct record records[RECORDS_MAX];
    size_t record_count;

    struct chore jobs[QUEUE_MAX];
    size_t job_count;
    const struct buf *asked[AGENT_LINES];
    unsigned fetches;
    unsigned cores, agents; /* made */
};

static struct rig rig;

/* Whatever fails here is one that memory was refused to. */
static void make_core(void) {
    static const unsigned char random16[16] = {3};
    static const char seed[] = "http://a.example/";
    struct error err = {0};

    while (rig.core == NULL) {
        rig.cores++;
        assert_true(rig.cores < 10);
        rig.core = core_new(&rig.options, rig.store, rig.now, random16, &err);
        if (rig.core != NULL && core_seed(rig.core, rig.now, seed, sizeof seed - 1, &err))
            return;
        assert_true(rig.core == NULL || core_failed(rig.core, NULL));
        assert_string_not_equal(err.text, "");
        core_free(rig.core);
        rig.core = NULL;
        (void)store_reopen(rig.store, NULL);
    }
}

static void renew_core(void) {
    core_free(rig.core);
    rig.core = NULL;
    while (!store_reopen(rig.store, NULL))
        assert_int_equal(alloc_left, 0);
    make_core();
}

static void make_agent(void) {
    struct agent_config config = {.worker = "w",
                                  .instance = {9},
                                  .place = 1,
                                  .loops = 1,
                                  .transfers_max = 8,
                                  .exchange_link_bytes = 64};

    config.incarnation = config.process = ++rig.incarnation;
    rig.job_count = 0;
    rig.asked[AGENT_CALL] = rig.asked[AGENT_BEAT] = NULL;
    rig.left = false;
    do {
        rig.agents++;
        assert_true(rig.agents < 10);
        rig.agent = agent_new(&config);
    } while (rig.agent == NULL);
}

/* A worker that dies leaves its segments open; the next one seals them. */
static void renew_agent(void) {
    agent_free(rig.agent);
    for (size_t i = 0; i < rig.segment_count; i++)
        rig.closed[i] = rig.awaited[i] = true;
    rig.open_segment = SIZE_MAX;
    make_agent();
}

/* What was kept for the next message would hide that memory is needed for one. */
static void make_cold(void) {
    arena_release(&rig.core->arena);
    arena_release(&rig.core->record);
    buf_release(&rig.core->value);
    batch_release(&rig.core->batch);
    arena_release(&rig.agent->message);
    arena_release(&rig.agent->inbound);
}

/* One request to the master. False: no answer. */
static bool ask(const Trawl__Request *request, struct buf *reply) {
    make_cold();
    enum core_when when = core_request(rig.core, rig.now, request, "test", reply);
    uint64_t synced;

    if (!core_failed(rig.core, NULL) &&
        (when == CORE_AT_ONCE || store_sync(rig.store, &synced, NULL)))
        return reply->len > 0 && !reply->failed;
    /* What is said of a void core is that it is busy, if that. */
    renew_core();
    return false;
}

static void deliver(enum agent_line line) {
    struct arena arena;
    struct buf reply;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    const Trawl__Request *r =
        wire_request_unpack(&arena, rig.asked[line]->data, rig.asked[line]->len);
    bool answered = r != NULL && ask(r, &reply);
    if (answered)
        agent_reply(rig.agent, rig.now.mono_ms, line, reply.data, reply.len);
    else
        agent_no_reply(rig.agent, rig.now.mono_ms, line);
    buf_release(&reply);
    arena_release(&arena);
}

/* ---- fetching ------------------------------------------------------------------------------------------------- */

static void write_record(struct agent_outcome *o) {
    if (rig.open_segment == SIZE_MAX) {
        assert_true(rig.segment_count < SEGMENTS_MAX);
        rig.open_segment = rig.segment_count++;
        rig.offset = 0;
        snprintf(rig.segments[rig.open_segment], 96, "w-%s-%llu-%zu", rig.crawl,
                 (unsigned long long)agent_session(rig.agent), rig.open_segment);
    }
    assert_true(rig.record_count < RECORDS_MAX);
    rig.records[rig.record_count++] =
        (struct record){.segment = rig.open_segment, .offset = rig.offset, .length = 100};
    o->segment = rig.segments[rig.open_segment];
    o->offset = rig.offset;
    o->record_length = 100;
    rig.offset += 100;
}

static void answer(const struct resource *r, struct agent_outcome *o) {
    o->status = r->status;
    if (r->status == 0 && !rig.broke) {
        rig.broke = true;
        o->failure = AGENT_NETWORK;
        o->reason = "connection-reset";
    } else if (r->status == 0) {
        o->status = 200;
    }
}

static void fetch(const struct agent_fetch *f) {
    const struct resource *r = look_up(f->url, f->url_len);
    struct agent_outcome o = {.started_ms = rig.now.mono_ms, .fetched_at_unix_ms = 5};
    struct url_slice links[8];
    uint64_t id = f->fetch;

    rig.fetches++;
    (void)agent_sent(rig.agent, rig.now.mono_ms, id);
    agent_answered(rig.agent, rig.now.mono_ms, id);
    answer(r, &o);
    if (r->redirect != NULL) {
        o.redirect = true;
        o.redirect_to = r->redirect;
        o.redirect_to_len = strlen(r->redirect);
    }
    if (f->robots) {
        const char *body = r->body == NULL ? "" : r->body;
        agent_fetched_robots(rig.agent, rig.now.mono_ms, id, &o, body, strlen(body));
        return;
    }
    while (o.link_count < 8 && r->links[o.link_count] != NULL) {
        const char *link = r->links[o.link_count];
        links[o.link_count++] = (struct url_slice){link, strlen(link)};
    }
    o.links = links;
    o.sitemaps = r->sitemaps;
    if (agent_disposition(rig.agent, id, o.status, o.failure) == AGENT_ARCHIVE)
        write_record(&o);
    agent_fetched(rig.agent, rig.now.mono_ms, id, &o);
}

static void close_segment(void) {
    if (rig.open_segment == SIZE_MAX)
        return;
    rig.closed[rig.open_segment] = true;
    agent_segment_closed(rig.agent, rig.segments[rig.open_segment]);
    rig.open_segment = SIZE_MAX;
}

static void seal(size_t i) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    uint8_t instance[16] = {9};
    struct arena arena;
    struct buf reply;

    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_SEGMENT_QUERY;
    r.segment_query = &q;
    q.name = rig.segments[i];
    q.instance = (ProtobufCBinaryData){.len = 16, .data = instance};
    q.place = 1;
    buf_init(&reply, LIMIT_WIRE_BYTES);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    if (!ask(&r, &reply))
        goto out;
    const Trawl__Reply *m = wire_reply_unpack(&arena, reply.data, reply.len);
    if (m == NULL)
        goto out;
    assert_int_equal(m->code, TRAWL__CODE__OK);
    assert_non_null(m->segment);
    for (size_t k = 0; k < rig.record_count; k++)
        for (size_t n = 0; n < m->segment->n_offsets; n++)
            if (rig.records[k].segment == i && rig.records[k].offset == m->segment->offsets[n] &&
                rig.records[k].length == m->segment->lengths[n])
                rig.records[k].kept = true;
    rig.sealed[i] = true;
    agent_sealed(rig.agent, rig.now.mono_ms, rig.segments[i]);
out:
    arena_release(&arena);
    buf_release(&reply);
}

/* ---- the worker's shell ---------------------------------------------------------------------------------------- */

static void await_seal(const char *name) {
    for (size_t i = 0; i < rig.segment_count; i++)
        if (strcmp(rig.segments[i], name) == 0)
            rig.awaited[i] = true;
}

static void take_effect(const struct agent_effect *e) {
    switch (e->kind) {
    case AGENT_SEND:
        rig.asked[e->line] = e->request;
        /* fallthrough */
    case AGENT_RESOLVE:
    case AGENT_CLOSE:
    case AGENT_SYNC:
        assert_true(rig.job_count < QUEUE_MAX);
        rig.jobs[rig.job_count++] =
            (struct chore){.kind = e->kind, .line = e->line, .visit = e->visit, .mark = e->mark};
        break;
    case AGENT_ROTATE:
        close_segment();
        break;
    case AGENT_SEAL:
        await_seal(e->segment);
        break;
    case AGENT_LEFT:
        rig.left = true;
        break;
    case AGENT_OPTIONS:
        snprintf(rig.crawl, sizeof rig.crawl, "%s", e->options->crawl);
        break;
    case AGENT_WAITS:
    case AGENT_REFUSED:
        fail_msg("%s", e->text);
        break;
    case AGENT_ABORT:
    case AGENT_FORGET:
        for (size_t i = 0; i < rig.job_count; i++)
            if (rig.jobs[i].visit == e->visit)
                rig.jobs[i--] = rig.jobs[--rig.job_count];
        break;
    default:
        break;
    }
}

static void do_job(const struct chore *j) {
    static const unsigned char address[4] = {192, 0, 2, 1};

    switch (j->kind) {
    case AGENT_SEND:
        deliver(j->line);
        break;
    case AGENT_RESOLVE:
        agent_resolved(rig.agent, rig.now.mono_ms, j->visit, address, sizeof address, false, "");
        break;
    case AGENT_CLOSE:
        agent_closed(rig.agent, rig.now.mono_ms, j->visit);
        break;
    default:
        agent_synced(rig.agent, rig.now.mono_ms, j->mark);
        break;
    }
}

/* What the agent says, then what that leads to. False: it is void. */
static bool work(void) {
    struct agent_effect e;
    struct agent_fetch f;

    while (!rig.left && agent_poll(rig.agent, rig.now.mono_ms, &e)) {
        if (e.kind == AGENT_FAILED)
            return false;
        take_effect(&e);
    }
    while (!rig.left && agent_next_fetch(rig.agent, rig.now.mono_ms, &f))
        fetch(&f);
    if (rig.job_count > 0) {
        struct chore j = rig.jobs[0];
        rig.jobs[0] = rig.jobs[--rig.job_count];
        do_job(&j);
    }
    for (size_t i = 0; i < rig.segment_count; i++)
        if (rig.closed[i] && rig.awaited[i] && !rig.sealed[i])
            seal(i);
    return true;
}

/* Once each is lost without any want of memory: for attachments, lost leases and segments left open. */
static void fate(void) {
    if (!rig.core_lost && rig.fetches >= 5) {
        rig.core_lost = true;
        renew_core();
    }
    if (!rig.agent_lost && rig.fetches >= 9) {
        rig.agent_lost = true;
        renew_agent();
    }
}

static void crawl(void) {
    make_core();
    make_agent();
    for (int round = 0; core_state(rig.core) != CORE_ENDED; round++) {
        assert_true(round < ROUNDS_MAX);
        if (!work())
            renew_agent();
        fate();
        rig.now.mono_ms += 5;
        rig.now.unix_ms += 5;
        core_tick(rig.core, rig.now);
        if (core_failed(rig.core, NULL))
            renew_core();
    }
}

/* ---- what comes out --------------------------------------------------------------------------------------------- */

/* How each URL ended, in the order of the crawldb; and the records of it. */
static void describe(struct buf *out) {
    struct record_key prefix = record_group('u');
    struct store_iter *i =
        store_iter_open(rig.store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    struct arena arena;
    size_t kept = 0, committed = 0;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, value, n);
        assert_non_null(d);
        buf_printf(out, "%.*s state %d reason '%s' status %u depth %u hops %u record %d to %.*s\n",
                   (int)d->path.len, (const char *)d->path.data, (int)d->state, d->reason,
                   d->status, d->depth, d->hops, d->segment != 0, (int)d->redirect_to.len,
                   (const char *)d->redirect_to.data);
        committed += d->segment != 0;
    }
    assert_true(store_iter_close(i));
    arena_release(&arena);
    for (size_t k = 0; k < rig.record_count; k++)
        kept += rig.records[k].kept;
    assert_int_equal(kept, committed);
    for (size_t k = 0; k < rig.segment_count; k++)
        assert_true(rig.sealed[k]);
}

/* The whole crawl, with the `n`-th allocation refused. True: there were fewer. */
static bool crawl_without(unsigned long n, struct buf *out) {
    rig = (struct rig){.now = {.mono_ms = 100000, .unix_ms = 1700000000000},
                       .open_segment = SIZE_MAX};
    assert_true(options_init(&rig.options));
    rig.options.scope = SCOPE_ANY;
    rig.options.delay_ms = 0;
    rig.options.host_connections = 2;
    rig.options.ip_connections = 4;
    rig.options.strip_tracking = true;
    assert_true(string_list_add(&rig.options.exclude, "outside|/skip/"));
    rig.store = store_mem_new();
    assert_non_null(rig.store);
    alloc_fail_at(n);
    crawl();
    bool all = alloc_stop();
    describe(out);
    core_free(rig.core);
    agent_free(rig.agent);
    store_close(rig.store);
    options_release(&rig.options);
    return all;
}

/* For the eye: from where on it is another. */
static const char *first_difference(const char *got, const char *expected) {
    const char *line = got;

    for (; *got != '\0' && *got == *expected; got++, expected++)
        if (*got == '\n')
            line = got + 1;
    return line;
}

static void test_every_allocation_fails(void **state) {
    struct buf expected, got;
    unsigned long n = 1;

    (void)state;
    buf_init(&expected, 1 << 16);
    buf_init(&got, 1 << 16);
    assert_true(buf_reserve(&got, (1 << 16) - 1));
    (void)crawl_without(0, &expected);
    assert_non_null(strstr(expected.data, "/deep state 1"));
    assert_non_null(strstr(expected.data, "/no state 3 reason 'robots"));
    assert_int_equal(rig.cores + rig.agents, 4);
    for (bool all = false; !all; n++) {
        long live = alloc_live;
        buf_reset(&got);
        all = crawl_without(n, &got);
        if (strcmp(got.data, expected.data) != 0 || alloc_live != live)
            print_message("allocation %lu: %ld left; %s", n, alloc_live - live,
                          first_difference(got.data, expected.data));
        assert_string_equal(got.data, expected.data);
        assert_int_equal(alloc_live, live);
    }
    assert_int_equal(rig.cores + rig.agents, 4);
    assert_true(n > 300);
    buf_release(&expected);
    buf_release(&got);
}
#else
static void test_every_allocation_fails(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

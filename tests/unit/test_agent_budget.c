/* agent: what it has to say goes in pieces that can be sent, and no size that a site or the master decides is a lack of
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/outcome.h"
#include "tests/unit/agent_rig.h"

/* Acknowledges the exchange, and grants `count` visits: of URL `path`, with robots.txt known or not. */
static void acknowledge(struct rig *r, const Trawl__Exchange *x, size_t count, bool robots_known,
                        const char *path, size_t items) {
    static Trawl__VisitReply replies[LIMIT_LOOP_VISITS], *visits[LIMIT_LOOP_VISITS];
    static Trawl__Grant grants[200], *list[200];
    static Trawl__Item item[4096], *item_list[4096];
    static uint64_t attempts = 1000, fps = 1;
    static uint8_t origin[] = "http://a.example";
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__ExchangeReply body = TRAWL__EXCHANGE_REPLY__INIT;

    for (size_t i = 0; i < x->n_visits; i++) {
        trawl__visit_reply__init(&replies[i]);
        replies[i].attempt = x->visits[i]->attempt;
        visits[i] = &replies[i];
    }
    for (size_t i = 0; i < items; i++) {
        trawl__item__init(&item[i]);
        item[i].fp = fps++;
        item[i].path = (ProtobufCBinaryData){strlen(path), (uint8_t *)(uintptr_t)path};
        item_list[i] = &item[i];
    }
    for (size_t i = 0; i < count; i++) {
        trawl__grant__init(&grants[i]);
        grants[i].attempt = attempts++;
        grants[i].origin = (ProtobufCBinaryData){.len = sizeof origin - 1, .data = origin};
        grants[i].connections = 1;
        grants[i].fetch_robots = !robots_known;
        grants[i].address = (ProtobufCBinaryData){.len = sizeof address, .data = address};
        grants[i].items = item_list;
        grants[i].n_items = items;
        list[i] = &grants[i];
    }
    body.number = x->number;
    body.visits = visits;
    body.n_visits = x->n_visits;
    body.grants = list;
    body.n_grants = count;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_EXCHANGE;
    reply.exchange = &body;
    answer(r, AGENT_CALL, &reply);
}

static void begin_many(struct rig *r, uint32_t transfers) {
    const struct agent_config config = {
        .worker = "w", .incarnation = 1, .loops = 1, .transfers_max = transfers};

    begin(r);
    agent_free(r->agent);
    r->agent = agent_new(&config);
    assert_non_null(r->agent);
    let_register(r);
}

/* The next exchange, which can be sent; all visits have their addresses. It is answered by the caller. */
static const Trawl__Exchange *next_exchange(struct rig *r, size_t *bytes) {
    struct agent_effect e;

    for (int polls = 0; polls < 1000; polls++) {
        while (agent_poll(r->agent, r->now_ms, &e)) {
            assert_int_not_equal(e.kind, AGENT_FAILED);
            if (e.kind == AGENT_RESOLVE)
                agent_resolved(r->agent, r->now_ms, e.visit, address, sizeof address, false, NULL);
            if (e.kind == AGENT_CLOSE)
                agent_closed(r->agent, r->now_ms, e.visit);
            if (e.kind == AGENT_SEND && e.line == AGENT_CALL) {
                assert_true(e.request->len <= LIMIT_RPC_BYTES);
                *bytes += e.request->len;
                arena_reset(&r->arena);
                const Trawl__Request *q =
                    wire_request_unpack(&r->arena, e.request->data, e.request->len);
                assert_non_null(q);
                assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
                return q->exchange;
            }
        }
        r->now_ms += 10;
    }
    fail_msg("nothing is asked");
    return NULL;
}

static void robots_body(char *body, size_t size, int number) {
    size_t n = (size_t)snprintf(body, size, "User-agent: *\n");

    while (n + 100 < size)
        n += (size_t)snprintf(body + n, size - n, "Disallow: /%d/%zu/%060d\n", number, n, 0);
}

/* A hundred origins whose robots.txt come at once, each of nearly 500 KB. */
static void test_many_robots(void **state) {
    enum { VISITS = 100, BODY_BYTES = 480 * 1024 };
    const struct agent_outcome o = {.status = 200};
    char *body = malloc(BODY_BYTES);
    uint64_t fetches[VISITS];
    size_t bytes = 0, told = 0, count = 0, exchanges = 0;
    struct agent_fetch f;
    struct rig r;

    (void)state;
    assert_non_null(body);
    begin_many(&r, VISITS + 1);
    acknowledge(&r, next_exchange(&r, &bytes), VISITS, false, "/", 1);
    const Trawl__Exchange *x = next_exchange(&r, &bytes);
    while (agent_next_fetch(r.agent, r.now_ms, &f)) {
        assert_true(f.robots && agent_sent(r.agent, r.now_ms, f.fetch));
        fetches[count++] = f.fetch;
    }
    assert_int_equal(count, VISITS);
    for (int i = 0; i < VISITS; i++) {
        robots_body(body, BODY_BYTES, i);
        agent_fetched_robots(r.agent, r.now_ms, fetches[i], &o, body, strlen(body));
    }
    while (told < VISITS) {
        acknowledge(&r, x, 0, false, "/", 0);
        x = next_exchange(&r, &bytes);
        for (size_t i = 0; i < x->n_visits; i++)
            told += x->visits[i]->robots != NULL;
        assert_true(++exchanges < 30);
    }
    assert_true(exchanges > 1 && bytes > (size_t)VISITS * (BODY_BYTES / 2));
    free(body);
    end(&r);
}

/* As many redirects to one URL of 8 KB as may wait while the master is away. */
static void test_long_redirects(void **state) {
    enum { REDIRECTS = 3500 };
    static char to[LIMIT_URL_BYTES + 1];
    const struct agent_outcome o = {
        .status = 302, .redirect = true, .redirect_to = to, .redirect_to_len = LIMIT_URL_BYTES};
    size_t bytes = 0, told = 0, count = 0, exchanges = 0;
    struct agent_fetch f;
    struct rig r;

    (void)state;
    memset(to, 'x', LIMIT_URL_BYTES);
    memcpy(to, "http://b.example/", 17);
    begin_many(&r, REDIRECTS);
    acknowledge(&r, next_exchange(&r, &bytes), 1, true, "/", 0);
    const Trawl__Exchange *x = next_exchange(&r, &bytes);
    acknowledge(&r, x, 150, true, "/", 30);
    x = next_exchange(&r, &bytes);
    for (int i = 0; i < REDIRECTS && agent_next_fetch(r.agent, r.now_ms, &f); i++) {
        assert_true(agent_sent(r.agent, r.now_ms, f.fetch));
        agent_fetched(r.agent, r.now_ms, f.fetch, &o);
        count++;
    }
    /* What waits is bounded in bytes, too. */
    assert_in_range(count, 1500, 2100);
    while (told < count) {
        acknowledge(&r, x, 0, true, "/", 0);
        x = next_exchange(&r, &bytes);
        for (size_t i = 0; i < x->n_visits; i++)
            told += x->visits[i]->n_outcomes;
        assert_true(++exchanges < 30);
    }
    end(&r);
}

/* A URL that cannot be asked for is no lack of memory. */
static void test_unfit_url(void **state) {
    static char path[LIMIT_URL_BYTES + 2];
    size_t bytes = 0;
    struct rig r;

    (void)state;
    memset(path, '/', LIMIT_URL_BYTES + 1);
    begin_many(&r, 4);
    acknowledge(&r, next_exchange(&r, &bytes), 1, true, path, 1);
    const Trawl__Exchange *x = next_exchange(&r, &bytes);
    while (x->n_visits == 0 || x->visits[0]->n_outcomes == 0) {
        acknowledge(&r, x, 0, true, "/", 0);
        x = next_exchange(&r, &bytes);
    }
    assert_int_equal(x->visits[0]->outcomes[0]->state, TRAWL__STATE__FAILED);
    assert_string_equal(x->visits[0]->outcomes[0]->reason, "url-not-supported");
    end(&r);
}

/* The property of the table of limits: whatever a server says, at, below and beyond each limit, what the agent makes of
 * it is what the master takes as it is. */
static void test_limits(void **state) {
    static char text[LIMIT_URL_BYTES * 2];
    static const size_t limits[] = {LIMIT_REASON_BYTES, LIMIT_MIME_BYTES, LIMIT_VALIDATOR_BYTES,
                                    LIMIT_URL_BYTES};
    size_t bytes = 0, seen = 0, made = 0;
    struct agent_fetch f;
    struct rig r;

    (void)state;
    begin_many(&r, 1000);
    acknowledge(&r, next_exchange(&r, &bytes), 1, true, "/", 400);
    const Trawl__Exchange *x = next_exchange(&r, &bytes);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        for (size_t len = limits[i] - 1; len <= limits[i] + 1; len++)
            for (uint32_t status = 200; status <= 500; status += 100) {
                memset(text, 'x', sizeof text);
                text[len] = '\0';
                struct url_slice slice = {text, len};
                const struct agent_outcome o = {.status = status,
                                                .redirect = status == 300,
                                                .redirect_to = text,
                                                .redirect_to_len = len,
                                                .mime = text,
                                                .remark = text,
                                                .canonical = slice,
                                                .etag = slice,
                                                .last_modified = slice,
                                                .excluded = len % 2 == 0 ? text : NULL};
                if (!agent_next_fetch(r.agent, r.now_ms, &f)) {
                    acknowledge(&r, x, 1, true, "/", 400);
                    x = next_exchange(&r, &bytes);
                    assert_true(agent_next_fetch(r.agent, r.now_ms, &f));
                }
                assert_true(agent_sent(r.agent, r.now_ms, f.fetch));
                agent_fetched(r.agent, r.now_ms, f.fetch, &o);
                made++;
                r.now_ms += 2000;
                for (bool told = false; !told;) {
                    acknowledge(&r, x, 0, true, "/", 0);
                    x = next_exchange(&r, &bytes);
                    for (size_t v = 0; v < x->n_visits; v++)
                        for (size_t k = 0; k < x->visits[v]->n_outcomes; k++) {
                            Trawl__Outcome *out = x->visits[v]->outcomes[k];
                            if (out->state == TRAWL__STATE__UNTRIED)
                                continue;
                            const Trawl__Outcome before = *out;
                            size_t reason = strlen(out->reason);
                            assert_null(outcome_wrong(out, 0));
                            outcome_fit(out);
                            assert_memory_equal(&before, out, sizeof before);
                            assert_int_equal(strlen(out->reason), reason);
                            assert_true(out->state != TRAWL__STATE__REDIRECTED ||
                                        out->redirect_to.len > 0);
                            told = true;
                            seen++;
                        }
                }
            }
    assert_int_equal(seen, made);
    end(&r);
}

/* After a restart of the master not more is named than it may look up at once; the rest is its own again. */
static void test_attach_limit(void **state) {
    size_t bytes = 0, named = 0;
    struct rig r;

    (void)state;
    begin_many(&r, 1000);
    for (int i = 0; i < 4; i++)
        acknowledge(&r, next_exchange(&r, &bytes), 10, true, "/", 400);
    (void)next_exchange(&r, &bytes);
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    reply.code = TRAWL__CODE__RESTARTED;
    reply.term = 2;
    answer(&r, AGENT_CALL, &reply);
    const Trawl__Request *q = asks(&r, AGENT_CALL);
    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_ATTACH);
    for (size_t i = 0; i < q->attach->n_visits; i++)
        named += q->attach->visits[i]->n_items;
    assert_int_equal(q->attach->n_visits, 40);
    assert_int_equal(named, LIMIT_ATTACH_ITEMS);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_robots),  cmocka_unit_test(test_long_redirects),
        cmocka_unit_test(test_unfit_url),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_attach_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

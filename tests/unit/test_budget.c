/* budget: messages whose size the web or a peer decides are built in pieces, and nothing that anybody says makes the core void. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/budget.h"
#include "tests/unit/peer.h"

static void test_take(void **state) {
    struct budget b;

    (void)state;
    budget_init(&b, 1000);
    assert_true(budget_take(&b, 600));
    assert_false(budget_take(&b, 401));
    assert_true(budget_take(&b, 400));
    assert_true(budget_spent(&b));
    assert_false(budget_take(&b, 1));
    /* The first has room, whatever it is; and what is promised to belong to another. */
    budget_init(&b, 10);
    assert_false(budget_spent(&b));
    assert_true(budget_take(&b, 1000));
    assert_false(budget_take(&b, 1));
    budget_promise(&b);
    assert_true(budget_take(&b, 1));
    assert_false(budget_take(&b, 1));
}

/* ---- grants ------------------------------------------------------------------------------------------------ */

static size_t grants_cost(const struct peer *p) {
    return p->bytes.len;
}

/* All `origins` are granted within so many exchanges, each of which can be sent. */
static void assert_all_granted(struct peer *p, size_t origins, size_t exchanges_max) {
    size_t granted = 0, exchanges = 0;

    while (granted < origins) {
        const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 256);
        assert_true(++exchanges <= exchanges_max);
        assert_true(grants_cost(p) <= LIMIT_RPC_BYTES);
        assert_true(x->n_grants > 0);
        for (size_t i = 0; i < x->n_grants; i++)
            assert_true(x->grants[i]->n_items > 0);
        granted += x->n_grants;
    }
    assert_true(exchanges > 1);
}

/* 80 sites with links of 1.5 KB each. */
static void test_long_urls(void **state) {
    static char url[1600];
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    m.options.max_url_length = 0;
    master_load(&m);
    for (int site = 0; site < 80; site++)
        for (int page = 0; page < 300; page++) {
            int n = snprintf(url, sizeof url, "http://s%d.example/%d?", site, page);
            memset(url + n, 'x', sizeof url - 1 - (size_t)n);
            assert_true(core_seed(m.core, m.now, url, sizeof url - 1, NULL));
        }
    peer_join(&p, &m, "w1", 1);
    assert_all_granted(&p, 80, 20);
    peer_release(&p);
    master_end(&m);
}

/* As many hosts of one operator, each with a robots.txt of nearly 500 KB. */
static void test_large_robots(void **state) {
    enum { HOSTS = 64 };
    static uint8_t rules[480 * 1024];
    struct master m;
    struct peer p;
    size_t reported = 0;

    (void)state;
    master_begin(&m);
    m.options.robots_ignore = false;
    master_load(&m);
    for (int i = 0; i < HOSTS; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://h%d.example/", i);
        master_seed(&m, url);
    }
    peer_join(&p, &m, "w1", 1);
    memset(rules, 'r', sizeof rules);
    while (reported < HOSTS) {
        const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
        Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
        Trawl__RobotsReport robots = TRAWL__ROBOTS_REPORT__INIT;
        assert_int_equal(x->n_grants, 1);
        assert_true(x->grants[0]->fetch_robots);
        memcpy(rules, &reported, sizeof reported);
        robots.rules = (ProtobufCBinaryData){sizeof rules, rules};
        robots.valid_ms = 3600 * 1000;
        report.attempt = x->grants[0]->attempt;
        report.robots = &robots;
        report.done = true;
        report.verdict = TRAWL__VERDICT__FAILING; /* its pages are answered with 503 */
        report.reason = "http-503";
        (void)peer_exchange(&p, &report, NULL, 0);
        reported++;
    }
    master_wait(&m, 3000);
    assert_false(core_failed(m.core, NULL));
    assert_all_granted(&p, HOSTS, 20);
    peer_release(&p);
    master_end(&m);
}

/* Visits that go on: the URLs that had no room come with the next answer, and until then nothing is given back. */
static void test_more_waits(void **state) {
    struct master m;
    struct peer p;
    size_t got, answers = 0;

    (void)state;
    master_begin(&m);
    m.options.message_bytes = 8000;
    master_load(&m);
    for (int i = 0; i < 40; i++) {
        char url[64];
        snprintf(url, sizeof url, "http://a.example/%d", i);
        master_seed(&m, url);
    }
    peer_join(&p, &m, "w1", 1);
    const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    report.attempt = x->grants[0]->attempt;
    report.want_urls = 100;
    got = x->grants[0]->n_items;
    assert_in_range(got, 5, 20);
    while (got < 40) {
        x = peer_exchange(&p, &report, NULL, 0);
        assert_true(x->visits[0]->n_more > 0);
        got += x->visits[0]->n_more;
        assert_int_equal(x->visits[0]->wait, got < 40);
        assert_true(p.bytes.len < 4000);
        assert_true(++answers < 20);
    }
    peer_release(&p);
    master_end(&m);
}

/* ---- what somebody says ------------------------------------------------------------------------------------ */

static void assert_refused(struct peer *p, Trawl__Request__BodyCase what, void *body,
                           Trawl__Code code) {
    assert_int_equal(peer_ask(p, what, body)->code, code);
    assert_false(core_failed(p->master->core, NULL));
}

static void test_too_many(void **state) {
    static uint64_t numbers[LIMIT_SEGMENT_HOLES + 1];
    static Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    static Trawl__VisitReport *reports[LIMIT_LOOP_VISITS + 1];
    static Trawl__AttachItem item = TRAWL__ATTACH_ITEM__INIT;
    static Trawl__AttachItem *items[LIMIT_ATTACH_ITEMS + 1];
    static ProtobufCBinaryData urls[LIMIT_CONTROL_URLS + 1];
    Trawl__Heartbeat h = TRAWL__HEARTBEAT__INIT;
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__AttachVisit visit = TRAWL__ATTACH_VISIT__INIT, *visits[] = {&visit};
    Trawl__Attach a = TRAWL__ATTACH__INIT;
    Trawl__Control c = TRAWL__CONTROL__INIT;
    Trawl__SegmentSeal seal = TRAWL__SEGMENT_SEAL__INIT;
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    master_load(&m);
    peer_join(&p, &m, "w1", 1);
    h.attempts = numbers;
    h.n_attempts = LIMIT_HELD_VISITS + 1;
    assert_refused(&p, TRAWL__REQUEST__BODY_HEARTBEAT, &h, TRAWL__CODE__BAD_REQUEST);
    for (size_t i = 0; i < LIMIT_LOOP_VISITS + 1; i++)
        reports[i] = &report;
    x.number = 1;
    x.visits = reports;
    x.n_visits = LIMIT_LOOP_VISITS + 1;
    assert_refused(&p, TRAWL__REQUEST__BODY_EXCHANGE, &x, TRAWL__CODE__BAD_REQUEST);
    x.n_visits--;
    assert_refused(&p, TRAWL__REQUEST__BODY_EXCHANGE, &x, TRAWL__CODE__OK);
    for (size_t i = 0; i < LIMIT_ATTACH_ITEMS + 1; i++)
        items[i] = &item;
    visit.items = items;
    visit.n_items = LIMIT_ATTACH_ITEMS + 1;
    a.visits = visits;
    a.n_visits = 1;
    assert_refused(&p, TRAWL__REQUEST__BODY_ATTACH, &a, TRAWL__CODE__BAD_REQUEST);
    c.verb = TRAWL__VERB__ADD;
    c.urls = urls;
    c.n_urls = LIMIT_CONTROL_URLS + 1;
    assert_refused(&p, TRAWL__REQUEST__BODY_CONTROL, &c, TRAWL__CODE__BAD_REQUEST);
    seal.name = "x";
    seal.hole_offsets = seal.hole_lengths = numbers;
    seal.n_hole_offsets = seal.n_hole_lengths = LIMIT_SEGMENT_HOLES + 1;
    assert_refused(&p, TRAWL__REQUEST__BODY_SEGMENT_SEAL, &seal, TRAWL__CODE__BAD_REQUEST);
    peer_release(&p);
    master_end(&m);
}

/* An answer that repeats what was asked is larger than a message may be. */
static void test_long_name(void **state) {
    Trawl__Control c = TRAWL__CONTROL__INIT;
    struct master m;
    struct peer p;
    char *name = malloc(LIMIT_WIRE_BYTES);

    (void)state;
    assert_non_null(name);
    memset(name, 'x', LIMIT_WIRE_BYTES);
    name[LIMIT_RPC_BYTES - 10] = '\0';
    master_begin(&m);
    master_load(&m);
    peer_join(&p, &m, "w1", 1);
    c.verb = TRAWL__VERB__DRAIN;
    c.worker = name;
    assert_refused(&p, TRAWL__REQUEST__BODY_CONTROL, &c, TRAWL__CODE__REFUSED);
    assert_true(p.bytes.len < 1000);
    peer_release(&p);
    master_end(&m);
    free(name);
}

/* ---- jobs -------------------------------------------------------------------------------------------------- */

static void run_job(struct peer *p, uint8_t number, char *output) {
    uint8_t token[16] = {number};
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__JobRun run = TRAWL__JOB_RUN__INIT;

    spec.name = "large";
    spec.function = "count";
    spec.reduces = 1;
    spec.output = output;
    run.token = (ProtobufCBinaryData){sizeof token, token};
    run.spec = &spec;
    assert_int_equal(peer_ask(p, TRAWL__REQUEST__BODY_JOB_RUN, &run)->code, TRAWL__CODE__OK);
}

/* More than one answer can tell: each job is told of once, in pages. */
static void test_job_list(void **state) {
    enum { JOBS = 60, OUTPUT_BYTES = 900 * 1024 };
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    char *output = malloc(OUTPUT_BYTES + 1);
    struct master m;
    struct peer p;
    size_t told = 0, pages = 0;
    bool more = true;

    (void)state;
    assert_non_null(output);
    memset(output, '/', OUTPUT_BYTES);
    output[OUTPUT_BYTES] = '\0';
    master_begin(&m);
    master_load(&m);
    peer_join(&p, &m, "w1", 1);
    for (uint8_t i = 0; i < JOBS; i++)
        run_job(&p, i, output);
    while (more) {
        const Trawl__Reply *reply = peer_ask(&p, TRAWL__REQUEST__BODY_JOB_QUERY, &q);
        assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_JOB);
        assert_true(p.bytes.len <= LIMIT_RPC_BYTES);
        for (size_t i = 0; i < reply->job->n_jobs; i++) {
            assert_true(reply->job->jobs[i]->job > q.after);
            q.after = reply->job->jobs[i]->job;
        }
        told += reply->job->n_jobs;
        more = reply->job->more;
        assert_true(++pages < 20);
    }
    assert_int_equal(told, JOBS);
    assert_false(core_failed(m.core, NULL));
    peer_release(&p);
    master_end(&m);
    free(output);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),         cmocka_unit_test(test_long_urls),
        cmocka_unit_test(test_large_robots), cmocka_unit_test(test_more_waits),
        cmocka_unit_test(test_too_many),     cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_job_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

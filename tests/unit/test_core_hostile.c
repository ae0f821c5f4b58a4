/* What a broken or hostile peer may send: the core must refuse it and go on. Most of these were found by tests/fuzz. */
#include "master/core.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "shared/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

static const unsigned char random16[16] = {7};
static const char seed[] = "http://a.example/";

struct world {
    struct options options;
    struct store *store;
    struct core *core;
    struct now now;
    struct arena arena;
    struct buf reply;
    uint64_t term, session, number;
};

static struct world w;

static void load(void) {
    struct error err = {0};

    w.core = core_new(&w.options, w.store, w.now, random16, &err);
    assert_non_null(w.core);
}

static const Trawl__Reply *ask(Trawl__Request__BodyCase what, void *body) {
    Trawl__Request r = TRAWL__REQUEST__INIT;

    r.version = WIRE_VERSION;
    r.term = w.term;
    r.session = w.session;
    r.body_case = what;
    r.control = body;
    (void)core_request(w.core, w.now, &r, "test", &w.reply);
    assert_false(core_failed(w.core, NULL));
    arena_reset(&w.arena);
    const Trawl__Reply *reply = wire_reply_unpack(&w.arena, w.reply.data, w.reply.len);
    assert_non_null(reply);
    w.term = reply->term;
    return reply;
}

static int setup(void **state) {
    uint8_t instance[16] = {1};
    Trawl__Register r = TRAWL__REGISTER__INIT;

    (void)state;
    memset(&w, 0, sizeof w);
    w.now = (struct now){.mono_ms = 1000, .unix_ms = 1000};
    assert_true(options_init(&w.options));
    w.options.delay_ms = 0;
    w.options.host_connections = 4;
    w.store = store_mem_new();
    arena_init(&w.arena, LIMIT_ARENA_BYTES);
    buf_init(&w.reply, LIMIT_WIRE_BYTES);
    load();
    assert_true(core_seed(w.core, w.now, seed, sizeof seed - 1, NULL));
    r.worker = "w";
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.process = r.loops = 1;
    const Trawl__Reply *reply = ask(TRAWL__REQUEST__BODY_REGISTER, &r);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_REGISTER);
    w.session = reply->register_->session;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    core_free(w.core);
    store_close(w.store);
    arena_release(&w.arena);
    buf_release(&w.reply);
    options_release(&w.options);
    return 0;
}

static const Trawl__ExchangeReply *exchange(Trawl__VisitReport *report, uint32_t want_visits) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__VisitReport *reports[] = {report};

    x.number = ++w.number;
    x.visits = reports;
    x.n_visits = report != NULL;
    x.want_visits = want_visits;
    const Trawl__Reply *reply = ask(TRAWL__REQUEST__BODY_EXCHANGE, &x);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_EXCHANGE);
    return reply->exchange;
}

/* An empty field of bytes is NULL. */
static void test_empty_url(void **state) {
    Trawl__Control v = TRAWL__CONTROL__INIT;
    ProtobufCBinaryData nothing = {0};

    (void)state;
    v.verb = TRAWL__VERB__ADD;
    v.n_urls = 1;
    v.urls = &nothing;
    assert_int_equal(ask(TRAWL__REQUEST__BODY_CONTROL, &v)->code, TRAWL__CODE__REFUSED);
}

/* Rules that are too long are no rules: the origin is asked again, but not for ever. */
static void test_long_robots(void **state) {
    static uint8_t rules[LIMIT_ROBOTS_ENCODED_BYTES + 1];
    struct core_stats stats = {0};
    int visits = 0;

    (void)state;
    while (stats.failed == 0) {
        Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
        Trawl__RobotsReport robots = TRAWL__ROBOTS_REPORT__INIT;
        const Trawl__ExchangeReply *x = exchange(NULL, 1);
        assert_int_equal(x->n_grants, 1);
        assert_true(x->grants[0]->fetch_robots);
        assert_true(++visits <= LIMIT_ROBOTS_FAILURES);
        report.attempt = x->grants[0]->attempt;
        report.robots = &robots;
        report.done = true;
        robots.rules = (ProtobufCBinaryData){.len = sizeof rules, .data = rules};
        robots.valid_ms = 3600 * 1000;
        assert_false(exchange(&report, 0)->visits[0]->lost);
        for (int i = 0; i < 400; i++) {
            Trawl__Heartbeat h = TRAWL__HEARTBEAT__INIT;
            w.now.mono_ms += 1000;
            (void)ask(TRAWL__REQUEST__BODY_HEARTBEAT, &h);
            core_tick(w.core, w.now);
        }
        core_stats(w.core, &stats);
    }
    assert_int_equal(stats.pending, 0);
}

static void give_back(Trawl__Outcome *o, Trawl__State state, uint32_t status) {
    o->state = state;
    o->status = status;
    o->reason = "";
}

/* a.example's robots.txt redirects to b.example for ever, where `verdict` or `status` ends each visit. */
static void robots_at_b(Trawl__Verdict verdict, uint32_t status) {
    static char target[] = "http://b.example/robots.txt";
    Trawl__RobotsReport robots = TRAWL__ROBOTS_REPORT__INIT;
    struct core_stats stats;
    unsigned visits_of_b = 0;

    robots.redirect_to = (ProtobufCBinaryData){.len = sizeof target - 1, .data = (uint8_t *)target};
    for (int i = 0; i < 100; i++) {
        Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
        Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
        const Trawl__ExchangeReply *x = exchange(NULL, 1);
        w.now.mono_ms += 1000;
        core_tick(w.core, w.now);
        if (x->n_grants == 0)
            continue;
        const Trawl__Grant *g = x->grants[0];
        assert_int_equal(g->fetch_robots, !g->items[0]->robots); /* robots.txt needs no rules */
        assert_int_equal(g->n_items, 1);
        outcome.fp = g->items[0]->fp;
        report.attempt = g->attempt;
        report.outcomes = outcomes;
        report.n_outcomes = 1;
        report.done = true;
        if (g->items[0]->robots) {
            visits_of_b++;
            report.verdict = verdict;
            report.reason = "for a reason";
            give_back(&outcome, verdict == 0 ? TRAWL__STATE__FAILED : TRAWL__STATE__UNTRIED,
                      status);
        } else {
            report.robots = &robots;
            give_back(&outcome, TRAWL__STATE__UNTRIED, 0);
        }
        (void)exchange(&report, 0);
    }
    core_stats(w.core, &stats);
    assert_true(visits_of_b > 0);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.pending, 0);
}

/* Rules that lie where they cannot be had are as good as unreachable: nothing is fetched without them, and the
 * origin is given up in the end. */
static void test_robots_at_forbidden(void **state) {
    (void)state;
    robots_at_b(TRAWL__VERDICT__FORBIDDEN, 0);
}

static void test_robots_at_unreachable(void **state) {
    (void)state;
    robots_at_b(TRAWL__VERDICT__UNREACHABLE, 0);
}

static void test_robots_at_broken(void **state) {
    (void)state;
    robots_at_b(TRAWL__VERDICT__REACHED, 503);
}

static const Trawl__AttachReply *attach(uint32_t first, uint32_t second) {
    Trawl__Attach a = TRAWL__ATTACH__INIT;
    Trawl__AttachVisit one = TRAWL__ATTACH_VISIT__INIT, two = TRAWL__ATTACH_VISIT__INIT;
    Trawl__AttachVisit *visits[] = {&one, &two};

    one.attempt = 1;
    two.attempt = 2;
    one.origin = two.origin = (ProtobufCBinaryData){.len = sizeof "http://a.example" - 1,
                                                    .data = (uint8_t *)"http://a.example"};
    one.connections = first;
    two.connections = second;
    a.visits = visits;
    a.n_visits = 2;
    const Trawl__Reply *reply = ask(TRAWL__REQUEST__BODY_ATTACH, &a);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_ATTACH);
    return reply->attach;
}

/* C3 holds also for what wraps around. */
static void test_attach_connections(void **state) {
    (void)state;
    (void)exchange(NULL, 1); /* attempt numbers are in use */
    core_free(w.core);
    load();
    w.term++;
    w.number = 0;
    const Trawl__AttachReply *a = attach(2, UINT32_MAX - 1);
    assert_int_equal(a->n_visits, 2);
    assert_false(a->visits[0]->lost);
    assert_true(a->visits[1]->lost);
}

/* A damaged crawldb is said to be one. */
static void test_origin_without_name(void **state) {
    struct record_key key = record_origin(9);
    struct error err = {0};
    struct batch b;
    uint64_t seq;

    (void)state;
    batch_init(&b);
    assert_true(batch_put(&b, key.bytes, key.len, "", 0));
    assert_true(store_write(w.store, &b, &seq, NULL));
    batch_release(&b);
    assert_null(core_new(&w.options, w.store, w.now, random16, &err));
    assert_string_equal(err.text, "a record of the crawldb cannot be read");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_url, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_robots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_robots_at_forbidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_robots_at_unreachable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_robots_at_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attach_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_origin_without_name, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

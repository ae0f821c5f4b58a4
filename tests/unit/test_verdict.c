/* A visit's verdict on its origin counts once, however often a restart of the master has it told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/peer.h"

static void tell_unreachable(struct peer *p, uint64_t attempt, uint64_t fp) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};

    outcome.fp = fp;
    outcome.state = TRAWL__STATE__UNTRIED;
    report.attempt = attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.verdict = TRAWL__VERDICT__UNREACHABLE;
    report.reason = "connection-reset";
    report.done = true;
    (void)peer_exchange(p, &report, NULL, 0);
}

/* As it does that told all that, and never had the answer. */
static void attach(struct peer *p, uint64_t term, uint64_t attempt, const Trawl__Item *item) {
    Trawl__Attach a = TRAWL__ATTACH__INIT;
    Trawl__AttachVisit visit = TRAWL__ATTACH_VISIT__INIT, *visits[] = {&visit};
    Trawl__AttachItem one = TRAWL__ATTACH_ITEM__INIT, *items[] = {&one};

    one.fp = item->fp;
    one.seq = item->seq;
    one.depth = item->depth;
    visit.attempt = attempt;
    visit.origin = (ProtobufCBinaryData){.len = 16, .data = (uint8_t[]){"http://a.example"}};
    visit.connections = 1;
    visit.items = items;
    visit.n_items = 1;
    a.visits = visits;
    a.n_visits = 1;
    p->term = term;
    const Trawl__Reply *reply = peer_ask(p, TRAWL__REQUEST__BODY_ATTACH, &a);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_false(reply->attach->visits[0]->lost);
    p->number = 0;
}

static void test_once(void **state) {
    Trawl__Item item = TRAWL__ITEM__INIT;
    uint64_t attempt, term;
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    m.options.robots_ignore =
        false; /* robots.txt is not known: parked after so many visits in vain */
    m.options.retries = 3;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    attempt = x->grants[0]->attempt;
    item.fp = x->grants[0]->items[0]->fp;
    item.seq = x->grants[0]->items[0]->seq;
    item.depth = x->grants[0]->items[0]->depth;
    for (int i = 0; i < 5; i++) {
        tell_unreachable(&p, attempt, item.fp);
        master_wait(&m, 5000); /* longer than the rest */
        master_restart(&m);
        term = peer_beat(&p, 0)->term;
        attach(&p, term, attempt, &item);
    }
    assert_int_equal(master_stats(&m).failed, 0);
    tell_unreachable(&p, attempt, item.fp);
    /* Two more visits in vain, and that was it. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(master_stats(&m).failed, 0);
        master_wait(&m, 20000);
        peer_die(&p);
        x = peer_exchange(&p, NULL, NULL, 1);
        assert_int_equal(x->n_grants, 1);
        tell_unreachable(&p, x->grants[0]->attempt, item.fp);
    }
    master_wait(&m, 1000);
    assert_int_equal(master_stats(&m).failed, 1);
    peer_release(&p);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

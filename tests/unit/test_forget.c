/* forget: what a lost disk had goes back into the queue in slices, over restarts too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/peer.h"

enum { PAGES = 47, SLICE = 5 };

/* All pages, committed in one segment of w1, which has ended. */
static void crawl(struct master *m, struct peer *p) {
    static Trawl__Outcome outcome[PAGES], *outcomes[PAGES];
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Leave leave = TRAWL__LEAVE__INIT;
    char url[64], segment[LIMIT_SEGMENT_NAME_BYTES];

    master_begin(m);
    m->options.slice_work = SLICE * 250;
    m->options.keep = true;
    master_load(m);
    for (int i = 0; i < PAGES; i++) {
        snprintf(url, sizeof url, "http://a.example/%d", i);
        master_seed(m, url);
    }
    peer_join(p, m, "w1", 1);
    const Trawl__Reply *reply = peer_register(p);
    snprintf(segment, sizeof segment, "w1-%s-%llu-0001", reply->register_->options->crawl,
             (unsigned long long)p->session);
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    assert_int_equal(x->grants[0]->n_items, PAGES);
    for (size_t i = 0; i < PAGES; i++) {
        trawl__outcome__init(&outcome[i]);
        outcome[i].fp = x->grants[0]->items[i]->fp;
        outcome[i].state = TRAWL__STATE__FETCHED;
        outcome[i].status = 200;
        outcome[i].segment = 1;
        outcome[i].offset = 100 + 10 * i;
        outcome[i].record_length = 10;
        outcomes[i] = &outcome[i];
    }
    report.attempt = x->grants[0]->attempt;
    report.outcomes = outcomes;
    report.n_outcomes = PAGES;
    report.done = true;
    x = peer_exchange(p, &report, segment, 0);
    assert_int_equal(x->visits[0]->n_refused, 0);
    assert_int_equal(master_stats(m).fetched, PAGES);
    (void)peer_ask(p, TRAWL__REQUEST__BODY_LEAVE, &leave);
}

/* What `ctl forget w1` is answered. */
static const Trawl__Reply *forget(struct peer *p) {
    Trawl__Control c = TRAWL__CONTROL__INIT;

    c.verb = TRAWL__VERB__FORGET;
    c.worker = "w1";
    return peer_ask(p, TRAWL__REQUEST__BODY_CONTROL, &c);
}

static void test_slices(void **state) {
    struct master m;
    struct peer p;
    size_t ticks = 0;

    (void)state;
    crawl(&m, &p);
    const Trawl__Reply *reply = forget(&p);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_true(reply->control->more);
    assert_int_equal(master_stats(&m).fetched, PAGES);
    while (master_stats(&m).fetched > 0) {
        uint64_t before = master_stats(&m).fetched;
        assert_true(core_next_ms(m.core, m.now) <= m.now.mono_ms);
        core_tick(m.core, m.now);
        assert_in_range(before - master_stats(&m).fetched, ticks < 4 ? 1 : 0, SLICE);
        assert_int_equal(master_stats(&m).fetched + master_stats(&m).pending, PAGES);
        assert_true(++ticks <= PAGES);
        /* The master is killed in the middle. */
        if (ticks == 4)
            master_restart(&m);
    }
    for (int i = 0; i < 3; i++)
        core_tick(m.core, m.now);
    reply = forget(&p);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_false(reply->control->more);
    assert_string_equal(reply->control->message,
                        "27 URLs in 1 segments of w1 will be fetched again");
    assert_int_equal(forget(&p)->code, TRAWL__CODE__REFUSED);
    assert_int_equal(master_stats(&m).segments_unsealed, 0);
    peer_release(&p);
    master_end(&m);
}

/* Whoever asks about such a segment is told to wait; and what was asked is known after a restart. */
static void test_marked(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    crawl(&m, &p);
    (void)forget(&p);
    master_restart(&m);
    const Trawl__Reply *reply = forget(&p);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_true(reply->control->more);
    master_wait(&m, 2000);
    assert_int_equal(master_stats(&m).pending, PAGES);
    assert_false(forget(&p)->control->more);
    peer_release(&p);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

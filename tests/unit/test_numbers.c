/* numbers: those that others remember never come again, whatever is forgotten, and whatever older copy of the crawldb is
 * put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/peer.h"

/* Fetches all that is granted into the segment, and leaves. */
static void fetch_all(struct peer *p, const char *segment) {
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 8);
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcomes[8], *list[8];

    assert_int_equal(x->n_grants, 1);
    const Trawl__Grant *g = x->grants[0];
    assert_in_range(g->n_items, 1, 8);
    for (size_t i = 0; i < g->n_items; i++) {
        list[i] = &outcomes[i];
        trawl__outcome__init(list[i]);
        outcomes[i].fp = g->items[i]->fp;
        outcomes[i].state = TRAWL__STATE__FETCHED;
        outcomes[i].status = 200;
        outcomes[i].segment = 1;
        outcomes[i].offset = 100 * (i + 1);
        outcomes[i].record_length = 100;
    }
    report.attempt = g->attempt;
    report.outcomes = list;
    report.n_outcomes = g->n_items;
    report.done = true;
    x = peer_exchange(p, &report, segment, 0);
    assert_int_equal(x->visits[0]->n_refused, 0);
    assert_int_equal(
        peer_ask(p, TRAWL__REQUEST__BODY_LEAVE, &(Trawl__Leave)TRAWL__LEAVE__INIT)->code,
        TRAWL__CODE__OK);
}

static void name_segment(const struct peer *p, char name[96]) {
    const Trawl__Reply *reply = peer_register((struct peer *)p);

    assert_int_equal(reply->code, TRAWL__CODE__OK);
    snprintf(name, 96, "%s-%s-%012llu-00000", p->name, reply->register_->options->crawl,
             (unsigned long long)p->session);
}

static void forget(struct peer *p, const char *worker) {
    Trawl__Control v = TRAWL__CONTROL__INIT;

    v.verb = TRAWL__VERB__FORGET;
    v.worker = (char *)worker;
    assert_int_equal(peer_ask(p, TRAWL__REQUEST__BODY_CONTROL, &v)->code, TRAWL__CODE__OK);
}

/* The number of the only segment. */
static uint32_t segment_number(const struct master *m) {
    struct record_key prefix = record_group('s');
    struct store_iter *i =
        store_iter_open(m->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    uint32_t number = 0;
    size_t n;

    assert_true(store_iter_valid(i));
    const void *key = store_iter_key(i, &n);
    assert_true(record_parse_number4(key, n, 's', &number));
    store_iter_next(i);
    assert_false(store_iter_valid(i));
    assert_true(store_iter_close(i));
    return number;
}

/* What refers to the forgotten segment must not find another one under its number. */
static void test_segments_after_forget(void **state) {
    struct master m;
    struct peer p;
    char name[96];

    (void)state;
    master_begin(&m);
    m.options.keep = true;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    name_segment(&p, name);
    fetch_all(&p, name);
    uint32_t first = segment_number(&m);
    forget(&p, "w1");
    master_wait(&m, 1000);
    peer_release(&p);
    master_restart(&m);
    peer_join(&p, &m, "w2", 1);
    name_segment(&p, name);
    fetch_all(&p, name);
    assert_int_not_equal(segment_number(&m), first);
    peer_release(&p);
    master_end(&m);
}

/* An older copy: nothing since the sync is in it, and no worker knows. */
static void test_sessions_after_restore(void **state) {
    struct master m;
    struct peer p;
    uint64_t synced, sessions[8], attempts[8];

    (void)state;
    master_begin(&m);
    m.options.keep = true;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    assert_true(store_sync(m.store, &synced, NULL));
    for (size_t i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%zu", i);
        peer_join(&p, &m, name, 1);
        const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
        assert_int_equal(x->n_grants, 1);
        sessions[i] = p.session;
        attempts[i] = x->grants[0]->attempt;
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(sessions[k], sessions[i]);
            assert_int_not_equal(attempts[k], attempts[i]);
        }
        peer_release(&p);
        core_free(m.core);
        for (uint64_t seed = 0; store_mem_unsynced(m.store) > 0; seed++)
            store_mem_crash(m.store, seed);
        master_load(&m);
        master_wait(&m, 2 * m.options.lease_ms);
    }
    master_end(&m);
}

/* Under --max-bytes no more is leased than fits, by what a page had so far. */
static void test_bytes_are_reserved(void **state) {
    enum { LINKS = 100, PAGE_BYTES = 1000 };
    static char text[LINKS][32];
    ProtobufCBinaryData links[LINKS];
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    m.options.max_bytes = 10 * PAGE_BYTES;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    const Trawl__Grant *g = peer_exchange(&p, NULL, NULL, 1)->grants[0];
    report.attempt = g->attempt;
    outcome.fp = g->items[0]->fp;
    outcome.state = TRAWL__STATE__FETCHED;
    outcome.status = 200;
    outcome.length = PAGE_BYTES;
    for (int i = 0; i < LINKS; i++)
        links[i] =
            (ProtobufCBinaryData){(size_t)snprintf(text[i], 32, "/%d", i), (uint8_t *)text[i]};
    outcome.links = links;
    outcome.n_links = LINKS;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = true;
    (void)peer_exchange(&p, &report, NULL, 0);
    const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 8);
    assert_int_equal(x->n_grants, 1);
    assert_in_range(x->grants[0]->n_items, 8, 9);
    peer_release(&p);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_after_forget),
        cmocka_unit_test(test_sessions_after_restore),
        cmocka_unit_test(test_bytes_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

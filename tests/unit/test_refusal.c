/* refusal: what an outcome says is taken, cut or refused by the one table of limits; whatever is refused ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/outcome.h"
#include "tests/unit/peer.h"

static uint8_t text[3 * LIMIT_URL_BYTES];

/* Asks for the only URL and answers with `o`, once. False: it is not granted any more. */
static bool visit_once(struct peer *p, Trawl__Outcome *o, size_t *refused) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome *outcomes[] = {o};
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);

    if (x->n_grants == 0)
        return false;
    assert_int_equal(x->grants[0]->n_items, 1);
    o->fp = x->grants[0]->items[0]->fp;
    report.attempt = x->grants[0]->attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = true;
    x = peer_exchange(p, &report, NULL, 0);
    *refused += x->visits[0]->n_refused;
    return true;
}

static void begin(struct master *m, struct peer *p) {
    master_begin(m);
    master_load(m);
    master_seed(m, "http://a.example/");
    peer_join(p, m, "w1", 1);
    memset(text, 'x', sizeof text);
}

static void end(struct master *m, struct peer *p) {
    peer_release(p);
    master_end(m);
}

/* A server may name a type of any length: the page is a page all the same. */
static void test_long_type(void **state) {
    const size_t lengths[] = {LIMIT_MIME_BYTES, LIMIT_MIME_BYTES + 1, 16 * 1024};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        Trawl__Outcome o = TRAWL__OUTCOME__INIT;
        struct master m;
        struct peer p;
        size_t refused = 0;
        begin(&m, &p);
        o.state = TRAWL__STATE__FETCHED;
        o.status = 200;
        o.mime = (ProtobufCBinaryData){lengths[i], text};
        o.etag = o.last_modified = o.canonical = (ProtobufCBinaryData){sizeof text, text};
        assert_true(visit_once(&p, &o, &refused));
        assert_int_equal(refused, 0);
        assert_ended(&m, "/", "fetched");
        end(&m, &p);
    }
}

/* What cannot be taken is tried a number of times, restarts included, and then has failed, for its reason. */
static void refused_for(Trawl__Outcome *o, const char *expected) {
    struct master m;
    struct peer p;
    size_t refused = 0, visits = 0;

    begin(&m, &p);
    while (visit_once(&p, o, &refused)) {
        assert_true(++visits <= LIMIT_REFUSALS);
        assert_int_equal(refused, visits);
        if (visits == 3) {
            master_restart(&m);
            peer_die(&p);
        }
        master_wait(&m, 100);
    }
    assert_int_equal(visits, LIMIT_REFUSALS);
    struct buf told;
    buf_init(&told, 4096);
    master_tell(&m, "/", &told);
    assert_string_equal(told.data, expected);
    buf_release(&told);
    assert_int_equal(master_stats(&m).pending, 0);
    end(&m, &p);
}

static void test_refused(void **state) {
    Trawl__Outcome o = TRAWL__OUTCOME__INIT;

    (void)state;
    o.state = TRAWL__STATE__FETCHED;
    o.status = 200;
    o.digest = (ProtobufCBinaryData){7, text};
    refused_for(&o, "failed outcome-refused: its digest\n");
    o.digest.len = 0;
    o.ip = (ProtobufCBinaryData){5, text};
    refused_for(&o, "failed outcome-refused: its address\n");
    o.ip.len = 0;
    o.segment = 1;
    refused_for(&o, "failed outcome-refused: its segment\n");
    o.segment = 0;
    o.status = 304;
    refused_for(&o, "failed outcome-refused: not modified, and nobody had asked that\n");
    o.state = TRAWL__STATE__REDIRECTED;
    o.status = 302;
    o.redirect_to = (ProtobufCBinaryData){LIMIT_URL_BYTES + 1, text};
    refused_for(&o, "failed outcome-refused: where it leads\n");
}

/* A reason is cut between two characters. */
static void test_reason(void **state) {
    char reason[LIMIT_REASON_BYTES + 10];

    (void)state;
    memset(reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    assert_int_equal(outcome_reason_len(reason), LIMIT_REASON_BYTES);
    memcpy(reason + LIMIT_REASON_BYTES - 1, "\xc3\xbc", 2);
    assert_int_equal(outcome_reason_len(reason), LIMIT_REASON_BYTES - 1);
    assert_int_equal(outcome_reason_len("short"), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_type),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

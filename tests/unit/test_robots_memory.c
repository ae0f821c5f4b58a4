/* robots.txt on the master: few of many large ones are in memory, each is written once, and an older crawldb opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/peer.h"

enum { ORIGINS = 120, RULES_BYTES = 400 * 1024, KEPT_BYTES = 2 << 20 };

static uint8_t rules[RULES_BYTES];

static void begin(struct master *m) {
    master_begin(m);
    m->options.robots_ignore = false;
    m->options.rules_bytes = KEPT_BYTES;
    master_load(m);
}

static void seed(struct master *m, int number) {
    char url[64];

    snprintf(url, sizeof url, "http://h%d.example/", number);
    master_seed(m, url);
}

/* The next origin's robots.txt comes, of its own, and the origin is given back. */
static void report_next(struct peer *p, uint32_t text) {
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__RobotsReport robots = TRAWL__ROBOTS_REPORT__INIT;

    assert_int_equal(x->n_grants, 1);
    assert_true(x->grants[0]->fetch_robots);
    memset(rules, 'r', sizeof rules);
    memcpy(rules, &text, sizeof text);
    robots.rules = (ProtobufCBinaryData){sizeof rules, rules};
    robots.valid_ms = 3600 * 1000;
    report.attempt = x->grants[0]->attempt;
    report.robots = &robots;
    report.done = true;
    report.backoff_ms = 1000;
    report.verdict = TRAWL__VERDICT__FAILING;
    report.reason = "http-503";
    (void)peer_exchange(p, &report, NULL, 0);
}

static void test_bounded(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    begin(&m);
    for (int i = 0; i < ORIGINS; i++)
        seed(&m, i);
    peer_join(&p, &m, "w1", 1);
    for (uint32_t i = 0; i < ORIGINS; i++) {
        report_next(&p, i);
        assert_true(master_stats(&m).rules_bytes <= KEPT_BYTES);
    }
    /* Nor does a restart read them all. */
    core_free(m.core);
    m.core = NULL;
    size_t before = mallinfo2().uordblks;
    master_load(&m);
    assert_int_equal(master_stats(&m).rules_bytes, 0);
    assert_true(mallinfo2().uordblks < before + (4 << 20));
    /* Each has its own again when it is granted. */
    peer_die(&p);
    master_wait(&m, 6000);
    for (size_t granted = 0; granted < ORIGINS;) {
        const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 256);
        assert_true(x->n_grants > 0);
        for (size_t i = 0; i < x->n_grants; i++) {
            uint32_t text,
                number = (uint32_t)strtoul((char *)x->grants[i]->origin.data + 8, NULL, 10);
            assert_false(x->grants[i]->fetch_robots);
            assert_int_equal(x->grants[i]->robots.len, sizeof rules);
            memcpy(&text, x->grants[i]->robots.data, sizeof text);
            assert_int_equal(text, number);
        }
        granted += x->n_grants;
        assert_true(master_stats(&m).rules_bytes <= KEPT_BYTES);
    }
    peer_release(&p);
    master_end(&m);
}

static size_t value_bytes(struct store *s, struct record_key key) {
    struct buf value;

    buf_init(&value, LIMIT_WIRE_BYTES);
    bool found = store_get(s, key.bytes, key.len, &value) == STORE_FOUND;
    size_t bytes = found ? value.len : 0;
    buf_release(&value);
    return bytes;
}

/* A change of the origin writes no rules: they are not in its record. */
static void test_written_once(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    begin(&m);
    seed(&m, 0);
    peer_join(&p, &m, "w1", 1);
    report_next(&p, 1);
    assert_true(value_bytes(m.store, record_origin(1)) < 300);
    assert_int_equal(value_bytes(m.store, record_rules(1)), RULES_BYTES);
    peer_release(&p);
    master_end(&m);
}

static void put(struct store *s, struct record_key key, const ProtobufCMessage *m) {
    struct buf packed;
    struct batch b;
    uint64_t seq;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    batch_init(&b);
    assert_true(wire_pack(&packed, m));
    assert_true(batch_put(&b, key.bytes, key.len, packed.data, packed.len));
    assert_true(store_write(s, &b, &seq, NULL));
    batch_release(&b);
    buf_release(&packed);
}

/* The record had the rules in it; what is short still has. */
static void test_older_crawldb(void **state) {
    Trawl__StoredOrigin o = TRAWL__STORED_ORIGIN__INIT;
    struct master m;

    (void)state;
    begin(&m);
    core_free(m.core);
    m.core = NULL;
    o.name = (ProtobufCBinaryData){17, (uint8_t *)"http://h0.example"};
    o.robots = (ProtobufCBinaryData){sizeof rules, rules};
    o.robots_known = true;
    o.robots_until_ms = INT64_MAX;
    put(m.store, record_origin(1), &o.base);
    o.name = (ProtobufCBinaryData){17, (uint8_t *)"http://h1.example"};
    o.robots = (ProtobufCBinaryData){2, (uint8_t *)"\1\1"};
    put(m.store, record_origin(2), &o.base);
    for (int starts = 0; starts < 2; starts++) {
        struct peer p;
        master_load(&m);
        assert_true(value_bytes(m.store, record_origin(1)) < 300);
        assert_int_equal(value_bytes(m.store, record_rules(1)), RULES_BYTES);
        assert_int_equal(value_bytes(m.store, record_rules(2)), 0);
        seed(&m, 0);
        seed(&m, 1);
        peer_join(&p, &m, "w1", 10 * (uint64_t)starts + 1);
        master_wait(&m, 6000);
        peer_die(&p);
        const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 10);
        assert_int_equal(x->n_grants, 2);
        for (size_t i = 0; i < 2; i++) {
            bool large = x->grants[i]->origin.data[8] == '0';
            assert_false(x->grants[i]->fetch_robots);
            assert_int_equal(x->grants[i]->robots.len, large ? sizeof rules : 2);
        }
        peer_release(&p);
        core_free(m.core);
        m.core = NULL;
    }
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_written_once),
        cmocka_unit_test(test_older_crawldb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

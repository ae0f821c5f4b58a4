/* rpc_peers: who goes when there are too many, and who holds answers back. In virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/rpc_peers.h"
#include "shared/limits.h"

enum { MAX = 8, OWED_MAX = 16 };

static struct rpc_peers t;
static uint64_t evicted, due;

static int setup(void **state) {
    (void)state;
    rpc_peers_init(&t, MAX, OWED_MAX);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rpc_peers_release(&t);
    return 0;
}

static bool add(uint64_t id, const char *why, int64_t now_ms) {
    return rpc_peers_add(&t, id, "127.0.0.1:1", why, now_ms, &evicted) == RPC_PEERS_TAKEN;
}

static void the_oldest_that_never_asked_goes_first(void **state) {
    (void)state;
    for (uint64_t id = 1; id <= MAX; id++)
        assert_true(add(id, NULL, (int64_t)id));
    assert_int_equal(evicted, 0);
    assert_true(rpc_peers_asks(&t, 1, 10));
    /* All came a moment ago. */
    assert_false(add(100, NULL, 20));
    assert_true(add(100, NULL, 5000));
    assert_int_equal(evicted, 2);
    assert_true(add(101, NULL, 5000));
    assert_int_equal(evicted, 3);
    /* It is on its way out: what it asks is not heard, and it is not counted on twice. */
    assert_false(rpc_peers_asks(&t, 2, 5000));
    rpc_peers_remove(&t, 2);
    rpc_peers_remove(&t, 3);
    for (uint64_t id = 4; id <= MAX; id++)
        assert_true(rpc_peers_asks(&t, id, 5000));
    assert_true(rpc_peers_asks(&t, 100, 5000));
    assert_true(rpc_peers_asks(&t, 101, 5000));
    /* All have asked for something. */
    assert_false(add(102, NULL, 90000));
    rpc_peers_remove(&t, 100);
    assert_true(add(102, NULL, 90000));
    assert_int_equal(evicted, 0);
}

static void strangers_are_few_and_do_not_stay(void **state) {
    (void)state;
    rpc_peers_release(&t);
    rpc_peers_init(&t, 1000, OWED_MAX);
    for (uint64_t id = 1; id <= LIMIT_RPC_STRANGERS; id++)
        assert_true(add(id, "you are not us", 0));
    assert_false(add(100, "you are not us", 0));
    assert_true(add(101, NULL, 0));
    assert_string_equal(rpc_peers_find(&t, 1)->why, "you are not us");
    assert_false(rpc_peers_due(&t, RPC_PEERS_STRANGER_MS - 1, &due));
    for (uint64_t id = 1; id <= LIMIT_RPC_STRANGERS; id++) {
        assert_true(rpc_peers_due(&t, RPC_PEERS_STRANGER_MS, &due));
        rpc_peers_remove(&t, due);
    }
    assert_false(rpc_peers_due(&t, 1000000, &due));
    assert_true(add(100, "you are not us", 1000000));
}

/* Nobody who is let in goes for one who is not. */
static void strangers_push_nobody_out(void **state) {
    (void)state;
    for (uint64_t id = 1; id <= MAX; id++)
        assert_true(add(id, NULL, 0));
    assert_false(add(100, "you are not us", 50000));
    assert_int_equal(evicted, 0);
}

static void who_reads_nothing_goes(void **state) {
    (void)state;
    assert_true(add(1, NULL, 0));
    assert_true(add(2, NULL, 0));
    assert_true(rpc_peers_asks(&t, 1, 0));
    rpc_peers_owed(&t, 1, 0);
    assert_true(rpc_peers_asks(&t, 2, 0));
    rpc_peers_owed(&t, 2, 0);
    rpc_peers_paid(&t, 2, 1);
    assert_false(rpc_peers_due(&t, RPC_PEERS_OWED_MS - 1, &due));
    assert_true(rpc_peers_due(&t, RPC_PEERS_OWED_MS, &due));
    assert_int_equal(due, 1);
    /* It is told once; and it is not heard any more. */
    assert_false(rpc_peers_due(&t, RPC_PEERS_OWED_MS, &due));
    assert_false(rpc_peers_asks(&t, 1, RPC_PEERS_OWED_MS));
    rpc_peers_remove(&t, 1);
    assert_int_equal(t.owed, 0);
}

/* One that reads slowly, but reads, stays. */
static void who_reads_slowly_stays(void **state) {
    (void)state;
    assert_true(add(1, NULL, 0));
    rpc_peers_owed(&t, 1, 0);
    rpc_peers_owed(&t, 1, 0);
    for (int64_t now = 0; now < 100000; now += RPC_PEERS_OWED_MS - 1) {
        rpc_peers_owed(&t, 1, now);
        rpc_peers_paid(&t, 1, now);
        assert_false(rpc_peers_due(&t, now, &due));
    }
}

static void many_answers_held_back_shorten_patience(void **state) {
    (void)state;
    for (uint64_t id = 1; id <= 5; id++) {
        assert_true(add(id, NULL, 0));
        rpc_peers_owed(&t, id, 0);
    }
    assert_false(rpc_peers_due(&t, RPC_PEERS_PRESSED_MS - 1, &due));
    assert_true(rpc_peers_due(&t, RPC_PEERS_PRESSED_MS, &due));
    rpc_peers_remove(&t, due);
    assert_false(rpc_peers_due(&t, RPC_PEERS_PRESSED_MS, &due));
}

/* It asks and asks: no more of its requests is taken than there is room for. */
static void who_asks_for_more_and_reads_nothing(void **state) {
    int taken = 0;

    (void)state;
    assert_true(add(1, NULL, 0));
    for (int64_t now = 0; taken < 1000 && rpc_peers_asks(&t, 1, now); now++, taken++)
        rpc_peers_owed(&t, 1, now);
    assert_true(taken <= OWED_MAX);
    assert_true(taken >= OWED_MAX / 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_that_never_asked_goes_first),
        TEST(strangers_are_few_and_do_not_stay),
        TEST(strangers_push_nobody_out),
        TEST(who_reads_nothing_goes),
        TEST(who_reads_slowly_stays),
        TEST(many_answers_held_back_shorten_patience),
        TEST(who_asks_for_more_and_reads_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

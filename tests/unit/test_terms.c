/* terms: after a restart with other options a worker is to register anew, and until it has, or until it cannot believe in
 * a lease any more by the terms that it was told, nothing is granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/peer.h"

enum { LONG_MS = 20000, SHORT_MS = 2000 };

/* Two workers; the first holds the only origin when the lease becomes shorter. */
static void begin(struct master *m, struct peer *first, struct peer *second) {
    master_begin(m);
    m->options.keep = true;
    m->options.host_connections = m->options.ip_connections = 1;
    m->options.lease_ms = LONG_MS;
    master_load(m);
    master_seed(m, "http://a.example/");
    peer_join(first, m, "w1", 1);
    assert_int_equal(peer_exchange(first, NULL, NULL, 1)->n_grants, 1);
    m->options.lease_ms = SHORT_MS;
    master_restart(m);
    peer_join(second, m, "w2", 1);
}

static void end(struct master *m, struct peer *first, struct peer *second) {
    peer_release(first);
    peer_release(second);
    master_end(m);
}

/* Beats, so that its session lasts. */
static size_t granted_after(struct peer *p, int64_t ms) {
    for (; ms > 0; ms -= 500) {
        master_wait(p->master, 500);
        (void)peer_beat(p, 0);
    }
    return peer_exchange(p, NULL, NULL, 1)->n_grants;
}

static void test_the_longer_lease_counts(void **state) {
    struct master m;
    struct peer first, second;

    (void)state;
    begin(&m, &first, &second);
    assert_int_equal(granted_after(&second, SHORT_MS + 1000), 0);
    assert_int_equal(granted_after(&second, LONG_MS), 1);
    end(&m, &first, &second);
}

static void test_registers_anew(void **state) {
    struct master m;
    struct peer first, second;

    (void)state;
    begin(&m, &first, &second);
    assert_int_equal(peer_beat(&first, 0)->code, TRAWL__CODE__UNKNOWN_SESSION);
    assert_int_equal(granted_after(&second, 500), 0);
    first.serial++;
    const Trawl__Reply *reply = peer_register(&first);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->register_->options->lease_ms, SHORT_MS);
    assert_int_equal(granted_after(&second, 500), 1);
    end(&m, &first, &second);
}

/* What is told with each grant, and not when a worker registers, is among the terms, too. */
static void check_anew(uint32_t delay_ms, uint32_t host_connections, uint32_t ip_connections,
                       bool anew) {
    struct master m;
    struct peer p;

    master_begin(&m);
    m.options.keep = true;
    m.options.delay_ms = 100;
    m.options.host_connections = m.options.ip_connections = 2;
    master_load(&m);
    peer_join(&p, &m, "w1", 1);
    m.options.delay_ms = delay_ms;
    m.options.host_connections = host_connections;
    m.options.ip_connections = ip_connections;
    master_restart(&m);
    assert_int_equal(peer_beat(&p, 0)->code,
                     anew ? TRAWL__CODE__UNKNOWN_SESSION : TRAWL__CODE__RESTARTED);
    p.serial++;
    peer_come(&p);
    assert_int_equal(peer_beat(&p, 0)->code, TRAWL__CODE__OK);
    peer_release(&p);
    master_end(&m);
}

static void test_what_is_granted_is_a_term(void **state) {
    (void)state;
    check_anew(100, 2, 2, false);
    check_anew(101, 2, 2, true);
    check_anew(99, 2, 2, true);
    check_anew(100, 1, 2, true);
    check_anew(100, 3, 2, true);
    check_anew(100, 2, 1, true);
    check_anew(100, 2, 3, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longer_lease_counts),
        cmocka_unit_test(test_registers_anew),
        cmocka_unit_test(test_what_is_granted_is_a_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

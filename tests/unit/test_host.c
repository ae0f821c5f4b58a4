/* host: whose turn it is. */
#include "master/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { ORIGINS = 200 };

static struct origin *add(struct host_table *t, uint32_t id) {
    char name[32];
    struct origin *o =
        host_add(t, id, name, (size_t)snprintf(name, sizeof name, "http://o%u.test", id));

    assert_non_null(o);
    o->robots_state = HOST_ROBOTS_KNOWN;
    o->queued = 1000;
    assert_true(host_update(t, o, 0));
    return o;
}

/* Round and round, whoever comes and goes: all that are ready have had their turn before one has it again. */
static void everybody_has_a_turn(void **state) {
    struct host_table t;
    unsigned turns[ORIGINS + 1] = {0};

    (void)state;
    host_table_init(&t, (struct host_rules){.host_connections = 2, .ip_connections = 1000});
    for (uint32_t id = 1; id <= ORIGINS; id += 2)
        add(&t, id);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < ORIGINS / 2; i++) {
            struct origin *o = host_take_ready(&t);
            assert_non_null(o);
            assert_int_equal(o->place, HOST_OUT);
            assert_int_equal(++turns[o->id], round);
            assert_true(host_update(&t, o, 0));
        }
        assert_int_equal(t.ready.count, ORIGINS / 2);
    }
    /* A newcomer waits for one round at most, whatever its number; who rests has no turn, and has one later. */
    struct origin *first = host_by_id(&t, 1);
    first->free_at_ms = 100;
    assert_true(host_update(&t, first, 0));
    assert_int_equal(t.ready.count, ORIGINS / 2 - 1);
    add(&t, 2);
    add(&t, ORIGINS);
    for (unsigned i = 0; i < ORIGINS / 2 + 1; i++) {
        struct origin *o = host_take_ready(&t);
        turns[o->id]++;
        assert_true(host_update(&t, o, 0));
    }
    assert_int_equal(turns[2], 1);
    assert_int_equal(turns[ORIGINS], 1);
    assert_int_equal(turns[1], 5);
    while (host_thaw(&t, 100))
        ;
    for (unsigned i = 0; i < ORIGINS / 2 + 2; i++) {
        struct origin *o = host_take_ready(&t);
        turns[o->id]++;
        assert_true(host_update(&t, o, 100));
    }
    assert_int_equal(turns[1], 6);
    host_table_release(&t);
}

static void nobody_is_ready(void **state) {
    struct host_table t;

    (void)state;
    host_table_init(&t, (struct host_rules){.host_connections = 1, .ip_connections = 1});
    assert_null(host_take_ready(&t));
    struct origin *o = add(&t, 7);
    assert_ptr_equal(host_take_ready(&t), o);
    assert_null(host_take_ready(&t));
    assert_true(host_update(&t, o, 0));
    assert_ptr_equal(host_take_ready(&t), o);
    host_table_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_has_a_turn),
        cmocka_unit_test(nobody_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* id_set: agrees with an array of flags, also while it grows. */
#include "shared/id_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIZE = 300000 };

static uint32_t next_of(const unsigned char *flags, uint32_t from) {
    for (uint32_t i = from; i < SIZE; i++)
        if (flags[i])
            return i;
    return ID_SET_NONE;
}

/* Sparse and dense by turns, so that words and the words above them become empty and fill again. */
static void agrees_with_an_array(void **state) {
    struct id_set s = {.count = 0};
    unsigned char *flags = calloc(SIZE, 1);
    uint64_t random = 3;
    uint32_t room = 0;
    size_t count = 0;

    (void)state;
    assert_non_null(flags);
    for (unsigned round = 0; round < 200000; round++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t id = (uint32_t)(random >> 40) % SIZE;
        bool add = (random >> 33) % 4 < (round / 20000 % 2 == 0 ? 3 : 1);

        if (round % 1000 < 500)
            id %= 200;
        if (id >= room) {
            room = id + 1 + (uint32_t)(random >> 50) % 1000;
            assert_true(id_set_reserve(&s, room));
        }
        count += (size_t)(add - (flags[id] != 0)) * (add != (flags[id] != 0));
        flags[id] = add;
        if (add)
            id_set_add(&s, id);
        else
            id_set_remove(&s, id);
        assert_int_equal(s.count, count);
        if (round % 50 == 0)
            assert_int_equal(id_set_next(&s, id + 1), next_of(flags, id + 1));
    }
    for (uint32_t i = 0; i < SIZE; i++)
        assert_int_equal(id_set_has(&s, i), flags[i]);
    for (uint32_t i = 0, at; (at = id_set_next(&s, i)) != ID_SET_NONE; i = at + 1) {
        assert_int_equal(at, next_of(flags, i));
        flags[at] = 0;
    }
    assert_int_equal(next_of(flags, 0), ID_SET_NONE);
    free(flags);
    id_set_release(&s);
}

static void edges(void **state) {
    struct id_set s = {.count = 0};

    (void)state;
    assert_int_equal(id_set_next(&s, 0), ID_SET_NONE);
    assert_false(id_set_has(&s, 0));
    id_set_remove(&s, 5);
    assert_true(id_set_reserve(&s, 64 * 64));
    id_set_add(&s, 64 * 64 - 1);
    assert_int_equal(id_set_next(&s, 0), 64 * 64 - 1);
    assert_int_equal(id_set_next(&s, 64 * 64 - 1), 64 * 64 - 1);
    assert_int_equal(id_set_next(&s, 64 * 64), ID_SET_NONE);
    assert_int_equal(id_set_next(&s, UINT32_MAX), ID_SET_NONE);
    id_set_release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

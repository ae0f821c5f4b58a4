/* The growable buffer: its cap, its sticky failure, and that a failed append changes nothing. */
#include "shared/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void starts_empty(void **state) {
    struct buf zeroed = {0}, b;

    (void)state;
    buf_release(&zeroed);
    buf_init(&b, 10);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_false(b.failed);
    buf_reset(&b);
    assert_true(buf_append(&b, NULL, 0));
    buf_release(&b);
    assert_int_equal(b.cap_max, 10);
}

static void appends(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_true(buf_append(&b, "a\0b", 3));
    assert_true(buf_append_str(&b, "cd"));
    assert_true(buf_append_char(&b, 'e'));
    assert_true(buf_printf(&b, "%d-%s", -7, "x"));
    assert_true(buf_printf(&b, "%s", ""));
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "a\0bcde-7-x", 11); /* and its NUL */
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_release(&b);
}

/* At each cap: exactly that much fits, one more does not and leaves all as it was. */
static void stops_at_its_cap(void **state) {
    (void)state;
    for (size_t cap = 0; cap < 200; cap++) {
        struct buf b;

        buf_init(&b, cap);
        for (size_t i = 0; i < cap; i++)
            assert_true(buf_append_char(&b, (char)('a' + i % 26)));
        assert_int_equal(b.len, cap);
        assert_true(b.size <= cap + 1);
        assert_false(b.failed);
        assert_false(buf_append_char(&b, 'x'));
        assert_false(buf_append(&b, "x", 1));
        assert_false(buf_printf(&b, "%d", 1));
        assert_true(b.failed);
        assert_int_equal(b.len, cap);
        for (size_t i = 0; i < cap; i++)
            assert_int_equal(b.data[i], 'a' + i % 26);
        if (cap > 0)
            assert_int_equal(b.data[cap], '\0');
        buf_reset(&b);
        assert_false(b.failed);
        assert_int_equal(buf_append_str(&b, "z"), cap > 0);
        buf_release(&b);
    }
}

/* At each size: what fits into what is allocated, and what needs more; and a failure leaves all as it was. */
static void prints_at_each_length(void **state) {
    static const char text[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789";

    (void)state;
    for (int before = 0; before <= 70; before++)
        for (int n = 0; n <= 70; n++) {
            struct buf b;

            buf_init(&b, 100);
            assert_true(buf_append(&b, text, (size_t)before));
            bool fits = before + n <= 100;
            assert_int_equal(buf_printf(&b, "%.*s", n, text), fits);
            assert_int_equal(b.failed, !fits);
            assert_int_equal(b.len, fits ? before + n : before);
            assert_memory_equal(b.data, text, (size_t)before);
            if (fits)
                assert_memory_equal(b.data + before, text, (size_t)n);
            assert_int_equal(b.data[b.len], '\0');
            buf_release(&b);
        }
}

static void failure_sticks(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    buf_append_str(&b, "abc");
    buf_append_str(&b, "too long");
    buf_append_str(&b, "d"); /* would fit: one check at the end tells all the same */
    assert_true(b.failed);
    buf_release(&b);
    assert_false(b.failed);
}

static void absurd_sizes_fail(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_append_str(&b, "abc");
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_false(buf_reserve(&b, SIZE_MAX - 2));
    assert_int_equal(b.len, 3);
    assert_string_equal(b.data, "abc");
    buf_release(&b);
}

static void reserves_ahead(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_true(buf_reserve(&b, 100000));
    const char *data = b.data;
    for (int i = 0; i < 100000; i++)
        assert_true(buf_append_char(&b, 'x'));
    assert_ptr_equal(b.data, data);
    buf_release(&b);
}

static void hands_over(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_null(buf_take(&b));
    buf_append_str(&b, "mine");
    char *taken = buf_take(&b);
    assert_string_equal(taken, "mine");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_true(buf_append_str(&b, "next"));
    assert_string_equal(taken, "mine");
    free(taken);
    buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),     cmocka_unit_test(appends),
        cmocka_unit_test(stops_at_its_cap), cmocka_unit_test(prints_at_each_length),
        cmocka_unit_test(failure_sticks),   cmocka_unit_test(absurd_sizes_fail),
        cmocka_unit_test(reserves_ahead),   cmocka_unit_test(hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

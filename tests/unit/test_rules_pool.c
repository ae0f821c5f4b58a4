/* rules_pool: one text for many, and no more of them in memory than there is room for. */
#include "master/rules_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

static void test_shared(void **state) {
    struct rules_pool pool = {.bytes = 0};

    (void)state;
    const struct rules *a = rules_keep(&pool, 7, "abc", 3);
    size_t bytes = pool.bytes;
    assert_ptr_equal(rules_keep(&pool, 7, "abc", 3), a);
    assert_int_equal(pool.bytes, bytes);
    assert_ptr_equal(rules_find(&pool, 7), a);
    assert_null(rules_find(&pool, 8));
    const struct rules *none = rules_keep(&pool, 8, NULL, 0);
    assert_int_equal(none->len, 0);
    rules_pool_release(&pool);
    assert_int_equal(pool.bytes, 0);
}

/* What was asked for last stays. */
static void test_trim(void **state) {
    struct rules_pool pool = {.bytes = 0};
    static char text[1000];

    (void)state;
    for (uint64_t name = 1; name <= 100; name++)
        assert_non_null(rules_keep(&pool, name, text, sizeof text));
    assert_non_null(rules_find(&pool, 3));
    rules_trim(&pool, 5000);
    assert_in_range(pool.bytes, 3000, 5000);
    assert_non_null(rules_find(&pool, 3));
    assert_non_null(rules_find(&pool, 100));
    assert_null(rules_find(&pool, 4));
    rules_trim(&pool, 0);
    assert_null(rules_find(&pool, 3));
    assert_int_equal(pool.bytes, 0);
    rules_pool_release(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_trim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

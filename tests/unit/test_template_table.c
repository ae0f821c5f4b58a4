/* template_table: exact while there is room; never too much when there is none; large kinds stay. */
#include "master/template_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add(struct template_table *t, uint64_t kind, uint32_t times) {
    for (uint32_t i = 0; i < times; i++)
        template_table_add(t, kind);
}

static void test_exact(void **state) {
    struct template_table *t = template_table_new();

    (void)state;
    assert_non_null(t);
    /* As many as fit in one set. */
    for (uint64_t i = 0; i < TEMPLATE_TABLE_WAYS; i++)
        add(t, 5 + i * TEMPLATE_TABLE_SETS, (uint32_t)i + 1);
    for (uint64_t i = 0; i < TEMPLATE_TABLE_WAYS; i++)
        assert_int_equal(template_table_count(t, 5 + i * TEMPLATE_TABLE_SETS), i + 1);
    assert_int_equal(template_table_count(t, 6), 0);
    template_table_free(t);
}

static void test_crowded(void **state) {
    struct template_table *t = template_table_new();
    const uint64_t large = 7;

    (void)state;
    assert_non_null(t);
    add(t, large, 10000);
    for (uint64_t i = 1; i <= 9000; i++)
        add(t, large + i * TEMPLATE_TABLE_SETS, 1);
    uint32_t n = template_table_count(t, large);
    assert_in_range(n, 10000 - 9000 / TEMPLATE_TABLE_WAYS, 10000);
    for (uint64_t i = 1; i <= 9000; i++)
        assert_in_range(template_table_count(t, large + i * TEMPLATE_TABLE_SETS), 0, 1);
    /* Nothing of this touches another set. */
    assert_int_equal(template_table_count(t, large + 1), 0);
    template_table_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_crowded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Distinct links in order, their flags, their bounds. */
#include "shared/link_list.h"

#include "shared/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum link_list_result add(struct link_list *l, const char *s, uint8_t flags) {
    return link_list_add(l, s, strlen(s), 3, flags);
}

static void test_distinct_in_order(void **state) {
    struct link_list l;

    (void)state;
    link_list_init(&l);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(add(&l, "a", 1), LINK_LIST_ADDED);
        assert_int_equal(add(&l, "", 1), LINK_LIST_ADDED);
        assert_int_equal(add(&l, "b", 0), LINK_LIST_ADDED);
        assert_int_equal(add(&l, "b", 1), LINK_LIST_KNOWN);
        assert_int_equal(add(&l, "a", 0), LINK_LIST_KNOWN);
        assert_int_equal(add(&l, "", 1), LINK_LIST_KNOWN);
        assert_int_equal(l.count, 3);
        assert_string_equal(l.text.data + l.items[0].at, "a");
        assert_string_equal(l.text.data + l.items[2].at, "b");
        assert_int_equal(l.items[0].flags, 0);
        assert_int_equal(l.items[1].flags, 1);
        link_list_reset(&l);
    }
    link_list_release(&l);
}

static void test_bounds(void **state) {
    struct link_list l;
    char name[32];

    (void)state;
    link_list_init(&l);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LIMIT_PAGE_LINKS; i++) {
            snprintf(name, sizeof name, "%d", i);
            assert_int_equal(add(&l, name, 0), LINK_LIST_ADDED);
        }
        assert_int_equal(add(&l, "x", 0), LINK_LIST_FULL);
        assert_int_equal(add(&l, "77777", 0), LINK_LIST_KNOWN);
        link_list_reset(&l);
    }
    char *big = calloc(1, LINK_LIST_BYTES);
    assert_non_null(big);
    assert_int_equal(link_list_add(&l, big, LINK_LIST_BYTES, 0, 0), LINK_LIST_FULL);
    assert_int_equal(link_list_add(&l, big, LINK_LIST_BYTES - 1, 0, 0), LINK_LIST_ADDED);
    assert_int_equal(add(&l, "a", 0), LINK_LIST_FULL);
    free(big);
    link_list_release(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distinct_in_order),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

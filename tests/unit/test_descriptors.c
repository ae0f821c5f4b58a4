/* descriptors: how few of them are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/descriptors.h"

static void enough(void **state) {
    struct descriptors_share s = descriptors_divide(1 << 20, 30, 4, 256);

    (void)state;
    assert_int_equal(s.transfers, 256);
    assert_int_equal(s.connections, 2 * 256 + DESCRIPTORS_IDLE_MAX);
}

/* Whatever the limit: nothing is taken from what comes first, and each transfer has its connection and its body. */
static void few(void **state) {
    (void)state;
    for (uint64_t limit = 0; limit < 6000; limit++) {
        for (uint32_t loops = 1; loops <= 8; loops++) {
            struct descriptors_share s = descriptors_divide(limit, 30, loops, 500);
            uint64_t used = 30 + DESCRIPTORS_SPARE +
                            loops * ((uint64_t)DESCRIPTORS_LOOP + s.transfers + s.connections);
            assert_int_equal(s.transfers > 0, limit >= descriptors_least(30, loops));
            if (s.transfers == 0)
                continue;
            assert_true(used <= limit);
            assert_true(s.connections >= s.transfers);
        }
    }
}

static void idle_ones_go_first(void **state) {
    uint64_t limit = 30 + DESCRIPTORS_SPARE + DESCRIPTORS_LOOP + 3 * 500;
    struct descriptors_share s = descriptors_divide(limit, 30, 1, 500);

    (void)state;
    assert_int_equal(s.transfers, 500);
    assert_int_equal(s.connections, 1000);
    assert_int_equal(descriptors_divide(limit - 1, 30, 1, 500).transfers, 499);
}

static void those_that_are_open(void **state) {
    uint64_t before = descriptors_open(64);
    int fd = dup(0);

    (void)state;
    assert_true(fd >= 0 && fd < 64);
    assert_int_equal(descriptors_open(64), before + 1);
    close(fd);
    assert_int_equal(descriptors_open(64), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough),
        cmocka_unit_test(few),
        cmocka_unit_test(idle_ones_go_first),
        cmocka_unit_test(those_that_are_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

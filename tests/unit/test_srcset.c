/* Candidates of srcset, all of them and in order. The WPT cases are in test_corpus_html_values.c. */
#include "shared/srcset.h"

#include "shared/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* The candidates are joined with '|'. */
static void assert_candidates(const char *value, const char *expected) {
    struct srcset s;
    const char *url;
    size_t url_len;
    struct buf got;

    buf_init(&got, 4096);
    buf_append_str(&got, "");
    srcset_init(&s, value, strlen(value));
    while (srcset_next(&s, &url, &url_len)) {
        buf_append(&got, url, url_len);
        buf_append_char(&got, '|');
    }
    assert_string_equal(got.data, expected);
    buf_release(&got);
}

static void test_all_candidates(void **state) {
    (void)state;
    assert_candidates("", "");
    assert_candidates(" a", "a|");
    assert_candidates("a 1x, b 2x,c 300w", "a|b|c|");
    assert_candidates("a,b 1x,, c", "a,b|c|");
    assert_candidates("a 100w 50h, b .5x, c 1e3x", "a|b|c|");
    assert_candidates("data:,x 1x, y", "data:,x|y|");
    assert_candidates("a (1x, b 2x), c", "c|");
}

static void test_invalid_descriptors(void **state) {
    (void)state;
    assert_candidates("a 1, b 0w, c -1x, d 1x 2x, e 10h, f 1.w, g 1.x, h +1x, i", "i|");
    assert_candidates("a 1w 1w, b 1h 1h 1w, c 1x 1w, d 1.5e, e e1x", "");
    assert_candidates("a -0x, b 00x", "a|b|");
}

static void test_long_value_in_linear_time(void **state) {
    struct buf value;
    struct srcset s;
    const char *url;
    size_t url_len, count = 0;

    (void)state;
    buf_init(&value, 16 << 20);
    for (int i = 0; i < 1000000; i++)
        buf_append_str(&value, "a (,");
    srcset_init(&s, value.data, value.len);
    while (srcset_next(&s, &url, &url_len))
        count++;
    assert_int_equal(count, 0);
    buf_release(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_candidates),
        cmocka_unit_test(test_invalid_descriptors),
        cmocka_unit_test(test_long_value_in_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* MIME types: what callers ask of them, and the bounds. WPT's cases are in test_corpus_html_values.c. */
#include "shared/mimetype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_essence_and_params(void **state) {
    const char *value;
    size_t n;
    struct mimetype m;

    (void)state;
    mimetype_init(&m);
    static const char header[] = " Text/HTML ; Charset=\"a\\\"b\";x=;charset=c";
    assert_int_equal(mimetype_parse(&m, header, strlen(header)), MIMETYPE_OK);
    assert_string_equal(mimetype_essence(&m), "text/html");
    assert_true(mimetype_is_html(&m));
    assert_true(mimetype_param(&m, "charset", &value, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(value, "a\"b", 3);
    assert_false(mimetype_param(&m, "x", &value, &n));
    assert_int_equal(mimetype_parse(&m, "text", 4), MIMETYPE_INVALID);
    assert_string_equal(mimetype_essence(&m), "");
    assert_false(mimetype_is_html(&m));
    mimetype_release(&m);
}

static void test_bounds(void **state) {
    size_t n = MIMETYPE_BYTES;
    char *header = malloc(n + 1);
    struct mimetype m;

    (void)state;
    assert_non_null(header);
    mimetype_init(&m);
    memset(header, 'x', n + 1);
    memcpy(header, "a/b;", 4);
    for (size_t i = 4; i + 4 < n; i += 4) {
        memcpy(header + i, "a=b;", 4);
        header[i] = (char)('a' + i / 4 % 26);
    }
    assert_int_equal(mimetype_parse(&m, header, n), MIMETYPE_OK);
    assert_int_equal(m.param_count, 26);
    assert_int_equal(mimetype_parse(&m, header, n + 1), MIMETYPE_INVALID);
    mimetype_release(&m);
    free(header);
}

static void test_sniff(void **state) {
    static const char *const html[] = {"<!doctype html>", " \r\n<HTML>", "<!--", "\xef\xbb\xbf<p ",
                                       "<a href=x>"};
    static const char *const other[] = {"", "<", "<html", "<abbr>", "x<p>", "<?xml>", "%PDF-"};

    (void)state;
    for (size_t i = 0; i < sizeof html / sizeof html[0]; i++)
        assert_true(mimetype_sniff_html(html[i], strlen(html[i])));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(mimetype_sniff_html(other[i], strlen(other[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_essence_and_params),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_sniff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

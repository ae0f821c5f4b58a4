/* URLs in style sheets. */
#include "shared/css.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* The URLs are joined with '|'. */
static void assert_urls(const char *text, const char *expected) {
    struct css c;
    struct buf url, got;

    buf_init(&url, 16);
    buf_init(&got, 4096);
    buf_append_str(&got, "");
    css_init(&c, text, strlen(text));
    while (css_next(&c, &url)) {
        buf_append(&got, url.data, url.len);
        buf_append_char(&got, '|');
    }
    assert_string_equal(got.data, expected);
    buf_release(&got);
    buf_release(&url);
}

static void test_urls(void **state) {
    (void)state;
    assert_urls("", "");
    assert_urls("a{b:url(c) url( \"d\" ) URL('e')}", "c|d|e|");
    assert_urls("@import 'a';@IMPORT\n\"b\" print;@import url(c)", "a|b|c|");
    assert_urls("@import/**/'a'", "a|");
    assert_urls("a{b:url(c", "c|");
    assert_urls("a{b:url('c", "c|");
}

static void test_escapes(void **state) {
    (void)state;
    assert_urls("a{b:url(\\63 d\\)\\000065)}", "cd)e|");
    assert_urls("a{b:url('c\\\nd\\\\')}", "cd\\|");
    assert_urls("a{b:url(\\1F600)}", "\xf0\x9f\x98\x80|");
    assert_urls("a{b:url(\\0)}", "\xef\xbf\xbd|");
}

static void test_not_urls(void **state) {
    (void)state;
    assert_urls("/* url(a) */ b{c:'url(d)'} my-url(e) 'x", "");
    assert_urls("a{b:url(c d)}e{f:url(g)}", "g|");
    assert_urls("a{b:url(c'd)}e{f:url(g)}", "g|");
    assert_urls("a{b:'c\nd:url(e)}", "e|");
    assert_urls("a{b:url()}", "");
    assert_urls("a{b:url(0123456789abcdefg)}c{d:url(e)}", "e|");
    assert_urls("/*", "");
    assert_urls("\\", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_not_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

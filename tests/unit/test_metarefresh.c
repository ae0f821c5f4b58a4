/* Meta refresh beyond the WPT cases of test_corpus_html_values.c. */
#include "shared/metarefresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void assert_refresh(const char *content, uint32_t delay_s, const char *url) {
    struct metarefresh m;

    assert_true(metarefresh_parse(&m, content, strlen(content)));
    assert_int_equal(m.delay_s, delay_s);
    if (url == NULL) {
        assert_null(m.url);
        return;
    }
    assert_non_null(m.url);
    assert_int_equal(m.url_len, strlen(url));
    assert_memory_equal(m.url, url, m.url_len);
}

static void test_delay(void **state) {
    (void)state;
    assert_refresh("5", 5, NULL);
    assert_refresh(".9; a", 0, "a");
    assert_refresh("99999999999999999999999; a", UINT32_MAX, "a");
    assert_refresh("5;", 5, NULL);
}

static void test_url(void **state) {
    (void)state;
    assert_refresh("0;URL=a", 0, "a");
    assert_refresh("0;url=", 0, "");
    assert_refresh("0;url", 0, "url");
    assert_refresh("0;u", 0, "u");
    assert_refresh("0;url='a", 0, "a");
    assert_refresh("0;'", 0, "");
    assert_refresh("0;url=\"a'b\"c", 0, "a'b");
}

static void test_not_a_refresh(void **state) {
    struct metarefresh m;

    (void)state;
    assert_false(metarefresh_parse(&m, "", 0));
    assert_false(metarefresh_parse(&m, "url=a", 5));
    assert_false(metarefresh_parse(&m, "1x", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_not_a_refresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

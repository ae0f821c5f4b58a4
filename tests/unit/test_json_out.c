#include "shared/json_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void is_json(const char *text, size_t len, const char *want) {
    struct buf to;

    buf_init(&to, 1000);
    assert_true(json_out_string(&to, text, len));
    assert_string_equal(to.data, want);
    json_t *back = json_loads(to.data, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(back);
    json_decref(back);
    buf_release(&to);
}

static void is_csv(const char *text, size_t len, const char *want) {
    struct buf to;

    buf_init(&to, 1000);
    assert_true(json_out_csv(&to, text, len));
    assert_string_equal(to.data, want);
    buf_release(&to);
}

#define TEXT(literal) literal, sizeof literal - 1

static void test_plain(void **state) {
    (void)state;
    is_json(TEXT(""), "\"\"");
    is_json(TEXT("http://a/?b=c&d"), "\"http://a/?b=c&d\"");
    is_json(TEXT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    is_csv(TEXT("a,b \xc3\xa9"), "\"a,b \xc3\xa9\"");
}

static void test_escapes(void **state) {
    (void)state;
    is_json(TEXT("\"\\\n\r\t\x1b[2J\0\x7f"), "\"\\\"\\\\\\n\\r\\t\\u001b[2J\\u0000\\u007f\"");
    is_json(TEXT("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"), "\"\\u2028\\u2029\xe2\x80\xaa\"");
    is_csv(TEXT("say \"hi\""), "\"say \"\"hi\"\"\"");
    is_csv(TEXT("a\nb\x1b[2J"), "\"a\xef\xbf\xbd"
                                "b\xef\xbf\xbd[2J\"");
    is_csv(TEXT("\xc2\x9b"
                "2J\xc2\xa0"),
           "\"\xef\xbf\xbd"
           "2J\xc2\xa0\"");
    is_csv(TEXT("=cmd|x"), "\"'=cmd|x\"");
    is_csv(TEXT("\0"), "\"\xef\xbf\xbd\"");
}

/* Unicode's own examples of how many U+FFFD stand for malformed bytes (§3.9, tables 3-8 to 3-11). */
static void test_malformed(void **state) {
#define R "\xef\xbf\xbd"
    (void)state;
    is_json(TEXT("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
                 "A"),
            "\"" R R R R R R R R "A\"");
    is_json(TEXT("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
                 "A"),
            "\"" R R R R R R R R "A\"");
    is_json(TEXT("\xf4\x91\x92\x93\xff"
                 "A\x80\xbf"
                 "B"),
            "\"" R R R R R "A" R R "B\"");
    is_json(TEXT("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
                 "A"),
            "\"" R R R R "A\"");
    is_json(TEXT("\xf0\x9f\x98"), "\"" R "\"");
}

static void test_failed(void **state) {
    struct buf to;

    (void)state;
    buf_init(&to, 5);
    assert_false(json_out_string(&to, "abcd", 4));
    buf_reset(&to);
    assert_false(json_out_csv(&to, "abcd", 4));
    buf_reset(&to);
    assert_true(json_out_string(&to, "abc", 3));
    buf_release(&to);
    buf_init(&to, 100);
    assert_true(json_out_member(&to, "url", "a\"", 2));
    assert_string_equal(to.data, "\"url\":\"a\\\"\"");
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

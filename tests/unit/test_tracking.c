/* tracking: which parameters go, and that nothing else changes. */
#include "shared/tracking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void assert_becomes(const char *url, const char *expected) {
    struct buf out;

    buf_init(&out, 4096);
    assert_true(tracking_strip(url, strlen(url), &out));
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void assert_stays(const char *url) {
    struct buf out;

    buf_init(&out, 4096);
    assert_false(tracking_strip(url, strlen(url), &out));
    buf_release(&out);
}

static void test_goes(void **state) {
    (void)state;
    assert_becomes("http://a/?utm_source=x", "http://a/");
    assert_becomes("http://a/p?id=1&utm_source=x&utm_medium=y", "http://a/p?id=1");
    assert_becomes("http://a/p?gclid=1&id=1", "http://a/p?id=1");
    assert_becomes("http://a/p?a=1&FBCLID=2&b=2", "http://a/p?a=1&b=2");
    assert_becomes("http://a/p?fbclid", "http://a/p");
    assert_becomes("http://a/p?a&&fbclid=1&", "http://a/p?a&&");
    assert_becomes("http://a/p?hsctatracking=x&pk_kwd=1&_ga=2", "http://a/p");
}

static void test_stays(void **state) {
    (void)state;
    assert_stays("http://a/");
    assert_stays("http://a/utm_source=x");
    assert_stays("http://a/?");
    assert_stays("http://a/?a=utm_source");
    assert_stays("http://a/?utm_=1");
    assert_stays("http://a/?xgclid=1&gclidx=2&ref=3&source=4&sid=5");
    assert_stays("http://a/?=gclid&a&&");
}

/* Without room the URL stays as it is. */
static void test_no_room(void **state) {
    struct buf out;

    (void)state;
    buf_init(&out, 8);
    assert_false(tracking_strip("http://a/p?gclid=1&id=1", 23, &out));
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

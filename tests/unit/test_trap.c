/* trap: each limit at its edge, and which URLs are of a kind. */
#include "shared/trap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"

static enum trap_verdict check(const struct trap_limits *limits, const char *text) {
    struct url u;

    url_init(&u);
    assert_int_equal(url_parse(&u, text, strlen(text), NULL), URL_OK);
    url_canonicalise(&u);
    enum trap_verdict v = trap_check(limits, &u);
    url_release(&u);
    return v;
}

static void test_names(void **state) {
    (void)state;
    assert_null(trap_verdict_name(TRAP_NONE));
    assert_string_equal(trap_verdict_name(TRAP_URL_LENGTH), "trap-url-length");
    assert_string_equal(trap_verdict_name(TRAP_PATH_DEPTH), "trap-path-depth");
    assert_string_equal(trap_verdict_name(TRAP_REPEATS), "trap-repeats");
    assert_string_equal(trap_verdict_name(TRAP_QUERY_PARAMS), "trap-query-params");
    assert_string_equal(trap_verdict_name(TRAP_QUERY_ORDER), "trap-query-order");
    assert_string_equal(trap_verdict_name(TRAP_TEMPLATE), "trap-template");
}

static void test_length(void **state) {
    const struct trap_limits l = {.url_length = 12};

    (void)state;
    assert_int_equal(check(&l, "http://a/123"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/1234"), TRAP_URL_LENGTH);
}

static void test_depth(void **state) {
    const struct trap_limits l = {.path_depth = 3};

    (void)state;
    assert_int_equal(check(&l, "http://a/"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/1/2/3"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/1/2/3/"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/1/2/3/?a/b/c/d/e"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/1/2/3/4"), TRAP_PATH_DEPTH);
    assert_int_equal(check(&l, "http://a/1//2/3"), TRAP_PATH_DEPTH);
    assert_int_equal(check(&l, "http://a////"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/////"), TRAP_PATH_DEPTH);
}

static void test_repeats(void **state) {
    const struct trap_limits l = {.repeats = 3}, once = {.repeats = 1};

    (void)state;
    assert_int_equal(check(&l, "http://a/x/x/x"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/x/x/x/x"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/1/x/x/x/x/2"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/a/b/a/b/a/b"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/a/b/a/b/a/b/a/b"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/0/a/b/c/a/b/c/a/b/c/a/b/c/1"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/a/b/a/b/a/b/b"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/x/y/x/z/x/w"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/x/y/x/z/x/w/x"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a/x/y/x/z/x/w/X"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/x/y/x/z/x?/x/x"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/xx/x/xx/x"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/////"), TRAP_REPEATS);
    assert_int_equal(check(&l, "http://a////"), TRAP_NONE);
    assert_int_equal(check(&once, "http://a/a/b"), TRAP_NONE);
    assert_int_equal(check(&once, "http://a/a/b/a/"), TRAP_REPEATS);
    assert_int_equal(check(&once, "http://a/a/b/b"), TRAP_REPEATS);
    assert_int_equal(check(&once, "http://a/a/b/a/b"), TRAP_REPEATS);
    assert_int_equal(check(&once, "http://a/"), TRAP_NONE);
}

/* A path that is all slashes has the most segments that there can be. */
static void test_most_segments(void **state) {
    const struct trap_limits l = {.path_depth = LIMIT_URL_BYTES, .repeats = LIMIT_URL_BYTES};
    char url[LIMIT_URL_BYTES + 1];

    (void)state;
    memset(url, '/', sizeof url);
    memcpy(url, "http://a", 8);
    url[LIMIT_URL_BYTES] = '\0';
    assert_int_equal(check(&l, url), TRAP_NONE);
}

static void test_params(void **state) {
    const struct trap_limits l = {.query_params = 2};

    (void)state;
    assert_int_equal(check(&l, "http://a/?a=1&b=2"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/?&a=1&&b=2&"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/?a=1&b=2&c"), TRAP_QUERY_PARAMS);
    assert_int_equal(check(&l, "http://a/?a&b"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/?a&b&c"), TRAP_QUERY_PARAMS);
    assert_int_equal(check(&l, "http://a/?&a&b"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/?"), TRAP_NONE);
    assert_int_equal(check(&l, "http://a/&a&b&c&d"), TRAP_NONE);
}

/* What relative links to a/, b/ and c/ on each page lead to is finite: as many paths as there are words of the three
 * letters with none more than twice. */
static void walk(const struct trap_limits *l, char *url, size_t len, size_t *count) {
    if (check(l, url) != TRAP_NONE)
        return;
    ++*count;
    assert_true(len < 60);
    for (char c = 'a'; c <= 'c'; c++) {
        url[len] = c;
        memcpy(url + len + 1, "/", 2);
        walk(l, url, len + 2, count);
    }
    url[len] = '\0';
}

static void test_mixed_links_end(void **state) {
    const struct trap_limits l = {.repeats = 2};
    char url[64] = "http://a/";
    size_t count = 0, words = 0;
    static const size_t factorial[] = {1, 1, 2, 6, 24, 120, 720};

    (void)state;
    for (size_t a = 0; a <= 2; a++)
        for (size_t b = 0; b <= 2; b++)
            for (size_t c = 0; c <= 2; c++)
                words += factorial[a + b + c] / (factorial[a] * factorial[b] * factorial[c]);
    walk(&l, url, strlen(url), &count);
    assert_int_equal(count, words);
}

static void test_no_limits(void **state) {
    const struct trap_limits none = {0};

    (void)state;
    assert_int_equal(check(&none, "http://a/x/x/x/x/x/x/x/x/x/x/x/x?a&b&c&d&e&f"), TRAP_NONE);
}

static char *key(const char *url) {
    struct buf out;

    buf_init(&out, 4096);
    bool has = trap_query_key(url, strlen(url), &out);
    assert_int_equal(has, out.len > 0);
    return buf_take(&out);
}

static void assert_same_key(const char *a, const char *b, bool same) {
    char *x = key(a), *y = key(b);

    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(strcmp(x, y) == 0, same);
    free(x);
    free(y);
}

static void test_query_key(void **state) {
    (void)state;
    assert_same_key("http://a/?x=1&y=2", "http://a/?y=2&x=1", true);
    assert_same_key("http://a/?x=1&y=2&z", "http://a/?z&x=1&y=2", true);
    assert_same_key("http://a/?x=1&y=2", "http://a/?y=1&x=2", false);
    assert_same_key("http://a/?x=1&y=2", "http://b/?y=2&x=1", false);
    /* What one name says twice is a list. */
    assert_same_key("http://a/?x=1&x=2", "http://a/?x=2&x=1", false);
    assert_same_key("http://a/?x=1&y=0&x=2", "http://a/?y=0&x=1&x=2", true);
    assert_same_key("http://a/?xx=1&x=2", "http://a/?x=2&xx=1", true);
    assert_null(key("http://a/"));
    assert_null(key("http://a/?"));
    assert_null(key("http://a/?x=1"));
    assert_null(key("http://a/?x=1&"));
}

static void assert_template(const char *url, const char *expected) {
    struct buf out;

    buf_init(&out, 4096);
    assert_true(trap_template(url, strlen(url), strlen("http://a1"), &out));
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void test_template(void **state) {
    (void)state;
    assert_template("http://a1/cal/2024/05", "http://a1/cal/#/#");
    assert_template("http://a1/item-42.html?page=7&sort=up",
                    "http://a1/item-#.html?page=#&sort=up");
    assert_template("http://a1/s/deadbeef01/x", "http://a1/s/#/x");
    assert_template("http://a1/s/deadbeef/x", "http://a1/s/deadbeef/x");
    assert_template("http://a1/s/deadbeef01x", "http://a1/s/deadbeef#x");
    assert_template("http://a1/550e8400-e29b-41d4-a716-446655440000", "http://a1/#");
    assert_template("http://a1/550e8400-e29b-41d4-a716", "http://a1/#-e#b-#d#-a#");
    assert_template("http://a1/", "http://a1/");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_length),
        cmocka_unit_test(test_depth),         cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_most_segments), cmocka_unit_test(test_params),
        cmocka_unit_test(test_no_limits),     cmocka_unit_test(test_query_key),
        cmocka_unit_test(test_template),      cmocka_unit_test(test_mixed_links_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

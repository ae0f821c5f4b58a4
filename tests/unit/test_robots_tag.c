#include "shared/robots_tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

/* "noindex nofollow" or a part of it, of one X-Robots-Tag, or of one <meta>. */
static const char *written(const struct robots_tag *t) {
    return t->noindex    ? t->nofollow ? "noindex nofollow" : "noindex"
           : t->nofollow ? "nofollow"
                         : "";
}

static struct robots_tag header(const char *value) {
    struct robots_tag t;
    size_t len = strlen(value);
    char *copy = malloc(len + 1); /* without a NUL: an overrun is seen by the sanitizer */

    assert_non_null(copy);
    memcpy(copy, value, len);
    robots_tag_init(&t);
    robots_tag_header(&t, copy, len, "trawl");
    free(copy);
    return t;
}

static struct robots_tag meta(const char *content) {
    struct robots_tag t;

    robots_tag_init(&t);
    robots_tag_meta(&t, content, strlen(content));
    return t;
}

static void assert_header(const char *value, const char *expected) {
    struct robots_tag t = header(value);

    assert_string_equal(written(&t), expected);
}

static void test_words(void **state) {
    (void)state;
    assert_header("", "");
    assert_header("noindex", "noindex");
    assert_header(" NoIndex ,\tNOFOLLOW", "noindex nofollow");
    assert_header("none", "noindex nofollow");
    assert_header("noarchive, nofollow", "nofollow");
    assert_header("noindexing, all, no index", "");
    assert_header(",,noindex,,", "noindex");
    assert_header("noindex nofollow", "noindex nofollow");
}

static void test_agents(void **state) {
    (void)state;
    assert_header("trawl: noindex", "noindex");
    assert_header("Trawl : none", "noindex nofollow");
    assert_header("otherbot: noindex", "");
    assert_header("trawler: noindex", "");
    assert_header("*: noindex", "noindex");
    assert_header("robots: noindex", "noindex");
    assert_header(": noindex", "");
    /* Joined fields: the last prefix counts. */
    assert_header("otherbot: noindex, nofollow, trawl: nofollow", "nofollow");
    assert_header("nofollow, otherbot: noindex", "nofollow");
    assert_header("trawl: noindex, otherbot: nofollow", "noindex");
    /* Values are not agents. */
    assert_header("max-snippet: 20, noindex", "noindex");
    assert_header("otherbot: max-snippet:-1, noindex", "");
    assert_header("max-image-preview:none, nofollow", "nofollow");
}

static void assert_until(struct robots_tag t, int64_t unix_s) {
    assert_true(t.until_unix_ms == unix_s * 1000);
}

static void test_dates(void **state) {
    (void)state;
    assert_until(header("unavailable_after: 25 Jun 2022 15:00:00 GMT"), 1656169200);
    assert_until(header("unavailable_after: Sat, 25 Jun 2022 15:00:00 GMT"), 1656169200);
    assert_until(header("unavailable_after: Saturday, 25-Jun-22 15:00:00 GMT, nofollow"),
                 1656169200);
    assert_until(header("trawl: unavailable_after: 2022-06-25"), 1656115200);
    assert_until(header("unavailable_after: 2022-06-25T15:00:00Z"), 1656169200);
    assert_until(header("unavailable_after: 2022-06-25T17:00:00.25+02:00"), 1656169200);
    assert_until(header("unavailable_after: 2022-06-25 14:30-00:30"), 1656169200);
    assert_until(meta("UNAVAILABLE_AFTER:25 Jun 2022 15:00:00 GMT"), 1656169200);
    /* The earliest counts, and the rules behind a date are still read. */
    assert_until(header("unavailable_after: 2022-06-26, unavailable_after: 2022-06-25"),
                 1656115200);
    assert_header("unavailable_after: Sat, 25 Jun 2022 15:00:00 GMT, nofollow", "nofollow");
    assert_header("unavailable_after: 25 Jun 2022 15:00:00 GMT, noindex", "noindex");
}

static void test_no_dates(void **state) {
    static const char *const bad[] = {"unavailable_after",
                                      "unavailable_after:",
                                      "unavailable_after: soon",
                                      "unavailable_after: Sat,",
                                      "unavailable_after: 2022-13-01",
                                      "unavailable_after: 2022-06-25T99:00",
                                      "unavailable_after: 2022-06-25x",
                                      "otherbot: unavailable_after: 2022-06-25"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct robots_tag t = header(bad[i]);
        assert_true(t.until_unix_ms == INT64_MAX);
        assert_string_equal(written(&t), "");
    }
}

static void test_excludes(void **state) {
    struct robots_tag t = header("unavailable_after: 2022-06-25"), none = header("nofollow"),
                      noindex = header("noindex");

    (void)state;
    assert_false(robots_tag_excludes(&t, 1656115200000));
    assert_true(robots_tag_excludes(&t, 1656115200001));
    assert_false(robots_tag_excludes(&none, INT64_MAX));
    assert_true(robots_tag_excludes(&noindex, 0));
    robots_tag_add(&none, &t);
    assert_true(none.nofollow && none.until_unix_ms == t.until_unix_ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),    cmocka_unit_test(test_agents),
        cmocka_unit_test(test_dates),    cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_excludes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "shared/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct url *url(const char *text) {
    static struct url u;

    assert_int_equal(url_parse(&u, text, strlen(text), NULL), URL_OK);
    url_canonicalise(&u);
    return &u;
}

static struct options options_of(enum option_scope kind) {
    return (struct options){.scope = kind};
}

static struct scope *make(const struct options *o, const char *seed) {
    struct error err;
    struct scope *s = scope_new(o, &err);

    assert_non_null(s);
    if (seed != NULL)
        assert_true(scope_add_seed(s, url(seed)));
    return s;
}

static const char *check(const struct scope *s, const char *text) {
    return scope_verdict_name(scope_check(s, url(text)));
}

#define IN(s, text) assert_string_equal(check(s, text), "in")
#define OUT(s, text) assert_string_equal(check(s, text), "scope")

static void test_host(void **state) {
    struct options o = options_of(SCOPE_HOST);
    struct scope *s = make(&o, "http://example.com/a/b?c");

    (void)state;
    IN(s, "http://example.com/");
    IN(s, "http://EXAMPLE.com:80/z");
    IN(s, "https://example.com/");
    OUT(s, "http://example.com:8080/");
    OUT(s, "https://example.com:80/");
    OUT(s, "http://www.example.com/");
    OUT(s, "http://example.com./");
    OUT(s, "http://example.com.evil.test/");
    assert_true(scope_add_seed(s, url("http://example.com:8080/")));
    IN(s, "http://example.com:8080/x");
    OUT(s, "https://example.com:8080/x");
    scope_free(s);
}

static void test_domain(void **state) {
    struct options o = options_of(SCOPE_DOMAIN);
    struct scope *s = make(&o, "http://www.example.co.uk/");

    (void)state;
    IN(s, "http://example.co.uk/");
    IN(s, "https://a.b.example.co.uk:444/");
    OUT(s, "http://other.co.uk/");
    OUT(s, "http://co.uk/");
    OUT(s, "http://notexample.co.uk/");
    scope_free(s);
}

static void test_domain_of_hosts_without_one(void **state) {
    struct options o = options_of(SCOPE_DOMAIN);
    struct scope *s = make(&o, "http://127.0.0.1:8000/");

    (void)state;
    IN(s, "http://0x7f.1/");
    OUT(s, "http://127.0.0.2/");
    OUT(s, "http://x.localhost/");
    assert_true(scope_add_seed(s, url("http://[::1]/")));
    assert_true(scope_add_seed(s, url("http://localhost/")));
    IN(s, "https://[0:0::1]:99/");
    IN(s, "http://localhost:1/");
    OUT(s, "http://[::2]/");
    scope_free(s);
}

static void test_prefix(void **state) {
    struct options o = options_of(SCOPE_PREFIX);
    struct scope *s = make(&o, "http://h.test/docs/api/index.html?from=/x/y");

    (void)state;
    IN(s, "http://h.test/docs/api/");
    IN(s, "http://h.test/docs/api/index.html");
    IN(s, "http://h.test/docs/api/a/b/c");
    OUT(s, "http://h.test/docs/api");
    OUT(s, "http://h.test/docs/");
    OUT(s, "http://h.test/docs/api2/");
    OUT(s, "http://h.test/x?/docs/api/");
    OUT(s, "http://h.test/docs/api/../");
    OUT(s, "https://h.test/docs/api/");
    assert_true(scope_add_seed(s, url("http://other.test")));
    IN(s, "http://other.test/");
    IN(s, "http://other.test/a/b?c");
    OUT(s, "http://other.test:81/");
    scope_free(s);
}

static void test_any(void **state) {
    struct options o = options_of(SCOPE_ANY);
    struct scope *s = make(&o, NULL);

    (void)state;
    IN(s, "http://a.test/");
    IN(s, "https://b.test/");
    OUT(s, "ftp://a.test/");
    OUT(s, "mailto:a@b.test");
    scope_free(s);
}

static void test_no_seeds(void **state) {
    (void)state;
    for (enum option_scope kind = SCOPE_HOST; kind < SCOPE_ANY; kind++) {
        struct options o = options_of(kind);
        struct scope *s = make(&o, NULL);
        OUT(s, "http://a.test/");
        assert_false(scope_has_seed(s, url("http://a.test/")));
        scope_free(s);
    }
}

static void test_many_seeds(void **state) {
    struct options o = options_of(SCOPE_HOST);
    struct scope *s = make(&o, NULL);
    char text[64];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "http://h%d.test/%d", i, i);
        assert_true(scope_add_seed(s, url(text)));
        assert_true(scope_add_seed(s, url(text)));
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "http://h%d.test/%d", i, i);
        assert_true(scope_has_seed(s, url(text)));
        snprintf(text, sizeof text, "http://h%d.test/x", i);
        assert_false(scope_has_seed(s, url(text)));
        IN(s, text);
    }
    OUT(s, "http://h5000.test/");
    scope_free(s);
}

static void test_patterns(void **state) {
    char *include[] = {"/a", "\\.html$"}, *exclude[] = {"secret", "^https:"};
    struct options o = options_of(SCOPE_ANY);

    (void)state;
    o.include = (struct string_list){include, 2};
    o.exclude = (struct string_list){exclude, 2};
    struct scope *s = make(&o, NULL);
    IN(s, "http://h.test/abc");
    IN(s, "http://h.test/x.html");
    assert_string_equal(check(s, "http://h.test/x.html?y"), "include");
    assert_string_equal(check(s, "http://h.test/a/secret"), "exclude");
    assert_string_equal(check(s, "https://h.test/a"), "exclude");
    assert_string_equal(check(s, "ftp://h.test/a"), "scope");
    assert_int_equal(scope_match_limit_hits(s), 0);
    scope_free(s);
}

/* As people write them: a pattern outside of ASCII is for what URLs have escaped. */
static void test_international_patterns(void **state) {
    char *include[] = {"b\xc3\xbc"
                       "cher\\.example/",
                       "/stra\xc3\x9f"
                       "e$"},
         *exclude[] = {"\xe8\xa1\xa8"};
    struct options o = {.scope = SCOPE_ANY};
    struct error err;

    (void)state;
    o.include = (struct string_list){include, 2};
    o.exclude = (struct string_list){exclude, 1};
    struct scope *s = scope_new(&o, &err);
    assert_non_null(s);
    assert_string_equal(check(s, "http://b\xc3\xbc"
                                 "cher.example/x"),
                        "in");
    assert_string_equal(check(s, "http://xn--bcher-kva.example/x"), "in");
    assert_string_equal(check(s, "http://h.test/stra%C3%9Fe"), "in");
    assert_string_equal(check(s, "http://h.test/stra\xc3\x9f"
                                 "e"),
                        "in");
    assert_string_equal(check(s, "http://h.test/stra%DFe"), "include");
    assert_string_equal(check(s, "http://h.test/strasse"), "include");
    assert_string_equal(check(s, "http://xn--bcher-kva.example/?%E8%A1%A8"), "exclude");
    scope_free(s);
}

static void test_patterns_hold_for_seeds(void **state) {
    char *exclude[] = {"seed"};
    struct options o = options_of(SCOPE_HOST);

    (void)state;
    o.exclude = (struct string_list){exclude, 1};
    struct scope *s = make(&o, "http://h.test/seed");
    assert_string_equal(check(s, "http://h.test/seed"), "exclude");
    IN(s, "http://h.test/other");
    scope_free(s);
}

static void test_match_limit(void **state) {
    char *exclude[] = {"(x+x+)+[yw]", "z$"};
    struct options o = options_of(SCOPE_ANY);
    char text[256] = "http://h.test/";

    (void)state;
    o.exclude = (struct string_list){exclude, 2};
    struct scope *s = make(&o, NULL);
    memset(text + strlen(text), 'x', 60);
    IN(s, text);
    assert_int_equal(scope_match_limit_hits(s), 1);
    text[strlen(text)] = 'z';
    assert_string_equal(check(s, text), "exclude");
    scope_free(s);
}

static void test_bad_pattern(void **state) {
    char *patterns[] = {"fine", "a(b"};
    struct options o = options_of(SCOPE_ANY);
    struct error err = {0};

    (void)state;
    o.include = (struct string_list){patterns, 2};
    assert_null(scope_new(&o, &err));
    assert_non_null(strstr(err.text, "--include"));
    assert_non_null(strstr(err.text, "'a(b'"));
    assert_non_null(strstr(err.text, "offset 3"));
    o.include = (struct string_list){NULL, 0};
    patterns[1] = "(*UTF)x";
    o.exclude = (struct string_list){patterns, 2};
    assert_null(scope_new(&o, &err));
    assert_non_null(strstr(err.text, "--exclude"));
}

static int release(void **state) {
    (void)state;
    url_release(url("http://h/"));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_domain_of_hosts_without_one),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_no_seeds),
        cmocka_unit_test(test_many_seeds),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_international_patterns),
        cmocka_unit_test(test_patterns_hold_for_seeds),
        cmocka_unit_test(test_match_limit),
        cmocka_unit_test(test_bad_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}

/* cookies: RFC 6265 §5, with what browsers have made of it since. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shared/limits.h"
#include "worker/cookies.h"

#define NOW_S INT64_C(1700000000)
#define PAGE "http://a.www.example.com/d/p"

static void at(struct url *url, const char *href) {
    url_init(url);
    assert_int_equal(url_parse(url, href, strlen(href), NULL), URL_OK);
}

static void take(struct cookies *c, const char *href, const char *value) {
    struct url url;

    at(&url, href);
    cookies_take(c, &url, value, strlen(value), NOW_S);
    url_release(&url);
}

static void expect(struct cookies *c, const char *href, int64_t now_s, const char *sent) {
    struct buf field;
    struct url url;

    at(&url, href);
    buf_init(&field, 1 << 20);
    assert_true(cookies_send(c, &url, now_s, &field));
    assert_string_equal(field.len == 0 ? "" : field.data, sent);
    buf_release(&field);
    url_release(&url);
}

struct example {
    const char *set, *sent;
};

static void expect_all(const struct example *examples, size_t count, const char *from,
                       const char *to) {
    for (size_t i = 0; i < count; i++) {
        struct cookies c;
        cookies_init(&c);
        take(&c, from, examples[i].set);
        expect(&c, to, NOW_S, examples[i].sent);
        cookies_release(&c);
    }
}

#define EXPECT(examples, from, to)                                                                 \
    expect_all(examples, sizeof(examples) / sizeof(examples)[0], from, to)

static void test_pairs(void **state) {
    static const struct example examples[] = {
        {"a=1", "a=1"},
        {"a=1;", "a=1"},
        {" a = 1 ; x=y", "a=1"},
        {"a=b=c", "a=b=c"},
        {"a=\"q, r\"", "a=\"q, r\""},
        {"a=", "a="},
        {"a=\xe9", "a=\xe9"},
        {"a", ""},
        {"=1", ""},
        {"", ""},
        {"; a=1", ""},
        {"a=\x01", ""},
        {"a=1; x=\x7f", ""},
        {"a=b\tc", "a=b\tc"},
    };

    (void)state;
    EXPECT(examples, PAGE, PAGE);
}

static void test_paths(void **state) {
    static const struct example below[] = {
        {"a=1", "a=1"},
        {"a=1; Path=/", "a=1"},
        {"a=1; Path=/d", "a=1"},
        {"a=1; Path=/d/", "a=1"},
        {"a=1; Path=/e", ""},
        {"a=1; Path=/dx", ""},
        {"a=1; path = d", "a=1"},
        {"a=1; Path=\"/\"", "a=1"},
        {"a=1; Path=/e; Path=", "a=1"},
        {"a=1; Path=/; Path=/e", ""},
    };
    static const struct example elsewhere[] = {
        {"a=1", ""}, {"a=1; Path=/", "a=1"}, {"a=1; Path=/d", ""}, {"a=1; Path=d", ""}};
    static const struct example of_root[] = {{"a=1", "a=1"}};

    (void)state;
    EXPECT(below, PAGE, "http://a.www.example.com/d/q?x");
    EXPECT(elsewhere, PAGE, "http://a.www.example.com/dx");
    EXPECT(of_root, "http://h.example/p", "http://h.example/x/y");
}

static void test_domains(void **state) {
    static const struct example names[] = {
        {"a=1; Domain=a.www.example.com", "a=1"},
        {"a=1; Domain=.WWW.example.com", "a=1"},
        {"a=1; Domain=example.com", "a=1"},
        {"a=1; Domain=com", ""},
        {"a=1; Domain=other.example", ""},
        {"a=1; Domain=w.example.com", ""},
        {"a=1; Domain=ww.example.com", ""},
        {"a=1; Domain=", "a=1"},
        {"a=1; Domain=.", "a=1"},
        {"a=1; Domain=x; Domain=example.com", "a=1"},
        {"a=1; Domain=x.a.www.example.com", ""},
    };
    static const struct example addresses[] = {
        {"a=1; Domain=127.0.0.1", "a=1"}, {"a=1; Domain=0.0.1", ""}, {"a=1; Domain=1", ""}};
    static const struct example suffixes[] = {{"a=1; Domain=co.uk", ""},
                                              {"a=1; Domain=h.co.uk", "a=1"}};

    (void)state;
    EXPECT(names, PAGE, PAGE);
    EXPECT(addresses, "http://127.0.0.1/", "http://127.0.0.1/");
    EXPECT(suffixes, "http://h.co.uk/", "http://h.co.uk/");
}

static void test_ends(void **state) {
    static const struct example examples[] = {
        {"a=1; Max-Age=10", "a=1"},
        {"a=1; Max-Age=0", ""},
        {"a=1; Max-Age=-1", ""},
        {"a=1; Max-Age=x", "a=1"},
        {"a=1; Max-Age=1e3", "a=1"},
        {"a=1; Max-Age=-", "a=1"},
        {"a=1; Max-Age=99999999999999999999999", "a=1"},
        {"a=1; Max-Age=10; Expires=Tue, 09 Jun 2020 10:18:14 GMT", "a=1"},
        {"a=1; Expires=Tue, 09 Jun 2020 10:18:14 GMT", ""},
        {"a=1; expires=Tue, 09-Jun-20 10:18:14 GMT", ""},
        {"a=1; Expires=Wed, 09 Jun 2097 10:18:14 GMT", "a=1"},
        {"a=1; Expires=jun 9 10:18:14 2020", ""},
        {"a=1; Expires=10:18:14x 9th June 1999abc", ""},
        {"a=1; Expires=1:2:3 31 2 Feb 2020", "a=1"},
        {"a=1; Expires=Tue, 09 Jun 70 10:18:14", ""},
        {"a=1; Expires=Tue, 09 Jun 1600 10:18:14", "a=1"},
        {"a=1; Expires=Tue, 09 Jun 2020 10:60:14", "a=1"},
        {"a=1; Expires=x", "a=1"},
        {"a=1; Expires=0", "a=1"},
        {"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""},
        {"a=1; Expires=29 Feb 2019 0:0:0", "a=1"},
        {"a=1; Expires=29 Feb 2020 0:0:0", ""},
        {"a=1; Expires=Tue Nov 14 2023 22:13:20", ""}, /* now */
        {"a=1; Expires=Tue Nov 14 2023 22:13:21", "a=1"},
    };
    struct cookies c;

    (void)state;
    EXPECT(examples, PAGE, PAGE);
    cookies_init(&c);
    take(&c, PAGE, "a=1; Max-Age=10");
    expect(&c, PAGE, NOW_S + 9, "a=1");
    expect(&c, PAGE, NOW_S + 10, "");
    assert_int_equal(c.count, 0);
    take(&c, PAGE, "a=1");
    take(&c, PAGE, "a=2; Max-Age=0"); /* takes it away */
    expect(&c, PAGE, NOW_S, "");
    cookies_release(&c);
}

static void test_secure(void **state) {
    static const struct example plain[] = {
        {"a=1; Secure", ""}, {"__Secure-a=1", ""}, {"__host-a=1; Path=/", ""}};
    static const struct example tls[] = {
        {"a=1; secure", "a=1"},     {"__Secure-a=1; Secure", "__Secure-a=1"},
        {"__Secure-a=1", ""},       {"__Host-a=1; Secure; Path=/", "__Host-a=1"},
        {"__Host-a=1; Secure", ""}, {"__Host-a=1; Secure; Path=/; Domain=h.example", ""}};

    (void)state;
    EXPECT(plain, "http://h.example/", "http://h.example/");
    EXPECT(tls, "https://h.example/", "https://h.example/");
}

/* RFC 6265 §5.4: longer paths first, then what was first set. */
static void test_many(void **state) {
    struct cookies c;

    (void)state;
    cookies_init(&c);
    take(&c, PAGE, "a=1; Path=/");
    take(&c, PAGE, "b=2");
    take(&c, PAGE, "c=3; Path=/");
    take(&c, PAGE, "a=4");
    take(&c, PAGE, "A=5");
    take(&c, PAGE, "a=6; Path=/"); /* in the place of the first */
    expect(&c, PAGE, NOW_S, "b=2; a=4; A=5; a=6; c=3");
    expect(&c, "http://a.www.example.com/", NOW_S, "a=6; c=3");
    take(&c, PAGE, "a=7; Domain=example.com; Path=/"); /* another one */
    expect(&c, "http://a.www.example.com/", NOW_S, "a=6; c=3; a=7");
    cookies_release(&c);
}

static void test_bounds(void **state) {
    static char large[LIMIT_COOKIE_BYTES + 64], text[LIMIT_COOKIE_BYTES + 128];
    struct cookies c;

    (void)state;
    cookies_init(&c);
    memset(large, 'x', LIMIT_COOKIE_BYTES);
    snprintf(text, sizeof text, "a=%s", large);
    take(&c, PAGE, text);
    assert_int_equal(c.count, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "n%d=%.*s", i, i % 2 == 0 ? 1 : LIMIT_COOKIE_BYTES - 8, large);
        take(&c, PAGE, text);
        assert_true(c.count <= LIMIT_COOKIES && c.bytes <= LIMIT_COOKIES_BYTES);
    }
    assert_true(c.count > 0);
    cookies_release(&c);
    assert_int_equal(c.bytes, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "n%d=1", i);
        take(&c, PAGE, text);
    }
    assert_int_equal(c.count, LIMIT_COOKIES);
    cookies_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),   cmocka_unit_test(test_paths),
        cmocka_unit_test(test_domains), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_secure),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

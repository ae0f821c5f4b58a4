/* The URI of a URL: what WARC-Target-URI and CDXJ have. */
#include "shared/warc_uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/cdxj.h"
#include "shared/limits.h"
#include "shared/url.h"

static void test_uris(void **state) {
    static const struct {
        const char *url, *uri; /* NULL: the same */
    } cases[] = {
        {"http://a/", NULL},
        {"http://a.example:8080/p/a%20b?c=d&e=(f)*'!,;:@$/?~", NULL},
        {"http://a/css?family=A+B:400|R", "http://a/css?family=A+B:400%7CR"},
        {"http://a/a|b", "http://a/a%7Cb"},
        {"http://a/?sport^headlines", "http://a/?sport%5Eheadlines"},
        {"http://a/?{x}=[1]", "http://a/?%7Bx%7D=%5B1%5D"},
        {"http://a/[x]", "http://a/%5Bx%5D"},
        {"http://a/?c:\\d`", "http://a/?c:%5Cd%60"},
        {"http://a/100%", "http://a/100%25"},
        {"http://a/%zz%4", "http://a/%25zz%254"},
        {"http://a/%7C|", "http://a/%7C%7C"},
        {"http://[2001:db8::1]:81/[", "http://[2001:db8::1]:81/%5B"},
        {"http://[::1]", NULL},
        {"http://a{b/", "http://a%7Bb/"},
        {"http://a?[x", "http://a?%5Bx"},
        {"", NULL},
        {"[", "%5B"},
        {"http://[", "http://%5B"},
    };
    struct buf to;

    (void)state;
    buf_init(&to, 1024);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *url = cases[i].url, *uri = cases[i].uri != NULL ? cases[i].uri : url;
        buf_reset(&to);
        assert_true(warc_uri_append(&to, url, strlen(url)));
        assert_string_equal(to.data == NULL ? "" : to.data, uri);
        assert_int_equal(warc_uri_is(url, strlen(url)), cases[i].uri == NULL);
        assert_true(warc_uri_is(uri, strlen(uri)));
        assert_true(warc_uri_hash(url, strlen(url)) == warc_uri_hash(uri, strlen(uri)));
    }
    assert_true(warc_uri_hash("http://a/|", 10) != warc_uri_hash("http://a/", 9));
    buf_release(&to);
}

/* Every byte that may stand in a URL, in its path and in its query: its URI is one, and another URL of the same
 * server when it is parsed again. */
static void test_all_bytes(void **state) {
    struct buf to;
    struct url u, again;

    (void)state;
    url_init(&u);
    url_init(&again);
    buf_init(&to, 1024);
    for (int c = 1; c < 256; c++) {
        char text[64] = "http://h.example/aXb?cXd";
        text[18] = text[22] = (char)c;
        assert_int_equal(url_parse(&u, text, strlen(text), NULL), URL_OK);
        url_canonicalise(&u);
        buf_reset(&to);
        assert_true(warc_uri_append(&to, u.href, u.href_len));
        assert_true(warc_uri_is(to.data, to.len));
        assert_int_equal(url_parse(&again, to.data, to.len, NULL), URL_OK);
        assert_string_equal(again.href, to.data);
    }
    buf_release(&to);
    url_release(&u);
    url_release(&again);
}

static void test_longest(void **state) {
    static char url[LIMIT_URL_BYTES + 1];
    struct buf to;

    (void)state;
    memset(url, '|', sizeof url);
    buf_init(&to, 3 * LIMIT_URL_BYTES);
    assert_true(warc_uri_append(&to, url, LIMIT_URL_BYTES));
    assert_int_equal(to.len, 3 * LIMIT_URL_BYTES);
    assert_true(warc_uri_hash(url, LIMIT_URL_BYTES) == warc_uri_hash(to.data, to.len));
    buf_reset(&to);
    assert_false(warc_uri_append(&to, url, LIMIT_URL_BYTES + 1));
    buf_release(&to);
}

static void test_index(void **state) {
    const struct cdxj_record r = {.url = "http://www.a.example/X|y?b=[1]",
                                  .url_len = 30,
                                  .date_ms = 0,
                                  .mime = "text/html",
                                  .status = 200,
                                  .digest = "sha1:A",
                                  .filename = "f"};
    struct buf to;

    (void)state;
    buf_init(&to, 1024);
    assert_true(cdxj_append(&to, &r));
    assert_non_null(strstr(to.data, "example,a)/x%7cy?b=%5b1%5d 1970"));
    assert_non_null(strstr(to.data, "\"http://www.a.example/X%7Cy?b=%5B1%5D\""));
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

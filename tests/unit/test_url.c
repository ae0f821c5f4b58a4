/* The corpora (test_corpus_url.c) ask what the standard asks; here is what is ours. */
#include "shared/limits.h"
#include "shared/url.h"
#include "shared/url_host.h"
#include "shared/url_idna.h"
#include "shared/url_percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct url u, base;

static enum url_result parse(const char *text) {
    return url_parse(&u, text, strlen(text), NULL);
}

static const char *resolve(const char *text, const char *against) {
    assert_int_equal(url_parse(&base, against, strlen(against), NULL), URL_OK);
    return url_parse(&u, text, strlen(text), &base) == URL_OK ? u.href : "failure";
}

static void assert_slice(struct url_slice got, const char *want) {
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void test_components(void **state) {
    (void)state;
    assert_int_equal(parse("https://user:pass@example.com:1234/foo/bar?baz#quux"), URL_OK);
    assert_slice(url_scheme(&u), "https");
    assert_slice(url_username(&u), "user");
    assert_slice(url_password(&u), "pass");
    assert_slice(url_hostname(&u), "example.com");
    assert_int_equal(u.port, 1234);
    assert_slice(url_pathname(&u), "/foo/bar");
    assert_slice(url_search(&u), "baz");
    assert_slice(url_hash(&u), "quux");
    assert_true(u.has_host && !u.opaque_path);
    assert_int_equal(u.href[u.host_start], '@');
    assert_int_equal(u.href[u.path_start], '/');
    assert_int_equal(u.href[u.search_start], '?');
    assert_int_equal(u.href[u.hash_start], '#');
}

static void test_null_and_empty(void **state) {
    (void)state;
    assert_int_equal(parse("http://h/?#"), URL_OK);
    assert_string_equal(u.href, "http://h/?#");
    assert_int_not_equal(u.search_start, URL_NONE);
    assert_int_not_equal(u.hash_start, URL_NONE);
    assert_int_equal(parse("http://h"), URL_OK);
    assert_int_equal(u.search_start, URL_NONE);
    assert_int_equal(u.hash_start, URL_NONE);
    assert_int_equal(u.port, URL_NONE);

    assert_int_equal(parse("foo:///x"), URL_OK);
    assert_true(u.has_host);
    assert_int_equal(parse("foo:/x"), URL_OK);
    assert_false(u.has_host);
    assert_int_equal(parse("mailto:@x"), URL_OK);
    assert_true(u.opaque_path);
    assert_slice(url_hostname(&u), "");
    assert_slice(url_pathname(&u), "@x");
    assert_int_equal(parse("web+demo:/.//x"), URL_OK);
    assert_string_equal(u.href, "web+demo:/.//x");
    assert_slice(url_pathname(&u), "//x");
}

static void test_failure_leaves_no_url(void **state) {
    static const char *const bad[] = {"",
                                      "relative",
                                      "http://",
                                      "http://a b/",
                                      "http://%00/",
                                      "http://h:65536/",
                                      "http://[::1",
                                      "http://1.2.3.256/"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse("http://h/?a#b"), URL_OK);
        assert_int_equal(parse(bad[i]), URL_INVALID);
        assert_int_equal(u.href_len, 0);
        assert_slice(url_scheme(&u), "");
        assert_slice(url_username(&u), "");
        assert_slice(url_password(&u), "");
        assert_slice(url_hostname(&u), "");
        assert_slice(url_pathname(&u), "");
        assert_slice(url_search(&u), "");
        assert_slice(url_origin(&u), "");
        assert_false(url_is_http(&u));
        assert_int_equal(url_port_effective(&u), 0);
        url_canonicalise(&u);
    }
    assert_int_equal(url_parse(&base, "", 0, NULL), URL_INVALID);
    assert_int_equal(url_parse(&base, NULL, 0, NULL), URL_INVALID);
    assert_int_equal(url_parse(&u, "x", 1, &base), URL_INVALID);
}

static void test_before_any_parse(void **state) {
    struct url fresh, copy;

    (void)state;
    url_init(&fresh);
    url_init(&copy);
    assert_slice(url_hash(&fresh), "");
    url_canonicalise(&fresh);
    assert_int_equal(url_copy(&copy, &fresh), URL_OK);
    assert_int_equal(copy.href_len, 0);
    url_release(&fresh);
    url_release(&copy);
}

static void test_relative(void **state) {
    const char *const b = "http://u:p@h:81/a/b/c?q#f";

    (void)state;
    assert_string_equal(resolve("", b), "http://u:p@h:81/a/b/c?q");
    assert_string_equal(resolve("#x", b), "http://u:p@h:81/a/b/c?q#x");
    assert_string_equal(resolve("?x", b), "http://u:p@h:81/a/b/c?x");
    assert_string_equal(resolve("x", b), "http://u:p@h:81/a/b/x");
    assert_string_equal(resolve("../../../x", b), "http://u:p@h:81/x");
    assert_string_equal(resolve("%2e%2E/.%2e/x/.", b), "http://u:p@h:81/x/");
    assert_string_equal(resolve("/x", b), "http://u:p@h:81/x");
    assert_string_equal(resolve("\\\\x\\y", b), "http://x/y");
    assert_string_equal(resolve("//x", b), "http://x/");
    assert_string_equal(resolve("http:x", b), "http://u:p@h:81/a/b/x");
    assert_string_equal(resolve("https:x", b), "https://x/");
    assert_string_equal(resolve(" \tx\n/ y ", b), "http://u:p@h:81/a/b/x/%20y");
    assert_string_equal(resolve("x", "mailto:a"), "failure");
    assert_string_equal(resolve("#x", "mailto:a?b#c"), "mailto:a?b#x");
    assert_string_equal(resolve("..//x", "foo:/a/b"), "foo:/.//x");
}

static void test_file(void **state) {
    (void)state;
    assert_string_equal(resolve("x", "file:///C:/a/b"), "file:///C:/a/x");
    assert_string_equal(resolve("../../..", "file:///C:/a/b"), "file:///C:/");
    assert_string_equal(resolve("/x", "file:///C:/a/b"), "file:///C:/x");
    assert_string_equal(resolve("D|/x", "file:///C:/a/b"), "file:///D:/x");
    assert_string_equal(resolve("//h/x", "file:///C:/a/b"), "file://h/x");
    assert_string_equal(resolve("?x", "file://h/a?b#c"), "file://h/a?x");
    assert_int_equal(parse("file://localhost/x"), URL_OK);
    assert_string_equal(u.href, "file:///x");
}

static void test_malformed_utf8(void **state) {
    (void)state;
    assert_int_equal(parse("http://h/\xff\xe2\x82/\xf0\x9f\x92\xa9?\xc3#\xc3\xa9"), URL_OK);
    assert_string_equal(u.href, "http://h/%EF%BF%BD%EF%BF%BD/%F0%9F%92%A9?%EF%BF%BD#%C3%A9");
    assert_int_equal(parse("http://h\xff/"), URL_INVALID);
    assert_int_equal(parse("http://h%ff/"), URL_INVALID);
    assert_int_equal(url_parse(&u, "http://h/a\0b", 12, NULL), URL_OK);
    assert_string_equal(u.href, "http://h/a%00b");
}

static void test_domains(void **state) {
    static const char *const cases[][2] = {
        {"ExAmPlE.COM", "example.com"},
        {"%65x.%43om", "ex.com"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example"},
        {"%E4%BE%8B.\xe3\x80\x82x", "xn--fsq..x"},
        {"\xef\xbc\x91\xef\xbc\x92", "0.0.0.12"}, /* full-width 12 */
        {"xn--8I7caa", "xn--8i7caa"},             /* ASCII is not looked into */
        {"\xe1\xba\x9e.example", "xn--zca.example"},
        {"\xe1\x82\xa0.example", "xn--rkj.example"},
        {"a_b-.--c", "a_b-.--c"},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "http://%s/", cases[i][0]);
        assert_int_equal(parse(text), URL_OK);
        assert_slice(url_hostname(&u), cases[i][1]);
    }
    assert_int_equal(parse("http://\xc2\xad/"), URL_INVALID);
    assert_int_equal(parse("http://\xc3\xa9%00/"), URL_INVALID);
    assert_int_equal(parse("http://\xe2\x84\x80/"), URL_INVALID); /* "a/c" */
}

static void test_addresses(void **state) {
    uint8_t a[16];

    (void)state;
    assert_int_equal(parse("http://0x7f.1/"), URL_OK);
    assert_string_equal(u.href, "http://127.0.0.1/");
    assert_int_equal(url_host_kind(&u, a), URL_HOST_IPV4);
    assert_memory_equal(a, "\x7f\0\0\1", 4);
    assert_int_equal(parse("http://[1:0:0::FFFF:1.2.3.4]:80/"), URL_OK);
    assert_string_equal(u.href, "http://[1::ffff:102:304]/");
    assert_int_equal(url_host_kind(&u, a), URL_HOST_IPV6);
    assert_memory_equal(a, "\0\1\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4", 16);
    assert_int_equal(parse("http://[::]/"), URL_OK);
    assert_string_equal(u.href, "http://[::]/");
    assert_int_equal(parse("http://[1:2:3:4:5:6:7::]/"), URL_OK);
    assert_string_equal(u.href, "http://[1:2:3:4:5:6:7:0]/");
    assert_int_equal(parse("http://[1:2:3:4:5:6:7::8]/"), URL_INVALID);
    assert_int_equal(parse("http://[::1%25eth0]/"), URL_INVALID);

    assert_int_equal(parse("http://1.2.3.x/"), URL_OK);
    assert_int_equal(url_host_kind(&u, a), URL_HOST_NAME);
    assert_int_equal(parse("foo://1.2.3.4/"), URL_OK);
    assert_int_equal(url_host_kind(&u, a), URL_HOST_NAME);
    assert_int_equal(parse("file:///x"), URL_OK);
    assert_int_equal(url_host_kind(&u, a), URL_HOST_NAME);
}

static void test_ports(void **state) {
    (void)state;
    assert_int_equal(parse("http://h:00080/"), URL_OK);
    assert_string_equal(u.href, "http://h/");
    assert_int_equal(url_port_effective(&u), 80);
    assert_int_equal(parse("http://h:443/"), URL_OK);
    assert_int_equal(url_port_effective(&u), 443);
    assert_int_equal(parse("https://h:/"), URL_OK);
    assert_int_equal(url_port_effective(&u), 443);
    assert_int_equal(parse("foo://h:0/"), URL_OK);
    assert_string_equal(u.href, "foo://h:0/");
    assert_int_equal(u.port, 0);
    assert_int_equal(parse("foo://h/"), URL_OK);
    assert_int_equal(url_port_effective(&u), 0);
}

static void test_canonical(void **state) {
    static const char *const cases[][2] = {
        {"http://u:p@h:81/a?b#c", "http://h:81/a?b"},
        {"https://u@H/#", "https://h/"},
        {"http://:p@h/?#x", "http://h/?"},
        {"http://h/a", "http://h/a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i][0]), URL_OK);
        url_canonicalise(&u);
        assert_string_equal(u.href, cases[i][1]);
        assert_int_equal(u.href_len, strlen(u.href));
        assert_int_equal(url_parse(&base, u.href, u.href_len, NULL), URL_OK);
        assert_int_equal(u.host_start, base.host_start);
        assert_int_equal(u.host_end, base.host_end);
        assert_int_equal(u.path_start, base.path_start);
        assert_int_equal(u.search_start, base.search_start);
        assert_int_equal(u.hash_start, base.hash_start);
    }
    assert_int_equal(parse("http://u@h:81/a?b#c"), URL_OK);
    url_canonicalise(&u);
    assert_slice(url_origin(&u), "http://h:81");
}

static void test_lengths(void **state) {
    size_t n = LIMIT_URL_BYTES;
    char *text = malloc(n + 100);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', n + 100);
    memcpy(text, "http://h/", 9);
    assert_int_equal(url_parse(&u, text, n, NULL), URL_OK);
    assert_int_equal(u.href_len, n);
    assert_int_equal(url_parse(&u, text, n + 1, NULL), URL_TOO_LONG);
    assert_int_equal(u.href_len, 0);
    memset(text + n, ' ', 100);
    assert_int_equal(url_parse(&u, text, n + 100, NULL), URL_OK);
    text[n / 2] = '"'; /* becomes three bytes */
    assert_int_equal(url_parse(&u, text, n, NULL), URL_TOO_LONG);

    memset(text, '\xff', n);
    memcpy(text, "http://h/", 9);
    assert_int_equal(url_parse(&u, text, n, NULL), URL_TOO_LONG);

    /* Hosts: "\xc3\xa9" over and over. */
    for (size_t i = 7; i + 1 < n; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    assert_int_equal(url_parse(&u, text, 7 + URL_IDNA_BYTES_MAX, NULL), URL_OK);
    assert_int_equal(url_parse(&u, text, 7 + URL_IDNA_BYTES_MAX + 2, NULL), URL_TOO_LONG);
    free(text);
}

static void test_storage_is_reused(void **state) {
    (void)state;
    assert_int_equal(parse("http://example.com/a/long/enough/path/for/what/follows"), URL_OK);
    const char *href = u.href;
    for (int i = 0; i < 100; i++)
        assert_int_equal(parse("http://h/ x\ty"), URL_OK);
    assert_ptr_equal(u.href, href);
}

static void test_copy(void **state) {
    struct url copy;

    (void)state;
    url_init(&copy);
    assert_int_equal(parse("http://u:p@h:1/a?b#c"), URL_OK);
    assert_int_equal(url_copy(&copy, &u), URL_OK);
    assert_int_equal(url_copy(&copy, &copy), URL_OK);
    assert_int_equal(parse("foo:bar"), URL_OK);
    assert_string_equal(copy.href, "http://u:p@h:1/a?b#c");
    assert_slice(url_password(&copy), "p");
    assert_slice(url_hash(&copy), "c");
    assert_int_equal(parse(""), URL_INVALID);
    assert_int_equal(url_copy(&copy, &u), URL_OK);
    assert_int_equal(copy.href_len, 0);
    url_release(&copy);
}

static int release(void **state) {
    (void)state;
    url_release(&u);
    url_release(&base);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_any_parse),  cmocka_unit_test(test_components),
        cmocka_unit_test(test_null_and_empty),    cmocka_unit_test(test_failure_leaves_no_url),
        cmocka_unit_test(test_relative),          cmocka_unit_test(test_file),
        cmocka_unit_test(test_malformed_utf8),    cmocka_unit_test(test_domains),
        cmocka_unit_test(test_addresses),         cmocka_unit_test(test_ports),
        cmocka_unit_test(test_canonical),         cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_storage_is_reused), cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}

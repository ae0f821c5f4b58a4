#include "shared/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void expect(const char *host, const char *want) {
    char text[2048];
    int n = snprintf(text, sizeof text, "http://user@%s:8080/a.b.c", host);
    struct url u;

    url_init(&u);
    assert_int_equal(url_parse(&u, text, (size_t)n, NULL), URL_OK);
    struct url_slice got = domain_registrable(&u), whole = url_hostname(&u);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
    if (got.len > 0)
        assert_ptr_equal(got.ptr + got.len, whole.ptr + whole.len);
    url_release(&u);
}

static int init(void **state) {
    struct error err;

    (void)state;
    return domain_init(&err) ? 0 : -1;
}

static void test_names(void **state) {
    (void)state;
    expect("example.com", "example.com");
    expect("WWW.Example.COM", "example.com");
    expect("a.b.c.example.co.uk", "example.co.uk");
    expect("co.uk", "");
    expect("com", "");
    expect("localhost", "");
    expect("user.github.io", "user.github.io");
    expect("github.io", "");
    expect("unlisted.tld-that-is-not", "unlisted.tld-that-is-not");
    expect("www.b\xc3\xbc"
           "cher.de",
           "xn--bcher-kva.de");
    expect("www.\xe9\xa3\x9f\xe7\x8b\xae.\xe5\x85\xac\xe5\x8f\xb8.cn", "xn--85x722f.xn--55qx5d.cn");
}

static void test_wildcards(void **state) {
    (void)state;
    expect("kobe.jp", "kobe.jp");
    expect("c.kobe.jp", "");
    expect("b.c.kobe.jp", "b.c.kobe.jp");
    expect("a.b.c.kobe.jp", "b.c.kobe.jp");
    expect("www.city.kobe.jp", "city.kobe.jp");
    expect("ck", "");
    expect("x.ck", "");
    expect("a.www.ck", "www.ck");
    expect("compute.amazonaws.com", "amazonaws.com");
}

static void test_dots(void **state) {
    (void)state;
    expect("www.example.com.", "example.com.");
    expect("com.", "");
    expect("example.com..", "");
    expect(".example.com", "");
    expect(".", "");
}

static void test_addresses(void **state) {
    (void)state;
    expect("192.168.2.1", "");
    expect("0x7f.1", "");
    expect("[2001:db8::1]", "");
}

static void test_long_hosts(void **state) {
    char host[1024];
    size_t n = 0;

    (void)state;
    while (n < 600) {
        memcpy(host + n, "label.", 6);
        n += 6;
    }
    memcpy(host + n, "example.com", 12);
    expect(host, "example.com");
    memset(host, 'a', 600);
    memcpy(host + 600, ".com", 5);
    expect(host, "");
}

static void test_other_urls(void **state) {
    static const char *const texts[] = {"mailto:a@example.com", "file:///x", "foo:/x"};
    struct url u;

    (void)state;
    url_init(&u);
    assert_int_equal(domain_registrable(&u).len, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(url_parse(&u, texts[i], strlen(texts[i]), NULL), URL_OK);
        assert_int_equal(domain_registrable(&u).len, 0);
    }
    url_release(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_dots),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_hosts), cmocka_unit_test(test_other_urls),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}

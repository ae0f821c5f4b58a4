#include "shared/cdxj.h"
#include "shared/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void is_surt(const char *url, const char *want) {
    struct buf to;

    buf_init(&to, 4 * LIMIT_URL_BYTES);
    assert_true(cdxj_surt(url, strlen(url), &to));
    assert_string_equal(to.data, want);
    buf_release(&to);
}

/* Of the corpus' defaultIASurt, and what pywb and npm's warcio both say. */
static void test_surt(void **state) {
    (void)state;
    is_surt("http://archive.org/", "org,archive)/");
    is_surt("http://archive.org/goo/?", "org,archive)/goo");
    is_surt("http://archive.org/goo/?a=2&b&a=1", "org,archive)/goo?a=1&a=2&b");
    is_surt("dns:archive.org", "dns:archive.org");
    is_surt("warcinfo:foo.warc.gz", "warcinfo:foo.warc.gz");
    is_surt("http://www.Example.com/A/B?C=D", "com,example)/a/b?c=d");
    is_surt("https://www12.foo.com/", "com,foo)/");
    is_surt("https://www2.www2foo.com/", "com,www2foo)/");
    is_surt("http://wwwx.com/", "com,wwwx)/");
    is_surt("http://www.com/", "com)/");
    is_surt("http://example.com:8080/x", "com,example:8080)/x");
    is_surt("http://example.com:80/x", "com,example)/x");
    is_surt("https://example.com:443/x", "com,example)/x");
    is_surt("https://example.com:80/x", "com,example:80)/x");
    is_surt("http://127.0.0.1:7700/x.html", "1,0,0,127:7700)/x.html");
    is_surt("http://[::1]:81/", "[::1]:81)/");
    is_surt("http://user:pass@example.com/#frag?x", "com,example)/");
    is_surt("http://example.com", "com,example)/");
    is_surt("http://example.com?b=a&b=b&a=b", "com,example)/?a=b&b=a&b=b");
    is_surt("http://example.com/?ab=1&a1=1&a=2&a&a=", "com,example)/?a&a=&a=2&a1=1&ab=1");
    is_surt("http://example.com/a//", "com,example)/a/");
    is_surt("http://a b/", "a%20b)/");
    is_surt("http://", ")/");
    is_surt("http://a/?&&", "a)/?&&");
}

static void test_long(void **state) {
    char *url = malloc(LIMIT_URL_BYTES + 2);
    struct buf to;

    (void)state;
    assert_non_null(url);
    memset(url, '&', LIMIT_URL_BYTES + 1);
    memcpy(url, "http://a/?", 10);
    url[LIMIT_URL_BYTES + 1] = '\0';
    buf_init(&to, 4 * LIMIT_URL_BYTES);
    assert_true(cdxj_surt(url, LIMIT_URL_BYTES, &to));
    assert_int_equal(to.len, LIMIT_URL_BYTES - 7 + 1);
    buf_reset(&to);
    assert_true(cdxj_surt(url, LIMIT_URL_BYTES + 1, &to));
    assert_string_equal(to.data, url);
    buf_release(&to);
    free(url);
}

static void test_line(void **state) {
    const char *url = "http://www.example.com/a?b";
    struct cdxj_record r = {.url = url,
                            .url_len = strlen(url),
                            .date_ms = 1700000000123,
                            .mime = "text/html\n\"",
                            .status = 200,
                            .digest = "sha1:B2LTWWPUOYAH7UIPQ7ZUPQ4VMBSVC36A",
                            .length = 1228,
                            .offset = UINT64_C(1) << 40,
                            .filename = "x.warc.gz"};
    struct buf to;

    (void)state;
    buf_init(&to, 1000);
    assert_true(cdxj_append(&to, &r));
    assert_string_equal(to.data,
                        "com,example)/a?b 20231114221320 {\"url\": \"http://www.example.com/a?b\", "
                        "\"mime\": \"text/html\\n\\\"\", \"status\": \"200\", "
                        "\"digest\": \"sha1:B2LTWWPUOYAH7UIPQ7ZUPQ4VMBSVC36A\", "
                        "\"length\": \"1228\", \"offset\": \"1099511627776\", "
                        "\"filename\": \"x.warc.gz\"}\n");
    json_t *back = json_loads(strchr(to.data, '{'), 0, NULL);
    assert_non_null(back);
    json_decref(back);

    buf_reset(&to);
    r.mime = NULL;
    assert_true(cdxj_append(&to, &r));
    assert_non_null(strstr(to.data, "\"mime\": \"unk\""));
    r.date_ms = INT64_MAX;
    assert_false(cdxj_append(&to, &r));
    buf_release(&to);
    buf_init(&to, 60);
    r.date_ms = 0;
    assert_false(cdxj_append(&to, &r));
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_surt),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* URLs as people read them. */
#include "shared/url_iri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_iris(void **state) {
    static const struct {
        const char *url, *iri; /* NULL: the same */
    } cases[] = {
        {"http://a/b?c=%20%2F%25", NULL},
        {"http://xn--bcher-kva.example:81/", "http://b\xc3\xbc"
                                             "cher.example:81/"},
        {"http://a/%C3%A9%c3%a9?%E2%82%AC", "http://a/\xc3\xa9\xc3\xa9?\xe2\x82\xac"},
        {"http://a/caf%E9", "http://a/caf%E9"},
        {"http://a/%E2%82", "http://a/%E2%82"},
        {"http://a/%E2%82x%C3%A9", "http://a/%E2%82x\xc3\xa9"},
        {"http://a/%ED%A0%80%F5%80", "http://a/%ED%A0%80%F5%80"},
        {"http://a/%F0%9F%98%80%", "http://a/\xf0\x9f\x98\x80%"},
    };
    struct buf to;
    struct url u;

    (void)state;
    buf_init(&to, 1024);
    url_init(&u);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *iri = cases[i].iri;
        assert_int_equal(url_parse(&u, cases[i].url, strlen(cases[i].url), NULL), URL_OK);
        assert_int_equal(url_iri_differs(&u), iri != NULL);
        buf_reset(&to);
        assert_true(url_iri_append(&to, &u));
        assert_string_equal(to.data, iri != NULL ? iri : u.href);
    }
    url_release(&u);
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iris),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

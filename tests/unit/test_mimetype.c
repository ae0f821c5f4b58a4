/* MIME types: what callers ask of them, and the bounds. WPT's cases are in test_corpus_html_values.c. */
#include "shared/mimetype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_essence_and_params(void **state) {
    const char *value;
    size_t n;
    struct mimetype m;

    (void)state;
    mimetype_init(&m);
    static const char header[] = " Text/HTML ; Charset=\"a\\\"b\";x=;charset=c";
    assert_int_equal(mimetype_parse(&m, header, strlen(header)), MIMETYPE_OK);
    assert_string_equal(mimetype_essence(&m), "text/html");
    assert_true(mimetype_is_html(&m));
    assert_true(mimetype_param(&m, "charset", &value, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(value, "a\"b", 3);
    assert_false(mimetype_param(&m, "x", &value, &n));
    assert_int_equal(mimetype_parse(&m, "text", 4), MIMETYPE_INVALID);
    assert_string_equal(mimetype_essence(&m), "");
    assert_false(mimetype_is_html(&m));
    mimetype_release(&m);
}

static void test_bounds(void **state) {
    size_t n = MIMETYPE_BYTES;
    char *header = malloc(n + 1);
    struct mimetype m;

    (void)state;
    assert_non_null(header);
    mimetype_init(&m);
    memset(header, 'x', n + 1);
    memcpy(header, "a/b;", 4);
    for (size_t i = 4; i + 4 < n; i += 4) {
        memcpy(header + i, "a=b;", 4);
        header[i] = (char)('a' + i / 4 % 26);
    }
    assert_int_equal(mimetype_parse(&m, header, n), MIMETYPE_OK);
    assert_int_equal(m.param_count, 26);
    assert_int_equal(mimetype_parse(&m, header, n + 1), MIMETYPE_INVALID);
    mimetype_release(&m);
    free(header);
}

static void test_sniff(void **state) {
    static const char *const html[] = {"<!doctype html>", " \r\n<HTML>", "<!--",
                                       "\xef\xbb\xbf<p ", "<a href=x>",  "<html\nlang=en>"};
    static const char *const other[] = {"", "<", "<html", "<abbr>", "x<p>", "<?xml>", "%PDF-"};

    (void)state;
    for (size_t i = 0; i < sizeof html / sizeof html[0]; i++)
        assert_true(mimetype_sniff_html(html[i], strlen(html[i])));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(mimetype_sniff_html(other[i], strlen(other[i])));
    assert_true(mimetype_sniff_xml("\xef\xbb\xbf <?xml ", 9));
    assert_false(mimetype_sniff_xml("<?xm", 4));
    assert_false(mimetype_sniff_xml("", 0));
}

/* Fetch, "extract a MIME type": its own examples first, then what servers send. NULL: failure. */
static void test_extract(void **state) {
    static const struct {
        const char *fields, *type;
    } cases[] = {
        {"text/plain;charset=gbk, text/html", "text/html"},
        {"text/html;charset=gbk;a=b, text/html;x=y", "text/html;x=y;charset=gbk"},
        {"text/html;charset=gbk;a=b, text/html;x=y;charset=utf-8", "text/html;x=y;charset=utf-8"},
        {"text/html;charset=gbk;a=b", "text/html;charset=gbk;a=b"},
        {"text/html;x=\",text/plain", "text/html;x=\",text/plain\""},
        {"text/html;\", \", text/plain", "text/plain"},
        {"text/html,", "text/html"},
        {",text/html", "text/html"},
        {"text/html, garbage", "text/html"},
        {"text/html, */*", "text/html"},
        {"text/html;charset=x, */*;charset=y", "text/html;charset=x"},
        {"text/html;charset=x, text/plain, text/html", "text/html"},
        {"text/html, text/html;charset=gbk, text/html", "text/html"}, /* to the letter of Fetch */
        {"text/html;charset=gbk, text/html;charset=k, text/html", "text/html;charset=gbk"},
        {"*/*", NULL},
        {"*/*, ,", NULL},
        {"", NULL},
        {",", NULL},
        {"html", NULL},
        {"unknown/unknown", "unknown/unknown"},
        {"text/html;;charset=UTF-8", "text/html;charset=UTF-8"},
        {"text/html;charset=utf-8, text/html;charset=Shift_JIS", "text/html;charset=Shift_JIS"},
    };
    struct mimetype m;
    struct buf text;

    (void)state;
    mimetype_init(&m);
    buf_init(&text, 1024);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum mimetype_result why = mimetype_extract(&m, cases[i].fields, strlen(cases[i].fields));
        assert_int_equal(why, cases[i].type != NULL ? MIMETYPE_OK : MIMETYPE_INVALID);
        assert_int_equal(mimetype_is_unknown(&m),
                         cases[i].type == NULL || strcmp(cases[i].type, "unknown/unknown") == 0);
        buf_reset(&text);
        assert_true(mimetype_serialise(&m, &text));
        assert_string_equal(text.data == NULL ? "" : text.data,
                            cases[i].type != NULL ? cases[i].type : "");
    }
    buf_release(&text);
    mimetype_release(&m);
}

static void test_root(void **state) {
    static const char *const html[] = {"<html xmlns='http://www.w3.org/1999/xhtml'>",
                                       "\xef\xbb\xbf<?xml version='1.0'?>\n<html/>",
                                       "<?xml version='1.0'?><?xml-stylesheet href='a'?><!-- <x> "
                                       "--><!DOCTYPE html [<!ENTITY a '>'>]>"
                                       "<h:html>"};
    static const char *const other[] = {"",        "<",    "<!-- <html>", "<rss><html>",
                                        "<htmlx>", "html", "<x:y>"};

    (void)state;
    for (size_t i = 0; i < sizeof html / sizeof html[0]; i++)
        assert_true(mimetype_root_is(html[i], strlen(html[i]), "html"));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(mimetype_root_is(other[i], strlen(other[i]), "html"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_essence_and_params),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_sniff),
        cmocka_unit_test(test_extract),
        cmocka_unit_test(test_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

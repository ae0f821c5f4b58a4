/* xml_mend: which references stay, and what becomes of the others, in pieces of any size. */
#include "shared/buf.h"
#include "shared/xml_mend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static bool take(void *arg, const char *text, size_t len) {
    return buf_append(arg, text, len);
}

static bool refuse(void *arg, const char *text, size_t len) {
    (void)text;
    *(size_t *)arg += len;
    return false;
}

static void assert_mended(const char *text, const char *expected) {
    for (size_t piece = 1; piece < strlen(text) + 2; piece++) {
        struct xml_mend m = {.in_cdata = false};
        struct buf got;
        buf_init(&got, 1 << 20);
        buf_append_str(&got, "");
        for (size_t at = 0; at < strlen(text); at += piece) {
            size_t left = strlen(text) - at;
            xml_mend_feed(&m, text + at, left < piece ? left : piece, take, &got);
        }
        xml_mend_end(&m, take, &got);
        assert_string_equal(got.data == NULL ? "" : got.data, expected);
        buf_release(&got);
    }
}

static void references(void **state) {
    (void)state;
    assert_mended("", "");
    assert_mended("a&amp;&lt;&gt;&quot;&apos;b", "a&amp;&lt;&gt;&quot;&apos;b");
    assert_mended("&#65;&#x41;&#x1F600;", "&#65;&#65;&#128512;");
    assert_mended("&#0;&#x1f;&#xd800;&#xffff;&#99999999999;",
                  "&#65533;&#65533;&#65533;&#65533;&#65533;");
    assert_mended("&#65 &#;&#x;&#6a;", "&#65; &amp;#;&amp;#x;&amp;#6a;");
    assert_mended("?a=1&b=2&copy=3&", "?a=1&amp;b=2&amp;copy=3&amp;");
    assert_mended("&nbsp;&eacute;&NotEqualTilde;&none;&;",
                  "&#160;&#233;&#8770;&#824;&amp;none;&amp;;");
    assert_mended("&LT;&AMP;", "&#60;&#38;");
    assert_mended("&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
                  "&amp;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;");
    assert_mended("&&&amp", "&amp;&amp;&amp;amp");
}

/* In a CDATA section nothing is a reference. */
static void cdata(void **state) {
    (void)state;
    assert_mended("&<![CDATA[&a&#0;]]]>&<![CDATA[]]>&",
                  "&amp;<![CDATA[&a&#0;]]]>&amp;<![CDATA[]]>&amp;");
    assert_mended("<<![CDATA[&]>]]&]]>&", "<<![CDATA[&]>]]&]]>&amp;");
    assert_mended("<![cdata[&", "<![cdata[&amp;");
}

/* Whoever declares names may use them. */
static void doctype(void **state) {
    (void)state;
    assert_mended("<!DOCTYPE a [<!ENTITY b 'c'>]>&b;&nbsp;&d &#0;",
                  "<!DOCTYPE a [<!ENTITY b 'c'>]>&b;&nbsp;&amp;d &#65533;");
}

/* Who wants no more gets no more. */
static void refused(void **state) {
    static const char *const texts[] = {"a&b", "&;", "&#0;x", "&nbsp;&nbsp;", "abc"};
    (void)state;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct xml_mend m = {.in_cdata = false};
        size_t got = 0;
        xml_mend_feed(&m, texts[i], strlen(texts[i]), refuse, &got);
        assert_true(got > 0 && got <= 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references),
        cmocka_unit_test(cdata),
        cmocka_unit_test(doctype),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

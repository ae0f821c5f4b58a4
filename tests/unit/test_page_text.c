/* Title and visible text of awkward pages. */
#include "shared/page_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define HTML "text/html; charset=utf-8"

static void assert_read(const char *type, const char *body, size_t len, const char *title,
                        const char *text) {
    struct page_text t;

    page_text_init(&t, 1 << 20);
    assert_true(page_text_read(&t, body, len, type));
    assert_string_equal(t.title.data != NULL ? t.title.data : "", title);
    assert_string_equal(t.text.data != NULL ? t.text.data : "", text);
    assert_false(t.is_cut);
    page_text_release(&t);
}

#define READ(type, body, title, text) assert_read(type, body, sizeof(body) - 1, title, text)

static void test_ordinary(void **state) {
    (void)state;
    READ(HTML,
         "<!DOCTYPE html><html><head><title>\n The  page </title></head>\n<body><h1>Head</h1><p>One"
         " two.</p></body>",
         "The page", "Head One two.");
    READ(HTML, "", "", "");
    READ(HTML, "no tags at all", "", "no tags at all");
    READ("application/xhtml+xml; charset=utf-8", "<p>x<br/>y</p>", "", "x y");
}

static void test_left_out(void **state) {
    (void)state;
    READ(HTML, "a<script>if (a < b) document.write('<p>no</p>')</script>b", "", "a b");
    READ(HTML, "a<style>p > b { color: red }</style>b", "", "a b");
    READ(HTML, "a<template><p>no<template>no</template>no</p></template>b", "", "a b");
    READ(HTML, "a<!-- no -->b<!DOCTYPE no>c<?no?>d</ no>e", "", "abcde");
    READ(HTML, "a<iframe>no</iframe><noembed>no</noembed><noframes>no</noframes>b", "", "a b");
    READ(HTML, "a<img alt=no title=no>b<noscript>yes</noscript>", "", "a b yes");
    READ(HTML, "a<script><!-- <script>no</script> no --></script>b", "", "a b");
    /* What is not closed goes on to the end. */
    READ(HTML, "a<script>no <p>no", "", "a");
    READ(HTML, "a<template>no <p>no", "", "a");
}

static void test_titles(void **state) {
    (void)state;
    READ(HTML, "<title>One</title><title>Two</title>text", "One", "text");
    READ(HTML, "<title>a <b>bold</b> &amp; more</title>text", "a <b>bold</b> & more", "text");
    READ(HTML, "<svg><title>Of the picture</title></svg><title>Page</title>", "Page",
         "Of the picture");
    READ(HTML, "<template><title>no</title></template><title>Page</title>", "Page", "");
    READ(HTML, "<title>never closed <p>text", "never closed <p>text", "");
    READ(HTML, "<title></title>text", "", "text");
}

static void test_words(void **state) {
    (void)state;
    READ(HTML, "w<b>or</b>d w<span>or</span><i>d</i>", "", "word word");
    READ(HTML, "<td>a</td><td>b</td><li>c<li>d<div>e</div>f", "", "a b c d e f");
    READ(HTML,
         "a&nbsp;b&#160;c&#x2003;d&emsp;e\xe3\x80\x80"
         "f\t\n\f\r g",
         "", "a b c d e f g");
    READ(HTML, "&lt;b&gt; caf&eacute; &#x1F600; &notit; &bogus; &amp", "",
         "<b> café 😀 ¬it; &bogus; &");
    READ(HTML, "<textarea>a <b>c</textarea><xmp>d <p>e</xmp>", "", "a <b>c d <p>e");
}

static void test_foreign(void **state) {
    (void)state;
    READ(HTML, "<svg><style>p{<a>no</a>}</style><text>yes</text></svg>", "", "yes");
    READ(HTML, "<svg><script/><text>yes</text></svg>more", "", "yes more");
    READ(HTML, "<svg><style>no<p>a breakout", "", "a breakout");
    READ(HTML, "<math><mi>x<![CDATA[<y>]]></mi></math>z", "",
         "x<y> z"); /* as the standard and Chromium have it */
    READ(HTML, "<svg><![CDATA[<y>]]></svg>", "", "<y>");
}

static void test_hostile(void **state) {
    (void)state;
    READ(HTML,
         "a\x1b[31m\x07\x7f"
         "b\xc2\x9b"
         "31mc&#27;d&#x9b;e",
         "",
         "a [31m b 31mc d\xe2\x80\xba"
         "e");
    READ(HTML, "<title>\x1b]0;evil\x07</title>", "]0;evil", "");
    READ(HTML, "a\0b", "", "ab");
    READ(HTML, "\xff\xfe\xfd", "", "\xef\xbf\xbd"); /* UTF-16 by its mark, one byte over */
    READ(HTML, "a\xff\xc3(", "", "a\xef\xbf\xbd\xef\xbf\xbd(");
    READ(HTML, "a<", "", "a<");
    READ(HTML, "a<b", "", "a");
    READ(HTML, "a</script></template></title></svg>b", "", "a b");
}

static void test_charsets(void **state) {
    (void)state;
    READ("text/html", "caf\xc3\xa9", "", "café");
    READ("text/html", "caf\xe9", "", "café");
    READ("text/html; charset=iso-8859-2", "\xb1", "", "ą");
    READ("text/html", "<meta charset=iso-8859-2>\xb1", "", "ą");
    READ("text/html; charset=utf-8", "<meta charset=iso-8859-2>\xc4\x85", "", "ą");
    READ("text/html", "\xef\xbb\xbf<meta charset=iso-8859-2>\xc4\x85", "", "ą");
    READ("text/html", "\xff\xfe<\0p\0>\0\xe9\0", "", "é");
    READ("text/html; charset=shift_jis", "\x83\x65", "", "テ");
}

/* A <meta> behind the 1024 bytes that are looked at first: the page is read again. */
static void test_late_meta(void **state) {
    char page[4096];
    struct page_text t;

    (void)state;
    memset(page, ' ', sizeof page);
    memcpy(page, "<title>\xb1</title>\xb1", 17);
    const char meta[] = "<meta http-equiv=Content-Type content='text/html; charset=iso-8859-2'>";
    memcpy(page + 2000, meta, sizeof meta - 1);
    page_text_init(&t, 1 << 20);
    for (int i = 0; i < 2; i++) { /* nothing of the first one is left */
        assert_true(page_text_read(&t, page, sizeof page, "text/html"));
        assert_string_equal(t.title.data, "ą");
        assert_string_equal(t.text.data, "ą");
    }
    page_text_release(&t);
}

static void test_plain(void **state) {
    (void)state;
    READ("text/plain", "a <b> &amp;\n\n c", "", "a <b> &amp; c");
    READ("text/plain; charset=windows-1251", "\xe0", "", "а");
    READ("", "\xc3\xa9", "", "é");
    assert_true(page_text_is_text("text/plain"));
    assert_false(page_text_is_text("image/png"));
    assert_false(page_text_is_text(""));
}

/* What is too long ends between characters, and never mid-way goes on. */
static void test_cut(void **state) {
    struct page_text t;

    (void)state;
    page_text_init(&t, 8);
    assert_true(page_text_read(&t, "<p>éééééé<p>x<p>yyyyy", 27, HTML));
    assert_true(t.is_cut);
    assert_string_equal(t.text.data, "éééé");
    assert_true(page_text_read(&t, "<p>   <p>  <p> <p> x", 20, HTML));
    assert_false(t.is_cut);
    assert_string_equal(t.text.data, "x");
    page_text_release(&t);
}

/* The same for every length of a page: no cut of the input is special. */
static void test_every_prefix(void **state) {
    static const char page[] = "<title>t&amp;</title><svg><style>a</style></svg><p>b\xc3\xa9"
                               "<template><b></template><script>x</script>&eacute;</p>";
    struct page_text t;

    (void)state;
    page_text_init(&t, 1 << 20);
    for (size_t n = 0; n < sizeof page; n++) {
        char *copy = malloc(n + 1); /* so that a sanitizer sees a read behind it */
        assert_non_null(copy);
        memcpy(copy, page, n);
        assert_true(page_text_read(&t, copy, n, HTML));
        assert_true(charset_is_valid_utf8(t.text.data != NULL ? t.text.data : "", t.text.len));
        free(copy);
    }
    assert_string_equal(t.title.data, "t&");
    assert_string_equal(t.text.data, "bé é");
    page_text_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary),    cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_titles),      cmocka_unit_test(test_words),
        cmocka_unit_test(test_foreign),     cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_charsets),    cmocka_unit_test(test_late_meta),
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_cut),
        cmocka_unit_test(test_every_prefix)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

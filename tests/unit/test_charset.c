/* Labels, sniffing, decoding, and queries in legacy encodings. */
#include "shared/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <strings.h>

static void assert_label(const char *label, const char *name) {
    const struct charset *c = charset_by_label(label, strlen(label));

    if (name == NULL) {
        assert_null(c);
        return;
    }
    assert_non_null(c);
    assert_string_equal(c->name, name);
}

static void test_labels(void **state) {
    (void)state;
    assert_label("UTF8", "utf-8");
    assert_label("\n Latin1\t", "windows-1252");
    assert_label("ISO-8859-9", "windows-1254");
    assert_label("gb2312", "gbk");
    assert_label("hz-gb-2312", "replacement");
    assert_label("utf-7", NULL);
    assert_label("", NULL);
    assert_label("utf-8 utf8", NULL);
    assert_label("utf", NULL);
}

static void assert_decoded(const char *label, const char *bytes, size_t n, const char *expected) {
    struct buf out;

    buf_init(&out, 1 << 20);
    buf_append_str(&out, "");
    assert_true(charset_decode(charset_by_label(label, strlen(label)), bytes, n, &out));
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

#define DECODED(label, bytes, expected) assert_decoded(label, bytes, sizeof bytes - 1, expected)

static void test_decoding(void **state) {
    (void)state;
    DECODED("windows-1252", "a\x80\xe9\x81", "a€é\xc2\x81");
    DECODED("utf-8", "\xc3\xa9\xff", "é\xef\xbf\xbd");
    DECODED("utf-16le", "\xe9\0\x3d\xd8\x00\xde", "é😀");
    DECODED("utf-16be", "\0\xe9\xd8", "é\xef\xbf\xbd");
    DECODED("utf-16be", "\xdd\x08", "\xef\xbf\xbd");
    DECODED("shift_jis", "\x83\x65\\~", "テ\\~");
    DECODED("shift_jis", "/\x8f", "/\xef\xbf\xbd"); /* a lone lead byte is no control character */
    DECODED("shift_jis", "/\xfd", "/\xef\xbf\xbd");
    DECODED("euc-jp", "\xa5\xc6", "テ");
    DECODED("euc-jp", "/\xff", "/\xef\xbf\xbd");
    DECODED("iso-2022-jp", "\x1b$B%F\x1b(Ba", "テa");
    DECODED("gbk", "\xd6\xd0", "中");
    DECODED("big5", "\xa4\xa4", "中");
    DECODED("euc-kr", "\xb0\xa1", "가");
    DECODED("euc-kr",
            "\xd6"
            "e",
            "\xef\xbf\xbd"
            "e"); /* no character, and ASCII is not swallowed */
    DECODED("gbk", "\x80", "€");
    DECODED("koi8-r", "\xc1", "а");
    DECODED("iso-8859-16", "a\xa4\xff", "a€ÿ");
    DECODED("x-user-defined", "a\x80", "a\xef\x9e\x80");
    DECODED("replacement", "<a href=x>", "\xef\xbf\xbd");
    DECODED("replacement", "", "");
}

/* Every encoding has its converter, and decodes whatever comes. */
static void test_every_encoding_decodes(void **state) {
    static const char *const labels[] = {"866",
                                         "latin2",
                                         "latin3",
                                         "latin4",
                                         "cyrillic",
                                         "arabic",
                                         "greek",
                                         "hebrew",
                                         "logical",
                                         "latin6",
                                         "iso8859-13",
                                         "iso8859-14",
                                         "l9",
                                         "iso-8859-16",
                                         "koi",
                                         "koi8-u",
                                         "mac",
                                         "tis-620",
                                         "cp1250",
                                         "cp1251",
                                         "cp1252",
                                         "cp1253",
                                         "cp1254",
                                         "cp1255",
                                         "cp1256",
                                         "cp1257",
                                         "cp1258",
                                         "x-mac-cyrillic",
                                         "gbk",
                                         "gb18030",
                                         "big5",
                                         "euc-jp",
                                         "iso-2022-jp",
                                         "sjis",
                                         "euc-kr",
                                         "hz-gb-2312",
                                         "utf-16be",
                                         "utf-16le",
                                         "x-user-defined",
                                         "utf-8"};
    char all[512];

    (void)state;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        const struct charset *c = charset_by_label(labels[i], strlen(labels[i]));
        struct buf out;
        assert_non_null(c);
        buf_init(&out, 1 << 20);
        assert_true(charset_decode(c, all, sizeof all, &out));
        assert_true(charset_is_valid_utf8(out.data, out.len));
        assert_true(charset_encode_query(c, "a\xc3\xa9", 3, &out));
        buf_release(&out);
    }
}

static void assert_query(const char *label, const char *query, const char *expected) {
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_true(
        charset_encode_query(charset_by_label(label, strlen(label)), query, strlen(query), &out));
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void test_queries(void **state) {
    (void)state;
    assert_query("windows-1252", "é=a b&c#;", "%E9=a%20b&c%23;");
    assert_query("windows-1252", "一", "%26%2319968%3B");
    assert_query("windows-1252", "😀\x01&#1;", "%26%23128512%3B%01&%231;");
    assert_query("shift_jis", "テ", "%83e");
    assert_query("euc-kr", "가", "%B0%A1");
    assert_query("gbk", "中€가", "%D6%D0%80%26%2344032%3B");
    assert_query("iso-2022-jp", "テ", "%1B$B%F%1B(B");
    assert_query("utf-16le", "é", "%C3%A9");
    struct buf out;
    buf_init(&out, 16);
    assert_true(charset_encode_query(charset_windows_1252(), NULL, 0, &out));
    assert_true(charset_decode(charset_windows_1252(), NULL, 0, &out));
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void test_output_is_bounded(void **state) {
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    assert_false(charset_decode(charset_windows_1252(), "\xe9\xe9\xe9", 3, &out));
    buf_release(&out);
}

static void test_utf8_validity(void **state) {
    static const char *const bad[] = {
        "\xc0\x80",         "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\x80", "\xff",         "\xe2\x82"};

    (void)state;
    assert_true(charset_is_valid_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(charset_is_valid_utf8(bad[i], strlen(bad[i])));
    /* A character across the 64-byte steps. */
    char long_text[130];
    memset(long_text, 'a', sizeof long_text);
    memcpy(long_text + 63, "\xc3\xa9", 2);
    assert_true(charset_is_valid_utf8(long_text, sizeof long_text));
    assert_false(charset_is_valid_utf8(long_text, 64));
    assert_false(charset_is_ascii(long_text, 64));
    assert_true(charset_is_ascii(long_text, 63));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_every_encoding_decodes),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_utf8_validity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

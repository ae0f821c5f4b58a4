/* utf: code points of each length; UTF-16 in both orders, in pieces of any size, with surrogates that have no partner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/utf.h"

enum { TEXT_BYTES = 32768 };

struct text {
    char bytes[TEXT_BYTES];
    size_t len, pieces, enough; /* it wants `enough` pieces */
};

static bool take(void *arg, const char *utf8, size_t len) {
    struct text *t = arg;

    assert_true(len > 0 && t->len + len <= sizeof t->bytes);
    memcpy(t->bytes + t->len, utf8, len);
    t->len += len;
    return ++t->pieces < t->enough;
}

static void test_lengths(void **state) {
    static const struct {
        uint32_t c;
        const char *utf8;
    } rows[] = {{'a', "a"},
                {0x7f, "\x7f"},
                {0x80, "\xc2\x80"},
                {0x7ff, "\xdf\xbf"},
                {0x800, "\xe0\xa0\x80"},
                {0xffff, "\xef\xbf\xbf"},
                {0x10000, "\xf0\x90\x80\x80"},
                {0x10ffff, "\xf4\x8f\xbf\xbf"}};
    char to[UTF8_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(utf8_put(to, rows[i].c), strlen(rows[i].utf8));
        assert_memory_equal(to, rows[i].utf8, strlen(rows[i].utf8));
    }
}

static const struct {
    const char *big_endian;
    size_t len;
    const char *utf8;
} streams[] = {
    {"\0a\0\xe9\x20\xac", 6, "a\xc3\xa9\xe2\x82\xac"},
    {"\xd8\x34\xdd\x1e", 4, "\xf0\x9d\x84\x9e"},
    {"\xd8\x34\0b", 4,
     "\xef\xbf\xbd"
     "b"},
    {"\xdd\x1e\0b", 4,
     "\xef\xbf\xbd"
     "b"},
    {"\xd8\x34\xd8\x34\xdd\x1e", 6, "\xef\xbf\xbd\xf0\x9d\x84\x9e"},
    {"\0a\0", 3, "a"},
};

static void test_streams(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        for (size_t piece = 1; piece <= streams[i].len; piece++)
            for (int big = 0; big < 2; big++) {
                static struct text t;
                struct utf16 u = {.is_big_endian = big};
                char octets[8] = "";
                for (size_t k = 0; k < streams[i].len; k++)
                    octets[big ? k : k ^ 1] = streams[i].big_endian[k];
                size_t len = big ? streams[i].len : streams[i].len & ~(size_t)1;
                t = (struct text){.enough = SIZE_MAX};
                for (size_t at = 0; at < len; at += piece)
                    utf16_feed(&u, octets + at, len - at < piece ? len - at : piece, take, &t);
                assert_int_equal(t.len, strlen(streams[i].utf8));
                assert_memory_equal(t.bytes, streams[i].utf8, t.len);
            }
}

/* What is long comes in pieces, and no more of them than are wanted. */
static void test_long(void **state) {
    static struct text t;
    static char octets[16384];
    struct utf16 u = {0};

    (void)state;
    for (size_t i = 0; i < sizeof octets; i += 2)
        memcpy(octets + i, "\xac\x20", 2);
    t = (struct text){.enough = SIZE_MAX};
    utf16_feed(&u, octets, sizeof octets, take, &t);
    assert_int_equal(t.len, sizeof octets / 2 * 3);
    assert_true(t.pieces > 2);
    t = (struct text){.enough = 2};
    utf16_feed(&u, octets, sizeof octets, take, &t);
    assert_int_equal(t.pieces, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

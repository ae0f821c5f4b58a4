/* gzip_pack: what comes out is one gzip member that zlib undoes to what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "shared/gzip_pack.h"

enum { BYTES_MAX = 5 << 20 };

/* 0: zeros; 1: text; 2: noise. */
static void fill(char *to, size_t len, int kind) {
    static const char words[] = "the quick brown fox <a href=\"/x\">jumps</a> over ";
    uint64_t x = len + 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        to[i] = kind == 0   ? '\0'
                : kind == 1 ? words[(i + i / 50 * 7) % (sizeof words - 1)]
                            : (char)(x >> 56);
    }
}

static void assert_undone(const unsigned char *packed, size_t packed_len, const char *in,
                          size_t len) {
    char *out = malloc(len + 1);
    z_stream z = {.next_in = (z_const Bytef *)packed,
                  .avail_in = (uInt)packed_len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)len + 1};

    assert_non_null(out);
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, len);
    assert_int_equal(z.avail_in, 0);
    assert_memory_equal(out, in, len);
    inflateEnd(&z);
    free(out);
}

static void test_round_trips(void **state) {
    static const size_t lengths[] = {0, 1, 2, 100, 4095, 9000, 65535, 65536, 70000, BYTES_MAX};
    char *in = malloc(BYTES_MAX);

    (void)state;
    assert_non_null(in);
    for (int level = 0; level <= GZIP_PACK_LEVEL_MAX; level += level < 2 ? 1 : 5) {
        struct gzip_pack *g = gzip_pack_new(level);
        assert_non_null(g);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
            for (int kind = 0; kind < 3; kind++) {
                size_t size = gzip_pack_bound(g, lengths[i]);
                unsigned char *out = malloc(size);
                assert_non_null(out);
                fill(in, lengths[i], kind);
                size_t n = gzip_pack(g, in, lengths[i], out, size);
                assert_in_range(n, 18, size);
                if (level > 0 && kind < 2 && lengths[i] >= 4095)
                    assert_true(n < lengths[i] / 2);
                assert_undone(out, n, in, lengths[i]);
                free(out);
            }
        gzip_pack_free(g);
    }
    free(in);
}

static void test_no_room(void **state) {
    struct gzip_pack *g = gzip_pack_new(1);
    char in[4000];
    unsigned char out[2000];

    (void)state;
    fill(in, sizeof in, 2);
    assert_int_equal(gzip_pack(g, in, sizeof in, out, sizeof out), 0);
    assert_int_equal(gzip_pack(g, in, sizeof in, out, 0), 0);
    fill(in, sizeof in, 0);
    assert_undone(out, gzip_pack(g, in, sizeof in, out, sizeof out), in, sizeof in);
    gzip_pack_free(g);
    assert_null(gzip_pack_new(-1));
    assert_null(gzip_pack_new(GZIP_PACK_LEVEL_MAX + 1));
}

enum { RECORD_BYTES = 9000, RECORDS = 3000 };

/* A record that is like others of its kind, and the same as none. 0: HTML; 1: text in another script; 2: noise. */
static void make_record(char *to, int kind, unsigned which) {
    static const char *const words[2][8] = {
        {"<p class=\"x\">", "the ", "quick ", "<a href=\"/page/", "brown fox", "</a> ", "jumps ",
         "over</p>\n"},
        {"\xe4\xb8\xad\xe6\x96\x87", "\xe7\xbd\x91\xe9\xa1\xb5", "\xe6\xb5\x8b\xe8\xaf\x95",
         "\xe3\x80\x82", "\xe8\xae\xb0\xe5\xbd\x95", "\xe5\x8e\x8b\xe7\xbc\xa9",
         "\xe5\x85\xb6\xe4\xbb\x96", "\xe5\x86\x85\xe5\xae\xb9"},
    };
    uint64_t x = which * 2654435761u + 1;

    for (size_t at = 0; at < RECORD_BYTES;) {
        char noise[4];
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(noise, &x, sizeof noise);
        const char *word = kind == 2 ? noise : words[kind][x >> 61];
        size_t n = kind == 2 ? sizeof noise : strlen(word);
        n = n < RECORD_BYTES - at ? n : RECORD_BYTES - at;
        memcpy(to + at, word, n);
        at += n;
    }
}

static size_t pack_record(struct gzip_pack *g, int kind, unsigned which) {
    char in[RECORD_BYTES];
    unsigned char out[2 * RECORD_BYTES];

    make_record(in, kind, which);
    size_t n = gzip_pack(g, in, sizeof in, out, sizeof out);
    assert_undone(out, n, in, sizeof in);
    return n;
}

/* What was packed before decides how the next is packed, but costs little: when it is alike, when it is not, and when all
 * that follows is another kind. */
static void test_learned(void **state) {
    struct gzip_pack *g = gzip_pack_new(1);
    size_t own[3], sum = 0;

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct gzip_pack *fresh = gzip_pack_new(1);
        own[kind] = pack_record(fresh, kind, 7);
        gzip_pack_free(fresh);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        bool another = i % 100 == 99;
        int kind = i < RECORDS / 2 ? 0 : 1;
        size_t n = pack_record(g, another ? 2 : kind, i);
        assert_true(n <= own[another ? 2 : kind] * 5 / 4);
        sum += n;
    }
    assert_true(pack_record(g, 0, 7) <= own[0] * 5 / 4);
    assert_true(sum <= RECORDS * (own[0] + own[1]) / 2 * 11 / 10);
    gzip_pack_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

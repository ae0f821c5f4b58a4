/* gzip_pack: what comes out is one gzip member that zlib undoes to what went in. */
#include <setjmp.h>
#include <stdarg.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

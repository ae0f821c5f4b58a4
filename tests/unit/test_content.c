#include "shared/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { MIB = 1 << 20, OUT_BYTES = 8 * MIB };

struct bytes {
    unsigned char *p;
    size_t len;
};

enum { RAW = -MAX_WBITS, ZLIB = MAX_WBITS, GZIP = MAX_WBITS + 16 };

static struct bytes squeeze(const void *in, size_t len, int window_bits, int level) {
    z_stream z;

    memset(&z, 0, sizeof z);
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    struct bytes out = {malloc(deflateBound(&z, len) + 64), 0};
    assert_non_null(out.p);
    z.next_in = (z_const Bytef *)in;
    z.avail_in = (uInt)len;
    z.next_out = out.p;
    z.avail_out = (uInt)deflateBound(&z, len) + 64;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    return out;
}

static struct bytes squeeze_zstd(const void *in, size_t len, int window_log) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    struct bytes out = {malloc(ZSTD_compressBound(len)), 0};

    assert_non_null(c);
    assert_non_null(out.p);
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 19);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    if (window_log > 0) {
        ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1);
        ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    }
    /* As a stream of unknown size, so that the window is as asked for. */
    ZSTD_inBuffer input = {in, len, 0};
    ZSTD_outBuffer output = {out.p, ZSTD_compressBound(len), 0};
    while (ZSTD_compressStream2(c, &output, &input, ZSTD_e_continue) != 0 || input.pos < input.size)
        assert_true(output.pos < output.size);
    while (ZSTD_compressStream2(c, &output, &input, ZSTD_e_end) != 0)
        assert_true(output.pos < output.size);
    out.len = output.pos;
    ZSTD_freeCCtx(c);
    return out;
}

static struct buf out;
static struct content_info info;

static enum content_result decode(const char *encodings, const void *in, size_t len) {
    return content_decode(encodings, encodings != NULL ? strlen(encodings) : 0, in, len, &out,
                          &info);
}

static void gives(const char *encodings, struct bytes in, const void *want, size_t want_len) {
    assert_int_equal(decode(encodings, in.p, in.len), CONTENT_OK);
    assert_int_equal(out.len, want_len);
    if (want_len > 0)
        assert_memory_equal(out.data, want, want_len);
}

static int setup(void **state) {
    (void)state;
    buf_init(&out, OUT_BYTES);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_release(&out);
    return 0;
}

static const char text[] = "hello hello hello hello brotli";
static const unsigned char brotli_text[] = {
    0x1f, 0x1d, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55, 0x86, 0xd6, 0x6c, 0x20,
    0x69, 0x6f, 0xd3, 0x10, 0x49, 0xe6, 0xa9, 0x03, 0x52, 0x1a, 0xf1, 0x78, 0xd1, 0x0c};
/* 64 MiB of zeros, with the largest window. */
static const unsigned char brotli_bomb[] = {
    0xcf, 0xff, 0xff, 0x7f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x9f,
    0xff, 0xff, 0xff, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x01, 0x80, 0xee, 0xfd, 0x3f, 0xff,
    0xff, 0xff, 0xe1, 0x9f, 0x00, 0x88, 0xc3, 0x22, 0x00, 0xdd, 0xfb, 0xff, 0xfc, 0xff,
    0xff, 0xc7, 0x3f, 0x01, 0x10, 0x87, 0x05, 0x00, 0xba, 0xf7, 0xff};

static void test_each(void **state) {
    size_t len = sizeof text - 1;
    struct bytes gzip = squeeze(text, len, GZIP, 9), zlib = squeeze(text, len, ZLIB, 9);
    struct bytes raw = squeeze(text, len, RAW, 9), zstd = squeeze_zstd(text, len, 0);
    struct bytes br = {(unsigned char *)(uintptr_t)brotli_text, sizeof brotli_text};

    (void)state;
    gives("gzip", gzip, text, len);
    assert_int_equal(info.members, 1);
    assert_int_equal(info.codings, 1);
    gives(" X-GZip ,identity,", gzip, text, len);
    gives("deflate", zlib, text, len);
    gives("Deflate", raw, text, len);
    gives("br", br, text, len);
    gives("zstd", zstd, text, len);
    gives(NULL, gzip, gzip.p, gzip.len);
    gives("identity", br, brotli_text, sizeof brotli_text);
    assert_int_equal(info.codings, 0);
    free(gzip.p);
    free(zlib.p);
    free(raw.p);
    free(zstd.p);
}

static void test_empty(void **state) {
    static const char *const codings[] = {"gzip", "deflate", "br", "zstd", "gzip, br", "identity"};

    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++)
        gives(codings[i], (struct bytes){NULL, 0}, NULL, 0);
}

/* Large and of mixed compressibility, through each coding and through all of them. */
static void test_stacked(void **state) {
    size_t len = 3 * MIB;
    char *plain = malloc(len);
    uint32_t seed = 7;

    (void)state;
    assert_non_null(plain);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        plain[i] = (char)(i % 70000 < 35000 ? seed >> 24 : i / 100);
    }
    struct bytes one = squeeze(plain, len, GZIP, 1);
    struct bytes two = squeeze_zstd(one.p, one.len, 0);
    struct bytes three = squeeze(two.p, two.len, ZLIB, 0);
    struct bytes four = squeeze(three.p, three.len, RAW, 1);
    gives("gzip", one, plain, len);
    gives("gzip,zstd", two, plain, len);
    gives("gzip , zstd,deflate", three, plain, len);
    gives("gzip, zstd,identity,\tdeflate,deflate", four, plain, len);
    assert_int_equal(info.codings, 4);
    assert_int_equal(info.members, 4);
    assert_int_equal(decode("gzip,gzip,zstd,deflate,deflate", four.p, four.len),
                     CONTENT_UNSUPPORTED);
    free(one.p);
    free(two.p);
    free(three.p);
    free(four.p);
    free(plain);
}

static void test_unsupported(void **state) {
    static const char *const codings[] = {"compress", "X-Compress", "gzip, exi", "dcb",
                                          "aes128gcm"};
    char chain[6000] = "";

    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        assert_int_equal(decode(codings[i], "x", 1), CONTENT_UNSUPPORTED);
        assert_int_equal(out.len, 0);
    }
    for (size_t i = 0; i < 1000; i++)
        memcpy(chain + 5 * i, "gzip,", 6);
    assert_int_equal(decode(chain, "x", 1), CONTENT_UNSUPPORTED);
}

/* Fetch, "handle content codings": a word that is no coding leaves the bytes as they are, wherever it stands. */
static void test_words(void **state) {
    static const char *const words[] = {"UTF-8",     "none",       "binary", "8bit",
                                        "text/html", "gz ip",      "gzipp",  "\"gzip\"",
                                        "*",         "gzip;q=1.0", "",       ","};
    struct bytes plain = {(unsigned char *)(uintptr_t)text, sizeof text - 1};
    struct bytes gzip = squeeze(text, sizeof text - 1, GZIP, 9);
    char list[64];

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        gives(words[i], plain, text, sizeof text - 1);
        snprintf(list, sizeof list, "%s, gzip", words[i]);
        gives(list, gzip, text, sizeof text - 1);
        snprintf(list, sizeof list, "GZIP,%s", words[i]);
        gives(list, gzip, text, sizeof text - 1);
    }
    free(gzip.p);
}

/* What says that it is packed and is not stays as it is, and is not called whole. */
static void test_mislabelled(void **state) {
    static const char *const codings[] = {"gzip",    "br",         "zstd",
                                          "deflate", "gzip, gzip", "br, utf-8"};
    static const char page[] = "<!doctype html><a href=x>";
    struct bytes gzip = squeeze(text, sizeof text - 1, GZIP, 9);

    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        assert_int_equal(decode(codings[i], page, sizeof page - 1), CONTENT_MISLABELLED);
        assert_int_equal(out.len, sizeof page - 1);
        assert_memory_equal(out.data, page, out.len);
    }
    /* Named twice, applied once; or the other way round. */
    gives("gzip, gzip", gzip, text, sizeof text - 1);
    struct bytes twice = squeeze(gzip.p, gzip.len, GZIP, 9);
    gives("gzip", twice, gzip.p, gzip.len);
    assert_int_equal(content_decode_text("gzip", 4, twice.p, twice.len, &out, &info), CONTENT_OK);
    assert_int_equal(out.len, sizeof text - 1);
    assert_memory_equal(out.data, text, out.len);
    assert_int_equal(content_decode_text(NULL, 0, gzip.p, gzip.len, &out, &info), CONTENT_OK);
    assert_int_equal(out.len, sizeof text - 1);
    assert_int_equal(content_decode_text("gzip", 4, twice.p, twice.len - 9, &out, &info),
                     CONTENT_TRUNCATED);
    free(gzip.p);
    free(twice.p);
}

static struct bytes join(struct bytes a, const void *p, size_t len) {
    a.p = realloc(a.p, a.len + len);
    assert_non_null(a.p);
    memcpy(a.p + a.len, p, len);
    a.len += len;
    return a;
}

static void test_members_and_trailing(void **state) {
    size_t len = sizeof text - 1;
    struct bytes one = squeeze(text, len, GZIP, 9), two = squeeze("more", 4, GZIP, 9);
    struct bytes zlib = squeeze(text, len, ZLIB, 9), zstd = squeeze_zstd(text, len, 0);
    static const unsigned char skip_frame[] = {0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'y'};

    (void)state;
    struct bytes both = join(join((struct bytes){NULL, 0}, one.p, one.len), two.p, two.len);
    gives("gzip", both, "hello hello hello hello brotlimore", len + 4);
    assert_int_equal(info.members, 2);
    both = join(both, "trailing", 8);
    gives("gzip", both, "hello hello hello hello brotlimore", len + 4);
    both = join(both, "\x1f", 1);
    gives("gzip", both, "hello hello hello hello brotlimore", len + 4);
    zlib = join(zlib, "trailing", 8);
    gives("deflate", zlib, text, len);
    struct bytes frames = join(join((struct bytes){NULL, 0}, zstd.p, zstd.len), skip_frame, 10);
    frames = join(frames, zstd.p, zstd.len);
    assert_int_equal(decode("zstd", frames.p, frames.len), CONTENT_OK);
    assert_int_equal(out.len, 2 * len);
    frames = join(frames, "trailing", 8);
    assert_int_equal(decode("zstd", frames.p, frames.len), CONTENT_OK);
    assert_int_equal(out.len, 2 * len);
    free(one.p);
    free(two.p);
    free(zlib.p);
    free(zstd.p);
    free(both.p);
    free(frames.p);
}

/* Cut off at every place: what there is comes out, and it is a beginning of the text. */
static void cut(const char *encodings, struct bytes in) {
    size_t len = sizeof text - 1;

    for (size_t n = 1; n < in.len; n++) {
        unsigned char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, in.p, n);
        assert_int_equal(decode(encodings, copy, n), CONTENT_TRUNCATED);
        assert_true(out.len <= len);
        if (out.len > 0)
            assert_memory_equal(out.data, text, out.len);
        free(copy);
    }
}

static void test_cut(void **state) {
    size_t len = sizeof text - 1;
    struct bytes gzip = squeeze(text, len, GZIP, 0), zlib = squeeze(text, len, ZLIB, 9);
    struct bytes zstd = squeeze_zstd(text, len, 0), twice = squeeze(gzip.p, gzip.len, GZIP, 0);

    (void)state;
    cut("gzip", gzip);
    assert_int_equal(decode("gzip", gzip.p, gzip.len - 8), CONTENT_TRUNCATED);
    assert_int_equal(out.len, len);
    cut("deflate", zlib);
    cut("zstd", zstd);
    cut("br", (struct bytes){(unsigned char *)(uintptr_t)brotli_text, sizeof brotli_text});
    cut("gzip, gzip", twice);
    free(gzip.p);
    free(zlib.p);
    free(zstd.p);
    free(twice.p);
}

static void test_corrupt(void **state) {
    size_t len = sizeof text - 1;
    struct bytes gzip = squeeze(text, len, GZIP, 9), zstd = squeeze_zstd(text, len, 0);

    (void)state;
    for (size_t back = 1; back <= 8; back++) { /* check sum and length */
        gzip.p[gzip.len - back] ^= 1;
        assert_int_equal(decode("gzip", gzip.p, gzip.len), CONTENT_CORRUPT);
        assert_int_equal(out.len, len);
        assert_memory_equal(out.data, text, len);
        gzip.p[gzip.len - back] ^= 1;
    }
    zstd.p[zstd.len - 1] ^= 1;
    assert_int_equal(decode("zstd", zstd.p, zstd.len), CONTENT_CORRUPT);
    assert_int_equal(decode("br, gzip", gzip.p, gzip.len), CONTENT_CORRUPT);
    free(gzip.p);
    free(zstd.p);
}

static void is_bomb(const char *encodings, const void *p, size_t len, size_t most) {
    assert_int_equal(decode(encodings, p, len), CONTENT_TOO_BIG);
    assert_true(out.len <= most);
    assert_true(out.size <= OUT_BYTES + 1);
}

static void test_bombs(void **state) {
    unsigned char *zeros = calloc(1, 64 * MIB);

    (void)state;
    assert_non_null(zeros);
    struct bytes gzip = squeeze(zeros, 64 * MIB, GZIP, 9), raw = squeeze(zeros, 64 * MIB, RAW, 9);
    struct bytes twice = squeeze(gzip.p, gzip.len, GZIP, 9);
    struct bytes zstd = squeeze_zstd(zeros, 64 * MIB, 0);
    assert_true(gzip.len < 70000 && twice.len < 1000 && zstd.len < 7000);
    is_bomb("gzip", gzip.p, gzip.len, OUT_BYTES);
    is_bomb("deflate", raw.p, raw.len, OUT_BYTES);
    is_bomb("gzip, gzip", twice.p, twice.len, MIB); /* by the ratio */
    is_bomb("zstd", zstd.p, zstd.len, 2 * MIB);
    is_bomb("br", brotli_bomb, sizeof brotli_bomb, MIB);
    /* A window of 128 MiB is refused before it is made. */
    struct bytes window = squeeze_zstd(zeros, 64 * MIB, 27);
    assert_int_equal(decode("zstd", window.p, window.len), CONTENT_CORRUPT);
    assert_int_equal(out.len, 0);
    /* The bound is the buffer's, to the byte, and a plain body knows it too. */
    struct bytes exact = squeeze(zeros, OUT_BYTES, GZIP, 0);
    assert_int_equal(decode("gzip", exact.p, exact.len), CONTENT_OK);
    assert_int_equal(out.len, OUT_BYTES);
    assert_int_equal(decode(NULL, zeros, OUT_BYTES), CONTENT_OK);
    is_bomb(NULL, zeros, OUT_BYTES + 1, OUT_BYTES);
    struct bytes more = squeeze(zeros, OUT_BYTES + 1, GZIP, 0);
    is_bomb("gzip", more.p, more.len, OUT_BYTES);
    assert_int_equal(out.len, OUT_BYTES);
    free(exact.p);
    free(more.p);
    free(window.p);
    free(gzip.p);
    free(raw.p);
    free(twice.p);
    free(zstd.p);
    free(zeros);
}

/* Output nothing, input without an end. */
static void test_empty_members(void **state) {
    struct bytes empty = squeeze("", 0, GZIP, 9), many = {NULL, 0}, zstd = squeeze_zstd("", 0, 0);
    struct bytes frames = {NULL, 0};
    static const unsigned char stored[] = {0, 0, 0, 0xff, 0xff}; /* an empty block, not the last */

    (void)state;
    for (size_t i = 0; i < CONTENT_MEMBERS_MAX; i++) {
        many = join(many, empty.p, empty.len);
        frames = join(frames, zstd.p, zstd.len);
    }
    gives("gzip", many, NULL, 0);
    gives("zstd", frames, NULL, 0);
    many = join(many, empty.p, empty.len);
    frames = join(frames, zstd.p, zstd.len);
    is_bomb("gzip", many.p, many.len, 0);
    is_bomb("zstd", frames.p, frames.len, 0);
    struct bytes endless = {malloc(MIB), 0};
    assert_non_null(endless.p);
    for (; endless.len + sizeof stored <= MIB; endless.len += sizeof stored)
        memcpy(endless.p + endless.len, stored, sizeof stored);
    assert_int_equal(decode("deflate", endless.p, endless.len), CONTENT_TRUNCATED);
    assert_int_equal(out.len, 0);
    free(empty.p);
    free(zstd.p);
    free(many.p);
    free(frames.p);
    free(endless.p);
}

/* Chunked. */

static struct content_dechunk dechunk(const char *in, size_t len, size_t piece) {
    struct content_dechunk d = {0};
    const char *data;
    size_t data_len;

    buf_reset(&out);
    for (size_t at = 0; at < len && !content_dechunk_done(&d);) {
        size_t n = piece < len - at ? piece : len - at;
        size_t used = content_dechunk(&d, in + at, n, &data, &data_len);
        assert_true(used > 0 && used <= n);
        assert_true(data >= in && data + data_len <= in + len);
        assert_true(buf_append(&out, data, data_len));
        at += used;
    }
    return d;
}

static void test_dechunk(void **state) {
    static const struct {
        const char *in, *out;
        bool whole, corrupt;
    } cases[] = {
        {"5\r\nhello\r\n0\r\n\r\n", "hello", true, false},
        {"5;a=\"b\"\r\nhello\r\n06 \r\n world\r\n0;x\r\nA: b\r\nC: d\r\n\r\nmore", "hello world",
         true, false},
        {"5\nhello\n0\n\n", "hello", true, false},
        {"A\r\n0123456789\r\n0\r\n", "0123456789", false, false},
        {"5\r\nhel", "hel", false, false},
        {"", "", false, false},
        {"5\r\nhelloX", "hello", false, true},
        {"\r\nhello", "", false, true},
        {";x\r\nhello", "", false, true},
        {"-1\r\nhello", "", false, true},
        {"0x5\r\nhello", "", false, true},
        {"ffffffffffffffff\r\nhello", "", false, true},
        {"10000000000000000\r\nhello", "", false, true},
        {"00000000000000000005\r\nhello\r\n0\r\n\r\n", "hello", true, false},
        {"<html>", "", false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 70; piece += piece < 8 ? 1 : 30) {
            struct content_dechunk d = dechunk(cases[i].in, strlen(cases[i].in), piece);
            assert_int_equal(d.is_whole, cases[i].whole);
            assert_int_equal(d.is_corrupt, cases[i].corrupt);
            assert_int_equal(out.len, strlen(cases[i].out));
            if (out.len > 0)
                assert_memory_equal(out.data, cases[i].out, out.len);
        }
}

static void test_dechunk_bounds(void **state) {
    size_t len = 20000;
    char *in = malloc(len);

    (void)state;
    assert_non_null(in);
    memset(in, 'x', len);
    memcpy(in, "1;", 2); /* 16 KiB of extension for one byte */
    assert_true(dechunk(in, len, len).is_corrupt);
    memcpy(in, "0\r\n", 3);
    assert_true(dechunk(in, len, len).is_corrupt);
    memset(in, '0', len);
    assert_true(dechunk(in, len, len).is_corrupt);
    free(in);
}

static void test_texts(void **state) {
    (void)state;
    for (int i = CONTENT_OK; i <= CONTENT_NO_MEMORY; i++)
        assert_true(strlen(content_result_text((enum content_result)i)) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stacked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsupported, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mislabelled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members_and_trailing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bombs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dechunk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dechunk_bounds, setup, teardown),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

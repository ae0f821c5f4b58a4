/*
 * libFuzzer target: any bytes in any stack of content codings, whole and cut in two; and as a chunked body in pieces
 * of two sizes, which must give the same.
 *
 *     clang -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_content.c shared/{content,buf}.c \
 *         -lz -lbrotlidec -lzstd
 *
 * The input's first byte is the stack, the second the size of the pieces.
 */
#include "shared/content.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void decode(const char *stack, const uint8_t *data, size_t size) {
    struct content_info info;
    struct buf out, less;

    buf_init(&out, OUT_BYTES);
    buf_init(&less, OUT_BYTES);
    enum content_result why = content_decode(stack, strlen(stack), data, size, &out, &info);
    check(why != CONTENT_NO_MEMORY && why != CONTENT_UNSUPPORTED);
    check(out.len <= OUT_BYTES && info.members <= CONTENT_MEMBERS_MAX + CONTENT_CODINGS_MAX);
    /* A part of the input gives a beginning of what all of it gives; not less, but for decoders that
     * keep back what came just before the damage. */
    content_decode(stack, strlen(stack), data, size / 2, &less, &info);
    size_t both = less.len < out.len ? less.len : out.len;
    check(less.len <= out.len || why == CONTENT_CORRUPT);
    check(both == 0 || memcmp(less.data, out.data, both) == 0);
    buf_release(&less);
    buf_release(&out);
}

static struct content_dechunk dechunk(const char *in, size_t len, size_t piece, struct buf *out) {
    struct content_dechunk d = {0};
    const char *bytes;
    size_t n;

    while (len > 0 && !content_dechunk_done(&d)) {
        size_t used = content_dechunk(&d, in, piece < len ? piece : len, &bytes, &n);
        check(used > 0 && used <= len && n <= used);
        check(buf_append(out, bytes, n));
        in += used;
        len -= used;
    }
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const stacks[] = {
        "gzip",      "deflate",     "br",         "zstd",
        "gzip,gzip", "deflate, br", "zstd, zstd", "br,zstd,gzip,deflate",
        "identity"};
    struct buf one, other;

    if (size < 2)
        return 0;
    decode(stacks[data[0] % (sizeof stacks / sizeof *stacks)], data + 2, size - 2);
    buf_init(&one, size);
    buf_init(&other, size);
    struct content_dechunk a = dechunk((const char *)data + 2, size - 2, size, &one);
    struct content_dechunk b = dechunk((const char *)data + 2, size - 2, data[1] + 1u, &other);
    check(a.is_whole == b.is_whole && a.is_corrupt == b.is_corrupt && one.len == other.len);
    check(one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
    buf_release(&one);
    buf_release(&other);
    return 0;
}

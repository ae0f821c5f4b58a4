/*
 * libFuzzer target: any bytes as a sitemap; what is found must not depend on where they are cut.
 *
 *     clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_sitemap.c \
 *         shared/{sitemap,charset,buf}.c -lexpat -lz $(pkg-config --libs icu-uc)
 *
 * The first byte is the length of the pieces, 0 for the whole.
 */
#include "shared/buf.h"
#include "shared/limits.h"
#include "shared/sitemap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    struct buf urls;
    enum sitemap_kind kind;
    enum sitemap_result result;
};

static bool on_url(void *ctx, const char *url, size_t len) {
    if (len == 0 || len > LIMIT_URL_BYTES)
        abort();
    buf_append(ctx, url, len);
    return buf_append_char(ctx, '\n');
}

static void find(struct found *f, const uint8_t *data, size_t size, size_t piece) {
    struct sitemap *s = sitemap_new(on_url, &f->urls);

    buf_init(&f->urls, 64 << 20);
    for (size_t at = 0; at < size; at += piece)
        sitemap_feed(s, data + at, size - at < piece ? size - at : piece);
    f->result = sitemap_finish(s);
    f->kind = sitemap_kind(s);
    sitemap_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct found whole, cut;

    if (size < 2)
        return 0;
    find(&whole, data + 1, size - 1, SIZE_MAX / 2);
    find(&cut, data + 1, size - 1, data[0] == 0 ? SIZE_MAX / 2 : data[0]);
    if (whole.kind != cut.kind || whole.result != cut.result || whole.urls.len != cut.urls.len ||
        (whole.urls.len > 0 && memcmp(whole.urls.data, cut.urls.data, cut.urls.len) != 0))
        abort();
    buf_release(&whole.urls);
    buf_release(&cut.urls);
    return 0;
}

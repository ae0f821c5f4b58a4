/*
 * libFuzzer target: any bytes as a robots.txt and as an encoded form; what was parsed must come back
 * equal from its encoded form, and give the same answer.
 *
 *     clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_robots.c shared/{robots,buf}.c
 *
 * The input up to the first NUL is the path, the rest is the file.
 */
#include "shared/limits.h"
#include "shared/robots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct robots *r, const char *path, size_t len) {
    struct robots back;
    struct robots_match why, back_why;
    struct buf b;

    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    robots_init(&back);
    if (!robots_encode(r, &b) || !robots_decode(&back, b.data, b.len))
        abort();
    if (back.rule_count != r->rule_count || back.sitemap_count != r->sitemap_count)
        abort();
    bool yes = robots_allowed(r, path, len, &why);
    if (robots_allowed(&back, path, len, &back_why) != yes || why.line != back_why.line ||
        why.reason != back_why.reason || why.steps != back_why.steps)
        abort();
    if (why.text != NULL && why.text[why.text_len] != '\0')
        abort();
    robots_release(&back);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t path_len = nul != NULL ? (size_t)(nul - data) : 0;
    const uint8_t *body = nul != NULL ? nul + 1 : data;
    size_t body_len = size - (size_t)(body - data);
    struct robots r;

    robots_init(&r);
    if (robots_parse(&r, body, body_len, "trawl"))
        check(&r, (const char *)data, path_len);
    if (robots_decode(&r, body, body_len))
        check(&r, (const char *)data, path_len);
    robots_release(&r);
    return 0;
}

/*
 * libFuzzer target: whatever the body, page_extract() yields distinct http(s) URLs within the limits.
 *
 *     clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_page.c build/libtrawl.a -licuuc
 *
 * The first byte of the input chooses the Content-Type; the rest is the body.
 */
#include "shared/limits.h"
#include "shared/page.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
    NULL,
    "text/html",
    "text/html;charset=utf-8",
    "text/html;charset=shift_jis",
    "text/html;charset=iso-2022-jp",
    "text/html;charset=utf-16le",
    "application/xhtml+xml",
    "text/css",
};

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check(const struct page *p) {
    const char **urls = calloc(p->links.count + 1, sizeof *urls);

    if (urls == NULL || p->links.count > LIMIT_PAGE_LINKS)
        abort();
    for (size_t i = 0; i < p->links.count; i++) {
        urls[i] = page_link_url(p, i);
        if (strlen(urls[i]) != p->links.items[i].len || p->links.items[i].len > LIMIT_URL_BYTES)
            abort();
        if (strncmp(urls[i], "http://", 7) != 0 && strncmp(urls[i], "https://", 8) != 0)
            abort();
        if (strchr(urls[i], '#') != NULL)
            abort();
    }
    qsort(urls, p->links.count, sizeof *urls, compare);
    for (size_t i = 1; i < p->links.count; i++)
        if (strcmp(urls[i - 1], urls[i]) == 0)
            abort();
    free(urls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char document_url[] = "http://h.example/d/p.html?q";
    struct url document;
    struct page p;

    if (size < 1)
        return 0;
    const char *type = types[data[0] % (sizeof types / sizeof types[0])];
    url_init(&document);
    page_init(&p);
    if (url_parse(&document, document_url, strlen(document_url), NULL) != URL_OK)
        abort();
    struct page_input in = {
        .body = (const char *)data + 1,
        .body_len = size - 1,
        .content_type = type,
        .content_type_len = type != NULL ? strlen(type) : 0,
        .document = &document,
        .follow = PAGE_FOLLOW_ALL,
        .agent = "trawl",
    };
    for (int round = 0; round < 2; round++) {
        if (page_extract(&p, &in) != PAGE_OK)
            abort();
        check(&p);
    }
    page_release(&p);
    url_release(&document);
    return 0;
}

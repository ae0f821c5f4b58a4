/*
 * libFuzzer target: what the parser puts out it must read back as the same; the components tile it;
 * and the canonical form is canonical.
 *
 *     clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_url.c shared/url*.c -licuuc
 *
 * The input is a base and a URL, separated by the first byte 0xff; without one there is no base.
 */
#include "shared/limits.h"
#include "shared/url.h"
#include "shared/url_host.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

static bool same(const struct url *a, const struct url *b) {
    return a->href_len == b->href_len && memcmp(a->href, b->href, a->href_len + 1) == 0 &&
           a->scheme_end == b->scheme_end && a->username_end == b->username_end &&
           a->host_start == b->host_start && a->host_end == b->host_end &&
           a->path_start == b->path_start && a->port == b->port &&
           a->search_start == b->search_start && a->hash_start == b->hash_start &&
           a->has_host == b->has_host && a->opaque_path == b->opaque_path;
}

/* An href may come out over the limit of the next parse's input by nothing: it is the same limit. */
static void require_stable(const struct url *u) {
    struct url again;

    url_init(&again);
    require(u->href_len > 0 && u->href_len <= LIMIT_URL_BYTES);
    require(strlen(u->href) == u->href_len);
    require(url_parse(&again, u->href, u->href_len, NULL) == URL_OK && same(u, &again));
    url_release(&again);
}

static void require_parts(const struct url *u) {
    uint8_t address[16];
    size_t len =
        url_scheme(u).len + 1 + (u->has_host ? 2 : 0) + url_hostname(u).len + url_pathname(u).len;

    if (u->host_start > url_scheme(u).len + 3)
        len += url_username(u).len + url_password(u).len + (url_password(u).len > 0 ? 2 : 1);
    len += u->search_start != URL_NONE ? url_search(u).len + 1 : 0;
    len += u->hash_start != URL_NONE ? url_hash(u).len + 1 : 0;
    len += u->path_start - u->host_end; /* a port, or "/." */
    require(len == u->href_len);
    require(!url_is_http(u) || url_hostname(u).len > 0);
    (void)url_host_kind(u, address);
}

static void require_canonical(struct url *u) {
    if (!url_is_http(u))
        return;
    url_canonicalise(u);
    require_stable(u);
    require_parts(u);
    require(u->hash_start == URL_NONE && memchr(u->href, '#', u->href_len) == NULL);
    require(url_username(u).len == 0 && url_password(u).len == 0);
    require(url_origin(u).len + url_pathname(u).len + (u->search_start != URL_NONE ? 1 : 0) +
                url_search(u).len ==
            u->href_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size > 0 ? memchr(data, 0xff, size) : NULL;
    const char *input = (const char *)data;
    struct url base, u;

    url_init(&base);
    url_init(&u);
    if (cut != NULL) {
        if (url_parse(&base, input, (size_t)(cut - data), NULL) == URL_OK)
            require_stable(&base);
        input = (const char *)cut + 1;
        size -= (size_t)(cut + 1 - data);
    }
    if (url_parse(&u, input, size, base.href_len > 0 ? &base : NULL) == URL_OK) {
        require_stable(&u);
        require_parts(&u);
        require_canonical(&u);
    } else {
        require(u.href_len == 0);
    }
    url_release(&u);
    url_release(&base);
    return 0;
}

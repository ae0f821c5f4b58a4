#include "worker/conditional.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/limits.h"
#include "worker/transfer.h"

size_t conditional_validator_len(const char *value, size_t len) {
    if (len > LIMIT_VALIDATOR_BYTES)
        return 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < 0x20 || (unsigned char)value[i] > 0x7e)
            return 0;
    return len;
}

static bool add(struct conditional *c, const char *name, ProtobufCBinaryData value) {
    char line[LIMIT_VALIDATOR_BYTES + 32];
    int len = (int)conditional_validator_len((const char *)value.data, value.len);

    if (len == 0)
        return true;
    snprintf(line, sizeof line, "%s: %.*s", name, len, (const char *)value.data);
    struct curl_slist *more = curl_slist_append(c->headers, line);
    if (more != NULL)
        c->headers = more;
    return more != NULL;
}

struct conditional *conditional_new(const void *capture, size_t len) {
    struct conditional *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    arena_init(&c->arena, LIMIT_ARENA_BYTES);
    c->headers = curl_slist_append(NULL, TRANSFER_ACCEPT_ENCODING);
    c->capture = wire_unpack(&c->arena, &trawl__capture__descriptor, capture, len);
    if (c->headers != NULL && c->capture != NULL && c->capture->digest.len == 20 &&
        add(c, "If-None-Match", c->capture->etag) &&
        add(c, "If-Modified-Since", c->capture->last_modified))
        return c;
    conditional_free(c);
    return NULL;
}

void conditional_free(struct conditional *c) {
    if (c == NULL)
        return;
    curl_slist_free_all(c->headers);
    arena_release(&c->arena);
    free(c);
}

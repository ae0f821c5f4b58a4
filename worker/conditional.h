/*
 * conditional: a request that asks for a page only if it is not what is archived already (RFC 9110 section 13.1): its
 * header fields, from the validators that the server gave then. One owner.
 */
#ifndef TRAWL_WORKER_CONDITIONAL_H
#define TRAWL_WORKER_CONDITIONAL_H

#include <stddef.h>

#include "proto/wire.h"

struct curl_slist;

struct conditional {
    struct arena arena;
    const Trawl__Capture *capture; /* what is archived */
    struct curl_slist *headers;    /* of the request, all */
};

/* `capture`: packed. NULL: it is malformed, or no memory; the request is to be unconditional. */
struct conditional *conditional_new(const void *capture, size_t len);
void conditional_free(struct conditional *c); /* NULL is fine */
/* For the value of an ETag or Last-Modified field: 0 unless it can be sent back as it is, else its length. */
size_t conditional_validator_len(const char *value, size_t len);

#endif

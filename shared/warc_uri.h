/*
 * warc_uri: the URI (RFC 3986) of a URL (the URL standard's), as WARC 1.1 §4 wants it in WARC-Target-URI, and as CDXJ has it.
 *
 * A URL may have what no URI has: '|', '^', '`', '{', '}', '\', '"', '[' and ']' outside of an address, a '%' that begins no
 * escape. Readers that parse URIs drop such records. Here they are percent-encoded; what is sent to servers, and what the
 * crawldb has, stays the URL. A URI is left as it is, so that names in both spellings compare equal once they have gone through
 * here. Two URLs may have the same URI: a record with another URI than its URL has both (warc_write.h). Pure.
 */
#ifndef TRAWL_SHARED_WARC_URI_H
#define TRAWL_SHARED_WARC_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

/* Is its URI the same? */
bool warc_uri_is(const char *url, size_t len);
/* Appends the URI. False: `to` failed. */
bool warc_uri_append(struct buf *to, const char *url, size_t len);
/* Of the URI: equal for the spellings of one. What is longer than LIMIT_URL_BYTES counts as it is. */
uint64_t warc_uri_hash(const char *url, size_t len);

#endif

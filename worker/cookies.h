/*
 * cookies: what one host has set during a visit, and what goes back to it: RFC 6265 §5, for URLs of that host alone.
 *
 * Beside RFC 6265, as browsers have it (draft-ietf-httpbis-rfc6265bis): without TLS nobody sets a Secure cookie; __Secure- and
 * __Host- bind; a cookie with a control character is none; 4,096 bytes of name and value are enough.
 *
 *     cookies_init(&c)
 *     cookies_take(&c, &url, value, len, now_s)       each Set-Cookie of an answer, unfolded
 *     cookies_send(&c, &url, now_s, &field)           "a=1; b=2" for the next request; empty: none
 *     cookies_release(&c)
 *
 * Bounded by LIMIT_COOKIES and LIMIT_COOKIES_BYTES: the oldest make room. One owner.
 */
#ifndef TRAWL_WORKER_COOKIES_H
#define TRAWL_WORKER_COOKIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/url.h"

struct cookie;

struct cookies {
    struct cookie *first, *last; /* in the order in which they were first set */
    size_t count, bytes;
};

void cookies_init(struct cookies *c);
void cookies_release(struct cookies *c);
/* What `url` answered. A value that sets nothing is passed over. */
void cookies_take(struct cookies *c, const struct url *url, const char *value, size_t len,
                  int64_t now_s);
/* False: `field` failed. */
bool cookies_send(struct cookies *c, const struct url *url, int64_t now_s, struct buf *field);

#endif

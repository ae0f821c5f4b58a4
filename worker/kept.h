/*
 * kept: what arrived on a connection while nothing was asked there. It answers nothing (RFC 9112 §9.2): a response that
 * comes late, a 408 before the server closes, an empty line or a chunk too many would be taken for the answer to the next
 * request, and each answer behind it for that of the next but one.
 *
 *     before a request goes out on a connection that had one before: kept_is_clean(), or another connection
 *     when the first line of its answer comes:                       kept_is_early(): nor is that an answer
 *
 * Pure but for the socket. Any thread that owns it.
 */
#ifndef TRAWL_WORKER_KEPT_H
#define TRAWL_WORKER_KEPT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing is there to be read, and the server has not closed. `ssl`: of a connection with TLS, else NULL; session tickets are
 * taken in, and do not count. Not for HTTP/2, whose frames say which stream they belong to. */
bool kept_is_clean(int fd, SSL *ssl);

/* What is being read was sent before anything of a request of `request_bytes` arrived: the peer's TCP acknowledges with
 * every segment all that it has, so an answer comes with the acknowledgement of what it answers. */
bool kept_is_early(int fd, size_t request_bytes);
/* For so many ms behind a request, at most, that can be: while it and its acknowledgement are on their way. */
uint32_t kept_early_ms(int fd);

#endif

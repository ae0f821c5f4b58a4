/* http_status: what a response's status says of the same request later. Pure. */
#ifndef TRAWL_SHARED_HTTP_STATUS_H
#define TRAWL_SHARED_HTTP_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* A 4xx that says nothing of what was asked for, only "not now" or "not so": 408, 421 (RFC 9110 §15.5.9, §15.5.20), 425
 * (RFC 8470 §5.2), 429 (RFC 6585 §4). */
static inline bool http_status_is_not_now(uint32_t status) {
    return status == 408 || status == 421 || status == 425 || status == 429;
}

/* The same request may do better later: those, and the server's own trouble. */
static inline bool http_status_is_temporary(uint32_t status) {
    return http_status_is_not_now(status) || status >= 500;
}

#endif

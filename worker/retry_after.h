/*
 * retry_after: how long a server asks to be left alone (Retry-After, RFC 9110 §10.2.3). Pure.
 *
 * Of several fields the longest counts. Seconds may have a fraction, which is rounded up, and a unit behind them; a
 * date is counted from the server's own (`date`, the value of its Date field), since clocks differ: from ours without
 * one. What is neither, or lies in the past, asks for nothing.
 */
#ifndef TRAWL_WORKER_RETRY_AFTER_H
#define TRAWL_WORKER_RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

/* At most LIMIT_SERVER_DELAY_MS. */
uint32_t retry_after_ms(const char *value, size_t len, const char *date, size_t date_len,
                        int64_t now_unix_ms);

#endif

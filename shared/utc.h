/*
 * utc: a moment, in milliseconds since 1970, as text in UTC.
 *
 * For years 0 to 9999, which is what four digits can say. Any thread.
 */
#ifndef TRAWL_SHARED_UTC_H
#define TRAWL_SHARED_UTC_H

#include <stdbool.h>
#include <stdint.h>

enum { UTC_RFC3339_SIZE = 25, UTC_14_SIZE = 15 };

/* RFC 3339 §5.6, as WARC-Date and the exports have it: 2026-11-28T12:34:56.789Z. False, and "", for another year. */
bool utc_rfc3339(int64_t unix_ms, char text[static UTC_RFC3339_SIZE]);
/* The 14 digits of CDX indexes: 20261128123456. False, and "", for another year. */
bool utc_14(int64_t unix_ms, char text[static UTC_14_SIZE]);

#endif

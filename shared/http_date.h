/*
 * http_date: dates as servers write them: the three forms of RFC 9110 §5.6.7, what is close to them, and ISO 8601.
 *
 * Without a zone a date is UTC. Pure; any thread.
 */
#ifndef TRAWL_SHARED_HTTP_DATE_H
#define TRAWL_SHARED_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the whole text, white space around it aside. False: it is no date. */
bool http_date_parse(const char *text, size_t len, int64_t *unix_s);

#endif

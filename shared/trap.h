/*
 * trap: URLs that a site could go on making for ever: calendars, facets, links that grow with each click.
 *
 * What is looked at is the URL alone, in its canonical form (url_canonicalise()):
 *
 *     verdict = trap_check(&limits, &url);
 *     if (verdict != TRAP_NONE) exclude(trap_verdict_name(verdict));
 *
 * The two texts that it derives let the caller see what belongs together:
 *     trap_query_key()  one for all URLs that differ only in the order of their parameters
 *     trap_template()   one for all that differ only in numbers and ids: /cal/2024/05 is /cal/#/#
 *
 * Pure; any thread.
 */
#ifndef TRAWL_SHARED_TRAP_H
#define TRAWL_SHARED_TRAP_H

#include "shared/buf.h"
#include "shared/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Hexadecimal digits in a row, with a decimal one among them, that are an id. */
    TRAP_ID_DIGITS = 8,
};

/* 0: no limit. */
struct trap_limits {
    uint32_t url_length; /* bytes of the URL */
    uint32_t path_depth; /* segments of the path; one of no bytes counts, but behind the last '/' */
    uint32_t
        repeats; /* times that a segment may stand anywhere in the path: in a row (/a/a/a), as a group
                          * (/a/b/a/b), or mixed, as relative links to a/ and b/ make them (/a/b/b/a) */
    uint32_t query_params; /* parts of the query between '&' */
};

enum trap_verdict {
    TRAP_NONE,
    TRAP_URL_LENGTH,
    TRAP_PATH_DEPTH,
    TRAP_REPEATS,
    TRAP_QUERY_PARAMS,
    TRAP_QUERY_ORDER, /* the same parameters in another order are known: trap_query_key() */
    TRAP_TEMPLATE,    /* enough of its kind are known: trap_template() */
    TRAP_VERDICTS,
};

/* The first limit that it exceeds, in the order of the list; never the last two. */
enum trap_verdict trap_check(const struct trap_limits *limits, const struct url *u);
/* "trap-url-length", "trap-path-depth", ...: stable, for the reason of an exclusion. NULL for TRAP_NONE. */
const char *trap_verdict_name(enum trap_verdict v);

/* Appends the URL with its parameters sorted by name, behind a '?', so that it is no URL itself. Those of one name
 * keep their order, which may mean something. False: fewer than two parameters, nothing appended; or `out`
 * has failed. */
bool trap_query_key(const char *url, size_t len, struct buf *out);

/* Appends the URL with its numbers and ids as '#': runs of digits, UUIDs, and TRAP_ID_DIGITS or more hexadecimal
 * digits. Of the origin nothing is changed (`origin_len` bytes). False: `out` has failed. */
bool trap_template(const char *url, size_t len, size_t origin_len, struct buf *out);

#endif

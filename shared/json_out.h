/*
 * json_out: texts of unknown origin as parts of JSON and CSV, for the exports.
 *
 * All functions append to a buffer, and return false when it failed. Any thread.
 */
#ifndef TRAWL_SHARED_JSON_OUT_H
#define TRAWL_SHARED_JSON_OUT_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* A JSON string with its quotes (RFC 8259 §7). Control characters, DEL and U+2028 and U+2029 (line ends to
 * JavaScript) are escaped; what is not UTF-8 becomes U+FFFD, one for each maximal part as the Encoding
 * standard does. */
bool json_out_string(struct buf *to, const char *text, size_t len);
/* A member of an object: "name":"text". `name` is printable ASCII of ours. */
bool json_out_member(struct buf *to, const char *name, const char *text, size_t len);

/* A CSV field (RFC 4180 §2), always in quotes. Control characters become U+FFFD (so there is one record a
 * line, and no escape sequence for a terminal), as does what is not UTF-8. A text that a spreadsheet would
 * take for a formula (=, +, - or @ in front) gets an apostrophe in front. */
bool json_out_csv(struct buf *to, const char *text, size_t len);

#endif

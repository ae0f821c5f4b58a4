/*
 * html_charref: character references (&amp; &#233; &#xe9;), as in the HTML standard §13.2.5.72 to
 * §13.2.5.80.
 *
 * Pure functions over bytes: any thread.
 */
#ifndef TRAWL_SHARED_HTML_CHARREF_H
#define TRAWL_SHARED_HTML_CHARREF_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTML_CHARREF_OUT_MAX = 6 };

/* Decodes the reference that starts at p[0], an '&', with all that follows it in p[1 .. n). Writes
 * its characters to `out` in UTF-8, their number to `*out_len`, and returns the bytes consumed; 0 if
 * this is no reference and the '&' stands for itself. In an attribute a name without ';' before '='
 * or an alphanumeric is no reference. */
size_t html_charref_match(const char *p, size_t n, bool in_attribute,
                          char out[HTML_CHARREF_OUT_MAX], size_t *out_len);

/* Appends an attribute's raw value to `to` with references decoded and NUL replaced by U+FFFD.
 * False: `to` is full or out of memory (to->failed). */
bool html_charref_decode(struct buf *to, const char *p, size_t n);

#endif

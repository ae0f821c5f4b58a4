/*
 * css: the URLs in a style sheet or a style attribute: url(...) and @import "..." (CSS Syntax 3,
 * §4.3). Comments and other strings are passed over.
 *
 *     struct css c;
 *     css_init(&c, text, text_len);
 *     while (css_next(&c, &url)) use(url.data, url.len);
 *
 * One owner each.
 */
#ifndef TRAWL_SHARED_CSS_H
#define TRAWL_SHARED_CSS_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct css {
    const char *at, *end;
    bool import; /* the last thing seen was @import */
    bool no_memory;
};

void css_init(struct css *c, const char *text, size_t text_len);
/* Replaces the content of `url` by the next URL, its escapes decoded. One over the cap of `url` is
 * skipped. False: no more; or memory ran out, then `no_memory` is set. */
bool css_next(struct css *c, struct buf *url);

#endif

/*
 * srcset: the image candidates of a srcset attribute (HTML standard §4.8.4.3.10 "Parsing a srcset
 * attribute").
 *
 *     struct srcset s;
 *     srcset_init(&s, value, value_len);
 *     while (srcset_next(&s, &url, &url_len)) ...
 *
 * Yields the URL, unresolved, of every candidate whose descriptors are valid; the others are
 * skipped, as the standard does. The URLs are slices of the value. Takes no memory; one owner each.
 */
#ifndef TRAWL_SHARED_SRCSET_H
#define TRAWL_SHARED_SRCSET_H

#include <stdbool.h>
#include <stddef.h>

struct srcset {
    const char *at, *end;
};

void srcset_init(struct srcset *s, const char *value, size_t value_len);
bool srcset_next(struct srcset *s, const char **url, size_t *url_len);

#endif

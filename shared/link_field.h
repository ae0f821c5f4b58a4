/*
 * link_field: the links of a Link header field (RFC 8288, parsed as its appendix B.2 says).
 *
 *     struct link_field f;
 *     struct link_field_link l;
 *     link_field_init(&f, value, len);                    // several fields joined with ','
 *     while (link_field_next(&f, &l)) use(l.target, l.rel);
 *
 * A link that is malformed is passed over to the next comma, as browsers do; appendix B.2 would give up. What it finds
 * points into the value. Pure.
 */
#ifndef TRAWL_SHARED_LINK_FIELD_H
#define TRAWL_SHARED_LINK_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/url.h"

struct link_field {
    const char *p, *end;
};

struct link_field_link {
    struct url_slice target; /* not resolved */
    struct url_slice rel; /* relation types, between white space; the first such parameter counts */
    struct url_slice anchor; /* what the link is of, if not the response */
    bool has_anchor;
};

void link_field_init(struct link_field *f, const char *value, size_t len);
/* False: there is none any more. */
bool link_field_next(struct link_field *f, struct link_field_link *link);

#endif

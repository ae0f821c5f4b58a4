/*
 * robots_tag: what a response asks of crawlers, in <meta name=robots> and in X-Robots-Tag: not to keep it
 * (noindex), not to follow its links (nofollow), neither (none), or not to keep it after a date
 * (unavailable_after). There is no standard; the rules are those that the large search engines publish.
 *
 *     robots_tag_init(&t);
 *     robots_tag_header(&t, value, len, "trawl");    // for each X-Robots-Tag field
 *     robots_tag_meta(&t, content, len);             // for each <meta> that is addressed to us
 *     if (robots_tag_excludes(&t, unix_ms)) ...
 *
 * What several say adds up: the strictest counts. Words in any case, separated by commas or white space; others
 * are ignored. Pure.
 */
#ifndef TRAWL_SHARED_ROBOTS_TAG_H
#define TRAWL_SHARED_ROBOTS_TAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct robots_tag {
    bool noindex, nofollow;
    int64_t until_unix_ms; /* of unavailable_after, the earliest; INT64_MAX: none */
};

void robots_tag_init(struct robots_tag *t);
void robots_tag_meta(struct robots_tag *t, const char *content, size_t len);
/* One field's value. "AGENT: rule, rule" addresses an agent, up to the next such prefix in the field, since fields
 * may have been joined on their way (RFC 9110 §5.3); without one, everybody. `agent`: our product token. */
void robots_tag_header(struct robots_tag *t, const char *value, size_t len, const char *agent);
/* What `other` asks, too. */
void robots_tag_add(struct robots_tag *t, const struct robots_tag *other);
bool robots_tag_excludes(const struct robots_tag *t, int64_t unix_ms);

#endif

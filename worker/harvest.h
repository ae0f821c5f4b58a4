/*
 * harvest: what a finished exchange means: its type, where it leads, the links of the page. Decodes, never stores.
 *
 * What it fills into an outcome points into itself and the transfer, and is valid until the next call or the
 * transfer's release. One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_HARVEST_H
#define TRAWL_WORKER_HARVEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/agent.h"
#include "worker/transfer.h"

struct harvest;

struct harvest_options {
    uint32_t follow;        /* enum option_follow of shared/options.h */
    bool robots_ignore;     /* noindex and nofollow do not count */
    bool sitemaps;          /* a page that turns out to be a sitemap is read as one */
    const char *user_agent; /* its product token is an addressee of <meta name=...> */
};

struct harvest *harvest_new(void); /* NULL: no memory */
void harvest_free(struct harvest *h);
/* False: no memory. */
bool harvest_set_options(struct harvest *h, const struct harvest_options *options);

/* Everything of a failure, or of a response but for its links and its record. */
void harvest_outcome(struct harvest *h, const struct transfer *t, struct agent_outcome *o);
/* Adds links, canonical, exclusion and remark, of a 2xx that is a page or a sitemap; of anything else, those of its header. What a sitemap says of
 * robots (X-Robots-Tag: noindex is common) is about search results, and is no exclusion. Remarks:
 *   links-limited      more than LIMIT_PAGE_LINKS links, or LINK_LIST_BYTES of them: the rest is left out
 *   sitemap-limited    more than SITEMAP_URLS_MAX URLs, or SITEMAP_BYTES_MAX: the rest is left out
 *   sitemap-damaged    cut off or not well-formed: what stands before that is taken
 *   sitemap-none       named as a sitemap, and none: read as a page
 *   links-memory       there was no memory for all of them */
void harvest_links(struct harvest *h, struct transfer *t, struct agent_outcome *o);
/* The decoded body of a 2xx robots.txt, cut at LIMIT_ROBOTS_BYTES. NULL, or why not all of it can be read, as far as is known:
 * it is a part (206), torn inside its coding, damaged, or in another coding than it says. What is missing may forbid: it was not successfully
 * downloaded (RFC 9309 §2.3.1.1). A coding that is none leaves it as it is. */
const char *harvest_robots(struct harvest *h, struct transfer *t, const char **body, size_t *len);

#endif

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
    const char *user_agent; /* its product token is an addressee of <meta name=...> */
};

struct harvest *harvest_new(void); /* NULL: no memory */
void harvest_free(struct harvest *h);
/* False: no memory. */
bool harvest_set_options(struct harvest *h, const struct harvest_options *options);

/* Everything of a failure, or of a response but for its links and its record. */
void harvest_outcome(struct harvest *h, const struct transfer *t, struct agent_outcome *o);
/* Adds links, canonical and exclusion, of a 2xx that is a page. */
void harvest_links(struct harvest *h, struct transfer *t, struct agent_outcome *o);
/* The decoded body of a 2xx robots.txt, cut at LIMIT_ROBOTS_BYTES. False: it cannot be decoded. */
bool harvest_robots(struct harvest *h, struct transfer *t, const char **body, size_t *len);

#endif

/*
 * options: what a crawl is asked to do, as one struct (see `trawl crawl --help` for the user's view).
 *
 * Filled by cli/ from the command line and crawl.conf, read by the master, and passed on to the workers in
 * the answer to their registration. Strings are owned by the struct.
 */
#ifndef TRAWL_SHARED_OPTIONS_H
#define TRAWL_SHARED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_scope { SCOPE_HOST, SCOPE_DOMAIN, SCOPE_PREFIX, SCOPE_ANY };
enum option_follow { FOLLOW_LINKS, FOLLOW_ALL };

struct string_list {
    char **items;
    size_t count;
};

struct options {
    enum option_scope scope;
    enum option_follow follow;
    struct string_list include, exclude; /* PCRE2 patterns */
    struct string_list allow_net;        /* CIDRs */

    /* Limits of the crawl; 0: none. */
    uint64_t max_pages, max_bytes, max_pages_per_host;
    uint32_t max_depth;
    bool max_depth_set; /* a depth of 0 (the seeds alone) is a limit too */
    uint64_t max_time_ms;

    struct string_list sitemaps; /* URLs of sitemaps */
    bool sitemaps_off; /* only those, not the ones that robots.txt names or links lead to */

    /* Against traps (shared/trap.h); 0: no limit. */
    uint32_t max_url_length, max_path_depth, max_repeats, max_query_params, max_per_template;
    bool query_order_keep; /* URLs that differ in the order of their parameters are different */
    bool strip_tracking;   /* links lose the parameters of shared/tracking.h */

    uint32_t delay_ms;
    uint32_t host_connections;
    uint32_t ip_connections; /* never below host_connections unless given explicitly */
    char *user_agent;        /* whole header value */
    bool
        recrawl; /* of the start, not kept: a new round over all that is known, if nothing is pending */
    bool robots_ignore;
    bool cookies; /* kept during a visit, for its origin alone */
    uint32_t timeout_ms;
    uint64_t max_body_bytes;
    uint32_t retries; /* attempts at a URL, at least 1 */

    uint32_t heartbeat_ms, lease_ms;
    uint64_t warc_bytes;
    uint32_t warc_level;
    bool keep;      /* stay up when the frontier is empty */
    bool jobs_only; /* no crawl: MapReduce jobs alone, until told to stop */

    /* Not of the user: bounds of shared/limits.h that tests make small. 0: as they stand there. */
    size_t message_bytes; /* LIMIT_MESSAGE_BYTES */
    size_t rules_bytes;   /* LIMIT_RULES_BYTES */
    size_t slice_work;    /* LIMIT_SLICE_WORK */
};

/* Every field at its default (INTERFACE: the table of options). False: no memory. */
bool options_init(struct options *o);
void options_release(struct options *o);
bool string_list_add(struct string_list *l, const char *text);
void string_list_release(struct string_list *l);

#endif

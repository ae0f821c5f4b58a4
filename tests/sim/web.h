/*
 * web: the web that the simulation crawls, and the log of its servers.
 *
 * Everything follows from a seed: origins, pages, links, robots.txt, sitemaps, redirects, errors that pass. Many
 * origins have pages that no page links to: their robots.txt names a sitemap index, and some another origin's
 * sitemap. The servers check what is promised to them at each request: never two requests to an origin closer than
 * its delay, never more connections than allowed to an origin or an address, never a forbidden page. web_expected()
 * walks the same web without a crawler and says which state each URL must end in.
 */
#ifndef TRAWL_TESTS_SIM_WEB_H
#define TRAWL_TESTS_SIM_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/rng.h"

uint64_t web_mix(uint64_t a, uint64_t b);

enum { WEB_ORIGINS_MAX = 8, WEB_PAGES_MAX = 64, WEB_LINKS_MAX = 32, WEB_ROBOTS_BYTES = 1400 };
#define WEB_NOWHERE UINT32_MAX /* a depth */

enum web_kind {
    WEB_PAGE,
    WEB_REDIRECT, /* to another page of its origin */
    WEB_MISSING,
    WEB_FORBIDDEN, /* by robots.txt */
    WEB_FLAKY,     /* breaks the connection a time or two, then answers */
    WEB_BUSY,      /* 429 or 503 once, often with Retry-After, then answers */
    WEB_SITEMAP,   /* breaks the connection once, then answers */
    WEB_SITEMAP_INDEX,
    WEB_UNTELLABLE, /* its outcome is spoilt on the way to the master */
    WEB_POISON,     /* kills the worker that has fetched it */
};

enum web_robots {
    WEB_ROBOTS_RULES,
    WEB_ROBOTS_MISSING,
    WEB_ROBOTS_FLAKY,
    WEB_ROBOTS_ELSEWHERE, /* a file of another origin */
    WEB_ROBOTS_NEXT,      /* the next origin's own robots.txt, which may lead on: in circles, too */
};

struct web_origin {
    char name[32]; /* http://oN.test */
    unsigned char address[4];
    unsigned char dead_address[4]; /* of its host, too, if `half_dead`: nobody answers there */
    bool half_dead;
    uint32_t pages;
    uint32_t
        linked; /* of these: by pages. The next are a sitemap index and its two sitemaps, if there are any */
    enum web_robots robots;
    bool dead; /* refuses every connection */
    uint32_t robots_asked;
    uint32_t flaps_at; /* with so many requests it goes down for a while; 0: never */
    int64_t down_until_ms;
    int64_t quiet_until_ms; /* it said so with Retry-After */
    bool quiet_heard;       /* and the master has acknowledged that to the worker */
    enum web_kind kind[WEB_PAGES_MAX];
    uint32_t asked[WEB_PAGES_MAX];
    int64_t last_request_ms; /* INT64_MIN: none */
    uint32_t connections;
};

struct web {
    uint64_t seed;
    uint32_t origin_count;
    struct web_origin origins[WEB_ORIGINS_MAX];
    struct web_terms {
        uint32_t delay_ms, host_connections, ip_connections;
    } terms, next; /* what counts, and from `next_ms` on */
    int64_t next_ms;
    int64_t silent_from_ms; /* from then on nobody answers any more; 0: never */
    uint32_t requests, flapped;
    char violation[256]; /* the first promise broken; empty: none */
};

void web_init(struct web *w, uint64_t seed, uint32_t origins, uint32_t delay_ms,
              uint32_t host_connections, uint32_t ip_connections);
/* Other terms from now on. For `until_ms` requests and connections of before may come, too: what counts until then is the
 * least delay and the most connections of both. */
void web_terms(struct web *w, int64_t until_ms, uint32_t delay_ms, uint32_t host_connections,
               uint32_t ip_connections);
/* Before anything that happens at that time. */
void web_time(struct web *w, int64_t now_ms);
/* Turns a few pages into ones that kill workers, or whose outcome cannot be taken. */
void web_poison(struct web *w);
/* The page's URL; returns its length. */
size_t web_url(const struct web *w, uint32_t origin, uint32_t page, char out[96]);
/* Page numbers of files that are no pages. */
#define WEB_ROBOTS_TXT UINT32_MAX
#define WEB_ROBOTS_OF_ANOTHER (UINT32_MAX - 1)
/* Which page a URL names. False: none of this web. */
bool web_find(const struct web *w, const char *url, size_t len, uint32_t *origin, uint32_t *page);
/* Links of a page, as absolute URLs. */
size_t web_links(const struct web *w, uint32_t origin, uint32_t page, char out[WEB_LINKS_MAX][96]);
uint32_t web_redirect_target(const struct web *w, uint32_t origin, uint32_t page);
/* Where the robots.txt of an origin with WEB_ROBOTS_ELSEWHERE lies. */
uint32_t web_robots_host(const struct web *w, uint32_t origin);

struct web_answer {
    bool broken; /* no response */
    uint32_t status;
    bool redirect;
    char redirect_to[96];
    char body[WEB_ROBOTS_BYTES]; /* of robots.txt */
    uint32_t retry_after_ms;
    uint32_t duration_ms;
};
/* A request arrives at the server. */
void web_request(struct web *w, int64_t now_ms, uint32_t origin, uint32_t page, const char *who,
                 struct rng *r, struct web_answer *a);
/* Whether an origin is never visited by two at once. */
bool web_exclusive(const struct web *w);
/* The master took over that the origin wants to be left alone: from now no request may come before its time. */
void web_heard(struct web *w, uint32_t origin);
/* A connection is opened (+1) or closed (-1). */
void web_connection(struct web *w, uint32_t origin, int change, const char *who);

/* It cannot be visited: it does not answer, or who has its robots.txt does not. */
bool web_unreachable(const struct web *w, uint32_t origin);
/* The state each URL must end in, as Trawl__State, and how many links away from the seed it is, the shortest way. PENDING:
 * not reachable, or further than `max_depth` (less than WEB_NOWHERE). */
void web_expected(const struct web *w, uint32_t max_depth,
                  int expected[WEB_ORIGINS_MAX][WEB_PAGES_MAX],
                  uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX]);

#endif

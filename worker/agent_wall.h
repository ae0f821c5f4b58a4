/*
 * agent_wall: pages that a site shows to those only who come with a cookie, which a redirect sets: to the page itself (a wall), or
 * to another page of the site that leads back (a detour). With `--cookies visit` such a page is asked for again, as a browser does
 * that follows the redirect (RFC 6265 §5.3, §5.4).
 *
 *     page --redirect to itself, Set-Cookie--> page again
 *     page --redirect to B--> B --redirect to the page, with a cookie set on the way--> page again
 *                              `--anything else--> page again, and what it says then counts
 *
 * Where a redirect leads, it is followed only if it may come back: it set a cookie, or the target's URL names the page, so that
 * the target can know of it. Until then the page is at work: neither its redirects nor what the detour answers are archived or
 * reported. All of it is asked for by the visit's rules: robots.txt, delay, connections.
 *
 * Bounded: a page is asked for again WALL_ROUNDS_MAX times, a detour has WALL_HOPS_MAX requests; a detour that fails counts as
 * an attempt at the page, and further attempts take none.
 */
#ifndef TRAWL_WORKER_AGENT_WALL_H
#define TRAWL_WORKER_AGENT_WALL_H

#include "worker/agent_state.h"

enum { WALL_ROUNDS_MAX = 3, WALL_HOPS_MAX = 5 };

/* Is the URL to be asked for again, or its detour to go on, after that outcome? */
bool agent_wall_stands(const struct agent *a, const struct visit *v, const struct visit_url *u,
                       const struct agent_outcome *o);
/* Then: takes it back as the next of the visit's queue. */
void agent_wall_again(struct agent *a, struct visit *v, struct visit_url *u,
                      const struct agent_outcome *o);
/* The detour is not to be gone: the page is asked for, and what it says counts. */
void agent_wall_give_up(struct visit_url *u);

#endif

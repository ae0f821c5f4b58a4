/*
 * scope: which URLs belong to a crawl, seen from its seeds (--scope, --include, --exclude).
 *
 *     struct scope *s = scope_new(options, &err);
 *     for each seed: scope_add_seed(s, &seed);
 *     if (scope_check(s, &url) == SCOPE_IN) ...
 *     scope_free(s);
 *
 * URLs are in their canonical form (url_canonicalise()). What --scope means:
 *   host    a seed's origin; http and https on their default ports count as the same
 *   domain  a seed's registrable domain (domain.h), whatever scheme and port; for hosts without one
 *           (addresses, localhost, a public suffix) the same host
 *   prefix  the URL begins with a seed's up to and including the last '/' of its path
 *   any     every http(s) URL
 * Patterns are PCRE2, of bytes, searched in the whole URL; one with characters outside ASCII, in the URL's IRI too
 * (url_iri.h), so that "bücher" and "straße" are found where they stand. With includes a URL must match one of
 * them, and an exclude wins. How much work one match may do is bounded; a pattern that hits the
 * bound on a URL counts as not matching it, and is counted.
 *
 * Look-ups cost the same for any number of seeds. One owner: not even two scope_check() at once.
 */
#ifndef TRAWL_SHARED_SCOPE_H
#define TRAWL_SHARED_SCOPE_H

#include "shared/error.h"
#include "shared/options.h"
#include "shared/url.h"

#include <stdbool.h>
#include <stdint.h>

struct scope;

enum scope_verdict {
    SCOPE_IN,
    SCOPE_OUT,          /* outside of what the seeds span, or not http(s) */
    SCOPE_EXCLUDED,     /* an --exclude matches */
    SCOPE_NOT_INCLUDED, /* there are --includes, and none matches */
};

/* Without seeds nothing is in scope, unless it is "any". NULL: a pattern is wrong (the error says
 * which, and where), or no memory. Keeps nothing of `options`. */
struct scope *scope_new(const struct options *options, struct error *err);
void scope_free(struct scope *s);

/* Widens the scope. False: no memory; it may be tried again. A seed that is there already changes
 * nothing, nor does one that is not http(s). Patterns hold for seeds too: whether a seed is in is scope_check()'s to say. */
bool scope_add_seed(struct scope *s, const struct url *seed);
/* Whether this very URL was added. */
bool scope_has_seed(const struct scope *s, const struct url *seed);

enum scope_verdict scope_check(const struct scope *s, const struct url *u);
/* Whether an --exclude matches, be it in scope or not. */
bool scope_excludes(const struct scope *s, const struct url *u);
/* "in", "scope", "exclude", "include": the rule that decided. */
const char *scope_verdict_name(enum scope_verdict v);
/* Whether a match was ever refused memory: what was said of that URL, and what is said from now on, is void. */
bool scope_no_memory(const struct scope *s);
/* How often a match hit its bound. */
uint64_t scope_match_limit_hits(const struct scope *s);

#endif

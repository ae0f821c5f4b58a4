/*
 * tries: the attempts at a URL that failed, kept with it in the crawldb so that `trawl why` can tell them. A URL that
 * was fetched at the first attempt, as nearly all are, has none and takes no room for them.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_TRIES_H
#define TRAWL_MASTER_TRIES_H

#include "master/core_state.h"

enum { TRIES_KEPT = 5, TRIES_REASON_BYTES = 96 };

struct tries {
    Trawl__Attempt **items; /* the oldest first; in the core's record arena */
    size_t count;
};

/* Those of an item that is still in its lease, and after them `failed` if that is not NULL. Valid until the record
 * arena is used again. */
struct tries tries_of(struct core *c, const struct lease_item *it, const Trawl__Outcome *failed);

#endif

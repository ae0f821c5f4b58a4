/*
 * verdicts: what was decided of a URL by the options and the scope is decided again when these are others.
 *
 *     options differ (at the start)      'q' QueuedUrl  -->  'u' DoneUrl, excluded      what is excluded now
 *                                        'u' DoneUrl, excluded  -->  'q' QueuedUrl      what is not, any more
 *     the scope has grown (as it runs)   'u' DoneUrl, excluded for it  -->  'q'
 *     the user names a URL               the same of this one; what failed is tried anew (frontier_name())
 *
 * Invariants
 *  V1  'M' "premises" and "premises_net" are digests of the options that all verdicts in the crawldb come from, the second
 *      one of --allow-net. Whoever opens the crawldb with others sets them to 0, goes over all of it before anything is
 *      granted, and writes them last. A pass that was cut off begins anew, be it with the first options again, and finds
 *      what it has done already as it left it.
 *  V2  A seed that widens the scope sets "premises" to 0 in the same batch; the pass that follows sets it again. So a
 *      crash amid that pass makes the next start do it. The crawl does not end before it is through.
 *  V3  What was fetched stays fetched. Pages behind --max-depth and --max-pages-per-host were never excluded: they are
 *      pending, and granted when the limit allows it.
 *  V4  As the crawl runs a pass goes in slices (turn.h); where it goes on is a fingerprint.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_VERDICTS_H
#define TRAWL_MASTER_VERDICTS_H

#include <stdbool.h>

#include "master/core_state.h"

/* At the start, before the first URL is loaded: whether the options are others than those of the verdicts. */
void verdicts_compare(struct core *c);
/* Origins that were given up for something that the options say otherwise now; when origins are loaded. */
void verdicts_origins(struct core *c, struct now now);
/* A queue entry as it is loaded. True: it is excluded now, and written so. */
bool verdicts_queued(struct core *c, const struct origin *o, struct queue_place place,
                     const Trawl__QueuedUrl *q);
/* When all is loaded: what was excluded. False: the core has failed. */
bool verdicts_done(struct core *c, struct now now);

/* A seed was added: the scope may be wider. */
void verdicts_scope_grew(struct core *c);
/* One slice, if there is anything to do. `idle`: nothing else is left. */
void verdicts_tick(struct core *c, struct now now, bool idle);
/* A pass is due or under way. */
bool verdicts_pending(const struct core *c);
/* When the next slice is due; INT64_MAX: none. */
int64_t verdicts_next_ms(const struct core *c);

#endif

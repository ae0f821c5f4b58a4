/*
 * forget: a worker's disk is gone (`ctl forget`): whatever only it had goes back into the queue, in slices, so that nobody
 * waits for a million URLs.
 *
 * Invariants
 *  F1  What is to be forgotten is marked in one batch before anything is taken back: all segments that the worker has
 *      then, closed for good. Later ones are another disk's.
 *  F2  A slice (turn.h) is one batch. Segments are forgotten in the order in which they were marked: so where a slice goes
 *      on is a place in the first one. An entry of committed records goes with the last of its
 *      URLs, the segment with its last entry. So whoever opens the crawldb in between finds the marks, and goes on;
 *      a URL that is back in the queue already is left alone.
 *  F3  The crawl does not end meanwhile, nothing is asked for conditionally that refers to a marked segment, and who
 *      asks about one is told to wait.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_FORGET_H
#define TRAWL_MASTER_FORGET_H

#include <stdbool.h>

#include "master/core_state.h"

/* Begins, or tells how far it is (`*more`), or how it ended. NULL: refused; the reply says why. */
const char *forget_worker(struct core *c, const char *worker, Trawl__Reply *reply, bool *more);
/* The next slice, if there is anything to forget. */
void forget_tick(struct core *c, struct now now);

#endif

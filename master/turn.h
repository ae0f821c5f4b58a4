/*
 * turn: one call of the core, core_request() or core_tick(), and how much is done in it. Others wait for the core meanwhile:
 * a heartbeat too, on which a lease may hang.
 *
 * Invariants
 *  T1  What is as long as the web or the crawl makes it goes on in slices, a piece at a time: at least one piece a tick,
 *      and more while turn_left(). A piece is bounded by limits.h: one URL, one lease, one origin. Between two pieces
 *      all invariants of the core hold, and nothing but the crawldb remembers more than where to go on; what is not in
 *      the crawldb can be done again.
 *  T2  What a request brings is bounded by request.c. What is given in return ends when turn_gives() does, but for the
 *      first piece.
 *  T3  So no turn does more than LIMIT_TURN_WORK (shared/work.h), however large the crawl is. tests/unit/test_turn.c asserts it with
 *      100,000 origins and more, the simulation with small slices at each call.
 *
 * What is walked, and whose bound is a constant: docs/reliability.md.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_TURN_H
#define TRAWL_MASTER_TURN_H

#include <stdbool.h>

#include "master/core_state.h"

void turn_begin(struct core *c);
void turn_end(struct core *c);
/* May another piece of something long be done? */
bool turn_left(const struct core *c);
/* May more go down in this answer? */
bool turn_gives(const struct core *c);

#endif

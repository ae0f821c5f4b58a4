/*
 * trial: URLs that kill the workers which fetch them. Such a URL comes back to the queue with each dead worker and
 * would kill the next; it has to end as failed, and nothing that only died beside it may.
 *
 * A URL's losses are counted in its queue entry. The more there are, the fewer others are with it:
 *
 *   losses         granted                                       counts when lost
 *   0, 1           with others                                   if it may have been in flight: the first
 *                                                                TRIAL_WINDOW of its lease
 *   from _ALONE    in a lease of its own                         yes
 *   from _STAND    to a worker that has nothing else: on trial   yes
 *   _GUILTY        not any more: failed, "lost-with-worker"
 *
 * So whoever is convicted has taken TRIAL_GUILTY - TRIAL_STAND workers along that had nothing else to do. A worker that
 * survives it, whatever the outcome, clears it. A kill from outside that happens to come each of those times, and
 * each time before, is mistaken for the URL's doing.
 *
 * Nothing is any URL's doing that the worker explains, or that is its own:
 *
 *   - one that leaves with a trouble of its own (Leave.trouble: a disk that cannot be written) takes nothing along;
 *   - one that has never had an outcome taken in this crawl may die at whatever it is given: its deaths do not count. (Where
 *     only such are left, and only URLs that kill, nothing can tell the ones from the others: the crawl waits, and says so,
 *     until a worker that is well comes, or any page is added by which one proves itself);
 *   - a URL that one worker died with alone goes to another one next, while there is another that is well, proven or not:
 *     a worker that dies again and again convicts nothing that another survives. (Where there is no other, one that has
 *     worked and then dies of everything, without a word, is not told from URLs that kill.) One that has not proven
 *     itself gets it only when nobody who has is free of having died with it last: so two take turns, and who counts comes.
 *
 * One worker at a time is summoned for a trial: it gets nothing new until its leases have ended, then the one URL.
 * That is not stored: a restart of the master interrupts a trial, which begins anew.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_TRIAL_H
#define TRAWL_MASTER_TRIAL_H

#include "master/core_state.h"

enum { TRIAL_ALONE = 2, TRIAL_STAND = 5, TRIAL_GUILTY = 8, TRIAL_WINDOW = 64 };

#define TRIAL_REASON "lost-with-worker"

/* May the next entry of the queue join the lease? It may summon the lease's worker. */
bool trial_admits(struct core *c, const struct lease *l, const Trawl__QueuedUrl *q);

/* Is the worker summoned? Then nothing is added to its leases. */
bool trial_summoned(const struct core *c, const struct worker *w);
/* A summoned worker is still to give something back, or has its URL. */
bool trial_busy(const struct core *c, const struct worker *w);
/* The one origin that a summoned worker may be granted now; NULL: none. */
struct origin *trial_origin(const struct core *c, const struct worker *w);
/* The summoned worker has looked for its URL; without one it is free again. */
void trial_looked(struct core *c, const struct worker *w);

/* An outcome of the worker was taken: durable, for a restart must not take its word away. */
void trial_proven(struct core *c, struct worker *w);
bool trial_load_proven(struct core *c, const Trawl__StoredWorker *stored);

/* The holder of the lease is dead: counts, convicts. What is left in the lease is still to be given back. */
void trial_lost(struct core *c, struct now now, struct lease *l);
/* The lease ends, or the worker's last session: a trial ends with it. */
void trial_lease_ends(struct core *c, const struct lease *l);
void trial_worker_gone(struct core *c, const struct worker *w);

#endif

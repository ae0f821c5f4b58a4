/*
 * store_mem: the crawldb's twin in memory, for the simulation and for unit tests: same promises, and it can
 * crash and fail on demand. A skip list; every write since the last sync can be undone.
 *
 *     struct store *s = store_mem_new();
 *     ...
 *     store_mem_crash(s, seed);                 // power cut
 *     store_mem_fail_write(s, 3, ENOSPC);       // the third write from here fails
 *     store_close(s);
 *
 * Deterministic: the same calls give the same results.
 */
#ifndef TRAWL_MASTER_STORE_MEM_H
#define TRAWL_MASTER_STORE_MEM_H

#include "master/store.h"

/* NULL: no memory. Free with store_close(). */
struct store *store_mem_new(void);

/* A power cut and the start after it: of the writes that were not synced a prefix survives, chosen by `seed`
 * (all, none, or any number), and counts as durable from here; the rest is gone. A write that was half on
 * disk is one that is gone: recovery drops it whole. Clears a failure. No iterator may be open. */
void store_mem_crash(struct store *s, uint64_t seed);
/* Number of writes that a crash could take. */
size_t store_mem_unsynced(const struct store *s);
size_t store_mem_count(const struct store *s); /* keys */

/* The `nth` write, sync or read (get or iterator) from here, 1 the next, fails with that errno; 0: none does.
 * The failing write changes nothing. The failure sticks, as any (store.h, S4). */
void store_mem_fail_write(struct store *s, uint64_t nth, int errno_value);
void store_mem_fail_sync(struct store *s, uint64_t nth, int errno_value);
void store_mem_fail_read(struct store *s, uint64_t nth, int errno_value);

#endif

/*
 * store: the crawldb as an ordered key-value store. Keys are bytes, sorted as memcmp() does, a prefix
 * before what it begins. Two implementations: store_rocks.h on disk, store_mem.h for tests and the
 * simulation; both pass the same tests (tests/unit/test_store.c).
 *
 *     store_write(store, &batch, &seq, &err);   // visible at once, atomic, not yet durable
 *     store_sync(store, &synced, &err);         // durable: every write with seq <= synced
 *
 * Invariants
 *  S1  A batch is in the store whole or not at all, whatever is killed or loses power when.
 *  S2  What a crash leaves is a prefix of the writes, in the order of their sequence numbers, and it
 *      holds everything up to the last `synced`. A crash of the process alone loses nothing that
 *      store_write() returned true for (store_rocks); a power cut may.
 *  S3  An iterator sees the store as it was when it was opened.
 *  S4  The first failure of a write, sync or read sticks: from then on writes and syncs fail with its
 *      message, until store_reopen(). So a read error that somebody took for "not found" can never be
 *      followed by a commit, and a failed fdatasync is never "repaired" by a second one that succeeds
 *      because the kernel has dropped the pages. After a failed write or sync it is open which of the
 *      writes since the last sync are there.
 *
 * Threads: one thread at a time writes, reads and iterates (the master's core lock); store_sync() may run
 * in another thread meanwhile and does not hold up the writers: one sync for many writes is the group
 * commit. store_failed() may be called from any thread. store_reopen() and store_close() only when
 * nobody else is inside.
 */
#ifndef TRAWL_MASTER_STORE_H
#define TRAWL_MASTER_STORE_H

#include "master/batch.h"
#include "shared/buf.h"
#include "shared/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_iter;

enum store_result { STORE_FOUND, STORE_NOT_FOUND, STORE_FAILED };

/* Applies the batch, which stays the caller's. `*seq` gets its number: they count 1, 2, 3 ... from when
 * the store was opened and go on over store_reopen(). */
bool store_write(struct store *s, const struct batch *b, uint64_t *seq, struct error *err);
/* Makes durable what was written before the call. `*synced` gets the last such number (0: none). */
bool store_sync(struct store *s, uint64_t *synced, struct error *err);
/* FOUND: `value` holds the value instead of what it held. FAILED also when `value` is too small or there is
 * no memory; store_failed() tells why. */
enum store_result store_get(struct store *s, const void *key, size_t key_len, struct buf *value);
/* Whether anything has failed since it was opened; then `err` (which may be NULL) is set. */
bool store_failed(struct store *s, struct error *err);
/* After a failure: opens it anew, as after a crash of the process. What is found then is durable. False: the
 * cause is still there (a full disk, say); try again later. No iterator may be open. */
bool store_reopen(struct store *s, struct error *err);
/* Frees it. Syncs nothing. No iterator may be open. NULL is fine. */
void store_close(struct store *s);

/* Walks the keys that begin with `prefix` in order, from the first that is not less than `from`. An empty prefix:
 * all keys. NULL: failed (store_failed()).
 *
 *     for (it = store_iter_open(...); store_iter_valid(it); store_iter_next(it))
 *         use(store_iter_key(it, &n), ...);
 *     if (!store_iter_close(it)) ...            // stopped by a read error, not by the end
 */
struct store_iter *store_iter_open(struct store *s, const void *prefix, size_t prefix_len,
                                   const void *from, size_t from_len);
bool store_iter_valid(const struct store_iter *it);
/* Only while valid; the bytes are valid until the next store_iter_next(). */
const void *store_iter_key(const struct store_iter *it, size_t *len);
const void *store_iter_value(const struct store_iter *it, size_t *len);
void store_iter_next(struct store_iter *it);
/* False: the walk ended early because of an error; the store has failed then. NULL is fine. */
bool store_iter_close(struct store_iter *it);

/* ---- for implementations -------------------------------------------------------------------------------- */

/* Each gets arguments that store.c has checked. Failures come back as a message and stick in store.c. */
struct store_ops {
    bool (*write)(struct store *s, const struct batch *b, struct error *err);
    bool (*sync)(struct store *s, struct error *err);
    enum store_result (*get)(struct store *s, const void *key, size_t key_len, struct buf *value,
                             struct error *err);
    bool (*reopen)(struct store *s, struct error *err);
    void (*close)(struct store *s);
    struct store_iter *(*iter_open)(struct store *s, const void *prefix, size_t prefix_len,
                                    const void *from, size_t from_len, struct error *err);
    bool (*iter_valid)(const struct store_iter *it);
    const void *(*iter_key)(const struct store_iter *it, size_t *len);
    const void *(*iter_value)(const struct store_iter *it, size_t *len);
    void (*iter_next)(struct store_iter *it);
    /* Frees it; false if it met an error. */
    bool (*iter_close)(struct store_iter *it, struct error *err);
};

/* The first member of an implementation's own struct. */
struct store {
    const struct store_ops *ops;
    atomic_uint_fast64_t written; /* number of the last write */
    atomic_bool failed;
    pthread_mutex_t failure_lock;
    struct error failure; /* the first one; guarded by failure_lock */
    size_t iters_open;
};

struct store_iter {
    struct store *store;
};

void store_init(struct store *s, const struct store_ops *ops);
/* Undoes store_init(). */
void store_release(struct store *s);

#endif

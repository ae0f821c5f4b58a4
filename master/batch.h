/*
 * batch: puts and deletes that enter the crawldb together or not at all (store.h).
 *
 *     struct batch b;
 *     batch_init(&b);
 *     batch_put(&b, key, key_len, value, value_len);
 *     batch_delete(&b, key, key_len);
 *     if (batch_failed(&b)) ...                 // over BATCH_BYTES, or no memory
 *     store_write(store, &b, &seq, &err);
 *     batch_reset(&b);                          // the storage is kept
 *     batch_release(&b);
 *
 * Operations on the same key apply in the order given. Keys and values are copied. A failure sticks
 * until batch_reset(): store_write() refuses such a batch, so a run of puts needs no check of its own.
 * One owner a batch.
 */
#ifndef TRAWL_MASTER_BATCH_H
#define TRAWL_MASTER_BATCH_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { BATCH_BYTES = 256 << 20 };

struct batch {
    struct buf bytes; /* records: lengths, key, value; batch.c knows how */
    size_t count;
};

/* Slices of the batch's storage; valid until it changes. */
struct batch_op {
    const char *key, *value; /* value NULL: delete */
    size_t key_len, value_len;
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);
/* Empties it and clears a failure. */
void batch_reset(struct batch *b);
/* False: the batch has failed, now or before. A value may be empty, and then NULL. */
bool batch_put(struct batch *b, const void *key, size_t key_len, const void *value,
               size_t value_len);
bool batch_delete(struct batch *b, const void *key, size_t key_len);
bool batch_failed(const struct batch *b);
size_t batch_count(const struct batch *b);
/* Walks it: start with *at = 0. False: no more. */
bool batch_next(const struct batch *b, size_t *at, struct batch_op *op);

#endif

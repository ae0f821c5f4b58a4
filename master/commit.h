/*
 * commit: the committer thread. Replies that tell of something written wait here for one sync, many at a
 * time: group commit.
 *
 * Durable order. (1) The core writes its batch to the store. (2) The reply is handed to committer_add(). (3) The
 * committer syncs the store. (4) It sends every reply that was added before the sync began.
 *
 *     crash before 1, 2 or 3   nothing was told: the worker asks again, the crawldb may or may not have it
 *     crash after 3, before 4  it is durable and nobody was told: the worker asks again, and gets the answer
 *                              of the crawldb (an attachment), not of a memory that is gone
 *     crash after 4            told and durable
 *
 * Nothing is synced when nothing was written since the last sync.
 *
 * Invariant: a reply is sent only after a store_sync() that began after its batch was written has succeeded. If
 * the sync fails no waiting reply is sent as it is: each becomes `busy`, and `failed` is called once.
 *
 * Threads: committer_add() from any; the callbacks are made from the committer's own thread.
 */
#ifndef TRAWL_MASTER_COMMIT_H
#define TRAWL_MASTER_COMMIT_H

#include <stdbool.h>

#include "master/store.h"
#include "shared/buf.h"

struct committer;

struct committer_config {
    struct store *store;
    /* Sends a reply; `call` is whatever was given to committer_add(). */
    void (*send)(void *arg, void *call, const struct buf *reply);
    /* Sends "busy" in its place. */
    void (*busy)(void *arg, void *call);
    void (*failed)(void *arg);
    void *arg;
};

/* Starts the thread. NULL: no memory or no thread. */
struct committer *committer_new(const struct committer_config *config);
/* Hands a reply over, with its bytes (taken out of `reply`). False: no memory; nothing will be sent. */
bool committer_add(struct committer *c, void *call, struct buf *reply);
/* Until committer_resume() nothing is synced, so that the store may be reopened; replies that wait become
 * busy. Returns when no sync is under way. */
void committer_pause(struct committer *c);
void committer_resume(struct committer *c);
/* Returns when every reply that was added before is sent, or the committer is paused. NULL is fine. */
void committer_flush(struct committer *c);
/* Syncs and sends what waits, ends the thread, frees. */
void committer_free(struct committer *c);

#endif

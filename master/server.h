/*
 * server: the threads around the core. nng's threads decode a request, call the core under one lock, and hand
 * the reply to the committer; the ticker thread calls core_tick() when something is due, and mends the store
 * after a failure (core.h, C8): the core is freed, the store reopened and a new core made from it, tried each
 * second, while every request is answered with BUSY.
 *
 * Lock order: the server's, then the committer's. A reply that waits for a sync is handed to the committer while the
 * core that made it is still locked: so when a core is replaced, all replies of the old one are with the
 * committer, and become BUSY there (committer_pause()). None can be sent behind a sync of the mended store, which
 * may not hold what the reply tells of.
 *
 * Threads: server_new(), server_seed(), server_start() and server_free() from one, the rest from any.
 */
#ifndef TRAWL_MASTER_SERVER_H
#define TRAWL_MASTER_SERVER_H

#include <stdbool.h>

#include "master/core.h"
#include "shared/error.h"

struct server;

struct server_config {
    const struct options *options; /* outlive the server */
    struct store *store;
    const char *listen; /* tcp://host:port */
    unsigned contexts;
};

/* Loads the crawl. NULL: `err` says why. */
struct server *server_new(const struct server_config *config, struct error *err);
/* Adds a seed. Only before server_start(), which makes all of them durable: so no tick finds a new crawl's frontier
 * empty. */
bool server_seed(struct server *s, const char *url, size_t len, struct error *err);
/* The same, of a sitemap. */
bool server_sitemap(struct server *s, const char *url, size_t len, struct error *err);
/* Listens, and starts the clock. False: `err` says why. */
bool server_start(struct server *s, struct error *err);
/* Stops listening, sends what waits, frees the core. */
void server_free(struct server *s);
/* With the real port. Only after server_start(). */
const char *server_address(const struct server *s);

/* `why` is a literal. */
void server_stop(struct server *s, const char *why);
/* core_wants_worker(); false while there is no core. */
bool server_wants_worker(struct server *s, const char *name);
/* Waits until the crawl has ended, at most `timeout_ms`. True: it has. */
bool server_wait(struct server *s, unsigned timeout_ms);
/* The store cannot be written; `err` says why. False: all is well. */
bool server_troubled(struct server *s, struct error *err);
/* False while the core is being made anew. */
bool server_stats(struct server *s, struct core_stats *stats);
/* The same; what this process used is read. */
bool server_cost(struct server *s, struct core_cost *cost);
bool server_status_json(struct server *s, struct buf *out);
/* Why the crawl ends or ended; empty while it runs. */
enum { SERVER_WHY_BYTES = 64 };
void server_why(struct server *s, char why[SERVER_WHY_BYTES]);
void server_unsealed(struct server *s,
                     void (*line)(void *arg, const char *segment, const char *worker), void *arg);

#endif

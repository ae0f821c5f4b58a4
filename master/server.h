/*
 * server: the threads around the core. nng's threads decode a request, call the core under one lock, and hand
 * the reply to the committer; the ticker thread calls core_tick() when something is due, and mends the store
 * after a failure (core.h, C8): the core is freed, the store reopened and a new core made from it, tried each
 * second, while every request is answered with BUSY.
 *
 * Threads: all functions from any thread, but server_new() and server_free() from one. The callbacks are made
 * from the ticker's thread.
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

/* Loads the crawl and listens. NULL: `err` says why. */
struct server *server_new(const struct server_config *config, struct error *err);
/* Stops listening, sends what waits, frees the core. */
void server_free(struct server *s);
const char *server_address(const struct server *s);

/* Adds a seed and makes it durable. */
bool server_seed(struct server *s, const char *url, size_t len, struct error *err);
void server_stop(struct server *s, const char *why);
/* Waits until the crawl has ended, at most `timeout_ms`. True: it has. False with `err` set: it cannot go on,
 * because the store has failed and options say not to wait; else just time. */
bool server_wait(struct server *s, unsigned timeout_ms);
/* The store cannot be written; `err` says why. False: all is well. */
bool server_troubled(struct server *s, struct error *err);
/* False while the core is being made anew. */
bool server_stats(struct server *s, struct core_stats *stats);
bool server_status_json(struct server *s, struct buf *out);
/* Why the crawl ended; NULL while it runs. */
const char *server_why(struct server *s);
void server_unsealed(struct server *s,
                     void (*line)(void *arg, const char *segment, const char *worker), void *arg);

#endif

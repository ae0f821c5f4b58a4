/*
 * rpc_peers: who is connected to a server, who is let in, and who has to go. Pure: it knows no socket; times in ms of any
 * clock that only grows.
 *
 *     enum rpc_peers_verdict v = rpc_peers_add(t, id, text, why, now_ms, &evict);   // a connection comes
 *     rpc_peers_asks(t, id, now_ms)          // a request of its came. False: it is to be closed, unheard
 *     rpc_peers_owed(t, id, now_ms)          // an answer was handed to the network,
 *     rpc_peers_paid(t, id, now_ms)          // which has taken it
 *     while (rpc_peers_due(t, now_ms, &id))  // several times a second: to be closed
 *     rpc_peers_remove(t, id)                // it is gone
 *
 * Invariants
 *  1. There are at most `max` connections. For one more, one that never asked for anything has to go, the oldest first
 *     and none that came a moment ago; else the new one is not taken.
 *  2. Strangers, who may not ask, are few and stay for a moment: long enough to hear why. The others do not go for them.
 *  3. Who asks and does not read the answers holds at most OWED_MAX of them back, for OWED_MS; less when answers of many are
 *     held back. So what has to answer others is never used up.
 *
 * One owner at a time.
 */
#ifndef TRAWL_PROTO_RPC_PEERS_H
#define TRAWL_PROTO_RPC_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/map.h"

enum {
    RPC_PEER_BYTES = 64, /* its address as text */
    RPC_WHY_BYTES = 160,
    RPC_PEERS_FRESH_MS = 1000,    /* a moment ago */
    RPC_PEERS_STRANGER_MS = 2000, /* strangers stay */
    RPC_PEERS_OWED_MS = 5000,
    RPC_PEERS_PRESSED_MS = 200, /* the same when many answers are held back, */
    RPC_PEERS_BURST_MS = 20     /* or so many of one that asks for more */
};

struct rpc_peer {
    uint64_t id;
    char text[RPC_PEER_BYTES];
    char why[RPC_WHY_BYTES]; /* it is not let in; empty: it is */
    int64_t since_ms;
    uint64_t asked;  /* requests */
    unsigned owed;   /* answers that the network has not taken */
    int64_t owed_ms; /* since when none was taken */
    bool closing;
};

struct rpc_peers {
    struct map by_id;
    size_t max, strangers;
    unsigned owed, owed_max; /* of all; beyond a quarter of owed_max it presses */
};

/* `owed_max`: answers that may be held back at once before others notice. */
void rpc_peers_init(struct rpc_peers *t, size_t max, unsigned owed_max);
void rpc_peers_release(struct rpc_peers *t);

enum rpc_peers_verdict {
    RPC_PEERS_TAKEN,
    RPC_PEERS_FULL, /* not taken: to be closed */
};
/* `why` NULL: it is let in. `evict`: a connection that is to be closed instead; 0: none. */
enum rpc_peers_verdict rpc_peers_add(struct rpc_peers *t, uint64_t id, const char *text,
                                     const char *why, int64_t now_ms, uint64_t *evict);
void rpc_peers_remove(struct rpc_peers *t, uint64_t id);
const struct rpc_peer *rpc_peers_find(const struct rpc_peers *t, uint64_t id); /* NULL: unknown */
bool rpc_peers_asks(struct rpc_peers *t, uint64_t id, int64_t now_ms);
void rpc_peers_owed(struct rpc_peers *t, uint64_t id, int64_t now_ms);
void rpc_peers_paid(struct rpc_peers *t, uint64_t id, int64_t now_ms);
/* One that is to be closed now; each is told once. */
bool rpc_peers_due(struct rpc_peers *t, int64_t now_ms, uint64_t *id);

#endif

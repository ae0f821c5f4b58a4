#include "proto/rpc_peers.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/limits.h"

void rpc_peers_init(struct rpc_peers *t, size_t max, unsigned owed_max) {
    *t = (struct rpc_peers){.max = max, .owed_max = owed_max};
    map_init(&t->by_id);
}

void rpc_peers_release(struct rpc_peers *t) {
    struct rpc_peer *p;

    for (size_t at = 0; (p = map_next(&t->by_id, &at)) != NULL;)
        free(p);
    map_release(&t->by_id);
}

const struct rpc_peer *rpc_peers_find(const struct rpc_peers *t, uint64_t id) {
    return map_get(&t->by_id, id);
}

static bool is_stranger(const struct rpc_peer *p) {
    return p->why[0] != '\0';
}

/* The oldest that never asked. */
static struct rpc_peer *idlest(const struct rpc_peers *t, int64_t now_ms) {
    struct rpc_peer *p, *found = NULL;

    for (size_t at = 0; (p = map_next(&t->by_id, &at)) != NULL;)
        if (!p->closing && p->asked == 0 && now_ms - p->since_ms >= RPC_PEERS_FRESH_MS &&
            (found == NULL || p->since_ms < found->since_ms))
            found = p;
    return found;
}

enum rpc_peers_verdict rpc_peers_add(struct rpc_peers *t, uint64_t id, const char *text,
                                     const char *why, int64_t now_ms, uint64_t *evict) {
    struct rpc_peer *idle = NULL;

    *evict = 0;
    if (why != NULL && t->strangers >= LIMIT_RPC_STRANGERS)
        return RPC_PEERS_FULL;
    if (t->by_id.count >= t->max) {
        idle = why != NULL ? NULL : idlest(t, now_ms);
        if (idle == NULL)
            return RPC_PEERS_FULL;
    }
    struct rpc_peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return RPC_PEERS_FULL;
    *p = (struct rpc_peer){.id = id, .since_ms = now_ms};
    snprintf(p->text, sizeof p->text, "%s", text);
    snprintf(p->why, sizeof p->why, "%s", why == NULL ? "" : why);
    if (!map_put(&t->by_id, id, p)) {
        free(p);
        return RPC_PEERS_FULL;
    }
    t->strangers += is_stranger(p);
    if (idle != NULL) {
        idle->closing = true;
        *evict = idle->id;
    }
    return RPC_PEERS_TAKEN;
}

void rpc_peers_remove(struct rpc_peers *t, uint64_t id) {
    struct rpc_peer *p = map_remove(&t->by_id, id);

    if (p == NULL)
        return;
    t->strangers -= is_stranger(p);
    t->owed -= p->owed;
    free(p);
}

bool rpc_peers_asks(struct rpc_peers *t, uint64_t id, int64_t now_ms) {
    struct rpc_peer *p = map_get(&t->by_id, id);

    if (p == NULL || p->closing)
        return false;
    p->asked++;
    /* It asks for more, and takes nothing. */
    if (p->owed < t->owed_max &&
        (p->owed < t->owed_max / 4 + 1 || now_ms - p->owed_ms < RPC_PEERS_BURST_MS))
        return true;
    p->closing = true;
    return false;
}

void rpc_peers_owed(struct rpc_peers *t, uint64_t id, int64_t now_ms) {
    struct rpc_peer *p = map_get(&t->by_id, id);

    if (p == NULL)
        return;
    if (p->owed++ == 0)
        p->owed_ms = now_ms;
    t->owed++;
}

void rpc_peers_paid(struct rpc_peers *t, uint64_t id, int64_t now_ms) {
    struct rpc_peer *p = map_get(&t->by_id, id);

    if (p == NULL || p->owed == 0)
        return;
    p->owed--;
    p->owed_ms = now_ms;
    t->owed--;
}

bool rpc_peers_due(struct rpc_peers *t, int64_t now_ms, uint64_t *id) {
    int64_t patience = t->owed > t->owed_max / 4 ? RPC_PEERS_PRESSED_MS : RPC_PEERS_OWED_MS;
    struct rpc_peer *p;

    for (size_t at = 0; (p = map_next(&t->by_id, &at)) != NULL;) {
        if (p->closing || ((p->owed == 0 || now_ms - p->owed_ms < patience) &&
                           (!is_stranger(p) || now_ms - p->since_ms < RPC_PEERS_STRANGER_MS)))
            continue;
        p->closing = true;
        *id = p->id;
        return true;
    }
    return false;
}

/*
 * shuffle_client: asks for parts of files, patiently.
 *
 * Threads: several. The list of peers, and when each last answered, are guarded by the mutex; no call is made
 * under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/rpc.h"
#include "proto/wire.h"
#include "shared/limits.h"
#include "worker/shuffle.h"
#include "worker/shuffle_wire.h"

enum { CALL_MS = 2500, BUSY_MS = 50, DAMAGED_MAX = 5 };

struct peer {
    struct peer *next;
    struct rpc_client *rpc;
    int64_t answered_ms; /* when it last did, or was first asked */
    bool dead;
    char address[];
};

struct shuffle_client {
    void (*tick)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    struct peer *peers;
};

static int64_t now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct shuffle_client *shuffle_client_new(void (*tick)(void *arg), void *arg) {
    struct shuffle_client *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->tick = tick;
    c->arg = arg;
    return c;
}

void shuffle_client_free(struct shuffle_client *c) {
    struct peer *p;

    if (c == NULL)
        return;
    while ((p = c->peers) != NULL) {
        c->peers = p->next;
        rpc_client_free(p->rpc);
        free(p);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct peer *find(const struct shuffle_client *c, const char *address) {
    struct peer *p = c->peers;

    while (p != NULL && strcmp(p->address, address) != 0)
        p = p->next;
    return p;
}

/* Under the lock: connecting goes on in the background. */
static struct peer *add_peer(struct shuffle_client *c, const char *address, struct error *err) {
    size_t size = strlen(address) + 1;
    struct peer *p = calloc(1, sizeof *p + size);

    if (p == NULL) {
        error_set(err, ENOMEM, "%s", address);
        return NULL;
    }
    memcpy(p->address, address, size);
    p->rpc = rpc_client_new(address, RPC_DIAL_OWN, err);
    if (p->rpc == NULL) {
        free(p);
        return NULL;
    }
    p->answered_ms = now_ms();
    p->next = c->peers;
    c->peers = p;
    return p;
}

static struct peer *peer_of(struct shuffle_client *c, const char *address, struct error *err) {
    pthread_mutex_lock(&c->lock);
    struct peer *p = find(c, address);
    if (p == NULL)
        p = add_peer(c, address, err);
    pthread_mutex_unlock(&c->lock);
    return p;
}

bool shuffle_is_dead(struct shuffle_client *c, const char *address) {
    pthread_mutex_lock(&c->lock);
    const struct peer *p = find(c, address);
    bool dead = p != NULL && p->dead;
    pthread_mutex_unlock(&c->lock);
    return dead;
}

/* It answered, or did not. Returns whether it is dead. */
static bool note(struct shuffle_client *c, struct peer *p, bool answered) {
    int64_t now = now_ms();

    pthread_mutex_lock(&c->lock);
    if (answered)
        p->answered_ms = now;
    else if (now - p->answered_ms > SHUFFLE_PATIENCE_MS)
        p->dead = true;
    bool dead = p->dead;
    pthread_mutex_unlock(&c->lock);
    return dead;
}

static void tick(const struct shuffle_client *c) {
    if (c->tick != NULL)
        c->tick(c->arg);
}

enum outcome { TAKEN, AGAIN, DAMAGED, GONE, FAILED };

static bool is_reply_to(const Trawl__ShuffleReply *r, const struct shuffle_want *want,
                        uint64_t offset, size_t max, struct shuffle_part *part) {
    *part = (struct shuffle_part){r->bytes, r->records, r->block_max};
    /* Only the end of the partition gives none. */
    return r->chunk.len <= max && (r->chunk.len > 0 || offset >= r->bytes || max == 0) &&
           r->checksum == shuffle_checksum(want, offset, part, r->chunk.data, r->chunk.len);
}

static enum outcome take(const struct buf *bytes, const struct shuffle_want *want, uint64_t offset,
                         size_t max, struct shuffle_part *part, struct buf *chunk,
                         const char *address, struct error *err) {
    struct arena arena;
    enum outcome outcome = DAMAGED;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__ShuffleReply *r =
        wire_unpack(&arena, &trawl__shuffle_reply__descriptor, bytes->data, bytes->len);
    error_set(err, 0, "%s: the answer is damaged", address);
    if (r == NULL) {
        outcome = arena.failed ? FAILED : DAMAGED;
    } else if (r->code == TRAWL__CODE__BUSY) {
        outcome = AGAIN;
    } else if (r->code != TRAWL__CODE__OK) {
        error_set(err, 0, "%s: %.300s", address, r->error);
        outcome = GONE;
    } else if (is_reply_to(r, want, offset, max, part)) {
        outcome =
            r->chunk.len == 0 || buf_append(chunk, r->chunk.data, r->chunk.len) ? TAKEN : FAILED;
        if (outcome == FAILED)
            error_set(err, ENOMEM, "map output from %s", address);
    }
    arena_release(&arena);
    return outcome;
}

static bool pack(struct buf *to, const struct shuffle_want *want, uint64_t offset, size_t max) {
    Trawl__ShuffleRequest q = TRAWL__SHUFFLE_REQUEST__INIT;

    q.version = WIRE_VERSION;
    q.job = want->job;
    q.map = want->map;
    q.attempt = want->attempt;
    q.partition = want->partition;
    q.offset = offset;
    q.max = (uint32_t)max;
    return wire_pack(to, &q.base);
}

static void pause_ms(unsigned ms) {
    struct timespec t = {.tv_nsec = (long)ms * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static enum shuffle_result get(struct shuffle_client *c, struct peer *p, const struct buf *request,
                               const struct shuffle_want *want, uint64_t offset, size_t max,
                               struct shuffle_part *part, struct buf *chunk, struct error *err) {
    unsigned damaged = 0, busy = 0;
    struct buf reply;
    enum outcome outcome = AGAIN;

    buf_init(&reply, LIMIT_WIRE_BYTES);
    while (outcome == AGAIN || outcome == DAMAGED) {
        bool answered = rpc_call_sync(p->rpc, request->data, request->len, CALL_MS, &reply, err);
        tick(c);
        bool dead = note(c, p, answered);
        outcome = answered ? take(&reply, want, offset, max, part, chunk, p->address, err) : AGAIN;
        if (dead && !answered) {
            error_set(err, 0, "%s: nobody answers", p->address);
            outcome = GONE;
        }
        if (outcome == DAMAGED && ++damaged == DAMAGED_MAX)
            outcome = GONE;
        if (answered && outcome == AGAIN) {
            pause_ms(BUSY_MS);
            if (++busy == SHUFFLE_PATIENCE_MS / BUSY_MS) {
                error_set(err, 0, "%s: it is busy, and stays so", p->address);
                outcome = GONE;
            }
        }
    }
    buf_release(&reply);
    return outcome == TAKEN ? SHUFFLE_OK : outcome == GONE ? SHUFFLE_GONE : SHUFFLE_FAILED;
}

enum shuffle_result shuffle_get(struct shuffle_client *c, const char *address,
                                const struct shuffle_want *want, uint64_t offset, size_t max,
                                struct shuffle_part *part, struct buf *chunk, struct error *err) {
    struct buf request;
    struct peer *p = peer_of(c, address, err);
    enum shuffle_result result = SHUFFLE_FAILED;

    buf_reset(chunk);
    if (p == NULL)
        /* An address that is none is nobody's. */
        return err->errno_value == ENOMEM ? SHUFFLE_FAILED : SHUFFLE_GONE;
    if (shuffle_is_dead(c, address)) {
        error_set(err, 0, "%s: nobody answers", address);
        return SHUFFLE_GONE;
    }
    if (max > SHUFFLE_CHUNK_BYTES)
        max = SHUFFLE_CHUNK_BYTES;
    buf_init(&request, LIMIT_WIRE_BYTES);
    if (pack(&request, want, offset, max))
        result = get(c, p, &request, want, offset, max, part, chunk, err);
    else
        error_set(err, ENOMEM, "map output from %s", address);
    buf_release(&request);
    return result;
}

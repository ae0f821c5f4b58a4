/*
 * body: the bytes of one response's body as they arrive: in memory while they are few, then in a file without
 * a name, so that many large bodies at once do not take the memory of the process.
 *
 *     body_reset(&b, max); body_append() ...; body_view(&b, &p, &n); body_reset(&b);
 *
 * A loop's bodies share a pool, which says how much memory they may take together: a body moves to disk at
 * BODY_MEMORY_BYTES, or at BODY_MEMORY_LOW_BYTES once the pool is used up. One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_BODY_H
#define TRAWL_WORKER_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

enum { BODY_MEMORY_BYTES = 256 * 1024, BODY_MEMORY_LOW_BYTES = 16 * 1024 };

struct body_pool {
    int dir_fd;              /* where the files without a name are made */
    size_t bytes, bytes_max; /* memory in use, and what it should not exceed */
};

struct body {
    struct body_pool *pool;
    struct buf memory; /* empty once it is on disk */
    int fd;            /* -1: in memory */
    uint64_t len;
    uint64_t max; /* `len` never exceeds it */
    bool cut;     /* there was more */
    void *map;
    size_t map_len;
};

enum body_result {
    BODY_OK,
    BODY_CUT,  /* it is full: what fitted was taken, the rest is not wanted */
    BODY_DISK, /* no room on the disk (errno): nothing was taken, try the same again later */
    BODY_NO_MEMORY,
};

void body_init(struct body *b, struct body_pool *pool);
/* Empties it, for a body of at most `max` bytes. */
void body_reset(struct body *b, uint64_t max);
void body_release(struct body *b);
/* `n` bytes will come, it is said: a hint, before the first of them. */
void body_expect(struct body *b, uint64_t n);
enum body_result body_append(struct body *b, const void *p, size_t n);
/* All of it, until the next call; NUL-terminated only by chance. False: errno says why. */
bool body_view(struct body *b, const char **p, size_t *n);

#endif

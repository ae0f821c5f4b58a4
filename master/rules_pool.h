/*
 * rules_pool: what robots.txt files say (robots_encode()), as much of it as there is room for in memory. Equal texts have
 * one name and are there once, however many origins have them; those that were not asked for longest go first. The
 * crawldb has them all: origins.c reads back what is not here.
 *
 * Invariant: after rules_trim() the texts take no more than its bytes, whatever the web says. An origin itself keeps a
 * name, of 8 bytes.
 *
 *     struct rules_pool pool = {.bytes = 0};
 *     const struct rules *r = rules_find(&pool, name);      // NULL: not here
 *     r = rules_keep(&pool, name, bytes, len);              // NULL: no memory
 *     use(r->bytes, r->len);                                // until the next rules_trim()
 *     rules_trim(&pool, LIMIT_RULES_BYTES);
 *     rules_pool_release(&pool);
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_RULES_POOL_H
#define TRAWL_MASTER_RULES_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "shared/map.h"

struct rules {
    uint64_t name;
    struct rules *newer, *older; /* by when they were asked for last */
    uint32_t len;
    unsigned char bytes[];
};

/* All zero: empty. */
struct rules_pool {
    struct map by_name;
    struct rules *newest, *oldest;
    size_t bytes; /* of all, with what each takes beside its text */
};

const struct rules *rules_find(struct rules_pool *p, uint64_t name);
/* A copy of the bytes under that name, or the one that is there. */
const struct rules *rules_keep(struct rules_pool *p, uint64_t name, const void *bytes, size_t len);
void rules_trim(struct rules_pool *p, size_t bytes_max);
void rules_pool_release(struct rules_pool *p);

#endif

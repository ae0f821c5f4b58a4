/*
 * rules_pool: what robots.txt says (robots_encode()), kept once however many origins have the same: those that have
 * none, and those that came with the same software.
 *
 *     struct map pool;
 *     map_init(&pool);
 *     struct rules *r = rules_get(&pool, bytes, len);   // NULL: no memory
 *     use(r->bytes, r->len);
 *     rules_drop(&pool, r);
 *     map_release(&pool);                               // when all are dropped
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_RULES_POOL_H
#define TRAWL_MASTER_RULES_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "shared/map.h"

struct rules {
    uint64_t hash;
    uint32_t users;
    uint32_t len;
    unsigned char bytes[];
};

/* A copy of the bytes, or the one that there is. */
struct rules *rules_get(struct map *pool, const void *bytes, size_t len);
/* NULL is fine. */
void rules_drop(struct map *pool, struct rules *r);

#endif

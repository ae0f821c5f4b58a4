/*
 * map: from 64-bit numbers to pointers; open addressing, linear probing, deletion without tombstones.
 *
 * For numbers that are already well mixed or sequential (they are mixed once more here). The pointers are the
 * caller's. NULL cannot be stored. Not thread-safe.
 */
#ifndef TRAWL_SHARED_MAP_H
#define TRAWL_SHARED_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t count, size; /* size: a power of two, or 0 */
};

void map_init(struct map *m);
void map_release(struct map *m);
void *map_get(const struct map *m, uint64_t key); /* NULL: not there */
/* Room for one more: after it the next map_put() cannot fail. */
bool map_reserve(struct map *m);
bool map_put(struct map *m, uint64_t key, void *value); /* replaces; false: no memory */
void *map_remove(struct map *m, uint64_t key);          /* what was there, or NULL */
/* Walks all: start with *at = 0; NULL at the end. Nothing may be put or removed on the way. */
void *map_next(const struct map *m, size_t *at);

#endif

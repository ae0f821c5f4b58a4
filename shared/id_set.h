/*
 * id_set: a set of small numbers, dense from 0, that is walked in order while it changes: bits, with a bit for each word
 * of them that is not empty, and so on up. One number takes a bit and a little; each operation a few words.
 *
 *     struct id_set s = {0};
 *     if (!id_set_reserve(&s, 1000)) ...            // no memory; 0 to 999 may enter
 *     id_set_add(&s, 17);
 *     for (uint32_t id = id_set_next(&s, 0); id != ID_SET_NONE; id = id_set_next(&s, id + 1)) ...
 *     id_set_release(&s);
 *
 * Not thread-safe.
 */
#ifndef TRAWL_SHARED_ID_SET_H
#define TRAWL_SHARED_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SET_NONE UINT32_MAX

enum { ID_SET_LEVELS = 6 }; /* 64 to their power is more than there are numbers */

/* All zero: empty, without room. */
struct id_set {
    uint64_t *levels[ID_SET_LEVELS];
    size_t words[ID_SET_LEVELS];
    size_t count; /* in the set */
};

void id_set_release(struct id_set *s);
/* Room for the numbers below `size`. False: no memory, and what was there before still is. */
bool id_set_reserve(struct id_set *s, uint32_t size);
/* `id`: below the reserved size. In the set already: nothing happens. */
void id_set_add(struct id_set *s, uint32_t id);
/* Not in the set: nothing happens. */
void id_set_remove(struct id_set *s, uint32_t id);
bool id_set_has(const struct id_set *s, uint32_t id);
/* The least that is not below `from`, or ID_SET_NONE. */
uint32_t id_set_next(const struct id_set *s, uint32_t from);

#endif

/*
 * heap: a binary min-heap of deadlines whose items know their place, so that any of them can be moved or
 * taken out in O(log n). One heap answers "what is due" and "when is the next".
 *
 * Items are embedded in the caller's structs and owned by it. Not thread-safe.
 */
#ifndef TRAWL_SHARED_HEAP_H
#define TRAWL_SHARED_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
    int64_t key;  /* usually a time in ms */
    size_t place; /* 0: in no heap; else its index + 1 */
};

struct heap {
    struct heap_item **items;
    size_t count, size;
};

void heap_init(struct heap *h);
/* Does not touch the items. */
void heap_release(struct heap *h);
/* Puts `it` in, or moves it to its new key. False: no memory (only for an item that was outside). */
bool heap_set(struct heap *h, struct heap_item *it, int64_t key);
void heap_remove(struct heap *h, struct heap_item *it); /* outside already: nothing happens */
struct heap_item *heap_min(const struct heap *h);       /* NULL when empty */

#endif

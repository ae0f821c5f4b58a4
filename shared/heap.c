#include "shared/heap.h"

#include <stdlib.h>

void heap_init(struct heap *h) {
    *h = (struct heap){0};
}

void heap_release(struct heap *h) {
    free(h->items);
    heap_init(h);
}

static void put(struct heap *h, size_t i, struct heap_item *it) {
    h->items[i] = it;
    it->place = i + 1;
}

static void sift_up(struct heap *h, size_t i) {
    struct heap_item *it = h->items[i];

    while (i > 0 && h->items[(i - 1) / 2]->key > it->key) {
        put(h, i, h->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, it);
}

static void sift_down(struct heap *h, size_t i) {
    struct heap_item *it = h->items[i];

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->items[child + 1]->key < h->items[child]->key)
            child++;
        if (h->items[child]->key >= it->key)
            break;
        put(h, i, h->items[child]);
        i = child;
    }
    put(h, i, it);
}

bool heap_set(struct heap *h, struct heap_item *it, int64_t key) {
    if (it->place == 0) {
        if (h->count == h->size) {
            size_t size = h->size == 0 ? 64 : h->size * 2;
            struct heap_item **items = realloc(h->items, size * sizeof(struct heap_item *));
            if (items == NULL)
                return false;
            h->items = items;
            h->size = size;
        }
        put(h, h->count++, it);
    }
    it->key = key;
    sift_up(h, it->place - 1);
    sift_down(h, it->place - 1);
    return true;
}

void heap_remove(struct heap *h, struct heap_item *it) {
    if (it->place == 0)
        return;
    size_t i = it->place - 1;
    struct heap_item *last = h->items[--h->count];

    it->place = 0;
    if (last == it)
        return;
    put(h, i, last);
    sift_up(h, i);
    sift_down(h, last->place - 1);
}

struct heap_item *heap_min(const struct heap *h) {
    return h->count == 0 ? NULL : h->items[0];
}

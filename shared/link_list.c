#include "shared/link_list.h"

#include "shared/limits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

enum { SLOTS_FIRST = 256, ITEMS_FIRST = 128 };

void link_list_init(struct link_list *l) {
    *l = (struct link_list){0};
    buf_init(&l->text, LINK_LIST_BYTES);
    /* Without entropy the table is merely easier to attack; its results do not depend on the key. */
    if (getrandom(&l->key, sizeof l->key, GRND_NONBLOCK) != (ssize_t)sizeof l->key)
        l->key = (uint64_t)(uintptr_t)l;
}

void link_list_reset(struct link_list *l) {
    l->count = 0;
    buf_reset(&l->text);
    l->slot_count = l->slot_size < SLOTS_FIRST ? l->slot_size : SLOTS_FIRST;
    if (l->slot_count > 0)
        memset(l->slots, 0, l->slot_count * sizeof *l->slots);
}

void link_list_release(struct link_list *l) {
    free(l->items);
    free(l->slots);
    buf_release(&l->text);
    link_list_init(l);
}

static struct link_list_slot *free_slot(struct link_list *l, uint32_t hash) {
    size_t i = hash & (l->slot_count - 1);

    while (l->slots[i].place != 0)
        i = (i + 1) & (l->slot_count - 1);
    return &l->slots[i];
}

static uint32_t hash_of(const struct link_list *l, const char *p, size_t n) {
    return (uint32_t)XXH3_64bits_withSeed(p, n, l->key);
}

/* Keeps the table at most half full. */
static bool grow_slots(struct link_list *l) {
    if (l->count * 2 < l->slot_count)
        return true;
    size_t count = l->slot_count == 0 ? SLOTS_FIRST : l->slot_count * 2;
    if (count > l->slot_size) {
        struct link_list_slot *slots = realloc(l->slots, count * sizeof *slots);
        if (slots == NULL)
            return false;
        l->slots = slots;
        l->slot_size = count;
    }
    memset(l->slots, 0, count * sizeof *l->slots);
    l->slot_count = count;
    for (size_t i = 0; i < l->count; i++) {
        uint32_t hash = hash_of(l, l->text.data + l->items[i].at, l->items[i].len);
        *free_slot(l, hash) = (struct link_list_slot){hash, (uint32_t)i + 1};
    }
    return true;
}

static bool grow_items(struct link_list *l) {
    if (l->count < l->size)
        return true;
    size_t size = l->size == 0 ? ITEMS_FIRST : l->size * 2;
    struct link_list_item *items = realloc(l->items, size * sizeof *items);
    if (items == NULL)
        return false;
    l->items = items;
    l->size = size;
    return true;
}

static struct link_list_item *find_link(struct link_list *l, uint32_t hash, const char *p,
                                        size_t n) {
    if (l->slot_count == 0)
        return NULL;
    for (size_t i = hash & (l->slot_count - 1); l->slots[i].place != 0;
         i = (i + 1) & (l->slot_count - 1)) {
        struct link_list_item *item = &l->items[l->slots[i].place - 1];
        if (l->slots[i].hash == hash && item->len == n &&
            memcmp(l->text.data + item->at, p, n) == 0)
            return item;
    }
    return NULL;
}

enum link_list_result link_list_add(struct link_list *l, const char *p, size_t n, uint8_t kind,
                                    uint8_t flags) {
    uint32_t hash = hash_of(l, p, n);
    struct link_list_item *known = find_link(l, hash, p, n);

    if (known != NULL) {
        known->flags &= flags;
        l->last = (size_t)(known - l->items);
        return LINK_LIST_KNOWN;
    }
    if (l->count == LIMIT_PAGE_LINKS || n + 1 > l->text.cap_max - l->text.len)
        return LINK_LIST_FULL;
    if (!grow_items(l) || !grow_slots(l) || !buf_reserve(&l->text, n + 1))
        return LINK_LIST_NO_MEMORY;
    struct link_list_item item = {(uint32_t)l->text.len, (uint32_t)n, kind, flags};
    buf_append(&l->text, p, n);
    buf_append_char(&l->text, '\0');
    l->last = l->count;
    l->items[l->count++] = item;
    *free_slot(l, hash) = (struct link_list_slot){hash, (uint32_t)l->count};
    return LINK_LIST_ADDED;
}

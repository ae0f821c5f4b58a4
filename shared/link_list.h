/*
 * link_list: distinct links in the order of their discovery, with a hash table over them.
 *
 * Bounded by LIMIT_PAGE_LINKS entries and LINK_LIST_BYTES bytes. The hash is keyed with a secret of
 * the process, so that a page cannot be written to collide. Emptying it keeps the storage. One owner
 * each.
 */
#ifndef TRAWL_SHARED_LINK_LIST_H
#define TRAWL_SHARED_LINK_LIST_H

#include "shared/buf.h"

#include <stddef.h>
#include <stdint.h>

enum { LINK_LIST_BYTES = 64 << 20 };

struct link_list_item {
    uint32_t at, len; /* in `text`, where a NUL follows */
    uint8_t kind;     /* enum page_link_kind of where it was first seen */
    uint8_t flags;    /* PAGE_LINK_...: those that it had wherever it was seen */
};

struct link_list_slot {
    uint32_t hash;
    uint32_t place; /* index + 1; 0: free */
};

struct link_list {
    struct link_list_item *items;
    size_t count, size; /* in use, allocated */
    struct buf text;
    struct link_list_slot *slots;
    size_t slot_count; /* in use as a table: a power of two, at most slot_size */
    size_t slot_size;  /* allocated */
    size_t last;       /* the item that link_list_add() added or knew, the last time it did */
    uint64_t key;
};

enum link_list_result { LINK_LIST_ADDED, LINK_LIST_KNOWN, LINK_LIST_FULL, LINK_LIST_NO_MEMORY };

void link_list_init(struct link_list *l);
void link_list_reset(struct link_list *l);
void link_list_release(struct link_list *l);
/* `p` must not point into the list. A known link keeps its kind and the flags that both have. */
enum link_list_result link_list_add(struct link_list *l, const char *p, size_t n, uint8_t kind,
                                    uint8_t flags);

#endif

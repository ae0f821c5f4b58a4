#include "shared/map.h"

#include <stdlib.h>

#include "shared/work.h"

void map_init(struct map *m) {
    *m = (struct map){0};
}

void map_release(struct map *m) {
    free(m->slots);
    map_init(m);
}

/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

/* Where `key` is, or the free slot where it would go. The table is never full. */
static size_t find(const struct map *m, uint64_t key) {
    size_t i = mix(key) & (m->size - 1);

    while (m->slots[i].value != NULL && m->slots[i].key != key)
        i = (i + 1) & (m->size - 1);
    return i;
}

static bool grow(struct map *m) {
    struct map bigger = {.size = m->size == 0 ? 16 : m->size * 2};

    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].value != NULL)
            bigger.slots[find(&bigger, m->slots[i].key)] = m->slots[i];
    bigger.count = m->count;
    free(m->slots);
    *m = bigger;
    return true;
}

void *map_get(const struct map *m, uint64_t key) {
    work(WORK_STEP);
    return m->size == 0 ? NULL : m->slots[find(m, key)].value;
}

bool map_reserve(struct map *m) {
    return m->count + 1 <= m->size - m->size / 4 || grow(m);
}

bool map_put(struct map *m, uint64_t key, void *value) {
    if (!map_reserve(m))
        return false;
    struct map_slot *s = &m->slots[find(m, key)];
    work(WORK_STEP);
    if (s->value == NULL)
        m->count++;
    *s = (struct map_slot){key, value};
    return true;
}

void *map_remove(struct map *m, uint64_t key) {
    work(WORK_STEP);
    if (m->size == 0)
        return NULL;
    size_t hole = find(m, key);
    void *value = m->slots[hole].value;
    if (value == NULL)
        return NULL;
    m->count--;

    /* Close the gap: move back what probing would no longer reach. */
    for (size_t i = (hole + 1) & (m->size - 1); m->slots[i].value != NULL;
         i = (i + 1) & (m->size - 1)) {
        size_t home = mix(m->slots[i].key) & (m->size - 1);
        if (((i - home) & (m->size - 1)) >= ((i - hole) & (m->size - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    return value;
}

void *map_next(const struct map *m, size_t *at) {
    while (*at < m->size) {
        work(WORK_STEP);
        void *value = m->slots[(*at)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}

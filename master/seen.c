#include "master/seen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A shard is linear probing with its entries in order: a fingerprint's home grows with its value, and what shares a
 * run of slots is kept sorted. So the whole table is a sorted array with gaps; a search ends at the
 * first larger entry, which at load 0.9 takes 5 steps where unsorted probing takes 50; and growing is one
 * pass from front to back over both tables. There is no wrapping: entries pushed over the end go to a
 * tail, whose last slot stays empty and stops every search.
 *
 * 0 marks an empty slot; the fingerprint 0 is a flag of its own.
 */

enum {
    SHARD_BITS = 8,
    SHARDS = 1 << SHARD_BITS,
    HOMES_FIRST = 16,
    MAPPED_BYTES_MIN =
        64 << 10, /* tables of this size are mapped: no holes in the heap when they go */
    AHEAD = 16,   /* fingerprints whose slots are fetched ahead */
};

struct shard {
    uint64_t *slots;
    uint64_t homes; /* slots that are some fingerprint's home */
    uint64_t size;  /* and the tail */
    uint64_t count;
};

struct seen {
    struct shard shards[SHARDS];
    uint64_t count, memory_bytes;
    bool has_zero;
};

/* ---- a shard --------------------------------------------------------------------------------------------- */

static uint64_t *slots_alloc(uint64_t size) {
    size_t bytes = size * sizeof(uint64_t);

    if (bytes < MAPPED_BYTES_MIN)
        return calloc(1, bytes);
    uint64_t *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        slots = NULL;
    return slots;
}

static void slots_free(uint64_t *slots, uint64_t size) {
    size_t bytes = size * sizeof(uint64_t);

    if (bytes < MAPPED_BYTES_MIN)
        free(slots);
    else
        munmap(slots, bytes);
}

static uint64_t home_of(uint64_t fp, uint64_t homes) {
    return (uint64_t)((unsigned __int128)(fp << SHARD_BITS) * homes >> 64);
}

/* The slot of `fp`, or where it belongs. */
static uint64_t find(const struct shard *h, uint64_t fp) {
    uint64_t at = home_of(fp, h->homes);

    while (h->slots[at] != 0 && h->slots[at] < fp)
        at++;
    return at;
}

/* Copies all entries, in order. False: the tail is too short, which takes uncommon luck. */
static bool spread(const struct shard *from, struct shard *to) {
    uint64_t next = 0;

    for (uint64_t i = 0; i < from->size; i++) {
        if (from->slots[i] == 0)
            continue;
        uint64_t home = home_of(from->slots[i], to->homes);
        if (next < home)
            next = home;
        if (next + 1 >= to->size)
            return false;
        to->slots[next++] = from->slots[i];
    }
    return true;
}

/* First sizes are spread over one growth step, evenly in their logarithm, and stay so. */
static uint64_t first_homes(size_t index) {
    return HOMES_FIRST + (uint64_t)index * HOMES_FIRST / SHARDS;
}

/* At most 0.9 of the homes. */
static bool is_full(const struct shard *h) {
    return h->count >= h->homes - h->homes / 10;
}

/* Into a table of so many homes, with a tail of `tail` slots or more. */
static bool resize(struct seen *s, struct shard *h, uint64_t homes, uint64_t tail) {
    struct shard larger = {.homes = homes, .count = h->count};

    for (;; tail *= 2) {
        larger.size = larger.homes + tail;
        larger.slots = slots_alloc(larger.size);
        if (larger.slots == NULL)
            return false;
        if (spread(h, &larger))
            break;
        slots_free(larger.slots, larger.size);
    }
    s->memory_bytes += (larger.size - h->size) * sizeof(uint64_t);
    if (h->slots != NULL)
        slots_free(h->slots, h->size);
    *h = larger;
    return true;
}

static uint64_t first_tail(uint64_t homes) {
    return 8 + (homes < 2048 ? homes / 8 : 256);
}

/* More homes if it is full; else only the tail is too short, and doubles. */
static bool grow(struct seen *s, struct shard *h) {
    uint64_t homes = h->homes;

    if (!is_full(h))
        return resize(s, h, homes, (h->size - homes) * 2);
    if (homes == 0)
        homes = first_homes((size_t)(h - s->shards));
    else
        homes += homes < 1024 ? homes : homes / 5;
    return resize(s, h, homes, first_tail(homes));
}

/* Puts `fp` at its place, pushing the rest of its run on. False: the run ends at the last slot. */
static bool insert(struct shard *h, uint64_t at, uint64_t fp) {
    uint64_t end = at;

    while (h->slots[end] != 0)
        end++;
    if (end + 1 == h->size)
        return false;
    memmove(&h->slots[at + 1], &h->slots[at], (end - at) * sizeof(uint64_t));
    h->slots[at] = fp;
    h->count++;
    return true;
}

/* ---- the set --------------------------------------------------------------------------------------------- */

struct seen *seen_new(void) {
    struct seen *s = calloc(1, sizeof *s);

    if (s != NULL)
        s->memory_bytes = sizeof *s;
    return s;
}

/* Loads of 0.75 to 0.88, evenly, so that shards go on growing one after the other. */
bool seen_reserve(struct seen *s, uint64_t count) {
    uint64_t share = count / SHARDS + 1;

    for (size_t i = 0; i < SHARDS; i++) {
        uint64_t homes = share + share / 8 + share * i / (5 * SHARDS);
        if (homes > first_homes(i) && homes > s->shards[i].homes &&
            !resize(s, &s->shards[i], homes, first_tail(homes)))
            return false;
    }
    return true;
}

void seen_free(struct seen *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        if (s->shards[i].slots != NULL)
            slots_free(s->shards[i].slots, s->shards[i].size);
    free(s);
}

enum seen_result seen_add(struct seen *s, uint64_t fp) {
    struct shard *h = &s->shards[fp >> (64 - SHARD_BITS)];
    uint64_t at;

    if (fp == 0) {
        if (s->has_zero)
            return SEEN_ALREADY;
        s->has_zero = true;
        s->count++;
        return SEEN_ADDED;
    }
    if (h->homes > 0 && h->slots[at = find(h, fp)] == fp)
        return SEEN_ALREADY;
    if (is_full(h) && !grow(s, h))
        return SEEN_NO_MEMORY;
    while (at = find(h, fp), !insert(h, at, fp))
        if (!grow(s, h))
            return SEEN_NO_MEMORY;
    s->count++;
    return SEEN_ADDED;
}

bool seen_has(const struct seen *s, uint64_t fp) {
    const struct shard *h = &s->shards[fp >> (64 - SHARD_BITS)];

    if (fp == 0)
        return s->has_zero;
    return h->homes > 0 && h->slots[find(h, fp)] == fp;
}

/* Probing from home on stays within two cache lines most of the time. */
static void fetch_ahead(const struct seen *s, uint64_t fp) {
    const struct shard *h = &s->shards[fp >> (64 - SHARD_BITS)];

    if (h->homes == 0)
        return;
    const uint64_t *home = &h->slots[home_of(fp, h->homes)];
    __builtin_prefetch(home);
    __builtin_prefetch(home + 8);
}

size_t seen_add_batch(struct seen *s, const uint64_t *fps, size_t n, uint8_t *was_new) {
    for (size_t i = 0; i < n && i < AHEAD; i++)
        fetch_ahead(s, fps[i]);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            fetch_ahead(s, fps[i + AHEAD]);
        enum seen_result result = seen_add(s, fps[i]);
        if (result == SEEN_NO_MEMORY)
            return i;
        was_new[i] = result == SEEN_ADDED;
    }
    return n;
}

uint64_t seen_count(const struct seen *s) {
    return s->count;
}

uint64_t seen_memory_bytes(const struct seen *s) {
    return s->memory_bytes;
}

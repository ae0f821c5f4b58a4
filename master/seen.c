#include "master/seen.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A shard is linear probing with its entries in order: a fingerprint's home grows with its value, and what shares a
 * run of slots is kept sorted. So the whole table is a sorted array with gaps; a search ends at the
 * first larger entry, which at load 0.92 takes 7 steps where unsorted probing takes 80; and growing is one
 * pass from front to back over both tables. There is no wrapping: entries pushed over the end go to a
 * tail, whose last slot stays empty and stops every search.
 *
 * A slot holds no bits that its place tells (quotienting: Cleary, Compact hash tables using bidirectional linear
 * probing, 1984). The 8 bits that choose the shard are never there: 7 bytes. In a narrow shard 8 more are missing: 6
 * bytes. There, values that agree in the other 48 bits have homes that are homes / 256 apart, and no
 * entry is pushed homes / 512 slots or further from its home (reach()): so what a search meets is less than 2^47 away from
 * what it looks for, the difference of the 48 bits alone tells the order, and equal bits are equal values. A shard
 * that is too small for that, or whose values crowd, is wide.
 *
 * Behind its bits a slot has one byte more, the note, which moves along with them and takes no part in any comparison.
 *
 * 0 marks an empty slot; the fingerprints whose slots would be 0 are flags of their own.
 */

enum {
    SHARD_BITS = 8,
    SHARDS = 1 << SHARD_BITS,
    VALUE_BITS = 64 - SHARD_BITS, /* of a fingerprint, in its shard */
    NARROW_BITS = 48,
    NARROW_HOMES_MIN = 48 << 10, /* reach 96: at load 0.92 one in 10^7 is pushed so far */
    HOMES_FIRST = 16,
    TAIL_MAX = 64,
    MAPPED_BYTES_MIN =
        64 << 10, /* tables of this size are mapped: no holes in the heap when they go */
    AHEAD = 16,   /* fingerprints whose slots are fetched ahead */
};

struct shard {
    unsigned char *slots; /* little-endian numbers, one behind the other */
    uint64_t homes;       /* slots that are some fingerprint's home */
    uint64_t size;        /* and the tail */
    uint64_t count;
    unsigned bits; /* of a slot: NARROW_BITS or VALUE_BITS */
};

struct seen {
    struct shard shards[SHARDS];
    uint64_t count, memory_bytes;
    uint64_t zeros[(1 << (64 - NARROW_BITS)) / 64]; /* bit: the upper bits of what has no slot */
};

/* ---- slots ----------------------------------------------------------------------------------------------- */

static uint64_t mask_of(unsigned bits) {
    return (UINT64_C(1) << bits) - 1;
}

/* Bytes of a slot: its bits and the note. */
static inline size_t width_of(unsigned bits) {
    return bits / 8 + 1;
}

/* Eight bytes are read and written at each slot. */
static size_t table_bytes(uint64_t size, unsigned bits) {
    return size * width_of(bits) + sizeof(uint64_t);
}

static unsigned char *slots_alloc(uint64_t size, unsigned bits) {
    size_t bytes = table_bytes(size, bits);

    if (bytes < MAPPED_BYTES_MIN)
        return calloc(1, bytes);
    unsigned char *slots =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        slots = NULL;
    return slots;
}

static void slots_free(const struct shard *h) {
    size_t bytes = table_bytes(h->size, h->bits);

    if (h->slots == NULL)
        return;
    if (bytes < MAPPED_BYTES_MIN)
        free(h->slots);
    else
        munmap(h->slots, bytes);
}

static uint64_t slot_get(const struct shard *h, uint64_t at) {
    uint64_t word;

    memcpy(&word, h->slots + at * width_of(h->bits), sizeof word);
    return le64toh(word) & mask_of(h->bits);
}

/* Leaves the slots behind it as they are. */
static void slot_put(struct shard *h, uint64_t at, uint64_t value) {
    unsigned char *slot = h->slots + at * width_of(h->bits);
    uint64_t word, mask = mask_of(h->bits);

    memcpy(&word, slot, sizeof word);
    word = htole64((le64toh(word) & ~mask) | (value & mask));
    memcpy(slot, &word, sizeof word);
}

static unsigned char *note_of(const struct shard *h, uint64_t at) {
    return h->slots + at * width_of(h->bits) + h->bits / 8;
}

/* ---- a shard --------------------------------------------------------------------------------------------- */

static uint64_t value_of(uint64_t fp) {
    return fp & mask_of(VALUE_BITS);
}

static uint64_t home_of(uint64_t value, uint64_t homes) {
    return (uint64_t)((unsigned __int128)value * homes >> VALUE_BITS);
}

/* Each entry is nearer than this to its home. */
static uint64_t reach(const struct shard *h) {
    return h->bits == NARROW_BITS ? h->homes / 512 - 1 : UINT64_MAX;
}

/* The value in a slot that is not empty. */
static uint64_t value_at(const struct shard *h, uint64_t at) {
    uint64_t slot = slot_get(h, at);

    if (h->bits == VALUE_BITS)
        return slot;
    /* The least value at home there, give or take less than `homes`; the entry's own is less than 2^47 away. */
    uint64_t near =
        at * ((UINT64_C(1) << VALUE_BITS) / h->homes) - (UINT64_C(1) << (NARROW_BITS - 1));
    return value_of(near + ((slot - near) & mask_of(NARROW_BITS)));
}

/* The first slot from `at` on that is empty or has no smaller entry. `bits` is known where this is called: the loop
 * is what the set spends its time on. Both numbers are compared in the upper bits of a word: as they are, or
 * by the sign of the difference. */
static inline uint64_t walk(const unsigned char *slots, uint64_t at, uint64_t value,
                            unsigned bits) {
    const unsigned width = (unsigned)width_of(bits), unused = 64 - bits;
    const unsigned char *slot = slots + at * width;
    uint64_t wanted = value << unused, word;

    for (;; at++, slot += width) {
        memcpy(&word, slot, sizeof word);
        word = le64toh(word) << unused;
        if (word == 0 || (bits == VALUE_BITS ? word >= wanted : word - wanted <= INT64_MAX))
            return at;
    }
}

/* The slot of `value`, or where it belongs. */
static uint64_t find(const struct shard *h, uint64_t value) {
    uint64_t home = home_of(value, h->homes);

    return h->bits == NARROW_BITS ? walk(h->slots, home, value, NARROW_BITS)
                                  : walk(h->slots, home, value, VALUE_BITS);
}

static bool holds(const struct shard *h, uint64_t at, uint64_t value) {
    return slot_get(h, at) == (value & mask_of(h->bits));
}

enum fit { FITS, TAIL_SHORT, OUT_OF_REACH };

/* Copies all entries, in order. */
static enum fit spread(const struct shard *from, struct shard *to) {
    uint64_t next = 0, far = reach(to);

    for (uint64_t i = 0; i < from->size; i++) {
        if (slot_get(from, i) == 0)
            continue;
        uint64_t value = value_at(from, i), home = home_of(value, to->homes);
        if (next < home)
            next = home;
        if (next - home >= far)
            return OUT_OF_REACH;
        if (next + 1 >= to->size)
            return TAIL_SHORT;
        slot_put(to, next, value);
        *note_of(to, next++) = *note_of(from, i);
    }
    return FITS;
}

/* First sizes are spread over one growth step, evenly in their logarithm, and stay so. */
static uint64_t first_homes(size_t index) {
    return HOMES_FIRST + (uint64_t)index * HOMES_FIRST / SHARDS;
}

/* At most 0.92 of the homes. */
static bool is_full(const struct shard *h) {
    return h->count >= h->homes - h->homes / 12;
}

/* Into a table like `to`, or what it must be instead: with a longer tail, or wide. */
static bool resize(struct seen *s, struct shard *h, struct shard to) {
    for (;;) {
        to.slots = slots_alloc(to.size, to.bits);
        if (to.slots == NULL)
            return false;
        enum fit fit = spread(h, &to);
        if (fit == FITS)
            break;
        slots_free(&to);
        if (fit == OUT_OF_REACH)
            to.bits = VALUE_BITS;
        else
            to.size += to.size - to.homes;
    }
    s->memory_bytes += table_bytes(to.size, to.bits);
    if (h->slots != NULL)
        s->memory_bytes -= table_bytes(h->size, h->bits);
    slots_free(h);
    to.count = h->count;
    *h = to;
    return true;
}

static struct shard with_homes(uint64_t homes) {
    uint64_t tail = 8 + (homes / 8 < TAIL_MAX ? homes / 8 : TAIL_MAX);

    return (struct shard){.homes = homes,
                          .size = homes + tail,
                          .bits = homes < NARROW_HOMES_MIN ? VALUE_BITS : NARROW_BITS};
}

static bool grow(struct seen *s, struct shard *h) {
    uint64_t homes = h->homes;

    if (homes == 0)
        homes = first_homes((size_t)(h - s->shards));
    else
        homes += homes < 1024 ? homes : homes / 8;
    return resize(s, h, with_homes(homes));
}

/* For what did not fit, though there are homes enough. */
static bool mend(struct seen *s, struct shard *h, enum fit fit) {
    struct shard to = {.homes = h->homes, .size = h->size, .bits = h->bits};

    if (fit == OUT_OF_REACH)
        to.bits = VALUE_BITS;
    else
        to.size += to.size - to.homes;
    return resize(s, h, to);
}

/* May `value` stand at `at`, and what is there up to `end` a slot further? All of that has its home where `value` has,
 * or behind. */
static bool in_reach(const struct shard *h, uint64_t value, uint64_t at, uint64_t end) {
    uint64_t home = home_of(value, h->homes), far = reach(h);

    if (end - home < far)
        return true;
    if (at - home >= far)
        return false;
    for (uint64_t i = home + far - 1; i < end; i++)
        if (i + 1 - home_of(value_at(h, i), h->homes) >= far)
            return false;
    return true;
}

/* Puts `value` at its place, pushing the rest of its run on; or changes nothing. */
static enum fit insert(struct shard *h, uint64_t at, uint64_t value) {
    size_t width = width_of(h->bits);
    uint64_t end = at;

    while (slot_get(h, end) != 0)
        end++;
    if (end + 1 == h->size)
        return TAIL_SHORT;
    if (!in_reach(h, value, at, end))
        return OUT_OF_REACH;
    unsigned char *place = h->slots + at * width;
    memmove(place + width, place, (end - at) * width);
    slot_put(h, at, value);
    *note_of(h, at) = 0;
    h->count++;
    return FITS;
}

/* ---- the set --------------------------------------------------------------------------------------------- */

struct seen *seen_new(void) {
    struct seen *s = calloc(1, sizeof *s);

    if (s != NULL)
        s->memory_bytes = sizeof *s;
    return s;
}

/* Loads of 0.8 to 0.9, evenly, so that shards go on growing one after the other. */
bool seen_reserve(struct seen *s, uint64_t count) {
    uint64_t share = count / SHARDS + 1;

    for (size_t i = 0; i < SHARDS; i++) {
        uint64_t homes = share + share / 9 + share * i / (8 * SHARDS);
        if (homes > first_homes(i) && homes > s->shards[i].homes &&
            !resize(s, &s->shards[i], with_homes(homes)))
            return false;
    }
    return true;
}

void seen_free(struct seen *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        slots_free(&s->shards[i]);
    free(s);
}

static bool has_no_slot(uint64_t fp) {
    return (fp & mask_of(NARROW_BITS)) == 0;
}

static bool zeros_has(const struct seen *s, uint64_t fp) {
    uint64_t upper = fp >> NARROW_BITS;

    return (s->zeros[upper / 64] >> upper % 64 & 1) != 0;
}

static enum seen_result zeros_add(struct seen *s, uint64_t fp) {
    uint64_t upper = fp >> NARROW_BITS;

    if (zeros_has(s, fp))
        return SEEN_ALREADY;
    s->zeros[upper / 64] |= UINT64_C(1) << upper % 64;
    s->count++;
    return SEEN_ADDED;
}

enum seen_result seen_add(struct seen *s, uint64_t fp) {
    struct shard *h = &s->shards[fp >> VALUE_BITS];
    uint64_t value = value_of(fp), at;
    enum fit fit;

    if (has_no_slot(fp))
        return zeros_add(s, fp);
    if (h->homes > 0 && holds(h, at = find(h, value), value))
        return SEEN_ALREADY;
    if (is_full(h) && !grow(s, h))
        return SEEN_NO_MEMORY;
    while (at = find(h, value), (fit = insert(h, at, value)) != FITS)
        if (!mend(s, h, fit))
            return SEEN_NO_MEMORY;
    s->count++;
    return SEEN_ADDED;
}

bool seen_has(const struct seen *s, uint64_t fp) {
    const struct shard *h = &s->shards[fp >> VALUE_BITS];
    uint64_t value = value_of(fp);

    if (has_no_slot(fp))
        return zeros_has(s, fp);
    return h->homes > 0 && holds(h, find(h, value), value);
}

bool seen_note(const struct seen *s, uint64_t fp, uint8_t *note) {
    const struct shard *h = &s->shards[fp >> VALUE_BITS];
    uint64_t value = value_of(fp), at;

    *note = 0;
    if (has_no_slot(fp))
        return zeros_has(s, fp);
    if (h->homes == 0 || !holds(h, at = find(h, value), value))
        return false;
    *note = *note_of(h, at);
    return true;
}

void seen_set_note(struct seen *s, uint64_t fp, uint8_t note) {
    struct shard *h = &s->shards[fp >> VALUE_BITS];
    uint64_t value = value_of(fp), at;

    if (!has_no_slot(fp) && h->homes > 0 && holds(h, at = find(h, value), value))
        *note_of(h, at) = note;
}

/* Probing from home on stays within two cache lines most of the time. */
void seen_prefetch(const struct seen *s, uint64_t fp) {
    const struct shard *h = &s->shards[fp >> VALUE_BITS];

    if (h->homes == 0)
        return;
    const unsigned char *home = h->slots + home_of(value_of(fp), h->homes) * width_of(h->bits);
    __builtin_prefetch(home);
    __builtin_prefetch(home + 64);
}

size_t seen_add_batch(struct seen *s, const uint64_t *fps, size_t n, uint8_t *was_new) {
    for (size_t i = 0; i < n && i < AHEAD; i++)
        seen_prefetch(s, fps[i]);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            seen_prefetch(s, fps[i + AHEAD]);
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

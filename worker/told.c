#include "worker/told.h"

#include <stdlib.h>
#include <string.h>

#include "shared/fingerprint.h"

enum { DEPTH_MAX = 255, PLACES = 32 * 1024 }; /* a power of two; 256 KiB */

void told_init(struct told *t, const unsigned char key[16]) {
    memcpy(t->key, key, sizeof t->key);
    t->places = NULL;
}

void told_release(struct told *t) {
    free(t->places);
    t->places = NULL;
}

/* The lower bits of what stands at a place are the depth. */
uint64_t told_fingerprint(const struct told *t, const char *url, size_t len) {
    uint64_t fp = fingerprint(t->key, url, len) & ~(uint64_t)DEPTH_MAX;

    return fp == 0 ? DEPTH_MAX + 1 : fp;
}

static size_t place_of(uint64_t fp) {
    return (size_t)(fp / (DEPTH_MAX + 1) % PLACES);
}

void told_prefetch(const struct told *t, uint64_t fp) {
    if (t->places != NULL)
        __builtin_prefetch(&t->places[place_of(fp)]);
}

static uint64_t with_depth(uint64_t fp, uint32_t depth) {
    return fp | (depth < DEPTH_MAX ? depth : DEPTH_MAX);
}

bool told_has(const struct told *t, uint64_t fp, uint32_t depth) {
    uint64_t there = t->places == NULL ? 0 : t->places[place_of(fp)];

    return there != 0 && (there & ~(uint64_t)DEPTH_MAX) == fp && there <= with_depth(fp, depth);
}

void told_add(struct told *t, const uint64_t *fps, size_t count, uint32_t depth) {
    if (t->places == NULL && count > 0)
        t->places = calloc(PLACES, sizeof *t->places);
    if (t->places == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        t->places[place_of(fps[i])] = with_depth(fps[i], depth);
}

void told_clear(struct told *t) {
    told_release(t);
}

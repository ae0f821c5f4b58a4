#include "worker/told.h"

#include <stdlib.h>
#include <string.h>

#include "shared/fingerprint.h"

enum { PLACES = 32 * 1024 }; /* a power of two; 256 KiB */

void told_init(struct told *t, const unsigned char key[16]) {
    memcpy(t->key, key, sizeof t->key);
    t->places = NULL;
}

void told_release(struct told *t) {
    free(t->places);
    t->places = NULL;
}

uint64_t told_fingerprint(const struct told *t, const char *url, size_t len) {
    uint64_t fp = fingerprint(t->key, url, len);

    return fp == 0 ? 1 : fp;
}

void told_prefetch(const struct told *t, uint64_t fp) {
    if (t->places != NULL)
        __builtin_prefetch(&t->places[fp % PLACES]);
}

bool told_has(const struct told *t, uint64_t fp) {
    return t->places != NULL && t->places[fp % PLACES] == fp;
}

void told_add(struct told *t, const uint64_t *fps, size_t count) {
    if (t->places == NULL && count > 0)
        t->places = calloc(PLACES, sizeof *t->places);
    if (t->places == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        t->places[fps[i] % PLACES] = fps[i];
}

void told_clear(struct told *t) {
    told_release(t);
}

#include "worker/payloads.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

/* A digest has WAYS places that it can stand in: as many as are looked through. */
enum { WAYS = 4, SETS = PAYLOADS_MAX / WAYS };

struct payloads {
    struct payload places[PAYLOADS_MAX];
    uint64_t session;
    unsigned hand; /* which of a full set's places is given up next */
};

struct payloads *payloads_new(void) {
    return calloc(1, sizeof(struct payloads));
}

static void clear(struct payloads *p) {
    for (size_t i = 0; i < PAYLOADS_MAX; i++)
        if (p->places[i].url != NULL) {
            free(p->places[i].url);
            p->places[i] = (struct payload){.url = NULL};
        }
}

void payloads_free(struct payloads *p) {
    if (p == NULL)
        return;
    clear(p);
    free(p);
}

void payloads_session(struct payloads *p, uint64_t session) {
    if (session != p->session)
        clear(p);
    p->session = session;
}

static size_t set_of(const unsigned char digest[20]) {
    return ((size_t)digest[0] << 8 | digest[1]) % SETS * WAYS;
}

static struct payload *place_of(const struct payloads *p, const unsigned char digest[20]) {
    const struct payload *set = p->places + set_of(digest);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].url != NULL && memcmp(set[i].digest, digest, sizeof set[i].digest) == 0)
            return (struct payload *)(set + i);
    return NULL;
}

static struct payload *room_for(struct payloads *p, const unsigned char digest[20]) {
    struct payload *set = p->places + set_of(digest);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].url == NULL)
            return set + i;
    return set + p->hand++ % WAYS;
}

const struct payload *payloads_find(const struct payloads *p, const unsigned char digest[20]) {
    const struct payload *found = place_of(p, digest);

    return found != NULL && found->committed ? found : NULL;
}

void payloads_note(struct payloads *p, const char *segment, const struct payload *r) {
    struct payload *at = place_of(p, r->digest);
    char *url;

    if (at != NULL && at->committed)
        return;
    if ((url = malloc(r->url_len)) == NULL)
        return;
    memcpy(url, r->url, r->url_len);
    if (at == NULL)
        at = room_for(p, r->digest);
    free(at->url);
    *at = *r;
    at->url = url;
    at->segment = XXH3_64bits(segment, strlen(segment));
    at->committed = false;
}

void payloads_committed(struct payloads *p, const char *segment, uint64_t offset,
                        const unsigned char digest[20]) {
    struct payload *at = place_of(p, digest);

    if (at != NULL && at->offset == offset && at->segment == XXH3_64bits(segment, strlen(segment)))
        at->committed = true;
}

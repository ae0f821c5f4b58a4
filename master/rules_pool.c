#include "master/rules_pool.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static struct rules *rules_new(uint64_t hash, const void *bytes, size_t len) {
    struct rules *r = malloc(sizeof *r + len);

    if (r == NULL)
        return NULL;
    *r = (struct rules){.hash = hash, .users = 1, .len = (uint32_t)len};
    if (len > 0)
        memcpy(r->bytes, bytes, len);
    return r;
}

struct rules *rules_get(struct map *pool, const void *bytes, size_t len) {
    uint64_t hash = XXH3_64bits(bytes, len);
    struct rules *known = map_get(pool, hash), *r;

    if (known != NULL && known->len == len && (len == 0 || memcmp(known->bytes, bytes, len) == 0)) {
        known->users++;
        return known;
    }
    r = rules_new(hash, bytes, len);
    /* Another text with this hash: the later one is not shared. */
    if (r != NULL && known == NULL && !map_put(pool, hash, r)) {
        free(r);
        return NULL;
    }
    return r;
}

void rules_drop(struct map *pool, struct rules *r) {
    if (r == NULL || --r->users > 0)
        return;
    if (map_get(pool, r->hash) == r)
        map_remove(pool, r->hash);
    free(r);
}

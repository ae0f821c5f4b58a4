#include "master/rules_pool.h"

#include <stdlib.h>
#include <string.h>

enum { BESIDE_BYTES = sizeof(struct rules) + 64 /* its place in the map, and malloc's own */ };

static void list_take(struct rules_pool *p, struct rules *r) {
    *(r->newer != NULL ? &r->newer->older : &p->newest) = r->older;
    *(r->older != NULL ? &r->older->newer : &p->oldest) = r->newer;
}

static void list_first(struct rules_pool *p, struct rules *r) {
    r->newer = NULL;
    r->older = p->newest;
    *(p->newest != NULL ? &p->newest->newer : &p->oldest) = r;
    p->newest = r;
}

const struct rules *rules_find(struct rules_pool *p, uint64_t name) {
    struct rules *r = map_get(&p->by_name, name);

    if (r == NULL)
        return NULL;
    list_take(p, r);
    list_first(p, r);
    return r;
}

const struct rules *rules_keep(struct rules_pool *p, uint64_t name, const void *bytes, size_t len) {
    const struct rules *known = rules_find(p, name);
    struct rules *r;

    if (known != NULL)
        return known;
    r = malloc(sizeof *r + len);
    if (r == NULL)
        return NULL;
    *r = (struct rules){.name = name, .len = (uint32_t)len};
    if (len > 0)
        memcpy(r->bytes, bytes, len);
    if (!map_put(&p->by_name, name, r)) {
        free(r);
        return NULL;
    }
    list_first(p, r);
    p->bytes += BESIDE_BYTES + len;
    return r;
}

void rules_trim(struct rules_pool *p, size_t bytes_max) {
#ifdef MUTANT_RULES_KEPT
    if (bytes_max > 0)
        return;
#endif
    while (p->bytes > bytes_max && p->oldest != NULL) {
        struct rules *r = p->oldest;
        list_take(p, r);
        map_remove(&p->by_name, r->name);
        p->bytes -= BESIDE_BYTES + r->len;
        free(r);
    }
}

void rules_pool_release(struct rules_pool *p) {
    rules_trim(p, 0);
    map_release(&p->by_name);
}

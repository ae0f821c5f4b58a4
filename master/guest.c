#include "master/guest.h"

#include <assert.h>
#include <stdlib.h>

#include "master/host.h"
#include "shared/map.h"

/* Of an origin that has some: few do, and there are millions of origins. */
struct guest_list {
    struct map by_fp;
    struct guest *first, *last; /* not leased */
    uint32_t count, leased;
};

static void link_last(struct guest_list *l, struct guest *g) {
    g->next = NULL;
    g->prev = l->last;
    if (l->last != NULL)
        l->last->next = g;
    else
        l->first = g;
    l->last = g;
}

static void unlink_guest(struct guest_list *l, struct guest *g) {
    if (g->prev != NULL)
        g->prev->next = g->next;
    else
        l->first = g->next;
    if (g->next != NULL)
        g->next->prev = g->prev;
    else
        l->last = g->prev;
    g->next = g->prev = NULL;
}

static struct guest *find(const struct origin *o, uint64_t fp) {
    struct guest *g = o->guests == NULL ? NULL : map_get(&o->guests->by_fp, fp);

    assert(g != NULL);
    return g;
}

bool guest_add(struct origin *o, uint64_t fp, uint64_t seq) {
    struct guest *g = calloc(1, sizeof *g);

    if (o->guests == NULL && (o->guests = calloc(1, sizeof *o->guests)) != NULL)
        map_init(&o->guests->by_fp);
    if (g == NULL || o->guests == NULL || !map_put(&o->guests->by_fp, fp, g)) {
        free(g);
        return false;
    }
    g->fp = fp;
    g->seq = seq;
    link_last(o->guests, g);
    o->guests->count++;
    return true;
}

void guest_remove(struct origin *o, uint64_t fp) {
    struct guest *g = find(o, fp);
    struct guest_list *l = o->guests;

    if (g->leased)
        l->leased--;
    else
        unlink_guest(l, g);
    map_remove(&l->by_fp, fp);
    free(g);
    if (--l->count == 0)
        guest_release(o);
}

void guest_move(struct origin *o, uint64_t fp, uint64_t seq) {
    find(o, fp)->seq = seq;
}

void guest_lease(struct origin *o, uint64_t fp) {
    struct guest *g = find(o, fp);

    if (g->leased)
        return;
    unlink_guest(o->guests, g);
    g->leased = true;
    o->guests->leased++;
}

void guest_give_back(struct origin *o, uint64_t fp) {
    struct guest *g = find(o, fp);

    if (!g->leased)
        return;
    g->leased = false;
    o->guests->leased--;
    link_last(o->guests, g);
}

const struct guest *guest_first(const struct origin *o) {
    return o->guests == NULL ? NULL : o->guests->first;
}

uint32_t guest_count(const struct origin *o) {
    return o->guests == NULL ? 0 : o->guests->count;
}

uint32_t guest_leased(const struct origin *o) {
    return o->guests == NULL ? 0 : o->guests->leased;
}

void guest_release(struct origin *o) {
    size_t at = 0;
    void *g;

    if (o->guests == NULL)
        return;
    while ((g = map_next(&o->guests->by_fp, &at)) != NULL)
        free(g);
    map_release(&o->guests->by_fp);
    free(o->guests);
    o->guests = NULL;
}

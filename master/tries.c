#include "master/tries.h"

#include <string.h>

/* Its queue entry as the crawldb has it. NULL: it cannot be read, and the core has failed. */
static Trawl__QueuedUrl *read_entry(struct core *c, const struct lease_item *it) {
    struct queue_place place = {.depth = it->place_depth > 255 ? 255 : (uint8_t)it->place_depth,
                                .seq = it->seq};
    struct record_key key = record_queued(it->lease->origin->id, place);
    Trawl__QueuedUrl *q = NULL;

    buf_reset(&c->value);
    if (store_get(c->store, key.bytes, key.len, &c->value) == STORE_FOUND)
        q = wire_unpack(&c->record, &trawl__queued_url__descriptor, c->value.data, c->value.len);
    if (q == NULL)
        core_fail(c, "a queue entry of the crawldb cannot be read");
    return q;
}

static Trawl__Attempt *attempt(struct core *c, const struct lease_item *it,
                               const Trawl__Outcome *o) {
    Trawl__Attempt *a = arena_alloc(&c->record, sizeof *a);
    const char *reason = o->reason == NULL ? "" : o->reason;
    size_t len = strnlen(reason, TRIES_REASON_BYTES);

    if (a == NULL)
        return NULL;
    trawl__attempt__init(a);
    a->at_ms = o->fetched_at_ms;
    a->status = o->status;
    a->reason = arena_printf(&c->record, "%.*s", (int)len, reason);
    a->worker = it->lease->session->worker->name;
    a->task = it->lease->attempt;
    return a->reason == NULL ? NULL : a;
}

struct tries tries_of(struct core *c, const struct lease_item *it, const Trawl__Outcome *failed) {
    struct tries t = {NULL, 0};
    size_t old = 0, skip = 0;
    Trawl__QueuedUrl *q = NULL;

    arena_reset(&c->record);
    if (it->attempts > 0) {
        q = read_entry(c, it);
        if (q == NULL)
            return t;
        old = q->n_tries;
    }
    if (old + (failed != NULL) > TRIES_KEPT)
        skip = old + (failed != NULL) - TRIES_KEPT;
    t.items = arena_alloc(&c->record, (TRIES_KEPT + 1) * sizeof *t.items);
    if (t.items == NULL) {
        core_fail(c, "out of memory for the attempts at a URL");
        return t;
    }
    for (size_t i = skip; i < old; i++)
        t.items[t.count++] = q->tries[i];
    if (failed != NULL && (t.items[t.count] = attempt(c, it, failed)) != NULL)
        t.count++;
    return t;
}

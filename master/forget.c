#include "master/forget.h"

#include <stdio.h>
#include <string.h>

#include "master/recrawl.h"
#include "master/turn.h"

/* ---- asking ------------------------------------------------------------------------------------------------ */

static const char *refuse(struct core *c, Trawl__Reply *reply, const char *what, const char *name) {
    reply->code = TRAWL__CODE__REFUSED;
    reply->error = arena_printf(&c->arena, what, LIMIT_WORKER_NAME_BYTES, name);
    return NULL;
}

/* All that are to be forgotten, or only that are being forgotten. */
static size_t segments_of(struct core *c, const char *worker, bool marked) {
    size_t at = 0, n = 0;
    const struct segment *s;

    while ((s = map_next(&c->segments_by_id, &at)) != NULL)
        n += strcmp(s->worker, worker) == 0 && (s->forgotten || !marked);
    return n;
}

static void mark(struct core *c, const char *worker) {
    size_t at = 0;
    struct segment *s;

    while ((s = map_next(&c->segments_by_id, &at)) != NULL)
        if (strcmp(s->worker, worker) == 0 && !s->forgotten)
            segment_mark(c, s);
}

/* Before its first slice nothing is counted yet. */
static const char *tell(struct core *c, const char *worker) {
    bool mine = strcmp(c->forget.worker, worker) == 0;

    return arena_printf(&c->arena, "%llu URLs in %llu segments of %.*s will be fetched again",
                        (unsigned long long)(mine ? c->forget.urls : 0),
                        (unsigned long long)(mine ? c->forget.segments : 0),
                        LIMIT_WORKER_NAME_BYTES, worker);
}

const char *forget_worker(struct core *c, const char *worker, Trawl__Reply *reply, bool *more) {
    const struct worker *w = lease_worker(&c->leases, worker);
    bool mine = strcmp(c->forget.worker, worker) == 0;

    *more = segments_of(c, worker, true) > 0;
    if (*more)
        return tell(c, worker);
    if (c->state == CORE_ENDED)
        return refuse(c, reply,
                      "the crawl has ended: start the master again first, then forget %.*s",
                      worker);
    if (w != NULL && w->sessions > 0)
        return refuse(c, reply, "worker %.*s is alive: drain it first", worker);
    if (segments_of(c, worker, false) > 0) {
        mark(c, worker);
        *more = true;
        return tell(c, worker);
    }
    if (!mine || c->forget.segments == 0)
        return refuse(c, reply, "no segment of a worker %.*s is known", worker);
    const char *ended = tell(c, worker);
    c->forget.segments = 0;
    return ended;
}

/* ---- the work ---------------------------------------------------------------------------------------------- */

/* Totals are told of one worker. */
static void count_for(struct core *c, const char *worker) {
    if (strcmp(c->forget.worker, worker) == 0)
        return;
    c->forget.urls = c->forget.segments = 0;
    snprintf(c->forget.worker, sizeof c->forget.worker, "%s", worker);
}

/* Takes back records of one entry. True: it is done with. */
static bool take_back(struct core *c, struct now now, const struct segment *s,
                      const struct store_iter *iter) {
    size_t key_len, value_len, k = 0;
    const void *key = store_iter_key(iter, &key_len);
    const void *value = store_iter_value(iter, &value_len);
    struct committed_cursor cursor;
    struct committed_record r;

    if (key_len > sizeof c->forget.from.bytes ||
        !record_committed_open(&cursor, key, key_len, value, value_len)) {
        core_fail(c, "a list of committed records of the crawldb cannot be read");
        return false;
    }
    memcpy(c->forget.from.bytes, key, key_len);
    c->forget.from.len = key_len;
    while (!c->failed && record_committed_next(&cursor, &r)) {
        if (k++ < c->forget.records)
            continue;
        c->forget.urls += frontier_refetch(c, now, r.fp, s->id);
        recrawl_forget(c, r.fp, s->id);
        c->forget.records = k;
#ifdef MUTANT_SLICE_FORGOTTEN
        if (!turn_left(c))
            break;
#endif
        if (!turn_left(c))
            return false;
    }
    if (cursor.broken)
        core_fail(c, "a list of committed records of the crawldb cannot be read");
    c->forget.records = 0;
    if (!c->failed && !batch_delete(&c->batch, key, key_len))
        core_fail(c, "out of memory for a batch");
    return !c->failed;
}

/* True: nothing of it is left. */
static bool forget_some(struct core *c, struct now now, const struct segment *s) {
    struct record_key prefix = record_committed_of(s->id);
    struct record_key from = c->forget.from.len > 0 ? c->forget.from : prefix;
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, from.bytes, from.len);
    bool done = iter != NULL;

    for (; done && store_iter_valid(iter); store_iter_next(iter))
        done = take_back(c, now, s, iter);
    if (!store_iter_close(iter) || iter == NULL)
        core_fail(c, "cannot read a segment's records");
    return done && !c->failed;
}

void forget_tick(struct core *c, struct now now) {
    struct segment *s;

    while (!c->failed && (s = c->first_forgotten) != NULL) {
        count_for(c, s->worker);
        if (!forget_some(c, now, s))
            break;
        c->forget.segments++;
        c->forget.from.len = 0;
        segment_forget(c, s);
        if (!turn_left(c))
            break;
    }
    (void)core_flush(c);
}

/* world_check: the promises of docs/reliability.md, on the way and at the end. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/record.h"
#include "master/tries.h"
#include "shared/limits.h"
#include "tests/sim/world_state.h"
#include "worker/visit.h"

/* ---- on the way ------------------------------------------------------------------------------------------- */

static void note_visit(struct world *w, struct sim_worker *by, const Trawl__VisitReport *asked,
                       const Trawl__VisitReply *reply) {
    for (size_t i = 0, refused = 0; i < asked->n_outcomes; i++) {
        const Trawl__Outcome *o = asked->outcomes[i];
        if (refused < reply->n_refused && reply->refused[refused] == i) {
            refused++;
            w->result->refused++;
        } else if (o->state == TRAWL__STATE__LINKS) {
            w->result->parts++;
        } else if (o->segment != 0 && !map_put(&w->acknowledged, o->fp, by)) {
            abort();
        }
    }
}

/* What a server asked for is known to the master from now on, whatever dies. Only jumps of the wall clock may cut
 * it short, over a restart. */
static void note_rest(struct world *w, const struct sim_loop *l, const Trawl__VisitReport *asked) {
    unsigned k;

    if (asked->backoff_ms == 0 || !asked->done || w->jumped)
        return;
    for (const struct sim_visit *s = l->visits; s != NULL; s = s->next) {
        if (s->visit == NULL || s->visit->attempt != asked->attempt ||
            sscanf(visit_origin(s->visit), "http://o%u.test", &k) != 1)
            continue;
        /* The answer may be so late that another visit was asked for more meanwhile. */
        if (s->quiet_until_ms != w->web.origins[k].quiet_until_ms)
            continue;
        w->result->faults[FAULT_TOLD_TO_WAIT]++;
        web_heard(&w->web, k);
    }
}

/* The master answers nobody else while it takes them. */
static void check_link_count(struct world *w, const Trawl__Exchange *x) {
    size_t links = 0;

    for (size_t i = 0; i < x->n_visits; i++)
        for (size_t k = 0; k < x->visits[i]->n_outcomes; k++)
            links += x->visits[i]->outcomes[k]->n_links;
    if (w->exchange_links > 0 && links > w->exchange_links)
        world_fail(w, "%zu links in one exchange, not %zu", links, w->exchange_links);
}

void world_note_acknowledged(struct world *w, const struct event *e) {
    struct arena arena;
    const struct buf *asked = e->loop->asked[e->line];

    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, asked->data, asked->len);
    Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r != NULL && r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        check_link_count(w, r->exchange);
    if (r != NULL && reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_visits && i < reply->exchange->n_visits; i++)
            if (!reply->exchange->visits[i]->lost) {
                note_visit(w, e->loop->worker, r->exchange->visits[i], reply->exchange->visits[i]);
                note_rest(w, e->loop, r->exchange->visits[i]);
            }
    arena_release(&arena);
}

void world_check_acknowledged(struct world *w) {
    struct buf value;

    buf_init(&value, LIMIT_WIRE_BYTES);
    for (size_t i = 0; i < w->acknowledged.size; i++) {
        const void *by = w->acknowledged.slots[i].value;
        if (by == NULL || by == &w->gone)
            continue;
        struct record_key key = record_done(w->acknowledged.slots[i].key);
        buf_reset(&value);
        if (store_get(w->store, key.bytes, key.len, &value) != STORE_FOUND)
            world_fail(w, "acknowledged and lost: %016llx",
                       (unsigned long long)w->acknowledged.slots[i].key);
    }
    buf_release(&value);
}

/* ---- at the end ------------------------------------------------------------------------------------------- */

typedef void each_done(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len);

/* Calls `each` for every URL in a terminal state, read from the store itself. */
static void walk_done(struct world *w, each_done *each) {
    struct record_key prefix = record_group('u');
    struct arena arena;
    struct store_iter *i =
        store_iter_open(w->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        char url[256];
        struct buf origin;
        arena_reset(&arena);
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, value, n);
        assert(d != NULL);
        buf_init(&origin, LIMIT_WIRE_BYTES);
        int len = snprintf(url, sizeof url, "%.*s", (int)d->path.len, d->path.data);
        struct record_key key = record_origin(d->origin);
        if (d->origin != 0 && store_get(w->store, key.bytes, key.len, &origin) == STORE_FOUND) {
            Trawl__StoredOrigin *o =
                wire_unpack(&arena, &trawl__stored_origin__descriptor, origin.data, origin.len);
            len = snprintf(url, sizeof url, "%.*s%.*s", (int)o->name.len, o->name.data,
                           (int)d->path.len, d->path.data);
        }
        buf_release(&origin);
        each(w, d, url, (size_t)len);
    }
    store_iter_close(i);
    arena_release(&arena);
}

static int found[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
static uint32_t found_depth[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
static bool recorded[WEB_ORIGINS_MAX][WEB_PAGES_MAX];

/* Each attempt that failed is told with the URL, up to a bound. The last one of a URL that has an answer did not
 * fail, and what is forbidden is not tried at all. */
static void check_tries(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len) {
    bool answered = d->state == TRAWL__STATE__FETCHED || d->state == TRAWL__STATE__REDIRECTED;

    if (answered && d->attempts == 0)
        world_fail(w, "answered without an attempt: %.*s", (int)len, url);
    size_t failed = d->attempts - answered;
    if (failed > TRIES_KEPT)
        failed = TRIES_KEPT;
    if (d->n_tries != failed)
        world_fail(w, "%zu failed attempts are told, not %zu: %.*s", d->n_tries, failed, (int)len,
                   url);
    w->result->tries += d->n_tries;
}

static void collect(struct world *w, const Trawl__DoneUrl *d, const char *url, size_t len) {
    uint32_t o, p;

    check_tries(w, d, url, len);
    world_check_stored(w, d);
    if (!web_find(&w->web, url, len, &o, &p) || p >= WEB_PAGES_MAX) {
        if (d->state != TRAWL__STATE__EXCLUDED)
            world_fail(w, "out of scope, and not excluded: %.*s", (int)len, url);
        return;
    }
    if (found[o][p] != TRAWL__STATE__PENDING)
        world_fail(w, "twice in the crawldb: %.*s", (int)len, url);
    found[o][p] = (int)d->state;
    found_depth[o][p] = d->depth;
    recorded[o][p] = d->segment != 0;
    w->result->fetched += d->state == TRAWL__STATE__FETCHED;
}

/* Promise 1: each reachable URL in its one right state. With --max-depth, each that is within it by the shortest way, and
 * no other; what is queued of an origin that is given up fails, how deep it may be. */
static void check_complete(struct world *w) {
    static int expected[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
    static uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX];
    bool limited = w->crawl.max_depth_set;
    char url[96];

    web_expected(&w->web, limited ? w->crawl.max_depth : WEB_NOWHERE - 1, expected, depths);
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++) {
            bool deep = depths[o][p] != WEB_NOWHERE && expected[o][p] == TRAWL__STATE__PENDING;
            if (deep && web_unreachable(&w->web, o) && found[o][p] == TRAWL__STATE__FAILED)
                continue;
            web_url(&w->web, o, p, url);
            if (expected[o][p] != found[o][p])
                world_fail(w, "%s ended in state %d, not %d", url, found[o][p], expected[o][p]);
            else if (limited && !deep && found[o][p] != TRAWL__STATE__PENDING &&
                     found_depth[o][p] != depths[o][p])
                world_fail(w, "%s is said to be %u links away, not %u", url, found_depth[o][p],
                           depths[o][p]);
        }
}

/* Promise 2: one record for each committed response, in sealed segments, and no other. */
static void check_archive(struct world *w) {
    static uint32_t records[WEB_ORIGINS_MAX][WEB_PAGES_MAX];

    memset(records, 0, sizeof records);
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (struct sim_segment *s = w->workers[i].disk; s != NULL; s = s->next) {
            if (!s->sealed && !s->copied)
                world_fail(w, "segment %s is not sealed", s->name);
            for (size_t j = 0; j < s->count; j++)
                records[s->records[j].origin][s->records[j].page]++;
        }
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            if (records[o][p] != (recorded[o][p] ? 1 : 0))
                world_fail(w, "%u records of page %u of origin %u, not %d", records[o][p], p, o,
                           recorded[o][p]);
}

/* Without faults nothing is asked for twice. */
static void check_calm(struct world *w) {
    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            if (w->web.origins[o].asked[p] > 1 && w->web.origins[o].kind[p] != WEB_FLAKY &&
                w->web.origins[o].kind[p] != WEB_BUSY && w->web.origins[o].kind[p] != WEB_SITEMAP)
                world_fail(w, "page %u of origin %u asked for %u times", p, o,
                           w->web.origins[o].asked[p]);
}

/* What the master says of itself is what the store holds. */
static void check_figures(struct world *w) {
    struct core_stats s;
    uint64_t counted[5] = {0};

    for (uint32_t o = 0; o < w->web.origin_count; o++)
        for (uint32_t p = 0; p < w->web.origins[o].pages; p++)
            counted[found[o][p]]++;
    core_stats(w->core, &s);
    if ((s.pending != 0 && !w->crawl.max_depth_set) ||
        s.fetched != counted[TRAWL__STATE__FETCHED] ||
        s.redirected != counted[TRAWL__STATE__REDIRECTED] ||
        s.failed != counted[TRAWL__STATE__FAILED])
        world_fail(w, "the figures of the master are not those of the store");
}

/* No CPU time is counted twice, whatever is told again, late or to another master; and all of it without faults. */
static void check_cost(struct world *w) {
    struct core_cost cost;

    core_cost(w->core, &cost);
    for (unsigned i = 0; i < COST_STAGES; i++) {
        uint64_t used = w->cost.us[i] - w->cost_before.us[i], told = cost.sums.us[i];
        if (told > used || (w->options->calm && told != used))
            world_fail(w, "the master counts %llu us of %s, the workers used %llu",
                       (unsigned long long)told, cost_stage_name((enum cost_stage)i),
                       (unsigned long long)used);
    }
}

void world_check_end(struct world *w) {
    memset(found, 0, sizeof found);
    memset(recorded, 0, sizeof recorded);
    walk_done(w, collect);
    if (w->web.silent_from_ms == 0)
        check_complete(w);
    check_archive(w);
    check_figures(w);
    check_cost(w);
    if (w->options->calm)
        check_calm(w);
}

/* frontier: which URLs are known, which are queued, how they end. The queue lives in the store; memory holds
 * a cursor for each origin and what is leased. */
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/depths.h"
#include "master/recrawl.h"
#include "master/trial.h"
#include "master/tries.h"
#include "shared/domain.h"
#include "shared/fingerprint.h"
#include "shared/limits.h"
#include "shared/netaddr.h"
#include "shared/tracking.h"

uint64_t frontier_fingerprint(const struct core *c, const char *url, size_t len) {
    return fingerprint(c->key, url, len);
}

/* ---- into the queue ----------------------------------------------------------------------------------- */

static struct queue_place place_of(uint32_t depth, uint64_t seq) {
    return (struct queue_place){.depth = depth > 255 ? 255 : (uint8_t)depth, .seq = seq};
}

bool frontier_kept_back(const struct core *c, uint32_t depth) {
    return c->options->max_depth_set && depth > c->options->max_depth;
}

struct queue_place frontier_place(struct core *c, uint32_t depth, uint64_t fp) {
    return place_of(depth, frontier_kept_back(c, depth) ? fp : core_number(c, &c->seqs));
}

/* What lies before the cursor would not be found again. */
static void rewind_to(const struct core *c, struct origin *o, struct queue_place place) {
    if (queue_place_compare(place, host_cursor(o)) < 0)
        host_set_cursor(o, place);
    /* What is kept back is nothing to be granted, or the crawl would wait for somebody to see that. */
    if (!frontier_kept_back(c, place.depth))
        o->exhausted = false;
    else if (host_pages_queued(o) <= host_pages_leased(o) + 1)
        o->exhausted = true;
}

static void put_queued(struct core *c, struct origin *o, struct queue_place place,
                       const Trawl__QueuedUrl *q) {
    core_put(c, record_queued(o->id, place), &q->base);
    rewind_to(c, o, place);
}

void frontier_put_queued(struct core *c, struct now now, struct origin *o,
                         const Trawl__QueuedUrl *q) {
    put_queued(c, o, frontier_place(c, q->depth, q->fp), q);
    origin_changed(c, now, o);
}

void frontier_put_done(struct core *c, uint64_t fp, const Trawl__DoneUrl *d) {
    core_put(c, record_done(fp), &d->base);
    c->by_state[d->state]++;
}

/* A URL that ends without ever being queued. Out-of-scope URLs keep their whole text: no origin is made for
 * them. */
static void finish_unqueued(struct core *c, uint64_t fp, const char *url, size_t len,
                            struct discovery d, Trawl__State state, const char *reason,
                            const struct origin *o) {
    Trawl__DoneUrl v = TRAWL__DONE_URL__INIT;
    size_t skip = o == NULL ? 0 : o->name_len;

    v.origin = o == NULL ? 0 : o->id;
    v.path = (ProtobufCBinaryData){.data = (uint8_t *)url + skip, .len = len - skip};
    v.via = d.via;
    v.depth = d.depth;
    v.hops = d.hops;
    v.seed = d.seed;
    v.sitemap = d.sitemap;
    v.state = state;
    v.reason = (char *)reason;
    frontier_put_done(c, fp, &v);
}

/* Whatever else is known. */
static const char *excluded_by_rule(struct core *c, struct discovery d) {
    enum scope_verdict verdict;

    if (d.hops > LIMIT_REDIRECT_HOPS)
        return "redirect-limit";
    if (d.sitemap > LIMIT_SITEMAP_NESTING)
        return "sitemap-nesting";
    if (!netaddr_port_allowed(url_port_effective(&c->url)))
        return "port";
    verdict = scope_check(c->scope, &c->url);
    if (d.named)
        verdict = scope_excludes(c->scope, &c->url) ? SCOPE_EXCLUDED : SCOPE_IN;
    if (scope_no_memory(c->scope))
        core_fail(c, "out of memory for a pattern");
    return verdict == SCOPE_IN ? NULL : scope_verdict_name(verdict);
}

const char *frontier_excluded_by(struct core *c, struct discovery d) {
    const char *rule = excluded_by_rule(c, d);

    if (rule != NULL)
        return rule;
    /* Who names a URL means it. */
    return d.seed || d.sitemap == 1 ? NULL : trap_verdict_name(traps_check(c, &c->url, d.hops > 0));
}

/* Its first page, or one that is nearer: with --max-depth its sitemaps come nearer, too. The robots.txt of an origin without pages may be known already: it has
 * been asked for a sitemap, or another origin's robots.txt. */
void frontier_page_at(struct core *c, struct now now, struct origin *o, uint32_t depth) {
    bool first = o->depth == UINT32_MAX;

    if (depth >= o->depth)
        return;
    o->depth = depth;
    origin_put(c, o);
    if (first || c->options->max_depth_set)
        sitemaps_find(c, now, o);
}

static void take_in(struct core *c, struct now now, uint64_t fp, struct discovery d) {
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;
    struct url_slice name = url_origin(&c->url);
    struct origin *o = origin_get(c, name.ptr, name.len);

    if (o == NULL)
        return;
    traps_note(c, c->url.href, c->url.href_len, name.len);
    if (o->parked != TRAWL__STATE__PENDING) {
        finish_unqueued(c, fp, c->url.href, c->url.href_len, d, o->parked, o->reason, o);
        return;
    }
    q.fp = fp;
    q.via = d.via;
    q.depth = d.depth;
    q.hops = d.hops;
    q.seed = d.seed;
    q.sitemap = d.sitemap;
    q.path = (ProtobufCBinaryData){.data = (uint8_t *)c->url.href + name.len,
                                   .len = c->url.href_len - name.len};
    o->queued++;
    c->by_state[TRAWL__STATE__PENDING]++;
    frontier_put_queued(c, now, o, &q);
    if (d.sitemap == 0)
        frontier_page_at(c, now, o, d.depth);
}

/* A URL of the outside; false: it is none. Without memory that is not known. */
static bool parse(struct core *c, struct url *u, const char *url, size_t len) {
    enum url_result result = url_parse(u, url, len, NULL);

    if (result == URL_NO_MEMORY)
        core_fail(c, "out of memory for a URL");
    return result == URL_OK && url_is_http(u);
}

/* True for text that is already the canonical form of an http(s) URL. */
static bool parse_canonical(struct core *c, const char *url, size_t len) {
    if (!parse(c, &c->url, url, len))
        return false;
    url_canonicalise(&c->url);
    return c->url.href_len == len && memcmp(c->url.href, url, len) == 0;
}

/* `fp` is its fingerprint, and not known. */
static bool discover(struct core *c, struct now now, uint64_t fp, const char *url, size_t len,
                     struct discovery d) {
    if (!parse_canonical(c, url, len))
        return false;
    if (seen_add(c->seen, fp) == SEEN_NO_MEMORY) {
        core_fail(c, "out of memory for the set of known URLs");
        return true;
    }
    const char *reason = frontier_excluded_by(c, d);
    depths_note(c, fp, d.depth, d.hops, reason);
    if (reason != NULL) {
        traps_count(c, reason);
        finish_unqueued(c, fp, url, len, d, TRAWL__STATE__EXCLUDED, reason, NULL);
    } else {
        take_in(c, now, fp, d);
    }
    return true;
}

bool frontier_discover(struct core *c, struct now now, const char *url, size_t len,
                       struct discovery d) {
    uint64_t fp = frontier_fingerprint(c, url, len);

    if (!seen_has(c->seen, fp))
        return discover(c, now, fp, url, len, d);
    depths_found(c, fp, frontier_origin_of(c, url, len), d);
    return true;
}

uint32_t frontier_origin_of(const struct core *c, const void *url, size_t len) {
    const char *scheme = memmem(url, len, "://", 3);
    size_t from = scheme == NULL ? len : (size_t)(scheme + 3 - (const char *)url);
    const char *path = memchr((const char *)url + from, '/', len - from);
    const struct origin *o =
        path == NULL ? NULL : host_find(&c->hosts, url, (size_t)(path - (const char *)url));

    return o == NULL ? 0 : o->id;
}

bool frontier_parse(struct core *c, const struct origin *o, ProtobufCBinaryData path) {
    buf_reset(&c->value);
    if ((o != NULL && !buf_append(&c->value, o->name, o->name_len)) ||
        !buf_append(&c->value, path.data, path.len)) {
        core_fail(c, "out of memory for a URL");
        return false;
    }
    return parse(c, &c->url, c->value.data, c->value.len);
}

struct discovery frontier_found_as(const Trawl__DoneUrl *d) {
    return (struct discovery){.via = d->via,
                              .depth = d->depth,
                              .hops = d->hops,
                              .seed = d->seed,
                              .sitemap = d->sitemap,
                              .named = d->sitemap == 1 || (d->sitemap > 0 && d->hops > 0)};
}

Trawl__DoneUrl *frontier_read_done(struct core *c, uint64_t fp) {
    return core_flush(c) ? core_read(c, record_done(fp), &trawl__done_url__descriptor) : NULL;
}

/* What the user names is decided again, whatever it was excluded for; what failed is tried anew. */
static void name_again(struct core *c, struct now now, uint64_t fp, uint32_t origin,
                       struct discovery d) {
    Trawl__DoneUrl *done = frontier_read_done(c, fp);

    if (done == NULL ||
        (done->state != TRAWL__STATE__EXCLUDED && done->state != TRAWL__STATE__FAILED)) {
        depths_found(c, fp, origin, d);
        return;
    }
    struct origin *o = host_by_id(&c->hosts, done->origin);
    if (!frontier_parse(c, o, done->path))
        return;
    const char *reason = frontier_excluded_by(c, d);
    if (reason != NULL && done->state != TRAWL__STATE__EXCLUDED)
        return;
    if (reason == NULL && o != NULL && o->parked != TRAWL__STATE__PENDING)
        origin_unpark(c, now, o);
    frontier_decide(c, now, fp, done, d, reason);
}

void frontier_name(struct core *c, struct now now, const char *url, size_t len,
                   struct discovery d) {
    uint64_t fp = frontier_fingerprint(c, url, len);

    if (seen_has(c->seen, fp))
        name_again(c, now, fp, frontier_origin_of(c, url, len), d);
    else
        (void)discover(c, now, fp, url, len, d);
}

enum frontier_robots_queued frontier_queue_robots(struct core *c, struct now now,
                                                  struct origin *for_origin, const char *url,
                                                  size_t len, const char **why) {
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;
    struct url u;
    enum frontier_robots_queued result = FRONTIER_ROBOTS_NOWHERE;

    url_init(&u);
    if (!parse(c, &u, url, len))
        goto out;
    url_canonicalise(&u);
    struct url_slice name = url_origin(&u);
    struct origin *o = origin_get(c, name.ptr, name.len);
    /* What leads to its own origin was followed by its visit already, as often as may be. */
    if (o == NULL || (o == for_origin && for_origin->robots_hops == 0) ||
        !netaddr_port_allowed(url_port_effective(&u)))
        goto out;
    if (o->parked != TRAWL__STATE__PENDING) {
        result = FRONTIER_ROBOTS_UNREACHABLE;
        *why = o->reason;
        goto out;
    }
    /* Not a known URL: its number only keeps it apart from all others that are leased. */
    uint64_t seq = core_number(c, &c->seqs);
    q.fp = fingerprint(c->key, &seq, sizeof seq);
    q.robots_for = for_origin->id;
    q.hops = for_origin->robots_hops + 1u;
    q.path =
        (ProtobufCBinaryData){.data = (uint8_t *)u.href + name.len, .len = u.href_len - name.len};
    put_queued(c, o, place_of(0, seq), &q);
    o->queued++;
    if (!guest_add(o, q.fp, seq))
        core_fail(c, "out of memory for a robots.txt");
    origin_changed(c, now, o);
    result = FRONTIER_ROBOTS_QUEUED;
out:
    url_release(&u);
    return result;
}

/* ---- out of the queue ---------------------------------------------------------------------------------- */

/* Under --max-bytes each page that is leased has reserved what a page had so far on the average; of none it is known at
 * first. So the limit is passed by what the pages in flight have beyond that, and one more. */
static uint64_t byte_room(const struct core *c) {
    enum { FIRST_PAGE_BYTES = 64 * 1024 };
    uint64_t max = c->options->max_bytes, pages = c->by_state[TRAWL__STATE__FETCHED];
    uint64_t mean = pages == 0 ? FIRST_PAGE_BYTES : c->bytes / pages + 1;

    if (max == 0)
        return UINT64_MAX;
    uint64_t fit = max > c->bytes ? (max - c->bytes - 1) / mean + 1 : 0;
    return fit > c->leased_pages ? fit - c->leased_pages : 0;
}

uint64_t frontier_page_room(const struct core *c) {
    uint64_t max = c->options->max_pages, room = byte_room(c);
    uint64_t used = c->by_state[TRAWL__STATE__FETCHED] + c->leased_pages;

    if (max > 0 && (used >= max || max - used < room))
        room = used >= max ? 0 : max - used;
    return room;
}

static uint64_t host_page_room(const struct core *c, const struct origin *o) {
    uint64_t max = c->options->max_pages_per_host;
    uint64_t used = o->fetched + host_pages_leased(o);

    if (max == 0)
        return UINT64_MAX;
    return used >= max ? 0 : max - used;
}

static struct lease_item *item_from(struct core *c, const Trawl__QueuedUrl *q,
                                    struct queue_place place) {
    ProtobufCBinaryData capture = recrawl_capture(c, q);
    struct lease_item *it =
        lease_item_new((const char *)q->path.data, q->path.len, capture.data, capture.len);

    if (it == NULL)
        return NULL;
    it->fp = q->fp;
    it->seq = place.seq;
    it->via = q->via;
    it->depth = q->depth;
    it->place_depth = place.depth;
    it->attempts = q->attempts;
    it->hops = q->hops;
    it->robots_for = q->robots_for;
    it->sitemap = q->sitemap;
    it->losses = q->losses;
    it->refusals = q->refusals;
    it->lost_with = q->lost_with[0] == '\0' ? NULL : lease_worker(&c->leases, q->lost_with);
    it->seed = q->seed;
    return it;
}

/* Puts the queue entry into the lease. False: the core has failed. */
static bool take_entry(struct core *c, struct lease *l, const Trawl__QueuedUrl *q,
                       struct queue_place place) {
    struct lease_item *it = item_from(c, q, place);

    if (it == NULL || !lease_reserve(&c->leases, l)) {
        free(it);
        core_fail(c, "out of memory for a lease");
        return false;
    }
    lease_add_item(&c->leases, l, it);
    l->alone = it->losses >= TRIAL_ALONE;
    l->guests_only = l->guests_only && it->robots_for != 0;
    c->leased_pages += it->robots_for == 0;
    return true;
}

bool frontier_adopt(struct core *c, struct lease *l, const Trawl__QueuedUrl *q,
                    struct queue_place place) {
    return take_entry(c, l, q, place);
}

static bool too_deep(const struct core *c, const Trawl__QueuedUrl *q) {
    return q->robots_for == 0 && frontier_kept_back(c, q->depth);
}

/* A queue entry, in the record arena. NULL: it cannot be read, and the core has failed. */
static Trawl__QueuedUrl *read_queued(struct core *c, struct record_key key) {
    Trawl__QueuedUrl *q = NULL;

    buf_reset(&c->value);
    arena_reset(&c->record);
    if (store_get(c->store, key.bytes, key.len, &c->value) == STORE_FOUND)
        q = wire_unpack(&c->record, &trawl__queued_url__descriptor, c->value.data, c->value.len);
    if (q == NULL)
        core_fail(c, "a queue entry of the crawldb cannot be read");
    return q;
}

static size_t item_cost(const Trawl__QueuedUrl *q) {
    return BUDGET_MESSAGE + q->path.len + q->capture.len;
}

static size_t take_guests(struct core *c, struct lease *l, size_t max, struct budget *budget,
                          bool *full) {
    const struct guest *g;
    size_t taken = 0;

    while (taken < max && !c->failed && (g = guest_first(l->origin)) != NULL) {
        struct queue_place place = place_of(0, g->seq);
        const Trawl__QueuedUrl *q = read_queued(c, record_queued(l->origin->id, place));
        if (q == NULL || !trial_admits(c, l, q))
            break;
        *full = !budget_take(budget, item_cost(q));
        if (*full)
            break;
        taken += take_entry(c, l, q, place);
    }
    return taken;
}

static size_t take_pages(struct core *c, struct lease *l, size_t max, struct budget *budget,
                         bool *full) {
    struct origin *o = l->origin;
    size_t taken = 0;
    uint64_t room = frontier_page_room(c), host_room = host_page_room(c, o);

    if (host_room < room)
        room = host_room;
    if (max > room)
        max = (size_t)room;
    if (max == 0 || o->queued <= o->leased || o->exhausted)
        return 0;
    *full = budget_spent(budget);
    if (*full)
        return 0;
    struct record_key prefix = record_queue_of(o->id), from = record_queued(o->id, host_cursor(o));
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, from.bytes, from.len);
    if (iter == NULL) {
        core_fail(c, "cannot read the queue");
        return 0;
    }
    for (; taken < max && !c->failed; store_iter_next(iter)) {
        const void *key, *value;
        size_t key_len, value_len;
        uint32_t id;
        struct queue_place place;

        if (!store_iter_valid(iter)) {
            o->exhausted = true;
            break;
        }
        key = store_iter_key(iter, &key_len);
        value = store_iter_value(iter, &value_len);
        arena_reset(&c->record);
        Trawl__QueuedUrl *q =
            wire_unpack(&c->record, &trawl__queued_url__descriptor, value, value_len);
        if (q == NULL || !record_parse_queued(key, key_len, &id, &place)) {
            core_fail(c, "a queue entry of the crawldb cannot be read");
            break;
        }
        if (too_deep(c, q)) {
            o->exhausted = true;
            break;
        }
        if (q->robots_for == 0 && lease_item(&c->leases, q->fp) == NULL) {
            if (!trial_admits(c, l, q))
                break;
            if (!budget_take(budget, item_cost(q))) {
                *full = true;
                break;
            }
            taken += take_entry(c, l, q, place);
        }
        host_set_cursor(o, (struct queue_place){.depth = place.depth, .seq = place.seq + 1});
    }
    store_iter_close(iter);
    return taken;
}

size_t frontier_take(struct core *c, struct lease *l, size_t max, struct budget *budget,
                     bool *full) {
    size_t taken = take_guests(c, l, max, budget, full);

    if (c->failed || *full || l->guests_only || l->origin->robots_state == HOST_ROBOTS_ELSEWHERE)
        return taken;
    return taken + take_pages(c, l, max - taken, budget, full);
}

/* ---- how items end -------------------------------------------------------------------------------------- */

/* Takes the item out of its lease. */
static struct origin *unlease(struct core *c, struct lease_item *it) {
    struct origin *o = it->lease->origin;

    c->leased_pages -= it->robots_for == 0;
    lease_take_item(&c->leases, it);
    return o;
}

void frontier_give_back(struct core *c, struct lease_item *it) {
    struct origin *o = unlease(c, it);

    rewind_to(c, o, place_of(it->place_depth, it->seq));
    free(it);
}

/* The item as an entry for another attempt; it points into both. Its worker has survived it, so no losses are left. */
static Trawl__QueuedUrl entry_of(const struct lease_item *it, struct tries tries) {
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;

    q.fp = it->fp;
    q.via = it->via;
    q.depth = it->depth;
    q.attempts = it->attempts;
    q.hops = it->hops;
    q.seed = it->seed;
    q.robots_for = it->robots_for;
#ifndef MUTANT_FORGET_KIND
    q.sitemap = it->sitemap;
#endif
    q.path = (ProtobufCBinaryData){.data = (uint8_t *)it->path, .len = it->path_len};
    q.tries = tries.items;
    q.n_tries = tries.count;
    q.refusals = it->refusals;
    q.capture = (ProtobufCBinaryData){it->capture_len, (uint8_t *)lease_item_capture(it)};
    return q;
}

/* Its depth stays what it was, as its Ways are still there (depths.h, D5). */
void frontier_note(struct core *c, const struct lease_item *it) {
    const struct record_key key =
        record_queued(it->lease->origin->id, place_of(it->place_depth, it->seq));
    Trawl__QueuedUrl *q = core_flush(c) ? read_queued(c, key) : NULL;

    if (q == NULL)
        return;
    q->losses = it->losses;
    q->refusals = it->refusals;
    if (it->lost_with != NULL)
        q->lost_with = (char *)it->lost_with->name;
    core_put(c, key, &q->base);
}

void frontier_requeue(struct core *c, struct now now, struct lease_item *it,
                      const Trawl__Outcome *out) {
    bool nearer = depths_refresh(c, now, it);
    Trawl__QueuedUrl q = entry_of(it, tries_of(c, it, out));
    struct origin *o = unlease(c, it);

    core_delete(c, record_queued(o->id, place_of(it->place_depth, it->seq)));
    q.attempts++;
    struct queue_place place = frontier_place(c, it->depth, it->fp);
    put_queued(c, o, place, &q);
    if (it->robots_for != 0)
        guest_move(o, it->fp, place.seq);
    c->retries++;
    if (nearer)
        depths_taken(c, it->fp);
    free(it);
}

static void count_outcome(struct core *c, struct origin *o, const Trawl__Outcome *out) {
    c->by_state[TRAWL__STATE__PENDING]--;
    c->commits++;
    c->bytes += out->length;
    o->bytes += out->length;
    o->done++;
    o->fetched += out->state == TRAWL__STATE__FETCHED;
    o->errors += out->state == TRAWL__STATE__FAILED;
}

/* Excluded without an answer: by robots.txt, or for its address, before anything was asked. */
static bool was_tried(const Trawl__Outcome *out) {
    return out->state != TRAWL__STATE__EXCLUDED || out->status > 0;
}

static void put_outcome(struct core *c, const struct lease_item *it, const struct origin *o,
                        const Trawl__Outcome *out, const struct segment *segment,
                        struct tries tries) {
    Trawl__DoneUrl d = TRAWL__DONE_URL__INIT;

    d.origin = o->id;
    d.path = (ProtobufCBinaryData){.data = (uint8_t *)it->path, .len = it->path_len};
    d.via = it->via;
    d.depth = it->depth;
    d.hops = it->hops;
    d.seed = it->seed;
    d.sitemap = it->sitemap;
    d.attempts = it->attempts + was_tried(out);
    d.state = out->state;
    d.reason = out->reason;
    d.status = out->status;
    d.mime = out->mime;
    d.length = out->length;
    d.digest = out->digest;
    d.fetched_at_ms = out->fetched_at_ms;
    d.duration_ms = out->duration_ms;
    d.ip = out->ip;
    d.redirect_to = out->redirect_to;
    d.tries = tries.items;
    d.n_tries = tries.count;
    d.etag = out->etag;
    d.last_modified = out->last_modified;
    d.revisit = out->revisit;
    recrawl_unmodified(c, &d, lease_item_capture(it), it->capture_len);
    if (segment != NULL) {
        d.segment = segment->id;
        d.offset = out->offset;
        d.record_length = out->record_length;
        committed_note(c, segment,
                       (struct committed_record){out->offset, out->record_length, it->fp});
    }
    frontier_put_done(c, it->fp, &d);
}

static bool same_slice(struct url_slice a, struct url_slice b) {
    return a.len > 0 && a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* The seed's own directory at the origin of the URL in c->url: what moves along with the seed, and no more. */
static void add_moved_seed(struct core *c, const struct lease_item *it) {
    struct url_slice origin = url_origin(&c->url);
    const char *end = memchr(it->path, '?', it->path_len);
    const char *slash =
        memrchr(it->path, '/', end == NULL ? it->path_len : (size_t)(end - it->path));
    struct url moved;

    buf_reset(&c->value);
    url_init(&moved);
    if (!buf_append(&c->value, origin.ptr, origin.len) ||
        !buf_append(&c->value, it->path, slash == NULL ? 0 : (size_t)(slash + 1 - it->path)))
        core_fail(c, "out of memory for a seed");
    else if (parse(c, &moved, c->value.data, c->value.len))
        load_add_seed(c, &moved);
    url_release(&moved);
}

/* A seed that redirects to another host of the same registrable domain (http to https, to www.) takes the scope along,
 * as a user who typed the one expects: as wide as it is, with --scope prefix its directory. Within its origin a redirect
 * widens nothing. True: the target is a seed too. */
static bool redirect_of_seed(struct core *c, const struct lease_item *it, const struct origin *o,
                             const char *url, size_t len) {
    struct url seed;
    bool same;

    if (!it->seed || !parse_canonical(c, url, len))
        return false;
    url_init(&seed);
    same = parse(c, &seed, o->name, o->name_len);
    bool stays = same && same_slice(url_origin(&seed), url_origin(&c->url));
    same = stays || (same && same_slice(domain_registrable(&seed), domain_registrable(&c->url)));
    url_release(&seed);
    if (same && !stays)
        add_moved_seed(c, it);
    return same;
}

static void follow_redirect(struct core *c, struct now now, const struct lease_item *it,
                            const struct origin *o, const Trawl__Outcome *out) {
    const char *to = (const char *)out->redirect_to.data;
    size_t len = out->redirect_to.len;
    struct discovery d = {.via = it->fp,
                          .depth = it->depth,
                          .hops = it->hops + 1,
                          .redirected = true,
                          .sitemap = it->sitemap,
                          .named = it->sitemap > 0};

    d.seed = redirect_of_seed(c, it, o, to, len);
    c->refused += !frontier_discover(c, now, to, len, d);
}

/* The link as a whole URL, in the core's scratch. False: no room, which no honest worker's link needs. */
static bool whole_link(struct core *c, const struct origin *o, ProtobufCBinaryData link) {
    buf_reset(&c->value);
    if (link.len > LIMIT_URL_BYTES)
        return false;
    if (link.len > 0 && link.data[0] == '/')
        buf_append(&c->value, o->name, o->name_len);
    buf_append(&c->value, link.data, link.len);
    if (c->value.failed)
        core_fail(c, "out of memory for a link");
    return !c->failed;
}

/* The link as a URL that may be discovered, in the core's scratch. NULL as above. */
static const struct buf *link_url(struct core *c, const struct origin *o, ProtobufCBinaryData link,
                                  struct discovery d) {
    if (!whole_link(c, o, link))
        return NULL;
    if (c->options->strip_tracking && d.sitemap == 0 &&
        tracking_strip(c->value.data, c->value.len, &c->stripped))
        return &c->stripped;
    return &c->value;
}

static void follow_link(struct core *c, struct now now, const struct lease_item *it,
                        const struct origin *o, const Trawl__Outcome *out, size_t i, uint64_t fp) {
    const struct discovery d = sitemaps_link(it, out, out->links[i]);
    uint8_t note;

    bool known = seen_note(c->seen, fp, &note);
    if (known && !depths_shorter(note, &d))
        return;
    const struct buf *url = link_url(c, o, out->links[i], d);
    if (url == NULL)
        return;
    if (known)
        depths_found(c, fp, frontier_origin_of(c, url->data, url->len), d);
    else
        c->refused += !discover(c, now, fp, url->data, url->len, d);
}

/* What is to come nearer if the page does. */
static void keep_links(struct core *c, const struct lease_item *it, const struct origin *o,
                       const Trawl__Outcome *out) {
    size_t count = 0;
    uint64_t *fps = arena_alloc(&c->arena, (out->n_links + 1) * sizeof *fps);
    uint32_t *origins = arena_alloc(&c->arena, (out->n_links + 1) * sizeof *origins);

    if (fps == NULL || origins == NULL) {
        core_fail(c, "out of memory for links");
        return;
    }
    for (size_t i = 0; i < out->n_links && !c->failed; i++) {
        const struct buf *url =
            link_url(c, o, out->links[i], sitemaps_link(it, out, out->links[i]));
        if (url == NULL)
            continue;
        fps[count] = frontier_fingerprint(c, url->data, url->len);
        origins[count++] = frontier_origin_of(c, url->data, url->len);
    }
    depths_keep_links(c, it, out->sitemaps ? 0 : 1, fps, origins, count);
}

/* Most links are known, and what finding that out takes is to wait for the seen-set's memory: so that of some
 * links ahead is asked for before the first is looked up. */
static void follow_links(struct core *c, struct now now, const struct lease_item *it,
                         const struct origin *o, const Trawl__Outcome *out) {
    enum { AHEAD = 16 };
    uint64_t fps[AHEAD];
    size_t which[AHEAD];

    for (size_t i = 0; i < out->n_links && !c->failed;) {
        size_t count = 0;
        for (; count < AHEAD && i < out->n_links; i++) {
            const struct buf *url =
                link_url(c, o, out->links[i], sitemaps_link(it, out, out->links[i]));
            if (url == NULL) {
                c->refused++;
                continue;
            }
            which[count] = i;
            fps[count] = frontier_fingerprint(c, url->data, url->len);
            seen_prefetch(c->seen, fps[count++]);
        }
        for (size_t k = 0; k < count && !c->failed; k++)
            follow_link(c, now, it, o, out, which[k], fps[k]);
    }
    if (c->options->max_depth_set && out->n_links > 0)
        keep_links(c, it, o, out);
}

void frontier_links(struct core *c, struct now now, struct lease_item *it,
                    const Trawl__Outcome *o) {
    if (it->robots_for != 0)
        return;
    (void)depths_refresh(c, now, it);
    follow_links(c, now, it, it->lease->origin, o);
}

void frontier_finish(struct core *c, struct now now, struct lease_item *it, const Trawl__Outcome *o,
                     const struct segment *segment) {
    bool failed = o->state == TRAWL__STATE__FAILED, nearer = depths_refresh(c, now, it);
    struct tries tries = {NULL, 0};

    if (failed || it->attempts > 0)
        tries = tries_of(c, it, failed ? o : NULL);
    struct origin *host = unlease(c, it);
    core_delete(c, record_queued(host->id, place_of(it->place_depth, it->seq)));
    host->queued--;
    if (it->robots_for != 0) {
        guest_remove(host, it->fp);
        origin_robots_elsewhere(c, now, it->robots_for, o);
        free(it);
        return;
    }
    put_outcome(c, it, host, o, segment, tries);
    count_outcome(c, host, o);
    if (o->state == TRAWL__STATE__REDIRECTED && o->redirect_to.len > 0)
        follow_redirect(c, now, it, host, o);
    follow_links(c, now, it, host, o);
    if (nearer)
        depths_taken(c, it->fp);
    free(it);
}

/* ---- back into the queue ----------------------------------------------------------------------------------- */

/* Its record of being done goes. A record of the archive that stays is one of an earlier round from now on. */
static void undo_done(struct core *c, uint64_t fp, const Trawl__DoneUrl *d, bool record_stays) {
    struct origin *o = host_by_id(&c->hosts, d->origin);

    if (d->segment != 0 && record_stays)
        core_put(c, record_earlier(fp, d->fetched_at_ms), &d->base);
    core_delete(c, record_done(fp));
    c->by_state[d->state]--;
    c->bytes -= d->length;
    if (o == NULL)
        return;
    o->bytes -= d->length;
    o->done--;
    o->fetched -= d->state == TRAWL__STATE__FETCHED;
    o->errors -= d->state == TRAWL__STATE__FAILED;
}

/* c->url is the URL. */
void frontier_decide(struct core *c, struct now now, uint64_t fp, const Trawl__DoneUrl *d,
                     struct discovery found, const char *reason) {
    Trawl__DoneUrl other = *d;

    if (reason != NULL && strcmp(reason, d->reason) == 0)
        return;
    traps_uncount(c, d->reason);
    depths_note_again(c, fp, found.depth, found.hops, reason);
    if (reason == NULL) {
        undo_done(c, fp, d, true);
        take_in(c, now, fp, found);
        if (other.origin == 0 && !c->failed)
            depths_late_origin(c, fp, frontier_origin_of(c, c->url.href, c->url.href_len));
        return;
    }
    other.reason = (char *)reason;
    core_put(c, record_done(fp), &other.base);
    traps_count(c, reason);
}

bool frontier_exclude_queued(struct core *c, const struct origin *o, struct queue_place place,
                             const Trawl__QueuedUrl *q) {
    const struct discovery d = {.via = q->via,
                                .depth = q->depth,
                                .hops = q->hops,
                                .seed = q->seed,
                                .sitemap = q->sitemap,
                                .named = q->sitemap > 0};

    if (!frontier_parse(c, o, q->path))
        return false;
    const char *reason = frontier_excluded_by(c, d);
    if (reason == NULL || c->failed)
        return false;
    core_delete(c, record_queued(o->id, place));
    traps_count(c, reason);
    finish_unqueued(c, q->fp, c->url.href, c->url.href_len, d, TRAWL__STATE__EXCLUDED, reason,
                    NULL);
    return true;
}

/* It was fetched, maybe under other options: those of now say whether it may be once more. It counts among URLs of its kind
 * already. */
static const char *barred(struct core *c, const struct origin *o, const Trawl__DoneUrl *d) {
#ifdef MUTANT_REFETCH_FREELY
    return NULL;
#endif
    return frontier_parse(c, o, d->path) ? excluded_by_rule(c, frontier_found_as(d)) : NULL;
}

bool frontier_refetch(struct core *c, struct now now, uint64_t fp, uint32_t segment) {
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;
    Trawl__DoneUrl *d = core_read(c, record_done(fp), &trawl__done_url__descriptor);
    struct origin *o = d == NULL ? NULL : host_by_id(&c->hosts, d->origin);
    if (o == NULL || (d->segment != segment && d->payload_segment != segment))
        return false;
    /* A 304 whose payload is gone: its own record stays in the archive. */
    undo_done(c, fp, d, d->segment != segment);
    const char *reason = barred(c, o, d);
    if (reason != NULL) {
        finish_unqueued(c, fp, c->url.href, c->url.href_len, frontier_found_as(d),
                        TRAWL__STATE__EXCLUDED, reason, NULL);
        return true;
    }
    c->by_state[TRAWL__STATE__PENDING]++;
    q.fp = fp;
    q.via = d->via;
    q.depth = d->depth;
    q.hops = d->hops;
    q.seed = d->seed;
    q.sitemap = d->sitemap;
    q.path = d->path;
    o->queued++;
    frontier_put_queued(c, now, o, &q);
    if (o->parked != TRAWL__STATE__PENDING)
        origin_purge_later(c, o);
    return true;
}

#include "master/depths.h"

#include <stdlib.h>
#include <string.h>

#include "master/turn.h"

#include "shared/fingerprint.h"
#include "shared/limits.h"

/* ---- notes --------------------------------------------------------------------------------------------------------- */

enum { DEPTH_BITS = 127, NOTE_MAX = 125, NOTE_NOWHERE = 127, NOTE_REDIRECTED = 128 };

static uint8_t noted(uint32_t depth) {
    return (uint8_t)(depth < NOTE_MAX ? depth : NOTE_MAX);
}

uint8_t depths_note_of(uint32_t depth, uint32_t hops, const char *reason) {
    /* Behind too many redirects is nowhere: any other way is shorter. */
    bool nowhere = reason != NULL && strcmp(reason, "redirect-limit") == 0;

    return (uint8_t)((nowhere ? NOTE_NOWHERE : noted(depth)) | (hops > 0 ? NOTE_REDIRECTED : 0));
}

void depths_note(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops, const char *reason) {
    seen_set_note(c->seen, fp, depths_note_of(depth, hops, reason));
}

void depths_note_again(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops,
                       const char *reason) {
    uint8_t now = depths_note_of(depth, hops, reason), before;

    if (seen_note(c->seen, fp, &before) && (before & DEPTH_BITS) < (now & DEPTH_BITS))
        now = (uint8_t)((before & DEPTH_BITS) | (now & NOTE_REDIRECTED));
    seen_set_note(c->seen, fp, (uint8_t)(now & (before | DEPTH_BITS)));
}

/* ---- ways ------------------------------------------------------------------------------------------------------------ */

static bool push(struct core *c, uint64_t fp) {
    if (c->depths.count == c->depths.size) {
        size_t size = c->depths.size == 0 ? 64 : c->depths.size * 2;
        uint64_t *more = realloc(c->depths.todo, size * sizeof *more);
        if (more == NULL) {
            core_fail(c, "out of memory for what is nearer");
            return false;
        }
        c->depths.todo = more;
        c->depths.size = size;
    }
    c->depths.todo[c->depths.count++] = fp;
    return true;
}

bool depths_shorter(uint8_t note, const struct discovery *d) {
    bool nearer = noted(d->depth) < (note & DEPTH_BITS);
    bool straight = (note & NOTE_REDIRECTED) != 0 && (d->hops == 0 || d->redirected);

#ifdef MUTANT_FIRST_WAY
    return false;
#endif
    return (nearer || straight) && d->hops <= LIMIT_REDIRECT_HOPS;
}

void depths_found(struct core *c, uint64_t fp, uint32_t origin, struct discovery d) {
    Trawl__Way way = TRAWL__WAY__INIT;
    uint8_t note;

    if (!seen_note(c->seen, fp, &note) || !depths_shorter(note, &d))
        return;
    way.via = d.via;
    way.depth = d.depth;
    way.hops = d.hops;
    way.seed = d.seed;
    way.origin = origin;
    way.from_depth = note & DEPTH_BITS;
    core_put(c, record_way(fp, core_number(c, &c->seqs)), &way.base);
    uint8_t depth = note & DEPTH_BITS;
    depth = noted(d.depth) < depth ? noted(d.depth) : depth;
    seen_set_note(c->seen, fp, (uint8_t)(depth | (d.hops > 0 ? note & NOTE_REDIRECTED : 0)));
    (void)push(c, fp);
}

/* All that is known of ways to it, as one: the least depth, the fewest redirects, the deepest place that it had. With
 * `take` they go. False: there are none. */
static bool read_ways(struct core *c, uint64_t fp, Trawl__Way *best, bool take) {
    struct record_key prefix = record_ways_of(fp);
    struct store_iter *iter;
    bool found = false;

    if (!core_flush(c))
        return false;
    iter = store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (; iter != NULL && store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        struct record_key key = {.len = 0};
        size_t value_len;
        const void *value = store_iter_value(iter, &value_len);
        const void *bytes = store_iter_key(iter, &key.len);

        arena_reset(&c->record);
        Trawl__Way *way = wire_unpack(&c->record, &trawl__way__descriptor, value, value_len);
        if (way == NULL || key.len > sizeof key.bytes) {
            core_fail(c, "a record of the crawldb cannot be read");
            break;
        }
        memcpy(key.bytes, bytes, key.len);
        if (!found)
            *best = *way;
        if (way->depth < best->depth) {
            best->depth = way->depth;
            best->via = way->via;
        }
        best->hops = way->hops < best->hops ? way->hops : best->hops;
        best->seed |= way->seed;
        best->origin = best->origin == 0 ? way->origin : best->origin;
        best->from_depth = way->from_depth > best->from_depth ? way->from_depth : best->from_depth;
        found = true;
        if (take)
            core_delete(c, key);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
    return found && !c->failed;
}

void depths_late_origin(struct core *c, uint64_t fp, uint32_t origin) {
    Trawl__Way way = TRAWL__WAY__INIT;

    way.origin = origin;
    core_put(c, record_late_origin(fp), &way.base);
}

/* NULL: it has none, or the core has failed. */
static struct origin *origin_of(struct core *c, uint64_t fp, const Trawl__Way *way) {
    if (way->origin != 0)
        return host_by_id(&c->hosts, way->origin);
    const Trawl__Way *late = core_read(c, record_late_origin(fp), &trawl__way__descriptor);
    return late == NULL ? NULL : host_by_id(&c->hosts, late->origin);
}

void depths_ended(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops) {
    uint8_t note;

    if (seen_note(c->seen, fp, &note) && ((note & DEPTH_BITS) < noted(depth) || hops > 0))
        (void)push(c, fp);
}

void depths_taken(struct core *c, uint64_t fp) {
    Trawl__Way way;

    (void)read_ways(c, fp, &way, true);
}

/* ---- links ------------------------------------------------------------------------------------------------------------ */

void depths_keep_links(struct core *c, const struct lease_item *it, uint32_t step, uint64_t *fps,
                       uint32_t *origins, size_t count) {
    Trawl__Links links = TRAWL__LINKS__INIT;

    /* A seed cannot come nearer. */
    if (!c->options->max_depth_set || count == 0 || (it->depth == 0 && it->hops == 0))
        return;
    links.step = step;
    links.fps = fps;
    links.n_fps = count;
    links.origins = origins;
    links.n_origins = count;
    core_put(c, record_links(it->fp, core_number(c, &c->seqs)), &links.base);
}

/* Those that the crawldb has, so of a page that is leased: those that were told ahead of its outcome. */
static void bring_links(struct core *c, uint64_t fp, uint32_t depth) {
    struct record_key prefix = record_links_of(fp);
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (; iter != NULL && store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        size_t len;
        const void *value = store_iter_value(iter, &len);

        arena_reset(&c->record);
        Trawl__Links *links = wire_unpack(&c->record, &trawl__links__descriptor, value, len);
        if (links == NULL || links->n_fps != links->n_origins) {
            core_fail(c, "a record of the crawldb cannot be read");
            break;
        }
        const struct discovery d = {.via = fp, .depth = depth + links->step};
        for (size_t i = 0; i < links->n_fps && !c->failed; i++)
            depths_found(c, links->fps[i], links->origins[i], d);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
}

/* ---- what follows from a shorter way ------------------------------------------------------------------------------ */

/* A page that is not at the end of its way yet has told links, too, and an origin's sitemaps are as near as its nearest page,
 * whether that is ever fetched. `o`: NULL, it has none. */
static void came_nearer(struct core *c, struct now now, struct origin *o, uint64_t fp,
                        uint32_t depth, uint32_t sitemap) {
    bring_links(c, fp, depth);
    if (o != NULL && sitemap == 0 && !c->failed)
        frontier_page_at(c, now, o, depth);
}

bool depths_refresh(struct core *c, struct now now, struct lease_item *it) {
    Trawl__Way way;
    uint8_t note;

    if (it->robots_for != 0 || !seen_note(c->seen, it->fp, &note))
        return false;
    bool nearer = (note & DEPTH_BITS) < noted(it->depth);
    if ((!nearer && it->hops == 0) || !read_ways(c, it->fp, &way, false))
        return it->nearer;
    it->nearer = true;
    it->hops = way.hops < it->hops ? way.hops : it->hops;
    it->seed |= way.seed;
    if (way.depth < it->depth) {
        it->depth = way.depth;
        it->via = way.via;
        came_nearer(c, now, it->lease->origin, it->fp, it->depth, it->sitemap);
    }
    return true;
}

/* ---- settling ----------------------------------------------------------------------------------------------------------- */

/* `d` points into the record arena. */
static void bring_redirect(struct core *c, uint64_t fp, const Trawl__DoneUrl *d) {
    const struct discovery found = {
        .via = fp, .depth = d->depth, .hops = d->hops + 1, .seed = d->seed, .redirected = true};
    uint64_t to = frontier_fingerprint(c, (const char *)d->redirect_to.data, d->redirect_to.len);

    depths_found(c, to, frontier_origin_of(c, d->redirect_to.data, d->redirect_to.len), found);
}

static void improve_done(struct core *c, struct now now, uint64_t fp, const Trawl__Way *way) {
    Trawl__DoneUrl *d = frontier_read_done(c, fp);

    if (d == NULL)
        return;
    struct origin *o = host_by_id(&c->hosts, d->origin);
    bool nearer = way->depth < d->depth, straight = way->hops < d->hops;
    if (nearer) {
        d->depth = way->depth;
        d->via = way->via;
    }
    d->hops = straight ? way->hops : d->hops;
    d->seed |= way->seed;
    core_put(c, record_done(fp), &d->base);
    if (d->state == TRAWL__STATE__EXCLUDED && d->origin == 0) {
        if (!frontier_parse(c, NULL, d->path))
            return;
        const char *reason = frontier_excluded_by(c, frontier_found_as(d));
        frontier_decide(c, now, fp, d, frontier_found_as(d), reason);
        return;
    }
    /* What follows may take the record's memory. */
    const uint32_t depth = d->depth, sitemap = d->sitemap;
    if (d->redirect_to.len > 0 && (nearer || straight))
        bring_redirect(c, fp, d);
    if (nearer)
        came_nearer(c, now, o, fp, depth, sitemap);
}

static bool is_at(struct core *c, const struct origin *o, uint64_t fp, uint32_t depth,
                  struct record_key *key) {
    *key = record_queued(o->id, frontier_place(c, depth, fp));
    buf_reset(&c->value);
    enum store_result result = store_get(c->store, key->bytes, key->len, &c->value);
    if (result == STORE_FAILED)
        core_fail(c, "the crawldb cannot be read");
    return result == STORE_FOUND;
}

/* The entry in c->value. Where it stood before is where it is, but after a crash, or under another limit. */
static bool find_kept_back(struct core *c, const struct origin *o, uint64_t fp, uint32_t depth,
                           struct record_key *key) {
    if (!frontier_kept_back(c, depth))
        return false;
    if (is_at(c, o, fp, depth, key))
        return true;
    for (depth = c->options->max_depth + 1; depth <= NOTE_MAX && !c->failed; depth++)
        if (is_at(c, o, fp, depth, key))
            return true;
    return false;
}

/* False: it stays where it is for now, and its Ways too. */
static bool improve_queued(struct core *c, struct now now, uint64_t fp, const Trawl__Way *way) {
    struct origin *o = origin_of(c, fp, way);
    struct record_key key;

    if (o == NULL || !find_kept_back(c, o, fp, way->from_depth, &key))
        return false;
    arena_reset(&c->record);
    Trawl__QueuedUrl *q =
        wire_unpack(&c->record, &trawl__queued_url__descriptor, c->value.data, c->value.len);
    if (q == NULL) {
        core_fail(c, "a record of the crawldb cannot be read");
        return false;
    }
    if (way->depth < q->depth) {
        q->depth = way->depth;
        q->via = way->via;
    }
    q->hops = way->hops < q->hops ? way->hops : q->hops;
    q->seed |= way->seed;
    core_delete(c, key);
    const uint32_t depth = q->depth, sitemap = q->sitemap;
    frontier_put_queued(c, now, o, q);
    came_nearer(c, now, o, fp, depth, sitemap);
    return true;
}

static bool is_done(struct core *c, uint64_t fp) {
    return frontier_read_done(c, fp) != NULL;
}

static void settle(struct core *c, struct now now, uint64_t fp) {
    Trawl__Way way;

    if (lease_item(&c->leases, fp) != NULL || !read_ways(c, fp, &way, false))
        return;
    if (is_done(c, fp)) {
        improve_done(c, now, fp, &way);
        depths_taken(c, fp);
    } else if (!c->failed && improve_queued(c, now, fp, &way)) {
        depths_taken(c, fp);
    }
    (void)core_flush(c);
}

void depths_tick(struct core *c, struct now now) {
    while (c->depths.count > 0 && !c->failed) {
        settle(c, now, c->depths.todo[--c->depths.count]);
        if (!turn_left(c))
            return;
    }
}

bool depths_pending(const struct core *c) {
    return c->depths.count > 0;
}

/* ---- the start ------------------------------------------------------------------------------------------------------------ */

bool depths_load(struct core *c) {
    struct record_key prefix = record_group('d');
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    uint64_t fp;

    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (; iter != NULL && store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        size_t key_len, value_len;
        const void *key = store_iter_key(iter, &key_len);
        const void *value = store_iter_value(iter, &value_len);
        uint8_t note;

        arena_reset(&c->record);
        Trawl__Way *way = wire_unpack(&c->record, &trawl__way__descriptor, value, value_len);
        if (way == NULL || !record_parse_way(key, key_len, &fp)) {
            core_fail(c, "a record of the crawldb cannot be read");
            break;
        }
        if (!seen_note(c->seen, fp, &note))
            continue;
        uint8_t depth = note & DEPTH_BITS;
        depth = noted(way->depth) < depth ? noted(way->depth) : depth;
        seen_set_note(c->seen, fp, (uint8_t)(depth | (way->hops > 0 ? note & NOTE_REDIRECTED : 0)));
        (void)push(c, fp);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
    return !c->failed;
}

void depths_release(struct core *c) {
    free(c->depths.todo);
    c->depths.todo = NULL;
    c->depths.count = c->depths.size = 0;
}

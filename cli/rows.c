#include "cli/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/dir_lock.h"
#include "master/record.h"
#include "master/store_rocks.h"
#include "shared/limits.h"
#include "shared/map.h"

struct segment_info {
    uint32_t id;
    char *name, *worker;
    bool sealed;
    uint64_t size;
    uint64_t *hole_offsets, *hole_lengths; /* ascending */
    size_t holes;
};

struct rows {
    struct store *store;
    struct store_iter *iter;
    enum { STAGE_DONE, STAGE_PENDING, STAGE_EARLIER } stage; /* what `iter` walks */
    int lock_fd;
    struct map origins; /* names by id */
    struct map segments;
    struct segment_info **list;
    size_t count;
    struct arena arena, via_arena;
    struct buf url, via, value;
    struct error failure;
};

const char *rows_state_name(Trawl__State state) {
    switch (state) {
    case TRAWL__STATE__FETCHED:
        return "fetched";
    case TRAWL__STATE__REDIRECTED:
        return "redirected";
    case TRAWL__STATE__EXCLUDED:
        return "excluded";
    case TRAWL__STATE__FAILED:
        return "failed";
    default:
        return "pending";
    }
}

/* ---- loading what the rows refer to --------------------------------------------------------------------------- */

static struct store_iter *walk(struct rows *r, char group) {
    struct record_key prefix = record_group(group);

    return store_iter_open(r->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
}

static void *unpack(struct rows *r, struct arena *a, const struct store_iter *i,
                    const ProtobufCMessageDescriptor *type) {
    size_t len;
    const void *value = store_iter_value(i, &len);

    arena_reset(a);
    void *m = wire_unpack(a, type, value, len);
    if (m == NULL)
        error_set(&r->failure, 0, "a record of the crawldb cannot be read");
    return m;
}

static bool load_origins(struct rows *r) {
    struct store_iter *i = walk(r, 'o');
    bool ok = i != NULL;

    for (; ok && store_iter_valid(i); store_iter_next(i)) {
        size_t len;
        uint32_t id;
        const void *key = store_iter_key(i, &len);
        Trawl__StoredOrigin *o = unpack(r, &r->arena, i, &trawl__stored_origin__descriptor);
        char *name = o == NULL ? NULL : strndup((const char *)o->name.data, o->name.len);
        ok = name != NULL && record_parse_number4(key, len, 'o', &id) &&
             map_put(&r->origins, id, name);
        if (!ok)
            free(name);
    }
    return store_iter_close(i) && ok;
}

static uint64_t *copy_numbers(const uint64_t *from, size_t n) {
    uint64_t *to = calloc(n + 1, sizeof *to);

    if (to != NULL && n > 0)
        memcpy(to, from, n * sizeof *to);
    return to;
}

static void segment_free(struct segment_info *s) {
    if (s == NULL)
        return;
    free(s->name);
    free(s->worker);
    free(s->hole_offsets);
    free(s->hole_lengths);
    free(s);
}

static struct segment_info *segment_new(uint32_t id, const Trawl__StoredSegment *v) {
    struct segment_info *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    *s = (struct segment_info){.id = id, .sealed = v->sealed, .size = v->size};
    s->holes = v->n_hole_offsets < v->n_hole_lengths ? v->n_hole_offsets : v->n_hole_lengths;
    s->name = strdup(v->name);
    s->worker = strdup(v->worker);
    s->hole_offsets = copy_numbers(v->hole_offsets, s->holes);
    s->hole_lengths = copy_numbers(v->hole_lengths, s->holes);
    if (s->name != NULL && s->worker != NULL && s->hole_offsets != NULL && s->hole_lengths != NULL)
        return s;
    segment_free(s);
    return NULL;
}

static bool add_segment(struct rows *r, struct segment_info *s) {
    struct segment_info **list = realloc(r->list, (r->count + 1) * sizeof(struct segment_info *));

    if (list == NULL)
        return false;
    r->list = list;
    if (!map_put(&r->segments, s->id, s))
        return false;
    list[r->count++] = s;
    return true;
}

static bool load_segments(struct rows *r) {
    struct store_iter *i = walk(r, 's');
    bool ok = i != NULL;

    for (; ok && store_iter_valid(i); store_iter_next(i)) {
        size_t len;
        uint32_t id;
        const void *key = store_iter_key(i, &len);
        Trawl__StoredSegment *v = unpack(r, &r->arena, i, &trawl__stored_segment__descriptor);
        struct segment_info *s =
            v != NULL && record_parse_number4(key, len, 's', &id) ? segment_new(id, v) : NULL;
        ok = s != NULL && add_segment(r, s);
        if (!ok)
            segment_free(s);
    }
    return store_iter_close(i) && ok;
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void rows_free(struct rows *r) {
    size_t at = 0;
    void *name;

    (void)store_iter_close(r->iter);
    store_close(r->store);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    while ((name = map_next(&r->origins, &at)) != NULL)
        free(name);
    for (size_t i = 0; i < r->count; i++)
        segment_free(r->list[i]);
    free(r->list);
    map_release(&r->origins);
    map_release(&r->segments);
    arena_release(&r->arena);
    arena_release(&r->via_arena);
    buf_release(&r->url);
    buf_release(&r->via);
    buf_release(&r->value);
    free(r);
}

struct rows *rows_open(const char *dir, struct error *err) {
    struct rows *r = calloc(1, sizeof *r);
    char path[4096];
    bool running;

    if (r == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    r->lock_fd = -1;
    map_init(&r->origins);
    map_init(&r->segments);
    arena_init(&r->arena, LIMIT_ARENA_BYTES);
    arena_init(&r->via_arena, LIMIT_ARENA_BYTES);
    buf_init(&r->url, 4 * LIMIT_URL_BYTES);
    buf_init(&r->via, 4 * LIMIT_URL_BYTES);
    buf_init(&r->value, LIMIT_WIRE_BYTES);
    snprintf(path, sizeof path, "%s/state", dir);
    r->lock_fd = dir_lock_look(dir, DIR_LOCK_WAIT_MS, &running, err);
    if (r->lock_fd < 0)
        goto fail;
    r->store = store_rocks_open(path, STORE_ROCKS_READ_ONLY, err);
    if (r->store == NULL)
        goto fail;
    if (!load_origins(r) || !load_segments(r)) {
        if (!store_failed(r->store, err))
            error_set(err, 0, "the crawldb in %s cannot be read", dir);
        goto fail;
    }
    r->iter = walk(r, 'u');
    return r;
fail:
    rows_free(r);
    return NULL;
}

bool rows_close(struct rows *r, struct error *err) {
    bool ok = r->failure.text[0] == '\0' && !store_failed(r->store, &r->failure);

    if (!ok && err != NULL)
        *err = r->failure;
    rows_free(r);
    return ok;
}

size_t rows_segment_count(const struct rows *r) {
    return r->count;
}

struct rows_segment rows_segment_at(const struct rows *r, size_t index) {
    const struct segment_info *s = r->list[index];

    return (struct rows_segment){s->name, s->worker, s->sealed, s->size};
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

/* Where a record has moved to when what was not committed was cut out before it. */
static uint64_t final_offset(const struct segment_info *s, uint64_t offset) {
    uint64_t cut = 0;

    for (size_t i = 0; i < s->holes && s->hole_offsets[i] < offset; i++)
        cut += s->hole_lengths[i];
    return offset - cut;
}

static bool make_url(const struct rows *r, struct buf *to, uint32_t origin,
                     ProtobufCBinaryData path) {
    const char *name = map_get(&r->origins, origin);

    buf_reset(to);
    return (name == NULL || buf_append_str(to, name)) && buf_append(to, path.data, path.len);
}

/* The URL of a fingerprint into r->via. */
static bool find_url(struct rows *r, uint64_t fp) {
    struct record_key key = record_done(fp);

    buf_reset(&r->value);
    if (fp == 0 || store_get(r->store, key.bytes, key.len, &r->value) != STORE_FOUND)
        return false;
    arena_reset(&r->via_arena);
    Trawl__DoneUrl *d =
        wire_unpack(&r->via_arena, &trawl__done_url__descriptor, r->value.data, r->value.len);
    return d != NULL && make_url(r, &r->via, d->origin, d->path);
}

void rows_find_via(struct rows *r, struct row *row) {
    if (!find_url(r, row->via_fp))
        return;
    row->via = r->via.data;
    row->via_len = r->via.len;
}

const char *rows_url(struct rows *r, uint64_t fp) {
    return find_url(r, fp) ? r->via.data : NULL;
}

static bool done_row(struct rows *r, struct row *row) {
    size_t len;
    const void *key = store_iter_key(r->iter, &len);
    Trawl__DoneUrl *d = unpack(r, &r->arena, r->iter, &trawl__done_url__descriptor);

    if (d == NULL ||
        !(r->stage == STAGE_EARLIER ? record_parse_earlier(key, len, &row->fp)
                                    : record_parse_number8(key, len, 'u', &row->fp)) ||
        !make_url(r, &r->url, d->origin, d->path))
        return false;
    row->done = d;
    row->state = d->state;
    row->depth = d->depth;
    row->attempts = d->attempts;
    const struct segment_info *s = d->segment == 0 ? NULL : map_get(&r->segments, d->segment);
    if (s != NULL) {
        row->segment = s->name;
        row->worker = s->worker;
        row->sealed = s->sealed;
        row->offset = s->sealed ? final_offset(s, d->offset) : d->offset;
        row->length = d->record_length;
    }
    row->via_fp = d->via;
    return true;
}

/* `*skip`: the entry is no URL of the crawl. */
static bool pending_row(struct rows *r, struct row *row, bool *skip) {
    size_t len;
    uint32_t origin;
    struct queue_place place;
    const void *key = store_iter_key(r->iter, &len);
    Trawl__QueuedUrl *q = unpack(r, &r->arena, r->iter, &trawl__queued_url__descriptor);

    if (q == NULL || !record_parse_queued(key, len, &origin, &place) ||
        !make_url(r, &r->url, origin, q->path))
        return false;
    *skip = q->robots_for != 0;
    row->fp = q->fp;
    row->state = TRAWL__STATE__PENDING;
    row->depth = q->depth;
    row->attempts = q->attempts;
    row->via_fp = q->via;
    return true;
}

static bool go_on(struct rows *r) {
    if (r->iter != NULL && store_iter_valid(r->iter))
        return true;
    if (r->stage != STAGE_DONE || r->iter == NULL)
        return false;
    (void)store_iter_close(r->iter);
    r->stage = STAGE_PENDING;
    r->iter = walk(r, 'q');
    return r->iter != NULL && store_iter_valid(r->iter);
}

void rows_earlier(struct rows *r) {
    (void)store_iter_close(r->iter);
    r->stage = STAGE_EARLIER;
    r->iter = walk(r, 'h');
}

bool rows_next(struct rows *r, struct row *row) {
    bool skip = true;

    while (skip && go_on(r)) {
        *row = (struct row){.fp = 0};
        skip = false;
        if (!(r->stage == STAGE_PENDING ? pending_row(r, row, &skip) : done_row(r, row))) {
            if (r->failure.text[0] == '\0')
                error_set(&r->failure, 0, "a record of the crawldb cannot be read");
            return false;
        }
        row->url = r->url.data;
        row->url_len = r->url.len;
        store_iter_next(r->iter);
    }
    return !skip;
}

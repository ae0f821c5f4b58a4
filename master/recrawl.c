#include "master/recrawl.h"

#include <string.h>

enum { FLUSH_URLS = 1024 };

/* ---- turning over -------------------------------------------------------------------------------------------- */

static bool is_pending(struct core *c) {
    struct record_key prefix = record_group('q');
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    bool found = iter != NULL && store_iter_valid(iter);

    if (!store_iter_close(iter) || iter == NULL)
        core_fail(c, "cannot read the queue");
    return found;
}

/* Without an origin it was excluded unasked. */
static bool asked(const Trawl__DoneUrl *d) {
    return d->origin != 0;
}

/* False: there is nothing to ask the server about. */
static bool make_capture(const Trawl__DoneUrl *d, Trawl__Capture *capture) {
    bool unmodified = d->payload_segment != 0;

    if (d->state != TRAWL__STATE__FETCHED || d->digest.len != 20 || d->segment == 0 ||
        (d->etag.len == 0 && d->last_modified.len == 0))
        return false;
    capture->etag = d->etag;
    capture->last_modified = d->last_modified;
    capture->digest = d->digest;
    capture->mime = d->mime;
    capture->at_ms = unmodified ? d->payload_at_ms : d->fetched_at_ms;
    capture->segment = unmodified ? d->payload_segment : d->segment;
    return true;
}

static void queue(struct core *c, uint64_t fp, const Trawl__DoneUrl *d) {
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;
    Trawl__Capture capture = TRAWL__CAPTURE__INIT;
    struct queue_place place = {.depth = d->depth > UINT8_MAX ? UINT8_MAX : (uint8_t)d->depth,
                                .seq = core_number(c, &c->seqs)};

    q.fp = fp;
    q.via = d->via;
    q.depth = d->depth;
    q.hops = d->hops;
    q.seed = d->seed;
    q.sitemap = d->sitemap;
    q.path = d->path;
    buf_reset(&c->value);
    if (make_capture(d, &capture)) {
        if (!wire_pack(&c->value, &capture.base))
            core_fail(c, "out of memory for a record");
        q.capture = (ProtobufCBinaryData){c->value.len, (uint8_t *)c->value.data};
    }
    core_put(c, record_queued(d->origin, place), &q.base);
}

/* Calls `entry` for each record of a group, and writes what it says in pieces. */
typedef bool turn_entry(struct core *c, const void *key, size_t key_len, const void *value,
                        size_t value_len);

static bool turn_group(struct core *c, char group, turn_entry *entry) {
    struct record_key prefix = record_group(group);
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    size_t n = 0;

    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (; iter != NULL && store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        size_t key_len, value_len;
        const void *key = store_iter_key(iter, &key_len);
        const void *value = store_iter_value(iter, &value_len);

        arena_reset(&c->record);
        if (!entry(c, key, key_len, value, value_len))
            core_fail(c, "a record of the crawldb cannot be read");
        if (++n % FLUSH_URLS == 0)
            (void)core_flush(c);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
    return !c->failed;
}

static bool turn_url(struct core *c, const void *key, size_t key_len, const void *value,
                     size_t value_len) {
    uint64_t fp;
    Trawl__DoneUrl *d = wire_unpack(&c->record, &trawl__done_url__descriptor, value, value_len);

    if (d == NULL || !record_parse_number8(key, key_len, 'u', &fp))
        return false;
    if (!asked(d))
        return true;
    if (d->segment != 0)
        core_put(c, record_earlier(fp, d->fetched_at_ms), &d->base);
    core_delete(c, record_done(fp));
    queue(c, fp, d);
    return true;
}

static bool turn_origin(struct core *c, const void *key, size_t key_len, const void *value,
                        size_t value_len) {
    uint32_t id;
    Trawl__StoredOrigin *o =
        wire_unpack(&c->record, &trawl__stored_origin__descriptor, value, value_len);

    if (o == NULL || !record_parse_number4(key, key_len, 'o', &id))
        return false;
    if (o->parked == TRAWL__STATE__PENDING && o->failures == 0 && o->rest_until_ms == 0)
        return true;
    o->parked = TRAWL__STATE__PENDING;
    o->reason = "";
    o->failures = 0;
    o->rest_until_ms = 0;
    o->rest_ms = 0;
    core_put(c, record_origin(id), &o->base);
    return true;
}

bool recrawl_prepare(struct core *c, bool wanted) {
    uint64_t begun = load_number(c, "recrawl");

    if (begun == 0 && (!wanted || is_pending(c)))
        return !c->failed;
    core_put_number(c, "recrawl", 1);
    if (!core_flush(c) || !turn_group(c, 'o', turn_origin) || !turn_group(c, 'u', turn_url))
        return false;
    core_put_number(c, "recrawl", 0);
    return core_flush(c);
}

/* ---- amid a round --------------------------------------------------------------------------------------------- */

static const Trawl__Capture *capture_of(struct arena *arena, const void *bytes, size_t len) {
    return len == 0 ? NULL : wire_unpack(arena, &trawl__capture__descriptor, bytes, len);
}

bool recrawl_stands(struct core *c, const void *bytes, size_t len) {
    const Trawl__Capture *capture = capture_of(&c->record, bytes, len);

    const struct segment *s =
        capture == NULL ? NULL : map_get(&c->segments_by_id, capture->segment);

    return s != NULL && !s->forgotten;
}

ProtobufCBinaryData recrawl_capture(struct core *c, const Trawl__QueuedUrl *q) {
    return recrawl_stands(c, q->capture.data, q->capture.len) ? q->capture
                                                              : (ProtobufCBinaryData){.len = 0};
}

void recrawl_unmodified(struct core *c, Trawl__DoneUrl *d, const void *bytes, size_t len) {
    const Trawl__Capture *capture = capture_of(&c->record, bytes, len);

    if (capture == NULL || d->status != 304 || d->state != TRAWL__STATE__FETCHED)
        return;
    d->digest = capture->digest;
    d->mime = capture->mime;
    d->etag = d->etag.len > 0 ? d->etag : capture->etag;
    d->last_modified = d->last_modified.len > 0 ? d->last_modified : capture->last_modified;
    d->payload_at_ms = capture->at_ms;
    d->payload_segment = capture->segment;
}

void recrawl_forget(struct core *c, uint64_t fp, uint32_t segment) {
    struct record_key prefix = record_earlier_of(fp);
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (; iter != NULL && store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        struct record_key key = {.len = 0};
        size_t value_len;
        const void *value = store_iter_value(iter, &value_len);
        const void *bytes = store_iter_key(iter, &key.len);

        arena_reset(&c->record);
        const Trawl__DoneUrl *d =
            wire_unpack(&c->record, &trawl__done_url__descriptor, value, value_len);
        if (d == NULL || key.len > sizeof key.bytes) {
            core_fail(c, "a record of the crawldb cannot be read");
            break;
        }
        memcpy(key.bytes, bytes, key.len);
        if (d->segment == segment)
            core_delete(c, key);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
}

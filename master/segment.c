/* segment: which WARC files there are, whose they are, which are closed to commits and which are sealed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "master/claim.h"
#include "master/core_state.h"
#include "shared/limits.h"

static uint64_t name_hash(const char *name) {
    return XXH3_64bits(name, strlen(name));
}

struct segment *segment_find(const struct core *c, const char *name) {
    struct segment *s = map_get(&c->segments_by_name, name_hash(name));

    while (s != NULL && strcmp(s->name, name) != 0)
        s = s->same_hash;
    return s;
}

static void segment_free(struct segment *s) {
    free(s->name);
    free(s->worker);
    free(s);
}

static struct segment *add(struct core *c, uint32_t id, const char *name, const char *worker) {
    struct segment *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->id = id;
    s->name = strdup(name);
    s->worker = strdup(worker);
    s->same_hash = map_get(&c->segments_by_name, name_hash(name));
    if (s->name == NULL || s->worker == NULL || !map_reserve(&c->segments_by_id) ||
        !map_put(&c->segments_by_name, name_hash(name), s)) {
        segment_free(s);
        return NULL;
    }
    (void)map_put(&c->segments_by_id, id, s);
    c->unsealed++;
    return s;
}

static void mark_forgotten(struct core *c, struct segment *s) {
    s->forgotten = s->closed = true;
    *(c->first_forgotten == NULL ? &c->first_forgotten : &c->last_forgotten->next_forgotten) = s;
    c->last_forgotten = s;
    c->forgetting++;
}

bool segment_add_loaded(struct core *c, uint32_t id, const Trawl__StoredSegment *stored) {
    struct segment *s = add(c, id, stored->name, stored->worker);

    if (s == NULL)
        return false;
    /* It can work: something of it was committed. */
    struct worker *w = lease_worker_add(&c->leases, stored->worker);
    if (w == NULL)
        return false;
    w->proven = true;
    core_number_used(&c->segment_numbers, id);
    s->closed = stored->closed || stored->sealed;
    s->sealed = stored->sealed;
    c->unsealed -= s->sealed;
    if (stored->forgotten)
        mark_forgotten(c, s);
    return true;
}

static void put(struct core *c, const struct segment *s, const Trawl__SegmentSeal *seal) {
    Trawl__StoredSegment v = TRAWL__STORED_SEGMENT__INIT;

    v.name = s->name;
    v.worker = s->worker;
    v.closed = s->closed;
    v.sealed = s->sealed;
    v.forgotten = s->forgotten;
    if (seal != NULL) {
        v.hole_offsets = seal->hole_offsets;
        v.n_hole_offsets = seal->n_hole_offsets;
        v.hole_lengths = seal->hole_lengths;
        v.n_hole_lengths = seal->n_hole_lengths;
        v.size = seal->size;
    }
    core_put(c, record_segment(s->id), &v.base);
}

/* ---- whose it is ------------------------------------------------------------------------------------- */

/* Names are WORKER-CRAWL-SESSION-SERIAL; what is behind the crawl has digits and '-'. Gives the worker. One of another
 * crawl must not be asked about here: the answer, that nothing in it is committed, would be its end. */
static bool name_owner(const struct core *c, const char *name,
                       char owner[LIMIT_WORKER_NAME_BYTES + 1]) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    if (n == 0 || n > LIMIT_SEGMENT_NAME_BYTES || name[n] != '\0' || name[0] == '.')
        return false;
    for (size_t at = n; at-- > 1;) {
        const char *behind = name + at + 1 + CRAWL_NAME_DIGITS;
        if (name[at] != '-' || strncmp(name + at + 1, c->crawl, CRAWL_NAME_DIGITS) != 0 ||
            *behind != '-')
            continue;
        if (at > LIMIT_WORKER_NAME_BYTES || behind[strspn(behind, "0123456789-")] != '\0')
            return false;
        memcpy(owner, name, at);
        owner[at] = '\0';
        return true;
    }
    return false;
}

static struct segment *find_or_add(struct core *c, const char *name, const char *owner) {
    struct segment *s = segment_find(c, name);

    if (s != NULL)
        return s;
    s = add(c, (uint32_t)core_number(c, &c->segment_numbers), name, owner);
    if (s == NULL)
        core_fail(c, "out of memory for a segment");
    else
        put(c, s, NULL);
    return s;
}

struct segment *segment_for_commit(struct core *c, const char *name, const struct worker *w) {
    char owner[LIMIT_WORKER_NAME_BYTES + 1];

    if (!name_owner(c, name, owner) || strcmp(owner, w->name) != 0)
        return NULL;
    return find_or_add(c, name, owner);
}

void segment_mark(struct core *c, struct segment *s) {
    mark_forgotten(c, s);
    put(c, s, NULL);
}

void segment_forget(struct core *c, struct segment *s) {
    struct segment *first = map_get(&c->segments_by_name, name_hash(s->name));

    committed_delete(c, s);
    core_delete(c, record_segment(s->id));
    map_remove(&c->segments_by_id, s->id);
    if (first == s) {
        if (s->same_hash == NULL)
            map_remove(&c->segments_by_name, name_hash(s->name));
        else
            (void)map_put(&c->segments_by_name, name_hash(s->name), s->same_hash);
    } else {
        while (first->same_hash != s)
            first = first->same_hash;
        first->same_hash = s->same_hash;
    }
    assert(c->first_forgotten == s);
    c->first_forgotten = s->next_forgotten;
    c->forgetting--;
    c->unsealed -= !s->sealed;
    segment_free(s);
}

void segments_release(struct core *c) {
    size_t at = 0;
    void *s;

    while ((s = map_next(&c->segments_by_id, &at)) != NULL)
        segment_free(s);
    map_release(&c->segments_by_id);
    map_release(&c->segments_by_name);
}

/* One page of the committed records from an offset on. */
static void list_committed(struct core *c, const struct segment *s, uint64_t from_offset,
                           Trawl__SegmentReply *m) {
    struct committed_list list = {NULL, 0, 0};

    if (!committed_read(c, s, from_offset, &list))
        goto out;
    size_t n = list.count < LIMIT_SEGMENT_PAGE ? list.count : LIMIT_SEGMENT_PAGE;
    m->offsets = arena_alloc(&c->arena, n * sizeof *m->offsets);
    m->lengths = arena_alloc(&c->arena, n * sizeof *m->lengths);
    if (m->offsets == NULL || m->lengths == NULL) {
        core_fail(c, "out of memory for a reply");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        m->offsets[i] = list.items[i].offset;
        m->lengths[i] = list.items[i].length;
    }
    m->n_offsets = n;
    m->n_lengths = n;
    m->more = n < list.count;
out:
    committed_list_release(&list);
}

/* NULL: answered already, or the core has failed. */
static struct segment *for_request(struct core *c, const char *name, ProtobufCBinaryData instance,
                                   uint64_t place, Trawl__Reply *reply, Trawl__SegmentReply **m) {
    char owner[LIMIT_WORKER_NAME_BYTES + 1];

    if (!name_owner(c, name, owner)) {
        reply->code = TRAWL__CODE__REFUSED;
        reply->error = "it is a segment of another crawl; start the worker with another --dir, or "
                       "for the master of that crawl";
        return NULL;
    }
    /* Asking closes it: a copy of the directory must not end what its worker still writes. */
    if (!claim_proven(lease_worker(&c->leases, owner), instance, place)) {
        reply->code = TRAWL__CODE__HELD;
        reply->error = arena_printf(&c->arena, "worker %s, whose segment it is, is alive", owner);
        return NULL;
    }
    struct segment *s = find_or_add(c, name, owner);
    if (s != NULL && s->forgotten) {
        reply->code = TRAWL__CODE__BUSY;
        reply->error = "what it had is on its way back into the queue";
        return NULL;
    }
    *m = arena_alloc(&c->arena, sizeof **m);
    if (s == NULL || *m == NULL) {
        core_fail(c, "out of memory for a reply");
        return NULL;
    }
    trawl__segment_reply__init(*m);
    reply->body_case = TRAWL__REPLY__BODY_SEGMENT;
    reply->segment = *m;
    return s;
}

void segment_query(struct core *c, struct now now, const Trawl__SegmentQuery *q,
                   Trawl__Reply *reply) {
    Trawl__SegmentReply *m;
    struct segment *s = for_request(c, q->name, q->instance, q->place, reply, &m);

    if (s == NULL)
        return;
    c->stopping_ms = now.mono_ms;
    if (!s->closed) {
        s->closed = true;
        put(c, s, NULL);
    }
    if (!core_flush(c))
        return;
    m->sealed = s->sealed;
    list_committed(c, s, q->from_offset, m);
}

static void refuse_seal(Trawl__Reply *reply, const char *why) {
    reply->code = TRAWL__CODE__BAD_REQUEST;
    reply->error = (char *)why;
    reply->body_case = TRAWL__REPLY__BODY__NOT_SET;
}

/* Ascending, apart from each other, and where no committed record is. False: not so, or the core has failed. */
static bool holes_well_formed(struct core *c, const struct segment *s,
                              const Trawl__SegmentSeal *seal) {
    struct committed_list list = {NULL, 0, 0};
    uint64_t end = 0;
    size_t k = 0;
    bool ok = core_flush(c) && committed_read(c, s, 0, &list);

    for (size_t i = 0; ok && i < seal->n_hole_offsets; i++) {
        uint64_t from = seal->hole_offsets[i], length = seal->hole_lengths[i];
        ok = length > 0 && length <= UINT64_MAX - from && (i == 0 || from > end);
        end = from + length;
        while (k < list.count && list.items[k].offset < from)
            k++;
        if (k > 0 && from - list.items[k - 1].offset < list.items[k - 1].length)
            ok = false;
        if (k < list.count && list.items[k].offset < end)
            ok = false;
    }
    committed_list_release(&list);
    return ok;
}

void segment_seal(struct core *c, struct now now, const Trawl__SegmentSeal *seal,
                  Trawl__Reply *reply) {
    Trawl__SegmentReply *m;
    struct segment *s = for_request(c, seal->name, seal->instance, seal->place, reply, &m);

    if (s == NULL)
        return;
    if (!s->closed || seal->n_hole_offsets != seal->n_hole_lengths) {
        refuse_seal(reply, "a segment is sealed after it was asked about");
        return;
    }
    c->stopping_ms = now.mono_ms;
    if (!s->sealed) {
        if (!holes_well_formed(c, s, seal)) {
            refuse_seal(reply, "holes are ascending, and where no committed record is");
            return;
        }
        s->sealed = true;
        c->unsealed--;
        put(c, s, seal);
    }
    m->sealed = true;
}

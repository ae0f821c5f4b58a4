/* world_segment: segments on the disks of workers, and how they are sealed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "tests/sim/world_state.h"

enum { HEAD_BYTES = 100 }; /* of a segment: its warcinfo record */

static struct sim_segment *segment_new(struct world *w, struct sim_loop *l) {
    struct sim_segment *s = calloc(1, sizeof *s);

    if (s == NULL)
        abort();
    snprintf(s->name, sizeof s->name, "%s-%s-%06llu-%u-%04u", l->worker->name, l->crawl,
             (unsigned long long)agent_session(l->agent), l->number, ++l->serial);
    world_guest_check_segment(w, l->worker, s->name);
    memcpy(s->instance, l->worker->instance, sizeof s->instance);
    s->size = HEAD_BYTES;
    s->next = l->worker->disk;
    l->worker->disk = s;
    return s;
}

struct sim_record *world_segment_append(struct world *w, struct sim_loop *l, uint32_t origin,
                                        uint32_t page) {
    struct sim_segment *s = l->segment;

    if (s == NULL)
        s = l->segment = segment_new(w, l);
    if (s->count == s->room) {
        s->room = s->room == 0 ? 16 : s->room * 2;
        s->records = realloc(s->records, s->room * sizeof *s->records);
        if (s->records == NULL)
            abort();
    }
    struct sim_record *r = &s->records[s->count++];
    *r = (struct sim_record){
        .offset = s->size, .length = 100 + rng_below(&w->rng, 400), .origin = origin, .page = page};
    s->size += r->length;
    return r;
}

void world_segment_close(struct sim_loop *l) {
    if (l->segment == NULL)
        return;
    agent_segment_closed(l->agent, l->segment->name);
    l->segment = NULL;
}

struct sim_segment *world_segment_find(struct sim_worker *s, const char *name) {
    struct sim_segment *i = s->disk;

    while (i != NULL && strcmp(i->name, name) != 0)
        i = i->next;
    return i;
}

void world_segment_lose_tail(struct world *w, struct sim_segment *s) {
    bool lost = false;

    while (s->count > 0 && s->records[s->count - 1].offset >= s->durable &&
           rng_chance(&w->rng, 70)) {
        s->size = s->records[--s->count].offset;
        lost = true;
    }
    w->result->faults[FAULT_TAIL_LOST] += lost;
}

/* ---- sealing ---------------------------------------------------------------------------------------------- */

void world_seal_ask(struct world *w, struct sim_worker *s, struct sim_loop *l,
                    struct sim_segment *segment) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    struct buf bytes;

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_SEGMENT_QUERY;
    r.segment_query = &q;
    q.name = segment->name;
    q.place = s->place;
    q.instance = (ProtobufCBinaryData){.len = sizeof segment->instance, .data = segment->instance};
    if (!wire_pack(&bytes, &r.base))
        abort();
    world_send_request(w, NULL, s, AGENT_CALL, 0, &bytes, segment);
    buf_release(&bytes);
    /* Asked again until the segment is sealed. */
    struct event *e = world_schedule(w, CALL_TIMEOUT_MS, EVENT_SEAL);
    e->worker = s;
    e->loop = l;
    e->incarnation = s->incarnation;
    e->segment = segment;
}

static bool is_committed(const Trawl__SegmentReply *m, const struct sim_record *r) {
#ifdef MUTANT_KEEP_ORPHANS
    return true;
#endif
    for (size_t i = 0; i < m->n_offsets; i++)
        if (m->offsets[i] == r->offset && m->lengths[i] == r->length)
            return true;
    return false;
}

static void tell_sealed(struct world *w, struct sim_worker *s, struct sim_segment *segment) {
    for (uint32_t i = 0; i < LOOPS; i++) {
        struct sim_loop *l = &s->loops[i];
        if (l->agent == NULL)
            continue;
        agent_sealed(l->agent, skew_now(&s->skew, w->now_ms), segment->name);
        world_wake(w, l, 0);
    }
}

void world_seal_answer(struct world *w, struct event *e) {
    struct sim_segment *s = e->segment;
    struct sim_worker *worker = e->worker;
    struct arena arena;
    size_t kept = 0;

    if (!worker->alive || worker->incarnation != e->incarnation || s->sealed)
        return;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Reply *r = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r == NULL || r->body_case != TRAWL__REPLY__BODY_SEGMENT || r->code != TRAWL__CODE__OK)
        goto out;
    /* Its file is short of what was written later: it is left as it is. */
    if (s->copied) {
        s->sealed = true;
        goto out;
    }
    for (size_t i = 0; i < r->segment->n_offsets; i++) {
        bool there = false;
        for (size_t j = 0; j < s->count; j++)
            there |= s->records[j].offset == r->segment->offsets[i];
        if (!there)
            world_fail(w, "committed, and not in its segment: %s at %llu", s->name,
                       (unsigned long long)r->segment->offsets[i]);
        if (i > 0 && r->segment->offsets[i] <= r->segment->offsets[i - 1])
            world_fail(w, "%s: committed records are not listed by rising offsets", s->name);
    }
    if (world_fault(w, FAULT_KILLED_SEALING, 20))
        goto out; /* between answer and rename: asked again */
    for (size_t i = 0; i < s->count; i++) {
        if (is_committed(r->segment, &s->records[i]))
            s->records[kept++] = s->records[i];
    }
    w->result->holes += s->count - kept;
    s->count = kept;
    s->sealed = true;
    world_note(w, "%s sealed with %zu records", s->name, kept);
    tell_sealed(w, worker, s);
out:
    arena_release(&arena);
}

/* load: what the core knows at its start, read from the crawldb. Everything in memory can be rebuilt from
 * there: a restart is nothing else. */
#include <stdio.h>
#include <string.h>

#include "master/core_state.h"
#include "master/depths.h"
#include "master/recrawl.h"
#include "master/trial.h"
#include "master/verdicts.h"
#include "shared/fingerprint.h"
#include "shared/limits.h"

/* Fingerprints gather and go into the set together: each is a cache miss, and so they overlap. */
static bool add_known(struct core *c) {
    uint8_t was_new[CORE_LOADED_BATCH];
    size_t count = c->loaded_count;

    c->loaded_count = 0;
    if (seen_add_batch(c->seen, c->loaded, count, was_new) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        seen_set_note(c->seen, c->loaded[i], c->loaded_notes[i]);
    return true;
}

static bool note_known(struct core *c, uint64_t fp, uint8_t note) {
    c->loaded_notes[c->loaded_count] = note;
    c->loaded[c->loaded_count++] = fp;
    return c->loaded_count < CORE_LOADED_BATCH || add_known(c);
}

/* Calls `entry` for each record of a group. */
typedef bool load_entry(struct core *c, struct now now, const void *key, size_t key_len,
                        const void *value, size_t value_len);

static bool load_group(struct core *c, struct now now, char group, load_entry *entry) {
    struct record_key prefix = record_group(group);
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    if (iter == NULL) {
        core_fail(c, "cannot read the crawldb");
        return false;
    }
    for (; store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        size_t key_len, value_len;
        const void *key = store_iter_key(iter, &key_len);
        const void *value = store_iter_value(iter, &value_len);

        arena_reset(&c->record);
        if (!entry(c, now, key, key_len, value, value_len))
            core_fail(c, c->record.failed ? "out of memory for a record of the crawldb"
                                          : "a record of the crawldb cannot be read");
    }
    store_iter_close(iter);
    if (!c->failed && !add_known(c))
        core_fail(c, "out of memory for the set of known URLs");
    return !c->failed;
}

static bool load_seed(struct core *c, struct now now, const void *key, size_t key_len,
                      const void *value, size_t value_len) {
    uint32_t number;

    (void)now;
    if (!record_parse_number4(key, key_len, 'S', &number) ||
        url_parse(&c->url, value, value_len, NULL) != URL_OK)
        return false;
    if (number >= c->seed_count)
        c->seed_count = number + 1;
    return scope_add_seed(c->scope, &c->url);
}

/* What is left of a rest. The wall clock may have jumped: it is not longer than it was. */
static void load_rest(struct origin *o, struct now now, const Trawl__StoredOrigin *v) {
    int64_t left = (int64_t)v->rest_until_ms - now.unix_ms;

    o->failures = v->failures;
    o->judged_attempt = v->judged_attempt;
    if (left <= 0)
        return;
    if (left > v->rest_ms)
        left = v->rest_ms;
    o->rest_until_ms = o->free_at_ms = now.mono_ms + left;
    o->rest_until_unix_ms = now.unix_ms + left;
    o->rest_ms = v->rest_ms;
}

/* Their name. Until version 3 of the wire they were in the origin's own record: they move to their place. */
static uint64_t load_rules(struct core *c, uint32_t id, Trawl__StoredOrigin *v) {
    uint64_t name = v->rules != 0 ? v->rules : origin_rules_name(c, v->robots.data, v->robots.len);
    struct record_key key = record_rules(id);

    if (v->rules != 0 || v->robots.len <= sizeof(uint16_t))
        return name;
    if (!batch_put(&c->batch, key.bytes, key.len, v->robots.data, v->robots.len))
        core_fail(c, "out of memory for a batch");
    v->rules = name;
    v->robots.len = 0;
    core_put(c, record_origin(id), &v->base);
    (void)core_flush(c);
    return name;
}

static bool load_origin(struct core *c, struct now now, const void *key, size_t key_len,
                        const void *value, size_t value_len) {
    uint32_t id;
    Trawl__StoredOrigin *v =
        wire_unpack(&c->record, &trawl__stored_origin__descriptor, value, value_len);

    if (v == NULL || !record_parse_number4(key, key_len, 'o', &id) || id == 0 || v->name.len == 0)
        return false;
    struct origin *o = host_add(&c->hosts, id, (const char *)v->name.data, v->name.len);
    if (o == NULL)
        return false;
    o->depth = v->depth;
    if (v->robots_known)
        host_set_robots(o, load_rules(c, id, v), v->crawl_delay_ms, v->robots_status,
                        (int64_t)v->robots_until_ms);
    load_rest(o, now, v);
    return v->parked == TRAWL__STATE__PENDING || host_park(&c->hosts, o, v->parked, v->reason);
}

/* What --max-depth keeps back stands where it is found again (depths.h); it may be another limit than before. */
static void replace_deep(struct core *c, struct queue_place place, const struct origin *o,
                         const Trawl__QueuedUrl *q) {
    if (!frontier_kept_back(c, q->depth) || place.seq == q->fp)
        return;
    core_delete(c, record_queued(o->id, place));
    core_put(c, record_queued(o->id, frontier_place(c, q->depth, q->fp)), &q->base);
    if (batch_count(&c->batch) >= CORE_LOADED_BATCH)
        (void)core_flush(c);
}

static bool load_queued(struct core *c, struct now now, const void *key, size_t key_len,
                        const void *value, size_t value_len) {
    uint32_t id;
    struct queue_place place;
    Trawl__QueuedUrl *v = wire_unpack(&c->record, &trawl__queued_url__descriptor, value, value_len);

    (void)now;
    if (v == NULL || !record_parse_queued(key, key_len, &id, &place))
        return false;
    struct origin *o = host_by_id(&c->hosts, id);
    if (o == NULL)
        return false;
    const uint8_t note = depths_note_of(v->depth, v->hops, NULL);
    if (v->robots_for == 0 && verdicts_queued(c, o, place, v))
        return note_known(c, v->fp, note);
    /* They come by depth: behind the first page that is kept back there is none to grant. */
    if (v->robots_for == 0 && host_pages_queued(o) == 0)
        o->exhausted = frontier_kept_back(c, v->depth);
    o->queued++;
    if (v->robots_for != 0) {
        struct origin *host = host_by_id(&c->hosts, v->robots_for);
        if (host != NULL) {
            host->robots_state = HOST_ROBOTS_ELSEWHERE;
            host->robots_hops = (uint8_t)v->hops;
        }
        return guest_add(o, v->fp, place.seq);
    }
    c->by_state[TRAWL__STATE__PENDING]++;
    traps_note_loaded(c, o, v->path);
    replace_deep(c, place, o, v);
    return note_known(c, v->fp, note);
}

static bool load_done(struct core *c, struct now now, const void *key, size_t key_len,
                      const void *value, size_t value_len) {
    uint64_t fp;
    Trawl__DoneUrl *v = wire_unpack(&c->record, &trawl__done_url__descriptor, value, value_len);

    (void)now;
    if (v == NULL || !record_parse_number8(key, key_len, 'u', &fp) ||
        v->state < TRAWL__STATE__FETCHED || v->state > TRAWL__STATE__FAILED)
        return false;
    struct origin *o = host_by_id(&c->hosts, v->origin);
    if (o != NULL) {
        o->done++;
        o->bytes += v->length;
        o->fetched += v->state == TRAWL__STATE__FETCHED;
        o->errors += v->state == TRAWL__STATE__FAILED;
        traps_note_loaded(c, o, v->path);
    } else if (v->state == TRAWL__STATE__EXCLUDED) {
        traps_count(c, v->reason);
    }
    c->by_state[v->state]++;
    c->bytes += v->length;
    core_number_used(&c->segment_numbers,
                     v->segment > v->payload_segment ? v->segment : v->payload_segment);
    return note_known(c, fp, depths_note_of(v->depth, v->hops, v->reason));
}

static bool load_segment(struct core *c, struct now now, const void *key, size_t key_len,
                         const void *value, size_t value_len) {
    uint32_t id;
    Trawl__StoredSegment *v =
        wire_unpack(&c->record, &trawl__stored_segment__descriptor, value, value_len);

    (void)now;
    return v != NULL && record_parse_number4(key, key_len, 's', &id) &&
           segment_add_loaded(c, id, v);
}

static bool load_worker(struct core *c, struct now now, const void *key, size_t key_len,
                        const void *value, size_t value_len) {
    const Trawl__StoredWorker *v =
        wire_unpack(&c->record, &trawl__stored_worker__descriptor, value, value_len);

    (void)now;
    (void)key;
    (void)key_len;
    return v != NULL && trial_load_proven(c, v);
}

/* Sessions alive before the restart get one lease of time to attach. */
static bool load_session(struct core *c, struct now now, const void *key, size_t key_len,
                         const void *value, size_t value_len) {
    uint64_t id;
    Trawl__StoredSession *v =
        wire_unpack(&c->record, &trawl__stored_session__descriptor, value, value_len);

    if (v == NULL || !record_parse_number8(key, key_len, 'w', &id) || v->instance.len != 16)
        return false;
    struct worker *w = lease_worker_add(&c->leases, v->worker);
    if (w == NULL)
        return false;
    memcpy(w->instance, v->instance.data, 16);
    w->incarnation = v->incarnation;
    w->process = v->process;
    w->place = v->place;
    struct session *s = lease_session_add(&c->leases, id, w, v->loop, v->tasks, false, now.mono_ms);
    if (s == NULL)
        return false;
    s->serial = v->serial;
#ifndef MUTANT_OLD_TERMS
    s->other_terms = v->tasks == 0 && v->terms != session_terms(c);
#endif
    if (v->lease_ms > s->lease_ms)
        s->lease_ms = v->lease_ms;
    if (s->lease_ms > c->grace_until_ms)
        c->grace_until_ms = s->lease_ms;
    snprintf(s->serve, sizeof s->serve, "%s", v->serve);
    return true;
}

static bool load_job(struct core *c, struct now now, const void *key, size_t key_len,
                     const void *value, size_t value_len) {
    uint64_t number;
    Trawl__StoredJob *v = wire_unpack(&c->record, &trawl__stored_job__descriptor, value, value_len);

    return v != NULL && record_parse_number8(key, key_len, 'j', &number) &&
           job_load(c, now, number, v);
}

static bool load_task(struct core *c, struct now now, const void *key, size_t key_len,
                      const void *value, size_t value_len) {
    uint64_t job;
    Trawl__TaskKind kind;
    uint32_t number;
    Trawl__StoredTask *v =
        wire_unpack(&c->record, &trawl__stored_task__descriptor, value, value_len);

    (void)now;
    return v != NULL && record_parse_task(key, key_len, &job, &kind, &number) &&
           job_load_task(c, job, kind, number, v);
}

/* ---- numbers and the key --------------------------------------------------------------------------------- */

/* False: not there (and *out is left alone) or the store failed. */
static bool get_meta(struct core *c, const char *name, void *out, size_t len) {
    struct record_key key = record_meta(name);

    buf_reset(&c->value);
    if (store_get(c->store, key.bytes, key.len, &c->value) != STORE_FOUND || c->value.len != len)
        return false;
    memcpy(out, c->value.data, len);
    return true;
}

uint64_t load_number(struct core *c, const char *name) {
    unsigned char bytes[8] = {0};
    uint64_t n = 0;

    if (get_meta(c, name, bytes, sizeof bytes))
        for (size_t i = 0; i < sizeof bytes; i++)
            n = n << 8 | bytes[i];
    return n;
}

static void load_counter(struct core *c, struct counter *counter, const char *name,
                         uint32_t block) {
    uint64_t n = load_number(c, name);

    /* 0 stands for "none" in messages. */
    *counter = (struct counter){.name = name, .next = n == 0 ? 1 : n, .limit = n, .block = block};
}

static void load_key(struct core *c, const unsigned char random16[16]) {
    struct record_key key = record_meta("key");

    if (get_meta(c, "key", c->key, sizeof c->key))
        return;
    memcpy(c->key, random16, sizeof c->key);
    if (!batch_put(&c->batch, key.bytes, key.len, c->key, sizeof c->key))
        core_fail(c, "out of memory for a batch");
}

void load_add_seed(struct core *c, const struct url *seed) {
    struct record_key key = record_seed(c->seed_count);

    if (scope_has_seed(c->scope, seed))
        return;
    c->seed_count++;
    if (c->options->scope != SCOPE_ANY)
        verdicts_scope_grew(c);
    if (!scope_add_seed(c->scope, seed) ||
        !batch_put(&c->batch, key.bytes, key.len, seed->href, seed->href_len))
        core_fail(c, "out of memory for a seed");
}

/* Every origin to its place; the queues of parked ones may be half emptied. */
static void place_origins(struct core *c, struct now now) {
    /* Their last requests may have been a moment before the restart. */
    host_rest_all(&c->hosts, now.mono_ms, c->leases.unattached > 0);
    for (size_t i = 0; i < c->hosts.count && !c->failed; i++) {
        struct origin *o = c->hosts.by_id[i];
        if (o == NULL)
            continue;
        if (o->parked != TRAWL__STATE__PENDING && o->queued > 0)
            origin_purge_later(c, o);
        if (!host_update(&c->hosts, o, now.mono_ms))
            core_fail(c, "out of memory for the queue of origins");
    }
}

static bool load_pages(struct core *c, struct now now) {
    uint64_t known = load_number(c, "known"); /* as many as lately; and those since */

    if (known > 0 && !seen_reserve(c->seen, known + c->seqs.block))
        core_fail(c, "out of memory for the set of known URLs");
    if (c->failed || !load_group(c, now, 'S', load_seed) || !load_group(c, now, 'o', load_origin) ||
        !load_group(c, now, 's', load_segment) || !load_group(c, now, 'p', load_worker))
        return false;
    /* What is done first: what is queued may be more than the limits on kinds of URLs allow now. */
    verdicts_compare(c);
    if (!load_group(c, now, 'u', load_done) || !load_group(c, now, 'q', load_queued))
        return false;
    verdicts_origins(c, now);
    place_origins(c, now);
    return !c->failed && verdicts_done(c, now) && depths_load(c);
}

static bool load_jobs(struct core *c, struct now now) {
    if (!load_group(c, now, 'j', load_job) || !load_group(c, now, 't', load_task))
        return false;
    job_loaded(c);
    return !c->failed;
}

/* Numbers reserved at a time. */
enum { MANY = 1 << 16, FEW = 16 };

/* A crawl's first session has a number that no other crawl's has: a worker that outlives the master of one must not be
 * taken for a session of the next at the same address. 48 bits, the rest is for those that follow. */
static void load_sessions(struct core *c) {
    load_counter(c, &c->sessions, "next_session", MANY);
    if (c->sessions.limit == 0)
        c->sessions.next = (fingerprint(c->key, "session", 7) >> 16) + 1;
}

/* Numbers that others remember must not come again even if the crawldb is put back from an older copy: what was given
 * since is not in it. So each start goes on somewhere in the 2^32 numbers behind the last. */
static void leap(struct counter *counter, const unsigned char random4[4]) {
    uint32_t n;

    memcpy(&n, random4, sizeof n);
    counter->next = counter->limit = counter->next + n;
}

bool load_crawl(struct core *c, struct now now, const unsigned char random16[16]) {
    load_key(c, random16);
    snprintf(c->crawl, sizeof c->crawl, "%016llx",
             (unsigned long long)fingerprint(c->key, "crawl", 5));
    c->term = load_number(c, "term") + 1;
    core_put_number(c, "term", c->term);
    load_counter(c, &c->seqs, "next_seq", MANY);
    load_counter(c, &c->attempts, "next_attempt", MANY);
    load_sessions(c);
    load_counter(c, &c->segment_numbers, "next_segment", FEW);
    leap(&c->attempts, random16);
    c->first_attempt = c->attempts.next;
    leap(&c->sessions, random16 + 4);
    load_counter(c, &c->job_numbers, "next_job", 1);
    if (!c->options->jobs_only && !recrawl_prepare(c, c->options->recrawl))
        return false;
    /* For jobs alone the pages stay on disk: what asks for them is refused. */
    if (!load_group(c, now, 'w', load_session) || (!c->options->jobs_only && !load_pages(c, now)) ||
        !load_jobs(c, now))
        return false;
    c->in_grace = c->leases.unattached > 0;
    c->grace_until_ms += now.mono_ms; /* the longest lease that anybody may believe in */
    return core_flush(c);
}

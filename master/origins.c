/* origins: what the frontier knows of an origin beside its queue. Its robots.txt, the rests that it needs after trouble,
 * and how it is given up: whatever is queued of it then ends as it did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/depths.h"
#include "master/turn.h"
#include "shared/fingerprint.h"
#include "shared/limits.h"
#include "shared/robots.h"
#include "shared/work.h"

enum { ORIGIN_REASON_BYTES = 600 };

/* ---- what robots.txt says ------------------------------------------------------------------------------- */

/* Most sites have no robots.txt, or one that forbids nothing: two bytes. Such a text is its own name: its length and its
 * bytes, which no fingerprint is, for those have the highest bit. Any other text lies under a key of its own, and is
 * written when it changes, not with each change of the origin. */
enum { SHORT_BYTES = 2 };
#define LONG_NAME (UINT64_C(1) << 63)

static bool is_short(uint64_t name) {
    return (name & LONG_NAME) == 0;
}

static size_t spell(uint64_t name, unsigned char text[SHORT_BYTES]) {
    text[0] = (unsigned char)name;
    text[1] = (unsigned char)(name >> 8);
    return name == 0 ? 0 : (size_t)(name >> 16) - 1;
}

uint64_t origin_rules_name(const struct core *c, const void *bytes, size_t len) {
    unsigned char text[SHORT_BYTES] = {0};

    if (len > SHORT_BYTES)
        return fingerprint(c->key, bytes, len) | LONG_NAME;
    if (len > 0)
        memcpy(text, bytes, len);
    return (uint64_t)(len + 1) << 16 | (uint64_t)text[1] << 8 | text[0];
}

static const struct rules *read_rules(struct core *c, struct origin *o) {
    struct record_key key = record_rules(o->id);
    enum store_result result;

    buf_reset(&c->value);
    result = store_get(c->store, key.bytes, key.len, &c->value);
    if (result == STORE_FAILED)
        core_fail(c, "cannot read the rules of an origin");
    if (result != STORE_FOUND) {
        o->robots_state = HOST_ROBOTS_UNKNOWN;
        return NULL;
    }
    return rules_keep(&c->hosts.rules_pool, o->rules, c->value.data, c->value.len);
}

const struct rules *origin_rules(struct core *c, struct origin *o) {
    unsigned char text[SHORT_BYTES];

    if (o->rules == 0 || o->robots_state != HOST_ROBOTS_KNOWN)
        return NULL;
    const struct rules *kept = rules_find(&c->hosts.rules_pool, o->rules);
    if (kept == NULL)
        kept = is_short(o->rules)
                   ? rules_keep(&c->hosts.rules_pool, o->rules, text, spell(o->rules, text))
                   : read_rules(c, o);
    if (kept == NULL && o->robots_state == HOST_ROBOTS_KNOWN)
        core_fail(c, "out of memory for robots.txt");
    return kept;
}

/* False: no memory. */
static bool set_rules(struct core *c, struct origin *o, const void *bytes, size_t len,
                      uint64_t *name) {
    struct record_key key = record_rules(o->id);

    *name = origin_rules_name(c, bytes, len);
    if (rules_keep(&c->hosts.rules_pool, *name, bytes, len) == NULL)
        return false;
    if (*name == o->rules)
        return true;
    if (!is_short(*name))
        return batch_put(&c->batch, key.bytes, key.len, bytes, len);
    return is_short(o->rules) || batch_delete(&c->batch, key.bytes, key.len);
}

/* ---- its record ----------------------------------------------------------------------------------------- */

void origin_put(struct core *c, const struct origin *o) {
    Trawl__StoredOrigin v = TRAWL__STORED_ORIGIN__INIT;
    unsigned char text[SHORT_BYTES];

    v.name = (ProtobufCBinaryData){.data = (uint8_t *)o->name, .len = o->name_len};
    v.robots_known = o->robots_state == HOST_ROBOTS_KNOWN;
    if (is_short(o->rules))
        v.robots = (ProtobufCBinaryData){.data = text, .len = spell(o->rules, text)};
    else
        v.rules = o->rules;
    v.crawl_delay_ms = o->crawl_delay_ms;
    v.robots_until_ms = (uint64_t)o->robots_until_unix_ms;
    v.robots_status = o->robots_status;
    v.parked = o->parked;
    v.reason = o->reason;
    v.depth = o->depth;
    v.failures = o->failures;
    v.judged_attempt = o->judged_attempt;
    v.rest_until_ms = (uint64_t)o->rest_until_unix_ms;
    v.rest_ms = o->rest_ms;
    core_put(c, record_origin(o->id), &v.base);
#ifdef MUTANT_RULES_REWRITTEN
    const struct rules *kept =
        is_short(o->rules) ? NULL : rules_find(&c->hosts.rules_pool, o->rules);
    struct record_key key = record_rules(o->id);
    if (kept != NULL)
        (void)batch_put(&c->batch, key.bytes, key.len, kept->bytes, kept->len);
#endif
}

struct origin *origin_get(struct core *c, const char *name, size_t len) {
    struct origin *o = host_find(&c->hosts, name, len);

    if (o != NULL)
        return o;
    o = host_add(&c->hosts, (uint32_t)c->hosts.count + 1, name, len);
    if (o == NULL) {
        core_fail(c, "out of memory for an origin");
        return NULL;
    }
    origin_put(c, o);
    return o;
}

void origin_changed(struct core *c, struct now now, struct origin *o) {
    if (!host_update(&c->hosts, o, now.mono_ms))
        core_fail(c, "out of memory for the queue of origins");
}

/* ---- robots.txt ----------------------------------------------------------------------------------------- */

/* Its robots.txt lies at another origin, which cannot be reached: the same as if it could not be reached itself
 * (RFC 9309 §2.3.1.4). */
static void robots_unreachable(struct core *c, struct now now, struct origin *o, bool failing,
                               const char *reason) {
    o->robots_state = HOST_ROBOTS_UNKNOWN;
    o->robots_hops = 0;
    origin_unreachable(c, now, o, 0, failing, 0,
                       reason == NULL || reason[0] == '\0' ? "robots-unreachable" : reason);
}

/* RFC 9309 §2.3.1.3: what is unavailable, here behind too many redirects, forbids nothing. */
static bool allow_all(struct core *c, struct now now, struct origin *o, uint32_t status) {
    struct robots rules;
    uint64_t name;
    bool ok;

    robots_init(&rules);
    robots_allow_all(&rules);
    buf_reset(&c->value);
    ok = robots_encode(&rules, &c->value) && set_rules(c, o, c->value.data, c->value.len, &name);
    if (ok)
        host_set_robots(o, name, 0, status, now.unix_ms + LIMIT_ROBOTS_VALID_MS);
    robots_release(&rules);
    return ok;
}

static bool take_rules(struct core *c, struct now now, struct origin *o,
                       const Trawl__RobotsReport *r) {
    uint32_t crawl_delay =
        r->crawl_delay_ms < LIMIT_SERVER_DELAY_MS ? r->crawl_delay_ms : LIMIT_SERVER_DELAY_MS;
    uint32_t valid = r->valid_ms < LIMIT_ROBOTS_VALID_MS ? r->valid_ms : LIMIT_ROBOTS_VALID_MS;

    uint64_t name;

    if (!set_rules(c, o, r->rules.data, r->rules.len, &name))
        return false;
    host_set_robots(o, name, crawl_delay, r->status, now.unix_ms + valid);
    return true;
}

void origin_robots(struct core *c, struct now now, struct origin *o, const Trawl__RobotsReport *r) {
    enum frontier_robots_queued queued = FRONTIER_ROBOTS_NOWHERE;
    const char *why = NULL;
    bool ok = true;

    if (r->redirect_to.len > 0 && o->robots_hops < LIMIT_ROBOTS_HOPS)
        queued = frontier_queue_robots(c, now, o, (const char *)r->redirect_to.data,
                                       r->redirect_to.len, &why);
    if (queued == FRONTIER_ROBOTS_UNREACHABLE) {
        robots_unreachable(c, now, o, false, why);
        return;
    }
    if (queued == FRONTIER_ROBOTS_QUEUED) {
        o->robots_hops++;
        o->robots_state = HOST_ROBOTS_ELSEWHERE;
    } else {
        ok = r->redirect_to.len > 0 ? allow_all(c, now, o, r->status) : take_rules(c, now, o, r);
        o->failures = 0;
    }
    if (!ok) {
        core_fail(c, "out of memory for robots.txt");
        return;
    }
    origin_put(c, o);
    origin_changed(c, now, o);
    sitemaps_find(c, now, o);
}

/* The origin, if its robots.txt is being fetched from another one. NULL: it is not any more. */
static struct origin *awaits_robots(struct core *c, uint32_t id) {
    struct origin *o = host_by_id(&c->hosts, id);

    return o != NULL && o->robots_state == HOST_ROBOTS_ELSEWHERE ? o : NULL;
}

void origin_robots_elsewhere(struct core *c, struct now now, uint32_t id,
                             const Trawl__Outcome *out) {
    struct origin *host = awaits_robots(c, id);

    if (host == NULL)
        return;
    if (out->robots != NULL) {
        origin_robots(c, now, host, out->robots);
        return;
    }
    robots_unreachable(c, now, host, out->status > 0, out->reason);
}

/* ---- giving up -------------------------------------------------------------------------------------------- */

static bool purge_push(struct core *c, uint32_t id) {
    if (c->purge_count == c->purge_size) {
        size_t size = c->purge_size == 0 ? 16 : c->purge_size * 2;
        uint32_t *purge = realloc(c->purge, size * sizeof *purge);
        if (purge == NULL)
            return false;
        c->purge = purge;
        c->purge_size = size;
    }
    c->purge[c->purge_count++] = id;
    return true;
}

void origin_purge_later(struct core *c, struct origin *o) {
    if (o->purging)
        return;
    o->purging = purge_push(c, o->id);
    if (!o->purging)
        core_fail(c, "out of memory for an origin");
}

void origin_park(struct core *c, struct now now, struct origin *o, Trawl__State state,
                 const char *reason) {
    if (o->parked != TRAWL__STATE__PENDING)
        return;
    if (!host_park(&c->hosts, o, state, reason)) {
        core_fail(c, "out of memory for an origin");
        return;
    }
    core_tell(c, CORE_ORIGIN_PARKED, o->name, reason);
    origin_purge_later(c, o);
    origin_put(c, o);
    origin_changed(c, now, o);
}

/* What is left of its queue stays queued: origins_purge() leaves it alone. */
void origin_unpark(struct core *c, struct now now, struct origin *o) {
    host_unpark(&c->hosts, o);
    origin_put(c, o);
    origin_changed(c, now, o);
}

/* One entry of a parked origin's queue meets its end. */
static void purge_entry(struct core *c, struct now now, struct origin *o, const Trawl__QueuedUrl *q,
                        struct queue_place place) {
    core_delete(c, record_queued(o->id, place));
    o->queued--;
    if (q->robots_for != 0) {
        guest_remove(o, q->fp);
        struct origin *host = awaits_robots(c, q->robots_for);
        if (host != NULL)
            robots_unreachable(c, now, host, false, o->reason);
        return;
    }
    Trawl__DoneUrl d = TRAWL__DONE_URL__INIT;
    d.origin = o->id;
    d.path = q->path;
    d.via = q->via;
    d.depth = q->depth;
    d.hops = q->hops;
    d.seed = q->seed;
    d.sitemap = q->sitemap;
    d.attempts = q->attempts;
    d.tries = q->tries;
    d.n_tries = q->n_tries;
    d.state = o->parked;
    d.reason = o->reason;
    frontier_put_done(c, q->fp, &d);
    depths_ended(c, q->fp, q->depth, q->hops);
    c->by_state[TRAWL__STATE__PENDING]--;
    o->done++;
    o->errors += o->parked == TRAWL__STATE__FAILED;
}

/* The entry at that place, in the record arena. NULL: it cannot be read, and the core has failed. */
static Trawl__QueuedUrl *read_entry(struct core *c, const void *value, size_t len) {
    arena_reset(&c->record);
    Trawl__QueuedUrl *q = wire_unpack(&c->record, &trawl__queued_url__descriptor, value, len);
    if (q == NULL)
        core_fail(c, "a queue entry of the crawldb cannot be read");
    return q;
}

/* One that waits for another origin's robots.txt. */
static void purge_guest(struct core *c, struct now now, struct origin *o, uint64_t seq) {
    struct queue_place place = {.depth = 0, .seq = seq};
    struct record_key key = record_queued(o->id, place);

    if (!core_flush(c))
        return;
    buf_reset(&c->value);
    if (store_get(c->store, key.bytes, key.len, &c->value) != STORE_FOUND)
        core_fail(c, "a queue entry of the crawldb cannot be read");
    Trawl__QueuedUrl *q = c->failed ? NULL : read_entry(c, c->value.data, c->value.len);
    if (q != NULL)
        purge_entry(c, now, o, q, place);
}

/* Behind the cursor lies all that is not leased; what comes back sets it back. So nobody has to read over what was purged
 * before, which a store may take long for. */
static void purge_pages(struct core *c, struct now now, struct origin *o) {
    struct record_key prefix = record_queue_of(o->id), from = record_queued(o->id, host_cursor(o));
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, from.bytes, from.len);

    if (iter == NULL)
        core_fail(c, "cannot read the queue");
    for (; iter != NULL && !c->failed && store_iter_valid(iter); store_iter_next(iter)) {
        size_t key_len, value_len;
        uint32_t id;
        struct queue_place place;
        const void *key = store_iter_key(iter, &key_len);
        const void *value = store_iter_value(iter, &value_len);
        Trawl__QueuedUrl *q = read_entry(c, value, value_len);

        if (q == NULL)
            break;
        if (!record_parse_queued(key, key_len, &id, &place)) {
            core_fail(c, "a queue entry of the crawldb cannot be read");
            break;
        }
        if (q->robots_for == 0 && lease_item(&c->leases, q->fp) == NULL)
            purge_entry(c, now, o, q, place);
        host_set_cursor(o, (struct queue_place){.depth = place.depth, .seq = place.seq + 1});
        if (!turn_left(c))
            break;
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the queue");
}

/* What is leased comes back first. */
static void purge_origin(struct core *c, struct now now, struct origin *o) {
    const struct guest *g;

    while (!c->failed && (g = guest_first(o)) != NULL) {
        purge_guest(c, now, o, g->seq);
        if (!turn_left(c))
            return;
    }
    if (!c->failed && core_flush(c) && o->queued > o->leased)
        purge_pages(c, now, o);
}

/* One after the other, round and round: some wait for what is leased of them. */
void origins_purge(struct core *c, struct now now) {
    for (size_t looks = c->purge_count; looks > 0 && !c->failed; looks--) {
        size_t at = c->purge_next < c->purge_count ? c->purge_next : 0;
        struct origin *o = host_by_id(&c->hosts, c->purge[at]);
        bool parked = o->parked != TRAWL__STATE__PENDING;

        work(WORK_STEP);
        if (parked && o->queued > o->leased)
            purge_origin(c, now, o);
        c->purge_next = at + 1;
        if (!parked || o->queued == 0) {
            o->purging = false;
            c->purge[at] = c->purge[--c->purge_count];
            c->purge_next = at;
        }
        if (!turn_left(c))
            return;
    }
}

/* ---- trouble ---------------------------------------------------------------------------------------------- */

void origin_reached(struct core *c, struct origin *o) {
    if (o->failures == 0)
        return;
    o->failures = 0;
    origin_put(c, o);
}

/* Doubles from rest to rest. Up to a quarter more, so that origins that failed together do not return together. */
static uint32_t backoff_ms(const struct core *c, const struct origin *o) {
    uint32_t doublings = o->failures < 16 ? o->failures : 16;
    const uint32_t incident[2] = {o->id, o->failures};
    uint32_t pause = (uint32_t)LIMIT_BACKOFF_FIRST_MS << doublings;

    if (pause > LIMIT_BACKOFF_MAX_MS)
        pause = LIMIT_BACKOFF_MAX_MS;
    return pause + (uint32_t)(fingerprint(c->key, incident, sizeof incident) % (pause / 4));
}

/* How many rests in a row are too many. */
static uint32_t failures_max(const struct core *c, const struct origin *o, bool failing) {
    if (o->robots_state == HOST_ROBOTS_KNOWN)
        return LIMIT_ORIGIN_FAILURES;
    return failing ? LIMIT_ROBOTS_FAILURES : c->options->retries;
}

/* Without its robots.txt the error says what is needed. */
static void name_trouble(char out[ORIGIN_REASON_BYTES], bool failing, const char *error) {
    const char *word = failing ? "origin-failing: " : "origin-unreachable: ";

    snprintf(out, ORIGIN_REASON_BYTES, "%s%s",
             strncmp(error, "robots-unreachable", 18) == 0 ? "" : word, error);
}

void origin_rest(struct core *c, struct now now, struct origin *o, uint32_t ms) {
    if (ms > LIMIT_SERVER_DELAY_MS)
        ms = LIMIT_SERVER_DELAY_MS;
#ifdef MUTANT_NO_REST
    ms = 1;
#endif
    if (o->rest_until_ms < now.mono_ms + ms) {
        o->rest_until_ms = now.mono_ms + ms;
        o->rest_until_unix_ms = now.unix_ms + ms;
        o->rest_ms = ms;
    }
    if (o->rest_until_ms > o->free_at_ms)
        o->free_at_ms = o->rest_until_ms;
    origin_put(c, o);
    origin_changed(c, now, o);
}

void origin_unreachable(struct core *c, struct now now, struct origin *o, uint64_t attempt,
                        bool failing, uint32_t asked_ms, const char *error) {
    bool resting = o->rest_until_ms > now.mono_ms;
    bool told = attempt != 0 && attempt <= o->judged_attempt;
    char reason[ORIGIN_REASON_BYTES];

    /* Several visits of one origin meet the same trouble, and a visit that was attached after a restart tells it
     * again: it counts once. */
    if (attempt > o->judged_attempt)
        o->judged_attempt = attempt;
    if (resting || told) {
        origin_rest(c, now, o, asked_ms);
        return;
    }
    uint32_t pause = backoff_ms(c, o);
    if (++o->failures >= failures_max(c, o, failing)) {
        name_trouble(reason, failing, error);
        origin_park(c, now, o, TRAWL__STATE__FAILED, reason);
        return;
    }
    origin_rest(c, now, o, asked_ms > pause ? asked_ms : pause);
}

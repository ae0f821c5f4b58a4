#include "master/core.h"

#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/depths.h"
#include "master/forget.h"
#include "master/turn.h"
#include "master/verdicts.h"
#include "master/why.h"
#include "shared/limits.h"
#include "shared/work.h"

enum {
    JOB_HEARD_MS = 1000, /* for whoever runs a job, to hear of its end */
    SURVEY_A_TICK = 2000,
};

/* ---- writing ---------------------------------------------------------------------------------------------- */

void core_fail(struct core *c, const char *what) {
    if (c->failed)
        return;
    c->failed = true;
    if (c->failure.text[0] == '\0')
        error_set(&c->failure, 0, "%s", what);
}

void core_put(struct core *c, struct record_key key, const ProtobufCMessage *value) {
    struct buf packed;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (!wire_pack(&packed, value) ||
        !batch_put(&c->batch, key.bytes, key.len, packed.data, packed.len))
        core_fail(c, "out of memory for a batch");
    buf_release(&packed);
}

void core_put_number(struct core *c, const char *name, uint64_t n) {
    struct record_key key = record_meta(name);
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(n >> (8 * (sizeof bytes - 1 - i)));
    if (!batch_put(&c->batch, key.bytes, key.len, bytes, sizeof bytes))
        core_fail(c, "out of memory for a batch");
}

void core_delete(struct core *c, struct record_key key) {
    if (!batch_delete(&c->batch, key.bytes, key.len))
        core_fail(c, "out of memory for a batch");
}

bool core_flush(struct core *c) {
    uint64_t seq;

    committed_put(c);
    if (c->failed)
        return false;
    if (batch_count(&c->batch) > 0 && !store_write(c->store, &c->batch, &seq, &c->failure))
        core_fail(c, "cannot write the crawldb");
    batch_reset(&c->batch);
    return !c->failed;
}

uint64_t core_number(struct core *c, struct counter *counter) {
    if (counter->next >= counter->limit) {
        counter->limit = counter->next + counter->block;
        core_put_number(c, counter->name, counter->limit);
        if (counter == &c->seqs)
            core_put_number(c, "known", seen_count(c->seen));
    }
    return counter->next++;
}

void core_number_used(struct counter *counter, uint64_t n) {
    if (n >= counter->next)
        counter->next = n + 1;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

void *core_read(struct core *c, struct record_key key, const ProtobufCMessageDescriptor *type) {
    buf_reset(&c->value);
    enum store_result result = store_get(c->store, key.bytes, key.len, &c->value);
    if (result == STORE_FAILED)
        core_fail(c, "the crawldb cannot be read");
    if (result != STORE_FOUND)
        return NULL;
    arena_reset(&c->record);
    void *m = wire_unpack(&c->record, type, c->value.data, c->value.len);
    if (m == NULL)
        core_fail(c, "a record of the crawldb cannot be read");
    return m;
}

/* ---- the course of the crawl ------------------------------------------------------------------------------- */

/* Whoever did not attach, or not with all it held before, may have sent a request up to now: every origin
 * rests for its delay from here. */
void core_check_grace(struct core *c, struct now now) {
    if (!c->in_grace || (c->leases.unattached > 0 && now.mono_ms < c->grace_until_ms))
        return;
    c->in_grace = false;
    host_rest_all(&c->hosts, now.mono_ms, false);
}

void core_thaw(struct core *c, struct now now) {
    while (host_thaw(&c->hosts, now.mono_ms) && turn_left(c))
        ;
}

static void set_stopping(struct core *c, struct now now, const char *why) {
    if (c->state != CORE_STOPPING)
        c->stopping_ms = now.mono_ms;
    c->state = CORE_STOPPING;
    c->why = why;
}

void core_begin_stop(struct core *c, struct now now, const char *why) {
    if (c->state == CORE_ENDED || c->stop_asked)
        return;
    c->stop_asked = true;
    if (c->state != CORE_STOPPING)
        set_stopping(c, now, why);
}

static const char *limit_reached(const struct core *c, struct now now) {
    const struct options *o = c->options;

    if (o->max_bytes > 0 && c->bytes >= o->max_bytes)
        return "--max-bytes reached";
    if (o->max_time_ms > 0 && (uint64_t)(now.mono_ms - c->started_ms) >= o->max_time_ms)
        return "--max-time reached";
    if (o->max_pages > 0 && c->by_state[TRAWL__STATE__FETCHED] >= o->max_pages)
        return "--max-pages reached";
    return NULL;
}

/* No visit, and none to come of what is queued. */
static bool idle(const struct core *c) {
    return c->leases.in_flight.count == 0 && c->leases.visits == 0 && host_active(&c->hosts) == 0 &&
           c->purge_count == 0;
}

static bool nothing_left(const struct core *c) {
    return idle(c) && !verdicts_pending(c) && !depths_pending(c) && c->forgetting == 0;
}

static const char host_limit[] = "--max-pages-per-host reached";
static const char depth_limit[] = "--max-depth reached";

/* What keeps what is left from being granted. NULL: not known yet. With both limits the origins are looked at, a slice at a
 * time: nothing happens to them meanwhile, or `looked` is 0 again. */
static const char *why_empty(struct core *c) {
    bool found = false;

    if (c->by_state[TRAWL__STATE__PENDING] == 0)
        return "frontier empty";
    if (!c->options->max_depth_set || c->options->max_pages_per_host == 0)
        return c->options->max_depth_set ? depth_limit : host_limit;
    do {
        if (c->looked == c->hosts.count)
            return depth_limit;
        const struct origin *o = c->hosts.by_id[c->looked++];
        work(WORK_STEP);
        found = o != NULL && host_is_full(&c->hosts, o);
    } while (!found && turn_left(c));
    return found ? host_limit : NULL;
}

void core_check_end(struct core *c, struct now now) {
    bool running = c->state == CORE_RUNNING, stopping = c->state == CORE_STOPPING && !c->stop_asked;

    if ((!running && !stopping) || c->in_grace || c->options->jobs_only)
        return;
    const char *limit = limit_reached(c, now);
    bool empty = limit == NULL && nothing_left(c) && !c->options->keep;
    const char *why = limit;
    if (running && empty)
        why = why_empty(c);
    else
        c->looked = 0;
    if (running && why != NULL) {
        set_stopping(c, now, why);
    } else if (stopping && limit == NULL && !empty) {
        c->state = CORE_RUNNING;
        c->why = NULL;
    }
}

/* Jobs outlast the crawl. */
Trawl__Phase core_phase_for(const struct core *c, const struct session *s) {
    bool wanted = s->tasks > 0 && c->jobs.running > 0;

    if ((c->state == CORE_STOPPING || c->state == CORE_ENDED) && !wanted)
        return TRAWL__PHASE__FINISHED;
    if (s->worker->draining)
        return TRAWL__PHASE__DRAINING;
    if (s->tasks > 0)
        return TRAWL__PHASE__RUNNING;
    return c->state == CORE_PAUSED ? TRAWL__PHASE__PAUSED : TRAWL__PHASE__RUNNING;
}

/* A master of a crawl that has ended waits for its jobs, but not for ever: a job for which nobody has run tasks for a
 * lease of time goes on when the master is started again. A master for jobs alone is told when to end. */
static bool wants_to_stay(const struct core *c, struct now now) {
    int64_t since = c->tasked_ms > c->stopping_ms ? c->tasked_ms : c->stopping_ms;

    if (c->options->jobs_only)
        return c->jobs.running > 0;
    if (c->jobs.running > 0)
        return c->leases.slots > 0 || now.mono_ms - since < c->leases.lease_ms;
    return now.mono_ms - c->job_over_ms < JOB_HEARD_MS;
}

/* Lost workers get one lease of time to come back and seal what they left open. */
static bool all_left(const struct core *c, struct now now) {
    if (c->leases.sessions.count > 0 || wants_to_stay(c, now))
        return false;
    return c->unsealed == 0 || now.mono_ms - c->stopping_ms >= c->leases.lease_ms;
}

static void tick(struct core *c, struct now now) {
    session_expire(c, now);
    session_let_go(c, now);
    core_check_grace(c, now);
    if (c->leases.slots > 0)
        c->tasked_ms = now.mono_ms;
    if (!core_flush(c))
        return;
    core_thaw(c, now);
    for (size_t i = 0; i < SURVEY_A_TICK && host_survey(&c->hosts); i++)
        ;
    origins_purge(c, now);
    forget_tick(c, now);
    if (!core_flush(c))
        return;
    depths_tick(c, now);
    if (!c->failed)
        verdicts_tick(c, now, idle(c));
    if (c->failed)
        return;
    core_check_end(c, now);
    if (c->state == CORE_STOPPING && all_left(c, now))
        c->state = CORE_ENDED;
}

void core_tick(struct core *c, struct now now) {
    turn_begin(c);
    if (!c->failed)
        tick(c, now);
    turn_end(c);
}

int64_t core_next_ms(const struct core *c, struct now now) {
    int64_t next = lease_next_ms(&c->leases);
    int64_t cool = host_next_ms(&c->hosts);

    if (c->purge_count > 0 || depths_pending(c) || c->forgetting > 0 || c->leases.ending != NULL ||
        c->looked > 0)
        return now.mono_ms;
    if (cool < next)
        next = cool;
    if (verdicts_next_ms(c) < next)
        next = verdicts_next_ms(c);
    return next < now.mono_ms + 1000 ? next : now.mono_ms + 1000;
}

void core_stop(struct core *c, struct now now, const char *why) {
    core_begin_stop(c, now, why);
}

struct core_orders core_orders(const struct core *c) {
    return (struct core_orders){.paused = c->state == CORE_PAUSED,
                                .stopped = c->stop_asked ? c->why : NULL};
}

void core_obey(struct core *c, struct now now, struct core_orders orders) {
    if (orders.paused)
        c->state = CORE_PAUSED;
    if (orders.stopped != NULL)
        core_begin_stop(c, now, orders.stopped);
}

bool core_wants_worker(const struct core *c, const char *name) {
    const struct worker *w = lease_worker(&c->leases, name);

    return (c->state == CORE_RUNNING || c->state == CORE_PAUSED) && (w == NULL || !w->draining);
}

/* What the user names, taken in as `d` says; the caller writes it. */
static bool take_named(struct core *c, struct now now, const char *url, size_t len,
                       struct discovery d, struct error *err) {
    struct url u;

    url_init(&u);
    enum url_result result = url_parse_octets(&u, url, len, NULL);
    if (result == URL_NO_MEMORY) {
        core_fail(c, "out of memory for a URL");
    } else if (result != URL_OK || !url_is_http(&u) || u.href_len > LIMIT_URL_BYTES) {
        error_set(err, 0, "%.*s is not a URL to crawl: http://HOST/... or https://HOST/... is",
                  (int)(len < 200 ? len : 200), url);
        url_release(&u);
        return false;
    } else {
        url_canonicalise(&u);
        if (d.seed)
            load_add_seed(c, &u);
        if (!c->failed)
            frontier_name(c, now, u.href, u.href_len, d);
    }
    if (c->failed)
        *err = c->failure;
    url_release(&u);
    return !c->failed;
}

bool core_take_seed(struct core *c, struct now now, const char *url, size_t len,
                    struct error *err) {
    return take_named(c, now, url, len, (struct discovery){.seed = true}, err);
}

static bool write_named(struct core *c, struct now now, struct error *err) {
    bool ok = core_flush(c);

    if (ok && c->state == CORE_STOPPING)
        core_check_end(c, now);
    if (!ok)
        *err = c->failure;
    return ok;
}

bool core_seed(struct core *c, struct now now, const char *url, size_t len, struct error *err) {
    return core_take_seed(c, now, url, len, err) && write_named(c, now, err);
}

bool core_sitemap(struct core *c, struct now now, const char *url, size_t len, struct error *err) {
    return take_named(c, now, url, len, (struct discovery){.sitemap = 1, .named = true}, err) &&
           write_named(c, now, err);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

/* The session that the request speaks for; NULL: answered already. */
static struct session *find_session(struct core *c, const Trawl__Request *r, Trawl__Reply *reply) {
    struct session *s = lease_session(&c->leases, r->session);

    if (s == NULL) {
        reply->code = TRAWL__CODE__UNKNOWN_SESSION;
        return NULL;
    }
    /* Other options than it was told: it drops what it holds, and takes them with its registration. Until then, or the end
     * of its leases by the terms that it knows, nothing is granted (C6). */
    if (s->other_terms && r->body_case != TRAWL__REQUEST__BODY_LEAVE) {
        reply->code = TRAWL__CODE__UNKNOWN_SESSION;
        return NULL;
    }
    /* An attachment names the term it means: one that was meant for an earlier restart and comes late tells
     * of leases that may be over. */
    bool attach = r->body_case == TRAWL__REQUEST__BODY_ATTACH;
    if (r->term != c->term || (!s->attached && !attach)) {
        reply->code = TRAWL__CODE__RESTARTED;
        return NULL;
    }
    return s;
}

/* A repeat of the session's last exchange or attachment gets the same bytes again. */
static bool repeated(const struct session *s, const Trawl__Request *r) {
    if (s->last_reply.len == 0)
        return false;
#ifdef MUTANT_COMMIT_TWICE
    return false;
#endif
    if (r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        return s->attached && s->last_number > 0 && r->exchange->number == s->last_number;
    return r->body_case == TRAWL__REQUEST__BODY_ATTACH && s->attached && s->last_number == 0;
}

static void handle_session(struct core *c, struct now now, struct session *s,
                           const Trawl__Request *r, Trawl__Reply *reply) {
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_ATTACH:
        session_attach(c, now, s, r->attach, reply);
        break;
    case TRAWL__REQUEST__BODY_HEARTBEAT:
        session_heartbeat(c, now, s, r->heartbeat, reply);
        break;
    case TRAWL__REQUEST__BODY_EXCHANGE:
        exchange_handle(c, now, s, r->exchange, reply);
        break;
    case TRAWL__REQUEST__BODY_LEAVE:
        meter_told(c, s->worker, r->leave->cost_us, r->leave->n_cost_us);
        if (r->leave->trouble[0] != '\0')
            session_trouble(c, s, r->leave->trouble);
        session_end(c, now, s, SESSION_LEFT);
        core_check_end(c, now);
        break;
    default:
        break;
    }
}

static void handle_status(struct core *c, struct now now, Trawl__Reply *reply) {
    Trawl__StatusReply *m = arena_alloc(&c->arena, sizeof *m);

    buf_reset(&c->value);
    if (m == NULL || !core_status_json(c, now, &c->value)) {
        core_fail(c, "out of memory for the status");
        return;
    }
    trawl__status_reply__init(m);
    m->json = arena_copy(&c->arena, c->value.data, c->value.len);
    reply->body_case = TRAWL__REPLY__BODY_STATUS;
    reply->status = m;
}

/* So many queue entries and seeds are looked at for one question: others wait meanwhile. */
enum { WHY_QUEUE_MAX = 10000, WHY_SEEDS_MAX = 1000 };

static bool is_seen(void *arg, const char *url, size_t len) {
    const struct core *c = arg;

    return seen_has(c->seen, frontier_fingerprint(c, url, len));
}

static uint32_t origin_number(void *arg, const char *name, size_t len) {
    const struct core *c = arg;
    const struct origin *o = host_find(&c->hosts, name, len);

    return o == NULL ? 0 : o->id;
}

static enum scope_verdict scope_of(void *arg, const struct url *url) {
    const struct core *c = arg;

    return scope_check(c->scope, url);
}

static void handle_why(struct core *c, const Trawl__Why *why, Trawl__Reply *reply) {
    const struct why_source source = {.store = c->store,
                                      .options = c->options,
                                      .queue_max = WHY_QUEUE_MAX,
                                      .seen = is_seen,
                                      .origin = origin_number,
                                      .scope = scope_of,
                                      .seeds_max = WHY_SEEDS_MAX,
                                      .arg = c};
    Trawl__WhyReply *m = arena_alloc(&c->arena, sizeof *m);
    struct error err = {0};
    struct buf json;

    if (m == NULL || !core_flush(c))
        return;
    buf_init(&json, LIMIT_WIRE_BYTES / 2);
    if (why_tell(&source, (const char *)why->url.data, why->url.len, &json, &err)) {
        trawl__why_reply__init(m);
        m->json = arena_printf(&c->arena, "%.*s", (int)json.len, json.data);
        reply->body_case = TRAWL__REPLY__BODY_WHY;
        reply->why = m;
        if (m->json == NULL)
            core_fail(c, "out of memory for a reply");
    } else {
        reply->code = TRAWL__CODE__REFUSED;
        reply->error = arena_printf(&c->arena, "%s", err.text);
        if (store_failed(c->store, NULL))
            core_fail(c, "the crawldb cannot be read");
    }
    buf_release(&json);
}

/* Of the crawl, which a master for jobs alone has not loaded. */
static bool about_pages(const Trawl__Request *r) {
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_SEGMENT_QUERY:
    case TRAWL__REQUEST__BODY_SEGMENT_SEAL:
    case TRAWL__REQUEST__BODY_WHY:
        return true;
    case TRAWL__REQUEST__BODY_CONTROL:
        return r->control->verb != TRAWL__VERB__STOP && r->control->verb != TRAWL__VERB__DRAIN;
    default:
        return false;
    }
}

static void handle(struct core *c, struct now now, const Trawl__Request *r, const char *peer,
                   struct session *s, Trawl__Reply *reply) {
    if (c->options->jobs_only && about_pages(r)) {
        reply->code = TRAWL__CODE__REFUSED;
        reply->error = "this master has no crawl, only jobs";
        return;
    }
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_REGISTER:
        session_register(c, now, r->register_, peer, reply);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_QUERY:
        segment_query(c, now, r->segment_query, reply);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_SEAL:
        segment_seal(c, now, r->segment_seal, reply);
        break;
    case TRAWL__REQUEST__BODY_STATUS:
        handle_status(c, now, reply);
        break;
    case TRAWL__REQUEST__BODY_WHY:
        handle_why(c, r->why, reply);
        break;
    case TRAWL__REQUEST__BODY_CONTROL:
        control_handle(c, now, r->control, reply);
        break;
    case TRAWL__REQUEST__BODY_JOB_RUN:
        job_run(c, now, r->job_run, reply);
        break;
    case TRAWL__REQUEST__BODY_JOB_QUERY:
        job_query(c, r->job_query, reply);
        break;
    case TRAWL__REQUEST__BODY_JOB_CANCEL:
        job_cancel(c, now, r->job_cancel, reply);
        break;
    default:
        handle_session(c, now, s, r, reply);
        break;
    }
}

static bool needs_session(const Trawl__Request *r) {
    return r->body_case == TRAWL__REQUEST__BODY_ATTACH ||
           r->body_case == TRAWL__REQUEST__BODY_HEARTBEAT ||
           r->body_case == TRAWL__REQUEST__BODY_EXCHANGE ||
           r->body_case == TRAWL__REQUEST__BODY_LEAVE;
}

/* Answers to workers are built under a budget (proto/budget.h). Of anything else that was asked for more may be known
 * than a message can tell: whoever asked is told that, and the core goes on. */
static void refuse_too_large(Trawl__Reply *reply) {
    const Trawl__Reply empty = TRAWL__REPLY__INIT;

    *reply = empty;
    reply->code = TRAWL__CODE__REFUSED;
    reply->error = "the answer is larger than a message may be";
}

static void pack_reply(struct core *c, Trawl__Reply *reply, struct buf *out) {
    reply->version = WIRE_VERSION;
    reply->term = c->term;
    if (wire_pack(out, &reply->base) && out->len <= LIMIT_RPC_BYTES)
        return;
    if (protobuf_c_message_get_packed_size(&reply->base) <= LIMIT_RPC_BYTES) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    buf_reset(out);
    refuse_too_large(reply);
    reply->version = WIRE_VERSION;
    reply->term = c->term;
    if (!wire_pack(out, &reply->base))
        core_fail(c, "out of memory for a reply");
}

/* Of a void core nothing may be told but that. */
static void pack_busy(struct core *c, struct buf *out) {
    Trawl__Reply busy = TRAWL__REPLY__INIT;

    buf_reset(out);
    busy.code = TRAWL__CODE__BUSY;
    busy.error = c->failure.text;
    busy.version = WIRE_VERSION;
    (void)wire_pack(out, &busy.base);
}

static bool remember(struct session *s, const struct buf *reply) {
    buf_reset(&s->last_reply);
    return buf_append(&s->last_reply, reply->data, reply->len);
}

/* Answers within the core; false: the reply is to be packed from `reply` as it stands. */
static void dispatch(struct core *c, struct now now, const Trawl__Request *r, const char *peer,
                     struct buf *out) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    struct session *s = NULL;
    const char *too_large;

    if (r->version != WIRE_VERSION) {
        reply.code = TRAWL__CODE__VERSION;
        reply.error = arena_printf(&c->arena, "protocol version %u is spoken here, not %u",
                                   WIRE_VERSION, r->version);
    } else if (r->body_case == TRAWL__REQUEST__BODY__NOT_SET) {
        reply.code = TRAWL__CODE__BAD_REQUEST;
        reply.error = "a request without a body";
    } else if ((too_large = request_too_large(r)) != NULL) {
        reply.code = TRAWL__CODE__BAD_REQUEST;
        reply.error = (char *)too_large;
    } else if (!needs_session(r)) {
        handle(c, now, r, peer, NULL, &reply);
    } else if ((s = find_session(c, r, &reply)) != NULL) {
        if (repeated(s, r)) {
            if (!buf_append(out, s->last_reply.data, s->last_reply.len))
                core_fail(c, "out of memory for a reply");
            return;
        }
        handle(c, now, r, peer, s, &reply);
    }
    /* An answer that is not whole is none. */
    if (c->arena.full)
        refuse_too_large(&reply);
    else if (c->arena.failed)
        core_fail(c, "out of memory for a reply");
    if (!core_flush(c))
        return;
    pack_reply(c, &reply, out);
    bool keep = r->body_case == TRAWL__REQUEST__BODY_EXCHANGE ||
                r->body_case == TRAWL__REQUEST__BODY_ATTACH;
    if (keep && s != NULL && !c->failed && reply.code == TRAWL__CODE__OK && !remember(s, out))
        core_fail(c, "out of memory for a reply");
}

enum core_when core_request(struct core *c, struct now now, const Trawl__Request *request,
                            const char *peer, struct buf *reply) {
    turn_begin(c);
    buf_reset(reply);
    arena_reset(&c->arena);
    if (!c->failed)
        dispatch(c, now, request, peer, reply);
    turn_end(c);
    if (c->failed) {
        pack_busy(c, reply);
        return CORE_AT_ONCE;
    }
#ifdef MUTANT_ACK_BEFORE_SYNC
    return CORE_AT_ONCE;
#endif
    return request->body_case == TRAWL__REQUEST__BODY_HEARTBEAT ||
                   request->body_case == TRAWL__REQUEST__BODY_STATUS
               ? CORE_AT_ONCE
               : CORE_AFTER_SYNC;
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

static struct host_rules rules_of(const struct options *o) {
    return (struct host_rules){.delay_ms = o->delay_ms,
                               .host_connections = o->host_connections,
                               .ip_connections = o->ip_connections,
                               .max_pages = o->max_pages_per_host};
}

struct core *core_new(const struct options *options, struct store *store, struct now now,
                      const unsigned char random16[16], struct error *err) {
    struct core *c = calloc(1, sizeof *c);

    if (c == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    c->options = options;
    c->store = store;
    c->message_bytes = options->message_bytes > 0 ? options->message_bytes : LIMIT_MESSAGE_BYTES;
    c->slice_work = options->slice_work > 0 ? options->slice_work : LIMIT_SLICE_WORK;
    c->rules_bytes = options->rules_bytes > 0 ? options->rules_bytes : LIMIT_RULES_BYTES;
    c->state = CORE_RUNNING;
    c->started_ms = now.mono_ms;
    c->job_over_ms = now.mono_ms - JOB_HEARD_MS;
    batch_init(&c->batch);
    host_table_init(&c->hosts, rules_of(options));
    lease_table_init(&c->leases, options->lease_ms);
    job_table_init(&c->jobs);
    map_init(&c->segments_by_id);
    map_init(&c->segments_by_name);
    arena_init(&c->arena, LIMIT_ARENA_BYTES);
    arena_init(&c->record, LIMIT_ARENA_BYTES);
    buf_init(&c->value, LIMIT_WIRE_BYTES);
    buf_init(&c->stripped, LIMIT_URL_BYTES);
    url_init(&c->url);
    c->seen = seen_new();
    c->scope = scope_new(options, err);
    if (c->scope == NULL)
        goto fail;
    /* In full: then a link that cannot be stripped has nothing to be stripped of. */
    if (c->seen == NULL || !traps_init(c) || !buf_reserve(&c->stripped, LIMIT_URL_BYTES)) {
        error_set(err, 0, "out of memory");
        goto fail;
    }
    if (load_crawl(c, now, random16))
        return c;
    if (err != NULL)
        *err = c->failure;
fail:
    core_free(c);
    return NULL;
}

void core_free(struct core *c) {
    if (c == NULL)
        return;
    batch_release(&c->batch);
    committed_notes_release(&c->committed);
    host_table_release(&c->hosts);
    job_table_release(&c->jobs); /* its tasks are in lists of workers */
    lease_table_release(&c->leases);
    segments_release(c);
    arena_release(&c->arena);
    arena_release(&c->record);
    buf_release(&c->value);
    buf_release(&c->stripped);
    traps_release(c);
    depths_release(c);
    url_release(&c->url);
    seen_free(c->seen);
    scope_free(c->scope);
    free(c->purge);
    free(c);
}

void core_listen(struct core *c, core_listener *listener, void *arg) {
    c->listener = listener;
    c->listener_arg = arg;
}

void core_tell(struct core *c, enum core_event event, const char *name, const char *why) {
    if (c->listener != NULL)
        c->listener(c->listener_arg, event, name, why);
}

enum core_state core_state(const struct core *c) {
    return c->state;
}

const char *core_why(const struct core *c) {
    return c->why;
}

bool core_failed(const struct core *c, struct error *err) {
    if (c->failed && err != NULL)
        *err = c->failure;
    return c->failed;
}

/* session: fetch loops come, prove that they live, and go. */
#include <stdio.h>
#include <string.h>

#include "master/claim.h"
#include "master/core_state.h"
#include "master/trial.h"
#include "master/turn.h"
#include "shared/fingerprint.h"
#include "shared/limits.h"
#include "shared/parse.h"
#include "shared/work.h"

enum { STALL_FACTOR = 2 };

static Trawl__Options *options_message(struct core *c) {
    const struct options *o = c->options;
    Trawl__Options *m = arena_alloc(&c->arena, sizeof *m);

    if (m == NULL)
        return NULL;
    trawl__options__init(m);
    m->heartbeat_ms = o->heartbeat_ms;
    m->lease_ms = o->lease_ms;
    m->user_agent = o->user_agent;
    m->robots_ignore = o->robots_ignore;
    m->cookies = o->cookies;
    m->allow_net = o->allow_net.items;
    m->n_allow_net = o->allow_net.count;
    m->timeout_ms = o->timeout_ms;
    m->max_body_bytes = o->max_body_bytes;
    m->retries = o->retries;
    m->warc_bytes = o->warc_bytes;
    m->follow = (uint32_t)o->follow;
    m->warc_level = o->warc_level;
    m->sitemaps = !o->sitemaps_off;
    m->tell_all = o->max_depth_set;
    m->crawl = c->crawl;
    return m;
}

/* What a worker is not told of once and for all, but with each grant: leases that were granted under others do not go
 * on, either. */
static bool append_granted(const struct options *o, struct buf *terms) {
    const uint32_t granted[] = {o->delay_ms, o->host_connections, o->ip_connections};

    return buf_append(terms, granted, sizeof granted);
}

uint64_t session_terms(struct core *c) {
    struct buf packed;
    const Trawl__Options *m = options_message(c);
    uint64_t terms = 0;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (m == NULL || !wire_pack(&packed, &m->base) || !append_granted(c->options, &packed))
        core_fail(c, "out of memory for the options");
    else
        terms = fingerprint(c->key, packed.data, packed.len);
    buf_release(&packed);
    return terms;
}

/* ---- back from a session ----------------------------------------------------------------------------- */

void session_take_back(struct core *c, struct now now, struct lease *l, int64_t last_request_ms) {
    struct origin *o = l->origin;
    int64_t rested = last_request_ms + host_delay_ms(&c->hosts, o);

    while (l->count > 0)
        frontier_give_back(c, l->items[l->count - 1]);
    if (rested > o->free_at_ms)
        o->free_at_ms = rested;
    host_unbook(&c->hosts, o, l->address, l->connections);
    trial_lease_ends(c, l);
    lease_free(&c->leases, l);
    if (!host_update(&c->hosts, o, now.mono_ms))
        core_fail(c, "out of memory for the queue of origins");
}

/* Written lease by lease: a worker may have thousands. */
static void take_back_lost(struct core *c, struct now now, struct lease *l, bool dead) {
    c->tasks_reassigned += l->count > 0 || l->task != NULL;
    if (l->task != NULL) {
        job_take_back(c, l);
        return;
    }
    if (l->trouble[0] != '\0')
        origin_unreachable(c, now, l->origin, l->attempt, l->failing, 0, l->trouble);
    if (dead && !c->failed)
        trial_lost(c, now, l);
    if (!c->failed)
        session_take_back(c, now, l, now.mono_ms);
    (void)core_flush(c);
}

/* It holds no lease any more. */
static void bury(struct core *c, struct session *s) {
    struct worker *w = s->worker;

    lease_session_free(&c->leases, s);
    if (w->sessions == 0 && w->ending == 0)
        trial_worker_gone(c, w);
}

void session_let_go(struct core *c, struct now now) {
    struct session *s;

    while (!c->failed && (s = c->leases.ending) != NULL) {
        if (s->leases != NULL)
            take_back_lost(c, now, s->leases, s->lost);
        else
            bury(c, s);
        if (!turn_left(c))
            return;
    }
}

/* The session is unknown from here on, and its leases wait for the end that each of them has: their origins are held, and
 * nothing of them is granted, so it does not matter when. After a crash they are all gone. */
void session_end(struct core *c, struct now now, struct session *s, enum session_gone how) {
    struct worker *w = s->worker;

    s->lost = how == SESSION_LOST;
    /* Of tasks there are few. */
    while (s->tasks > 0 && s->leases != NULL && !c->failed)
        take_back_lost(c, now, s->leases, s->lost);
    if (c->failed)
        return;
    core_delete(c, record_session(s->id));
    lease_session_close(&c->leases, s);
    const bool over = w->sessions == 0, lost = s->lost;
    if (w->tasker == NULL && how != SESSION_REPLACED)
        job_worker_gone(c, w);
    session_let_go(c, now);
    if (!over || c->failed)
        return;
    c->workers_lost += lost;
    core_tell(c, lost ? CORE_WORKER_LOST : CORE_WORKER_LEFT, w->name, NULL);
}

/* A lease may end while its session goes on: the worker gave it up unheard, or it was cancelled. */
static bool silent(const struct core *c, struct now now, const struct session *s) {
    if (s->closed)
        return s->lost;
    return now.mono_ms - s->renewed_ms > c->leases.lease_ms / 2;
}

/* Its holder lives but has reported nothing for far longer than any exchange may take. */
static bool stalled(const struct core *c, int64_t now_ms, const struct lease *l) {
    if (l->task != NULL || c->state != CORE_RUNNING)
        return false;
    int64_t patience = c->leases.lease_ms + STALL_FACTOR * ((int64_t)c->options->timeout_ms +
                                                            host_delay_ms(&c->hosts, l->origin));
    int64_t since = l->progress_ms > c->resumed_ms ? l->progress_ms : c->resumed_ms;
    return now_ms - since > patience;
}

/* Each lease is looked at at least once a lease of time. False: none is due. */
static bool look_at_due(struct core *c, struct now now) {
    struct lease *l = lease_due(&c->leases, now.mono_ms);

    if (l == NULL)
        return false;
    work(WORK_RECORD);
    if (l->renewed_ms + c->leases.lease_ms <= now.mono_ms) {
        take_back_lost(c, now, l, silent(c, now, l->session));
        return true;
    }
    l->cancelled = l->cancelled || stalled(c, now.mono_ms, l);
    lease_defer(&c->leases, l);
    return true;
}

/* What is over is taken back later if there is much of it: until then nobody else has it. */
void session_expire(struct core *c, struct now now) {
    struct session *s;

    while (!c->failed && look_at_due(c, now) && turn_left(c))
        ;
    while (!c->failed && (s = lease_session_due(&c->leases, now.mono_ms)) != NULL) {
        session_end(c, now, s, SESSION_LOST);
        if (!turn_left(c))
            return;
    }
}

/* ---- register ------------------------------------------------------------------------------------------ */

static bool name_valid(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n > 0 && n <= LIMIT_WORKER_NAME_BYTES && name[n] == '\0' && name[0] != '.';
}

/* Whatever ran before under this name is dead. */
static void supersede(struct core *c, struct now now, struct worker *w) {
    while (!c->failed && w->first != NULL)
        session_end(c, now, w->first, SESSION_LOST);
}

static struct session *session_new(struct core *c, struct now now, struct worker *w,
                                   const Trawl__Register *r, const char *peer) {
    Trawl__StoredSession stored = TRAWL__STORED_SESSION__INIT;
    uint64_t id = core_number(c, &c->sessions);
    struct session *s = lease_session_add(&c->leases, id, w, r->loop, r->tasks, true, now.mono_ms);

    if (s == NULL) {
        core_fail(c, "out of memory for a session");
        return NULL;
    }
    s->serial = r->serial;
    snprintf(s->peer, sizeof s->peer, "%s", peer == NULL ? "" : peer);
    snprintf(s->serve, sizeof s->serve, "%s", r->serve);
    stored.worker = w->name;
    stored.instance = r->instance;
    stored.incarnation = r->incarnation;
    stored.process = r->process;
    stored.place = r->place;
    stored.loop = r->loop;
    stored.loops = r->loops;
    stored.serial = r->serial;
    stored.tasks = r->tasks;
    stored.serve = r->serve;
    stored.terms = session_terms(c);
    stored.lease_ms = c->options->lease_ms;
    core_put(c, record_session(id), &stored.base);
    return s;
}

static struct session *session_of_loop(const struct worker *w, uint32_t loop) {
    struct session *s = w->first;

    while (s != NULL && s->loop != loop)
        s = s->sibling;
    return s;
}

/* A worker that runs tasks is one session. */
static bool tasks_valid(const Trawl__Register *r) {
    struct parse_address serve;

    return r->tasks == 0 || (r->tasks <= LIMIT_WORKER_TASKS && r->loops == 1 &&
                             strlen(r->serve) <= LIMIT_SERVE_BYTES &&
                             parse_rpc_address(r->serve, PARSE_DIAL, &serve) && !serve.tls);
}

/* What names cost stays when their workers are gone. */
static bool has_room(const struct core *c, const char *worker) {
    return c->leases.sessions.count < LIMIT_SESSIONS &&
           (c->leases.worker_count < LIMIT_WORKERS || lease_worker(&c->leases, worker) != NULL);
}

/* Records of two crawls do not come into one archive. Tasks bring none. */
static bool other_crawl(const struct core *c, const Trawl__Register *r) {
#ifdef MUTANT_ANY_CRAWL
    return false;
#endif
    return r->tasks == 0 && r->crawl[0] != '\0' && strcmp(r->crawl, c->crawl) != 0;
}

static bool answer(Trawl__Reply *reply, Trawl__Code code, const char *why) {
    reply->code = code;
    reply->error = (char *)why;
    return false;
}

/* What can be said without a look at who is there. */
static bool well_formed(const Trawl__Register *r, Trawl__Reply *reply) {
    if (!name_valid(r->worker) || r->instance.len != 16 || r->loops == 0 || r->loop >= r->loops ||
        r->loops > LIMIT_WORKER_LOOPS)
        return answer(reply, TRAWL__CODE__BAD_REQUEST,
                      "a worker's name has letters, digits, '.', '_' and '-'");
    if (r->process == 0 || strlen(r->crawl) > CRAWL_NAME_DIGITS ||
        r->crawl[strspn(r->crawl, "0123456789abcdef")] != '\0')
        return answer(reply, TRAWL__CODE__BAD_REQUEST,
                      "a worker's process has a number, and a crawl a name of 16 hex digits");
    if (!tasks_valid(r))
        return answer(reply, TRAWL__CODE__BAD_REQUEST,
                      "a worker that runs tasks has one loop, up to 256 tasks and an address");
    return true;
}

static bool welcome(struct core *c, const Trawl__Register *r, Trawl__Reply *reply) {
    if (r->tasks == 0 && c->options->jobs_only)
        return answer(reply, TRAWL__CODE__REFUSED,
                      "this master has no crawl, only jobs: it takes workers with --tasks");
    if (other_crawl(c, r))
        return answer(reply, TRAWL__CODE__REFUSED,
                      arena_printf(&c->arena,
                                   "its directory has the archive of another crawl (%s, and this "
                                   "is %s); start it with another --dir, or for the master of that "
                                   "crawl",
                                   r->crawl, c->crawl));
    if (!has_room(c, r->worker))
        return answer(reply, TRAWL__CODE__REFUSED, "there are too many workers");
    return true;
}

/* The name is the process's, and whoever had it has no session any more. False: answered. */
static bool get_name(struct core *c, struct now now, struct worker *w, const Trawl__Register *r,
                     Trawl__Reply *reply) {
    enum claim claim = claim_ask(c, now, w, r);

    switch (claim) {
    case CLAIM_HAS:
        return true;
    case CLAIM_TAKES:
        supersede(c, now, w);
        claim_take(w, r);
        w->draining = false;
        meter_worker_starts(w);
        return !c->failed;
    case CLAIM_WAITS:
        return answer(reply, TRAWL__CODE__BUSY, claim_text(c, w, r, claim));
    default:
        return answer(reply, TRAWL__CODE__REFUSED, claim_text(c, w, r, claim));
    }
}

void session_register(struct core *c, struct now now, const Trawl__Register *r, const char *peer,
                      Trawl__Reply *reply) {
    Trawl__RegisterReply *m = arena_alloc(&c->arena, sizeof *m);

    if (!well_formed(r, reply) || !welcome(c, r, reply))
        return;
    struct worker *w = lease_worker_add(&c->leases, r->worker);
    if (w == NULL || m == NULL) {
        core_fail(c, "out of memory for a session");
        return;
    }
    if (!get_name(c, now, w, r, reply))
        return;
    struct session *s = session_of_loop(w, r->loop);
    if (s != NULL && r->serial > s->serial) {
        session_end(c, now, s, SESSION_REPLACED);
        s = NULL;
    }
    if (w->sessions == 0)
        core_tell(c, CORE_WORKER_JOINED, w->name, NULL);
    if (s == NULL)
        s = session_new(c, now, w, r, peer);
    if (s == NULL)
        return;
    /* It ran tasks, and comes back as a fetch loop: nobody serves what its map tasks made. */
    if (w->tasker == NULL)
        job_worker_gone(c, w);
    lease_session_renew(s, now.mono_ms);
    trawl__register_reply__init(m);
    m->session = s->id;
    m->options = options_message(c);
    reply->body_case = TRAWL__REPLY__BODY_REGISTER;
    reply->register_ = m;
}

/* ---- heartbeat ------------------------------------------------------------------------------------------ */

/* For a person: what is not plain text is left out. */
static void copy_trouble(char out[LIMIT_TROUBLE_BYTES + 1], const char *text) {
    size_t n = 0;

    for (; *text != '\0' && n < LIMIT_TROUBLE_BYTES; text++)
        if ((unsigned char)*text >= ' ' && *text != 127)
            out[n++] = *text;
    out[n] = '\0';
}

void session_trouble(struct core *c, struct session *s, const char *text) {
    struct worker *w = s->worker;
    bool troubled = text[0] != '\0', first = w->troubled == 0;

    if (troubled)
        copy_trouble(w->trouble, text);
    if (troubled == s->troubled)
        return;
    s->troubled = troubled;
    if (troubled)
        w->troubled++;
    else
        w->troubled--;
    if (troubled && first)
        core_tell(c, CORE_WORKER_TROUBLED, w->name, w->trouble);
    else if (w->troubled == 0)
        core_tell(c, CORE_WORKER_WELL, w->name, NULL);
}

void session_heartbeat(struct core *c, struct now now, struct session *s, const Trawl__Heartbeat *h,
                       Trawl__Reply *reply) {
    Trawl__HeartbeatReply *m = arena_alloc(&c->arena, sizeof *m);
    uint64_t *lost = arena_alloc(&c->arena, (h->n_attempts + 1) * sizeof *lost);

    if (m == NULL || lost == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    trawl__heartbeat_reply__init(m);
    m->lost = lost;
    for (size_t i = 0; i < h->n_attempts; i++) {
        struct lease *l = lease_find(&c->leases, h->attempts[i]);
        if (l == NULL || l->session != s || l->cancelled)
            lost[m->n_lost++] = h->attempts[i];
        else
            lease_renew(l, now.mono_ms);
    }
    lease_session_renew(s, now.mono_ms);
    session_trouble(c, s, h->trouble);
    s->transfers = h->transfers;
    s->bytes_in = h->bytes_in;
    meter_told(c, s->worker, h->cost_us, h->n_cost_us);
    m->phase = core_phase_for(c, s);
    reply->body_case = TRAWL__REPLY__BODY_HEARTBEAT;
    reply->heartbeat = m;
}

/* ---- attach ---------------------------------------------------------------------------------------------- */

/* Is the record that the worker speaks of the one that was committed? */
static Trawl__ItemFate fate_of_done(struct core *c, const Trawl__Attach *a,
                                    const Trawl__AttachItem *i, const Trawl__DoneUrl *d) {
    const struct segment *segment = i->segment == 0 || i->segment > a->n_segments
                                        ? NULL
                                        : segment_find(c, a->segments[i->segment - 1]);

    if (!i->reported || d->segment != (segment == NULL ? 0 : segment->id))
        return TRAWL__ITEM_FATE__GONE;
    return d->segment == 0 || d->offset == i->offset ? TRAWL__ITEM_FATE__COMMITTED
                                                     : TRAWL__ITEM_FATE__GONE;
}

/* Takes the item over into the adopted lease if it is still queued under that number and free. */
static bool adopt_item(struct core *c, struct lease *l, const Trawl__AttachItem *i) {
    struct queue_place place = {.depth = i->depth > 255 ? 255 : (uint8_t)i->depth, .seq = i->seq};
    struct record_key key = record_queued(l->origin->id, place);

    if (lease_item(&c->leases, i->fp) != NULL)
        return false;
    const Trawl__QueuedUrl *q = core_read(c, key, &trawl__queued_url__descriptor);
    if (q == NULL || q->fp != i->fp)
        return false;
    return frontier_adopt(c, l, q, place);
}

static Trawl__ItemFate fate_of(struct core *c, const Trawl__Attach *a, struct lease *l,
                               const Trawl__AttachItem *i) {
    struct record_key key = record_done(i->fp);

    if (adopt_item(c, l, i))
        return TRAWL__ITEM_FATE__YOURS;
    const Trawl__DoneUrl *d = c->failed ? NULL : core_read(c, key, &trawl__done_url__descriptor);
    return d == NULL ? TRAWL__ITEM_FATE__GONE : fate_of_done(c, a, i, d);
}

/* May the lease stand? Not if another session was granted or has declared what it claims, or if it is none from before
 * the restart. */
static bool adoptable(const struct core *c, const struct session *s, const Trawl__AttachVisit *v,
                      const struct origin *o) {
    if (o == NULL || s->lease_count >= LIMIT_LOOP_VISITS ||
        v->connections > c->hosts.rules.host_connections ||
        o->connections > c->hosts.rules.host_connections - v->connections || v->attempt == 0 ||
        v->attempt >= c->first_attempt || lease_find(&c->leases, v->attempt) != NULL)
        return false;
    return o->leases == 0 || host_delay_ms(&c->hosts, o) == 0;
}

static struct lease *adopt_lease(struct core *c, struct now now, struct session *s,
                                 const Trawl__AttachVisit *v) {
    struct origin *o = host_find(&c->hosts, (const char *)v->origin.data, v->origin.len);
    struct host_address *address = NULL;

    if (!adoptable(c, s, v, o))
        return NULL;
    if ((v->address.len == 4 || v->address.len == 16) &&
        !host_book_address(&c->hosts, o, v->address.data, v->address.len, v->connections, true,
                           &address)) {
        core_fail(c, "out of memory for an address");
        return NULL;
    }
    o->connections += v->connections;
    o->leases++;
    struct lease *l =
        lease_grant(&c->leases, v->attempt, s, o, v->connections, address, now.mono_ms);
    if (l == NULL)
        core_fail(c, "out of memory for a lease");
    else
        l->guests_only = true; /* until it says that it holds a page */
    return l;
}

static void attach_visit(struct core *c, struct now now, struct session *s, const Trawl__Attach *a,
                         const Trawl__AttachVisit *v, Trawl__AttachVisitReply *reply) {
    struct lease *l = adopt_lease(c, now, s, v);

    reply->items = arena_alloc(&c->arena, (v->n_items + 1) * sizeof *reply->items);
    if (l == NULL || reply->items == NULL) {
        reply->lost = true;
        return;
    }
    for (size_t i = 0; i < v->n_items && !c->failed; i++)
        reply->items[reply->n_items++] = fate_of(c, a, l, v->items[i]);
    if (!c->failed && v->backoff_ms > 0)
        origin_rest(c, now, l->origin, v->backoff_ms);
    if (!c->failed && !host_update(&c->hosts, l->origin, now.mono_ms))
        core_fail(c, "out of memory for the queue of origins");
}

void session_attach(struct core *c, struct now now, struct session *s, const Trawl__Attach *a,
                    Trawl__Reply *reply) {
    Trawl__AttachReply *m = arena_alloc(&c->arena, sizeof *m);

    if (s->attached || s->tasks > 0) {
        reply->code = TRAWL__CODE__BAD_REQUEST;
        reply->error =
            s->tasks > 0 ? "a worker that runs tasks registers anew" : "attached already";
        return;
    }
    if (m == NULL || !core_flush(c))
        return;
    trawl__attach_reply__init(m);
    m->visits = arena_alloc(&c->arena, (a->n_visits + 1) * sizeof(Trawl__AttachVisitReply *));
    for (size_t i = 0; i < a->n_visits && !c->arena.failed && !c->failed; i++) {
        m->visits[i] = arena_alloc(&c->arena, sizeof *m->visits[i]);
        if (m->visits[i] == NULL)
            break;
        trawl__attach_visit_reply__init(m->visits[i]);
        attach_visit(c, now, s, a, a->visits[i], m->visits[i]);
        m->n_visits++;
    }
    if (c->arena.failed)
        core_fail(c, "out of memory for a reply");
    lease_session_attach(&c->leases, s);
    core_check_grace(c, now);
    lease_session_renew(s, now.mono_ms);
    s->last_number = 0;
    reply->body_case = TRAWL__REPLY__BODY_ATTACH;
    reply->attach = m;
}

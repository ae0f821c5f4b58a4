/* exchange: results up, URLs down. Order within one exchange: everything reported is taken and written, then
 * the queue is read for what goes down, then the reservations that this took are written. */
#include <stdio.h>
#include <string.h>

#include "master/core_state.h"
#include "master/recrawl.h"
#include "master/trial.h"
#include "master/turn.h"
#include "proto/budget.h"
#include "proto/outcome.h"
#include "shared/http_status.h"
#include "shared/limits.h"

/* ---- what comes up -------------------------------------------------------------------------------------- */

/* How long a session that asked in vain counts as hungry: it asks several times meanwhile. */
enum { HUNGRY_MS = 1000 };

static void take_retry(struct core *c, struct now now, struct lease_item *it, Trawl__Outcome *o) {
    if (it->attempts + 1 < c->options->retries) {
        frontier_requeue(c, now, it, o);
        return;
    }
    o->state = TRAWL__STATE__FAILED;
    frontier_finish(c, now, it, o, NULL);
}

/* The origin answered, and not with trouble of its own. */
static bool is_success(const Trawl__Outcome *o) {
    return o->status > 0 && !http_status_is_temporary(o->status);
}

/* Not modified, and what it was is forgotten meanwhile. */
static bool payload_gone(struct core *c, const struct lease_item *it, const Trawl__Outcome *o) {
    return o->state == TRAWL__STATE__FETCHED && o->status == 304 &&
           !recrawl_stands(c, lease_item_capture(it), it->capture_len);
}

/* Where the outcome's record is: made known with the first outcome that is taken. NULL: it has none, or names a
 * segment that is not its worker's. */
static struct segment *segment_of(struct core *c, const struct lease *l, const Trawl__Exchange *x,
                                  struct segment **segments, const Trawl__Outcome *o) {
    if (o->segment == 0 || o->segment > x->n_segments)
        return NULL;
    struct segment **known = &segments[o->segment - 1];
    if (*known == NULL)
        *known = segment_for_commit(c, x->segments[o->segment - 1], l->session->worker);
    return *known;
}

/* What the outcome of a leased URL cannot be taken for; NULL: it can. */
static const char *wrong_with(struct core *c, const Trawl__Exchange *x, const struct lease_item *it,
                              const Trawl__Outcome *o, const struct segment *segment) {
    const char *what = outcome_wrong(o, x->n_segments);

    if (what == NULL && o->segment != 0 && segment == NULL)
        what = "its segment";
#ifndef MUTANT_NO_FENCING
    if (what == NULL && segment != NULL && segment->closed)
        what = "its segment is closed";
#endif
    if (what == NULL && it->capture_len == 0 && payload_gone(c, it, o))
        what = "not modified, and nobody had asked that";
    return what;
}

/* Back into the queue, but not for ever: whoever says what cannot be taken says it again, and the crawl must end. */
static void refuse_outcome(struct core *c, struct now now, struct lease_item *it,
                           const char *what) {
    Trawl__Outcome failed = TRAWL__OUTCOME__INIT;
    char reason[96];

#ifndef MUTANT_REFUSE_FREELY
    it->refusals++;
#endif
    if (it->refusals < LIMIT_REFUSALS) {
        frontier_note(c, it);
        frontier_give_back(c, it);
        return;
    }
    snprintf(reason, sizeof reason, "outcome-refused: %s", what);
    failed.fp = it->fp;
    failed.state = TRAWL__STATE__FAILED;
    failed.reason = reason;
    frontier_finish(c, now, it, &failed, NULL);
}

/* False: refused. */
static bool take_outcome(struct core *c, struct now now, struct lease *l, const Trawl__Exchange *x,
                         struct segment **segments, Trawl__Outcome *o) {
    struct lease_item *it = lease_item(&c->leases, o->fp);

#ifdef MUTANT_COMMIT_TWICE
    struct segment *again = it == NULL ? segment_of(c, l, x, segments, o) : NULL;
    if (again != NULL && !again->closed) {
        committed_note(c, again, (struct committed_record){o->offset, o->record_length, o->fp});
        c->by_state[o->state]++;
        return true;
    }
#endif
    if (it == NULL || it->lease != l)
        return false;
    struct segment *segment = segment_of(c, l, x, segments, o);
    if (c->failed)
        return false;
    outcome_fit(o);
    const char *wrong = wrong_with(c, x, it, o, segment);
    if (wrong != NULL) {
        refuse_outcome(c, now, it, wrong);
        return false;
    }
    if (is_success(o)) {
        origin_reached(c, l->origin);
        l->trouble[0] = '\0';
    }
    if (it->robots_for == 0 && o->status > 0 && o->state >= TRAWL__STATE__FETCHED &&
        o->state <= TRAWL__STATE__FAILED)
        trial_proven(c, l->session->worker);
    if (payload_gone(c, it, o)) {
        frontier_give_back(c, it);
        return false;
    }
    switch (o->state) {
    case TRAWL__STATE__UNTRIED:
        frontier_give_back(c, it);
        break;
    case TRAWL__STATE__RETRY:
        snprintf(l->trouble, sizeof l->trouble, "%s", o->reason);
        l->failing = o->status > 0;
        take_retry(c, now, it, o);
        break;
    case TRAWL__STATE__LINKS:
        frontier_links(c, now, it, o);
        break;
    default:
        l->session->worker->fetched += o->state == TRAWL__STATE__FETCHED;
        frontier_finish(c, now, it, o, segment);
        break;
    }
    return true;
}

static void take_outcomes(struct core *c, struct now now, struct lease *l, const Trawl__Exchange *x,
                          struct segment **segments, const Trawl__VisitReport *r,
                          Trawl__VisitReply *reply) {
    reply->refused = arena_alloc(&c->arena, (r->n_outcomes + 1) * sizeof *reply->refused);
    if (reply->refused == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    for (size_t i = 0; i < r->n_outcomes && !c->failed; i++)
        if (!take_outcome(c, now, l, x, segments, r->outcomes[i]))
            reply->refused[reply->n_refused++] = (uint32_t)i;
    c->refused += reply->n_refused;
}

static void take_address(struct core *c, struct lease *l, const Trawl__VisitReport *r,
                         Trawl__VisitReply *reply) {
    struct host_address *booked = NULL;

    if (r->address.len != 4 && r->address.len != 16)
        return;
    if (l->address != NULL && l->address->len == r->address.len &&
        memcmp(l->address->bytes, r->address.data, r->address.len) == 0)
        return;
    /* In the grace after a restart others may hold connections there that are not known yet. */
    if (c->in_grace || !host_book_address(&c->hosts, l->origin, r->address.data, r->address.len,
                                          l->connections, false, &booked)) {
        reply->address_wait = true;
        return;
    }
    host_release_address(&c->hosts, l->address, l->connections);
    l->address = booked;
}

static void take_verdict(struct core *c, struct now now, struct lease *l,
                         const Trawl__VisitReport *r) {
    struct origin *o = l->origin;
    char reason[LIMIT_REASON_BYTES + 1];

    const char *said = r->reason[0] == '\0' ? "no-reason" : r->reason;

    snprintf(reason, sizeof reason, "%.*s", (int)outcome_reason_len(said), said);

    switch (r->verdict) {
    case TRAWL__VERDICT__UNREACHABLE:
    case TRAWL__VERDICT__FAILING:
        origin_unreachable(c, now, o, r->attempt, r->verdict == TRAWL__VERDICT__FAILING,
                           r->backoff_ms, reason);
        break;
    case TRAWL__VERDICT__FORBIDDEN:
        origin_park(c, now, o, TRAWL__STATE__EXCLUDED, reason);
        break;
    default:
        break;
    }
}

/* What cannot be taken is as good as unreachable: it is asked for again, and not for ever. */
static void take_robots(struct core *c, struct now now, struct lease *l,
                        const Trawl__VisitReport *r) {
    if (outcome_robots_wrong(r->robots) == NULL)
        origin_robots(c, now, l->origin, r->robots);
    else
        origin_unreachable(c, now, l->origin, r->attempt, true, 0, "robots-unreachable: refused");
}

static void take_report(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                        struct segment **segments, const Trawl__VisitReport *r,
                        Trawl__VisitReply *reply) {
    struct lease *l = lease_find(&c->leases, r->attempt);

    reply->attempt = r->attempt;
#ifdef MUTANT_NO_FENCING
    struct lease_item *any = r->n_outcomes == 0 ? NULL : lease_item(&c->leases, r->outcomes[0]->fp);
    l = l == NULL && any != NULL ? any->lease : l;
    (void)s;
    if (l == NULL) {
#else
    if (l == NULL || l->session != s || l->task != NULL) {
#endif
        reply->lost = true;
        c->refused += r->n_outcomes;
        return;
    }
    l->progress_ms = now.mono_ms;
    if (r->robots != NULL && l->origin->robots_state != HOST_ROBOTS_ELSEWHERE)
        take_robots(c, now, l, r);
    take_outcomes(c, now, l, x, segments, r, reply);
    take_address(c, l, r, reply);
    take_verdict(c, now, l, r);
    reply->rest = l->origin->rest_until_ms > now.mono_ms;
    if (r->done && !c->failed)
        session_take_back(c, now, l, now.mono_ms - r->last_request_ago_ms);
}

/* ---- what goes down -------------------------------------------------------------------------------------- */

static Trawl__Item *item_message(struct core *c, const struct lease_item *it) {
    Trawl__Item *m = arena_alloc(&c->arena, sizeof *m);

    if (m == NULL)
        return NULL;
    trawl__item__init(m);
    m->fp = it->fp;
    m->seq = it->seq;
    m->depth = it->place_depth;
    m->attempts = it->attempts;
    m->robots = it->robots_for != 0;
    m->sitemap = it->sitemap != 0;
    m->path = arena_bytes(&c->arena, it->path, it->path_len);
    m->capture = arena_bytes(&c->arena, lease_item_capture(it), it->capture_len);
    return m;
}

/* The last `n` items of the lease, as messages. */
static Trawl__Item **item_messages(struct core *c, const struct lease *l, size_t n) {
    Trawl__Item **list = arena_alloc(&c->arena, (n + 1) * sizeof(Trawl__Item *));

    for (size_t i = 0; i < n && list != NULL; i++)
        list[i] = item_message(c, l->items[l->count - n + i]);
    if (c->arena.failed)
        core_fail(c, "out of memory for a reply");
    return list;
}

static uint32_t loops_alive(const struct core *c) {
    return c->leases.loops == 0 ? 1 : (uint32_t)c->leases.loops;
}

/* An even share, rounded up. */
static uint64_t share(const struct core *c, uint64_t whole) {
    uint64_t n = loops_alive(c);

    return whole == 0 ? 1 : (whole + n - 1) / n;
}

static bool splittable(const struct core *c, const struct origin *o) {
    return host_delay_ms(&c->hosts, o) == 0 && c->hosts.rules.host_connections > 1;
}

/* Outstanding URLs that suit a lease: two seconds' worth where there is a delay; where an origin is shared,
 * what leaves the others something to do. */
static size_t items_for(const struct core *c, const struct lease *l) {
    const struct origin *o = l->origin;
    uint32_t delay = host_delay_ms(&c->hosts, o);
    size_t n = delay > 0 ? 2000 / delay + 1 : 192 + (size_t)64 * l->connections;

    if (splittable(c, o)) {
        uint64_t fair = share(c, o->queued - o->leased + l->count);
        if (fair < l->connections)
            fair = l->connections;
        if (n > fair)
            n = (size_t)fair;
    }
    size_t held = l->session->item_count;
    size_t room = l->count + (held < LIMIT_LOOP_ITEMS ? LIMIT_LOOP_ITEMS - held : 0);
    if (n > room)
        n = room > LIMIT_LEAN_ITEMS ? room : LIMIT_LEAN_ITEMS;
    return n < LIMIT_VISIT_ITEMS ? n : LIMIT_VISIT_ITEMS;
}

static bool someone_else_hungry(const struct core *c, int64_t now_ms, const struct session *s) {
    for (size_t i = 0; i < 2; i++)
        if (c->hungry[i].until_ms > now_ms && c->hungry[i].session != s->id)
            return true;
    return false;
}

/* Should the lease end here, so that others get something to do? */
static bool should_yield(const struct core *c, struct now now, const struct lease *l) {
    const struct session *s = l->session;

    if (c->state != CORE_RUNNING || s->worker->draining || s->worker->troubled > 0 ||
        l->cancelled || l->alone || trial_summoned(c, s->worker))
        return true;
    if (c->in_grace && splittable(c, l->origin))
        return true;
    if (!someone_else_hungry(c, now.mono_ms, s))
        return false;
    if (splittable(c, l->origin) && l->connections > share(c, c->hosts.rules.host_connections))
        return true;
    return s->lease_count > share(c, c->leases.visits + c->hosts.ready.count);
}

/* Whether its queue was looked into. */
static bool give_more(struct core *c, struct now now, struct session *s, struct budget *budget,
                      const Trawl__VisitReport *r, Trawl__VisitReply *reply) {
    struct lease *l = lease_find(&c->leases, r->attempt);

    if (reply->lost || r->done || r->want_urls == 0 || l == NULL || l->session != s ||
        l->task != NULL || reply->address_wait || reply->rest || should_yield(c, now, l))
        return false;
    if (l->origin->parked != TRAWL__STATE__PENDING ||
        (l->origin->robots_state == HOST_ROBOTS_ELSEWHERE && !l->guests_only))
        return false;
    size_t target = items_for(c, l);
    size_t max = l->count < target ? target - l->count : 0;
    bool full = false;
    size_t n = frontier_take(c, l, max < r->want_urls ? max : r->want_urls, budget, &full);
    reply->more = item_messages(c, l, n);
    reply->n_more = n;
    reply->wait = full;
    return true;
}

/* A look into an origin's queue takes about 20 us: what has no time is asked for again. */
static void give_all_more(struct core *c, struct now now, struct session *s,
                          const Trawl__Exchange *x, struct budget *budget,
                          Trawl__VisitReply **replies) {
    bool looked = false;

    for (size_t i = 0; i < x->n_visits && !c->failed; i++) {
        if (!looked || turn_gives(c))
            looked |= give_more(c, now, s, budget, x->visits[i], replies[i]);
        else
            replies[i]->wait = x->visits[i]->want_urls > 0;
    }
}

static bool robots_needed(const struct core *c, struct now now, struct origin *o) {
    if (c->options->robots_ignore)
        return false;
    if (o->robots_state == HOST_ROBOTS_KNOWN && o->robots_until_unix_ms <= now.unix_ms &&
        o->leases == 1)
        o->robots_state = HOST_ROBOTS_UNKNOWN;
    return o->robots_state != HOST_ROBOTS_KNOWN;
}

static Trawl__Grant *grant_message(struct core *c, struct now now, const struct lease *l) {
    struct origin *o = l->origin;
    Trawl__Grant *g = arena_alloc(&c->arena, sizeof *g);

    if (g == NULL)
        return NULL;
    trawl__grant__init(g);
    g->attempt = l->attempt;
    g->origin = arena_bytes(&c->arena, o->name, o->name_len);
    g->delay_ms = host_delay_ms(&c->hosts, o);
    g->connections = l->connections;
    const struct rules *rules = l->guests_only ? NULL : origin_rules(c, o);
    g->fetch_robots = !l->guests_only && robots_needed(c, now, o);
    /* They stay where they are until the answer is packed. */
    if (!g->fetch_robots && rules != NULL)
        g->robots = (ProtobufCBinaryData){.data = (uint8_t *)rules->bytes, .len = rules->len};
    if (l->address != NULL)
        g->address = arena_bytes(&c->arena, l->address->bytes, l->address->len);
    g->n_items = l->count;
    g->items = item_messages(c, l, l->count);
    return g;
}

/* What it costs but for its URLs. */
static size_t grant_cost(struct core *c, struct origin *o) {
    const struct rules *rules = origin_rules(c, o);

    return BUDGET_MESSAGE + o->name_len + sizeof o->address + (rules == NULL ? 0 : rules->len);
}

/* Leases the origin to the session. NULL: nothing to grant there after all, or (`*full`) no room in this answer. */
static Trawl__Grant *grant_origin(struct core *c, struct now now, struct session *s,
                                  struct origin *o, struct budget *budget, bool *full) {
    struct host_address *address;
    uint32_t wanted = c->hosts.rules.host_connections;

    if (splittable(c, o) && o->robots_state == HOST_ROBOTS_KNOWN)
        wanted = (uint32_t)share(c, wanted);
    uint32_t connections = host_book(&c->hosts, o, wanted, &address);
    if (connections == 0)
        return NULL;
    if (!budget_take(budget, grant_cost(c, o))) {
        host_unbook(&c->hosts, o, address, connections);
        host_keep_turn(&c->hosts, o);
        *full = true;
        return NULL;
    }
    struct lease *l = lease_grant(&c->leases, core_number(c, &c->attempts), s, o, connections,
                                  address, now.mono_ms);
    if (l == NULL) {
        core_fail(c, "out of memory for a lease");
        return NULL;
    }
    bool cut = false;
    l->guests_only = guest_first(o) != NULL;
    budget_promise(budget); /* a grant has a URL */
    if (frontier_take(c, l, items_for(c, l), budget, &cut) > 0)
        return grant_message(c, now, l);
    lease_free(&c->leases, l);
    host_unbook(&c->hosts, o, address, connections);
    return NULL;
}

static size_t visits_for(const struct core *c, const struct session *s, uint32_t wanted) {
    uint64_t fair = share(c, c->leases.visits + c->hosts.ready.count);
    uint64_t room = fair > s->lease_count ? fair - s->lease_count : 0;

    if (room > LIMIT_LOOP_VISITS - s->lease_count)
        room = LIMIT_LOOP_VISITS - s->lease_count;
    if (room > LIMIT_EXCHANGE_GRANTS)
        room = LIMIT_EXCHANGE_GRANTS;
    return wanted < room ? wanted : (size_t)room;
}

/* The next to be granted; whoever is summoned for a trial gets what it is about. */
static struct origin *take_ready(struct core *c, const struct worker *w) {
    if (!trial_summoned(c, w))
        return host_take_ready(&c->hosts);
    struct origin *o = trial_origin(c, w);
    return o != NULL && host_take(&c->hosts, o) ? o : NULL;
}

static void give_grants(struct core *c, struct now now, struct session *s, uint32_t wanted,
                        struct budget *budget, Trawl__ExchangeReply *reply) {
    const struct worker *w = s->worker;
    bool full = false;

    if (s->tasks > 0 || w->troubled > 0 || c->state != CORE_RUNNING || w->draining || c->in_grace ||
        frontier_page_room(c) == 0 || trial_busy(c, w))
        return;
    const bool summoned = trial_summoned(c, w);
    core_thaw(c, now);
    size_t max = visits_for(c, s, wanted);
    reply->grants = arena_alloc(&c->arena, (max + 1) * sizeof(Trawl__Grant *));
    if (reply->grants == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    /* Each ready origin is looked at once, as long as there is time: one that cannot be granted goes back to where it belongs. One that has no
     * room in this answer is the first of the next. */
    struct origin *o;
    for (size_t tries = c->hosts.ready.count; tries > 0 && reply->n_grants < max && !full &&
                                              !c->failed && (o = take_ready(c, w)) != NULL;
         tries--) {
        Trawl__Grant *g = grant_origin(c, now, s, o, budget, &full);
        if (g != NULL)
            reply->grants[reply->n_grants++] = g;
        if (!c->failed && !host_update(&c->hosts, o, now.mono_ms))
            core_fail(c, "out of memory for the queue of origins");
        if (!turn_gives(c))
            break;
    }
    if (summoned && wanted > 0)
        trial_looked(c, w);
    if (wanted > 0 && reply->n_grants == 0) {
        if (c->hungry[0].session != s->id)
            c->hungry[1] = c->hungry[0];
        c->hungry[0].session = s->id;
        c->hungry[0].until_ms = now.mono_ms + HUNGRY_MS;
    }
}

/* Soon again if something is about to cool down, else at leisure. */
static uint32_t wait_for(const struct core *c, struct now now, const struct session *s) {
    int64_t next = host_next_ms(&c->hosts) - now.mono_ms;

    if (s->tasks > 0)
        return c->jobs.running > 0 ? LIMIT_POLL_TASKS_MS : LIMIT_POLL_MAX_MS;
    if (next < LIMIT_POLL_MIN_MS)
        return LIMIT_POLL_MIN_MS;
    return next < LIMIT_POLL_MAX_MS ? (uint32_t)next : LIMIT_POLL_MAX_MS;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

/* What an answer must have, however large the exchange was, is less than a quarter of a message (request.c). Another
 * quarter is for visits that go on, half of it for new ones. */
_Static_assert(LIMIT_LOOP_VISITS *BUDGET_MESSAGE + LIMIT_EXCHANGE_OUTCOMES * BUDGET_NUMBER <
                   LIMIT_MESSAGE_BYTES / 4,
               "an exchange that is taken can be answered");

static void answer(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                   Trawl__ExchangeReply *reply) {
    /* Those that outcomes named so far. */
    struct segment **segments =
        arena_alloc(&c->arena, (x->n_segments + 1) * sizeof(struct segment *));
    struct budget more, grants;
    Trawl__VisitReply **visits =
        arena_alloc(&c->arena, (x->n_visits + 1) * sizeof(Trawl__VisitReply *));

    if (segments == NULL || visits == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }

    for (size_t i = 0; i < x->n_visits && !c->failed; i++) {
        visits[i] = arena_alloc(&c->arena, sizeof *visits[i]);
        if (visits[i] == NULL)
            break;
        trawl__visit_reply__init(visits[i]);
        take_report(c, now, s, x, segments, x->visits[i], visits[i]);
    }
    if (c->arena.failed)
        core_fail(c, "out of memory for a reply");
    job_take_reports(c, now, s, x, reply);
    if (!core_flush(c))
        return;
    budget_init(&more, c->message_bytes / 4);
    give_all_more(c, now, s, x, &more, visits);
    budget_init(&grants, c->message_bytes / 2);
    give_grants(c, now, s, x->want_visits, &grants, reply);
    job_give_tasks(c, now, s, x, reply);
    core_check_end(c, now);
    reply->visits = visits;
    reply->n_visits = x->n_visits;
    reply->number = x->number;
    reply->wait_ms = wait_for(c, now, s);
    reply->phase = core_phase_for(c, s);
}

void exchange_handle(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                     Trawl__Reply *reply) {
    Trawl__ExchangeReply *r = arena_alloc(&c->arena, sizeof *r);

#ifndef MUTANT_COMMIT_TWICE
    if (x->number != s->last_number + 1) {
        reply->code = TRAWL__CODE__BAD_REQUEST;
        reply->error = "exchange out of order";
        return;
    }
#endif
    if (r == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    trawl__exchange_reply__init(r);
    /* A lease granted now must not end with a session whose last heartbeat is older. */
    lease_session_renew(s, now.mono_ms);
    answer(c, now, s, x, r);
    s->last_number = x->number;
    reply->body_case = TRAWL__REPLY__BODY_EXCHANGE;
    reply->exchange = r;
}

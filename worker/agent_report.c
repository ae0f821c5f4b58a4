/* agent_report: what goes into an exchange, and what its answer changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/budget.h"
#include "shared/limits.h"
#include "worker/agent_state.h"

enum {
    RESULTS_TO_SEND = 64, /* so many are worth an exchange at once; */
    SEND_LINGER_MS = 8,   /* fewer wait so long for company */
    WANT_VISITS_MAX = 64,
};

/* ---- when ---------------------------------------------------------------------------------------------------------- */

/* Transfers that nothing at hand will use. A visit with a delay uses one for a small part of the time. */
static uint32_t spare(const struct agent *a) {
    size_t busy = a->transfers + a->starts.count - a->delayed_starts + a->delayed_starts / 16;

    return busy < a->transfers_max ? a->transfers_max - (uint32_t)busy : 0;
}

static uint32_t want_visits(const struct agent *a) {
    uint32_t n = spare(a);

    if (!agent_working(a) || a->hold || a->visit_count >= LIMIT_LOOP_VISITS)
        return 0;
    return n < WANT_VISITS_MAX ? n : WANT_VISITS_MAX;
}

static size_t ready(const struct agent *a) {
    return a->unacknowledged - a->unsynced;
}

int64_t agent_report_due_ms(const struct agent *a, int64_t now_ms) {
    int64_t due = INT64_MAX;

    if (a->urgent || ready(a) >= RESULTS_TO_SEND)
        return now_ms;
    if (ready(a) > 0)
        due = a->ready_since_ms + SEND_LINGER_MS;
    if (want_visits(a) > 0 && a->next_poll_ms < due)
        due = a->next_poll_ms;
    return due;
}

bool agent_report_due(const struct agent *a, int64_t now_ms) {
    return agent_report_due_ms(a, now_ms) <= now_ms;
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

struct builder {
    struct agent *a;
    Trawl__Exchange *x;
    struct budget budget;
    size_t outcomes, links, link_bytes; /* so far */
    int64_t now_ms;
    bool left_out; /* something ready did not fit */
};

static bool is_ready(const struct agent *a, const struct visit_result *r) {
    return r->mark <= a->synced;
}

static uint32_t segment_index(struct builder *b, const char *name) {
    Trawl__Exchange *x = b->x;

    for (size_t i = 0; i < x->n_segments; i++)
        if (strcmp(x->segments[i], name) == 0)
            return (uint32_t)i + 1;
    x->segments[x->n_segments++] = (char *)name;
    return (uint32_t)x->n_segments;
}

/* What the outcome costs but for its links (proto/budget.h); its segment may be named for it. */
static size_t outcome_cost(const struct visit_result *r) {
    return BUDGET_OUTCOME + r->bytes + (r->robots.len > 0 ? BUDGET_MESSAGE + r->robots.len : 0) +
           (r->segment == NULL ? 0 : BUDGET_BYTES + strlen(r->segment->name));
}

static size_t links_cost(const struct visit_result *r) {
    return r->outcome.n_links * BUDGET_BYTES + r->link_bytes;
}

/* The master has these links for good. */
static void drop_part(struct agent *a, struct visit_result *r) {
    size_t bytes = 0;

    for (size_t i = 0; i < r->part; i++)
        bytes += r->outcome.links[i].len;
    r->outcome.links += r->part;
    r->outcome.n_links -= r->part;
    r->link_fps += r->part;
    r->part = 0;
    r->link_bytes -= bytes;
    a->result_bytes -= bytes;
}

/* As many links of the result as there is room for, ahead of its outcome. */
static void add_part(struct builder *b, struct visit_result *r, Trawl__VisitReport *m) {
    Trawl__Outcome *part = arena_alloc(&b->a->message, sizeof *part);
    size_t bytes = 0;

    if (b->links >= b->a->exchange_links ||
        b->link_bytes + r->outcome.links[0].len > b->a->exchange_link_bytes)
        return;
    if (part == NULL || !budget_take(&b->budget, BUDGET_OUTCOME))
        return;
    budget_promise(&b->budget); /* a part has a link */
    while (r->part < r->outcome.n_links && b->links + r->part < b->a->exchange_links &&
           b->link_bytes + bytes + r->outcome.links[r->part].len <= b->a->exchange_link_bytes &&
           budget_take(&b->budget, BUDGET_BYTES + r->outcome.links[r->part].len))
        bytes += r->outcome.links[r->part++].len;
    trawl__outcome__init(part);
    part->fp = r->outcome.fp;
    part->state = TRAWL__STATE__LINKS;
    part->links = r->outcome.links;
    part->n_links = r->part;
    part->sitemaps = r->outcome.sitemaps;
    b->outcomes++;
    b->links += r->part;
    b->link_bytes += bytes;
    m->outcomes[m->n_outcomes++] = part;
#ifdef MUTANT_TELL_ONCE
    part->links = arena_copy(&b->a->message, part->links, r->part * sizeof *part->links);
    drop_part(b->a, r);
#endif
}

/* Takes its room, if there is any for all of it. */
static bool fits(struct builder *b, const struct visit_result *r) {
    return b->link_bytes + r->link_bytes <= b->a->exchange_link_bytes &&
           b->links + r->outcome.n_links <= b->a->exchange_links &&
           budget_take(&b->budget, outcome_cost(r) + links_cost(r));
}

/* It waits for the next exchange, but that some of its links may go ahead. */
static void leave_out(struct builder *b, struct visit_result *r, Trawl__VisitReport *m) {
    b->left_out = true;
    if (r->outcome.n_links > 0 && !budget_spent(&b->budget))
        add_part(b, r, m);
}

static void add_outcomes(struct builder *b, struct visit *v, Trawl__VisitReport *m) {
    m->outcomes = arena_alloc(&b->a->message, (v->result_count + 1) * sizeof(Trawl__Outcome *));
    if (m->outcomes == NULL)
        return;
    for (struct visit_result *r = v->results; r != NULL; r = r->next) {
        r->sent = false;
        r->part = 0;
        if (!is_ready(b->a, r))
            continue;
        if (b->outcomes >= LIMIT_EXCHANGE_OUTCOMES) {
            b->left_out = true;
            continue;
        }
        if (!fits(b, r)) {
            leave_out(b, r, m);
            continue;
        }
        b->outcomes++;
        b->links += r->outcome.n_links;
        b->link_bytes += r->link_bytes;
        r->sent = true;
        r->outcome.segment = r->segment == NULL ? 0 : segment_index(b, r->segment->name);
        if (r->robots.len > 0)
            r->outcome.robots = wire_unpack(&b->a->message, &trawl__robots_report__descriptor,
                                            r->robots.data, r->robots.len);
#ifdef MUTANT_TOLD_UNHEARD
        told_add(&b->a->told, r->link_fps, r->outcome.n_links, r->depth);
#endif
        r->place = m->n_outcomes;
        m->outcomes[m->n_outcomes++] = &r->outcome;
    }
}

static bool all_sent(const struct visit *v) {
    for (const struct visit_result *r = v->results; r != NULL; r = r->next)
        if (!r->sent)
            return false;
    return true;
}

static void add_end(struct builder *b, struct visit *v, Trawl__VisitReport *m) {
    int64_t ago = v->last_start_ms == 0 ? UINT32_MAX : b->now_ms - v->last_start_ms;

    m->done = true;
    m->last_request_ago_ms = ago > UINT32_MAX ? UINT32_MAX : (uint32_t)ago;
    m->verdict = v->verdict;
    m->reason = v->reason;
    /* Whatever it ended for: after a failure the origin rests. */
    if (v->verdict == TRAWL__VERDICT__REACHED && v->failures > 0) {
        m->verdict = v->trouble;
        m->reason = v->last_error;
    }
    m->backoff_ms = v->backoff_ms;
    v->done_sent = true;
}

static void add_wish(struct builder *b, struct visit *v, Trawl__VisitReport *m) {
    size_t outstanding = visit_outstanding(v), target = visit_target(v);

    v->asked_idle = false;
    if (v->ending || !agent_working(b->a) || v->robots_state != VISIT_ROBOTS_KNOWN ||
        v->address_state != VISIT_ADDRESS_BOOKED || outstanding > target / 2)
        return;
    m->want_urls = (uint32_t)(target - outstanding);
    v->asked_idle = visit_idle(v) && all_sent(v);
}

/* Its Sitemap lines are links to the master. */
static void add_robots(struct builder *b, struct visit *v, Trawl__VisitReport *m) {
    size_t len = v->robots_report.len;

    if (len == 0)
        return;
    if ((b->links > 0 && b->links + v->rules.sitemap_count > b->a->exchange_links) ||
        !budget_take(&b->budget, BUDGET_MESSAGE + len)) {
        b->left_out = true;
        return;
    }
    b->links += v->rules.sitemap_count;
    m->robots =
        wire_unpack(&b->a->message, &trawl__robots_report__descriptor, v->robots_report.data, len);
    v->robots_report_sent = true;
}

/* False: nothing to say of this visit now. */
static bool build_visit(struct builder *b, struct visit *v, Trawl__VisitReport *m) {
    m->attempt = v->attempt;
    add_robots(b, v, m);
    add_outcomes(b, v, m);
    if (v->address_state == VISIT_ADDRESS_CLAIM && !v->ending) {
        m->address = (ProtobufCBinaryData){.data = v->address, .len = v->address_len};
        v->address_state = VISIT_ADDRESS_CLAIMED;
    }
    if (v->closed && v->queue.count == 0 && all_sent(v) &&
        (v->robots_report.len == 0 || v->robots_report_sent))
        add_end(b, v, m);
    add_wish(b, v, m);
    return m->n_outcomes > 0 || m->robots != NULL || m->address.len > 0 || m->done ||
           m->want_urls > 0;
}

static size_t report_cost(const struct visit *v) {
    return BUDGET_MESSAGE + sizeof v->reason + sizeof v->address;
}

/* Of a visit that has no report in this exchange: it needs the next one. */
static bool has_news(const struct agent *a, struct visit *v) {
    bool ready = false;

    for (struct visit_result *r = v->results; r != NULL; r = r->next) {
        r->sent = false;
        r->part = 0;
        ready = ready || is_ready(a, r);
    }
    return ready || v->closed || v->robots_report.len > 0 ||
           v->address_state == VISIT_ADDRESS_CLAIM;
}

static size_t segment_count(const struct agent *a) {
    size_t n = 0;

    for (const struct agent_segment *s = a->segments; s != NULL; s = s->next)
        n++;
    return n;
}

bool agent_report_build(struct agent *a, int64_t now_ms, Trawl__Exchange *x) {
    struct builder b = {.a = a, .x = x, .now_ms = now_ms};

    budget_init(&b.budget, a->message_bytes);
    x->visits = arena_alloc(&a->message, (a->visit_count + 1) * sizeof(Trawl__VisitReport *));
    x->segments = arena_alloc(&a->message, (segment_count(a) + 1) * sizeof(char *));
    for (struct visit *v = a->visits; v != NULL && !a->message.failed; v = v->next) {
        Trawl__VisitReport *m = arena_alloc(&a->message, sizeof *m);
        v->in_exchange = false;
        if (v->lost || m == NULL)
            continue;
        trawl__visit_report__init(m);
        const struct budget before = b.budget;
        if (x->n_visits == LIMIT_LOOP_VISITS || !budget_take(&b.budget, report_cost(v))) {
            b.left_out |= has_news(a, v);
            continue;
        }
        budget_promise(&b.budget); /* it says something */
        bool said = build_visit(&b, v, m);
        if (!said) {
            b.budget = before;
            continue;
        }
        b.budget.promised = false;
        v->in_exchange = true;
        v->report_place = x->n_visits;
        x->visits[x->n_visits++] = m;
    }
    x->want_visits = want_visits(a);
    a->urgent = b.left_out;
    a->ready_since_ms = b.left_out ? now_ms : INT64_MAX;
    a->next_poll_ms = INT64_MAX;
    if (a->message.failed)
        a->out_of_memory = true;
    return !a->message.failed;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------- */

static bool is_refused(const Trawl__VisitReply *reply, const struct visit_result *r) {
    for (size_t i = 0; i < reply->n_refused; i++)
        if (reply->refused[i] == r->place)
            return true;
    return reply->lost;
}

static void tell_committed(const struct agent *a, const struct visit_result *r) {
    if (a->committed != NULL && r->segment != NULL && r->outcome.digest.len == 20)
        a->committed(a->committed_arg, r->segment->name, r->outcome.offset, r->outcome.digest.data);
}

static void drop_sent(struct agent *a, struct visit *v, const Trawl__VisitReply *reply) {
    struct visit_result **at = &v->results;

    while (*at != NULL) {
        drop_part(a, *at);
        if ((*at)->sent && !is_refused(reply, *at)) {
            tell_committed(a, *at);
            told_add(&a->told, (*at)->link_fps, (*at)->outcome.n_links, (*at)->depth);
        }
        if ((*at)->sent)
            agent_drop_result(a, v, at);
        else
            at = &(*at)->next;
    }
}

static void forget(struct agent *a, struct visit *v) {
    v->done_sent = false;
    agent_lose(a, v);
}

static void take_more(struct agent *a, int64_t now_ms, struct visit *v,
                      const Trawl__VisitReply *r) {
    for (size_t i = 0; i < r->n_more; i++)
        agent_add_item(a, v, r->more[i], now_ms);
    if (r->wait)
        a->urgent = true;
    if (v->ending)
        agent_attend(a, v);
    else if (r->n_more == 0 && !r->wait && v->asked_idle && visit_idle(v) && v->results == NULL)
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    if (v->ending)
        agent_attend(a, v);
    v->asked_idle = false;
    agent_schedule(a, v);
}

static void take_visit(struct agent *a, int64_t now_ms, struct visit *v,
                       const Trawl__VisitReply *r) {
    v->in_exchange = false;
    drop_sent(a, v, r);
    if (v->robots_report_sent) {
        v->robots_report_sent = false;
        buf_reset(&v->robots_report);
    }
    if (r->lost || v->done_sent) {
        forget(a, v);
        return;
    }
    if (v->lost) {
        agent_attend(a, v);
        return;
    }
    if (v->address_state == VISIT_ADDRESS_CLAIMED) {
        v->address_state = VISIT_ADDRESS_BOOKED;
        if (r->address_wait)
            visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    }
    if (r->rest && !v->ending)
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    take_more(a, now_ms, v, r);
}

static void take_grant(struct agent *a, int64_t now_ms, const Trawl__Grant *g) {
    int64_t made_ms = a->lines[AGENT_CALL].made_ms;

    struct visit *v = visit_new(g, agent_lease_end(a, made_ms));

    if (v == NULL) {
        a->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < g->n_items; i++)
        agent_add_item(a, v, g->items[i], now_ms);
    if (agent_leaving(a) || agent_troubled(a))
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    agent_add_visit(a, v);
}

void agent_report_answered(struct agent *a, int64_t now_ms, const Trawl__ExchangeReply *reply) {
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        if (!v->in_exchange)
            continue;
        if (v->report_place < reply->n_visits)
            take_visit(a, now_ms, v, reply->visits[v->report_place]);
    }
    for (size_t i = 0; i < reply->n_grants; i++)
        take_grant(a, now_ms, reply->grants[i]);
    a->next_poll_ms = now_ms + (reply->n_grants > 0 ? 0 : reply->wait_ms);
}

void agent_report_void(struct agent *a) {
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        v->in_exchange = false;
        v->done_sent = false;
        v->robots_report_sent = false;
        for (struct visit_result *r = v->results; r != NULL; r = r->next) {
            r->sent = false;
            r->part = 0;
        }
        agent_attend(a, v);
    }
}

/* ---- after a restart of the master ------------------------------------------------------------------------------------------ */

static Trawl__AttachItem *attach_item(struct agent *a, Trawl__AttachVisit *m, uint64_t fp,
                                      uint64_t seq, uint32_t depth) {
    Trawl__AttachItem *i = arena_alloc(&a->message, sizeof *i);

    if (i == NULL)
        return NULL;
    trawl__attach_item__init(i);
    i->fp = fp;
    i->seq = seq;
    i->depth = depth;
    m->items[m->n_items++] = i;
    return i;
}

static void attach_urls(struct agent *a, Trawl__AttachVisit *m, const struct visit_list *l) {
    for (const struct visit_url *u = l->first; u != NULL && !a->message.failed; u = u->next)
        if (!u->gone)
            (void)attach_item(a, m, u->fp, u->seq, u->depth);
}

static uint32_t attach_segment(Trawl__Attach *m, const char *name) {
    for (size_t i = 0; i < m->n_segments; i++)
        if (strcmp(m->segments[i], name) == 0)
            return (uint32_t)i + 1;
    m->segments[m->n_segments++] = (char *)name;
    return (uint32_t)m->n_segments;
}

static void attach_results(struct agent *a, Trawl__Attach *whole, Trawl__AttachVisit *m,
                           const struct visit *v) {
    for (const struct visit_result *r = v->results; r != NULL && !a->message.failed; r = r->next) {
        Trawl__AttachItem *i = attach_item(a, m, r->outcome.fp, r->seq, r->depth);
        if (i == NULL)
            return;
        i->reported = r->sent;
        i->segment = r->segment == NULL ? 0 : attach_segment(whole, r->segment->name);
        i->offset = r->outcome.offset;
    }
}

/* Given back already: the master has it in its queue, and nobody holds it. */
static void drop_untried(struct agent *a, struct visit *v) {
    for (struct visit_result **at = &v->results; *at != NULL;)
        if ((*at)->outcome.state == TRAWL__STATE__UNTRIED)
            agent_drop_result(a, v, at);
        else
            at = &(*at)->next;
}

/* So many more URLs than can be named are let go: first those that were not begun, then what was fetched, last what
 * is running. To the master they are in its queue, and nobody's. */
static void let_go(struct agent *a, struct visit *v, size_t count) {
    for (; count > 0 && v->queue.last != NULL; count--) {
        struct visit_url *u = v->queue.last;
        visit_list_take(&v->queue, u);
        visit_url_free(u);
    }
    for (; count > 0 && v->results != NULL; count--)
        agent_drop_result(a, v, &v->results);
    for (struct visit_url *u = v->running.first; count > 0 && u != NULL; u = u->next)
        if (!u->gone) {
            u->gone = true;
            count--;
        }
    agent_schedule(a, v);
}

static size_t held_by(const struct visit *v) {
    size_t n = v->queue.count + v->result_count;

    for (const struct visit_url *u = v->running.first; u != NULL; u = u->next)
        n += !u->gone;
    return n;
}

/* A visit whose lease ran out while the master was away has closed its connections. What it fetched before can
 * still be reported: nobody was granted its origin meanwhile. */
static bool worth_attaching(const struct visit *v) {
    return !v->lost && (!v->fenced || (v->closed && v->results != NULL));
}

/* Its connections are booked at `address`: what it claimed, or what came with the grant, even while the name is
 * still being looked up: that may give the same address, and then nothing is claimed. */
static bool holds_address(const struct visit *v) {
    return !v->fenced && v->address_len > 0 && v->address_state != VISIT_ADDRESS_CLAIM &&
           v->address_state != VISIT_ADDRESS_CLAIMED;
}

bool agent_attach_build(struct agent *a, Trawl__Attach *m) {
    m->visits = arena_alloc(&a->message, (a->visit_count + 1) * sizeof(Trawl__AttachVisit *));
    m->segments = arena_alloc(&a->message, (segment_count(a) + 1) * sizeof(char *));
    size_t room = a->attach_items;
    for (struct visit *v = a->visits; v != NULL && !a->message.failed; v = v->next) {
        Trawl__AttachVisit *one = arena_alloc(&a->message, sizeof *one);
        if (one == NULL || m->n_visits == LIMIT_HELD_VISITS || !worth_attaching(v))
            continue;
        drop_untried(a, v);
        size_t count = held_by(v);
        if (count > room) {
            let_go(a, v, count - room);
            count = room;
        }
        room -= count;
        trawl__attach_visit__init(one);
        one->attempt = v->attempt;
        one->origin = (ProtobufCBinaryData){.data = (uint8_t *)v->origin, .len = v->origin_len};
        one->backoff_ms = v->backoff_ms;
        one->connections = v->fenced ? 0 : v->connections;
        if (holds_address(v))
            one->address = (ProtobufCBinaryData){.data = v->address, .len = v->address_len};
        one->items = arena_alloc(&a->message, (count + 1) * sizeof(Trawl__AttachItem *));
        if (one->items == NULL)
            break;
        attach_urls(a, one, &v->queue);
        attach_urls(a, one, &v->running);
        attach_results(a, m, one, v);
        m->visits[m->n_visits++] = one;
    }
    if (a->message.failed)
        a->out_of_memory = true;
    return !a->message.failed;
}

static void apply_fate_to_urls(struct visit *v, uint64_t fp, Trawl__ItemFate fate) {
    struct visit_url *u;

    if (fate == TRAWL__ITEM_FATE__YOURS)
        return;
    for (u = v->running.first; u != NULL; u = u->next)
        if (u->fp == fp)
            u->gone = true;
    for (u = v->queue.first; u != NULL; u = u->next) {
        if (u->fp != fp)
            continue;
        visit_list_take(&v->queue, u);
        visit_url_free(u);
        return;
    }
}

static void apply_fate(struct agent *a, struct visit *v, uint64_t fp, Trawl__ItemFate fate) {
    apply_fate_to_urls(v, fp, fate);
    if (fate == TRAWL__ITEM_FATE__YOURS)
        return;
    for (struct visit_result **at = &v->results; *at != NULL; at = &(*at)->next) {
        if ((*at)->outcome.fp != fp)
            continue;
        agent_drop_result(a, v, at);
        return;
    }
}

static const Trawl__AttachVisit *asked_about(const Trawl__Attach *asked,
                                             const Trawl__AttachReply *reply, const struct visit *v,
                                             size_t *place) {
    for (size_t i = 0; i < asked->n_visits && i < reply->n_visits; i++) {
        if (asked->visits[i]->attempt != v->attempt)
            continue;
        *place = i;
        return asked->visits[i];
    }
    return NULL;
}

void agent_attach_answered(struct agent *a, int64_t now_ms, const Trawl__Attach *asked,
                           const Trawl__AttachReply *reply) {
    agent_report_void(a);
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        size_t place = 0;
        const Trawl__AttachVisit *mine = asked_about(asked, reply, v, &place);
        if (mine == NULL || reply->visits[place]->lost) {
            agent_lose(a, v);
            continue;
        }
        const Trawl__AttachVisitReply *r = reply->visits[place];
        for (size_t i = 0; i < mine->n_items && i < r->n_items; i++)
            apply_fate(a, v, mine->items[i]->fp, r->items[i]);
        if (v->address_state == VISIT_ADDRESS_CLAIMED)
            v->address_state = VISIT_ADDRESS_CLAIM;
        agent_schedule(a, v);
        agent_attend(a, v);
    }
    a->urgent = true;
    a->ready_since_ms = now_ms;
}

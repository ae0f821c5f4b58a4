/* world_loop: a fetch loop, that is a real agent whose effects are made up: its connections, fetches and lookups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_state.h"
#include "worker/visit.h"

enum {
    TRANSFERS = 4,
    SEGMENT_BYTES = 4000, /* small, so that segments are closed often */
};

/* ---- visits ----------------------------------------------------------------------------------------------- */

static struct sim_visit *shell_of(struct sim_loop *l, struct visit *v) {
    struct sim_visit *s = visit_shell(v);
    unsigned k;

    if (s != NULL)
        return s;
    s = calloc(1, sizeof *s);
    if (s == NULL || sscanf(visit_origin(v), "http://o%u.test", &k) != 1)
        abort();
    s->visit = v;
    s->origin = k;
    s->next = l->visits;
    l->visits = s;
    visit_set_shell(v, s);
    return s;
}

static void close_connections(struct world *w, struct sim_loop *l, struct sim_visit *s) {
    if (s->open > 0) {
        world_note(w, "%s/%u closes %u connections to o%u", l->worker->name, l->number, s->open,
                   s->origin);
        web_connection(&w->web, s->origin, -(int)s->open, l->worker->name);
    }
    s->open = 0;
    s->busy = 0;
    for (struct sim_transfer *t = l->transfers; t != NULL; t = t->next)
        if (t->visit == s)
            t->visit = NULL;
}

static void forget_visit(struct world *w, struct sim_loop *l, struct visit *v) {
    struct sim_visit *s = visit_shell(v);

    if (s == NULL)
        return;
    close_connections(w, l, s);
    s->visit = NULL;
    visit_set_shell(v, NULL);
}

/* ---- fetches ---------------------------------------------------------------------------------------------- */

/* The visit's address is the dead one of its host. */
static bool is_at_dead(const struct world *w, uint32_t origin, const struct visit *v) {
    const struct web_origin *o = &w->web.origins[origin];
    size_t len;
    const void *at = visit_address(v, &len);

    return o->half_dead && len == 4 && memcmp(at, o->dead_address, 4) == 0;
}

/* The request goes out over a connection of the visit; or none can be made, or the one that was kept is none any more, which
 * may show before the server has the request or behind that. */
static void connect_and_ask(struct world *w, struct sim_loop *l, struct sim_transfer *t,
                            const struct agent_fetch *f, const char *who) {
    t->unreached = is_at_dead(w, t->origin, f->visit);
    t->answer.duration_ms = 1 + rng_below(&w->rng, 30);
    if (t->unreached) {
        t->visit->busy++;
        return;
    }
    bool kept = t->visit->busy < t->visit->open;
    if (t->visit->busy++ == t->visit->open) {
        t->visit->open++;
        web_connection(&w->web, t->origin, 1, who);
    }
    t->stale = kept && !f->fresh && world_fault(w, FAULT_STALE, 30);
    if (t->stale && rng_below(&w->rng, 2) == 0)
        return;
    world_options_check_url(w, f->url, f->url_len);
    web_request(&w->web, w->now_ms, t->origin, t->page, who, &w->rng, &t->answer);
    (void)agent_sent(l->agent, skew_now(&l->worker->skew, w->now_ms), f->fetch);
    if (world_fault(w, FAULT_SERVER_BROKE, 10))
        t->answer.duration_ms += 2000;
}

static void start_fetch(struct world *w, struct sim_loop *l, const struct agent_fetch *f) {
    struct sim_transfer *t = calloc(1, sizeof *t);
    struct sim_worker *s = l->worker;
    char who[16];

    if (t == NULL)
        abort();
    t->fetch = f->fetch;
    t->robots = f->robots;
    t->sitemap = f->sitemap;
    t->visit = shell_of(l, f->visit);
    t->started_ms = skew_now(&s->skew, w->now_ms);
    if (!web_find(&w->web, f->url, f->url_len, &t->origin, &t->page)) {
        world_fail(w, "a URL that is none: %.*s", (int)f->url_len, f->url);
        free(t);
        return;
    }
    snprintf(who, sizeof who, "%s/%u", s->name, l->number);
    world_note(w, "%s fetches %.*s", who, (int)f->url_len, f->url);
    connect_and_ask(w, l, t, f, who);
    t->next = l->transfers;
    l->transfers = t;
    struct event *e = world_schedule(w, t->answer.duration_ms, EVENT_FETCHED);
    e->loop = l;
    e->worker = s;
    e->incarnation = l->incarnation;
    e->transfer = t;
}

static void fetched_page(struct world *w, struct sim_loop *l, struct sim_transfer *t,
                         struct agent_outcome *o, int64_t now) {
    char links[WEB_LINKS_MAX][96];
    struct url_slice slices[WEB_LINKS_MAX];
    enum web_kind kind = w->web.origins[t->origin].kind[t->page];
    bool is_sitemap = kind == WEB_SITEMAP || kind == WEB_SITEMAP_INDEX;

    if (t->sitemap != is_sitemap)
        world_fail(w, "page %u of origin %u: a sitemap fetched as a page, or a page as a sitemap",
                   t->page, t->origin);
    if (agent_disposition(l->agent, t->fetch, o->status, o->failure) == AGENT_ARCHIVE) {
        if (world_worker_sickens(w, l))
            return;
        struct sim_record *r = world_segment_append(w, l, t->origin, t->page);
        o->segment = l->segment->name;
        o->offset = r->offset;
        o->record_length = r->length;
    }
    if (o->status == 200)
        o->link_count = web_links(&w->web, t->origin, t->page, links);
    for (size_t i = 0; i < o->link_count; i++)
        slices[i] = (struct url_slice){links[i], strlen(links[i])};
    if (o->redirect) {
        slices[0] = (struct url_slice){t->answer.redirect_to, strlen(t->answer.redirect_to)};
        o->link_count = 1;
    }
    o->links = slices;
    o->sitemaps = kind == WEB_SITEMAP_INDEX;
    world_sizes_outcome(w, t, o);
    agent_fetched(l->agent, now, t->fetch, o);
    if (l->segment != NULL && l->segment->size >= SEGMENT_BYTES)
        world_segment_close(l);
}

static void finish_fetch(struct world *w, struct sim_loop *l, struct sim_transfer *t) {
    int64_t now = skew_now(&l->worker->skew, w->now_ms);
    struct agent_outcome o = {.started_ms = t->started_ms, .duration_ms = t->answer.duration_ms};

    l->worker->cost.us[COST_TRANSFER] += 100;
    l->worker->cost.us[COST_PARSE] += 10 + t->page;
    w->cost.us[COST_TRANSFER] += 100;
    w->cost.us[COST_PARSE] += 10 + t->page;
    if (t->visit == NULL)
        return;
    t->visit->busy--;
    if (t->unreached) {
        w->result->faults[FAULT_MOVED]++;
        l->blamed[t->origin] = o.elsewhere = true;
        o.failure = AGENT_AGAIN;
        o.reason = "connection refused";
    } else if (t->stale) {
        t->visit->open--;
        web_connection(&w->web, t->origin, -1, l->worker->name);
        o.failure = AGENT_AGAIN;
        o.reason = "connection reset";
    } else if (t->answer.broken) {
        o.failure = AGENT_NETWORK;
        o.reason = "connection reset";
    } else {
        o.status = t->answer.status;
        o.redirect = t->answer.redirect;
        o.redirect_to = t->answer.redirect_to;
        o.redirect_to_len = strlen(t->answer.redirect_to);
        o.retry_after_ms = t->answer.retry_after_ms;
        if (o.retry_after_ms > 0)
            t->visit->quiet_until_ms = w->web.origins[t->origin].quiet_until_ms;
    }
    if (t->robots) {
        agent_fetched_robots(l->agent, now, t->fetch, &o, t->answer.body, strlen(t->answer.body));
    } else {
        fetched_page(w, l, t, &o, now);
    }
}

static void remove_transfer(struct sim_loop *l, struct sim_transfer *t) {
    for (struct sim_transfer **at = &l->transfers; *at != NULL; at = &(*at)->next) {
        if (*at != t)
            continue;
        *at = t->next;
        free(t);
        return;
    }
}

static bool is_poison(const struct world *w, const struct sim_transfer *t) {
    return !t->robots && t->visit != NULL && t->page < WEB_PAGES_MAX &&
           w->web.origins[t->origin].kind[t->page] == WEB_POISON;
}

/* The whole process dies of what it has fetched, and is started again. */
static void die_of(struct world *w, struct sim_transfer *t, struct sim_worker *s) {
    world_note(w, "page %u of origin %u kills its worker", t->page, t->origin);
    w->result->faults[FAULT_POISONED]++;
    world_worker_kill(w, s);
    world_restart_later(w, s, 100 + rng_below(&w->rng, 3000));
}

/* ---- what the agent wants --------------------------------------------------------------------------------- */

static struct event *later(struct world *w, struct sim_loop *l, int64_t delay_ms,
                           enum event_kind kind) {
    struct event *e = world_schedule(w, delay_ms, kind);

    e->loop = l;
    e->worker = l->worker;
    e->incarnation = l->incarnation;
    return e;
}

static void send_line(struct world *w, struct sim_loop *l, const struct agent_effect *e) {
    uint64_t number = ++w->calls;

    l->call[e->line] = number;
    l->asked[e->line] = e->request;
    world_send_request(w, l, l->worker, e->line, number, e->request, NULL);
    struct event *t = world_schedule(w, CALL_TIMEOUT_MS, EVENT_TIMEOUT);
    t->loop = l;
    t->worker = l->worker;
    t->incarnation = l->incarnation;
    t->line = e->line;
    t->number = number;
}

static void obey(struct world *w, struct sim_loop *l, const struct agent_effect *e) {
    switch (e->kind) {
    case AGENT_SEND:
        send_line(w, l, e);
        break;
    case AGENT_RESOLVE:
        later(w, l, rng_below(&w->rng, 20), EVENT_RESOLVED)->visit = shell_of(l, e->visit);
        break;
    case AGENT_CLOSE:
        close_connections(w, l, shell_of(l, e->visit));
        agent_closed(l->agent, skew_now(&l->worker->skew, w->now_ms), e->visit);
        break;
    case AGENT_ABORT:
        close_connections(w, l, shell_of(l, e->visit));
        break;
    case AGENT_FORGET:
        forget_visit(w, l, e->visit);
        break;
    case AGENT_SYNC:
        later(w, l, 1 + rng_below(&w->rng, 10), EVENT_SYNCED)->number = e->mark;
        break;
    case AGENT_ROTATE:
        world_segment_close(l);
        break;
    case AGENT_SEAL:
        world_seal_ask(w, l->worker, l, world_segment_find(l->worker, e->segment));
        break;
    case AGENT_LEFT:
        l->left = true;
        world_note(w, "%s/%u leaves", l->worker->name, l->number);
        break;
    case AGENT_WAITS:
        world_note(w, "%s/%u: %s", l->worker->name, l->number, e->text);
        break;
    case AGENT_REFUSED:
        if (!world_guest_refused(w, l, e->text))
            world_fail(w, "%s is refused: %s", l->worker->name, e->text);
        break;
    case AGENT_FAILED:
        world_fail(w, "%s has no memory", l->worker->name);
        break;
    case AGENT_OPTIONS:
        world_guest_joined(w, l);
        snprintf(l->crawl, sizeof l->crawl, "%s", e->options->crawl);
        snprintf(l->worker->crawl, sizeof l->worker->crawl, "%s", e->options->crawl);
        break;
    }
}

void world_loop_run(struct world *w, struct sim_loop *l) {
    struct agent_effect e;
    struct agent_fetch f;
    int64_t now = skew_now(&l->worker->skew, w->now_ms);
    bool more = true;

    if (l->agent == NULL || l->left)
        return;
    while (more && w->result->why[0] == '\0') {
        more = false;
        agent_note_cost(l->agent, &l->worker->cost);
        while (!l->left && agent_poll(l->agent, now, &e)) {
            obey(w, l, &e);
            more = true;
        }
        while (!l->left && agent_next_fetch(l->agent, now, &f)) {
            start_fetch(w, l, &f);
            more = true;
        }
    }
    int64_t next = agent_next_ms(l->agent, now);
    int64_t at = skew_when(&l->worker->skew, w->now_ms, next);
    if (l->wake_ms <= w->now_ms)
        l->wake_ms = INT64_MAX;
    world_wake(w, l, at - w->now_ms < 1 ? 1 : at - w->now_ms);
}

/* Of its host's addresses the one that the visit has, unless it is known to be dead; else the dead one comes first. */
static void resolved(struct world *w, struct sim_loop *l, struct sim_visit *s, int64_t now) {
    const struct web_origin *o = &w->web.origins[s->origin];
    size_t len;
    const void *had = visit_address(s->visit, &len);
    bool lives = len == 4 && memcmp(had, o->address, 4) == 0;
    const unsigned char *to =
        o->half_dead && !lives && !l->blamed[s->origin] ? o->dead_address : o->address;

    agent_resolved(l->agent, now, s->visit, to, 4, false, "");
}

/* ---- events ----------------------------------------------------------------------------------------------- */

void world_loop_event(struct world *w, struct event *e) {
    struct sim_loop *l = e->loop;
    int64_t now = skew_now(&l->worker->skew, w->now_ms);

    switch (e->kind) {
    case EVENT_WAKE:
        if (l->wake_ms > w->now_ms)
            return;
        l->wake_ms = INT64_MAX;
        break;
    case EVENT_TIMEOUT:
        if (l->call[e->line] != e->number)
            return;
        l->call[e->line] = 0;
        agent_no_reply(l->agent, now, e->line);
        break;
    case EVENT_FETCHED:
        if (is_poison(w, e->transfer)) {
            die_of(w, e->transfer, l->worker);
            return;
        }
        finish_fetch(w, l, e->transfer);
        if (l->agent == NULL || l->incarnation != e->incarnation)
            return; /* the process died of it */
        remove_transfer(l, e->transfer);
        break;
    case EVENT_RESOLVED:
        if (e->visit->visit != NULL)
            resolved(w, l, e->visit, now);
        break;
    case EVENT_SYNCED:
        for (struct sim_segment *s = l->worker->disk; s != NULL; s = s->next)
            s->durable = s->size;
        agent_synced(l->agent, now, e->number);
        break;
    default:
        break;
    }
    world_loop_run(w, l);
}

/* ---- start, end, and after a pause ------------------------------------------------------------------------ */

void world_loop_start(struct world *w, struct sim_worker *s, uint32_t number) {
    struct sim_loop *l = &s->loops[number];
    struct agent_config config = {.worker = s->name,
                                  .incarnation = s->incarnation,
                                  .process = s->process,
                                  .place = s->place,
                                  .crawl = s->crawl,
                                  .loop = number,
                                  .loops = LOOPS,
                                  .transfers_max = TRANSFERS,
                                  .exchange_link_bytes = w->exchange_link_bytes,
                                  .exchange_links = w->exchange_links,
                                  .message_bytes = w->exchange_bytes,
                                  .attach_items = w->attach_items};

    *l = (struct sim_loop){.worker = s, .number = number, .wake_ms = INT64_MAX};
    l->incarnation = ++w->incarnations;
    memcpy(config.instance, s->instance, sizeof config.instance);
    l->agent = agent_new(&config);
    if (l->agent == NULL)
        abort();
    world_wake(w, l, 0);
}

void world_loop_stop(struct world *w, struct sim_loop *l) {
    for (struct sim_visit *v = l->visits; v != NULL;) {
        struct sim_visit *next = v->next;
        close_connections(w, l, v);
        free(v);
        v = next;
    }
    while (l->transfers != NULL)
        remove_transfer(l, l->transfers);
    agent_free(l->agent);
    l->agent = NULL;
    l->visits = NULL;
    l->incarnation = ++w->incarnations;
}

void world_loop_resume(struct world *w, struct sim_loop *l) {
    struct sim_worker *s = l->worker;
    struct agent_effect e;

    /* Connections were counted out at the pause: those closed now are not to be counted out again. */
    for (struct sim_visit *v = l->visits; v != NULL; v = v->next) {
        v->stale = v->open;
        v->open = 0;
    }
    while (l->agent != NULL && !l->left && agent_poll(l->agent, skew_now(&s->skew, w->now_ms), &e))
        obey(w, l, &e);
    for (struct sim_visit *v = l->visits; v != NULL; v = v->next) {
        if (v->visit != NULL && visit_deadline_ms(v->visit) > skew_now(&s->skew, w->now_ms) &&
            v->stale > 0) {
            v->open = v->stale;
            web_connection(&w->web, v->origin, (int)v->open, s->name);
        }
        v->stale = 0;
    }
}

/* agent_fetch: which URL next, and what came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/http_status.h"
#include "shared/limits.h"
#include "worker/agent_state.h"
#include "worker/agent_wall.h"

enum { FAILURES_MAX = 3, ROBOTS_HOPS_MAX = 5 };

/* ---- results --------------------------------------------------------------------------------------------------- */

/* Reports `u` in the given way and frees it. */
static void report(struct agent *a, struct visit *v, struct visit_url *u,
                   const struct agent_outcome *o, struct agent_verdict verdict, int64_t now_ms) {
    struct visit_result *r = u->gone ? NULL : agent_result_new(a, v, u, o, verdict);

    if (r != NULL)
        agent_result_add(a, v, r, o->segment, now_ms);
    else if (!u->gone)
        a->out_of_memory = true;
    visit_url_free(u);
}

void agent_add_item(struct agent *a, struct visit *v, const Trawl__Item *item, int64_t now_ms) {
    const struct agent_outcome nothing = {.fetched_at_unix_ms = 0};
    const struct visit_url unfit = {.fp = item->fp, .seq = item->seq, .depth = item->depth};
    struct visit_result *r;

    switch (visit_add(v, item)) {
    case VISIT_ADDED:
        break;
    case VISIT_NO_MEMORY:
        a->out_of_memory = true;
        break;
    case VISIT_UNFIT:
        r = agent_result_new(a, v, &unfit, &nothing,
                             (struct agent_verdict){TRAWL__STATE__FAILED, "url-not-supported"});
        if (r != NULL)
            agent_result_add(a, v, r, NULL, now_ms);
        else
            a->out_of_memory = true;
        break;
    }
}

void agent_return_queue(struct agent *a, struct visit *v, int64_t now_ms) {
    const struct agent_outcome nothing = {.fetched_at_unix_ms = 0};

    while (v->queue.first != NULL) {
        struct visit_url *u = v->queue.first;
        visit_list_take(&v->queue, u);
        report(a, v, u, &nothing, (struct agent_verdict){TRAWL__STATE__UNTRIED, ""}, now_ms);
    }
    a->urgent = true;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static struct agent_fetch_state *fetch_new(struct agent *a, struct visit *v, struct visit_url *u) {
    struct agent_fetch_state *f = malloc(sizeof *f);

    if (f == NULL)
        return NULL;
    *f = (struct agent_fetch_state){.id = a->next_fetch, .visit = v, .url = u};
    if (!map_put(&a->fetches, f->id, f)) {
        free(f);
        return NULL;
    }
    a->next_fetch++;
    a->transfers++;
    v->transfers++;
    v->unanswered++;
    return f;
}

static void started(struct agent *a, struct visit *v, int64_t now_ms) {
    v->last_start_ms = now_ms;
    /* The clock counts whole milliseconds: one more, or the gap may be a fraction short. */
    v->next_start_ms = now_ms + v->delay_ms + (v->delay_ms > 0);
#ifdef MUTANT_NO_DELAY
    v->next_start_ms = now_ms;
#endif
    agent_schedule(a, v);
}

/* The server has the request, or will not get it any more. */
static void had_request(struct agent *a, struct agent_fetch_state *f, int64_t now_ms) {
    f->answered = true;
    f->visit->unanswered--;
    started(a, f->visit, now_ms);
}

static void fetch_free(struct agent *a, struct agent_fetch_state *f, int64_t now_ms) {
    map_remove(&a->fetches, f->id);
    a->transfers--;
    f->visit->transfers--;
    if (!f->answered)
        had_request(a, f, now_ms);
    free(f);
}

void agent_void_fetches(struct agent *a, struct visit *v, int64_t now_ms) {
    size_t at = 0;
    struct agent_fetch_state *f;

    while ((f = map_next(&a->fetches, &at)) != NULL) {
        if (f->visit != v)
            continue;
        if (f->url != NULL) {
            visit_list_take(&v->running, f->url);
            if (f->url->gone)
                visit_url_free(f->url);
            else
                visit_list_add(&v->queue, f->url);
        } else {
            v->robots_state = VISIT_ROBOTS_NEEDED;
        }
        fetch_free(a, f, now_ms);
        at = 0;
    }
}

bool agent_sent(struct agent *a, int64_t now_ms, uint64_t fetch) {
    struct agent_fetch_state *f = map_get(&a->fetches, fetch);

    if (f == NULL || a->out_of_memory ||
        (f->sent && now_ms < f->visit->last_start_ms + f->visit->delay_ms))
        return false;
    f->sent = true;
    f->visit->last_start_ms = now_ms;
    return true;
}

void agent_answered(struct agent *a, int64_t now_ms, uint64_t fetch) {
    struct agent_fetch_state *f = map_get(&a->fetches, fetch);

    if (f != NULL && !f->answered)
        had_request(a, f, now_ms);
}

static bool start_robots(struct agent *a, struct visit *v, int64_t now_ms, struct agent_fetch *f) {
    size_t len = v->origin_len + strlen(v->robots_path);
    struct visit_url *u = calloc(1, sizeof *u + len + 1);
    struct agent_fetch_state *state = u == NULL ? NULL : fetch_new(a, v, u);

    if (state == NULL) {
        free(u);
        a->out_of_memory = true;
        heap_remove(&a->starts, &v->start);
        return false;
    }
    snprintf(u->text, len + 1, "%s%s", v->origin, v->robots_path);
    u->len = len;
    u->path_at = v->origin_len;
    free(v->robots_url);
    v->robots_url = u;
    state->url = NULL;
    v->robots_state = VISIT_ROBOTS_FETCHING;
    *f = (struct agent_fetch){.visit = v,
                              .fetch = state->id,
                              .robots = true,
                              .fresh = v->robots_repeats > 0,
                              .url = u->text,
                              .url_len = len,
                              .deadline_ms = v->deadline_ms};
    started(a, v, now_ms);
    return true;
}

static bool detour_allowed(const struct visit *v, const struct visit_detour *d) {
    return robots_allowed(&v->rules, d->text + d->path_at, d->len - d->path_at, NULL);
}

/* Takes URLs from the queue until one may be fetched; the others are reported as excluded. */
static struct visit_url *next_allowed(struct agent *a, struct visit *v, int64_t now_ms) {
    const struct agent_outcome nothing = {.fetched_at_unix_ms = 0};
    struct visit_url *u;

    while ((u = v->queue.first) != NULL) {
        struct robots_match why;
        char reason[128];

        if (u->detour != NULL && !detour_allowed(v, u->detour))
            agent_wall_give_up(u);
        if (u->robots || robots_allowed(&v->rules, u->text + u->path_at, u->len - u->path_at, &why))
            return u;
        visit_list_take(&v->queue, u);
        snprintf(reason, sizeof reason, "robots: line %u", why.line);
        report(a, v, u, &nothing, (struct agent_verdict){TRAWL__STATE__EXCLUDED, reason}, now_ms);
    }
    return NULL;
}

/* What failed is not tried again right after a failure: the origin rests first. */
static bool rest_first(struct agent *a, struct visit *v, const struct visit_url *u) {
    if (u == NULL || u->attempts == 0 || v->failures == 0)
        return false;
    visit_end(v, v->trouble, v->last_error);
    agent_attend(a, v);
    agent_schedule(a, v);
    return true;
}

static bool start_page(struct agent *a, struct visit *v, int64_t now_ms, struct agent_fetch *f) {
    struct visit_url *u = next_allowed(a, v, now_ms);

    if (rest_first(a, v, u))
        return false;
    struct agent_fetch_state *state = u == NULL ? NULL : fetch_new(a, v, u);

    if (state == NULL) {
        a->out_of_memory |= u != NULL;
        a->urgent = true;
        agent_schedule(a, v);
        if (u != NULL)
            heap_remove(&a->starts, &v->start);
        return false;
    }
    visit_list_take(&v->queue, u);
    visit_list_add(&v->running, u);
    *f = (struct agent_fetch){.visit = v,
                              .fetch = state->id,
                              .robots = u->robots,
                              .sitemap = u->sitemap,
                              .fresh = u->repeats > 0,
                              .url = u->text,
                              .url_len = u->len,
                              .capture = u->text + u->len + 1,
                              .capture_len = u->capture_len,
                              .deadline_ms = v->deadline_ms};
    if (u->detour != NULL) {
        f->url = u->detour->text;
        f->url_len = u->detour->len;
        f->capture_len = 0;
    }
    started(a, v, now_ms);
    return true;
}

bool agent_next_fetch(struct agent *a, int64_t now_ms, struct agent_fetch *f) {
    struct heap_item *it;

    while (agent_may_start(a) && (it = heap_min(&a->starts)) != NULL && it->key <= now_ms) {
        struct visit *v = (struct visit *)((char *)it - offsetof(struct visit, start));
#ifndef MUTANT_NO_LEASE_CHECK
        if (now_ms >= v->deadline_ms) {
            heap_remove(&a->starts, it);
            continue;
        }
#endif
        if (v->robots_state == VISIT_ROBOTS_NEEDED ? start_robots(a, v, now_ms, f)
                                                   : start_page(a, v, now_ms, f))
            return true;
    }
    return false;
}

/* ---- judging --------------------------------------------------------------------------------------------------------- */

static bool overloaded(uint32_t status) {
    return status == 429 || status == 503;
}

/* Might the next attempt go better? */
static bool transient(uint32_t status, enum agent_failure failure) {
    return failure == AGENT_NETWORK ||
           (failure == AGENT_NO_FAILURE && http_status_is_temporary(status));
}

static bool last_attempt(const struct agent *a, const struct visit_url *u) {
    return u->attempts + 1 >= a->retries;
}

bool agent_asks_again(const struct agent *a, uint64_t fetch, const struct agent_outcome *o) {
    const struct agent_fetch_state *f = map_get(&a->fetches, fetch);

    return f != NULL && f->url != NULL && agent_wall_stands(a, f->visit, f->url, o);
}

enum agent_disposition agent_disposition(const struct agent *a, uint64_t fetch, uint32_t status,
                                         enum agent_failure failure) {
    const struct agent_fetch_state *f = map_get(&a->fetches, fetch);

    if (f == NULL || f->url == NULL || f->url->robots || f->url->gone || f->url->detour != NULL ||
        failure != AGENT_NO_FAILURE)
        return AGENT_DISCARD;
    return transient(status, failure) && !last_attempt(a, f->url) ? AGENT_DISCARD : AGENT_ARCHIVE;
}

static struct agent_verdict judge_failure(const struct agent *a, const struct visit_url *u,
                                          const struct agent_outcome *o) {
    const char *reason = o->reason == NULL ? "failed" : o->reason;

    if (o->failure == AGENT_FORBIDDEN_ADDRESS)
        return (struct agent_verdict){TRAWL__STATE__EXCLUDED, reason};
    if (transient(o->status, o->failure) && !last_attempt(a, u))
        return (struct agent_verdict){TRAWL__STATE__RETRY, reason};
    return (struct agent_verdict){TRAWL__STATE__FAILED, reason};
}

/* To where can be told; a longer URL is none to crawl. */
static bool leads_on(const struct agent_outcome *o) {
    return o->redirect && o->redirect_to_len <= LIMIT_URL_BYTES;
}

static struct agent_verdict judge(const struct agent *a, const struct visit_url *u,
                                  const struct agent_outcome *o, char reason[32]) {
    if (o->failure != AGENT_NO_FAILURE)
        return judge_failure(a, u, o);
    if (o->status >= 200 && o->status < 300)
        return o->excluded == NULL ? (struct agent_verdict){TRAWL__STATE__FETCHED,
                                                            o->remark == NULL ? "" : o->remark}
                                   : (struct agent_verdict){TRAWL__STATE__EXCLUDED, o->excluded};
    if (o->unmodified && u->capture_len > 0)
        return (struct agent_verdict){TRAWL__STATE__FETCHED, ""};
    if (leads_on(o))
        return (struct agent_verdict){TRAWL__STATE__REDIRECTED, ""};
    snprintf(reason, 32, "http-%u", o->status);
    return transient(o->status, o->failure) && !last_attempt(a, u)
               ? (struct agent_verdict){TRAWL__STATE__RETRY, reason}
               : (struct agent_verdict){TRAWL__STATE__FAILED, reason};
}

static void ask_for_rest(struct visit *v, const struct agent_outcome *o) {
    if (o->retry_after_ms > v->backoff_ms)
        v->backoff_ms = o->retry_after_ms;
}

/* A server in trouble is left alone: the visit ends, and its origin rests. At once when the server says so, else
 * after some failures in a row. */
static void heed(struct visit *v, const struct agent_outcome *o, struct agent_verdict verdict) {
    bool told = o->failure == AGENT_NO_FAILURE && overloaded(o->status);

    if (!transient(o->status, o->failure)) {
        v->failures = 0;
        return;
    }
    v->trouble =
        o->failure == AGENT_NETWORK ? TRAWL__VERDICT__UNREACHABLE : TRAWL__VERDICT__FAILING;
    snprintf(v->last_error, sizeof v->last_error, "%s", verdict.reason);
    if (told)
        ask_for_rest(v, o);
    if (++v->failures >= FAILURES_MAX || told)
        visit_end(v, v->trouble, v->last_error);
}

/* The fetch is over: the visit may go on. */
static void finished(struct agent *a, struct visit *v) {
    if (v->ending || v->address_state == VISIT_ADDRESS_NEEDED)
        agent_attend(a, v);
    if (visit_idle(v))
        a->urgent = true;
    agent_schedule(a, v);
}

/* A fetch that broke after the lease had ended was cut off by this worker (worker/fence.h), which tells nothing of the
 * server: all that is under way is given back as if it had not begun. */
static bool cut_off(struct agent *a, struct visit *v, const struct agent_outcome *o,
                    int64_t now_ms) {
    agent_fence(a, now_ms);
    if (!v->fenced || o->failure != AGENT_NETWORK)
        return false;
    agent_void_fetches(a, v, now_ms);
    finished(a, v);
    return true;
}

/* Whether what was no good for this fetch may be tried once more. */
static bool may_repeat(struct visit *v, const struct agent_outcome *o, uint8_t *repeats) {
    if (o->failure != AGENT_AGAIN)
        return false;
    if (o->elsewhere ? v->moves >= AGENT_MOVES_MAX : *repeats >= AGENT_REPEATS_MAX)
        return false;
#ifdef MUTANT_REPEAT_COUNTS
    return false;
#endif
    if (!o->elsewhere) {
        ++*repeats;
        return true;
    }
    if (v->address_state ==
        VISIT_ADDRESS_BOOKED) { /* others of its fetches may have found out before */
        v->moves++;
        v->address_state = VISIT_ADDRESS_NEEDED;
    }
    return true;
}

/* AGENT_AGAIN: what was asked for is next, as if it had not been. */
static bool repeated(struct agent *a, struct agent_fetch_state *f, const struct agent_outcome *o,
                     int64_t now_ms) {
    struct visit *v = f->visit;
    struct visit_url *u = f->url;

    if (!may_repeat(v, o, u == NULL ? &v->robots_repeats : &u->repeats))
        return false;
    if (u == NULL) {
        v->robots_state = VISIT_ROBOTS_NEEDED;
    } else {
        visit_list_take(&v->running, u);
        if (u->gone)
            visit_url_free(u);
        else
            visit_list_add_first(&v->queue, u);
    }
    fetch_free(a, f, now_ms);
    finished(a, v);
    return true;
}

/* After too many of them, what is no good is what is there. */
static struct agent_outcome given_up(const struct agent_outcome *o) {
    struct agent_outcome out = *o;

    if (out.failure == AGENT_AGAIN)
        out.failure = AGENT_NETWORK;
    return out;
}

void agent_fetched(struct agent *a, int64_t now_ms, uint64_t fetch,
                   const struct agent_outcome *outcome) {
    struct agent_fetch_state *f = map_get(&a->fetches, fetch);
    const struct agent_outcome final = given_up(outcome), *o = &final;
    char reason[32];

    if (f == NULL || f->url == NULL || cut_off(a, f->visit, o, now_ms) ||
        repeated(a, f, outcome, now_ms))
        return;
    struct visit *v = f->visit;
    struct visit_url *u = f->url;
    struct agent_verdict verdict = judge(a, u, o, reason);
    visit_list_take(&v->running, u);
    fetch_free(a, f, now_ms);
    heed(v, o, verdict);
    if (agent_wall_stands(a, v, u, o))
        agent_wall_again(a, v, u, o);
    else
        report(a, v, u, o, verdict, now_ms);
    finished(a, v);
}

/* ---- robots.txt ---------------------------------------------------------------------------------------------------------- */

enum robots_answer { ROBOTS_RULES, ROBOTS_MOVED, ROBOTS_UNREACHABLE, ROBOTS_NO_MEMORY };

/* RFC 9309 §2.3.1: what a fetch of robots.txt means. Fills `rules` for ROBOTS_RULES. */
static enum robots_answer understand(const struct agent *a, const struct agent_outcome *o,
                                     const void *body, size_t len, struct robots *rules) {
    if (o->failure != AGENT_NO_FAILURE)
        return ROBOTS_UNREACHABLE;
    if (leads_on(o))
        return ROBOTS_MOVED;
    switch (robots_verdict_for_status((int)o->status)) {
    case ROBOTS_PARSE:
        return robots_parse(rules, body, len, a->token == NULL ? "trawl" : a->token)
                   ? ROBOTS_RULES
                   : ROBOTS_NO_MEMORY;
    case ROBOTS_ALLOW_ALL:
        robots_allow_all(rules);
        return ROBOTS_RULES;
    default:
        return ROBOTS_UNREACHABLE;
    }
}

static const char *robots_trouble(const struct agent_outcome *o, char text[96]) {
    if (o->failure != AGENT_NO_FAILURE)
        snprintf(text, 96, "robots-unreachable: %.72s",
                 o->reason == NULL ? "unreachable" : o->reason);
    else
        snprintf(text, 96, "robots-unreachable: http-%u", o->status);
    return text;
}

static bool same_origin(const struct visit *v, const struct agent_outcome *o) {
    return o->redirect_to_len > v->origin_len && o->redirect_to[v->origin_len] == '/' &&
           memcmp(o->redirect_to, v->origin, v->origin_len) == 0;
}

/* The report on robots.txt, packed: rules, or where they lie. */
static bool pack_robots(struct buf *out, const struct robots *rules, const struct agent_outcome *o,
                        bool elsewhere) {
    Trawl__RobotsReport m = TRAWL__ROBOTS_REPORT__INIT;
    struct buf encoded;
    bool ok = true;

    buf_init(&encoded, LIMIT_ROBOTS_ENCODED_BYTES);
    m.status = o->status;
    m.valid_ms = LIMIT_ROBOTS_VALID_MS;
    if (elsewhere) {
        m.redirect_to =
            (ProtobufCBinaryData){.data = (uint8_t *)o->redirect_to, .len = o->redirect_to_len};
    } else {
        ok = robots_encode(rules, &encoded);
        m.rules = (ProtobufCBinaryData){.data = (uint8_t *)encoded.data, .len = encoded.len};
        m.crawl_delay_ms = robots_crawl_delay_ms(rules);
    }
    ok = ok && wire_pack(out, &m.base);
    buf_release(&encoded);
    return ok;
}

static void know_robots(struct agent *a, struct visit *v, const struct agent_outcome *o) {
    uint32_t delay = robots_crawl_delay_ms(&v->rules);

    if (delay > LIMIT_SERVER_DELAY_MS)
        delay = LIMIT_SERVER_DELAY_MS;
    if (delay > v->delay_ms) {
        v->delay_ms = delay;
        v->next_start_ms = v->last_start_ms + delay + 1;
    }
    v->robots_state = VISIT_ROBOTS_KNOWN;
    buf_reset(&v->robots_report);
    if (!pack_robots(&v->robots_report, &v->rules, o, false))
        a->out_of_memory = true;
    a->urgent = true;
}

static void robots_moved(struct agent *a, struct visit *v, const struct agent_outcome *o) {
    char *path;

    if (!same_origin(v, o) || ++v->robots_hops > ROBOTS_HOPS_MAX) {
        buf_reset(&v->robots_report);
        if (!pack_robots(&v->robots_report, NULL, o, true))
            a->out_of_memory = true;
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
        return;
    }
    path = strndup(o->redirect_to + v->origin_len, o->redirect_to_len - v->origin_len);
    if (path == NULL) {
        a->out_of_memory = true;
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
        return;
    }
    free(v->robots_path);
    v->robots_path = path;
    v->robots_state = VISIT_ROBOTS_NEEDED;
}

static void own_robots(struct agent *a, struct visit *v, const struct agent_outcome *o,
                       const void *body, size_t len) {
    char trouble[96];

    v->robots_state = VISIT_ROBOTS_NEEDED;
    switch (understand(a, o, body, len, &v->rules)) {
    case ROBOTS_RULES:
        know_robots(a, v, o);
        break;
    case ROBOTS_MOVED:
        robots_moved(a, v, o);
        break;
    case ROBOTS_NO_MEMORY:
        a->out_of_memory = true;
        break;
    case ROBOTS_UNREACHABLE:
        if (overloaded(o->status))
            ask_for_rest(v, o);
        visit_end(v,
                  o->failure == AGENT_FORBIDDEN_ADDRESS ? TRAWL__VERDICT__FORBIDDEN
                  : o->failure == AGENT_NO_FAILURE      ? TRAWL__VERDICT__FAILING
                                                        : TRAWL__VERDICT__UNREACHABLE,
                  robots_trouble(o, trouble));
        break;
    }
}

/* robots.txt of another origin, fetched here on its behalf: its outcome carries the rules. */
static void foreign_robots(struct agent *a, struct visit *v, struct visit_url *u,
                           const struct agent_outcome *o, const void *body, size_t len,
                           int64_t now_ms) {
    struct robots rules;
    char trouble[96];
    struct agent_verdict verdict = {TRAWL__STATE__FETCHED, ""};

    robots_init(&rules);
    enum robots_answer answer = understand(a, o, body, len, &rules);
    if (answer == ROBOTS_NO_MEMORY)
        a->out_of_memory = true;
    if (answer == ROBOTS_UNREACHABLE)
        verdict =
            (struct agent_verdict){last_attempt(a, u) ? TRAWL__STATE__FAILED : TRAWL__STATE__RETRY,
                                   robots_trouble(o, trouble)};
    heed(v, o, verdict);
    struct visit_result *r = u->gone ? NULL : agent_result_new(a, v, u, o, verdict);
    if (r == NULL && !u->gone)
        a->out_of_memory = true;
    if (r != NULL) {
        if (answer != ROBOTS_UNREACHABLE &&
            !pack_robots(&r->robots, &rules, o, answer == ROBOTS_MOVED))
            a->out_of_memory = true;
        agent_result_add(a, v, r, NULL, now_ms);
    }
    free(u);
    robots_release(&rules);
}

void agent_fetched_robots(struct agent *a, int64_t now_ms, uint64_t fetch,
                          const struct agent_outcome *outcome, const void *body, size_t len) {
    struct agent_fetch_state *f = map_get(&a->fetches, fetch);
    const struct agent_outcome final = given_up(outcome), *o = &final;

    if (f == NULL || cut_off(a, f->visit, o, now_ms) || repeated(a, f, outcome, now_ms))
        return;
    struct visit *v = f->visit;
    struct visit_url *u = f->url;
    if (u != NULL)
        visit_list_take(&v->running, u);
    fetch_free(a, f, now_ms);
    if (u != NULL)
        foreign_robots(a, v, u, o, body, len, now_ms);
    else
        own_robots(a, v, o, body, len);
    finished(a, v);
}

#include "worker/visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"

struct visit *visit_new(const Trawl__Grant *grant, int64_t deadline_ms) {
    struct visit *v = calloc(1, sizeof *v);

    if (v == NULL)
        return NULL;
    v->attempt = grant->attempt;
    v->delay_ms = grant->delay_ms;
    v->connections = grant->connections > 0 ? grant->connections : 1;
    v->deadline_ms = deadline_ms;
    v->results_end = &v->results;
    robots_init(&v->rules);
    buf_init(&v->robots_report, LIMIT_ROBOTS_ENCODED_BYTES + 64);
    v->origin = strndup((const char *)grant->origin.data, grant->origin.len);
    v->robots_path = strdup("/robots.txt");
    if (v->origin == NULL || v->robots_path == NULL)
        goto fail;
    v->origin_len = strlen(v->origin);
    if (grant->address.len == 4 || grant->address.len == 16) {
        memcpy(v->address, grant->address.data, grant->address.len);
        v->address_len = grant->address.len;
    }
    v->robots_state = grant->fetch_robots ? VISIT_ROBOTS_NEEDED : VISIT_ROBOTS_KNOWN;
    if (grant->fetch_robots || grant->robots.len == 0)
        robots_allow_all(&v->rules);
    else if (!robots_decode(&v->rules, grant->robots.data, grant->robots.len)) {
        if (v->rules.no_memory)
            goto fail;
        v->robots_state = VISIT_ROBOTS_NEEDED; /* damaged: asked for anew */
    }
    return v;

fail:
    visit_free(v);
    return NULL;
}

void visit_url_free(struct visit_url *u) {
    if (u == NULL)
        return;
    free(u->detour);
    free(u);
}

static void free_urls(struct visit_list *l) {
    while (l->first != NULL) {
        struct visit_url *u = l->first;
        visit_list_take(l, u);
        visit_url_free(u);
    }
}

void visit_free(struct visit *v) {
    if (v == NULL)
        return;
    free_urls(&v->queue);
    free_urls(&v->running);
    while (v->results != NULL) {
        struct visit_result *r = v->results;
        v->results = r->next;
        visit_result_free(r);
    }
    robots_release(&v->rules);
    buf_release(&v->robots_report);
    free(v->origin);
    free(v->robots_path);
    free(v->robots_url);
    free(v);
}

enum visit_added visit_add(struct visit *v, const Trawl__Item *item) {
    size_t len = v->origin_len + item->path.len;
    struct visit_url *u;

    if (item->path.len == 0 || item->path.data[0] != '/' || len > LIMIT_URL_BYTES)
        return VISIT_UNFIT;
    u = calloc(1, sizeof *u + len + 1 + item->capture.len);
    if (u == NULL)
        return VISIT_NO_MEMORY;
    u->fp = item->fp;
    u->seq = item->seq;
    u->depth = item->depth;
    u->attempts = item->attempts;
    u->robots = item->robots;
    u->sitemap = item->sitemap;
    u->path_at = v->origin_len;
    u->len = len;
    memcpy(u->text, v->origin, v->origin_len);
    memcpy(u->text + v->origin_len, item->path.data, item->path.len);
    if (item->capture.len > 0)
        memcpy(u->text + len + 1, item->capture.data, item->capture.len);
    u->capture_len = item->capture.len;
    visit_list_add(&v->queue, u);
    return VISIT_ADDED;
}

/* The same measure as the master's: two seconds' worth where there is a delay. */
size_t visit_target(const struct visit *v) {
    size_t n = v->delay_ms > 0 ? 2000 / v->delay_ms + 1 : 192 + (size_t)64 * v->connections;

    return n < LIMIT_VISIT_ITEMS ? n : LIMIT_VISIT_ITEMS;
}

size_t visit_outstanding(const struct visit *v) {
    return v->queue.count + v->running.count;
}

bool visit_startable(const struct visit *v) {
    if (v->ending || v->address_state != VISIT_ADDRESS_BOOKED || v->transfers >= v->connections)
        return false;
    /* The delay counts from when the server has the request for sure, which is when it begins to answer: a
     * request may wait for its connection, in a buffer, or at a busy server. */
    if (v->delay_ms > 0 && v->unanswered > 0)
        return false;
    if (v->robots_state == VISIT_ROBOTS_NEEDED)
        return v->transfers == 0;
    return v->robots_state == VISIT_ROBOTS_KNOWN && v->queue.count > 0;
}

bool visit_idle(const struct visit *v) {
    return v->transfers == 0 && visit_outstanding(v) == 0;
}

void visit_list_add(struct visit_list *l, struct visit_url *u) {
    u->next = NULL;
    u->prev = l->last;
    if (l->last != NULL)
        l->last->next = u;
    else
        l->first = u;
    l->last = u;
    l->count++;
}

void visit_list_add_first(struct visit_list *l, struct visit_url *u) {
    u->prev = NULL;
    u->next = l->first;
    if (l->first != NULL)
        l->first->prev = u;
    else
        l->last = u;
    l->first = u;
    l->count++;
}

void visit_list_take(struct visit_list *l, struct visit_url *u) {
    if (u->prev != NULL)
        u->prev->next = u->next;
    else
        l->first = u->next;
    if (u->next != NULL)
        u->next->prev = u->prev;
    else
        l->last = u->prev;
    u->next = u->prev = NULL;
    l->count--;
}

void visit_result_free(struct visit_result *r) {
    buf_release(&r->robots);
    free(r);
}

void visit_add_result(struct visit *v, struct visit_result *r) {
    r->next = NULL;
    *v->results_end = r;
    v->results_end = &r->next;
    v->result_count++;
}

void visit_end(struct visit *v, Trawl__Verdict verdict, const char *reason) {
    v->ending = true;
    if (v->verdict == TRAWL__VERDICT__REACHED && verdict != TRAWL__VERDICT__REACHED) {
        v->verdict = verdict;
        snprintf(v->reason, sizeof v->reason, "%s", reason == NULL ? "" : reason);
    }
}

#include "master/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/limits.h"

#define ITEM_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

void lease_table_init(struct lease_table *t, int64_t lease_ms) {
    *t = (struct lease_table){.lease_ms = lease_ms};
    map_init(&t->by_attempt);
    map_init(&t->in_flight);
    map_init(&t->sessions);
    map_init(&t->workers_by_name);
    heap_init(&t->deadlines);
    heap_init(&t->session_deadlines);
}

static void session_destroy(struct session *s) {
    buf_release(&s->last_reply);
    free(s);
}

void lease_table_release(struct lease_table *t) {
    size_t at = 0;
    void *p;

    while ((p = map_next(&t->in_flight, &at)) != NULL)
        free(p);
    at = 0;
    while ((p = map_next(&t->by_attempt, &at)) != NULL) {
        free(((struct lease *)p)->items);
        free(p);
    }
    at = 0;
    while ((p = map_next(&t->sessions, &at)) != NULL)
        session_destroy(p);
    while (t->ending != NULL) {
        struct session *s = t->ending;
        t->ending = s->next;
        session_destroy(s);
    }
    while (t->workers != NULL) {
        struct worker *w = t->workers;
        t->workers = w->next;
        free(w->name);
        free(w);
    }
    map_release(&t->in_flight);
    map_release(&t->by_attempt);
    map_release(&t->sessions);
    map_release(&t->workers_by_name);
    heap_release(&t->deadlines);
    heap_release(&t->session_deadlines);
}

/* ---- sessions --------------------------------------------------------------------------------------- */

static uint64_t name_hash(const char *name) {
    return XXH3_64bits(name, strlen(name));
}

struct worker *lease_worker(const struct lease_table *t, const char *name) {
    struct worker *w = map_get(&t->workers_by_name, name_hash(name));

    while (w != NULL && strcmp(w->name, name) != 0)
        w = w->same_hash;
    return w;
}

struct worker *lease_worker_add(struct lease_table *t, const char *name) {
    struct worker *w = lease_worker(t, name);

    if (w != NULL)
        return w;
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->name = strdup(name);
    w->same_hash = map_get(&t->workers_by_name, name_hash(name));
    if (w->name == NULL || !map_put(&t->workers_by_name, name_hash(name), w)) {
        free(w->name);
        free(w);
        return NULL;
    }
    w->next = t->workers;
    t->workers = w;
    t->worker_count++;
    return w;
}

struct session *lease_session(const struct lease_table *t, uint64_t id) {
    return map_get(&t->sessions, id);
}

struct session *lease_session_add(struct lease_table *t, uint64_t id, struct worker *w,
                                  uint32_t loop, uint32_t tasks, bool attached, int64_t now_ms) {
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    *s = (struct session){.id = id,
                          .worker = w,
                          .loop = loop,
                          .tasks = tasks,
                          .attached = attached,
                          .renewed_ms = now_ms,
                          .lease_ms = t->lease_ms};
    buf_init(&s->last_reply, LIMIT_WIRE_BYTES);
    if (!heap_set(&t->session_deadlines, &s->deadline, now_ms + t->lease_ms)) {
        session_destroy(s);
        return NULL;
    }
    if (!map_put(&t->sessions, id, s)) {
        heap_remove(&t->session_deadlines, &s->deadline);
        session_destroy(s);
        return NULL;
    }
    w->sessions++;
    s->sibling = w->first;
    w->first = s;
    if (tasks > 0) {
        w->tasker = s;
        t->slots += tasks;
        return s;
    }
    t->loops++;
    t->unattached += !attached;
    return s;
}

void lease_session_attach(struct lease_table *t, struct session *s) {
    t->unattached -= s->tasks == 0 && !s->attached;
    s->attached = true;
}

void lease_session_renew(struct session *s, int64_t now_ms) {
    s->renewed_ms = now_ms;
}

void lease_session_close(struct lease_table *t, struct session *s) {
    struct session **at = &s->worker->first;

    while (*at != s)
        at = &(*at)->sibling;
    *at = s->sibling;
    s->closed = true;
    s->next = t->ending;
    t->ending = s;
    s->worker->ending++;
    heap_remove(&t->session_deadlines, &s->deadline);
    map_remove(&t->sessions, s->id);
    s->worker->sessions--;
    s->worker->troubled -= s->troubled;
    t->slots -= s->tasks;
    if (s->worker->tasker == s)
        s->worker->tasker = NULL;
    t->loops -= s->tasks == 0;
    t->unattached -= s->tasks == 0 && !s->attached;
}

void lease_session_free(struct lease_table *t, struct session *s) {
    assert(s->closed && s->lease_count == 0 && t->ending == s);
    t->ending = s->next;
    s->worker->ending--;
    session_destroy(s);
}

struct session *lease_session_due(struct lease_table *t, int64_t now_ms) {
    struct heap_item *it;

    while ((it = heap_min(&t->session_deadlines)) != NULL && it->key <= now_ms) {
        struct session *s = ITEM_OF(it, struct session, deadline);
        if (s->renewed_ms + s->lease_ms <= now_ms)
            return s;
        (void)heap_set(&t->session_deadlines, it, s->renewed_ms + s->lease_ms);
    }
    return NULL;
}

/* ---- leases ------------------------------------------------------------------------------------------ */

static struct lease *lease_new(struct lease_table *t, uint64_t attempt, struct session *s,
                               int64_t now_ms) {
    struct lease *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    *l = (struct lease){.attempt = attempt,
                        .session = s,
                        .granted_ms = now_ms,
                        .renewed_ms = now_ms,
                        .progress_ms = now_ms};
    if (!heap_set(&t->deadlines, &l->deadline, now_ms + t->lease_ms)) {
        free(l);
        return NULL;
    }
    if (!map_put(&t->by_attempt, attempt, l)) {
        heap_remove(&t->deadlines, &l->deadline);
        free(l);
        return NULL;
    }
    l->next = s->leases;
    if (s->leases != NULL)
        s->leases->prev = l;
    s->leases = l;
    s->lease_count++;
    return l;
}

struct lease *lease_grant(struct lease_table *t, uint64_t attempt, struct session *s,
                          struct origin *o, uint32_t connections, struct host_address *address,
                          int64_t now_ms) {
    struct lease *l = lease_new(t, attempt, s, now_ms);

    if (l == NULL)
        return NULL;
    l->origin = o;
    l->address = address;
    l->connections = connections;
    s->worker->leases++;
    t->visits++;
    return l;
}

struct lease *lease_grant_task(struct lease_table *t, uint64_t attempt, struct session *s,
                               struct task *task, int64_t now_ms) {
    struct lease *l = lease_new(t, attempt, s, now_ms);

    if (l != NULL)
        l->task = task;
    return l;
}

struct lease *lease_find(const struct lease_table *t, uint64_t attempt) {
    return map_get(&t->by_attempt, attempt);
}

void lease_renew(struct lease *l, int64_t now_ms) {
    if (!l->cancelled)
        l->renewed_ms = now_ms;
}

struct lease *lease_due(const struct lease_table *t, int64_t now_ms) {
    struct heap_item *it = heap_min(&t->deadlines);

    return it == NULL || it->key > now_ms ? NULL : ITEM_OF(it, struct lease, deadline);
}

void lease_defer(struct lease_table *t, struct lease *l) {
    (void)heap_set(&t->deadlines, &l->deadline, l->renewed_ms + t->lease_ms);
}

int64_t lease_next_ms(const struct lease_table *t) {
    const struct heap_item *lease = heap_min(&t->deadlines);
    const struct heap_item *session = heap_min(&t->session_deadlines);
    int64_t next = lease == NULL ? INT64_MAX : lease->key;

    return session != NULL && session->key < next ? session->key : next;
}

void lease_free(struct lease_table *t, struct lease *l) {
    assert(l->count == 0);
    heap_remove(&t->deadlines, &l->deadline);
    map_remove(&t->by_attempt, l->attempt);
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        l->session->leases = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    l->session->lease_count--;
    if (l->task == NULL) {
        l->session->worker->leases--;
        t->visits--;
    }
    free(l->items);
    free(l);
}

/* ---- items ------------------------------------------------------------------------------------------- */

bool lease_reserve(struct lease_table *t, struct lease *l) {
    if (l->count == l->size) {
        size_t size = l->size == 0 ? 8 : l->size * 2;
        struct lease_item **items = realloc(l->items, size * sizeof(struct lease_item *));
        if (items == NULL)
            return false;
        l->items = items;
        l->size = size;
    }
    return map_reserve(&t->in_flight);
}

struct lease_item *lease_item_new(const char *path, size_t len, const void *capture,
                                  size_t capture_len) {
    struct lease_item *it = calloc(1, sizeof *it + len + capture_len + 1);

    if (it == NULL)
        return NULL;
    memcpy(it->path, path, len);
    it->path_len = (uint32_t)len;
    if (capture_len > 0)
        memcpy(it->path + len, capture, capture_len);
    it->capture_len = (uint32_t)capture_len;
    return it;
}

const void *lease_item_capture(const struct lease_item *it) {
    return it->path + it->path_len;
}

void lease_add_item(struct lease_table *t, struct lease *l, struct lease_item *it) {
    it->lease = l;
    it->index = l->count;
    l->items[l->count++] = it;
    bool put = map_put(&t->in_flight, it->fp, it);
    assert(put);
    (void)put;
    l->origin->leased++;
    l->session->item_count++;
    if (it->robots_for != 0)
        guest_lease(l->origin, it->fp);
}

struct lease_item *lease_item(const struct lease_table *t, uint64_t fp) {
    return map_get(&t->in_flight, fp);
}

void lease_take_item(struct lease_table *t, struct lease_item *it) {
    struct lease *l = it->lease;
    struct lease_item *last = l->items[--l->count];

    l->items[it->index] = last;
    last->index = it->index;
    map_remove(&t->in_flight, it->fp);
    l->origin->leased--;
    l->session->item_count--;
    if (it->robots_for != 0)
        guest_give_back(l->origin, it->fp);
    it->lease = NULL;
}

static int compare_places(const void *a, const void *b) {
    const struct lease_item *i = *(struct lease_item *const *)a,
                            *k = *(struct lease_item *const *)b;

    if (i->place_depth != k->place_depth)
        return i->place_depth < k->place_depth ? -1 : 1;
    return (i->seq > k->seq) - (i->seq < k->seq);
}

void lease_sort_items(struct lease *l) {
    if (l->count > 1)
        qsort(l->items, l->count, sizeof(struct lease_item *), compare_places);
    for (size_t i = 0; i < l->count; i++)
        l->items[i]->index = i;
}

/* world_guest: in some worlds a worker comes that should not be there: in a copy of the directory of one that works, under
 * its name; or in a directory with the records of another crawl.
 *
 * What holds, checked at each answer of the master:
 *   - a session is one process's;
 *   - nobody is given a name while another process that has it still believes in a lease;
 *   - nobody is told to seal what another process is writing to;
 *   - a segment has one writer, and is named for the session that commits into it.
 * A copy that comes when the first one was silent for longer than its leases is let in by right; then the first one is
 * refused, as long as the copy lives. When the faults are over the operator does what the master's refusal says: the copy is
 * started under another name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "tests/sim/world_state.h"

static const char other_crawl[] = "00112233445566aa";

void world_guest_choose(struct world *w) {
    struct rng r = {w->options->seed + 15};

    map_init(&w->guest.sessions);
    if (w->options->calm || !rng_chance(&r, 30))
        return;
    w->guest.of = rng_chance(&r, 75) ? &w->workers[rng_below(&r, w->worker_count)] : NULL;
    struct sim_worker *s = w->guest.worker = &w->workers[w->worker_count++];
    s->place = WORKERS_MAX + 1;
    snprintf(s->name, sizeof s->name, "x");
    snprintf(s->crawl, sizeof s->crawl, "%s", other_crawl);
    s->instance[0] = 99;
    world_restart_later(w, s, rng_below(&r, 45000));
}

void world_guest_release(struct world *w) {
    map_release(&w->guest.sessions);
}

/* As a file system would, while the first one writes. */
static void copy_disk(struct sim_worker *to, const struct sim_worker *from) {
    for (const struct sim_segment *i = from->disk; i != NULL; i = i->next) {
        struct sim_segment *s = calloc(1, sizeof *s);
        if (s == NULL)
            abort();
        *s = *i;
        s->records = NULL;
        s->count = s->room = 0;
        s->copied = true;
        s->next = to->disk;
        to->disk = s;
    }
}

void world_guest_arrive(struct world *w, struct sim_worker *s) {
    const struct sim_worker *of = w->guest.of;

    if (s != w->guest.worker || w->guest.arrived)
        return;
    w->guest.arrived = true;
    if (of == NULL)
        return;
    memcpy(s->name, of->name, sizeof s->name);
    memcpy(s->instance, of->instance, sizeof s->instance);
    memcpy(s->crawl, of->crawl, sizeof s->crawl);
    /* The last start is copied, or not yet. */
    s->incarnation = of->incarnation - (of->incarnation > 0 && rng_chance(&w->rng, 50));
    copy_disk(s, of);
    w->result->faults[FAULT_COPIED]++;
    world_note(w, "the directory of %s is copied", of->name);
}

void world_guest_end(struct world *w) {
    struct sim_worker *s = w->guest.worker;

    if (s == NULL)
        return;
    if (s->paused_until_ms > 0)
        world_worker_resume(w, s);
    if (s->alive)
        world_worker_kill(w, s);
    s->incarnation += 2; /* a start that was to come is void */
    if (w->guest.of == NULL)
        return;
    w->guest.arrived = true;
    snprintf(s->name, sizeof s->name, "x");
    s->instance[0] = 99;
    s->crawl[0] = '\0';
    w->guest.over = true;
    world_restart_later(w, s, 1000);
}

bool world_guest_refused(struct world *w, struct sim_loop *l, const char *text) {
    const struct sim_worker *s = l->worker, *guest = w->guest.worker;

    if (guest == NULL || (s != guest && s != w->guest.of))
        return false;
    world_note(w, "%s/%u is refused: %s", s->name, l->number, text);
    w->result->faults[FAULT_GUEST_REFUSED]++;
    l->left = l->failed = true;
    return true;
}

void world_guest_joined(struct world *w, const struct sim_loop *l) {
    if (strcmp(l->worker->crawl, other_crawl) == 0)
        world_fail(w, "a worker with the directory of another crawl is let in");
}

/* ---- what holds ------------------------------------------------------------------------------------------- */

/* Does it still believe in a lease, and has it connections by it? */
static bool at_work(const struct world *w, const struct sim_worker *s) {
    for (uint32_t i = 0; i < LOOPS; i++)
        for (const struct sim_visit *v = s->loops[i].visits; v != NULL; v = v->next)
            if (v->visit != NULL && v->open > 0 &&
                visit_deadline_ms(v->visit) > skew_now(&s->skew, w->now_ms))
                return true;
    return false;
}

static const struct sim_worker *other_at_work(const struct world *w, const struct sim_worker *than,
                                              const char *name) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        const struct sim_worker *s = &w->workers[i];
        if (s != than && s->alive && strcmp(s->name, name) == 0 && at_work(w, s))
            return s;
    }
    return NULL;
}

static void check_register(struct world *w, const struct sim_worker *from, const Trawl__Register *r,
                           const Trawl__RegisterReply *reply) {
    const void *had = map_get(&w->guest.sessions, reply->session);
    void *has = (void *)(uintptr_t)r->process;

    if (had != NULL && had != has)
        world_fail(w, "two processes of %s have session %llu", r->worker,
                   (unsigned long long)reply->session);
    if (!map_put(&w->guest.sessions, reply->session, has))
        abort();
    if (other_at_work(w, from, r->worker) != NULL)
        world_fail(w, "another process gets the name %s while one works under it", r->worker);
}

static void check_query(struct world *w, const struct sim_worker *from, const char *segment) {
    char name[8];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(segment, "-"), segment);
    if (other_at_work(w, from, name) != NULL)
        world_fail(w, "%s is closed while its writer works", segment);
}

static void check_exchange(struct world *w, uint64_t session, const Trawl__Exchange *x) {
    char part[32];

    snprintf(part, sizeof part, "-%06llu-", (unsigned long long)session);
    for (size_t i = 0; i < x->n_segments; i++)
        if (strstr(x->segments[i], part) == NULL)
            world_fail(w, "session %llu commits into %s", (unsigned long long)session,
                       x->segments[i]);
}

void world_guest_check(struct world *w, const struct sim_worker *from, const Trawl__Request *r,
                       const Trawl__Reply *reply) {
    if (reply == NULL || reply->code != TRAWL__CODE__OK)
        return;
    if (reply->body_case == TRAWL__REPLY__BODY_REGISTER)
        check_register(w, from, r->register_, reply->register_);
    else if (r->body_case == TRAWL__REQUEST__BODY_SEGMENT_QUERY)
        check_query(w, from, r->segment_query->name);
    else if (r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        check_exchange(w, r->session, r->exchange);
}

void world_guest_check_segment(struct world *w, const struct sim_worker *from, const char *name) {
    for (uint32_t i = 0; i < w->worker_count; i++)
        for (const struct sim_segment *s = w->workers[i].disk; s != NULL; s = s->next)
            if (strcmp(s->name, name) == 0)
                world_fail(w, "%s of %s has two writers", name, from->name);
}

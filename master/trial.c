#include "master/trial.h"

#include <stdio.h>
#include <string.h>

#include "shared/fingerprint.h"
#include "shared/limits.h"
#include "shared/work.h"

static bool on_trial(const struct core *c, const struct lease *l) {
    return c->trial.worker != NULL && c->trial.attempt == l->attempt;
}

/* A summoned worker may have lost its way: its disk is full, say. */
static bool summons_lapsed(const struct core *c, int64_t now_ms) {
    return c->trial.attempt == 0 && now_ms - c->trial.summoned_ms > c->leases.lease_ms;
}

static bool takes_the_stand(struct core *c, const struct lease *l) {
    struct worker *w = l->session->worker;

    if (c->trial.worker == NULL || summons_lapsed(c, l->granted_ms)) {
        c->trial.worker = w;
        c->trial.attempt = 0;
        c->trial.summoned_ms = l->granted_ms;
        c->trial.origin = l->origin->id;
    }
    if (c->trial.worker != w || c->trial.attempt != 0 || w->leases > 1)
        return false;
    c->trial.attempt = l->attempt;
    return true;
}

static bool is_well(const struct worker *w) {
    return w->sessions > 0 && w->troubled == 0 && !w->draining;
}

static bool died_with(const struct worker *w, const Trawl__QueuedUrl *q) {
    return strcmp(q->lost_with, w->name) == 0;
}

/* Another one should be asked, who is there. */
static bool others_first(const struct core *c, const struct worker *w, const Trawl__QueuedUrl *q) {
#ifdef MUTANT_SAME_WORKER
    return false;
#endif
    const bool again = died_with(w, q);

    /* Most often nobody has to be looked for. */
    if (!again && w->proven)
        return false;
    for (const struct worker *other = c->leases.workers; other != NULL; other = other->next) {
        work(WORK_STEP);
        if (other != w && is_well(other) &&
            (again || (!w->proven && other->proven && !died_with(other, q))))
            return true;
    }
    return false;
}

bool trial_admits(struct core *c, const struct lease *l, const Trawl__QueuedUrl *q) {
#ifdef MUTANT_BLAME_ALL
    return true;
#endif
    if (q->losses < TRIAL_ALONE)
        return !l->alone;
#ifdef MUTANT_NO_STAND
    return l->count == 0;
#endif
    return l->count == 0 && !others_first(c, l->session->worker, q) &&
           (q->losses < TRIAL_STAND || takes_the_stand(c, l));
}

bool trial_summoned(const struct core *c, const struct worker *w) {
    return c->trial.worker == w;
}

bool trial_busy(const struct core *c, const struct worker *w) {
    return c->trial.worker == w && w->leases > 0;
}

struct origin *trial_origin(const struct core *c, const struct worker *w) {
    return c->trial.worker == w && c->trial.attempt == 0 ? host_by_id(&c->hosts, c->trial.origin)
                                                         : NULL;
}

static void adjourn(struct core *c) {
    c->trial.worker = NULL;
    c->trial.attempt = 0;
}

void trial_looked(struct core *c, const struct worker *w) {
    if (c->trial.worker == w && c->trial.attempt == 0)
        adjourn(c);
}

void trial_lease_ends(struct core *c, const struct lease *l) {
    if (on_trial(c, l))
        adjourn(c);
}

void trial_worker_gone(struct core *c, const struct worker *w) {
    if (c->trial.worker == w)
        adjourn(c);
}

void trial_proven(struct core *c, struct worker *w) {
    Trawl__StoredWorker v = TRAWL__STORED_WORKER__INIT;

    if (w->proven)
        return;
    w->proven = true;
    w->vain = 0;
    v.name = w->name;
    core_put(c, record_worker(fingerprint(c->key, w->name, strlen(w->name))), &v.base);
}

bool trial_load_proven(struct core *c, const Trawl__StoredWorker *stored) {
    struct worker *w = lease_worker_add(&c->leases, stored->name);

    if (w != NULL)
        w->proven = true;
    return w != NULL;
}

/* ---- losses ------------------------------------------------------------------------------------------------ */

/* An origin with many such URLs, or whose robots.txt is one, is not worth a worker a URL. */
static void convict(struct core *c, struct now now, struct lease_item *it) {
    struct origin *o = it->lease->origin;
    Trawl__Outcome out = TRAWL__OUTCOME__INIT;

    out.fp = it->fp;
    out.state = TRAWL__STATE__FAILED;
    out.reason = TRIAL_REASON;
    out.fetched_at_ms = (uint64_t)now.unix_ms;
    frontier_finish(c, now, it, &out, NULL);
    if (++o->culprits >= LIMIT_ORIGIN_CULPRITS && !c->failed)
        origin_park(c, now, o, TRAWL__STATE__FAILED, TRIAL_REASON);
}

static bool counts(const struct core *c, const struct lease *l, const struct lease_item *it) {
#if defined(MUTANT_BLAME_ALL) || defined(MUTANT_NO_STAND)
    return true;
#endif
    if (it->losses < TRIAL_STAND)
        return it->losses < TRIAL_ALONE || l->alone;
    return on_trial(c, l);
}

/* A worker that has done nothing yet may die of itself. */
static bool may_be_its_own(const struct worker *w) {
#ifdef MUTANT_BLAME_UNPROVEN
    return false;
#endif
    return !w->proven;
}

/* It does not count, but another one is next. */
static void note_died_with(struct core *c, struct lease *l) {
    if (!l->alone || l->count == 0)
        return;
    l->items[0]->lost_with = l->session->worker;
    frontier_note(c, l->items[0]);
}

static void note_vain(struct core *c, const struct lease *l) {
    struct worker *w = l->session->worker;
    char times[32];

    if (l->count == 0 || ++w->vain != TRIAL_GUILTY)
        return;
    snprintf(times, sizeof times, "%d times", TRIAL_GUILTY);
    core_tell(c, CORE_WORKER_SUSPECT, w->name, times);
}

void trial_lost(struct core *c, struct now now, struct lease *l) {
#ifdef MUTANT_BLAME_NOBODY
    return;
#endif
    if (may_be_its_own(l->session->worker)) {
        note_vain(c, l);
        note_died_with(c, l);
        return;
    }
    lease_sort_items(l);
    size_t window = l->count < TRIAL_WINDOW ? l->count : TRIAL_WINDOW;

    /* From the end: a convicted item leaves, and the last one takes its place. */
    for (size_t i = window; i > 0 && !c->failed; i--) {
        struct lease_item *it = l->items[i - 1];
        if (!counts(c, l, it))
            continue;
        it->losses++;
        if (l->alone)
            it->lost_with = l->session->worker;
        if (it->losses >= TRIAL_GUILTY)
            convict(c, now, it);
        else
            frontier_note(c, it);
    }
}

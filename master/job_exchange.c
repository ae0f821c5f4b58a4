/* job_exchange: what becomes of attempts at tasks, and who gets the next. Within one exchange all reports are taken
 * and written, then tasks are granted. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "master/core_state.h"
#include "master/turn.h"
#include "proto/budget.h"

enum {
    REST_FIRST_MS = 50, /* of a session whose tasks fail, while there are others; doubles */
    REST_DOUBLINGS = 5,
    REASON_SHOWN = 400, /* bytes of a reason that are kept */
    /* Names of so many records of a task are kept in full, of the others a beginning: together they are one value of
       the crawldb. */
    CRASHES_IN_FULL = 256,
    NAME_SHOWN = 1024,
};

/* ---- ends -------------------------------------------------------------------------------------------- */

void job_take_back(struct core *c, struct lease *l) {
    task_release(l->task, l);
    lease_free(&c->leases, l);
}

static void take_back_all(struct core *c, struct task *t) {
    while (t->leases[0] != NULL)
        job_take_back(c, t->leases[0]);
}

static void delete_tasks(struct core *c, const struct job *j) {
    for (int kind = 0; kind < TASK_KINDS; kind++)
        for (uint32_t i = 0; i < j->count[kind]; i++)
            core_delete(c, record_task(j->number, (Trawl__TaskKind)kind, i));
}

/* Those that are over are not told of for ever. */
static void drop_oldest(struct core *c) {
    while (c->jobs.over > LIMIT_JOBS_KEPT) {
        struct job *j = job_oldest(&c->jobs);
        core_delete(c, record_job(j->number));
        job_drop(&c->jobs, j);
    }
}

void job_finish(struct core *c, struct now now, struct job *j, Trawl__JobState state,
                const char *why) {
    for (int kind = 0; kind < TASK_KINDS; kind++)
        for (uint32_t i = 0; i < j->count[kind]; i++)
            take_back_all(c, &j->tasks[kind][i]);
    arena_reset(&c->record);
    Trawl__JobInfo *info = job_info(c, &c->record, j);
    if (info == NULL)
        return;
    info->state = state;
    info->why = why == NULL ? "" : arena_printf(&c->record, "%s", why);
    info->ended_ms = (uint64_t)now.unix_ms;
    if (info->why == NULL) {
        core_fail(c, "out of memory for a job");
        return;
    }
    c->job_over_ms = now.mono_ms;
    delete_tasks(c, j);
    job_put(c, j, info);
    if (job_end(&c->jobs, j, info))
        drop_oldest(c);
    else
        core_fail(c, "out of memory for a job");
}

/* ---- what comes up ----------------------------------------------------------------------------------- */

void job_worker_gone(struct core *c, const struct worker *w) {
#ifdef MUTANT_MAP_KEPT
    return;
#endif
    for (struct task *t = w->maps.first; t != NULL; t = w->maps.first) {
        task_redo(t);
        job_put_task(c, t, NULL);
    }
}

static uint32_t strikes_max(const struct job *j) {
    return j->spec->attempts > 0 ? j->spec->attempts : TASK_STRIKES;
}

/* The task has failed once more; too often, and the job has. */
static void strike(struct core *c, struct now now, struct task *t) {
    struct job *j = t->job;
    char why[sizeof j->last_failure + 80];

    if (++t->strikes < strikes_max(j)) {
        job_put_task(c, t, NULL);
        return;
    }
    snprintf(why, sizeof why, "%s task %u failed %u times; the last: %s", task_kind_name(t->kind),
             t->number, t->strikes, j->last_failure);
    job_finish(c, now, j, TRAWL__JOB_STATE__JOB_FAILED, why);
}

static void note_failure(struct task *t, const struct session *s, const char *reason) {
    snprintf(t->job->last_failure, sizeof t->job->last_failure, "%s task %u on %s: %.*s",
             task_kind_name(t->kind), t->number, s->worker->name, REASON_SHOWN,
             reason[0] == '\0' ? "no reason given" : reason);
}

/* Where a crash may be laid to a record; true: it is skipped from now on. */
static bool blame_record(struct core *c, struct task *t, const Trawl__TaskResult *r) {
    ProtobufCBinaryData name = r->record_name;
    bool ok;

    if (r->end != TRAWL__TASK_END__CRASHED || t->crash_count >= LIMIT_TASK_SKIPS)
        return false;
    size_t name_max = t->crash_count < CRASHES_IN_FULL ? LIMIT_RECORD_NAME_BYTES : NAME_SHOWN;
    if (name.len > name_max)
        name.len = name_max;
    bool skipped = task_crashed(t, r->record, name, 1, &ok);
    if (!ok)
        core_fail(c, "out of memory for a task");
    return skipped;
}

static void take_failure(struct core *c, struct now now, struct session *s, struct task *t,
                         const Trawl__TaskResult *r, const char *reason) {
    uint32_t doublings = s->failures < REST_DOUBLINGS ? s->failures : REST_DOUBLINGS;

    s->failures++;
    if (c->leases.slots > s->tasks)
        s->rest_until_ms = now.mono_ms + ((int64_t)REST_FIRST_MS << doublings);
    t->failures++;
    note_failure(t, s, reason);
    if (!blame_record(c, t, r)) {
        strike(c, now, t);
        return;
    }
    t->strikes = 0;
    job_put_task(c, t, NULL);
}

/* What one worker cannot do another may: but where nobody has done any of the job's tasks, it is the job. */
static void take_refusal(struct core *c, struct now now, struct session *s, struct task *t,
                         const Trawl__TaskResult *r) {
    struct job *j = t->job;
    char why[REASON_SHOWN + 1];

    if (j->done[TRAWL__TASK_KIND__MAP] > 0 || j->done[TRAWL__TASK_KIND__REDUCE] > 0) {
        take_failure(c, now, s, t, r, r->reason);
        return;
    }
    t->failures++;
    note_failure(t, s, r->reason);
    j->refused = true;
    snprintf(why, sizeof why, "%s", r->reason[0] == '\0' ? "no reason given" : r->reason);
    job_finish(c, now, j, TRAWL__JOB_STATE__JOB_FAILED, why);
}

static void take_done(struct core *c, struct now now, struct lease *l, const Trawl__TaskResult *r) {
    struct task *t = l->task;
    struct job *j = t->job;

    if (!task_finish(t, l->attempt, l->session->worker, now.mono_ms - l->granted_ms, r)) {
        core_fail(c, "out of memory for a task");
        return;
    }
    l->session->failures = 0;
#ifdef MUTANT_TASK_TWICE
    if (t->kind == TRAWL__TASK_KIND__REDUCE)
        job_take_back(c, l);
    else
#endif
        take_back_all(c, t);
#ifndef MUTANT_DONE_UNSTORED
    job_put_task(c, t, r);
#endif
    if (t->kind == TRAWL__TASK_KIND__MAP && j->done[t->kind] == j->count[t->kind])
        job_place_anew(j, now.mono_ms);
    if (j->done[TRAWL__TASK_KIND__REDUCE] == j->count[TRAWL__TASK_KIND__REDUCE])
        job_finish(c, now, j, TRAWL__JOB_STATE__JOB_DONE, NULL);
}

/* The reducer was told of the attempt that had made the map's output. If another one did since, with a higher number
 * than the reducer's, it says nothing of that. */
static void take_gone(struct core *c, struct now now, const struct session *s, struct job *j,
                      uint64_t attempt, const Trawl__TaskResult *r) {
    const uint64_t number = j->number;

    for (size_t i = 0; i < r->n_gone && !c->failed; i++) {
        struct task *t = job_task(j, TRAWL__TASK_KIND__MAP, r->gone[i]);
        if (t == NULL || t->state != TASK_DONE || t->attempt > attempt)
            continue;
        task_redo(t);
        note_failure(t, s, "its output cannot be had");
        strike(c, now, t);
        j = job_find(&c->jobs, number);
        if (j == NULL || !job_runs(j))
            return;
    }
}

static void take_result(struct core *c, struct now now, struct lease *l,
                        const Trawl__TaskResult *r) {
    struct session *s = l->session;
    struct task *t = l->task;
    struct job *j = t->job;
    const uint64_t attempt = l->attempt;
    const char *why = r->reason;

#ifdef MUTANT_TASK_TWICE
    if (t->state == TASK_DONE) {
        j->done[t->kind]++;
        job_take_back(c, l);
        return;
    }
#endif
    if (r->end == TRAWL__TASK_END__DONE && task_well_formed(t, r, &why)) {
        take_done(c, now, l, r);
        return;
    }
    job_take_back(c, l);
    switch (r->end) {
    case TRAWL__TASK_END__GIVEN_BACK:
        break;
    case TRAWL__TASK_END__INPUT_GONE:
        take_gone(c, now, s, j, attempt, r);
        break;
    case TRAWL__TASK_END__TASK_REFUSED:
        take_refusal(c, now, s, t, r);
        break;
    default:
        take_failure(c, now, s, t, r, why);
        break;
    }
}

void job_take_reports(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                      Trawl__ExchangeReply *reply) {
    const Trawl__TaskResult nothing = TRAWL__TASK_RESULT__INIT;

    reply->tasks_lost = arena_alloc(&c->arena, (x->n_tasks + 1) * sizeof *reply->tasks_lost);
    if (reply->tasks_lost == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    for (size_t i = 0; i < x->n_tasks && !c->failed; i++) {
        const Trawl__TaskReport *r = x->tasks[i];
        struct lease *l = lease_find(&c->leases, r->attempt);
        if (l == NULL || l->session != s || l->task == NULL)
            reply->tasks_lost[reply->n_tasks_lost++] = r->attempt;
        else
            take_result(c, now, l, r->result == NULL ? &nothing : r->result);
    }
    c->refused += reply->n_tasks_lost;
}

/* ---- what goes down ---------------------------------------------------------------------------------- */

/* Its place among the servers of the grant. */
static uint32_t server_index(struct core *c, struct worker *w, uint64_t attempt,
                             Trawl__TaskSpec *spec) {
    if (w->named_for == attempt)
        return w->named_at;
    Trawl__MapServer *m = arena_alloc(&c->arena, sizeof *m);
    if (m == NULL)
        return 0;
    trawl__map_server__init(m);
    m->worker = w->name;
    m->serve = w->tasker->serve;
    w->named_for = attempt;
    w->named_at = (uint32_t)spec->n_servers;
    spec->servers[spec->n_servers++] = m;
    return w->named_at;
}

static Trawl__MapOutput *output_message(struct core *c, const struct task *map, uint32_t part,
                                        uint64_t attempt, Trawl__TaskSpec *spec) {
    Trawl__MapOutput *m = arena_alloc(&c->arena, sizeof *m);

    if (m == NULL)
        return NULL;
    trawl__map_output__init(m);
#ifdef MUTANT_MAP_KEPT
    if (map->worker->tasker == NULL)
        return m;
#endif
    /* A map task is done only while its worker has a session. */
    assert(map->state == TASK_DONE && map->worker->tasker != NULL);
    m->map = map->number;
    m->attempt = map->attempt;
    m->server = server_index(c, map->worker, attempt, spec);
    m->bytes = map->partition_bytes[part];
    return m;
}

static bool outputs_message(struct core *c, const struct task *t, uint64_t attempt,
                            Trawl__TaskSpec *spec) {
    const struct job *j = t->job;
    uint32_t maps = j->count[TRAWL__TASK_KIND__MAP];

    if (t->kind != TRAWL__TASK_KIND__REDUCE)
        return true;
    spec->servers =
        arena_alloc(&c->arena, (c->leases.sessions.count + 1) * sizeof(Trawl__MapServer *));
    spec->outputs = arena_alloc(&c->arena, (maps + 1) * sizeof(Trawl__MapOutput *));
    for (uint32_t i = 0; i < maps && spec->servers != NULL && spec->outputs != NULL; i++)
        spec->outputs[spec->n_outputs++] =
            output_message(c, &j->tasks[TRAWL__TASK_KIND__MAP][i], t->number, attempt, spec);
    return !c->arena.failed;
}

static bool skips_message(struct core *c, const struct task *t, Trawl__TaskSpec *spec) {
    spec->skip = arena_alloc(&c->arena, (t->crash_count + 1) * sizeof *spec->skip);
    for (size_t i = 0; i < t->crash_count && spec->skip != NULL; i++)
        if (t->crashes[i].times >= TASK_CRASHES)
            spec->skip[spec->n_skip++] = t->crashes[i].record;
    return spec->skip != NULL;
}

static Trawl__TaskGrant *grant_message(struct core *c, const struct task *t, uint64_t attempt) {
    Trawl__TaskGrant *g = arena_alloc(&c->arena, sizeof *g);
    Trawl__TaskSpec *spec = arena_alloc(&c->arena, sizeof *spec);

    if (g == NULL || spec == NULL)
        return NULL;
    trawl__task_grant__init(g);
    trawl__task_spec__init(spec);
    g->attempt = attempt;
    g->spec = spec;
    spec->job = (Trawl__JobSpec *)t->job->spec;
    spec->kind = t->kind;
    spec->number = t->number;
    spec->split = (Trawl__Split *)t->split;
    return outputs_message(c, t, attempt, spec) && skips_message(c, t, spec) ? g : NULL;
}

static Trawl__TaskGrant *grant_task(struct core *c, struct now now, struct session *s,
                                    struct task *t) {
    struct lease *l = lease_grant_task(&c->leases, core_number(c, &c->attempts), s, t, now.mono_ms);

    if (l == NULL) {
        core_fail(c, "out of memory for a lease");
        return NULL;
    }
    task_grant(t, l);
    Trawl__TaskGrant *g = grant_message(c, t, l->attempt);
    if (g == NULL)
        core_fail(c, "out of memory for a reply");
    return g;
}

/* What the grant of a task costs: proto/budget.h. */
static size_t cost_of(const struct core *c, const struct task *t) {
    size_t bytes = BUDGET_MESSAGE + protobuf_c_message_get_packed_size(&t->job->spec->base) +
                   t->crash_count * BUDGET_NUMBER;

    if (t->split != NULL)
        bytes += BUDGET_MESSAGE + protobuf_c_message_get_packed_size(&t->split->base);
    if (t->kind == TRAWL__TASK_KIND__REDUCE)
        bytes += (size_t)t->job->count[TRAWL__TASK_KIND__MAP] * BUDGET_OUTPUT +
                 c->leases.sessions.count *
                     (BUDGET_MESSAGE + LIMIT_WORKER_NAME_BYTES + LIMIT_SERVE_BYTES);
    return bytes;
}

/* How many more the session may have now. */
static size_t room(const struct core *c, struct now now, const struct session *s, uint32_t wanted) {
    if (s->tasks == 0 || s->worker->draining || now.mono_ms < s->rest_until_ms)
        return 0;
    uint32_t share = job_share(&c->jobs, s, c->leases.slots, now.mono_ms);
    size_t more = share > s->lease_count ? share - s->lease_count : 0;
    return wanted < more ? wanted : more;
}

static void give_grants(struct core *c, struct now now, struct session *s, uint32_t wanted,
                        Trawl__ExchangeReply *reply) {
    size_t max = room(c, now, s, wanted);
    struct budget budget;
    struct task *t;
    bool backup;

    budget_init(&budget, LIMIT_TASK_GRANT_BYTES);

    reply->tasks = arena_alloc(&c->arena, (max + 1) * sizeof(Trawl__TaskGrant *));
    if (reply->tasks == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    while (reply->n_tasks < max && !c->failed && (reply->n_tasks == 0 || turn_gives(c)) &&
           (t = job_choose(&c->jobs, s, now.mono_ms, &backup)) != NULL &&
           budget_take(&budget, cost_of(c, t))) {
        Trawl__TaskGrant *g = grant_task(c, now, s, t);
        if (g == NULL)
            return;
        reply->tasks[reply->n_tasks++] = g;
    }
}

static void tell_over(struct core *c, const Trawl__Exchange *x, Trawl__ExchangeReply *reply) {
    reply->jobs_over = arena_alloc(&c->arena, (x->n_jobs + 1) * sizeof *reply->jobs_over);
    if (reply->jobs_over == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    /* A worker keeps files of few; each is looked for in a list. */
    for (size_t i = 0; i < x->n_jobs && i < LIMIT_JOBS_RUNNING + LIMIT_JOBS_KEPT; i++) {
        const struct job *j = job_find(&c->jobs, x->jobs[i]);
#ifdef MUTANT_OVER_EARLY
        if (j == NULL || !job_runs(j) || j->done[TRAWL__TASK_KIND__REDUCE] > 0)
#else
        if (j == NULL || !job_runs(j))
#endif
            reply->jobs_over[reply->n_jobs_over++] = x->jobs[i];
    }
}

void job_give_tasks(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                    Trawl__ExchangeReply *reply) {
    if (c->failed)
        return;
    give_grants(c, now, s, x->want_tasks, reply);
    if (!c->failed)
        tell_over(c, x, reply);
}

/* job_store: jobs and their tasks in the crawldb, and back from there (record.h says under which keys). */
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"

void job_put(struct core *c, const struct job *j, const Trawl__JobInfo *info) {
    Trawl__StoredJob v = TRAWL__STORED_JOB__INIT;
    Trawl__JobInfo begun = TRAWL__JOB_INFO__INIT;

    begun.job = j->number;
    begun.started_ms = j->started_unix_ms;
    v.token = (ProtobufCBinaryData){.len = sizeof j->token, .data = (uint8_t *)j->token};
    v.spec = (Trawl__JobSpec *)j->spec;
    v.maps = j->count[TRAWL__TASK_KIND__MAP];
    v.info = info == NULL ? &begun : (Trawl__JobInfo *)info;
    core_put(c, record_job(j->number), &v.base);
}

/* In the record arena: in one request very many tasks may be put. */
static Trawl__CrashedRecord **crashes_message(struct core *c, const struct task *t) {
    arena_reset(&c->record);
    Trawl__CrashedRecord **list =
        arena_alloc(&c->record, (t->crash_count + 1) * sizeof(Trawl__CrashedRecord *));

    for (size_t i = 0; i < t->crash_count && list != NULL; i++) {
        list[i] = arena_alloc(&c->record, sizeof *list[i]);
        if (list[i] == NULL)
            return NULL;
        trawl__crashed_record__init(list[i]);
        list[i]->record = t->crashes[i].record;
        list[i]->name = (ProtobufCBinaryData){.len = t->crashes[i].name_len,
                                              .data = (uint8_t *)t->crashes[i].name};
        list[i]->times = t->crashes[i].times;
    }
    return list;
}

void job_put_task(struct core *c, const struct task *t, const Trawl__TaskResult *result) {
    Trawl__StoredTask v = TRAWL__STORED_TASK__INIT;

    v.crashed = crashes_message(c, t);
    if (v.crashed == NULL) {
        core_fail(c, "out of memory for a task");
        return;
    }
    v.n_crashed = t->crash_count;
    v.split = (Trawl__Split *)t->split;
    v.done = t->state == TASK_DONE;
    if (v.done) {
        v.attempt = t->attempt;
        v.worker = t->worker->name;
        v.duration_ms = (uint64_t)t->duration_ms;
        v.result = (Trawl__TaskResult *)result;
    }
    v.attempts = t->attempts;
    v.backups = t->backups;
    v.failures = t->failures;
    v.strikes = t->strikes;
    v.lost = t->lost;
    core_put(c, record_task(t->job->number, t->kind, t->number), &v.base);
}

bool job_load(struct core *c, struct now now, uint64_t number, const Trawl__StoredJob *v) {
    struct job *j;

    if (v->info == NULL || v->token.len != sizeof j->token)
        return false;
    if (v->info->state != TRAWL__JOB_STATE__JOB_RUNNING) {
        j = job_add_over(&c->jobs, v->info);
    } else {
        if (v->spec == NULL || v->spec->job != number || v->maps > LIMIT_JOB_SPLITS ||
            v->spec->reduces > LIMIT_JOB_REDUCES)
            return false;
        j = job_add(&c->jobs, v->spec, v->maps, now.mono_ms);
    }
    if (j == NULL)
        return false;
    memcpy(j->token, v->token.data, sizeof j->token);
    j->started_unix_ms = v->info->started_ms;
    return true;
}

static bool load_done(struct core *c, struct task *t, const Trawl__StoredTask *v) {
    struct worker *w = lease_worker_add(&c->leases, v->worker);
    const char *why;

    return w != NULL && v->result != NULL && task_well_formed(t, v->result, &why) &&
           task_finish(t, v->attempt, w, (int64_t)v->duration_ms, v->result);
}

struct worker *job_home(struct core *c, const char *worker) {
    struct worker *w = lease_worker(&c->leases, worker);

    if (w != NULL || c->leases.worker_count >= LIMIT_WORKERS)
        return w;
    w = lease_worker_add(&c->leases, worker);
    if (w == NULL)
        core_fail(c, "out of memory for a worker");
    return w;
}

static bool load_split(struct core *c, struct task *t, const Trawl__StoredTask *v) {
    struct worker *home = NULL;

    if (t->kind != TRAWL__TASK_KIND__MAP)
        return true;
    if (v->split == NULL)
        return false;
    if (v->split->worker[0] != '\0')
        home = job_home(c, v->split->worker);
    return !c->failed && job_set_split(t->job, t->number, v->split, home);
}

bool job_load_task(struct core *c, uint64_t job, Trawl__TaskKind kind, uint32_t number,
                   const Trawl__StoredTask *v) {
    struct job *j = job_find(&c->jobs, job);
    struct task *t = j == NULL || !job_runs(j) ? NULL : job_task(j, kind, number);
    bool ok = t != NULL && load_split(c, t, v) && (!v->done || load_done(c, t, v));

    for (size_t i = 0; i < v->n_crashed && ok; i++)
        (void)task_crashed(t, v->crashed[i]->record, v->crashed[i]->name, v->crashed[i]->times,
                           &ok);
    if (!ok)
        return false;
    t->attempts = v->attempts;
    t->backups = v->backups;
    t->failures = v->failures;
    t->strikes = v->strikes;
    t->lost = v->lost;
    return true;
}

void job_loaded(struct core *c) {
    for (const struct job *j = c->jobs.first; j != NULL; j = j->next)
        for (uint32_t i = 0; i < j->count[TRAWL__TASK_KIND__MAP] && !c->failed; i++) {
            const struct task *t = &j->tasks[TRAWL__TASK_KIND__MAP][i];
            if (t->split == NULL)
                core_fail(c, "a map task of the crawldb has no split");
            else if (t->state == TASK_DONE && t->worker->tasker == NULL)
                job_worker_gone(c, t->worker);
        }
}

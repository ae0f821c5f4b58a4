/* job_control: what operators ask about jobs: run one, tell of them, cancel one. */
#include <stdio.h>
#include <string.h>

#include "master/core_state.h"
#include "master/turn.h"
#include "proto/budget.h"
#include "proto/job_check.h"
#include "shared/work.h"

enum { SKIPPED_TOLD = 100, TIMEOUT_DEFAULT_MS = 60 * 1000, WHY_BYTES_MAX = 256 };

/* ---- telling ----------------------------------------------------------------------------------------- */

static Trawl__TaskFigures *figures(struct arena *a, const struct job *j, Trawl__TaskKind kind) {
    Trawl__TaskFigures *f = arena_alloc(a, sizeof *f);

    if (f == NULL)
        return NULL;
    trawl__task_figures__init(f);
    f->idle = (uint32_t)j->idle[kind].count;
    f->running = (uint32_t)j->running[kind].count;
    f->done = j->done[kind];
    for (uint32_t i = 0; i < j->count[kind]; i++) {
        f->attempts += j->tasks[kind][i].attempts;
        f->backups += j->tasks[kind][i].backups;
        f->failures += j->tasks[kind][i].failures;
    }
    f->records_in = j->sums[kind].records_in;
    f->bytes_in = j->sums[kind].bytes_in;
    f->records_out = j->sums[kind].records_out;
    f->bytes_out = j->sums[kind].bytes_out;
    f->cpu_us = j->sums[kind].cpu_us;
    f->spills = j->sums[kind].spills;
    return f;
}

static void tell_counters(struct arena *a, const struct job *j, Trawl__JobInfo *m) {
    m->counters = arena_alloc(a, (j->counter_count + 1) * sizeof(Trawl__TaskCounter *));
    for (size_t i = 0; i < j->counter_count && m->counters != NULL; i++) {
        Trawl__TaskCounter *one = arena_alloc(a, sizeof *one);
        if (one == NULL)
            return;
        trawl__task_counter__init(one);
        one->name = arena_printf(a, "%s", j->counters[i].name);
        one->n = j->counters[i].n;
        m->counters[m->n_counters++] = one;
    }
}

static void tell_skipped(struct arena *a, const struct task *t, Trawl__JobInfo *m) {
    for (size_t i = 0; i < t->crash_count; i++) {
        const struct task_crash *crash = &t->crashes[i];
        if (crash->times < TASK_CRASHES || ++m->skipped_count > SKIPPED_TOLD)
            continue;
        Trawl__SkippedRecord *one = arena_alloc(a, sizeof *one);
        if (one == NULL)
            return;
        trawl__skipped_record__init(one);
        one->kind = t->kind;
        one->task = t->number;
        one->record = crash->record;
        one->name = arena_bytes(a, crash->name, crash->name_len);
        m->skipped[m->n_skipped++] = one;
    }
}

static void tell_tasks(struct arena *a, const struct job *j, Trawl__JobInfo *m) {
    m->skipped = arena_alloc(a, SKIPPED_TOLD * sizeof(Trawl__SkippedRecord *));
    for (int kind = 0; kind < TASK_KINDS && m->skipped != NULL; kind++)
        for (uint32_t i = 0; i < j->count[kind]; i++) {
            work(WORK_STEP);
            m->lost_maps += j->tasks[kind][i].lost;
            tell_skipped(a, &j->tasks[kind][i], m);
        }
}

Trawl__JobInfo *job_info(struct core *c, struct arena *a, const struct job *j) {
    if (j->info != NULL)
        return (Trawl__JobInfo *)j->info;
    Trawl__JobInfo *m = arena_alloc(a, sizeof *m);
    if (m != NULL) {
        trawl__job_info__init(m);
        m->job = j->number;
        m->name = j->spec->name;
        m->output = j->spec->output;
        m->state = j->state;
        m->slots = c->leases.slots;
        m->refused = j->refused;
        m->started_ms = j->started_unix_ms;
        m->last_failure = arena_printf(a, "%s", j->last_failure);
        m->maps = figures(a, j, TRAWL__TASK_KIND__MAP);
        m->reduces = figures(a, j, TRAWL__TASK_KIND__REDUCE);
        tell_counters(a, j, m);
        tell_tasks(a, j, m);
    }
    if (!a->failed)
        return m;
    core_fail(c, "out of memory for a reply");
    return NULL;
}

/* proto/budget.h */
static size_t cost_of(const Trawl__JobInfo *m) {
    return BUDGET_OUTCOME + protobuf_c_message_get_packed_size(&m->base) +
           (2 + m->n_counters + m->n_skipped) * BUDGET_MESSAGE;
}

/* One job, or (`only` NULL) those with numbers above `after`, as many as have room. */
static void list_jobs(struct core *c, const struct job *only, uint64_t after, Trawl__JobReply *m) {
    struct budget budget;

    budget_init(&budget, c->message_bytes);
    for (const struct job *j = c->jobs.first; j != NULL && !c->failed; j = j->next) {
        if (only != NULL ? j != only : j->number <= after)
            continue;
        m->more = m->n_jobs > 0 && !turn_gives(c);
        if (m->more)
            return;
        Trawl__JobInfo *info = job_info(c, &c->arena, j);
        m->more = info == NULL || !budget_take(&budget, cost_of(info));
        if (m->more)
            return;
        m->jobs[m->n_jobs++] = info;
    }
}

static void reply_jobs(struct core *c, const struct job *only, uint64_t after,
                       Trawl__Reply *reply) {
    Trawl__JobReply *m = arena_alloc(&c->arena, sizeof *m);
    size_t count = c->jobs.running + c->jobs.over;
    Trawl__JobInfo **list = arena_alloc(&c->arena, (count + 1) * sizeof(Trawl__JobInfo *));

    if (m == NULL || list == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    trawl__job_reply__init(m);
    m->jobs = list;
    list_jobs(c, only, after, m);
    reply->body_case = TRAWL__REPLY__BODY_JOB;
    reply->job = m;
}

static void refuse(Trawl__Reply *reply, Trawl__Code code, const char *why) {
    reply->code = code;
    reply->error = (char *)why;
}

static struct job *find(struct core *c, uint64_t number, Trawl__Reply *reply) {
    struct job *j = job_find(&c->jobs, number);

    if (j == NULL && number < c->job_numbers.next)
        refuse(reply, TRAWL__CODE__REFUSED,
               arena_printf(&c->arena, "job %llu is over, and forgotten: the last %d are told of",
                            (unsigned long long)number, LIMIT_JOBS_KEPT));
    else if (j == NULL)
        refuse(reply, TRAWL__CODE__REFUSED,
               arena_printf(&c->arena, "no job %llu is known", (unsigned long long)number));
    return j;
}

void job_query(struct core *c, const Trawl__JobQuery *q, Trawl__Reply *reply) {
    struct job *j = q->job == 0 ? NULL : find(c, q->job, reply);

    if (j != NULL && !job_runs(j))
        j->told = true;
    if (q->job == 0 || j != NULL)
        reply_jobs(c, j, q->after, reply);
}

void job_cancel(struct core *c, struct now now, const Trawl__JobCancel *r, Trawl__Reply *reply) {
    struct job *j = find(c, r->job, reply);

    if (j == NULL)
        return;
    if (!job_check_text(r->why, WHY_BYTES_MAX)) {
        refuse(reply, TRAWL__CODE__REFUSED, "why a job is cancelled is text of up to 256 bytes");
        return;
    }
    if (job_runs(j))
        job_finish(c, now, j, TRAWL__JOB_STATE__JOB_CANCELLED,
                   r->why[0] == '\0' ? "cancelled" : r->why);
    if (!c->failed)
        reply_jobs(c, j, 0, reply);
}

/* ---- running one ------------------------------------------------------------------------------------- */

static bool takes(const struct core *c, const Trawl__JobRun *r, char why[JOB_CHECK_BYTES]) {
    if (!job_check(r, why))
        return false;
    if (c->jobs.running < LIMIT_JOBS_RUNNING)
        return true;
    snprintf(why, JOB_CHECK_BYTES, "%d jobs are running already", LIMIT_JOBS_RUNNING);
    return false;
}

static void add_splits(struct core *c, struct job *j, const Trawl__JobRun *r) {
    struct worker *home = NULL;

    for (uint32_t i = 0; i < r->n_splits && !c->failed; i++) {
        const char *worker = r->splits[i]->worker;
        /* Neighbours often lie with the same one. */
        if (worker[0] == '\0')
            home = NULL;
        else if (home == NULL || strcmp(home->name, worker) != 0)
            home = job_home(c, worker);
        if (c->failed || !job_set_split(j, i, r->splits[i], home)) {
            core_fail(c, "out of memory for a job");
            return;
        }
        job_put_task(c, job_task(j, TRAWL__TASK_KIND__MAP, i), NULL);
    }
}

static struct job *start(struct core *c, struct now now, const Trawl__JobRun *r) {
    Trawl__JobSpec spec = *r->spec;

    spec.job = core_number(c, &c->job_numbers);
    if (spec.timeout_ms == 0)
        spec.timeout_ms = TIMEOUT_DEFAULT_MS;
    struct job *j = job_add(&c->jobs, &spec, (uint32_t)r->n_splits, now.mono_ms);
    if (j == NULL) {
        core_fail(c, "out of memory for a job");
        return NULL;
    }
    memcpy(j->token, r->token.data, sizeof j->token);
    j->started_unix_ms = (uint64_t)now.unix_ms;
    job_put(c, j, NULL);
    add_splits(c, j, r);
    return j;
}

void job_run(struct core *c, struct now now, const Trawl__JobRun *r, Trawl__Reply *reply) {
    struct job *j;

    if (r->token.len != sizeof j->token) {
        refuse(reply, TRAWL__CODE__BAD_REQUEST, "a job's token has 16 bytes");
        return;
    }
    j = job_by_token(&c->jobs, r->token);
    if (j == NULL) {
        char why[JOB_CHECK_BYTES];
        if (!takes(c, r, why)) {
            refuse(reply, TRAWL__CODE__REFUSED, arena_printf(&c->arena, "%s", why));
            return;
        }
        if (c->state == CORE_STOPPING || c->state == CORE_ENDED) {
            refuse(reply, TRAWL__CODE__REFUSED, "the master is ending: it takes no more jobs");
            return;
        }
        j = start(c, now, r);
    }
    if (!c->failed)
        reply_jobs(c, j, 0, reply);
}

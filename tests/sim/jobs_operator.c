/* jobs_operator: who submits the jobs, cancels some, and asks until each is over; then the master may end. */
#include <stdio.h>
#include <stdlib.h>

#include "shared/limits.h"
#include "tests/sim/jobs_state.h"

enum { TASK_TIMEOUT_MS = 3000 };

struct sim_job *jobs_find(struct jobs_world *w, uint64_t number) {
    for (uint32_t i = 0; i < w->job_count; i++)
        if (w->jobs[i].number == number)
            return &w->jobs[i];
    return NULL;
}

/* ---- asks ------------------------------------------------------------------------------------------------- */

static void ask_run(struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    static uint8_t path[] = "/in";
    Trawl__JobRun m = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split splits[MAPS_MAX], *list[MAPS_MAX];
    char homes[MAPS_MAX][16];

    for (uint32_t i = 0; i < j->maps; i++) {
        trawl__split__init(&splits[i]);
        splits[i].path = (ProtobufCBinaryData){.len = 3, .data = path};
        snprintf(homes[i], sizeof homes[i], "w%u", i % (WORKERS_MAX + 1));
        splits[i].worker = i % 2 == 0 ? homes[i] : "";
        list[i] = &splits[i];
    }
    spec.name = j->name;
    spec.function = "fake";
    spec.output = "/out";
    spec.reduces = j->reduces;
    spec.no_backup = j->no_backup;
    spec.timeout_ms = TASK_TIMEOUT_MS;
    m.token = (ProtobufCBinaryData){.len = sizeof j->token, .data = j->token};
    m.spec = &spec;
    m.splits = list;
    m.n_splits = j->maps;
    r->body_case = TRAWL__REQUEST__BODY_JOB_RUN;
    r->job_run = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

static void ask_cancel(const struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    Trawl__JobCancel m = TRAWL__JOB_CANCEL__INIT;

    m.job = j->number;
    r->body_case = TRAWL__REQUEST__BODY_JOB_CANCEL;
    r->job_cancel = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

static void ask_query(const struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    Trawl__JobQuery m = TRAWL__JOB_QUERY__INIT;

    m.job = j->number;
    r->body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r->job_query = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

void jobs_operator_asks(struct jobs_world *w, struct sim_job *j) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    struct buf bytes;

    if (j->told != TRAWL__JOB_STATE__JOB_RUNNING)
        return;
    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r.version = WIRE_VERSION;
    if (!j->known)
        ask_run(j, &r, &bytes);
    else if (j->to_cancel && rng_chance(&w->rng, 20))
        ask_cancel(j, &r, &bytes);
    else
        ask_query(j, &r, &bytes);
    jobs_send_request(w, NULL, j, AGENT_CALL, 0, &bytes);
    buf_release(&bytes);
    jobs_schedule(w, 500, EVENT_OPERATOR, NULL)->job = j;
}

/* ---- is told ---------------------------------------------------------------------------------------------- */

static void all_told(struct jobs_world *w) {
    for (uint32_t i = 0; i < w->job_count; i++)
        if (w->jobs[i].told == TRAWL__JOB_STATE__JOB_RUNNING)
            return;
    w->stopped = true;
    if (w->core != NULL)
        core_stop(w->core, jobs_master_now(w), "no more jobs");
}

void jobs_operator_told(struct jobs_world *w, const struct event *e) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (reply != NULL && reply->code == TRAWL__CODE__OK && reply->job->n_jobs == 1 &&
        e->job->told == TRAWL__JOB_STATE__JOB_RUNNING) {
        const Trawl__JobInfo *i = reply->job->jobs[0];
        if (e->job->known && e->job->number != i->job)
            jobs_fail(w, "%s has become another job", e->job->name);
        e->job->known = true;
        e->job->number = i->job;
        e->job->told = i->state;
        if (i->state != TRAWL__JOB_STATE__JOB_RUNNING) {
            jobs_note(w, "%s is over", e->job->name);
            jobs_check_over(w, e->job, i);
            all_told(w);
        }
    }
    arena_release(&arena);
}

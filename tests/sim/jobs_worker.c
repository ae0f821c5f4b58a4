/* jobs_worker: the process of a worker: a real agent, whose effects are made up, and the map outputs on its disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/jobs_state.h"

enum { CALL_TIMEOUT_MS = 1000 };

/* ---- what the agent wants --------------------------------------------------------------------------------- */

static void remove_files(struct sim_tasker *s, uint64_t job, uint64_t attempt) {
    size_t kept = 0;

    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].job != job || (attempt != 0 && s->files[i].attempt != attempt))
            s->files[kept++] = s->files[i];
    s->file_count = kept;
}

/* J4: not before the job is over. */
static void remove_job(struct jobs_world *w, struct sim_tasker *s, uint64_t job) {
    Trawl__JobState state;

    if (jobs_stored_state(w, job, &state) && state == TRAWL__JOB_STATE__JOB_RUNNING)
        jobs_fail(w, "J4: %s removes what it keeps of job %llu, which runs", s->name,
                  (unsigned long long)job);
    remove_files(s, job, 0);
}

static void send_line(struct jobs_world *w, struct sim_tasker *s, const struct task_effect *e) {
    uint64_t number = ++w->calls;

    s->call[e->line] = number;
    buf_reset(&s->asked[e->line]);
    if (!buf_append(&s->asked[e->line], e->request->data, e->request->len))
        abort();
    jobs_send_request(w, s, NULL, e->line, number, e->request);
    struct event *t = jobs_schedule(w, CALL_TIMEOUT_MS, EVENT_TIMEOUT, s);
    t->line = e->line;
    t->number = number;
}

static void obey(struct jobs_world *w, struct sim_tasker *s, const struct task_effect *e) {
    switch (e->kind) {
    case TASK_SEND:
        send_line(w, s, e);
        break;
    case TASK_START:
        jobs_child_start(w, s, e);
        break;
    case TASK_KILL:
        jobs_child_kill(w, s, e->attempt);
        break;
    case TASK_DISCARD:
        remove_files(s, e->job, e->attempt);
        break;
    case TASK_REMOVE_JOB:
        remove_job(w, s, e->job);
        break;
    case TASK_LEFT:
        s->left = true;
        jobs_note(w, "%s leaves", s->name);
        break;
    case TASK_REFUSED:
        jobs_fail(w, "%s is refused: %s", s->name, e->text);
        break;
    case TASK_FAILED:
        jobs_fail(w, "%s has no memory", s->name);
        break;
    }
}

void jobs_worker_run(struct jobs_world *w, struct sim_tasker *s) {
    struct task_effect e;
    int64_t now = skew_now(&s->skew, w->now_ms);

    if (s->agent == NULL || s->left)
        return;
    for (const struct sim_child *c = s->children; c != NULL; c = c->next)
        if (!c->hangs)
            task_agent_progress(s->agent, now, c->attempt);
    while (!s->left && w->result->why[0] == '\0' && task_agent_poll(s->agent, now, &e))
        obey(w, s, &e);
    jobs_check_leases(w, s);
    int64_t at = skew_when(&s->skew, w->now_ms, task_agent_next_ms(s->agent, now));
    if (s->wake_ms <= w->now_ms)
        s->wake_ms = INT64_MAX;
    jobs_wake(w, s, at - w->now_ms < 1 ? 1 : at - w->now_ms);
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

void jobs_worker_start(struct jobs_world *w, struct sim_tasker *s) {
    struct task_agent_config config = {.worker = s->name, .tasks = 1 + rng_below(&w->rng, 3)};
    char serve[64];

    s->incarnation++;
    s->memory = ++w->memories;
    s->alive = true;
    s->left = false;
    s->paused_until_ms = 0;
    s->wake_ms = INT64_MAX;
    s->file_count = 0; /* it begins with nothing: worker/task_files.h */
    skew_draw(&s->skew, &w->rng);
    memset(s->call, 0, sizeof s->call);
    snprintf(serve, sizeof serve, "tcp://%s:%llu", s->name, (unsigned long long)s->incarnation);
    config.serve = serve;
    config.incarnation = s->incarnation;
    config.process = s->memory;
    config.place = s->index + 1;
    config.instance[0] = (unsigned char)(s->index + 1);
    s->agent = task_agent_new(&config);
    if (s->agent == NULL)
        abort();
    jobs_note(w, "%s starts", s->name);
    jobs_wake(w, s, 0);
}

void jobs_worker_stop(struct jobs_world *w, struct sim_tasker *s) {
    while (s->children != NULL) {
        struct sim_child *c = s->children;
        s->children = c->next;
        jobs_child_free(c);
    }
    task_agent_free(s->agent);
    s->agent = NULL;
    s->alive = false;
    s->memory = ++w->memories;
}

void jobs_restart_later(struct jobs_world *w, struct sim_tasker *s, int64_t delay_ms) {
    jobs_schedule(w, delay_ms, EVENT_WORKER_START, s);
}

#include "tests/sim/jobs.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/store_mem.h"
#include "shared/limits.h"
#include "tests/sim/jobs_state.h"

enum {
    HEARTBEAT_MS = 300,
    END_MS = 600 * 1000,
    EVENTS_MAX = 1000000,
};

/* ---- events ----------------------------------------------------------------------------------------------- */

static void reply_event(struct jobs_world *w, struct event *e) {
    struct sim_tasker *s = e->worker;

    if (s == NULL) {
        jobs_operator_told(w, e);
        return;
    }
    if (s->call[e->line] != e->number)
        return;
    s->call[e->line] = 0;
    jobs_note_told(w, s, e);
    task_agent_reply(s->agent, skew_now(&s->skew, w->now_ms), e->line, e->bytes.data, e->bytes.len);
    jobs_worker_run(w, s);
}

static void timeout_event(struct jobs_world *w, struct event *e) {
    struct sim_tasker *s = e->worker;

    if (s->call[e->line] != e->number)
        return;
    s->call[e->line] = 0;
    task_agent_no_reply(s->agent, skew_now(&s->skew, w->now_ms), e->line);
    jobs_worker_run(w, s);
}

static void wake_event(struct jobs_world *w, struct sim_tasker *s) {
    if (s->wake_ms > w->now_ms)
        return;
    s->wake_ms = INT64_MAX;
    jobs_worker_run(w, s);
}

/* Is it of a process, or a master, that is gone? */
static bool is_void(const struct jobs_world *w, const struct event *e) {
    switch (e->kind) {
    case EVENT_REQUEST:
    case EVENT_OPERATOR:
    case EVENT_FAULT:
    case EVENT_WORKER_START:
        return false;
    case EVENT_REPLY:
        return e->worker != NULL && e->memory != e->worker->memory;
    case EVENT_MASTER_TICK:
    case EVENT_MASTER_SYNC:
        return e->memory != w->master || w->core == NULL;
    case EVENT_MASTER_START:
        return e->memory != w->master || w->core != NULL;
    default:
        return e->memory != e->worker->memory;
    }
}

static void happen(struct jobs_world *w, struct event *e) {
    switch (e->kind) {
    case EVENT_WAKE:
        wake_event(w, e->worker);
        break;
    case EVENT_REPLY:
        reply_event(w, e);
        break;
    case EVENT_TIMEOUT:
        timeout_event(w, e);
        break;
    case EVENT_CHILD:
        jobs_child_event(w, e);
        break;
    case EVENT_ENDED:
        jobs_child_ended(w, e);
        jobs_worker_run(w, e->worker);
        break;
    case EVENT_MASTER_TICK:
        jobs_master_tick(w);
        break;
    case EVENT_MASTER_SYNC:
        jobs_master_synced(w);
        break;
    case EVENT_MASTER_START:
        jobs_master_start(w);
        break;
    case EVENT_WORKER_START:
        if (!e->worker->alive)
            jobs_worker_start(w, e->worker);
        break;
    case EVENT_OPERATOR:
        jobs_operator_asks(w, e->job);
        break;
    default:
        jobs_fault_event(w);
        break;
    }
    jobs_event_free(e);
}

static void unpause(struct jobs_world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_tasker *s = &w->workers[i];
        if (s->paused_until_ms == 0 || s->paused_until_ms > w->now_ms)
            continue;
        s->paused_until_ms = 0;
        jobs_note(w, "%s resumes", s->name);
        jobs_worker_run(w, s);
    }
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static void job_init(struct jobs_world *w, struct sim_job *j, uint32_t number) {
    struct rng *r = &w->rng;

    snprintf(j->name, sizeof j->name, "job-%u", number);
    j->token[0] = (unsigned char)(number + 1);
    j->maps = rng_below(r, MAPS_MAX + 1);
    j->reduces = 1 + rng_below(r, REDUCES_MAX);
    j->no_backup = rng_chance(r, 20);
    j->to_cancel = !w->options->calm && rng_chance(r, 10);
    for (uint32_t i = 0; i < j->maps && !w->options->calm; i++)
        for (uint32_t k = 0; k < POISON_MAX; k++)
            if (rng_chance(r, 10)) {
                j->poison[i][k] = 1 + i * POISON_MAX + k;
                j->poisons++;
            }
    jobs_schedule(w, rng_below(r, 15000), EVENT_OPERATOR, NULL)->job = j;
}

static void jobs_init(struct jobs_world *w) {
    struct rng *r = &w->rng;

    if (!options_init(&w->crawl))
        abort();
    w->crawl.jobs_only = true;
    w->crawl.lease_ms = LEASE_MS;
    w->crawl.heartbeat_ms = HEARTBEAT_MS;
    w->store = store_mem_new();
    heap_init(&w->events);
    map_init(&w->renewed_ms);
    map_init(&w->made_by);
    w->worker_count = 1 + rng_below(r, WORKERS_MAX);
    w->job_count = 1 + rng_below(r, JOBS_MAX);
    w->result->jobs = w->job_count;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_tasker *s = &w->workers[i];
        s->index = i;
        snprintf(s->name, sizeof s->name, "w%u", i);
        for (int k = 0; k < AGENT_LINES; k++)
            buf_init(&s->asked[k], LIMIT_WIRE_BYTES);
        jobs_restart_later(w, s, rng_below(r, 100));
    }
    for (uint32_t i = 0; i < w->job_count; i++)
        job_init(w, &w->jobs[i], i);
    jobs_master_start(w);
    if (!w->options->calm)
        jobs_schedule(w, rng_below(r, 3000), EVENT_FAULT, NULL);
}

static void jobs_release(struct jobs_world *w) {
    struct heap_item *it;

    jobs_master_stop(w);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        jobs_worker_stop(w, &w->workers[i]);
        for (int k = 0; k < AGENT_LINES; k++)
            buf_release(&w->workers[i].asked[k]);
    }
    while ((it = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, it);
        jobs_event_free((struct event *)it);
    }
    heap_release(&w->events);
    map_release(&w->renewed_ms);
    map_release(&w->made_by);
    store_close(w->store);
    options_release(&w->crawl);
}

void jobs_run(const struct jobs_options *options, struct jobs_result *result) {
    struct jobs_world *w = calloc(1, sizeof *w);
    struct heap_item *it;

    if (w == NULL)
        abort();
    *result = (struct jobs_result){.ok = false};
    w->options = options;
    w->result = result;
    w->rng.state = options->seed ^ 0x6a6f6273; /* another course than the crawl of this seed */
    jobs_init(w);
    while (!w->ended && result->why[0] == '\0' && (it = heap_min(&w->events)) != NULL) {
        struct event *e = (struct event *)it;
        heap_remove(&w->events, it);
        w->now_ms = it->key / 1000000;
        unpause(w);
        if (is_void(w, e))
            jobs_event_free(e);
        else if (e->kind == EVENT_REQUEST)
            jobs_master_request(w, e); /* takes it over */
        else if (!jobs_put_off(w, e))
            happen(w, e);
        if (++result->events > EVENTS_MAX || w->now_ms > END_MS)
            jobs_fail(w, "the jobs do not end: %llu events, %lld s",
                      (unsigned long long)result->events, (long long)w->now_ms / 1000);
    }
    if (result->why[0] == '\0')
        jobs_check_end(w);
    result->ended_ms = w->now_ms;
    result->ok = result->why[0] == '\0';
    jobs_release(w);
    free(w);
}

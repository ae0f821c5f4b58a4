/* jobs_check: the invariants J1 to J5 of docs/mapreduce.md and T1 of worker/task_agent.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "master/record.h"
#include "shared/limits.h"
#include "tests/sim/jobs_state.h"

enum { MAP = TRAWL__TASK_KIND__MAP, REDUCE = TRAWL__TASK_KIND__REDUCE };

void jobs_remember(struct map *m, uint64_t attempt, uint64_t n) {
    if (!map_put(m, attempt, (void *)(uintptr_t)(n + 1)))
        abort();
}

/* 0: nothing is known. */
static uint64_t recall(const struct map *m, uint64_t attempt) {
    void *v = map_get(m, attempt);

    return v == NULL ? 0 : (uint64_t)(uintptr_t)v - 1;
}

/* ---- the store, read behind the master's back ------------------------------------------------------------- */

bool jobs_stored_state(struct jobs_world *w, uint64_t number, Trawl__JobState *state) {
    struct record_key key = record_job(number);
    struct arena arena;
    struct buf value;
    bool found = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&value, LIMIT_WIRE_BYTES);
    if (store_get(w->store, key.bytes, key.len, &value) == STORE_FOUND) {
        const Trawl__StoredJob *j =
            wire_unpack(&arena, &trawl__stored_job__descriptor, value.data, value.len);
        assert(j != NULL);
        *state = j->info->state;
        found = true;
    }
    buf_release(&value);
    arena_release(&arena);
    return found;
}

static bool stored_done(struct jobs_world *w, uint64_t job, uint32_t reduce) {
    struct record_key key = record_task(job, TRAWL__TASK_KIND__REDUCE, reduce);
    struct arena arena;
    struct buf value;
    bool done = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&value, LIMIT_WIRE_BYTES);
    if (store_get(w->store, key.bytes, key.len, &value) == STORE_FOUND) {
        const Trawl__StoredTask *t =
            wire_unpack(&arena, &trawl__stored_task__descriptor, value.data, value.len);
        done = t != NULL && t->done;
    }
    buf_release(&value);
    arena_release(&arena);
    return done;
}

void jobs_check_told(struct jobs_world *w) {
    for (uint32_t i = 0; i < w->job_count; i++) {
        const struct sim_job *j = &w->jobs[i];
        Trawl__JobState state;
        if (!j->known)
            continue;
        if (!jobs_stored_state(w, j->number, &state)) {
            jobs_fail(w, "J5: job %llu was told of and is lost", (unsigned long long)j->number);
            continue;
        }
        if (j->told != TRAWL__JOB_STATE__JOB_RUNNING && state != j->told)
            jobs_fail(w, "J5: job %llu was over and is not any more",
                      (unsigned long long)j->number);
        for (uint32_t k = 0; k < j->reduces; k++)
            if (state == TRAWL__JOB_STATE__JOB_RUNNING && j->reduce_told[k] &&
                !stored_done(w, j->number, k))
                jobs_fail(w, "J5: reduce task %u of job %llu was acknowledged and is lost", k,
                          (unsigned long long)j->number);
    }
}

/* ---- what the master says --------------------------------------------------------------------------------- */

static const Trawl__Reply *ask(struct jobs_world *w, struct arena *arena, struct buf *out,
                               Trawl__Request *r) {
    r->version = WIRE_VERSION;
    (void)core_request(w->core, jobs_master_now(w), r, "check", out);
    return core_failed(w->core, NULL) ? NULL : wire_reply_unpack(arena, out->data, out->len);
}

/* J1: what is done was taken exactly once, and once more for each time that it was lost. After a restart of
 * the master (`anew`) counting begins with what it says. */
static void check_job(struct jobs_world *w, const Trawl__JobInfo *i, bool anew) {
    struct sim_job *j = &w->jobs[strtoul(i->name + 4, NULL, 10)];
    uint64_t maps = i->maps->done + i->lost_maps, reduces = i->reduces->done;
    if (anew) {
        j->number = i->job;
        j->accepted[MAP] = maps;
        j->accepted[REDUCE] = reduces;
    }
    if (j->accepted[MAP] != maps || j->accepted[REDUCE] != reduces)
        jobs_fail(w,
                  "J1: of job %llu %llu map and %llu reduce attempts were taken, and %llu and %llu "
                  "tasks are done",
                  (unsigned long long)i->job, (unsigned long long)j->accepted[MAP],
                  (unsigned long long)j->accepted[REDUCE], (unsigned long long)maps,
                  (unsigned long long)reduces);
    if (i->state == TRAWL__JOB_STATE__JOB_FAILED)
        jobs_fail(w, "job %llu failed: %s", (unsigned long long)i->job, i->why);
    if (i->state == TRAWL__JOB_STATE__JOB_DONE)
        for (uint32_t k = 0; k < j->reduces; k++)
            if (j->output[k] == 0)
                jobs_fail(w, "J4: job %llu is done without the output of partition %u",
                          (unsigned long long)i->job, k);
}

void jobs_check_jobs(struct jobs_world *w, bool anew) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    struct arena arena;
    struct buf out;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&out, LIMIT_WIRE_BYTES);
    r.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r.job_query = &q;
    for (uint32_t i = 0; i < w->job_count && anew; i++)
        w->jobs[i].number = 0;
    const Trawl__Reply *reply = ask(w, &arena, &out, &r);
    for (size_t i = 0; reply != NULL && i < reply->job->n_jobs; i++)
        check_job(w, reply->job->jobs[i], anew);
    buf_release(&out);
    arena_release(&arena);
}

/* ---- what the master was asked ---------------------------------------------------------------------------- */

static void count_accepted(struct jobs_world *w, const Trawl__Exchange *x,
                           const Trawl__ExchangeReply *reply) {
    for (size_t i = 0; i < x->n_tasks; i++) {
        const Trawl__TaskReport *r = x->tasks[i];
        bool lost = false;
        for (size_t k = 0; k < reply->n_tasks_lost; k++)
            lost = lost || reply->tasks_lost[k] == r->attempt;
        w->result->faults[JOBS_STALE] += lost;
        if (lost || r->result->end != TRAWL__TASK_END__DONE)
            continue;
        struct sim_job *j = jobs_find(w, r->result->records_in);
        if (j != NULL)
            j->accepted[r->result->records_out]++;
    }
}

/* J2: all map outputs, each from a process that the master thinks alive, and that made it. */
static void check_grant(struct jobs_world *w, const Trawl__TaskGrant *g) {
    const struct sim_job *j = jobs_find(w, g->spec->job->job);

    if (g->spec->kind != TRAWL__TASK_KIND__REDUCE || j == NULL)
        return;
    if (g->spec->n_outputs != j->maps)
        jobs_fail(w, "J2: a reduce task was granted with %zu of %u map outputs", g->spec->n_outputs,
                  j->maps);
    for (size_t i = 0; i < g->spec->n_outputs; i++) {
        const Trawl__MapOutput *o = g->spec->outputs[i];
        unsigned worker;
        unsigned long long incarnation;
        if (o->map != i ||
            sscanf(wire_output_serve(g->spec, o), "tcp://w%u:%llu", &worker, &incarnation) != 2)
            jobs_fail(w, "J2: a reduce task was granted whose map %zu has no worker", i);
        else if (recall(&w->made_by, o->attempt) != incarnation)
            jobs_fail(w, "J2: map output %zu is not with the process that made it", i);
    }
}

static void note_exchange(struct jobs_world *w, const Trawl__Exchange *x,
                          const Trawl__ExchangeReply *reply) {
    count_accepted(w, x, reply);
    for (size_t i = 0; i < reply->n_tasks; i++) {
        const Trawl__TaskGrant *g = reply->tasks[i];
        jobs_remember(&w->renewed_ms, g->attempt, (uint64_t)w->now_ms);
        w->result->attempts++;
        jobs_note(w, "  grants %llu: %s %u of job %llu", (unsigned long long)g->attempt,
                  g->spec->kind == TRAWL__TASK_KIND__MAP ? "map" : "reduce", g->spec->number,
                  (unsigned long long)g->spec->job->job);
        check_grant(w, g);
    }
}

static void note_beat(struct jobs_world *w, const Trawl__Heartbeat *h,
                      const Trawl__HeartbeatReply *reply) {
    for (size_t i = 0; i < h->n_attempts; i++) {
        bool lost = false;
        for (size_t k = 0; k < reply->n_lost; k++)
            lost = lost || reply->lost[k] == h->attempts[i];
        if (!lost)
            jobs_remember(&w->renewed_ms, h->attempts[i], (uint64_t)w->now_ms);
    }
}

/* An exchange that the master has answered already gets the same bytes again, and changes nothing. */
static bool is_repeat(const struct jobs_world *w, struct sim_tasker *s, const Trawl__Request *r) {
    if (s == NULL || r->body_case != TRAWL__REQUEST__BODY_EXCHANGE)
        return false;
    bool same = s->answered.master == w->master && s->answered.session == r->session &&
                s->answered.number == r->exchange->number;
    s->answered.master = w->master;
    s->answered.session = r->session;
    s->answered.number = r->exchange->number;
    return same;
}

void jobs_note_request(struct jobs_world *w, struct event *e, const Trawl__Request *r,
                       const Trawl__Reply *reply) {
    if (e->worker != NULL)
        jobs_note(w, "master: request %d of %s: code %d", (int)r->body_case, e->worker->name,
                  (int)reply->code);
    if (reply->body_case == TRAWL__REPLY__BODY_EXCHANGE && !is_repeat(w, e->worker, r))
        note_exchange(w, r->exchange, reply->exchange);
    if (reply->body_case == TRAWL__REPLY__BODY_HEARTBEAT)
        note_beat(w, r->heartbeat, reply->heartbeat);
    if (reply->body_case == TRAWL__REPLY__BODY_JOB && r->body_case == TRAWL__REQUEST__BODY_JOB_RUN)
        e->job->number = reply->job->jobs[0]->job;
}

/* ---- workers and operators -------------------------------------------------------------------------------- */

void jobs_note_told(struct jobs_world *w, const struct sim_tasker *s, const struct event *e) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Request *r =
        wire_request_unpack(&arena, s->asked[e->line].data, s->asked[e->line].len);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r != NULL && reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_tasks; i++) {
            const Trawl__TaskReport *t = r->exchange->tasks[i];
            bool lost = false;
            for (size_t k = 0; k < reply->exchange->n_tasks_lost; k++)
                lost = lost || reply->exchange->tasks_lost[k] == t->attempt;
            struct sim_job *j = jobs_find(w, t->result->records_in);
            if (!lost && j != NULL && t->result->end == TRAWL__TASK_END__DONE &&
                t->result->records_out == REDUCE)
                j->reduce_told[t->result->bytes_in] = true;
        }
    arena_release(&arena);
}

void jobs_check_leases(struct jobs_world *w, const struct sim_tasker *s) {
    for (const struct sim_child *c = s->children; c != NULL; c = c->next)
        if (!c->killed && w->now_ms > (int64_t)recall(&w->renewed_ms, c->attempt) + LEASE_MS)
            jobs_fail(w, "T1: %s runs %llu without a lease", s->name,
                      (unsigned long long)c->attempt);
}

void jobs_check_over(struct jobs_world *w, const struct sim_job *j, const Trawl__JobInfo *i) {
    bool done = i->state == TRAWL__JOB_STATE__JOB_DONE;

    w->result->faults[JOBS_SKIPPED] += i->skipped_count;
    w->result->faults[JOBS_MAP_LOST] += i->lost_maps;
    w->result->faults[JOBS_BACKUP] += i->maps->backups + i->reduces->backups;
    w->result->faults[JOBS_CANCELLED] += i->state == TRAWL__JOB_STATE__JOB_CANCELLED;
    if (i->skipped_count > j->poisons || (done && i->skipped_count != j->poisons))
        jobs_fail(w, "job %s: %llu records skipped, of %llu that crash", j->name,
                  (unsigned long long)i->skipped_count, (unsigned long long)j->poisons);
    if (j->no_backup && i->maps->backups + i->reduces->backups > 0)
        jobs_fail(w, "job %s was not to have backups", j->name);
    if (w->options->calm && (i->maps->attempts != j->maps || i->reduces->attempts != j->reduces))
        jobs_fail(w,
                  "without faults %llu map and %llu reduce attempts were made at %u and %u tasks",
                  (unsigned long long)i->maps->attempts, (unsigned long long)i->reduces->attempts,
                  j->maps, j->reduces);
}

void jobs_check_end(struct jobs_world *w) {
    if (!w->stopped)
        jobs_fail(w, "the master ended before it was told to");
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].left && w->workers[i].children != NULL)
            jobs_fail(w, "%s left with a child running", w->workers[i].name);
}

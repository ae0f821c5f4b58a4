/* jobs_child: attempts of tasks, each in a child process of a worker: what they find, make, and die of. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/limits.h"
#include "tests/sim/jobs_state.h"

void jobs_child_free(struct sim_child *c) {
    arena_release(&c->arena);
    free(c);
}

static struct sim_child *child_of(const struct sim_tasker *s, uint64_t attempt) {
    struct sim_child *c = s->children;

    while (c != NULL && c->attempt != attempt)
        c = c->next;
    return c;
}

static void child_unlink(struct sim_tasker *s, const struct sim_child *c) {
    struct sim_child **at = &s->children;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

/* A few take twenty times as long. */
static int64_t task_ms(struct jobs_world *w) {
    int64_t ms = 50 + rng_below(&w->rng, 600);

    return jobs_fault(w, JOBS_STRAGGLER, 60) ? ms * 20 : ms;
}

void jobs_child_start(struct jobs_world *w, struct sim_tasker *s, const struct task_effect *e) {
    struct sim_child *c = calloc(1, sizeof *c);
    struct buf packed;

    if (c == NULL)
        abort();
    buf_init(&packed, LIMIT_WIRE_BYTES);
    arena_init(&c->arena, LIMIT_ARENA_BYTES);
    if (!wire_pack(&packed, &e->spec->base))
        abort();
    c->spec = wire_unpack(&c->arena, &trawl__task_spec__descriptor, packed.data, packed.len);
    buf_release(&packed);
    c->attempt = e->attempt;
    c->job = e->spec->job->job;
    c->kind = e->spec->kind;
    c->number = e->spec->number;
    c->hangs = jobs_fault(w, JOBS_CHILD_HUNG, 40);
    c->next = s->children;
    s->children = c;
    jobs_note(w, "%s starts %llu", s->name, (unsigned long long)c->attempt);
    if (!c->hangs)
        jobs_schedule(w, task_ms(w), EVENT_CHILD, s)->attempt = c->attempt;
}

static void report_end(struct jobs_world *w, struct sim_tasker *s, const struct sim_child *c,
                       Trawl__TaskResult *r) {
    struct event *e = jobs_schedule(w, rng_below(&w->rng, 3), EVENT_ENDED, s);

    r->reason = r->end == TRAWL__TASK_END__DONE ? "" : "as chance would have it";
    /* Which task it was, for count_accepted() and jobs_note_told(). */
    r->records_in = c->job;
    r->records_out = c->kind;
    r->bytes_in = c->number;
    e->attempt = c->attempt;
    if (!wire_pack(&e->bytes, &r->base))
        abort();
}

void jobs_child_kill(struct jobs_world *w, struct sim_tasker *s, uint64_t attempt) {
    struct sim_child *c = child_of(s, attempt);
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;

    if (c == NULL || c->killed)
        return;
    jobs_note(w, "%s kills %llu", s->name, (unsigned long long)attempt);
    c->killed = true;
    r.end = TRAWL__TASK_END__TASK_FAILED;
    report_end(w, s, c, &r);
}

static void keep_output(struct jobs_world *w, struct sim_tasker *s, const struct sim_child *c) {
    if (s->file_count == FILES_MAX) {
        jobs_fail(w, "map outputs pile up on %s", s->name);
        return;
    }
    s->files[s->file_count++] =
        (struct sim_file){.job = c->job, .attempt = c->attempt, .map = c->number};
    jobs_remember(&w->made_by, c->attempt, s->incarnation);
}

void jobs_child_ended(struct jobs_world *w, struct event *e) {
    struct sim_tasker *s = e->worker;
    struct sim_child *c = child_of(s, e->attempt);
    struct arena arena;

    if (c == NULL)
        return;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__TaskResult *r =
        wire_unpack(&arena, &trawl__task_result__descriptor, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    if (r->end == TRAWL__TASK_END__DONE && c->kind == TRAWL__TASK_KIND__MAP)
        keep_output(w, s, c);
    jobs_note(w, "%s: %llu ends: %d", s->name, (unsigned long long)c->attempt, (int)r->end);
    task_agent_ended(s->agent, skew_now(&s->skew, w->now_ms), c->attempt, r);
    child_unlink(s, c);
    jobs_child_free(c);
    arena_release(&arena);
}

/* ---- its work --------------------------------------------------------------------------------------------- */

static bool is_skipped(const struct sim_child *c, uint64_t record) {
    for (size_t i = 0; i < c->spec->n_skip; i++)
        if (c->spec->skip[i] == record)
            return true;
    return false;
}

/* The record that kills the attempt; 0: none does. */
static uint64_t deadly_record(struct jobs_world *w, const struct sim_child *c) {
    const struct sim_job *j = jobs_find(w, c->job);

    for (size_t i = 0; i < POISON_MAX && c->kind == TRAWL__TASK_KIND__MAP && j != NULL; i++)
        if (j->poison[c->number][i] != 0 && !is_skipped(c, j->poison[c->number][i]))
            return j->poison[c->number][i];
    /* Bad luck, never twice on the same record. */
    return jobs_fault(w, JOBS_CHILD_CRASHED, 40) ? 1000 + ++w->next_record : 0;
}

static const struct sim_tasker *process(const struct jobs_world *w, const char *serve) {
    unsigned number;
    unsigned long long incarnation;

    if (sscanf(serve, "tcp://w%u:%llu", &number, &incarnation) != 2 || number >= w->worker_count)
        return NULL;
    const struct sim_tasker *s = &w->workers[number];
    return s->alive && s->incarnation == incarnation ? s : NULL;
}

static bool has_file(const struct sim_tasker *s, uint64_t job, uint32_t map, uint64_t attempt) {
    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].job == job && s->files[i].map == map && s->files[i].attempt == attempt)
            return true;
    return false;
}

/* Fetches every map output. False: some cannot be had; they are in `gone`. */
static bool fetch_input(struct jobs_world *w, struct sim_tasker *s, const struct sim_child *c,
                        Trawl__TaskResult *r, uint32_t gone[MAPS_MAX]) {
    r->gone = gone;
    for (size_t i = 0; i < c->spec->n_outputs; i++) {
        const Trawl__MapOutput *o = c->spec->outputs[i];
        const struct sim_tasker *from = process(w, wire_output_serve(c->spec, o));
        bool reachable =
            from != NULL &&
            (from == s || (!from->cut_up && !from->cut_down && from->paused_until_ms <= w->now_ms));
        if (!reachable || !has_file(from, c->job, o->map, o->attempt))
            r->gone[r->n_gone++] = o->map;
    }
    return r->n_gone == 0;
}

static void commit_output(struct jobs_world *w, const struct sim_child *c) {
    struct sim_job *j = jobs_find(w, c->job);

    if (j == NULL)
        return;
    if (j->output[c->number] != 0) {
        w->result->faults[JOBS_TOO_LATE]++;
        return;
    }
    j->output[c->number] = c->attempt;
    jobs_note(w, "part %u of job %llu is there", c->number, (unsigned long long)c->job);
}

static void run_child(struct jobs_world *w, struct sim_tasker *s, const struct sim_child *c) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;
    uint64_t sizes[REDUCES_MAX] = {1, 2, 3, 4}, deadly = deadly_record(w, c);
    uint32_t gone[MAPS_MAX];

    r.end = TRAWL__TASK_END__DONE;
    if (deadly != 0) {
        r.end = TRAWL__TASK_END__CRASHED;
        r.record = deadly;
    } else if (jobs_fault(w, JOBS_CHILD_FAILED, 60)) {
        r.end = TRAWL__TASK_END__TASK_FAILED;
    } else if (c->kind == TRAWL__TASK_KIND__MAP) {
        r.partition_bytes = sizes;
        r.n_partition_bytes = c->spec->job->reduces;
    } else if (!fetch_input(w, s, c, &r, gone)) {
        w->result->faults[JOBS_INPUT_GONE]++;
        r.end = TRAWL__TASK_END__INPUT_GONE;
    } else {
        commit_output(w, c);
    }
    report_end(w, s, c, &r);
}

void jobs_child_event(struct jobs_world *w, struct event *e) {
    const struct sim_child *c = child_of(e->worker, e->attempt);

    if (c != NULL && !c->killed)
        run_child(w, e->worker, c);
}

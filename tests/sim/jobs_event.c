/* jobs_event: the queue of events, and what is told of the run. */
#include <stdarg.h>
#include <stdlib.h>

#include "shared/limits.h"
#include "tests/sim/jobs_state.h"
#include "tests/sim/told.h"

void jobs_note(struct jobs_world *w, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    told_note(w->options->trace, w->now_ms, fmt, args);
    va_end(args);
}

void jobs_fail(struct jobs_world *w, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    bool first = told_broken(w->result->why, sizeof w->result->why, fmt, args);
    va_end(args);
    if (first)
        jobs_note(w, "BROKEN %s", w->result->why);
}

bool jobs_put(struct jobs_world *w, struct event *e, int64_t at_ms) {
    return heap_set(&w->events, &e->at, at_ms * 1000000 + (int64_t)(e->order % 1000000));
}

struct event *jobs_schedule(struct jobs_world *w, int64_t delay_ms, enum event_kind kind,
                            struct sim_tasker *s) {
    struct event *e = calloc(1, sizeof *e);

    if (e == NULL)
        abort();
    e->kind = kind;
    e->order = ++w->orders;
    e->worker = s;
    e->memory = s != NULL ? s->memory : w->master;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    if (!jobs_put(w, e, w->now_ms + delay_ms))
        abort();
    return e;
}

bool jobs_put_off(struct jobs_world *w, struct event *e) {
    if (e->worker == NULL || e->worker->paused_until_ms <= w->now_ms || e->kind == EVENT_REQUEST ||
        e->kind == EVENT_CHILD || e->kind == EVENT_WORKER_START)
        return false;
    e->order = ++w->orders;
    if (!jobs_put(w, e, e->worker->paused_until_ms))
        abort();
    return true;
}

void jobs_event_free(struct event *e) {
    buf_release(&e->bytes);
    free(e);
}

void jobs_wake(struct jobs_world *w, struct sim_tasker *s, int64_t delay_ms) {
    if (s->agent == NULL || s->wake_ms <= w->now_ms + delay_ms)
        return;
    jobs_schedule(w, delay_ms, EVENT_WAKE, s);
    s->wake_ms = w->now_ms + delay_ms;
}

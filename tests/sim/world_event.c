/* world_event: the queue of events, and what is told of the run. */
#include <stdarg.h>
#include <stdlib.h>

#include "shared/limits.h"
#include "tests/sim/told.h"
#include "tests/sim/world_state.h"

void world_note(struct world *w, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    told_note(w->options->trace, w->now_ms, fmt, args);
    va_end(args);
}

void world_fail(struct world *w, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    bool first = told_broken(w->result->why, sizeof w->result->why, fmt, args);
    va_end(args);
    if (first)
        world_note(w, "BROKEN %s", w->result->why);
}

struct event *world_schedule(struct world *w, int64_t delay_ms, enum event_kind kind) {
    struct event *e = calloc(1, sizeof *e);

    if (e == NULL)
        abort();
    e->kind = kind;
    e->order = ++w->orders;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    /* Order within one moment is part of the key: the run must not depend on the heap's shape. */
    if (!heap_set(&w->events, &e->at,
                  (w->now_ms + delay_ms) * 1000000 + (int64_t)(e->order % 1000000)))
        abort();
    return e;
}

void world_event_free(struct event *e) {
    buf_release(&e->bytes);
    free(e);
}

void world_wake(struct world *w, struct sim_loop *l, int64_t delay_ms) {
    if (l->agent == NULL || l->wake_ms <= w->now_ms + delay_ms)
        return;
    struct event *e = world_schedule(w, delay_ms, EVENT_WAKE);
    e->loop = l;
    e->incarnation = l->incarnation;
    l->wake_ms = w->now_ms + delay_ms;
}

bool world_put_off(struct world *w, struct event *e) {
    struct sim_worker *s = e->worker != NULL ? e->worker : e->loop != NULL ? e->loop->worker : NULL;

    if (s == NULL || e->kind == EVENT_REQUEST || s->paused_until_ms <= w->now_ms)
        return false;
    e->order = ++w->orders;
    if (!heap_set(&w->events, &e->at, s->paused_until_ms * 1000000 + (int64_t)(e->order % 1000000)))
        abort();
    return true;
}

/* world_forget: the disk of a worker is lost with all that was on it. An operator has the master forget it, asking again until
 * nothing is left to be forgotten, and starts the worker on an empty disk: then, or as soon as the order is durable. */
#include <stdlib.h>

#include "tests/sim/world_state.h"

enum { LOSS_END_MS = 45 * 1000, SURE_MS = 20 /* what was answered so long ago is durable */ };

/* What only that disk had is not promised any more. */
static void forgive(struct world *w, const struct sim_worker *s) {
    for (size_t i = 0; i < w->acknowledged.size; i++)
        if (w->acknowledged.slots[i].value == s)
            w->acknowledged.slots[i].value = &w->gone;
}

static void drop_disk(struct sim_worker *s) {
    while (s->disk != NULL) {
        struct sim_segment *next = s->disk->next;
        free(s->disk->records);
        free(s->disk);
        s->disk = next;
    }
}

static void ask_again(struct world *w) {
    world_schedule(w, SURE_MS + rng_below(&w->gone.rng, 300), EVENT_FORGET);
}

void world_forget_maybe(struct world *w) {
    struct rng r = {w->options->seed * 31 + (uint64_t)w->now_ms};
    /* Always the same one, who may be the only one: that it can work is known still. */
    struct sim_worker *s = &w->workers[w->options->seed % w->worker_count];

    if (!rng_chance(&(struct rng){w->options->seed + 17}, 30) || w->now_ms >= LOSS_END_MS ||
        w->gone.worker != NULL || w->guest.worker != NULL || !s->alive || s->paused_until_ms > 0 ||
        s->sick != SICK_NOT || s->disk == NULL || !rng_chance(&r, 10))
        return;
    world_note(w, "the disk of %s is lost", s->name);
    w->result->faults[FAULT_DISK_LOST]++;
    world_worker_kill(w, s);
    drop_disk(s);
    forgive(w, s);
    s->gone = true;
    s->instance[1]++;
    s->place += WORKERS_MAX;
    w->gone.worker = s;
    w->gone.early = rng_chance(&r, 50);
    w->gone.taken = w->gone.done = false;
    w->gone.rng = r;
    ask_again(w);
}

static void start_anew(struct world *w) {
    if (!w->gone.worker->gone)
        return;
    w->gone.worker->gone = false;
    world_restart_later(w, w->gone.worker, rng_below(&w->gone.rng, 3000));
}

/* An answer that a crash may have taken back is none. */
static bool is_sure(struct world *w, bool *said) {
    bool sure = *said && w->gone.master == w->master_incarnation;

    *said = true;
    w->gone.master = w->master_incarnation;
    return sure;
}

void world_forget_event(struct world *w) {
    struct sim_worker *s = w->gone.worker;
    bool more = false;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED) {
        ask_again(w);
        return;
    }
    bool taken = world_master_forget(w, s->name, &more);
    if (w->core == NULL) {
        ask_again(w);
        return;
    }
    /* Refused: its sessions are not over yet; or there is nothing of it. */
    bool alive = !taken && s->gone && w->gone.refused_alive;
    if (taken && more) {
        w->result->forgets++;
        if (is_sure(w, &w->gone.taken) && w->gone.early)
            start_anew(w);
    } else if (!alive && is_sure(w, &w->gone.done)) {
        world_note(w, "%s is forgotten", s->name);
        start_anew(w);
        w->gone.worker = NULL;
        return;
    }
    ask_again(w);
}

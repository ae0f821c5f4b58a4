/* world_fault: what goes wrong, and when. */
#include "tests/sim/world_state.h"

enum { FAULTS_END_MS = 60 * 1000, STOPS_END_MS = 40 * 1000 };

static const char *const fault_names[FAULTS] = {
    "request lost", "reply lost",     "late",           "doubled",       "reordered",
    "partition up", "partition down", "worker killed",  "worker paused", "zombie",
    "restarted",    "tail lost",      "master killed",  "writes lost",   "store full",
    "server broke", "clock jump",     "killed sealing", "told to wait",  "flapped",
    "poisoned",     "sick disk",      "other options",  "other terms",   "stale connection",
    "dead address", "copied",         "guest refused",  "disk lost",
};

const char *world_fault_name(enum world_fault f) {
    return fault_names[f];
}

bool world_fault(struct world *w, enum world_fault f, uint32_t permille) {
    if (w->options->calm || w->now_ms >= FAULTS_END_MS || rng_below(&w->rng, 1000) >= permille)
        return false;
    w->result->faults[f]++;
    return true;
}

static void fault_worker(struct world *w) {
    struct sim_worker *s = &w->workers[rng_below(&w->rng, w->worker_count)];

    if (!s->alive || s->paused_until_ms > 0)
        return;
    switch (rng_below(&w->rng, 4)) {
    case 0:
        w->result->faults[FAULT_WORKER_KILLED]++;
        w->result->faults[FAULT_RESTARTED]++;
        world_worker_kill(w, s);
        world_restart_later(w, s, 100 + rng_below(&w->rng, 15000));
        break;
    case 1:
        w->result->faults[FAULT_WORKER_PAUSED]++;
        world_worker_pause(w, s, 500 + rng_below(&w->rng, 20000));
        break;
    case 2:
        s->cut_up = !s->cut_up;
        break;
    default:
        s->cut_down = !s->cut_down;
        break;
    }
}

static void jump(struct world *w) {
    w->unix_jump_ms += (int64_t)rng_below(&w->rng, 7200000) - 3600000;
    w->jumped = true;
    for (uint32_t k = 0; k < w->web.origin_count; k++)
        w->web.origins[k].quiet_heard = false;
}

/* Phases go back: what is paused is resumed, what was stopped is started again, by a kill even before it has ended. Whoever
 * has left is called back meanwhile. */
static void operate(struct world *w) {
    struct rng r = {w->options->seed + (uint64_t)w->now_ms};

    if (!rng_chance(&(struct rng){w->options->seed + 13}, 30))
        return;
    if (rng_chance(&r, 50))
        world_master_control(w, TRAWL__VERB__RESUME);
    if (w->now_ms < STOPS_END_MS && rng_chance(&r, 8))
        world_master_control(w, rng_chance(&r, 50) ? TRAWL__VERB__PAUSE : TRAWL__VERB__STOP);
    if (w->stopped && w->core != NULL && rng_chance(&r, 30))
        world_master_kill(w);
    if (w->core != NULL && core_state(w->core) == CORE_RUNNING)
        world_master_recall(w);
}

void world_fault_event(struct world *w) {
    operate(w);
    if (w->now_ms >= FAULTS_END_MS) {
        world_master_control(w, TRAWL__VERB__RESUME);
        for (uint32_t i = 0; i < w->worker_count; i++)
            w->workers[i].cut_up = w->workers[i].cut_down = false;
        world_note(w, "the faults heal");
        world_guest_end(w);
        world_options_restore(w);
        if (w->core != NULL && world_options_odd(w))
            world_master_kill(w);
        if (w->result->faults[FAULT_OTHER_OPTIONS] > 0)
            world_master_recall(w);
        return;
    }
    world_forget_maybe(w);
    if (w->core != NULL && rng_chance(&w->rng, 8))
        world_master_kill(w);
    else if (rng_chance(&w->rng, 50))
        fault_worker(w);
    if (world_fault(w, FAULT_CLOCK_JUMP, 20))
        jump(w);
    world_schedule(w, 200 + rng_below(&w->rng, 3000), EVENT_FAULT);
}

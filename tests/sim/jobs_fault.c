/* jobs_fault: what goes wrong, and when. */
#include "tests/sim/jobs_state.h"

enum { FAULTS_END_MS = 40 * 1000 };

static const char *const fault_names[JOBS_FAULTS] = {
    "request lost",   "reply lost",    "late",          "doubled",       "partition up",
    "partition down", "worker killed", "worker paused", "master killed", "writes lost",
    "store full",     "task failed",   "task crashed",  "task hung",     "straggler",
    "file lost",      "input gone",    "map lost",      "backup",        "record skipped",
    "stale report",   "output there",  "job cancelled",
};

const char *jobs_fault_name(enum jobs_fault f) {
    return fault_names[f];
}

static bool faults_over(const struct jobs_world *w) {
    return w->options->calm || w->now_ms >= FAULTS_END_MS;
}

bool jobs_fault(struct jobs_world *w, enum jobs_fault f, uint32_t permille) {
    if (faults_over(w) || rng_below(&w->rng, 1000) >= permille)
        return false;
    w->result->faults[f]++;
    return true;
}

static void lose_file(struct jobs_world *w, struct sim_tasker *s) {
    if (s->file_count == 0)
        return;
    w->result->faults[JOBS_FILE_LOST]++;
    s->files[rng_below(&w->rng, (uint32_t)s->file_count)] = s->files[s->file_count - 1];
    s->file_count--;
}

static void fault_worker(struct jobs_world *w) {
    struct sim_tasker *s = &w->workers[rng_below(&w->rng, w->worker_count)];

    if (!s->alive || s->paused_until_ms > 0)
        return;
    switch (rng_below(&w->rng, 5)) {
    case 0:
        jobs_note(w, "%s killed", s->name);
        w->result->faults[JOBS_WORKER_KILLED]++;
        jobs_worker_stop(w, s);
        jobs_restart_later(w, s, 100 + rng_below(&w->rng, 5000));
        break;
    case 1:
        w->result->faults[JOBS_WORKER_PAUSED]++;
        s->paused_until_ms = w->now_ms + 100 + rng_below(&w->rng, 6000);
        jobs_note(w, "%s paused until %lld", s->name, (long long)s->paused_until_ms);
        break;
    case 2:
        s->cut_up = !s->cut_up;
        break;
    case 3:
        s->cut_down = !s->cut_down;
        break;
    default:
        lose_file(w, s);
        break;
    }
}

void jobs_fault_event(struct jobs_world *w) {
    if (faults_over(w)) {
        for (uint32_t i = 0; i < w->worker_count; i++)
            w->workers[i].cut_up = w->workers[i].cut_down = false;
        jobs_note(w, "the faults heal");
        return;
    }
    if (w->core != NULL && rng_chance(&w->rng, 8))
        jobs_master_kill(w);
    else if (rng_chance(&w->rng, 60))
        fault_worker(w);
    jobs_schedule(w, 100 + rng_below(&w->rng, 2000), EVENT_FAULT, NULL);
}

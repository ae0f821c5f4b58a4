/* world_worker: processes of two loops: start, end, and stand still. */
#include "tests/sim/world_state.h"

void world_worker_start(struct world *w, struct sim_worker *s) {
    s->incarnation++;
    s->alive = true;
    s->cost = (struct cost_sums){0};
    s->paused_until_ms = 0;
    skew_draw(&s->skew, &w->rng);
    world_note(w, "%s starts", s->name);
    for (struct sim_segment *i = s->disk; i != NULL; i = i->next)
        if (!i->sealed)
            world_seal_ask(w, s, NULL, i);
    for (uint32_t i = 0; i < LOOPS; i++)
        world_loop_start(w, s, i);
}

void world_worker_kill(struct world *w, struct sim_worker *s) {
    world_note(w, "%s killed", s->name);
    for (uint32_t i = 0; i < LOOPS; i++)
        world_loop_stop(w, &s->loops[i]);
    for (struct sim_segment *i = s->disk; i != NULL; i = i->next)
        if (!i->sealed)
            world_segment_lose_tail(w, i);
    s->alive = false;
}

void world_restart_later(struct world *w, struct sim_worker *s, int64_t delay_ms) {
    struct event *e = world_schedule(w, delay_ms, EVENT_WORKER_START);

    e->worker = s;
    e->incarnation = s->incarnation;
}

void world_worker_pause(struct world *w, struct sim_worker *s, int64_t ms) {
    world_note(w, "%s paused for %lld ms", s->name, (long long)ms);
    s->paused_until_ms = w->now_ms + ms;
    for (uint32_t i = 0; i < LOOPS; i++)
        for (struct sim_visit *v = s->loops[i].visits; v != NULL; v = v->next)
            if (v->open > 0)
                web_connection(&w->web, v->origin, -(int)v->open, s->name);
}

void world_worker_resume(struct world *w, struct sim_worker *s) {
    s->paused_until_ms = 0;
    w->result->faults[FAULT_ZOMBIE]++;
    world_note(w, "%s resumes", s->name);
    for (uint32_t i = 0; i < LOOPS; i++)
        world_loop_resume(w, &s->loops[i]);
}

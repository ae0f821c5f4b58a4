/* world_worker: processes of two loops: start, end, and stand still. */
#include "tests/sim/world_state.h"

void world_worker_start(struct world *w, struct sim_worker *s) {
    world_guest_arrive(w, s);
    s->incarnation++;
    s->process = ++w->processes;
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

/* The whole process goes, without a word or after one. */
static void end_sick(struct world *w, struct sim_worker *s) {
    world_worker_kill(w, s);
    world_restart_later(w, s, 100 + rng_below(&w->rng, 3000));
}

bool world_worker_sickens(struct world *w, struct sim_loop *l) {
    struct sim_worker *s = l->worker;
    int64_t now = skew_now(&s->skew, w->now_ms);

    if (s->sick == SICK_NOT || w->now_ms < s->sick_from_ms)
        return false;
    w->result->faults[FAULT_SICK]++;
    world_note(w, "the disk of %s refuses", s->name);
    switch (s->sick) {
    case SICK_TELLS:
        agent_trouble(l->agent, now, "its disk refuses");
        break;
    case SICK_ENDS:
        agent_fail(l->agent, now, "its disk refuses");
        l->failed = true;
        break;
    default:
        end_sick(w, s);
        break;
    }
    return true;
}

static void reap_failed(struct world *w, struct sim_worker *s) {
    bool failed = false, left = true;

    for (uint32_t i = 0; i < LOOPS; i++)
        failed = failed || s->loops[i].failed;
    if (!s->alive || !failed)
        return;
    for (uint32_t i = 0; i < LOOPS; i++) {
        left = left && s->loops[i].left;
        if (!s->loops[i].left && !s->loops[i].failed)
            agent_drain(s->loops[i].agent, skew_now(&s->skew, w->now_ms));
    }
    if (left)
        end_sick(w, s);
}

void world_reap_failed(struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++)
        reap_failed(w, &w->workers[i]);
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

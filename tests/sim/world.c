#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/store_mem.h"
#include "tests/sim/world_state.h"

enum { END_MS = 1200 * 1000, EVENTS_MAX = 2000000 };

/* ---- events ----------------------------------------------------------------------------------------------- */

static void take_reply(struct world *w, struct event *e) {
    struct sim_loop *l = e->loop;

    if (e->segment != NULL) {
        world_seal_answer(w, e);
        return;
    }
    if (l->incarnation != e->incarnation || l->agent == NULL || l->call[e->line] != e->number)
        return;
    l->call[e->line] = 0;
    world_note_acknowledged(w, e);
    agent_reply(l->agent, skew_now(&l->worker->skew, w->now_ms), e->line, e->bytes.data,
                e->bytes.len);
    world_loop_run(w, l);
}

static void happen(struct world *w, struct event *e) {
    switch (e->kind) {
    case EVENT_REQUEST:
        world_master_request(w, e);
        return; /* took the event over */
    case EVENT_REPLY:
        take_reply(w, e);
        break;
    case EVENT_MASTER_TICK:
        if (e->incarnation == w->master_incarnation && w->core != NULL)
            world_master_tick(w);
        break;
    case EVENT_MASTER_SYNC:
        if (e->incarnation == w->master_incarnation && w->core != NULL)
            world_master_synced(w);
        break;
    case EVENT_MASTER_START:
        if (e->incarnation == w->master_incarnation && w->core == NULL)
            world_master_start(w);
        break;
    case EVENT_WORKER_START:
        if (!e->worker->alive && !e->worker->gone && e->incarnation == e->worker->incarnation)
            world_worker_start(w, e->worker);
        break;
    case EVENT_SEAL:
        if (e->worker->alive && e->incarnation == e->worker->incarnation && !e->segment->sealed)
            world_seal_ask(w, e->worker, e->loop, e->segment);
        break;
    case EVENT_FAULT:
        world_fault_event(w);
        break;
    case EVENT_FORGET:
        world_forget_event(w);
        break;
    default:
        if (e->loop->incarnation == e->incarnation && e->loop->agent != NULL)
            world_loop_event(w, e);
        break;
    }
    world_event_free(e);
}

static void wake_paused(struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        if (s->paused_until_ms > 0 && s->paused_until_ms <= w->now_ms)
            world_worker_resume(w, s);
    }
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* In some worlds one worker, beside others that are well, has a disk that takes nothing: from the start, or some time. */
static void choose_sick(struct world *w) {
    struct rng r = {w->options->seed + 9};

    if (w->options->calm || w->worker_count < 2 || !rng_chance(&r, 40))
        return;
    struct sim_worker *s = &w->workers[rng_below(&r, w->worker_count)];
    s->sick = (enum sick)(SICK_TELLS + rng_below(&r, 3));
    s->sick_from_ms = rng_chance(&r, 50) ? 0 : rng_below(&r, 40000);
    /* One that has worked, and now dies without a word, is found out by another that is there: not while it is cut off. */
    if (s->sick == SICK_DIES && s->sick_from_ms > 0)
        s->sick_from_ms += 60000;
}

/* In some worlds the web falls silent: the crawl has to end all the same, with nothing pending. */
static void choose_silence(struct world *w) {
    struct rng r = {w->options->seed + 11};

    if (!w->options->calm && rng_chance(&r, 15))
        w->web.silent_from_ms = 1 + rng_below(&r, 60000);
}

static void world_init(struct world *w) {
    struct rng *r = &w->rng;
    static const uint32_t delays[] = {0, 50, 300, 1000};
    uint32_t connections = 1 + rng_below(r, 4);

    if (!options_init(&w->crawl))
        abort();
    w->crawl.scope = SCOPE_DOMAIN;
    w->crawl.lease_ms = 5000;
    w->crawl.heartbeat_ms = 500;
    w->crawl.timeout_ms = 5000;
    w->crawl.delay_ms = delays[rng_below(r, 4)];
    w->crawl.host_connections = connections;
    w->crawl.ip_connections = connections + rng_below(r, 3);
    uint32_t origins = 1 + rng_below(r, WEB_ORIGINS_MAX);
    web_init(&w->web, rng_next(r), origins, w->crawl.delay_ms, connections,
             w->crawl.ip_connections);
    if (!w->options->calm)
        web_poison(&w->web);
    w->crawl.scope = SCOPE_ANY;
    if (!string_list_add(&w->crawl.exclude, "^http://outside\\."))
        abort();
    if (rng_chance(&(struct rng){w->options->seed}, 60))
        w->exchange_link_bytes = 60 + rng_below(&(struct rng){w->options->seed + 1}, 200);
    if (rng_chance(&(struct rng){w->options->seed + 2}, 30))
        w->exchange_links = 1 + rng_below(&(struct rng){w->options->seed + 3}, 8);
    if (rng_chance(&(struct rng){w->options->seed + 7}, 35)) {
        w->crawl.max_depth_set = true;
        w->crawl.max_depth = 1 + rng_below(&(struct rng){w->options->seed + 8}, 6);
    }
    world_options_init(w);
    world_sizes_init(w);
    w->store = store_mem_new();
    world_store_watch(w);
    heap_init(&w->events);
    map_init(&w->acknowledged);
    w->worker_count = 1 + rng_below(r, WORKERS_MAX);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        snprintf(s->name, sizeof s->name, "w%u", i + 1);
        s->instance[0] = (unsigned char)(i + 1);
        s->place = i + 1;
        world_restart_later(w, s, rng_below(r, 100));
    }
    choose_sick(w);
    choose_silence(w);
    world_guest_choose(w);
    world_master_start(w);
    if (!w->options->calm)
        world_schedule(w, rng_below(r, 3000), EVENT_FAULT);
}

static void world_release(struct world *w) {
    struct heap_item *it;

    world_master_stop(w);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *s = &w->workers[i];
        for (uint32_t k = 0; k < LOOPS; k++)
            world_loop_stop(w, &s->loops[k]);
        while (s->disk != NULL) {
            struct sim_segment *next = s->disk->next;
            free(s->disk->records);
            free(s->disk);
            s->disk = next;
        }
    }
    while ((it = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, it);
        world_event_free((struct event *)it);
    }
    heap_release(&w->events);
    map_release(&w->acknowledged);
    world_guest_release(w);
    store_close(w->store);
    options_release(&w->crawl);
}

/* It waits, and says that nobody can tell whether what is left kills its workers, or they are ill (master/trial.h). */
static bool is_undecided(const struct world *w) {
    struct core_stats stats;

    if (w->core == NULL)
        return false;
    core_stats(w->core, &stats);
    return stats.undecided;
}

void world_run(const struct world_options *options, struct world_result *result) {
    struct world *w = calloc(1, sizeof *w);
    struct heap_item *it;

    if (w == NULL)
        abort();
    *result = (struct world_result){.ok = false};
    w->options = options;
    w->result = result;
    w->rng.state = options->seed;
    world_init(w);
    while (!w->ended && !result->undecided && result->why[0] == '\0' &&
           (it = heap_min(&w->events)) != NULL) {
        struct event *e = (struct event *)it;
        heap_remove(&w->events, it);
        w->now_ms = it->key / 1000000;
        web_time(&w->web, w->now_ms);
        wake_paused(w);
        if (!world_put_off(w, e))
            happen(w, e);
        world_reap_failed(w);
        if (w->web.violation[0] != '\0')
            world_fail(w, "%s", w->web.violation);
        if (++result->events <= EVENTS_MAX && w->now_ms <= END_MS)
            continue;
        if (is_undecided(w))
            result->undecided = true;
        else
            world_fail(w, "the crawl does not end: %llu events, %lld s",
                       (unsigned long long)result->events, (long long)w->now_ms / 1000);
    }
    if (result->why[0] == '\0' && !result->undecided)
        world_check_end(w);
    result->requests = w->web.requests;
    result->faults[FAULT_FLAPPED] = w->web.flapped;
    result->ended_ms = w->now_ms;
    result->ok = result->why[0] == '\0';
    world_release(w);
    free(w);
}

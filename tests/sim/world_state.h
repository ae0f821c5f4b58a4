/*
 * world_state: what the world is made of; for world.c and world_*.c only. world.h is its outside.
 *
 *     world.c          begins, lets one event happen after the other, ends
 *     world_event.c    the queue of events, and what is told of the run
 *     world_fault.c    what goes wrong, and when
 *     world_forget.c   a disk that is lost, and forgotten
 *     world_net.c      requests and replies on their way
 *     world_master.c   the core, and what is around it
 *     world_store.c    what the master writes
 *     world_options.c  other options at a start of the master
 *     world_segment.c  segments on the disks of workers, and how they are sealed
 *     world_loop.c     a fetch loop: what its agent asks for happens
 *     world_worker.c   processes of two loops: start, end, and stand still
 *     world_guest.c    workers that should not be there
 *     world_sizes.c    small budgets, and what is longer than the limits
 *     world_check.c    the promises, on the way and at the end
 *
 * Everybody draws from `rng`, so in which order things are done is part of a seed's run.
 */
#ifndef TRAWL_TESTS_SIM_WORLD_STATE_H
#define TRAWL_TESTS_SIM_WORLD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/core.h"
#include "proto/wire.h"
#include "shared/cost.h"
#include "shared/heap.h"
#include "shared/limits.h"
#include "shared/map.h"
#include "tests/sim/rng.h"
#include "tests/sim/skew.h"
#include "tests/sim/web.h"
#include "tests/sim/world.h"
#include "worker/agent.h"

enum { WORKERS_MAX = 4, LOOPS = 2, CALL_TIMEOUT_MS = 1500 };

struct sim_record {
    uint64_t offset, length;
    uint32_t origin, page;
};

struct sim_segment {
    char name[96];
    unsigned char instance[16]; /* of the worker that made it */
    bool sealed;
    bool copied;            /* with its directory: another one's */
    uint64_t size, durable; /* bytes; durable: survive the machine */
    struct sim_record *records;
    size_t count, room;
    struct sim_segment *next;
};

/* What the shell keeps beside a visit. */
struct sim_visit {
    struct visit *visit;   /* NULL: void */
    uint32_t origin, open; /* connections */
    uint32_t stale;        /* of these, while its worker resumes */
    uint32_t busy;
    int64_t quiet_until_ms; /* what the server asked of it last, on the server's clock */
    struct sim_visit *next;
};

struct sim_transfer {
    uint64_t fetch;
    struct sim_visit *visit;
    bool robots, sitemap;
    uint32_t origin, page;
    int64_t started_ms; /* on the worker's clock */
    struct web_answer answer;
    bool unreached; /* its address is dead */
    bool stale;     /* the connection had ended that was kept for it */
    struct sim_transfer *next;
};

struct sim_loop {
    struct sim_worker *worker;
    uint32_t number;
    struct agent *agent;
    uint64_t incarnation; /* of this loop's memory: events of an older one are void */
    struct sim_segment *segment;
    uint32_t serial; /* of segments */
    char crawl[24];
    struct sim_visit *visits;
    struct sim_transfer *transfers;
    bool blamed[WEB_ORIGINS_MAX];         /* it knows which address is dead */
    uint64_t call[AGENT_LINES];           /* number of the request under way; 0: none */
    const struct buf *asked[AGENT_LINES]; /* its bytes */
    int64_t wake_ms;
    bool left, failed;
};

struct sim_worker {
    char name[8];
    unsigned char instance[16];
    uint64_t incarnation, process, place;
    char crawl[24]; /* whose records it has, as the directory says; empty: of none yet */
    bool alive;
    bool gone; /* its disk is lost, and it is not to be started yet */
    int64_t paused_until_ms;
    bool cut_up, cut_down; /* partitions */
    struct skew skew;      /* of its clock */
    struct sim_loop loops[LOOPS];
    struct sim_segment *disk;
    enum sick { SICK_NOT, SICK_TELLS, SICK_ENDS, SICK_DIES } sick; /* for ever */
    int64_t sick_from_ms;
    struct cost_sums cost; /* of this process */
};

enum event_kind {
    EVENT_WAKE,
    EVENT_REQUEST, /* arrives at the master */
    EVENT_REPLY,   /* arrives at a loop */
    EVENT_TIMEOUT,
    EVENT_FETCHED,
    EVENT_RESOLVED,
    EVENT_SYNCED,
    EVENT_SEAL,
    EVENT_MASTER_TICK,
    EVENT_MASTER_SYNC,
    EVENT_MASTER_START,
    EVENT_WORKER_START,
    EVENT_FAULT,
    EVENT_FORGET,
};

struct event {
    struct heap_item at;
    uint64_t order; /* ties are broken by it */
    enum event_kind kind;
    struct sim_loop *loop;
    struct sim_worker *worker;
    uint64_t incarnation, number;
    enum agent_line line;
    struct buf bytes;
    struct sim_transfer *transfer;
    struct sim_visit *visit;
    struct sim_segment *segment;
};

/* A reply that waits for a sync. */
struct held_reply {
    struct event *event;
    struct held_reply *next;
};

struct world {
    const struct world_options *options;
    struct world_result *result;
    struct rng rng;
    int64_t now_ms, unix_jump_ms;
    struct heap events;
    uint64_t orders;
    struct web web;
    struct sim_worker workers[WORKERS_MAX + 1];
    uint32_t worker_count;
    uint64_t incarnations, processes, calls;

    struct options crawl;
    /* often so few that the links of a page take several exchanges */
    size_t exchange_link_bytes, exchange_links;
    size_t exchange_bytes, attach_items; /* of agents; 0: as always */
    struct store *store;
    struct core *core; /* NULL: the master is down */
    uint64_t master_incarnation;
    struct held_reply *held;
    bool syncing, ended, jumped, stopped; /* stopped: by an operator, who will start it again */
    bool seed_anew;                       /* it had failed when the master was started again */
    /* What was acknowledged to a worker, by fingerprint: must be in the store for ever after. */
    struct map acknowledged;
    struct {
        struct rng rng;
        bool wanted, now; /* at the next starts; since the last one */
        int64_t since_ms;
        uint32_t max_depth;     /* of the first ones, */
        struct web_terms first; /* and what servers were promised */
    } odd;                      /* options */
    struct {
        struct sim_worker *worker; /* NULL: there is none */
        struct sim_worker *of;     /* whose directory was copied; NULL: it is another crawl's */
        bool arrived, over;
        struct map sessions; /* the process of each, whatever guest there is */
    } guest;
    struct {
        struct rng rng;
        struct sim_worker *worker; /* whose disk was lost; NULL: nobody's */
        bool early;                /* it is started again as soon as the order is taken */
        bool taken, done;          /* the master has said so, */
        uint64_t master;           /* this one */
        bool refused_alive;        /* the last time it was refused: the worker is alive */
    } gone;
    /* What all workers used; and before this master was. */
    struct cost_sums cost, cost_before;
};

/* ---- world_event.c ------------------------------------------------------------------------------- */

/* A line of the trace. */
void world_note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A promise is broken; the first such text is told, and the run ends. */
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The caller fills in what its kind needs. */
struct event *world_schedule(struct world *w, int64_t delay_ms, enum event_kind kind);
void world_event_free(struct event *e);
/* The loop runs at this time, if not before. */
void world_wake(struct world *w, struct sim_loop *l, int64_t delay_ms);
/* A paused worker's events wait for it; the servers' part of them has happened. False: this one does not. */
bool world_put_off(struct world *w, struct event *e);

/* ---- world_fault.c ------------------------------------------------------------------------------- */

/* May a fault of this kind happen now? Counts it. */
bool world_fault(struct world *w, enum world_fault f, uint32_t permille);
/* Something befalls the master or a worker, and again later; when the time of faults is over, all heals. */
void world_fault_event(struct world *w);

/* ---- world_forget.c ------------------------------------------------------------------------------ */

/* A worker's disk is lost, now and then. */
void world_forget_maybe(struct world *w);
/* The operator asks for it to be forgotten, or whether it is. */
void world_forget_event(struct world *w);

/* ---- world_net.c --------------------------------------------------------------------------------- */

/* `l` and `segment`: who is told of the reply; each may be NULL. */
void world_send_request(struct world *w, struct sim_loop *l, struct sim_worker *from,
                        enum agent_line line, uint64_t number, const struct buf *bytes,
                        struct sim_segment *segment);
/* Sends what has taken the request's place in `e`; takes `e` over. */
void world_deliver_reply(struct world *w, struct event *e);

/* ---- world_master.c ------------------------------------------------------------------------------ */

void world_master_start(struct world *w);
void world_master_stop(struct world *w);
void world_master_kill(struct world *w); /* starts again by itself */
/* An operator has the worker forgotten. False: refused. `*more`: it is not done yet. */
bool world_master_forget(struct world *w, const char *worker, bool *more);
/* An operator pauses, resumes or stops the crawl. */
void world_master_control(struct world *w, Trawl__Verb verb);
void world_master_request(struct world *w, struct event *e); /* takes `e` over */
void world_master_synced(struct world *w);
void world_master_tick(struct world *w);
/* Workers that have left are started again. */
void world_master_recall(struct world *w);

/* ---- world_store.c ------------------------------------------------------------------------------- */

/* From now on, what goes into the store is looked at. */
void world_store_watch(struct world *w);

/* ---- world_options.c ----------------------------------------------------------------------------- */

void world_options_init(struct world *w);
/* At a start of the master, before it reads them. */
void world_options_choose(struct world *w);
/* From the next start on the options are the first ones. */
void world_options_restore(struct world *w);
bool world_options_odd(const struct world *w);
/* A request goes out. */
void world_options_check_url(struct world *w, const char *url, size_t len);

/* ---- world_segment.c ----------------------------------------------------------------------------- */

/* A record of the page goes into the loop's segment, which is made if need be. */
struct sim_record *world_segment_append(struct world *w, struct sim_loop *l, uint32_t origin,
                                        uint32_t page);
void world_segment_close(struct sim_loop *l);
struct sim_segment *world_segment_find(struct sim_worker *s, const char *name);
/* What was not durable is gone, or is not: records from the end, and the last one torn. */
void world_segment_lose_tail(struct world *w, struct sim_segment *s);
/* Sealing is a conversation with the master, a step an answer. It belongs to the process, not to the loop. */
void world_seal_ask(struct world *w, struct sim_worker *s, struct sim_loop *l,
                    struct sim_segment *segment);
void world_seal_answer(struct world *w, struct event *e);

/* ---- world_loop.c -------------------------------------------------------------------------------- */

void world_loop_start(struct world *w, struct sim_worker *s, uint32_t number);
void world_loop_stop(struct world *w, struct sim_loop *l);
/* Does all that its agent wants now. */
void world_loop_run(struct world *w, struct sim_loop *l);
/* After a pause: the agent sees the time. Connections of what it still holds count again. */
void world_loop_resume(struct world *w, struct sim_loop *l);
/* What concerns the loop alone: EVENT_WAKE, _TIMEOUT, _FETCHED, _RESOLVED, _SYNCED. */
void world_loop_event(struct world *w, struct event *e);

/* ---- world_worker.c ------------------------------------------------------------------------------ */

void world_worker_start(struct world *w, struct sim_worker *s);
void world_worker_kill(struct world *w, struct sim_worker *s);
/* Is its disk one that takes nothing any more? Then what its kind of sickness does is done. */
bool world_worker_sickens(struct world *w, struct sim_loop *l);
/* Processes of which a loop has failed end, as soon as the other loops have left, and are started again: for ever. */
void world_reap_failed(struct world *w);
void world_restart_later(struct world *w, struct sim_worker *s, int64_t delay_ms);
/* Time stops for it; its connections stay, but nobody speaks on them. */
void world_worker_pause(struct world *w, struct sim_worker *s, int64_t ms);
/* The first thing that happens in it: the agents see the time. */
void world_worker_resume(struct world *w, struct sim_worker *s);

/* ---- world_guest.c ------------------------------------------------------------------------------- */

void world_guest_choose(struct world *w);
void world_guest_release(struct world *w);
/* At a start of the worker: its first one makes the copy. */
void world_guest_arrive(struct world *w, struct sim_worker *s);
/* The faults are over. */
void world_guest_end(struct world *w);
/* May the loop be refused? Then its process ends, and is started again. */
bool world_guest_refused(struct world *w, struct sim_loop *l, const char *text);
/* The master's options came. */
void world_guest_joined(struct world *w, const struct sim_loop *l);
/* What the master answered. */
void world_guest_check(struct world *w, const struct sim_worker *from, const Trawl__Request *r,
                       const Trawl__Reply *reply);
void world_guest_check_segment(struct world *w, const struct sim_worker *from, const char *name);

/* ---- world_sizes.c ------------------------------------------------------------------------------- */

void world_sizes_init(struct world *w);
void world_sizes_outcome(const struct world *w, const struct sim_transfer *t,
                         struct agent_outcome *o);
/* Appends to `sent` what arrives instead of the request. */
void world_sizes_spoil(const struct buf *bytes, struct buf *sent);
/* No message is larger than its budget and one part. `reply` may be NULL. */
void world_check_sizes(struct world *w, const Trawl__Request *r, const Trawl__Reply *reply);
void world_check_stored(struct world *w, const Trawl__DoneUrl *d);

/* ---- world_check.c ------------------------------------------------------------------------------- */

/* The worker sees its answer: what it is promised by it is noted. */
void world_note_acknowledged(struct world *w, const struct event *e);
/* Promise 3: what was acknowledged is there after every restart. */
void world_check_acknowledged(struct world *w);
/* The crawl has ended: is it complete, is each record there once, are the figures right? */
void world_check_end(struct world *w);

#endif

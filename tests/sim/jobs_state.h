/*
 * jobs_state: what the simulation of MapReduce is made of; for jobs.c and jobs_*.c only. jobs.h is its outside.
 *
 *     jobs.c           begins, lets one event happen after the other, ends
 *     jobs_event.c     the queue of events, and what is told of the run
 *     jobs_fault.c     what goes wrong, and when
 *     jobs_net.c       requests and replies on their way
 *     jobs_master.c    the core, and what is around it
 *     jobs_operator.c  who submits the jobs, cancels some, and asks until each is over
 *     jobs_worker.c    the process of a worker: its agent, and the map outputs on its disk
 *     jobs_child.c     attempts of tasks, each in a child process
 *     jobs_check.c     the invariants J1 to J5 and T1
 *
 * Everybody draws from `rng`, so in which order things are done is part of a seed's run.
 */
#ifndef TRAWL_TESTS_SIM_JOBS_STATE_H
#define TRAWL_TESTS_SIM_JOBS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/core.h"
#include "proto/wire.h"
#include "shared/heap.h"
#include "shared/map.h"
#include "tests/sim/jobs.h"
#include "tests/sim/rng.h"
#include "tests/sim/skew.h"
#include "worker/task_agent.h"

enum {
    WORKERS_MAX = 4,
    JOBS_MAX = 3,
    MAPS_MAX = 7,
    REDUCES_MAX = 4,
    POISON_MAX = 2, /* records of a map task that crash every attempt */
    FILES_MAX = 256,
    LEASE_MS = 2000,
};

struct sim_file {
    uint64_t job, attempt;
    uint32_t map;
};

struct sim_child {
    uint64_t attempt, job;
    Trawl__TaskKind kind;
    uint32_t number;
    bool hangs, killed;
    struct arena arena;
    Trawl__TaskSpec *spec;
    struct sim_child *next;
};

struct sim_tasker {
    uint32_t index;
    char name[16];
    uint64_t incarnation; /* of the process */
    uint64_t memory;      /* of its agent: events of an older one are void */
    bool alive, left;
    int64_t paused_until_ms;
    bool cut_up, cut_down;
    struct skew skew; /* of its clock */
    struct task_agent *agent;
    struct sim_child *children;
    struct sim_file files[FILES_MAX];
    size_t file_count;
    uint64_t call[AGENT_LINES]; /* number of the request under way; 0: none */
    struct buf asked[AGENT_LINES];
    int64_t wake_ms;
    struct {
        uint64_t master, session, number;
    } answered; /* the last exchange, as the master saw it */
};

/* A job as its operator knows it. */
struct sim_job {
    char name[16];
    uint64_t number; /* 0: the master does not know it */
    bool known;      /* and the operator has it */
    unsigned char token[16];
    uint32_t maps, reduces;
    bool no_backup, to_cancel;
    Trawl__JobState told;
    bool reduce_told[REDUCES_MAX];         /* its worker knows that it is done */
    uint64_t output[REDUCES_MAX];          /* attempt that made part-NNNNN; 0: not there */
    uint64_t accepted[2];                  /* reports of DONE that the master took */
    uint64_t poison[MAPS_MAX][POISON_MAX]; /* 0: none */
    uint64_t poisons;
};

enum event_kind {
    EVENT_WAKE,
    EVENT_REQUEST,
    EVENT_REPLY,
    EVENT_TIMEOUT,
    EVENT_CHILD,
    EVENT_ENDED, /* the worker learns that a child has */
    EVENT_MASTER_TICK,
    EVENT_MASTER_SYNC,
    EVENT_MASTER_START,
    EVENT_WORKER_START,
    EVENT_OPERATOR,
    EVENT_FAULT,
};

struct event {
    struct heap_item at;
    uint64_t order;
    enum event_kind kind;
    struct sim_tasker *worker; /* NULL: the master's, or an operator's */
    struct sim_job *job;       /* of an operator's request */
    uint64_t memory, number, attempt;
    enum agent_line line;
    struct buf bytes;
    struct event *held; /* behind it among the replies that wait for a sync */
};

struct jobs_world {
    const struct jobs_options *options;
    struct jobs_result *result;
    struct rng rng;
    int64_t now_ms;
    struct heap events;
    uint64_t orders, calls, memories, next_record;
    struct sim_tasker workers[WORKERS_MAX];
    uint32_t worker_count;
    struct sim_job jobs[JOBS_MAX];
    uint32_t job_count;
    bool stopped; /* the master was told to end */

    struct options crawl;
    struct store *store;
    struct core *core; /* NULL: the master is down */
    uint64_t master;   /* incarnation */
    struct event *held;
    bool syncing, ended;
    /* By attempt, each one more than it says, for NULL is no value of a map: */
    struct map renewed_ms; /* as the master sees it */
    struct map made_by;    /* incarnation of the worker that made its map output */
};

/* ---- jobs_event.c -------------------------------------------------------------------------------- */

/* A line of the trace. */
void jobs_note(struct jobs_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An invariant is broken; the first such text is told, and the run ends. */
void jobs_fail(struct jobs_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Of the worker `s`, or, if it is NULL, of the master or an operator. The caller fills in what its kind needs. */
struct event *jobs_schedule(struct jobs_world *w, int64_t delay_ms, enum event_kind kind,
                            struct sim_tasker *s);
/* Puts `e` into the queue, or to another time in it. False: no memory. */
bool jobs_put(struct jobs_world *w, struct event *e, int64_t at_ms);
/* The events of a paused worker wait for it; its children go on. False: this one does not. */
bool jobs_put_off(struct jobs_world *w, struct event *e);
void jobs_event_free(struct event *e);
/* The worker runs at this time, if not before. */
void jobs_wake(struct jobs_world *w, struct sim_tasker *s, int64_t delay_ms);

/* ---- jobs_fault.c -------------------------------------------------------------------------------- */

/* May a fault of this kind happen now? Counts it. */
bool jobs_fault(struct jobs_world *w, enum jobs_fault f, uint32_t permille);
/* Something befalls the master or a worker, and again later; when the time of faults is over, all heals. */
void jobs_fault_event(struct jobs_world *w);

/* ---- jobs_net.c ---------------------------------------------------------------------------------- */

/* From a worker, or, if `s` is NULL, from the operator of `job`. */
void jobs_send_request(struct jobs_world *w, struct sim_tasker *s, struct sim_job *job,
                       enum agent_line line, uint64_t number, const struct buf *bytes);
/* Sends what has taken the request's place in `e`; takes `e` over. */
void jobs_deliver(struct jobs_world *w, struct event *e);

/* ---- jobs_master.c ------------------------------------------------------------------------------- */

struct now jobs_master_now(const struct jobs_world *w);
void jobs_master_start(struct jobs_world *w);
void jobs_master_stop(struct jobs_world *w);
void jobs_master_kill(struct jobs_world *w);                     /* starts again by itself */
void jobs_master_request(struct jobs_world *w, struct event *e); /* takes `e` over */
void jobs_master_synced(struct jobs_world *w);
void jobs_master_tick(struct jobs_world *w);

/* ---- jobs_operator.c ----------------------------------------------------------------------------- */

/* The job to which the master gave this number; NULL: none. */
struct sim_job *jobs_find(struct jobs_world *w, uint64_t number);
/* Submits the job, or asks for it. */
void jobs_operator_asks(struct jobs_world *w, struct sim_job *j);
void jobs_operator_told(struct jobs_world *w, const struct event *e);

/* ---- jobs_worker.c ------------------------------------------------------------------------------- */

void jobs_worker_start(struct jobs_world *w, struct sim_tasker *s);
/* At once, and its children with it. */
void jobs_worker_stop(struct jobs_world *w, struct sim_tasker *s);
void jobs_restart_later(struct jobs_world *w, struct sim_tasker *s, int64_t delay_ms);
/* Does all that its agent wants now. */
void jobs_worker_run(struct jobs_world *w, struct sim_tasker *s);

/* ---- jobs_child.c -------------------------------------------------------------------------------- */

void jobs_child_start(struct jobs_world *w, struct sim_tasker *s, const struct task_effect *e);
void jobs_child_kill(struct jobs_world *w, struct sim_tasker *s, uint64_t attempt);
void jobs_child_free(struct sim_child *c);
/* EVENT_CHILD: it has done its work, or fails at it. */
void jobs_child_event(struct jobs_world *w, struct event *e);
/* EVENT_ENDED: the worker's process hears of it, and puts the map's output where it belongs. */
void jobs_child_ended(struct jobs_world *w, struct event *e);

/* ---- jobs_check.c -------------------------------------------------------------------------------- */

/* Notes `n` with the attempt, in one of the maps of struct jobs_world. */
void jobs_remember(struct map *m, uint64_t attempt, uint64_t n);
/* What the store says of the job. False: nothing. */
bool jobs_stored_state(struct jobs_world *w, uint64_t number, Trawl__JobState *state);
/* After each request that the master has taken: what it granted, renewed, and was told. */
void jobs_note_request(struct jobs_world *w, struct event *e, const Trawl__Request *r,
                       const Trawl__Reply *reply);
/* What a worker is promised by the answer that it sees. */
void jobs_note_told(struct jobs_world *w, const struct sim_tasker *s, const struct event *e);
/* J5: what was told before the restart is there after it. */
void jobs_check_told(struct jobs_world *w);
/* J1 and J4, of all jobs. After a restart of the master (`anew`) counting begins with what it says. */
void jobs_check_jobs(struct jobs_world *w, bool anew);
/* T1: no child of a worker that is awake runs when the master may have let somebody else have its task. */
void jobs_check_leases(struct jobs_world *w, const struct sim_tasker *s);
/* What may be skipped is what kills each attempt; and in a job that is done, all of that was. */
void jobs_check_over(struct jobs_world *w, const struct sim_job *j, const Trawl__JobInfo *i);
/* The master has ended: everybody has left, but for those that were away for so long that it counts them as lost. */
void jobs_check_end(struct jobs_world *w);

#endif

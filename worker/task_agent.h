/*
 * task_agent: what a task worker knows and decides: its session with the master, the attempts at tasks that it runs,
 * what is stopped, what is reported when. The opposite of master/job_*.c, as agent.h is that of the crawl. Pure: it
 * knows no thread, socket, process, file or clock; `now_ms` is an argument (a clock that only grows and counts suspended
 * time). The process (worker/task_worker.c) drives it on the real network, the simulation on a made-up one.
 *
 * An attempt:
 *
 *      granted --TASK_START--> running --task_agent_ended()--> ended --report acknowledged--> gone
 *                                 |
 *                                 '--TASK_KILL: its lease is over here or at the master, its function hangs, or the
 *                                    worker leaves; task_agent_ended() still follows
 *
 * Invariants
 *  T1  An attempt runs only while now < its deadline: counted from when the heartbeat (or the exchange that brought
 *      the grant) that the master answered was *made*, plus the lease, less a margin.
 *  T2  A heartbeat names attempts whose child has made progress within the job's timeout, and those that have ended
 *      and are not reported yet; no others.
 *  T3  Each end is reported until it has an answer, or until the session is known to be gone. Then what ran is
 *      killed and what has ended is forgotten; but outputs of map tasks stay: the master may have taken the report.
 *  T4  TASK_REMOVE_JOB comes when the master says that the job is over, and no attempt of it is left here.
 *  T5  An agent that was refused memory is void, as A8 of agent.h.
 *
 * The shell's loop: for (;;) { task_agent_progress() for each child that moved; while (task_agent_poll(a, now, &e))
 * do(e); wait until task_agent_next_ms() or an event }.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_TASK_AGENT_H
#define TRAWL_WORKER_TASK_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "worker/agent_line.h"

struct task_agent;

struct task_agent_config {
    const char *worker;                   /* name */
    unsigned char instance[16];           /* of the worker's directory */
    uint64_t incarnation, process, place; /* of the process: home.h */
    uint32_t tasks;                       /* at once */
    const char *serve; /* where outputs of map tasks are to be had: tcp://host:port */
};

/* NULL: no memory. */
struct task_agent *task_agent_new(const struct task_agent_config *config);
void task_agent_free(struct task_agent *a);

enum task_effect_kind {
    TASK_SEND,    /* send `request` on `line`; then task_agent_reply() or task_agent_no_reply() */
    TASK_START,   /* run `spec` as `attempt`; then task_agent_ended() */
    TASK_KILL,    /* kill the child of `attempt`; task_agent_ended() still follows */
    TASK_DISCARD, /* the output of map task `spec` made by `attempt` is not wanted: remove it */
    TASK_REMOVE_JOB, /* remove all that is kept of `job` */
    TASK_LEFT,       /* the session has ended: the process may exit */
    TASK_REFUSED,    /* the master refuses us for good: `text` says why; exit 1 */
    TASK_FAILED,     /* no memory (T5): end as if killed */
};

struct task_effect {
    enum task_effect_kind kind;
    enum agent_line line;
    const struct buf *request; /* owned by the agent, stays until answered */
    uint64_t attempt, job;
    const Trawl__TaskSpec
        *spec; /* of TASK_START until task_agent_ended(); of TASK_DISCARD until the next call */
    const char *text;
};

/* The next thing to do, if there is any. Call until it says false. */
bool task_agent_poll(struct task_agent *a, int64_t now_ms, struct task_effect *e);
/* When to call again even if nothing happens. */
int64_t task_agent_next_ms(const struct task_agent *a, int64_t now_ms);

/* A whole reply message. Malformed bytes count as no reply. */
void task_agent_reply(struct task_agent *a, int64_t now_ms, enum agent_line line, const void *bytes,
                      size_t len);
/* Timed out or the connection broke: the same request will be sent again. */
void task_agent_no_reply(struct task_agent *a, int64_t now_ms, enum agent_line line);
/* The child of the attempt has done something since it was last asked for. */
void task_agent_progress(struct task_agent *a, int64_t now_ms, uint64_t attempt);
/* The child is gone, and what it left is where it belongs: of a map task that is DONE, in the place from which it is
 * served. The result is copied. */
void task_agent_ended(struct task_agent *a, int64_t now_ms, uint64_t attempt,
                      const Trawl__TaskResult *result);
/* SIGTERM: give back what runs, report, leave. */
void task_agent_drain(struct task_agent *a, int64_t now_ms);

/* Session number, 0 outside; attempts that run. */
uint64_t task_agent_session(const struct task_agent *a);
size_t task_agent_running(const struct task_agent *a);

#endif

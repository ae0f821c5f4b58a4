/*
 * agent_line: one line from an agent to the master, with at most one request under way; what the agent of a fetch
 * loop (agent.h) and that of a task worker (task_agent.h) have in common. Pure.
 *
 *      FREE --agent_line_make()--> READY --agent_line_send()--> UNDER_WAY --answered--> FREE
 *                                    ^                             |
 *                                    +------- RESTING <------------+ no reply, or BUSY
 *
 * A request is repeated byte for byte until it has an answer. One that speaks for a session that is over is
 * discarded: its answer, if it comes, is of no interest.
 *
 * Part of the agent: same owner.
 */
#ifndef TRAWL_WORKER_AGENT_LINE_H
#define TRAWL_WORKER_AGENT_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"

/* Two independent lines to the master. */
enum agent_line { AGENT_CALL, AGENT_BEAT, AGENT_LINES };

enum line_state { LINE_FREE, LINE_READY, LINE_UNDER_WAY, LINE_RESTING };

enum { LINE_REST_FIRST_MS = 50, LINE_REST_MAX_MS = 1000 };

struct agent_line_state {
    enum line_state state;
    struct buf request;
    Trawl__Request__BodyCase body;
    int64_t made_ms;   /* when the request was first made */
    int64_t retry_ms;  /* when a RESTING one is READY again */
    uint32_t failures; /* in a row */
    bool discarded;    /* its answer is of no interest any more */
};

void agent_line_init(struct agent_line_state *l);
void agent_line_release(struct agent_line_state *l);
/* The next request. False: no memory. */
bool agent_line_make(struct agent_line_state *l, int64_t now_ms, const Trawl__Request *r);
/* Is its request to be sent now? Then it counts as under way. */
bool agent_line_send(struct agent_line_state *l, int64_t now_ms);
/* Sends the same again after a while, which doubles. */
void agent_line_rest(struct agent_line_state *l, int64_t now_ms);
void agent_line_discard(struct agent_line_state *l);

/* When a lease ends that was granted or renewed by the answer to a request made at `made_ms`. It comes before the master's
 * end: counted from an earlier moment, less a margin for requests already on their way to a server. */
int64_t agent_line_lease_end(int64_t made_ms, uint32_t lease_ms);

#endif

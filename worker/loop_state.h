/*
 * loop_state: what a fetch loop is made of; for loop.c, loop_visit.c and loop_finish.c only. loop.h is its outside.
 */
#ifndef TRAWL_WORKER_LOOP_STATE_H
#define TRAWL_WORKER_LOOP_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/rpc.h"
#include "shared/error.h"
#include "shared/netaddr.h"
#include "worker/agent.h"
#include "worker/archive.h"
#include "worker/body.h"
#include "worker/dns.h"
#include "worker/harvest.h"
#include "worker/loop.h"
#include "worker/sockets.h"
#include "worker/transfer.h"

/* Beside each visit. */
struct loop_visit {
    struct dns_query query;
    struct loop *loop;
    struct visit *visit;
    struct transfer_target target;
    const char *host; /* in the visit's origin */
    size_t host_len;
    uint16_t port;
    struct loop_visit *next, *prev;
};

struct loop {
    struct loop_config config;
    pthread_t thread;
    int control_fd;
    atomic_bool drain;
    atomic_int state; /* enum loop_state */

    /* The thread's own. */
    int epoll_fd;
    struct agent *agent;
    struct rpc_lines *lines;
    struct sockets *sockets;
    struct dns *dns;
    struct body_pool bodies;
    struct transfers *transfers;
    struct archive *archive;
    struct harvest *harvest;
    struct netaddr_policy policy;
    struct loop_visit *visits;
    uint32_t beat_timeout_ms;
    unsigned silent_beats;
    int64_t cost_next_ms; /* when the agent is told of it again */
    unsigned turn;        /* where in a batch of events the next turn of transfers begins */
    bool draining, over, failed;
    struct error err;

    /* Finished, but the disk refuses the record, or too much waits for the master; oldest first. */
    bool holding;  /* the disk refuses: the agent was told to start nothing; */
    bool troubled; /* and for so long that it has given everything back */
    struct transfer *stalled, *stalled_last;
    struct error stall_error;
    int64_t stalled_since_ms, stall_again_ms;
};

/* ---- loop.c -------------------------------------------------------------------------------------- */

/* The loop ends, with the first such text as its error: at once, */
void loop_fail(struct loop *l, const char *text);
/* or with a last word to the master, so that no URL is taken to be the cause. */
void loop_give_up(struct loop *l, const char *text);

/* ---- loop_visit.c -------------------------------------------------------------------------------- */

/* What stands beside the visit, made if need be; NULL: no memory. */
struct loop_visit *loop_visit_get(struct loop *l, struct visit *visit);
/* Finds its address; then agent_resolved(). */
void loop_visit_resolve(struct loop *l, struct visit *visit, int64_t now_ms);
/* Its transfers go to its claimed address. False: no memory. */
bool loop_visit_aim(struct loop_visit *v);
/* Nobody answered there: the next visit looks its address up anew. */
void loop_visit_doubt(struct loop *l, const struct visit *visit);
/* Nobody answers at its address, which is remembered. True: the host has another one that may. */
bool loop_visit_blame(struct loop *l, const struct visit *visit);
/* Its transfers and lookups end without a word, its connections are shut. */
void loop_visit_stop(struct loop *l, struct loop_visit *v);
/* The same; and nothing is left of it. */
void loop_visit_forget(struct loop *l, struct loop_visit *v);

/* ---- loop_finish.c ------------------------------------------------------------------------------- */

/* Archives a finished exchange and gives it to the agent; keeps it while the disk refuses, or too much waits for the
 * master. */
void loop_finish(struct loop *l, struct transfer *t);
/* What was kept of the target is forgotten. */
void loop_finish_forget(struct loop *l, const struct transfer_target *target);
/* When loop_finish_retry() is due, on fence_now_ms()'s clock; INT64_MAX: never. */
int64_t loop_finish_next_ms(const struct loop *l);
/* Tries again what was kept, when that is due. */
void loop_finish_retry(struct loop *l, int64_t now_ms);

#endif

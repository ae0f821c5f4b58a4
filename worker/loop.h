/*
 * loop: one fetch loop: a thread, an epoll, an agent (agent.h) that decides and everything that acts for it:
 * lines to the master (proto/rpc.h), resolver (dns.h), transfers (transfer.h), archive (archive.h).
 *
 * Threads: a loop's structures belong to its thread. From outside come loop_drain(), by a flag and an eventfd,
 * and loop_join(). Last the thread leaves the group `running`, and writes to `done_fd` for whoever sleeps there.
 */
#ifndef TRAWL_WORKER_LOOP_H
#define TRAWL_WORKER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/rpc.h"
#include "shared/error.h"
#include "shared/waitgroup.h"
#include "worker/home.h"

struct loop;

struct loop_config {
    struct rpc_client *client; /* shared by all loops */
    int archive_fd;            /* the directory */
    const struct home *home;   /* who the process is */
    uint32_t loop, loops;
    uint32_t transfers;
    uint32_t connections;      /* to web servers, at least as many as transfers */
    int done_fd;               /* eventfd */
    struct waitgroup *running; /* loops that have not ended */
};

/* The thread runs when it returns. What `config` points to outlives the loop. NULL: `err`. */
struct loop *loop_new(const struct loop_config *config, struct error *err);
enum loop_state { LOOP_RUNNING, LOOP_ENDED, LOOP_FAILED };

/* Any thread. */
enum loop_state loop_state(const struct loop *l);
/* Finish what is in flight, report, seal, leave. Any thread. */
void loop_drain(struct loop *l);
/* Waits for the thread's end and frees the loop. False: it failed, `err` says why. */
bool loop_join(struct loop *l, struct error *err);

#endif

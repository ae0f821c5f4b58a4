/*
 * task_worker: the process that runs MapReduce tasks (`trawl worker --tasks N`): its session with the master, its children,
 * what they leave. What is decided is decided by its agent (task_agent.h); a child is task_child.h, the files are
 * task_files.h, map output is served by shuffle.h.
 *
 *     DIR/workers/NAME/         who it is, and its files: home.h, task_files.h
 *
 * SIGTERM or SIGINT: what runs is given back, and the worker leaves. A second one: _exit(130) at once. However it dies, its
 * children die with it.
 */
#ifndef TRAWL_WORKER_TASK_WORKER_H
#define TRAWL_WORKER_TASK_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

struct task_worker_config {
    const char *master; /* tcp://host:port */
    const char *dir;
    const char *name;        /* NULL: the one kept in DIR/worker-name */
    uint32_t predecessor_ms; /* how long one of that name that still runs in DIR is waited for */
    const char *
        serve; /* where map outputs are to be had, tcp://host:port; NULL: chosen by the way to the master */
    bool insecure;  /* map outputs may be served beyond loopback, to whoever reaches them */
    uint32_t tasks; /* at once, 1 .. LIMIT_WORKER_TASKS */
    uint32_t
        connect_timeout_ms; /* how long the first contact with the master may take; 0: for ever */
};

/* Runs the worker in this process, to its end; takes SIGINT and SIGTERM over and ignores SIGPIPE. Start the log before
 * (shared/log.h). Returns the exit code: 0 when there is nothing left to do or it was told to stop, 1 with `err` set. To
 * be called once, by the main thread, before it has made others. */
int task_worker_run(const struct task_worker_config *config, struct error *err);

#endif

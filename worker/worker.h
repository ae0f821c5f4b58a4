/*
 * worker: the process that fetches: its directory, its fetch loops, its signals, its end.
 *
 *     DIR/archive/                  segments (worker/segment.h)
 *     DIR/logs/                     worker-NAME.log
 *     DIR/workers/NAME/             who it is: home.h
 *
 * First whatever earlier processes left open in DIR/archive is sealed (worker/seal.h), then the loops run
 * until the master lets them go, then what they left open is sealed in the same way.
 *
 * SIGTERM or SIGINT: finish what is in flight, report, seal, leave. A second one: _exit(130) at once.
 */
#ifndef TRAWL_WORKER_WORKER_H
#define TRAWL_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

struct worker_config {
    const char *master; /* tcp://host:port */
    const char *dir;
    const char *name;        /* NULL: the one kept in DIR/worker-name */
    uint32_t predecessor_ms; /* how long one of that name that still runs in DIR is waited for */
    uint32_t threads;        /* fetch loops, 1 .. LIMIT_WORKER_LOOPS */
    uint32_t transfers;      /* at once in each loop, at least 1 */
    uint32_t
        connect_timeout_ms; /* how long the first contact with the master may take; 0: for ever. Later
                                    ones always may */
};

/* Runs the worker in this process, to its end; takes SIGINT and SIGTERM over and ignores
 * SIGPIPE. Start the log before (shared/log.h). Returns the exit code: 0 when the crawl is done or it was
 * told to stop, 1 with `err` set. To be called once, by the main thread, before it has made others. */
int worker_run(const struct worker_config *config, struct error *err);

#endif

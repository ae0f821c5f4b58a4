/*
 * offload: one thread that does, in order, what a fetch loop must not wait for: fdatasync, sealing. Its CPU time
 * counts as COST_WRITE (shared/cost.h).
 *
 *     struct my_job { struct offload_job job; ... };        // job first
 *     offload_submit(o, &my->job) || later                  // job->run is called in the thread
 *     offload_fd(o) readable -> while ((job = offload_take(o)) != NULL) ...
 *
 * A job belongs to the thread from offload_submit() until offload_take() gives it back. The owner (one thread)
 * submits and takes. OFFLOAD_JOBS_MAX may be under way: beyond that the owner is told to come again, so that a disk that is slow,
 * or a master that is away, makes it wait and never grow.
 */
#ifndef TRAWL_WORKER_OFFLOAD_H
#define TRAWL_WORKER_OFFLOAD_H

#include <stdbool.h>

#include "shared/error.h"

struct offload_job {
    void (*run)(struct offload_job *job);
};

enum { OFFLOAD_JOBS_MAX = 64 };

struct offload;

/* `name`: of the thread, at most 15 characters. NULL: `err`. */
struct offload *offload_new(const char *name, struct error *err);
/* Readable when there is something to take. */
int offload_fd(const struct offload *o);
/* False: too many are under way; the job stays the caller's. */
bool offload_submit(struct offload *o, struct offload_job *job);
/* The next finished job, or NULL. */
struct offload_job *offload_take(struct offload *o);
/* Waits for the job that is running; hands back all others, done or not (`abandoned` is called for each, may
 * be NULL), and ends the thread. NULL is fine. */
void offload_free(struct offload *o, void (*abandoned)(struct offload_job *job));

#endif

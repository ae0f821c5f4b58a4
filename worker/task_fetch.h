/*
 * task_fetch: the input of a reduce task: its partition of every map task's output, as sorted runs.
 *
 *     struct task_fetch f;
 *     task_fetch_init(&f, spec, scratch_fd, progress);
 *     switch (task_fetch_run(&f, memory_bytes, &err)) ...      // f.runs; or f.gone; or err
 *     task_fetch_release(&f);                                  // when the runs are not needed any more
 *
 * What this worker made itself is read where it lies. The rest is fetched by TASK_FETCH_THREADS threads, into memory if
 * all of it fits in memory_bytes, else into one file in the scratch directory. Empty partitions are not asked for.
 *
 * When something is gone the rest is not fetched either: the whole list of what is at addresses where nobody answers
 * any more is made, and that is all.
 */
#ifndef TRAWL_WORKER_TASK_FETCH_H
#define TRAWL_WORKER_TASK_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"
#include "worker/job_merge.h"
#include "worker/task_progress.h"

enum { TASK_FETCH_THREADS = 4 };

enum task_fetch_result { TASK_FETCH_DONE, TASK_FETCH_GONE, TASK_FETCH_FAILED };

struct task_fetch {
    const Trawl__TaskSpec *spec;
    int scratch_fd, outputs_fd, file_fd;
    struct task_progress *progress;
    struct job_runs runs;
    unsigned char *memory;
    uint64_t bytes, memory_bytes; /* of all; of what is in memory */
    uint32_t *gone;               /* map tasks */
    size_t gone_count;
};

void task_fetch_init(struct task_fetch *f, const Trawl__TaskSpec *spec, int scratch_fd,
                     struct task_progress *progress);
/* GONE: `err` says of one of them why. */
enum task_fetch_result task_fetch_run(struct task_fetch *f, uint64_t memory_bytes,
                                      struct error *err);
void task_fetch_release(struct task_fetch *f);

#endif

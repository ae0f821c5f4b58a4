/*
 * task_files: what a task worker keeps on disk, below DIR/workers/NAME (home.h).
 *
 *     tasks/ATTEMPT/           scratch of an attempt: its child's working directory, gone when it has ended
 *     tasks/ATTEMPT/.output    of a reduce task: a symbolic link to the file that becomes its output
 *     maps/                    what map tasks have left: served to reducers until the job is over (shuffle.h)
 *
 * All of it is of one process: what an earlier one left is removed at the start, because the master counts map
 * outputs of a process that is gone as lost.
 *
 * What a reduce attempt that came to nothing has left in the output directory (job_output.h) is removed here, too.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_TASK_FILES_H
#define TRAWL_WORKER_TASK_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"

struct task_files {
    int tasks_fd, maps_fd; /* -1: not open */
};

/* Removes what is there and begins anew, in the directory `home_fd`. False: `err` says why; task_files_close() then. */
bool task_files_open(struct task_files *f, int home_fd, struct error *err);
/* Removes everything. */
void task_files_close(struct task_files *f);

/* Makes the scratch directory of an attempt. Returns a descriptor of it, or -1: `err` says why. */
int task_files_begin(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt,
                     struct error *err);
/* The map task is done: its map.out goes to where it is served. False: `err` says why. */
bool task_files_keep(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt,
                     struct error *err);
/* Removes the scratch directory, and unless the attempt is `done` what it left of its output. */
void task_files_end(struct task_files *f, uint64_t attempt, bool done);
/* Removes the kept output of one map attempt, or all of a job. */
void task_files_discard(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt);
void task_files_remove_job(struct task_files *f, uint64_t job);

#endif

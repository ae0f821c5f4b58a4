/*
 * task_run: the child process of one attempt, `trawl task` (not for people: help does not name it). docs/mapreduce.md
 * says what its parent does.
 *
 * The parent
 *     makes a scratch directory and makes it the child's working directory;
 *     writes a TaskSpec, with `attempt` and `outputs_dir` filled in, to the child's standard input, and closes it;
 *     gives it the memfd of task_progress.h as descriptor 3 and the writing end of a pipe as descriptor 4;
 *     reads the pipe to its end, and waits for the child.
 * The child's standard output goes where its standard error goes: a function may print.
 *
 * Exit code 0 and a TaskResult in the pipe: that is the attempt's end, DONE, TASK_FAILED, INPUT_GONE, or CRASHED when a
 * command died of a record (task_culprit.h). Anything
 * else is for the parent to judge: a signal while task_progress_record() says true is CRASHED with that record;
 * another signal or exit code is TASK_FAILED.
 *
 * After DONE of a map task `map.out` lies in the scratch directory, synced or not: shuffle_keep() of shuffle.h moves
 * it. After DONE of a reduce task part-NNNNN is in the output directory, by this attempt or by one before it. After
 * any other end the parent calls job_output_remove() of job_output.h.
 *
 * Memory: sort_bytes of the job for sorting, or for merging; and beside that TASK_RUN_EXTRA_BYTES for the program, the
 * input's window, a record in hand, and what is on its way to or from the disk; and whatever the function takes.
 */
#ifndef TRAWL_WORKER_TASK_RUN_H
#define TRAWL_WORKER_TASK_RUN_H

#include "proto/trawl.pb-c.h"
#include "shared/error.h"
#include "worker/trawl_job.h"

enum {
    TASK_RUN_EXTRA_BYTES = 96 << 20,
    TASK_RUN_SPEC_FD = 0,
    TASK_RUN_PROGRESS_FD = 3,
    TASK_RUN_RESULT_FD = 4
};

/* Does not return but to say that this is no child of a task worker: 1, with a line on standard error. */
int task_run(int spec_fd, int progress_fd, int result_fd);

/* The same with functions from elsewhere. NULL: `err`. */
typedef const struct trawl_job *task_load(const Trawl__JobSpec *spec, struct error *err);
int task_run_with(int spec_fd, int progress_fd, int result_fd, task_load *load);

#endif

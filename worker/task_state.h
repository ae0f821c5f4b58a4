/*
 * task_state: one attempt in its child process: what task_run.c, task_map.c, task_reduce.c and task_api.c share.
 *
 * One thread, but for the fetching of task_fetch.c, which has threads of its own and touches only what its manual says.
 */
#ifndef TRAWL_WORKER_TASK_STATE_H
#define TRAWL_WORKER_TASK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"
#include "worker/job_combine.h"
#include "worker/job_merge.h"
#include "worker/job_output.h"
#include "worker/job_sort.h"
#include "worker/task_progress.h"
#include "worker/trawl_job.h"

enum { TASK_COUNTERS_MAX = 256, TASK_COUNTER_NAME_BYTES = 128 };

struct task_counter {
    char *name;
    int64_t n;
};

/* What trawl_job.h calls struct trawl_task. */
struct trawl_task {
    const Trawl__TaskSpec *spec;
    const struct trawl_job *job;
    void *state; /* of the job's functions */
    int scratch_fd, result_fd;
    struct task_progress *progress;
    uint32_t was_busy; /* of the progress, while the engine is at work inside emit() */
    struct job_combine combine;
    struct job_sort *sort;    /* of a map task, while emit() may be called */
    struct job_output output; /* of a reduce task, while write() may be called */
    bool has_output;
    struct task_counter counters[TASK_COUNTERS_MAX];
    size_t counter_count;
    uint64_t *skip; /* sorted */
    size_t skip_count;
    /* For task_culprit.h: records that the function was given (of a reduce task: keys); and the records [from, to) of them once more,
     * to the function, or only their names to `progress`. */
    uint64_t given;
    void (*again)(struct trawl_task *t, uint64_t from, uint64_t to, bool give);
    const struct job_runs *runs; /* of a reduce task: what `merge` reads */
    struct job_merge *merge;
    uint64_t crash_record; /* of CRASHED */
    char crash_name[TASK_PROGRESS_NAME_BYTES];
    size_t crash_name_len;
    uint64_t records_in, bytes_in, records_out, bytes_out, spills, started_us;
    uint64_t *partition_bytes; /* of a map task that is done */
    uint32_t *gone;            /* numbers of map tasks */
    size_t gone_count;
};

extern const struct trawl_api task_api;

/* The attempt is over: tells so, and exits. `reason` may be NULL when it is DONE. */
_Noreturn void task_end(struct trawl_task *t, Trawl__TaskEnd end, const char *reason);
_Noreturn void task_fail(struct trawl_task *t, const struct error *err);
/* The output of this map task cannot be had. */
_Noreturn void task_gone(struct trawl_task *t, uint32_t map, const struct error *err);

void task_count(struct trawl_task *t, const char *name, int64_t n);
bool task_is_skipped(const struct trawl_task *t, uint64_t number);
struct job_tick task_tick(struct trawl_task *t);

/* All of it but end and result. */
void task_map(struct trawl_task *t);
void task_reduce(struct trawl_task *t);

#endif

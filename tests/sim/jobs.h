/*
 * jobs: the simulation of MapReduce. The real master core (for jobs alone) and the real agents of task workers, over
 * a clock, a network, disks and child processes that are made up and follow from one seed.
 *
 * For the first 40 virtual seconds anything may go wrong; then the faults heal and every job must come to its end.
 * On the way, after each answer of the master and each step of a child, the invariants of docs/mapreduce.md are
 * checked, J1 to J5, and T1 of worker/task_agent.h; after each restart of the master, what was acknowledged before.
 *
 * One thread; nothing outside is touched.
 */
#ifndef TRAWL_TESTS_SIM_JOBS_H
#define TRAWL_TESTS_SIM_JOBS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum jobs_fault {
    JOBS_REQUEST_LOST,
    JOBS_REPLY_LOST,
    JOBS_LATE,
    JOBS_DOUBLED,
    JOBS_PARTITION_UP,
    JOBS_PARTITION_DOWN,
    JOBS_WORKER_KILLED,
    JOBS_WORKER_PAUSED, /* its children are not */
    JOBS_MASTER_KILLED,
    JOBS_WRITES_LOST,
    JOBS_STORE_FULL,
    JOBS_CHILD_FAILED,
    JOBS_CHILD_CRASHED,
    JOBS_CHILD_HUNG,
    JOBS_STRAGGLER,
    JOBS_FILE_LOST,  /* a map output, from a disk */
    JOBS_INPUT_GONE, /* met by a reduce task */
    JOBS_MAP_LOST,   /* a done map task had to run again */
    JOBS_BACKUP,
    JOBS_SKIPPED,   /* a record */
    JOBS_STALE,     /* the report of an attempt whose lease was over */
    JOBS_TOO_LATE,  /* a reduce attempt found its output there */
    JOBS_CANCELLED, /* a job */
    JOBS_FAULTS,
};

struct jobs_options {
    uint64_t seed;
    bool calm;   /* no faults: each task runs exactly once */
    FILE *trace; /* NULL: none */
};

struct jobs_result {
    bool ok;
    char why[512]; /* what was broken */
    uint64_t faults[JOBS_FAULTS];
    uint64_t events, jobs, attempts;
    int64_t ended_ms;
};

const char *jobs_fault_name(enum jobs_fault f);
void jobs_run(const struct jobs_options *options, struct jobs_result *result);

#endif

/*
 * task_progress: what a child that runs a task (docs/mapreduce.md) tells its parent without a word: memory that both have
 * mapped, a memfd on descriptor 3.
 *
 * `steps` grows with whatever is done: a record read, a pair emitted, a chunk fetched or merged. A child whose
 * steps do not grow hangs. The record is what the function has in hand; the parent reads it when the child is dead, and
 * lays the crash to it. It is set in the order name, name_len, record, in_function; cleared by in_function alone.
 */
#ifndef TRAWL_WORKER_TASK_PROGRESS_H
#define TRAWL_WORKER_TASK_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "shared/limits.h"

enum { TASK_PROGRESS_FD = 3, TASK_RESULT_FD = 4 };

struct task_progress {
    _Atomic uint64_t steps;
    _Atomic uint64_t record;
    _Atomic uint32_t in_function; /* 1: the function has the record; 0: it has none */
    _Atomic uint32_t name_len;    /* at most LIMIT_RECORD_NAME_BYTES; what is longer is cut */
    char name[LIMIT_RECORD_NAME_BYTES];
};

#endif

/*
 * task_culprit: the record that a command dies of (func_stream.h). Records are handed to a command ahead of its reading
 * them, so its death says only that it is one of those given so far.
 *
 * They are given again, in parts, to commands that are started for it and whose output is dropped: one that gets nothing at all must
 * live, or no record is to blame. Then halves, until one record is left; it alone must be enough. If it is not,
 * the command dies of what came before, too: then beginnings of all records, and the last one of the shortest that it dies of is
 * named. The first costs about as much as the attempt did, the second that times the logarithm of the number of records.
 * Nothing is kept while all is well: the input is read again.
 */
#ifndef TRAWL_WORKER_TASK_CULPRIT_H
#define TRAWL_WORKER_TASK_CULPRIT_H

#include <stdbool.h>

#include "worker/task_state.h"

/* What the function does in between: its map() or reduce() gives records to the command of the trial. */
struct task_trial {
    void (*begin)(void *state, struct trawl_task *t); /* starts a command */
    bool (*end)(void *state, struct trawl_task *t);   /* waits for its end; true: it died */
};

/* The attempt ends here: CRASHED with the record, or TASK_FAILED if there is none. `why` is the reason. Called in map(),
 * reduce() or end(). */
_Noreturn void task_culprit(struct trawl_task *t, const struct task_trial *trial, const char *why);

#endif

/*
 * task_child: one attempt at a task, as a process of its own: `trawl task` of the same executable. docs/mapreduce.md
 * ("The child process") says what it gets and what it leaves.
 *
 *     c = task_child_new(spec, attempt, scratch_fd, &err);
 *     ... task_child_result_fd() readable: task_child_read(c)
 *     ... task_child_stderr_fd() readable: task_child_read_stderr(c)
 *     ... task_child_pid_fd() readable: it has ended: task_child_reap(c, &arena)
 *     task_child_free(c);
 *
 * It leads a process group, which is killed as a whole; the kernel kills the child when the thread that made it dies, so
 * that thread must outlive it. One owner.
 */
#ifndef TRAWL_WORKER_TASK_CHILD_H
#define TRAWL_WORKER_TASK_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"

struct task_child;

/* Starts it in the directory `scratch_fd`, which stays the caller's. NULL: `err` says why. */
struct task_child *task_child_new(const Trawl__TaskSpec *spec, int scratch_fd, struct error *err);
/* Kills and reaps it, if that was not done. NULL is fine. */
void task_child_free(struct task_child *c);

int task_child_pid_fd(const struct task_child *c);
int task_child_result_fd(const struct task_child *c);
/* Takes what it has written so far. False: there is nothing more to come. */
bool task_child_read(struct task_child *c);
/* The same of standard output and standard error, its own and that of all it has started: into the log (task_stderr.h). */
int task_child_stderr_fd(const struct task_child *c);
bool task_child_read_stderr(struct task_child *c);
/* Whether it has done anything since it was last asked. */
bool task_child_moved(struct task_child *c);
void task_child_kill(struct task_child *c);
/* When it has ended: kills what is left of its group; what it has to say, or what has to be said of it, with the last of its
 * standard error, made in `arena`.
 * Never NULL but without memory. */
Trawl__TaskResult *task_child_reap(struct task_child *c, struct arena *arena);

#endif

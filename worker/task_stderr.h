/*
 * task_stderr: what one attempt, its function or the commands that it runs, writes to standard error: each line goes to the
 * log, the last ones into the text that says why the attempt failed.
 *
 *     struct task_stderr e = {0};
 *     task_stderr_take(&e, attempt, bytes, n) ...
 *     task_stderr_end(&e, attempt);                       // a last line without an end
 *     task_stderr_tail(&e, text)                          // "" or "a line | the next"
 *
 * Bounds: a line of the log has TASK_STDERR_LINE_BYTES, longer ones are cut into several; behind LIMIT_TASK_STDERR_BYTES
 * nothing is logged, which the log says. The tail goes on. One owner.
 */
#ifndef TRAWL_WORKER_TASK_STDERR_H
#define TRAWL_WORKER_TASK_STDERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TASK_STDERR_LINE_BYTES = 1024,
    TASK_STDERR_TAIL_LINES = 3,
    TASK_STDERR_TAIL_LINE_BYTES = 100,
    TASK_STDERR_TAIL_BYTES = TASK_STDERR_TAIL_LINES * (TASK_STDERR_TAIL_LINE_BYTES + 3) + 1
};

struct task_stderr {
    char line[TASK_STDERR_LINE_BYTES];
    size_t len;
    char tail[TASK_STDERR_TAIL_LINES][TASK_STDERR_TAIL_LINE_BYTES + 1]; /* a ring */
    size_t lines;
    uint64_t bytes;
};

void task_stderr_take(struct task_stderr *e, uint64_t attempt, const char *bytes, size_t n);
void task_stderr_end(struct task_stderr *e, uint64_t attempt);
void task_stderr_tail(const struct task_stderr *e, char out[TASK_STDERR_TAIL_BYTES]);

#endif

#include "worker/task_stderr.h"

#include <stdio.h>
#include <string.h>

#include "shared/limits.h"
#include "shared/log.h"

static void keep(struct task_stderr *e) {
    char *to = e->tail[e->lines++ % TASK_STDERR_TAIL_LINES];
    size_t n = e->len < TASK_STDERR_TAIL_LINE_BYTES ? e->len : TASK_STDERR_TAIL_LINE_BYTES;

    memcpy(to, e->line, n);
    to[n] = '\0';
}

static void end_line(struct task_stderr *e, uint64_t attempt) {
    bool was_over = e->bytes > LIMIT_TASK_STDERR_BYTES;

    if (e->len > 0 && e->line[e->len - 1] == '\r')
        e->len--;
    e->bytes += e->len + 1;
    if (e->len > 0) {
        keep(e);
        if (e->bytes <= LIMIT_TASK_STDERR_BYTES)
            log_event(LOG_INFO, "stderr", "of a task", log_uint("attempt", attempt),
                      log_bytes("line", e->line, e->len));
        else if (!was_over)
            log_event(LOG_WARN, "stderr", "more of it is left out", log_uint("attempt", attempt));
    }
    e->len = 0;
}

void task_stderr_take(struct task_stderr *e, uint64_t attempt, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n')
            e->line[e->len++] = bytes[i];
        if (bytes[i] == '\n' || e->len == sizeof e->line)
            end_line(e, attempt);
    }
}

void task_stderr_end(struct task_stderr *e, uint64_t attempt) {
    if (e->len > 0)
        end_line(e, attempt);
}

void task_stderr_tail(const struct task_stderr *e, char out[TASK_STDERR_TAIL_BYTES]) {
    size_t first = e->lines > TASK_STDERR_TAIL_LINES ? e->lines - TASK_STDERR_TAIL_LINES : 0;
    int at = 0;

    out[0] = '\0';
    for (size_t i = first; i < e->lines; i++)
        at += snprintf(out + at, TASK_STDERR_TAIL_BYTES - (size_t)at, "%s%s",
                       i == first ? "" : " | ", e->tail[i % TASK_STDERR_TAIL_LINES]);
}

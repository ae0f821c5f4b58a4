/* task_api: what functions may call (trawl_job.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/task_state.h"

static _Noreturn void fail_with(struct trawl_task *t, const char *why) {
    task_end(t, TRAWL__TASK_END__TASK_FAILED, why);
}

static void api_emit(struct trawl_task *t, const void *key, size_t key_len, const void *value,
                     size_t value_len) {
    task_progress_tick(t->progress);
    if (job_combine_runs(&t->combine))
        job_combine_emit(&t->combine, key, key_len, value, value_len);
    else if (t->sort == NULL)
        fail_with(t, "emit() is for map tasks, and between open() and close()");
    else if (!job_sort_emit(t->sort, key, key_len, value, value_len))
        task_fail(t, job_sort_error(t->sort));
}

static bool api_next(struct trawl_values *v, const void **value, size_t *len) {
    return v->next(v, value, len);
}

static void api_write(struct trawl_task *t, const void *bytes, size_t len) {
    struct error err;

    task_progress_tick(t->progress);
    if (!t->has_output)
        fail_with(t, "write() is for reduce tasks, and between open() and close()");
    if (!job_output_write(&t->output, bytes, len, &err))
        task_fail(t, &err);
}

static void api_count(struct trawl_task *t, const char *name, int64_t n) {
    task_count(t, name, n);
}

static void api_progress(struct trawl_task *t) {
    task_progress_tick(t->progress);
}

static void api_fail(struct trawl_task *t, const char *why) {
    fail_with(t, why != NULL && why[0] != '\0' ? why : "the function did not say why");
}

static const char *api_output_path(struct trawl_task *t) {
    if (!t->has_output)
        fail_with(t, "output_path() is for reduce tasks, and between open() and close()");
    const char *path = job_output_path(&t->output);
    if (path == NULL)
        fail_with(t, "out of memory");
    return path;
}

static unsigned api_partition(const struct trawl_task *t) {
    return t->spec->kind == TRAWL__TASK_KIND__REDUCE ? t->spec->number : 0;
}

static unsigned api_partitions(const struct trawl_task *t) {
    return t->spec->job->reduces;
}

static bool api_reduces(const struct trawl_task *t) {
    return t->spec->kind == TRAWL__TASK_KIND__REDUCE;
}

const struct trawl_api task_api = {.size = sizeof task_api,
                                   .emit = api_emit,
                                   .next = api_next,
                                   .write = api_write,
                                   .count = api_count,
                                   .progress = api_progress,
                                   .fail = api_fail,
                                   .output_path = api_output_path,
                                   .partition = api_partition,
                                   .partitions = api_partitions,
                                   .reduces = api_reduces};

void task_count(struct trawl_task *t, const char *name, int64_t n) {
    struct task_counter *c = t->counters, *end = c + t->counter_count;

    while (c < end && strcmp(c->name, name) != 0)
        c++;
    if (c == end) {
        if (t->counter_count == TASK_COUNTERS_MAX)
            fail_with(t, "count(): more than 256 counters");
        if (name[0] == '\0' || strlen(name) >= TASK_COUNTER_NAME_BYTES)
            fail_with(t, "count(): a counter's name has 1 to 127 bytes");
        c->name = strdup(name);
        if (c->name == NULL)
            fail_with(t, "out of memory");
        t->counter_count++;
    }
    if (__builtin_add_overflow(c->n, n, &c->n))
        c->n = n > 0 ? INT64_MAX : INT64_MIN;
}

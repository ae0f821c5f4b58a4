/* task_reduce: one partition of all map outputs through reduce(), into part-NNNNN. */
#include <string.h>

#include "worker/task_fetch.h"
#include "worker/task_state.h"

enum { BLOCK_BYTES = JOB_BLOCK_BYTES };

static void begin_output(struct trawl_task *t) {
    struct error err;

    t->has_output = true; /* whatever there is of it, it is to be closed */
    if (!job_output_open(&t->output, t->spec->job->output, t->spec->number, t->spec->attempt, &err))
        task_fail(t, &err);
}

static _Noreturn void fail_of(struct trawl_task *t, uint32_t source, const struct error *err) {
    if (source != JOB_NO_SOURCE)
        task_gone(t, source, err);
    task_fail(t, err);
}

static void fetch(struct trawl_task *t, struct task_fetch *f) {
    struct error err = {0};

    task_progress_phase(t->progress, TASK_PHASE_FETCH);
    /* Half of the memory for what is fetched; cursors on it need the other half. */
    switch (task_fetch_run(f, t->spec->job->sort_bytes / 2, &err)) {
    case TASK_FETCH_DONE:
        return;
    case TASK_FETCH_FAILED:
        task_fail(t, &err);
    case TASK_FETCH_GONE:
        t->gone = f->gone;
        t->gone_count = f->gone_count;
        task_end(t, TRAWL__TASK_END__INPUT_GONE, err.text);
    }
}

static void shrink(struct trawl_task *t, struct task_fetch *f) {
    struct error err = {0};
    struct job_merge_how how = {.memory_bytes = t->spec->job->sort_bytes - f->memory_bytes,
                                .dir_fd = t->scratch_fd,
                                .partitions = t->spec->job->reduces,
                                .block_bytes = BLOCK_BYTES,
                                .combine = &t->combine,
                                .tick = task_tick(t)};

    task_progress_phase(t->progress, TASK_PHASE_SORT);
    if (!job_runs_shrink(&f->runs, &how, &err))
        fail_of(t, how.source, &err);
    t->spills = how.serial;
}

static void name_key(struct trawl_task *t, const unsigned char *key, size_t key_len,
                     uint64_t number) {
    task_progress_name(t->progress, key, key_len);
    task_progress_begin(t->progress, number, UINT64_MAX);
}

static void reduce_key(struct trawl_task *t, const unsigned char *key, size_t key_len,
                       struct trawl_values *values) {
    uint64_t number = job_hash(key, key_len);

    if (task_is_skipped(t, number)) {
        task_count(t, "records skipped", 1);
        return;
    }
    t->given++;
    name_key(t, key, key_len, number);
    t->job->reduce(t->state, t, key, key_len, values);
    task_progress_end(t->progress);
    t->records_out++;
}

static void begin_merge(struct trawl_task *t) {
    uint32_t source;
    struct error err = {0};

    job_merge_free(t->merge);
    t->merge = job_merge_new(t->runs->items, t->runs->count, &source, &err);
    if (t->merge == NULL)
        fail_of(t, source, &err);
}

static void end_merge(struct trawl_task *t) {
    uint32_t source;
    struct error err = {0};

    if (job_merge_failed(t->merge, &source, &err))
        fail_of(t, source, &err);
    job_merge_free(t->merge);
    t->merge = NULL;
}

static void reduce_runs(struct trawl_task *t) {
    const unsigned char *key;
    struct trawl_values *values;
    uint32_t partition;
    size_t key_len;

    begin_merge(t);
    task_progress_phase(t->progress, TASK_PHASE_REDUCE);
    while (job_merge_key(t->merge, &partition, &key, &key_len, &values))
        reduce_key(t, key, key_len, values);
    end_merge(t);
}

/* The merge that it was called in is over: the memory is enough for one. */
static void reduce_again(struct trawl_task *t, uint64_t from, uint64_t to, bool give) {
    const unsigned char *key;
    struct trawl_values *values;
    uint32_t partition;
    size_t key_len;

    begin_merge(t);
    for (uint64_t i = 0; i < to && job_merge_key(t->merge, &partition, &key, &key_len, &values);) {
        uint64_t number = job_hash(key, key_len);
        task_progress_tick(t->progress);
        if (task_is_skipped(t, number) || i++ < from)
            continue;
        if (give)
            t->job->reduce(t->state, t, key, key_len, values);
        else
            name_key(t, key, key_len, number);
    }
    end_merge(t);
}

static void commit(struct trawl_task *t) {
    struct error err = {0};

    task_progress_phase(t->progress, TASK_PHASE_COMMIT);
    if (job_output_commit(&t->output, &err) == JOB_OUTPUT_FAILED)
        task_fail(t, &err);
    t->bytes_out = t->output.bytes;
    job_output_close(&t->output);
    t->has_output = false;
}

/* What the runs that came had in them. */
static void count_input(struct trawl_task *t, const struct task_fetch *f) {
    for (size_t i = 0; i < f->runs.count; i++) {
        t->records_in += f->runs.items[i].records;
        t->bytes_in += f->runs.items[i].len;
    }
}

void task_reduce(struct trawl_task *t) {
    static struct task_fetch f; /* the process is for one task; `runs` stays behind this */

    begin_output(t);
    task_fetch_init(&f, t->spec, t->scratch_fd, t->progress);
    fetch(t, &f);
    count_input(t, &f);
    shrink(t, &f);
    t->runs = &f.runs;
    t->again = reduce_again;
    reduce_runs(t);
    if (t->job->end != NULL)
        t->job->end(t->state, t);
    commit(t);
    task_fetch_release(&f);
}

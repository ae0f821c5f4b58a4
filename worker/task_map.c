/* task_map: a split through map(), into map.out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/job_input.h"
#include "worker/task_state.h"

/* What sorting inside emit() meets, a crash of combine() among it, is not the doing of the record in hand. */
static void sort_works(void *arg, bool begins) {
    struct trawl_task *t = arg;
    struct task_progress *p = t->progress;

    if (begins)
        t->was_busy = atomic_load_explicit(&p->busy, memory_order_relaxed);
    task_progress_phase(p, begins ? TASK_PHASE_SORT : TASK_PHASE_MAP);
    atomic_store_explicit(&p->busy, begins ? 0 : t->was_busy, memory_order_release);
}

static void begin_sort(struct trawl_task *t) {
    struct error err;

    t->sort = job_sort_new(&(struct job_sort_config){.dir_fd = t->scratch_fd,
                                                     .partitions = t->spec->job->reduces,
                                                     .sort_bytes = t->spec->job->sort_bytes,
                                                     .combine = &t->combine,
                                                     .tick = task_tick(t),
                                                     .work = sort_works,
                                                     .arg = t},
                           &err);
    if (t->sort == NULL)
        task_fail(t, &err);
}

static void name_record(struct trawl_task *t, const struct trawl_record *r) {
    bool is_line = r->of == TRAWL_INPUT_LINES;

    if (!is_line)
        task_progress_name(t->progress, r->name, strlen(r->name));
    task_progress_begin(t->progress, r->number, is_line ? r->number : UINT64_MAX);
}

static void map_record(struct trawl_task *t, const struct trawl_record *r) {
    if (task_is_skipped(t, r->number)) {
        task_count(t, "records skipped", 1);
        return;
    }
    t->given++;
    name_record(t, r);
    t->job->map(t->state, t, r);
    task_progress_end(t->progress);
    t->records_in++;
}

static void map_again(struct trawl_task *t, uint64_t from, uint64_t to, bool give) {
    struct trawl_record r;
    struct error err = {0};
    struct job_input *in = job_input_new(t->spec->split, &err);
    enum job_input_result why = in != NULL ? JOB_INPUT_RECORD : JOB_INPUT_FAILED;

    for (uint64_t i = 0; i < to && why == JOB_INPUT_RECORD;) {
        why = job_input_next(in, &r, &err);
        task_progress_tick(t->progress);
        if (why != JOB_INPUT_RECORD || task_is_skipped(t, r.number) || i++ < from)
            continue;
        if (give)
            t->job->map(t->state, t, &r);
        else
            name_record(t, &r);
    }
    if (why == JOB_INPUT_FAILED)
        task_fail(t, &err);
    job_input_free(in);
}

static void map_split(struct trawl_task *t) {
    const Trawl__Split *split = t->spec->split;
    struct trawl_record r;
    struct error err = {0};
    struct job_input *in = job_input_new(split, &err);
    enum job_input_result why;

    if (in == NULL)
        task_fail(t, &err);
    const uint8_t *slash = memrchr(split->path.data, '/', split->path.len);
    const uint8_t *name = slash != NULL ? slash + 1 : split->path.data;
    task_progress_name(t->progress, name, (size_t)(split->path.data + split->path.len - name));
    task_progress_phase(t->progress, TASK_PHASE_MAP);
    while ((why = job_input_next(in, &r, &err)) == JOB_INPUT_RECORD) {
        map_record(t, &r);
        atomic_store_explicit(&t->progress->bytes, in->bytes, memory_order_relaxed);
    }
    if (why == JOB_INPUT_FAILED)
        task_fail(t, &err);
    t->bytes_in = in->bytes;
    if (in->damaged > 0)
        task_count(t, "records damaged", (int64_t)in->damaged);
    if (in->cut > 0)
        task_count(t, "lines over 4 MiB cut", (int64_t)in->cut);
    job_input_free(in);
}

static void end_sort(struct trawl_task *t) {
    uint32_t reduces = t->spec->job->reduces;
    struct job_part *parts = calloc(reduces, sizeof *parts);
    struct job_sort_totals totals;
    struct error err = {0};

    t->partition_bytes = calloc(reduces, sizeof *t->partition_bytes);
    if (parts == NULL || t->partition_bytes == NULL) {
        error_set(&err, ENOMEM, "map.out");
        task_fail(t, &err);
    }
    if (!job_sort_finish(t->sort, "map.out", &totals, parts, &err))
        task_fail(t, &err);
    for (uint32_t i = 0; i < reduces; i++)
        t->partition_bytes[i] = parts[i].bytes;
    t->records_out = totals.records;
    t->bytes_out = totals.bytes;
    t->spills = totals.spills;
    free(parts);
    job_sort_free(t->sort);
    t->sort = NULL;
}

void task_map(struct trawl_task *t) {
    t->again = map_again;
    begin_sort(t);
    map_split(t);
    if (t->job->end != NULL)
        t->job->end(t->state, t);
    end_sort(t);
}

/* task_run: the process of one attempt: reads what to do, does it, says how it ended. */
#include "worker/task_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "shared/io.h"
#include "shared/limits.h"
#include "worker/task_state.h"

/* ---- the end ----------------------------------------------------------------------------------------- */

static uint64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t time_us(struct timeval t) {
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

/* Of this process and of commands that it has waited for. */
static uint64_t cpu_us(void) {
    struct rusage self, children;

    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    return time_us(self.ru_utime) + time_us(self.ru_stime) + time_us(children.ru_utime) +
           time_us(children.ru_stime);
}

static void fill(const struct trawl_task *t, Trawl__TaskResult *r) {
    r->records_in = t->records_in;
    r->bytes_in = t->bytes_in;
    r->records_out = t->records_out;
    r->bytes_out = t->bytes_out;
    r->spills = t->spills;
    r->cpu_us = cpu_us();
    r->wall_us = now_us() - t->started_us;
    r->gone = t->gone;
    r->n_gone = t->gone_count;
    if (r->end == TRAWL__TASK_END__CRASHED) {
        r->record = t->crash_record;
        r->record_name =
            (ProtobufCBinaryData){.data = (uint8_t *)t->crash_name, .len = t->crash_name_len};
    }
    if (r->end == TRAWL__TASK_END__DONE && t->partition_bytes != NULL) {
        r->partition_bytes = t->partition_bytes;
        r->n_partition_bytes = t->spec->job->reduces;
    }
}

static bool tell(const struct trawl_task *t, Trawl__TaskEnd end, const char *reason) {
    Trawl__TaskResult result = TRAWL__TASK_RESULT__INIT;
    Trawl__TaskCounter counters[TASK_COUNTERS_MAX], *pointers[TASK_COUNTERS_MAX];
    char text[512];
    struct buf packed;

    snprintf(text, sizeof text, "%s", reason != NULL ? reason : "");
    result.end = end;
    result.reason = text;
    for (size_t i = 0; i < t->counter_count; i++) {
        trawl__task_counter__init(&counters[i]);
        counters[i].name = t->counters[i].name;
        counters[i].n = t->counters[i].n;
        pointers[i] = &counters[i];
    }
    result.counters = pointers;
    result.n_counters = t->counter_count;
    fill(t, &result);
    buf_init(&packed, LIMIT_WIRE_BYTES);
    bool ok = wire_pack(&packed, &result.base) && io_write(t->result_fd, packed.data, packed.len);
    buf_release(&packed);
    return ok;
}

/* Without what exit() would do: it is not ours to trust what a shared object has left there. */
_Noreturn void task_end(struct trawl_task *t, Trawl__TaskEnd end, const char *reason) {
    if (t->has_output)
        job_output_close(&t->output);
    bool ok = tell(t, end, reason);
    if (!ok)
        fprintf(stderr, "trawl task: cannot tell how it ended\n");
    fflush(NULL);
    _exit(ok ? 0 : 1);
}

_Noreturn void task_fail(struct trawl_task *t, const struct error *err) {
    task_end(t, TRAWL__TASK_END__TASK_FAILED, err->text);
}

_Noreturn void task_gone(struct trawl_task *t, uint32_t map, const struct error *err) {
    t->gone = &map;
    t->gone_count = 1;
    task_end(t, TRAWL__TASK_END__INPUT_GONE, err->text);
}

/* ---- small things for all ---------------------------------------------------------------------------- */

static void tick(void *arg) {
    task_progress_tick(arg);
}

struct job_tick task_tick(struct trawl_task *t) {
    return (struct job_tick){tick, t->progress};
}

static int by_number(const void *a, const void *b) {
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

bool task_is_skipped(const struct trawl_task *t, uint64_t number) {
    return t->skip_count > 0 &&
           bsearch(&number, t->skip, t->skip_count, sizeof *t->skip, by_number) != NULL;
}

static void combine(void *arg, const void *key, size_t key_len, struct trawl_values *values) {
    struct trawl_task *t = arg;

    t->job->combine(t->state, t, key, key_len, values);
}

/* ---- the beginning ----------------------------------------------------------------------------------- */

static bool read_all(int fd, struct buf *b) {
    char bytes[65536];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof bytes)) != 0)
        if (n < 0 ? errno != EINTR : !buf_append(b, bytes, (size_t)n))
            return false;
    return true;
}

/* NULL: what came is no task. */
static Trawl__TaskSpec *read_spec(int fd, struct arena *arena) {
    struct buf bytes;
    Trawl__TaskSpec *spec = NULL;

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    if (read_all(fd, &bytes))
        spec = wire_unpack(arena, &trawl__task_spec__descriptor, bytes.data, bytes.len);
    buf_release(&bytes);
    return spec;
}

static const char *wrong_with(const Trawl__TaskSpec *spec) {
    const Trawl__JobSpec *job = spec->job;

    if (job == NULL)
        return "the task has no job";
    if (job->reduces < 1 || job->reduces > JOB_PARTITIONS_MAX)
        return "the job has no reduce tasks, or more than 65536";
    if (spec->kind == TRAWL__TASK_KIND__CHECK)
        return NULL;
    if (spec->kind == TRAWL__TASK_KIND__MAP)
        return spec->split == NULL ? "the map task has no split" : NULL;
    if (spec->kind != TRAWL__TASK_KIND__REDUCE)
        return "the task is neither a map nor a reduce task";
    if (spec->number >= job->reduces)
        return "the reduce task's number is too large";
    return job->output[0] != '/' ? "the output directory's path is not absolute" : NULL;
}

/* What the function starts, and what it reads, is not to be this process's. */
static void hide(const struct trawl_task *t, int spec_fd, int progress_fd) {
    const struct rlimit none = {0, 0};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setrlimit(RLIMIT_CORE, &none);
    fcntl(t->result_fd, F_SETFD, FD_CLOEXEC);
    fcntl(progress_fd, F_SETFD, FD_CLOEXEC);
    if (null >= 0) {
        dup2(null, spec_fd);
        close(null);
    }
}

static void open_job(struct trawl_task *t) {
    size_t n = t->spec->job->n_arguments;
    char **argv = calloc(n + 1, sizeof *argv);
    char why[256] = "";

    if (argv == NULL)
        task_end(t, TRAWL__TASK_END__TASK_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++)
        argv[i] = t->spec->job->arguments[i];
    if (t->job->open != NULL && !t->job->open(&t->state, t, &task_api, (int)n, argv, why)) {
        why[sizeof why - 1] = '\0';
        task_end(t, TRAWL__TASK_END__TASK_REFUSED,
                 why[0] != '\0' ? why : "open() failed and did not say why");
    }
    /* The function may have kept it. */
    task_progress_tick(t->progress);
}

static void prepare(struct trawl_task *t) {
    t->skip_count = t->spec->n_skip;
    t->skip = t->spec->skip;
    if (t->skip_count > 1)
        qsort(t->skip, t->skip_count, sizeof *t->skip, by_number);
    job_combine_init(&t->combine, t->job->combine != NULL ? combine : NULL, t);
    t->scratch_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->scratch_fd < 0) {
        struct error err;
        error_set(&err, errno, "the scratch directory");
        task_fail(t, &err);
    }
}

static void load(struct trawl_task *t, task_load *load_job) {
    struct error err = {0};

    t->job = load_job(t->spec->job, &err);
    if (t->job == NULL)
        task_end(t, TRAWL__TASK_END__TASK_REFUSED, err.text);
    if (t->job->abi != TRAWL_JOB_ABI || t->job->map == NULL || t->job->reduce == NULL)
        task_end(t, TRAWL__TASK_END__TASK_REFUSED,
                 "the job has another ABI than this trawl, or no map() or reduce()");
}

int task_run_with(int spec_fd, int progress_fd, int result_fd, task_load *load_job) {
    static struct trawl_task task; /* the process is for it alone */
    struct trawl_task *t = &task;
    struct arena arena;

    *t = (struct trawl_task){.result_fd = result_fd, .started_us = now_us()};
    arena_init(&arena, LIMIT_ARENA_BYTES);
    t->progress = task_progress_map(progress_fd);
    if (t->progress == NULL) {
        fprintf(stderr, "trawl task: it is for `trawl worker --tasks` to start, not for people\n");
        return 1;
    }
    t->spec = read_spec(spec_fd, &arena);
    const char *wrong = t->spec == NULL ? "no task came" : wrong_with(t->spec);
    if (wrong != NULL)
        task_end(t, TRAWL__TASK_END__TASK_FAILED, wrong);
    hide(t, spec_fd, progress_fd);
    load(t, load_job);
    prepare(t);
    open_job(t);
    if (t->spec->kind == TRAWL__TASK_KIND__MAP)
        task_map(t);
    else if (t->spec->kind == TRAWL__TASK_KIND__REDUCE)
        task_reduce(t);
    if (t->job->close != NULL)
        t->job->close(t->state);
    task_end(t, TRAWL__TASK_END__DONE, NULL);
}

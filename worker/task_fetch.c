/*
 * Threads: each takes the next item of a list that stays as it is, and fills that item and the bytes that belong to
 * it; the lock guards what is next and what went wrong. Ticks of the progress are added atomically.
 */
#include "worker/task_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/io.h"
#include "worker/shuffle.h"

static const char file_name[] = "fetched";

/* One map task's part that lies elsewhere. */
struct item {
    const Trawl__MapOutput *output;
    uint64_t at; /* of its bytes in the memory or the file */
    struct shuffle_part part;
    bool is_gone;
};

struct crew {
    struct task_fetch *fetch;
    struct shuffle_client *client;
    struct item *items;
    size_t count;
    pthread_mutex_t lock;
    size_t next;
    bool some_gone, failed;
    struct error err; /* the first one */
};

void task_fetch_init(struct task_fetch *f, const Trawl__TaskSpec *spec, int scratch_fd,
                     struct task_progress *progress) {
    *f = (struct task_fetch){.spec = spec,
                             .scratch_fd = scratch_fd,
                             .outputs_fd = -1,
                             .file_fd = -1,
                             .progress = progress};
    job_runs_init(&f->runs);
}

void task_fetch_release(struct task_fetch *f) {
    job_runs_release(&f->runs);
    free(f->memory);
    free(f->gone);
    if (f->file_fd >= 0)
        close(f->file_fd);
    if (f->outputs_fd >= 0)
        close(f->outputs_fd);
}

/* Of this worker's own. */

static bool add_run(struct task_fetch *f, const struct job_run *run, struct error *err) {
    if (job_runs_add(&f->runs, run))
        return true;
    error_set(err, ENOMEM, "the input of a reduce task");
    return false;
}

static bool add_gone(struct task_fetch *f, uint32_t map, struct error *err) {
    uint32_t *gone = realloc(f->gone, (f->gone_count + 1) * sizeof *gone);

    if (gone == NULL) {
        error_set(err, ENOMEM, "the input of a reduce task");
        return false;
    }
    f->gone = gone;
    f->gone[f->gone_count++] = map;
    return true;
}

static bool open_outputs(struct task_fetch *f) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%.*s", (int)f->spec->outputs_dir.len,
                     (const char *)f->spec->outputs_dir.data);

    if (n > 0 && (size_t)n < sizeof path)
        f->outputs_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->outputs_fd >= 0;
}

/* `*is_own`: it lies here, and is among the runs, or gone. False: no memory. */
static bool add_own(struct task_fetch *f, const Trawl__MapOutput *o, bool *is_own,
                    struct error *err) {
    struct job_run run = {.dir_fd = f->outputs_fd, .source = o->map};
    struct job_part part;
    struct error why = {0};

    shuffle_name(run.name, f->spec->job->job, o->map, o->attempt);
    int fd = f->outputs_fd >= 0 ? openat(f->outputs_fd, run.name, O_RDONLY | O_CLOEXEC) : -1;
    *is_own = fd >= 0;
    if (fd < 0)
        return true;
    bool is_good = job_file_part(fd, f->spec->number, &part, &why) && part.bytes == o->bytes;
    close(fd);
    if (!is_good) {
        error_set(err, 0, "%s: %s", run.name, why.text[0] != '\0' ? why.text : "another length");
        return add_gone(f, o->map, err);
    }
    run.offset = part.offset;
    run.len = part.bytes;
    run.records = part.records;
    run.block_max = part.block_max;
    return add_run(f, &run, err);
}

/* Of others. */

static void tick(void *arg) {
    struct task_fetch *f = arg;

    atomic_fetch_add_explicit(&f->progress->ticks, 1, memory_order_relaxed);
}

static bool keep(struct task_fetch *f, const struct item *item, uint64_t at,
                 const struct buf *chunk, struct error *err) {
    if (f->memory != NULL) {
        memcpy(f->memory + item->at + at, chunk->data, chunk->len);
        return true;
    }
    if (io_write_at(f->file_fd, chunk->data, chunk->len, item->at + at))
        return true;
    error_set(err, errno, "%s", file_name);
    return false;
}

static enum shuffle_result fetch_item(struct crew *c, struct item *item, struct buf *chunk,
                                      struct error *err) {
    const Trawl__MapOutput *o = item->output;
    const char *serve = wire_output_serve(c->fetch->spec, o);
    struct shuffle_want want = {c->fetch->spec->job->job, o->attempt, o->map,
                                c->fetch->spec->number};

    for (uint64_t at = 0; at < o->bytes; at += chunk->len) {
        enum shuffle_result why =
            shuffle_get(c->client, serve, &want, at, SHUFFLE_CHUNK_BYTES, &item->part, chunk, err);
        if (why != SHUFFLE_OK)
            return why;
        if (item->part.bytes != o->bytes || chunk->len == 0 || chunk->len > o->bytes - at) {
            error_set(err, 0, "%s: map output %u has another length than was told", serve, o->map);
            return SHUFFLE_GONE;
        }
        if (!keep(c->fetch, item, at, chunk, err))
            return SHUFFLE_FAILED;
        atomic_fetch_add_explicit(&c->fetch->progress->bytes, chunk->len, memory_order_relaxed);
    }
    return SHUFFLE_OK;
}

/* The next one to fetch; when something is gone already only what is certainly gone, too. */
static struct item *take(struct crew *c) {
    struct item *item = NULL;

    pthread_mutex_lock(&c->lock);
    while (item == NULL && c->next < c->count && !c->failed) {
        item = &c->items[c->next++];
        if (c->some_gone &&
            !shuffle_is_dead(c->client, wire_output_serve(c->fetch->spec, item->output)))
            item = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return item;
}

static void *work(void *arg) {
    struct crew *c = arg;
    struct buf chunk;
    struct item *item;

    buf_init(&chunk, SHUFFLE_CHUNK_BYTES);
    while ((item = take(c)) != NULL) {
        struct error err = {0};
        enum shuffle_result why = fetch_item(c, item, &chunk, &err);
        if (why == SHUFFLE_OK)
            continue;
        pthread_mutex_lock(&c->lock);
        if (!c->some_gone && !c->failed)
            c->err = err;
        item->is_gone = why == SHUFFLE_GONE;
        c->some_gone = c->some_gone || item->is_gone;
        c->failed = c->failed || why == SHUFFLE_FAILED;
        pthread_mutex_unlock(&c->lock);
    }
    buf_release(&chunk);
    return NULL;
}

/* This thread is one of them: without the others it does it alone. */
static void work_together(struct crew *c) {
    pthread_t threads[TASK_FETCH_THREADS - 1];
    size_t n = 0;

    while (n < TASK_FETCH_THREADS - 1 && n + 1 < c->count &&
           pthread_create(&threads[n], NULL, work, c) == 0)
        n++;
    work(c);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static bool make_room(struct task_fetch *f, uint64_t memory_bytes, struct error *err) {
    if (f->bytes <= memory_bytes) {
        f->memory = malloc(f->bytes + JOB_PAD_BYTES);
        f->memory_bytes = f->bytes;
        if (f->memory == NULL)
            error_set(err, ENOMEM, "the input of a reduce task");
        return f->memory != NULL;
    }
    f->file_fd = openat(f->scratch_fd, file_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->file_fd < 0)
        error_set(err, errno, "%s", file_name);
    return f->file_fd >= 0;
}

static bool add_items(struct task_fetch *f, const struct crew *c, struct error *err) {
    for (size_t i = 0; i < c->count; i++) {
        const struct item *item = &c->items[i];
        struct job_run run = {.bytes = f->memory != NULL ? f->memory + item->at : NULL,
                              .dir_fd = f->scratch_fd,
                              .offset = f->memory != NULL ? 0 : item->at,
                              .len = item->output->bytes,
                              .records = item->part.records,
                              .block_max = item->part.block_max,
                              .source = item->output->map};
        snprintf(run.name, sizeof run.name, "%s", file_name);
        if (item->is_gone ? !add_gone(f, item->output->map, err) : !add_run(f, &run, err))
            return false;
    }
    return true;
}

static enum task_fetch_result fetch_items(struct task_fetch *f, struct crew *c,
                                          uint64_t memory_bytes, struct error *err) {
    if (c->count == 0)
        return TASK_FETCH_DONE;
    c->client = shuffle_client_new(tick, f);
    if (c->client == NULL) {
        error_set(err, ENOMEM, "the input of a reduce task");
        return TASK_FETCH_FAILED;
    }
    bool ok = make_room(f, memory_bytes, err);
    if (ok) {
        work_together(c);
        if (c->failed || c->some_gone)
            *err = c->err;
        ok = !c->failed && add_items(f, c, err);
    }
    shuffle_client_free(c->client);
    return ok ? TASK_FETCH_DONE : TASK_FETCH_FAILED;
}

/* Not all reducers begin with the same server: each begins elsewhere in the list. */
static const Trawl__MapOutput *nth(const Trawl__TaskSpec *spec, size_t i) {
    return spec->outputs[(i + spec->number) % spec->n_outputs];
}

enum task_fetch_result task_fetch_run(struct task_fetch *f, uint64_t memory_bytes,
                                      struct error *err) {
    struct crew c = {.fetch = f};
    enum task_fetch_result result = TASK_FETCH_FAILED;
    bool ok = true;

    pthread_mutex_init(&c.lock, NULL);
    c.items = calloc(f->spec->n_outputs + 1, sizeof *c.items);
    if (c.items == NULL) {
        error_set(err, ENOMEM, "the input of a reduce task");
        ok = false;
    }
    open_outputs(f);
    for (size_t i = 0; ok && i < f->spec->n_outputs; i++) {
        const Trawl__MapOutput *o = nth(f->spec, i);
        bool is_own = false;
        if (o->bytes == 0)
            continue;
        ok = add_own(f, o, &is_own, err);
        if (is_own)
            continue;
        c.items[c.count++] = (struct item){.output = o, .at = f->bytes};
        f->bytes += o->bytes;
    }
    /* If something of its own is gone there is no use in fetching. */
    if (ok && f->gone_count == 0)
        result = fetch_items(f, &c, memory_bytes, err);
    else if (ok)
        result = TASK_FETCH_DONE;
    free(c.items);
    pthread_mutex_destroy(&c.lock);
    return result == TASK_FETCH_DONE && f->gone_count > 0 ? TASK_FETCH_GONE : result;
}

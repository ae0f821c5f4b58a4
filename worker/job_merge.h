/*
 * job_merge: many sorted runs as one, key by key, in memory that is known beforehand.
 *
 *     job_runs_shrink(&runs, &how, &err)              // in passes, until they fit the memory
 *     struct job_merge *m = job_merge_new(runs.items, runs.count, &err);
 *     while (job_merge_key(m, &partition, &key, &key_len, &values))
 *         reduce(key, key_len, values);                // values->next(); what is left of them is passed over
 *     if (job_merge_failed(m, &source, &err)) ...      // else all came
 *     job_merge_free(m);
 *
 * Keys come by partition and in order, each once; its values in order. A tournament of losers finds the next record
 * with log2(runs) comparisons, most of them of two numbers.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_MERGE_H
#define TRAWL_WORKER_JOB_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/job_combine.h"
#include "worker/job_cursor.h"
#include "worker/job_file.h"
#include "worker/job_values.h"

enum { JOB_FAN_IN_MAX = 256 };

/* Called now and then while something long goes on. */
struct job_tick {
    void (*call)(void *arg);
    void *arg;
};

struct job_runs {
    struct job_run *items;
    size_t count, size;
};

void job_runs_init(struct job_runs *r);
void job_runs_release(struct job_runs *r);                        /* the files stay */
bool job_runs_add(struct job_runs *r, const struct job_run *run); /* false: no memory */

struct job_merge;

/* Opens them; the runs stay. NULL: `err`, and *source as of job_merge_failed(). */
struct job_merge *job_merge_new(const struct job_run *runs, size_t count, uint32_t *source,
                                struct error *err);
void job_merge_free(struct job_merge *m); /* NULL is fine */
/* False: the end, or a failure. The key is valid until the next call. */
bool job_merge_key(struct job_merge *m, uint32_t *partition, const unsigned char **key,
                   size_t *key_len, struct trawl_values **values);
/* `source`: of the run that is damaged or cannot be read. `err` says what is wrong with it. */
bool job_merge_failed(const struct job_merge *m, uint32_t *source, struct error *err);
uint64_t job_merge_records(const struct job_merge *m); /* read so far */
/* Writes all of it. False: a failure of the merge, of the writer or of combine(); `err`. */
bool job_merge_write(struct job_merge *m, struct job_writer *to, struct job_combine *combine,
                     const struct job_tick *tick, uint32_t *source, struct error *err);

/* How runs are merged into fewer. */
struct job_merge_how {
    uint64_t
        memory_bytes; /* for the cursors of one merge; two are always open, whatever they need */
    int dir_fd;       /* for new runs: merge-0, merge-1 ... */
    unsigned serial;  /* of the next one */
    uint32_t partitions;
    size_t block_bytes;
    struct job_combine *combine;
    struct job_tick tick;
    uint32_t source; /* as of job_merge_failed() */
};

/* Until one merge can take them all. The smallest are merged first, and only as many as necessary. False: `err`. */
bool job_runs_shrink(struct job_runs *runs, struct job_merge_how *how, struct error *err);
/* The run that a writer wrote; behind job_writer_end(). */
struct job_run job_run_written(const struct job_writer *w, int dir_fd);

#endif

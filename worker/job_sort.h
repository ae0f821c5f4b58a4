/*
 * job_sort: what a map task emits, on its way into one file of sorted partitions.
 *
 *     struct job_sort *s = job_sort_new(&config, &err);
 *     while (...) job_sort_emit(s, key, key_len, value, value_len) || fail
 *     job_sort_finish(s, "map.out", &err)                     // s's totals and parts
 *     job_sort_free(s);
 *
 * Records gather in memory of config.sort_bytes: their bytes from the bottom up, an entry of 16 bytes each from the top
 * down. When they meet, the entries are sorted, and the records written to a spill (spill-0, spill-1 ... in the
 * directory; job_file.h). At the end spills are merged within the same memory, which the gathering has given back, in
 * passes if they are too many. What fits the memory is written once, as the result. A record too large for
 * the memory is a spill by itself.
 *
 * Sorting: entries hold the partition, the window of the key (job_record.h) and where the record lies. They are put in
 * place by partition, then by the window's bytes, most significant first (American flag sort: in place, linear);
 * short stretches by insertion. Only where windows are the same the records are looked at again: the next window of the
 * key, then those of the value. Keys that share very long beginnings end in a heap sort, so nothing is quadratic
 * and nothing recurs deeply.
 *
 * combine() is applied to each key of a spill, and of a merge.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_SORT_H
#define TRAWL_WORKER_JOB_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/job_combine.h"
#include "worker/job_file.h"
#include "worker/job_merge.h"

enum { JOB_SORT_BYTES_MIN = 64 * 1024 };

struct job_sort_config {
    int dir_fd;          /* of spills and of the result; stays the caller's */
    uint32_t partitions; /* 1 .. JOB_PARTITIONS_MAX */
    uint64_t sort_bytes; /* less than JOB_SORT_BYTES_MIN counts as that, more than 4 GiB as that */
    struct job_combine *
        combine; /* the caller's; job_combine_runs() during emits of combine(), which do not come here */
    struct job_tick tick;
    /* Around what is the engine's own work, not the function's, inside job_sort_emit(); NULL is fine. */
    void (*work)(void *arg, bool begins);
    void *arg;
};

struct job_sort_totals {
    uint64_t emitted, emitted_bytes;
    uint64_t records, bytes; /* in the result: as records, without index */
    unsigned spills;         /* 0: all fit the memory */
};

struct job_sort;

/* NULL: `err`. */
struct job_sort *job_sort_new(const struct job_sort_config *config, struct error *err);
void job_sort_free(struct job_sort *s); /* NULL is fine */
/* Both are copied. False: too long a record, a full disk ...; job_sort_error(). */
bool job_sort_emit(struct job_sort *s, const void *key, size_t key_len, const void *value,
                   size_t value_len);
const struct error *job_sort_error(const struct job_sort *s);
/* Nothing can be emitted any more. `parts`: one for each partition; the caller's array. */
bool job_sort_finish(struct job_sort *s, const char *name, struct job_sort_totals *totals,
                     struct job_part *parts, struct error *err);

#endif

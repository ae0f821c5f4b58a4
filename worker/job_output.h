/*
 * job_output: the output file of one reduce task: written under a name of the attempt's own, and given its name
 * part-NNNNN by one rename that never replaces (J3 of docs/mapreduce.md).
 *
 *     job_output_open(&o, dir, partition, attempt, &err);
 *     job_output_write(&o, bytes, len, &err);
 *     job_output_commit(&o, &err)            // JOB_OUTPUT_DONE, or _DONE_BEFORE: another attempt was first
 *     job_output_close(&o);                  // without a commit: the attempt's file goes away
 *
 * Files: .part-NNNNN.ATTEMPT, and .part-NNNNN.ATTEMPT.file if job_output_path() was asked for. Where a file system knows no
 * RENAME_NOREPLACE (NFS), link() does the same.
 *
 * Durable order: data synced, rename, directory synced; then the caller may tell.
 */
#ifndef TRAWL_WORKER_JOB_OUTPUT_H
#define TRAWL_WORKER_JOB_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

enum { JOB_OUTPUT_BUFFER_BYTES = 256 * 1024 };

struct job_output {
    int dir_fd, fd;
    char name[64], final[32];
    char *path; /* of what job_output_path() gave; NULL: not asked for */
    const char *dir;
    char *buffer;
    size_t used;
    uint64_t bytes; /* written so far; after a commit those of the file */
};

enum job_output_result { JOB_OUTPUT_DONE, JOB_OUTPUT_DONE_BEFORE, JOB_OUTPUT_FAILED };

/* The directory is there already. After a failure job_output_close() is still needed, and fine. `dir` stays. */
bool job_output_open(struct job_output *o, const char *dir, uint32_t partition, uint64_t attempt,
                     struct error *err);
bool job_output_write(struct job_output *o, const void *bytes, size_t len, struct error *err);
/* Absolute path of a file that does not exist, which commit takes in place of what was written. NULL: no memory. */
const char *job_output_path(struct job_output *o);
enum job_output_result job_output_commit(struct job_output *o, struct error *err);
void job_output_close(struct job_output *o);

/* Removes what an attempt that is over, and whose process is gone, left in the directory. */
void job_output_remove(const char *dir, uint32_t partition, uint64_t attempt);
/* Removes what any attempt left: of a job that is over, when none of its processes runs any more. */
void job_output_sweep(const char *dir);

#endif

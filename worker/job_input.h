/*
 * job_input: the records of one split, in order (trawl_job.h says what a record holds).
 *
 *     struct job_input *in = job_input_new(split, &err);
 *     while ((why = job_input_next(in, &record, &err)) == JOB_INPUT_RECORD)
 *         map(&record);                                  // valid until the next call
 *     if (why == JOB_INPUT_FAILED) ...                   // err
 *     job_input_free(in);
 *
 * Of the splits that cover a file each record comes from exactly one: the one in which it begins.
 *
 * Lines (job_lines.c) end with LF or CR LF, the last one perhaps with neither. A line longer than JOB_LINE_BYTES comes in pieces of
 * at most that, each cut behind white space if there is any; all belong to the split that the line begins in; it is named in the
 * log, and counted. A gzip file is read as what it holds, and only from its start; where it is damaged its lines end, which is
 * told and counted like a damaged record.
 *
 * Pages (job_pages.c) are the records response, resource and revisit of a WARC file. A split that does not begin
 * with the file begins with the first record in it, found as shared/warc_find.h says. A damaged record is named in the log,
 * counted and passed over.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_INPUT_H
#define TRAWL_WORKER_JOB_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/trawl.pb-c.h"
#include "shared/error.h"
#include "worker/trawl_job.h"

enum { JOB_LINE_BYTES = 4 << 20 };

enum job_input_result { JOB_INPUT_RECORD, JOB_INPUT_END, JOB_INPUT_FAILED };

/* What a kind of input does; it begins what its maker returns. */
struct job_input {
    enum job_input_result (*next)(struct job_input *in, struct trawl_record *r, struct error *err);
    void (*free)(struct job_input *in);
    uint64_t bytes;   /* read so far: of the file, or of a gzip file's content */
    uint64_t damaged; /* records passed over */
    uint64_t cut;     /* lines that came in pieces */
};

/* NULL: `err` names the file. */
struct job_input *job_input_new(const Trawl__Split *split, struct error *err);
void job_input_free(struct job_input *in); /* NULL is fine */

static inline enum job_input_result job_input_next(struct job_input *in, struct trawl_record *r,
                                                   struct error *err) {
    return in->next(in, r, err);
}

/* Of the two kinds, for job_input_new(). */
struct job_input *job_lines_new(const char *path, uint64_t from, uint64_t to, struct error *err);
struct job_input *job_pages_new(const char *path, uint64_t from, uint64_t to, struct error *err);

#endif

/*
 * job_cursor: reads sorted records: a whole file of job_file.h, one partition of it, or such bytes in memory.
 *
 *     struct job_cursor c;
 *     job_cursor_open(&c, &run)
 *     while ((why = job_cursor_next(&c)) == JOB_CURSOR_RECORD)
 *         use(c.partition, &c.record);                   // valid until the next call
 *     if (why != JOB_CURSOR_END) ...                     // c.err says what is wrong
 *     job_cursor_close(&c);
 *
 * Whatever the bytes are (they may come from another machine), it never reads outside of them, and needs no
 * more memory than job_run_cost() says if `block_max` is true; a larger block is damage.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_CURSOR_H
#define TRAWL_WORKER_JOB_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/job_file.h"
#include "worker/job_record.h"

enum { JOB_NO_SOURCE = UINT32_MAX };

/* Where sorted records lie: blocks, one behind the other. */
struct job_run {
    const unsigned char *bytes; /* in memory; or NULL, and then: */
    int dir_fd;                 /* of `name` */
    char name[64];              /* also for messages */
    bool is_own;                /* the file goes away when it has been merged into another */
    uint64_t offset, len;       /* offset in the file; bytes */
    uint64_t records;
    uint32_t block_max; /* of the largest block, unpacked */
    uint32_t source;    /* number of the map task that it came from, or JOB_NO_SOURCE */
};

enum job_cursor_result {
    JOB_CURSOR_RECORD = 0,
    JOB_CURSOR_END,
    JOB_CURSOR_DAMAGED, /* the bytes are not what was written */
    JOB_CURSOR_FAILED   /* the file cannot be read, or there is no memory */
};

struct job_cursor {
    struct job_record record;
    const unsigned char *start; /* of the record, up to `next`: with its lengths */
    uint32_t partition;
    const struct job_run *run;
    int fd;
    uint64_t at, left;               /* what is not read yet */
    const unsigned char *next, *end; /* in the block at hand */
    unsigned char *window;           /* read from the file */
    size_t window_size, window_at, window_len;
    unsigned char *block; /* unpacked */
    size_t block_size;
    struct error err;
};

/* What a cursor on it needs, in bytes. */
uint64_t job_run_cost(const struct job_run *run);

/* `run` stays. False: c->err; job_cursor_close() is fine in any case. */
bool job_cursor_open(struct job_cursor *c, const struct job_run *run);
enum job_cursor_result job_cursor_next_block(struct job_cursor *c);
void job_cursor_close(struct job_cursor *c);
/* The bytes do not make records. */
enum job_cursor_result job_cursor_damaged(struct job_cursor *c, const char *how);

static inline enum job_cursor_result job_cursor_next(struct job_cursor *c) {
    while (c->next == c->end) {
        enum job_cursor_result why = job_cursor_next_block(c);
        if (why != JOB_CURSOR_RECORD)
            return why;
    }
    size_t n = job_record_get(c->next, c->end, &c->record);
    if (n == 0)
        return job_cursor_damaged(c, "a record that is none");
    c->start = c->next;
    c->next += n;
    return JOB_CURSOR_RECORD;
}

#endif

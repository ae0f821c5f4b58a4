/*
 * job_combine: a job's combine(), applied to one key's values while they are written to a spill or a map output.
 *
 *     struct job_combine c;
 *     job_combine_init(&c, call, arg);                        // call NULL: nothing is combined
 *     job_combine_key(&c, &writer, partition, key, key_len, values, &err)
 *         -> call(arg, key, key_len, values) -> job_combine_emit(&c, ...) -> writer
 *     job_combine_release(&c);
 *
 * What is emitted for a key is sorted by value before it is written, in portions of JOB_COMBINE_HELD_BYTES; one portion
 * may not begin below the end of the one before, else the key fails: that is not fewer records, and would break the order.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_COMBINE_H
#define TRAWL_WORKER_JOB_COMBINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/error.h"
#include "worker/job_file.h"
#include "worker/job_values.h"

enum { JOB_COMBINE_HELD_BYTES = 1 << 20 };

struct job_combine {
    void (*call)(void *arg, const void *key, size_t key_len, struct trawl_values *values);
    void *arg;
    struct job_writer *to; /* while `call` runs, else NULL */
    uint32_t partition;
    const unsigned char *key;
    size_t key_len;
    struct buf held; /* records of the key, not written yet */
    size_t held_count;
    struct buf last; /* the last value of the portion before */
    bool has_last, failed;
    struct error *err;
};

void job_combine_init(struct job_combine *c,
                      void (*call)(void *arg, const void *key, size_t key_len,
                                   struct trawl_values *values),
                      void *arg);
void job_combine_release(struct job_combine *c);
/* The key stays as it is meanwhile. False: `err`. Failures to write are the writer's, and told by it. */
bool job_combine_key(struct job_combine *c, struct job_writer *to, uint32_t partition,
                     const unsigned char *key, size_t key_len, struct trawl_values *values,
                     struct error *err);
/* Does `call` run? Then what is emitted goes here. */
static inline bool job_combine_runs(const struct job_combine *c) {
    return c->to != NULL;
}
void job_combine_emit(struct job_combine *c, const void *key, size_t key_len, const void *value,
                      size_t value_len);

#endif

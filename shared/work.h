/*
 * work: how much was done, counted where it is done. What costs time in proportion to data (a record of a store, a slot
 * of a table that is walked) adds to one counter of its thread; whoever must not take long looks at it before and after.
 *
 *     uint64_t began = work_done();
 *     while (more && work_done() - began < LIMIT_SLICE_WORK)
 *         one_piece();                     // which need not know that anybody counts
 *
 * One unit is about a tenth of a microsecond, as measured in docs/performance.md. It is no clock: the same input does the
 * same work, on any machine. So a bound on it can be asserted, and a slice ends at the same place in each run of a
 * simulation.
 */
#ifndef TRAWL_SHARED_WORK_H
#define TRAWL_SHARED_WORK_H

#include <stdint.h>

enum {
    WORK_STEP = 1,    /* one more entry of a table or a list */
    WORK_RECORD = 10, /* one more record, read on or put into a batch */
    WORK_SEEK = 100,  /* a record looked up, a walk begun, a batch written */
};

extern _Thread_local uint64_t work_counter;

static inline void work(uint64_t units) {
    work_counter += units;
}

/* Of this thread, ever. */
static inline uint64_t work_done(void) {
    return work_counter;
}

#endif

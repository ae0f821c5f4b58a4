/*
 * job_entry: sorts what job_sort.h has gathered: in place, in memory of its own of a few KiB. Its manual says how.
 */
#ifndef TRAWL_WORKER_JOB_ENTRY_H
#define TRAWL_WORKER_JOB_ENTRY_H

#include <stddef.h>
#include <stdint.h>

struct job_entry {
    uint64_t window; /* of the key; sorting leaves another one in it */
    uint32_t at;     /* of the record, from `base` */
    uint32_t partition;
};

/* By partition. `counts`: how many of each there are; `work`: as many numbers as there are partitions, twice. */
void job_entry_group(struct job_entry *e, size_t count, const uint32_t *counts, uint32_t partitions,
                     uint32_t *work);
/* Those of one partition by key and value. The records lie at base + at, with JOB_PAD_BYTES behind the last one. */
void job_entry_sort(struct job_entry *e, size_t count, const unsigned char *base);

#endif

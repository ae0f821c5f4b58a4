/* job_values: the values of one key, whoever has them: what trawl_job.h calls struct trawl_values. */
#ifndef TRAWL_WORKER_JOB_VALUES_H
#define TRAWL_WORKER_JOB_VALUES_H

#include <stdbool.h>
#include <stddef.h>

struct trawl_values {
    /* As trawl_api.next; also false when reading fails: whoever made the values knows. */
    bool (*next)(struct trawl_values *v, const void **value, size_t *len);
};

#endif

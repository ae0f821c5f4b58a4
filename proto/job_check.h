/*
 * job_check: whether a MapReduce job can be taken as it is asked for. One place for who asks (`trawl job run`, before it starts
 * anything) and who takes (the master, of anybody): the bounds are those of shared/limits.h.
 *
 *     if (!job_check(&run, why)) ...                     // `why` says what is accepted
 *
 * Any thread.
 */
#ifndef TRAWL_PROTO_JOB_CHECK_H
#define TRAWL_PROTO_JOB_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/trawl.pb-c.h"

enum { JOB_CHECK_BYTES = 200 };

bool job_check(const Trawl__JobRun *run, char why[JOB_CHECK_BYTES]);
/* Text without control characters, of at most so many bytes. */
bool job_check_text(const char *text, size_t bytes_max);

#endif

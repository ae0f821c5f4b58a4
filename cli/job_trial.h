/*
 * job_trial: tries, before a job is asked for, whether its functions are there and take their arguments: loads them and calls
 * open() and close(), in a process of its own, as a task would (`trawl task`, kind CHECK). Nothing is read or written.
 */
#ifndef TRAWL_CLI_JOB_TRIAL_H
#define TRAWL_CLI_JOB_TRIAL_H

#include <stdbool.h>

#include "proto/trawl.pb-c.h"
#include "shared/error.h"

/* False: they are not, and `err` says what is wrong. A trial that comes to no end in 10 s, or dies, says nothing: true. */
bool job_trial(const Trawl__JobSpec *spec, struct error *err);

#endif

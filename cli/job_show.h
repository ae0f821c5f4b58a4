/*
 * job_show: what a person sees of a MapReduce job: one live line on a terminal, a plain line every few seconds
 * elsewhere (both on standard error), and what there is to say at its end. What comes from functions and from the web is
 * shown as screen.h does. One owner.
 */
#ifndef TRAWL_CLI_JOB_SHOW_H
#define TRAWL_CLI_JOB_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/trawl.pb-c.h"

struct job_show {
    bool quiet, live;
    bool dirty; /* a live line stands there */
    int64_t started_ms, shown_ms;
};

void job_show_init(struct job_show *s, bool quiet);
/* Call often; it shows when it is time. */
void job_show(struct job_show *s, const Trawl__JobInfo *info);
void job_show_end_line(struct job_show *s);

void job_show_summary(const Trawl__JobInfo *info, FILE *to);
void job_show_row(const Trawl__JobInfo *info, FILE *to);
void job_show_json(const Trawl__JobInfo *info, FILE *to); /* one line */

#endif

/*
 * job_plan: what a MapReduce job is to read, cut into splits: the archive of a crawl, or files.
 *
 *     struct job_plan plan;
 *     job_plan_init(&plan, split_bytes);
 *     for each input: job_plan_add(&plan, path, &err)
 *     ... plan.splits, plan.count ...
 *     job_plan_release(&plan);
 *
 * A directory with archive/ in it is a crawl (or a worker's directory): its sealed segments. Of another directory every file counts
 * that is not hidden, subdirectories left out. A file that ends in .warc.gz or .warc is an archive, anything else is
 * lines. Inputs of both kinds do not go together. One owner.
 */
#ifndef TRAWL_CLI_JOB_PLAN_H
#define TRAWL_CLI_JOB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"

struct job_plan {
    uint64_t split_bytes; /* 0: by kind */
    struct arena arena;
    Trawl__Split **splits;
    size_t count, size;
    uint64_t bytes; /* of all of them */
    bool has_kind;
    Trawl__InputKind kind;
};

void job_plan_init(struct job_plan *p, uint64_t split_bytes);
void job_plan_release(struct job_plan *p);
/* False: `err` names the path. */
bool job_plan_add(struct job_plan *p, const char *path, struct error *err);

#endif

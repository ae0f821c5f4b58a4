/*
 * job_plan: what a MapReduce job is to read, cut into splits: the archive of a crawl, or files.
 *
 *     struct job_plan plan;
 *     job_plan_init(&plan, split_bytes);
 *     for each input: job_plan_add(&plan, path, &err)
 *     job_plan_splits(&plan, &arena)                   // plan.found.count of them
 *     job_plan_release(&plan);
 *
 * A directory with archive/ in it is a crawl (or a worker's directory): its sealed segments. Anything else is plain
 * files, read by lines. job_plan_outcomes() puts what became of the crawls' URLs in place of their archives. Inputs of both kinds do not go together. How they are cut: shared/splits.h. One owner.
 */
#ifndef TRAWL_CLI_JOB_PLAN_H
#define TRAWL_CLI_JOB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"
#include "shared/options.h"
#include "shared/splits.h"

struct job_plan {
    uint64_t split_bytes; /* 0: by kind */
    struct splits found;
    bool has_kind;
    Trawl__InputKind kind;
    struct string_list inputs; /* what was added */
};

void job_plan_init(struct job_plan *p, uint64_t split_bytes);
void job_plan_release(struct job_plan *p);
/* False: `err` names the path. */
bool job_plan_add(struct job_plan *p, const char *path, struct error *err);
/* Writes what `trawl export --format jsonl` says of the crawls that were added into a new file, and plans to read that instead.
 * False: `err`. */
bool job_plan_outcomes(struct job_plan *p, const char *path, struct error *err);
/* As messages, one for each split, in the arena; they point into the plan. NULL: no memory. */
Trawl__Split **job_plan_splits(const struct job_plan *p, struct arena *arena);

#endif

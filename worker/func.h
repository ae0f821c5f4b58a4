/*
 * func: from what a job names to its functions (trawl_job.h): one that is built in, or a shared object's.
 *
 * A shared object stays loaded: a process runs the functions of one job. Any thread.
 */
#ifndef TRAWL_WORKER_FUNC_H
#define TRAWL_WORKER_FUNC_H

#include <stddef.h>

#include "shared/error.h"
#include "worker/trawl_job.h"

struct func_builtin {
    const char *name,
        *what; /* for help; NULL: a part of another job (cli/job_chain.h); those come last */
    const struct trawl_job *job;
};

extern const struct func_builtin func_builtins[];
extern const size_t func_builtin_count;

/* `name`: of a built-in job, or a path with a '/'. NULL: `err` says what is accepted. */
const struct trawl_job *func_load(const char *name, struct error *err);

/* ---- func_words.c ------------------------------------------------------------------------------------- */

extern const struct trawl_job func_wordcount, func_indexer;

/* ---- func_grep.c -------------------------------------------------------------------------------------- */

extern const struct trawl_job func_grep;

/* ---- func_dups.c -------------------------------------------------------------------------------------- */

extern const struct trawl_job func_dups, func_dups_groups;

/* ---- func_hosts.c ------------------------------------------------------------------------------------- */

extern const struct trawl_job func_hosts;

/* ---- func_links.c ------------------------------------------------------------------------------------- */

extern const struct trawl_job func_links;

/* ---- func_index.c ------------------------------------------------------------------------------------- */

extern const struct trawl_job func_index;

/* ---- func_pagerank.c ---------------------------------------------------------------------------------- */

extern const struct trawl_job func_pagerank, func_pagerank_graph, func_pagerank_step,
    func_pagerank_end;

#endif

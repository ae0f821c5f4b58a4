/*
 * job_chain: built-in jobs that are several jobs, one behind the other: which one is next, by what the last one counted.
 *
 *     struct job_chain c;
 *     if (!job_chain_init(&c, "pagerank", &arguments, &err)) ...   // a wrong argument
 *     while (job_chain_next(&c, info, &stage, &err))               // info: of the job that ended; NULL at first
 *         run stage.function with stage.arguments; its input is the user's, then the output of the one before it;
 *                                                              // of the last one (stage.is_last) the output is the user's
 *
 * A job that is only one is a chain of one, with the user's arguments. Pure. One owner.
 *
 * pagerank: pagerank (its links), pagerank-graph, pagerank-step until the ranks change by no more than TOLERANCE in all, or
 * ITERATIONS times, pagerank-end. dups: dups (pairs), dups-groups in one reduce task.
 */
#ifndef TRAWL_CLI_JOB_CHAIN_H
#define TRAWL_CLI_JOB_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/trawl.pb-c.h"
#include "shared/error.h"
#include "shared/options.h"

enum { JOB_CHAIN_ARGUMENTS = 3, JOB_CHAIN_TEXT_BYTES = 32 };

struct job_stage {
    const char *function;
    char *const *arguments;
    size_t argument_count;
    bool one_reduce, is_last;
    bool wants_copies; /* its one argument is to be the file of job_copies.h, if there are copies */
};

struct job_chain {
    const char *name;
    const struct string_list *given; /* the user's arguments */
    unsigned done;                   /* stages */
    bool over;
    double tolerance;
    uint64_t iterations_max, iterations;
    uint64_t pages, leak, delta; /* of pagerank (worker/func_pagerank.c) */
    char text[JOB_CHAIN_ARGUMENTS][JOB_CHAIN_TEXT_BYTES];
    char *arguments[JOB_CHAIN_ARGUMENTS + 1];
};

/* A job that is one, and so its function gets the user's arguments. */
bool job_chain_is_plain(const struct job_chain *c);
/* `given` and `name` must outlive the chain. False: `err`, a wrong argument. */
bool job_chain_init(struct job_chain *c, const char *name, const struct string_list *given,
                    struct error *err);
/* False: the chain is over, or cannot go on, and then `err` says why. `next` is valid until the next call. */
bool job_chain_next(struct job_chain *c, const Trawl__JobInfo *before, struct job_stage *next,
                    struct error *err);

#endif

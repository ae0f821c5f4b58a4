#include "cli/job_chain.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/parse.h"

enum { ITERATIONS_DEFAULT = 100, ITERATIONS_MAX = 10000 };
static const double tolerance_default = 1e-6, unit = 1e18; /* what a rank of 1 is, in counters */

static bool read_tolerance(const char *text, double *out) {
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out) && *out > 0 && *out <= 1;
}

static bool read_pagerank(struct job_chain *c, struct error *err) {
    const struct string_list *g = c->given;

    if (g->count > 2)
        error_set(err, 0, "accepted is: trawl job run pagerank ... [-- TOLERANCE [ITERATIONS]]");
    else if (g->count > 0 && !read_tolerance(g->items[0], &c->tolerance))
        error_set(err, 0, "pagerank: tolerance %.60s: accepted is a number over 0 and up to 1",
                  g->items[0]);
    else if (g->count > 1 && !parse_uint(g->items[1], 1, ITERATIONS_MAX, &c->iterations_max))
        error_set(err, 0, "pagerank: iterations %.60s: accepted is a number from 1 to %d",
                  g->items[1], ITERATIONS_MAX);
    else
        return true;
    return false;
}

bool job_chain_init(struct job_chain *c, const char *name, const struct string_list *given,
                    struct error *err) {
    *c = (struct job_chain){.name = name,
                            .given = given,
                            .tolerance = tolerance_default,
                            .iterations_max = ITERATIONS_DEFAULT};
    for (size_t i = 0; i < JOB_CHAIN_ARGUMENTS; i++)
        c->arguments[i] = c->text[i];
    if (strcmp(name, "pagerank") == 0)
        return read_pagerank(c, err);
    if ((strcmp(name, "dups") != 0 && strcmp(name, "links") != 0) || given->count == 0)
        return true;
    error_set(err, 0, "%s takes no arguments", name);
    return false;
}

bool job_chain_is_plain(const struct job_chain *c) {
    return strcmp(c->name, "pagerank") != 0 && strcmp(c->name, "dups") != 0 &&
           strcmp(c->name, "links") != 0;
}

static uint64_t counted(const Trawl__JobInfo *info, const char *name) {
    for (size_t i = 0; i < info->n_counters; i++)
        if (strcmp(info->counters[i]->name, name) == 0)
            return info->counters[i]->n > 0 ? (uint64_t)info->counters[i]->n : 0;
    return 0;
}

static void set_argument(struct job_chain *c, struct job_stage *next, uint64_t n) {
    snprintf(c->text[next->argument_count++], JOB_CHAIN_TEXT_BYTES, "%" PRIu64, n);
}

/* The stages of pagerank behind its first. */
static bool next_of_pagerank(struct job_chain *c, const Trawl__JobInfo *before,
                             struct job_stage *next, struct error *err) {
    if (c->done == 1)
        c->pages = counted(before, "pages");
    else
        c->leak = counted(before, "leak");
    if (c->done > 2) {
        c->iterations++;
        c->delta = counted(before, "delta");
    }
    if (c->pages == 0) {
        error_set(err, 0, "pagerank: there is no page in the archive");
        return false;
    }
    set_argument(c, next, c->pages);
    next->is_last = c->iterations > 0 &&
                    ((double)c->delta <= c->tolerance * unit || c->iterations == c->iterations_max);
    next->function = c->done == 1    ? "pagerank-graph"
                     : next->is_last ? "pagerank-end"
                                     : "pagerank-step";
    if (c->done == 1)
        return true;
    set_argument(c, next, next->is_last ? c->iterations : c->leak);
    if (next->is_last)
        set_argument(c, next, c->delta);
    return true;
}

bool job_chain_next(struct job_chain *c, const Trawl__JobInfo *before, struct job_stage *next,
                    struct error *err) {
    bool is_pagerank = strcmp(c->name, "pagerank") == 0, is_dups = strcmp(c->name, "dups") == 0;

    *next = (struct job_stage){.function = c->name, .arguments = c->arguments};
    if (c->over)
        return false;
    if (!is_pagerank && !is_dups) {
        next->arguments = c->given->items;
        next->argument_count = c->given->count;
        next->is_last = true;
    } else if (c->done > 0 && is_dups) {
        next->function = "dups-groups";
        next->one_reduce = next->is_last = true;
    } else if (c->done > 0 && !next_of_pagerank(c, before, next, err)) {
        return false;
    }
    next->wants_copies = c->done == 0 && (is_pagerank || strcmp(c->name, "links") == 0);
    c->done++;
    c->over = next->is_last;
    return true;
}

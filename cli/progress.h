/*
 * progress: what a person sees of a running crawl: one live line on a terminal, a plain line every few seconds
 * elsewhere, and the summary at the end. Progress goes to standard error, the summary to standard output.
 */
#ifndef TRAWL_CLI_PROGRESS_H
#define TRAWL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/core.h"

struct progress {
    bool quiet, live;
    bool dirty;                   /* a live line stands there */
    int64_t started_ms, shown_ms; /* monotonic */
    uint64_t done; /* pages since the start, those among them that are to be fetched again */
    uint64_t counted_pages; /* when last looked at */
    uint64_t last_pages, last_bytes;
    double pages_rate, bytes_rate; /* smoothed, a second */
};

void progress_init(struct progress *p, bool quiet);
/* What there was before this run. */
void progress_start(struct progress *p, const struct core_stats *s);
/* Call often; it shows when it is time. */
void progress_show(struct progress *p, const struct core_stats *s);
/* Ends the live line. */
void progress_end(struct progress *p);
/* `why`: what ended the crawl. `local`: the workers' archive is in `dir` too. */
void progress_summary(struct progress *p, const struct core_stats *s, const struct core_cost *cost,
                      const char *why, const char *dir, bool local);

#endif

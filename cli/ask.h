/* ask: one request to a running master, and its reply. */
#ifndef TRAWL_CLI_ASK_H
#define TRAWL_CLI_ASK_H

#include "cli/args.h"
#include "proto/wire.h"
#include "shared/error.h"

#define JOB_SCRATCH                                                                                \
    ".trawl-job" /* below a job's output, while it runs; there its master says where it is */
enum { ASK_ADDRESS_BYTES = 300 };

/* The master is that of --master, else what the crawl in --dir says of itself, else the default. NULL: `err` says why.
 * The reply lives in `arena`, and has that body. */
Trawl__Reply *ask_master(const struct args *a, Trawl__Request *request, Trawl__Reply__BodyCase body,
                         struct arena *arena, struct error *err);
/* The same of a master at that address. */
Trawl__Reply *ask_at(const char *address, Trawl__Request *request, Trawl__Reply__BodyCase body,
                     struct arena *arena, struct error *err);

/* The masters that a question about jobs may mean: that of --master; else those of the crawl in --dir, of the job whose output is
 * --dir, and of jobs whose outputs are below --dir/jobs, where `job run` puts them; with the default of --dir also those of ./NAME.out;
 * if there are none, the default address. Appends; some may be gone. False: no memory. */
bool ask_find(const struct args *a, struct string_list *found);

#endif

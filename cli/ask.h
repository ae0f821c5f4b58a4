/* ask: one request to a running master, and its reply. */
#ifndef TRAWL_CLI_ASK_H
#define TRAWL_CLI_ASK_H

#include "cli/args.h"
#include "proto/wire.h"
#include "shared/error.h"

/* The master is that of --master, else what the crawl in --dir says of itself, else the default. NULL: `err` says why.
 * The reply lives in `arena`, and has that body. */
Trawl__Reply *ask_master(const struct args *a, Trawl__Request *request, Trawl__Reply__BodyCase body,
                         struct arena *arena, struct error *err);

#endif

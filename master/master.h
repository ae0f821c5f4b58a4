/*
 * master: a master in this process: its directory, the crawldb in it, and the server (server.h).
 *
 *     DIR/state/           the crawldb
 *     DIR/state.lock       held (flock) while the master runs; has its pid
 *     DIR/archive, logs/   made, for local workers
 *     DIR/master.addr      the address that it listens on, while it runs
 *
 * One owner, but for what server.h allows.
 */
#ifndef TRAWL_MASTER_MASTER_H
#define TRAWL_MASTER_MASTER_H

#include <stdbool.h>

#include "master/server.h"
#include "shared/error.h"
#include "shared/options.h"

struct master;

struct master_config {
    const char *dir;
    const struct options *options; /* outlive the master */
    const char *listen;
};

/* Takes the directory: makes it, or says why not ("... is in use by another crawl (pid 17)"). */
struct master *master_open(const char *dir, struct error *err);
/* Loads the crawl and listens. False: `err` says why; master_close() then. */
bool master_start(struct master *m, const struct master_config *config, struct error *err);
struct server *master_server(struct master *m);
/* Stops, and frees everything. */
void master_close(struct master *m);

#endif

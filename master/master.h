/*
 * master: a master in this process: its directory, the crawldb in it, the server (server.h), the status page
 * (http.h).
 *
 *     m = master_open(dir, &err);                    // the directory is ours
 *     master_load(m, &config, &err);                 // the crawl is in memory
 *     server_seed(master_server(m), url, len, &err); // as often as needed
 *     master_start(m, &err);                         // workers may come
 *     ... server_wait(master_server(m), ...) ...
 *     master_close(m);
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
    const char *listen;            /* tcp://host:port */
    const char *http;              /* host:port of the status page; NULL: none */
};

/* Takes the directory: makes it, or says why not ("... is in use by another crawl (pid 17)"). */
struct master *master_open(const char *dir, struct error *err);
/* Loads the crawl; the config's strings must outlive the master. False: `err` says why; master_close() then. */
bool master_load(struct master *m, const struct master_config *config, struct error *err);
/* Listens. False: `err` says why; master_close() then. */
bool master_start(struct master *m, struct error *err);
/* Where a process on this machine reaches it: loopback when it listens everywhere. Only after master_start(). */
enum { MASTER_ADDRESS_BYTES = 300 };
void master_local_address(const struct master *m, char address[MASTER_ADDRESS_BYTES]);
/* Where the status page is, with the real port; NULL: nowhere. */
const char *master_http_address(const struct master *m);
struct server *master_server(struct master *m);
/* Stops, and frees everything. */
void master_close(struct master *m);

#endif

/*
 * descriptors: what a worker's file descriptors are for. The archive, the master, the log and the resolver come first; what is
 * left is shared by the fetch loops, for connections and for bodies that are too large for memory. Where that is less than
 * what was asked for there are fewer transfers, and fewer idle connections first. Pure, but for counting.
 */
#ifndef TRAWL_WORKER_DESCRIPTORS_H
#define TRAWL_WORKER_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DESCRIPTORS_SPARE =
        32, /* of the process: a new connection to the master, files of certificates and names */
    DESCRIPTORS_LOOP =
        24, /* of each loop: its segment, those being synced and sealed, its resolver, its events */
    DESCRIPTORS_TRANSFER = 3, /* a connection, one that is kept idle, a body on the disk */
    DESCRIPTORS_IDLE_MAX =
        256, /* connections that a loop keeps idle, beside one for each transfer */
};

/* For one loop. */
struct descriptors_share {
    uint32_t transfers;   /* at once; 0: there are too few descriptors for any */
    uint32_t connections; /* in use and idle */
};

/* `limit`: RLIMIT_NOFILE; `open`: descriptors of the process that are open before the loops start. */
struct descriptors_share descriptors_divide(uint64_t limit, uint64_t open, uint32_t loops,
                                            uint32_t transfers);
/* What the limit must be for one transfer in each loop. */
uint64_t descriptors_least(uint64_t open, uint32_t loops);
/* How many descriptors below `below` this process has open. */
uint64_t descriptors_open(uint64_t below);

#endif

/*
 * shuffle: map output on its way from the worker that made it to the reduce task that needs it.
 *
 * A worker keeps the output of its map tasks in one directory, a file a task and attempt, named
 * JOB-MAP-ATTEMPT.map. The files of a job stay until the job is over; a file is whole from the moment it has its name.
 *
 *     struct shuffle_server *s = shuffle_server_new(&config, &err);      // config.dir_fd: that directory
 *     shuffle_server_address(s)                                          // for Register.serve
 *     shuffle_keep(dir_fd, scratch_fd, job, map, attempt, &err)          // before the report is sent
 *     shuffle_remove_job(dir_fd, job); shuffle_server_stop(s); shuffle_server_free(s);
 *
 * A client reads one partition in chunks:
 *
 *     struct shuffle_client *c = shuffle_client_new();
 *     while (at < part.bytes) shuffle_get(c, address, &want, at, max, &part, &chunk, &err) ...
 *     shuffle_client_free(c);
 *
 * Each chunk comes with a checksum (XXH3, 64 bits) of itself and of what it is: job, map, attempt, partition, offset. One that is
 * wrong is asked for again. An answer that never comes is asked for again, too, for SHUFFLE_PATIENCE_MS in
 * all since that address last answered; then everything at that address is gone, without asking again.
 *
 * Threads: the server answers on nng's threads, which read the files. A client may be used by several threads at
 * once.
 */
#ifndef TRAWL_WORKER_SHUFFLE_H
#define TRAWL_WORKER_SHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/error.h"

enum {
    SHUFFLE_CHUNK_BYTES = 1 << 20, /* the most that is asked for or given at once */
    SHUFFLE_PATIENCE_MS = 10 * 1000,
    SHUFFLE_NAME_BYTES = 64
};

/* ---- files ------------------------------------------------------------------------------------------- */

void shuffle_name(char name[SHUFFLE_NAME_BYTES], uint64_t job, uint32_t map, uint64_t attempt);
/* Moves map.out of a scratch directory to where it is served from. Both on one file system. */
bool shuffle_keep(int dir_fd, int scratch_fd, uint64_t job, uint32_t map, uint64_t attempt,
                  struct error *err);
/* One that is not there is fine. */
void shuffle_remove(int dir_fd, uint64_t job, uint32_t map, uint64_t attempt);
void shuffle_remove_job(int dir_fd, uint64_t job);

/* ---- server ------------------------------------------------------------------------------------------ */

struct shuffle_server;

struct shuffle_server_config {
    const char *address; /* tcp://host:port; port 0: a free one */
    int dir_fd;          /* of the files; stays the caller's, and open */
};

/* NULL: `err`. */
struct shuffle_server *shuffle_server_new(const struct shuffle_server_config *config,
                                          struct error *err);
const char *shuffle_server_address(const struct shuffle_server *s);
/* Bytes given so far; any thread. */
uint64_t shuffle_server_bytes(const struct shuffle_server *s);
/* As rpc_server_stop() and rpc_server_free(); false: nng hangs in closing, and what it holds stays. NULL is fine. */
bool shuffle_server_free(struct shuffle_server *s);

/* ---- client ------------------------------------------------------------------------------------------ */

struct shuffle_client;

struct shuffle_want {
    uint64_t job, attempt;
    uint32_t map, partition;
};

/* What a partition of a file is, as its index says (job_file.h). */
struct shuffle_part {
    uint64_t bytes; /* as stored */
    uint64_t records;
    uint32_t block_max; /* unpacked size of its largest block */
};

enum shuffle_result {
    SHUFFLE_OK,
    SHUFFLE_GONE,  /* no such file there, it is damaged, or nobody answers; `err` says which */
    SHUFFLE_FAILED /* no memory here */
};

/* `tick` is called from time to time while it waits, by whichever thread waits; may be NULL. */
struct shuffle_client *shuffle_client_new(void (*tick)(void *arg), void *arg);
void shuffle_client_free(struct shuffle_client *c); /* no call is under way; NULL is fine */

/* Nobody answers there any more. */
bool shuffle_is_dead(struct shuffle_client *c, const char *address);
/* Up to `max` bytes from `offset` of the partition, into `chunk` (emptied first); at its end none. */
enum shuffle_result shuffle_get(struct shuffle_client *c, const char *address,
                                const struct shuffle_want *want, uint64_t offset, size_t max,
                                struct shuffle_part *part, struct buf *chunk, struct error *err);

#endif

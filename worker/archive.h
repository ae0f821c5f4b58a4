/*
 * archive: the segments of one fetch loop: the one being written, those that wait to be sealed, and the threads
 * that sync and seal so that the loop does not wait for the disk. A payload that is in them already becomes a revisit
 * record (payloads.h).
 *
 * Segments are called NAME-SESSION-SERIAL: the worker's name, the session (12 digits) and a number that grows.
 *
 *     archive_append() ... -> place                     a record is written
 *     archive_sync(a, mark)  -> config.synced(mark)     all written before the call is durable
 *     archive_rotate(a)      -> config.closed(name)     no more records come
 *     archive_seal(a, name)  -> config.sealed(name)     the file has its final name
 *
 * The callbacks run in archive_append() (closed), archive_rotate() (closed) and archive_event() (synced, sealed,
 * failed).
 *
 * One owner: the loop's thread. The threads made here see copies of names and duplicates of descriptors only.
 */
#ifndef TRAWL_WORKER_ARCHIVE_H
#define TRAWL_WORKER_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/seal.h"
#include "worker/segment.h"

struct archive;

struct archive_config {
    int dir_fd;
    const char *worker;        /* name; outlives the archive */
    struct seal_remote remote; /* called in a thread of the archive's own */
    /* The segment will get no more records. Everything appended to it was given to the agent before. */
    void (*closed)(void *arg, const char *name);
    void (*synced)(void *arg, uint64_t mark);
    void (*sealed)(void *arg, const char *name);
    void (*failed)(void *arg,
                   const char *text); /* the disk lost data: nothing can be promised any more */
    void *arg;
};

/* NULL: `err`. */
struct archive *archive_new(const struct archive_config *config, struct error *err);
/* Waits for what its threads are doing. Segments that are not sealed stay open on the disk, unlocked. */
void archive_free(struct archive *a);
/* Of segments opened from now on. False: no memory. */
bool archive_set_options(struct archive *a, const char *crawl, const char *user_agent,
                         uint64_t segment_bytes, int level);

/* Into the current segment, or a new one when that is full or of another session. `name` belongs to the archive
 * until the segment is sealed. SEGMENT_AGAIN: see segment.h. `r` may have a revisit, but no digest. */
enum segment_result archive_append(struct archive *a, uint64_t session,
                                   const struct segment_response *r, struct segment_place *place,
                                   const char **name, struct error *err);
/* Whether something could be appended now. It may leave a new segment, in which there is nothing. */
enum segment_result archive_probe(struct archive *a, uint64_t session, struct error *err);
/* The master has acknowledged the record there. */
void archive_committed(struct archive *a, const char *name, uint64_t offset,
                       const unsigned char digest[20]);
void archive_rotate(struct archive *a); /* no current segment: nothing happens */
void archive_sync(struct archive *a, uint64_t mark);
/* Tries until it succeeds, or for good reasons fails (`failed`). */
void archive_seal(struct archive *a, const char *name);

enum { ARCHIVE_FDS = 2 };

/* Descriptors for the owner's epoll: when one is readable, archive_event(). */
int archive_fd(const struct archive *a, unsigned i);
void archive_event(struct archive *a);
/* When archive_tick() is due (a seal to be tried again), in ms of CLOCK_BOOTTIME; INT64_MAX: never. */
int64_t archive_next_ms(const struct archive *a);
void archive_tick(struct archive *a, int64_t now_ms);

#endif

/*
 * record: what stands in the crawldb under which key. Values are messages of trawl.proto ("kept in the
 * crawldb"); keys sort as listed, numbers big-endian, so that each group can be walked in order.
 *
 *   'M' name                       one number or a few bytes: see record_meta_*
 *   'S' number:4                   a seed, canonical URL as text (in the order given)
 *   'o' origin:4                   StoredOrigin
 *   'r' origin:4                   what its robots.txt says (robots_encode()), unless StoredOrigin has it
 *   'q' origin:4 depth:1 seq:8     QueuedUrl: known, not done; sorted by depth, then by discovery
 *   'u' fingerprint:8              DoneUrl: in its terminal state
 *   'd' fingerprint:8 number:8     Way, to a known URL that is to be brought nearer (depths.h)
 *   'e' fingerprint:8              Way, of which `origin` counts: of a URL that got it only after it was known (depths.h)
 *   'l' fingerprint:8 number:8     Links of a page
 *   'h' fingerprint:8 time:8       DoneUrl: of an earlier round, with a record; by its fetched_at_ms
 *   's' segment:4                  StoredSegment
 *   'g' segment:4 offset:8         committed records of a segment, the first one at that offset
 *   'p' hash of a name:8           StoredWorker: proven (trial.h)
 *   'w' session:8                  StoredSession: alive, or not known to have left
 *   'j' job:8                      StoredJob
 *   't' job:8 kind:1 number:4      StoredTask, of a job that runs
 *
 * A URL is under 'q' or under 'u', never both: the batch that puts the one deletes the other.
 */
#ifndef TRAWL_MASTER_RECORD_H
#define TRAWL_MASTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/buf.h"

struct record_key {
    unsigned char bytes[40];
    size_t len;
};

/* Where a queued URL stands among those of its origin. */
struct queue_place {
    uint8_t depth; /* 255: that deep or deeper */
    uint64_t seq;
};

struct record_key record_meta(const char *name);
struct record_key record_seed(uint32_t number);
struct record_key record_origin(uint32_t origin);
struct record_key record_rules(uint32_t origin);
struct record_key record_queued(uint32_t origin, struct queue_place place);
struct record_key record_queue_of(uint32_t origin); /* prefix of all of an origin's queue */
struct record_key record_done(uint64_t fp);
struct record_key record_way(uint64_t fp, uint64_t number);
struct record_key record_ways_of(uint64_t fp); /* prefix */
struct record_key record_late_origin(uint64_t fp);
struct record_key record_links(uint64_t fp, uint64_t number);
struct record_key record_links_of(uint64_t fp); /* prefix */
struct record_key record_earlier(uint64_t fp, uint64_t fetched_at_ms);
struct record_key record_earlier_of(uint64_t fp); /* prefix */
struct record_key record_segment(uint32_t segment);
struct record_key record_committed(uint32_t segment, uint64_t offset);
struct record_key record_committed_of(uint32_t segment); /* prefix */
struct record_key record_session(uint64_t session);
struct record_key record_worker(uint64_t hash);
struct record_key record_job(uint64_t job);
struct record_key record_task(uint64_t job, Trawl__TaskKind kind, uint32_t number);
struct record_key record_tasks_of(uint64_t job); /* prefix */
struct record_key record_group(char group);      /* prefix of a whole group */

/* The numbers in a key of that group; false if the key has another form. */
bool record_parse_number4(const void *key, size_t len, char group, uint32_t *number);
bool record_parse_number8(const void *key, size_t len, char group, uint64_t *number);
bool record_parse_queued(const void *key, size_t len, uint32_t *origin, struct queue_place *place);
/* Of a Way. */
bool record_parse_way(const void *key, size_t len, uint64_t *fp);
bool record_parse_earlier(const void *key, size_t len, uint64_t *fp);
bool record_parse_task(const void *key, size_t len, uint64_t *job, Trawl__TaskKind *kind,
                       uint32_t *number);

/* A committed record: where it lies in its segment, and the URL's fingerprint. */
struct committed_record {
    uint64_t offset, length, fp;
};

/* The value under 'g', one record or more at rising offsets: length:8 and fingerprint:8 of the first, then of each
 * its distance from the offset before and its length, both as LEB128, and fingerprint:8. */
void record_committed_begin(struct buf *value, struct committed_record first);
void record_committed_append(struct buf *value, uint64_t previous_offset,
                             struct committed_record r);

/* Walks an entry. Whether it ended early, because of bytes that are no such value, `broken` tells. */
struct committed_cursor {
    const unsigned char *at, *end;
    uint64_t offset;
    bool first, broken;
};
/* False: not a key of the group. The value must stay where it is. */
bool record_committed_open(struct committed_cursor *c, const void *key, size_t key_len,
                           const void *value, size_t value_len);
bool record_committed_next(struct committed_cursor *c, struct committed_record *r);

int queue_place_compare(struct queue_place a, struct queue_place b);

#endif

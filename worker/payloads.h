/*
 * payloads: of which payloads a fetch loop's archive has a committed record, so that the same bytes, fetched again, are
 * archived as a revisit record (WARC 1.1 section 6.7.2).
 *
 *     payloads_note() ----> written ----payloads_committed()----> payloads_find() gives it
 *
 * Invariant: what payloads_find() gives is a record of this worker and session whose commit the master has acknowledged. A
 * record that is not committed is left out when its segment is sealed, so nothing may refer to it; one of another
 * worker could be lost with that worker's disk, and be fetched again, while the reference stayed. The table dies with the
 * session: before `ctl forget` the sessions of a worker are over.
 *
 * It has a fixed number of places. What is pushed out of it, or lost at a restart, only costs space in the archive.
 * One owner.
 */
#ifndef TRAWL_WORKER_PAYLOADS_H
#define TRAWL_WORKER_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAYLOADS_MAX = 16384,
    PAYLOAD_BYTES_MIN = 512, /* smaller ones cost less than what a revisit says of them */
};

struct payload {
    unsigned char digest[20], record_id[16];
    uint64_t segment, offset; /* XXH3 of the segment's name; place of the record */
    int64_t at_unix_ms;       /* WARC-Date */
    char *url;                /* NULL: a free place */
    size_t url_len;
    bool committed;
};

struct payloads;

struct payloads *payloads_new(void); /* NULL: no memory */
void payloads_free(struct payloads *p);
/* Of another session than before: forgets all. */
void payloads_session(struct payloads *p, uint64_t session);

/* The committed record with this payload; NULL: none is known. Valid until the next call. */
const struct payload *payloads_find(const struct payloads *p, const unsigned char digest[20]);
/* A record was written; of `r` digest, record_id, offset, at_unix_ms, url and url_len count. Without memory nothing changes. */
void payloads_note(struct payloads *p, const char *segment, const struct payload *r);
/* The record at that place is committed; one that was not noted is no matter. */
void payloads_committed(struct payloads *p, const char *segment, uint64_t offset,
                        const unsigned char digest[20]);

#endif

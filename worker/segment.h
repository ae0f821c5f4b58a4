/*
 * segment: one WARC file while it is written: DIR/archive/NAME.warc.gz.open, a warcinfo record first, then one
 * gzip member a response.
 *
 * Invariants
 *  1. While it is open its file is locked (flock): an unlocked one has a dead writer, and is sealed by whoever
 *     finds it (seal.h).
 *  2. What lies before segment_bytes() is whole records; a failed append is cut off again at once. A crash may leave
 *     a torn record at the end, never in between.
 *  3. Nothing is durable before the descriptor, and once the directory, have been synced: the owner's work.
 *
 * One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_SEGMENT_H
#define TRAWL_WORKER_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/warc_block.h"

struct segment;

struct segment_config {
    int dir_fd;         /* of the archive */
    const char *name;   /* without suffix */
    const char *crawl;  /* the crawl's name, for warcinfo; may be empty */
    const char *worker; /* likewise */
    const char *user_agent;
    int level; /* of compression */
};

/* What is found unchanged: the record that has the payload (WARC 1.1 section 6.7). */
struct segment_revisit {
    bool not_modified; /* the server said so; else its payload is identical */
    const char *url;
    size_t url_len;
    int64_t at_unix_ms;
    const unsigned char *digest;    /* of the payload; NULL: not known, if the server said so */
    const unsigned char *record_id; /* NULL: not known */
};

/* What a server answered, as received. */
struct segment_response {
    const char *url;
    size_t url_len;
    uint64_t at_unix_ms; /* when it was asked for */
    const uint8_t *address;
    size_t address_len;
    const char *head; /* status line and headers, the empty line included */
    size_t head_len;
    const char *body;
    size_t body_len;
    bool cut;                              /* at the limit on bodies */
    bool unproven;                         /* nothing says that it is all of the body */
    struct warc_block *block;              /* made of head and body already; or NULL */
    const struct segment_revisit *revisit; /* the body is not written, but where it is; or NULL */
};

struct segment_place {
    uint64_t offset, length;  /* of the record's gzip member */
    unsigned char digest[20]; /* SHA-1 of the payload */
    unsigned char record_id[16];
    bool revisit;
};

enum segment_result {
    SEGMENT_OK,
    SEGMENT_AGAIN, /* the disk or its directory refuses: nothing was changed, try again later; `err` */
    SEGMENT_INVALID, /* a response that no record can hold; nothing was changed */
    SEGMENT_FAILED,  /* for good: its end is torn and cannot be cut off, its name is taken; `err` */
};

enum segment_result segment_open(struct segment **s, const struct segment_config *config,
                                 struct error *err);
enum segment_result segment_append(struct segment *s, const struct segment_response *r,
                                   struct segment_place *place, struct error *err);
/* Whether it could be written to again: nothing is changed. */
enum segment_result segment_probe(struct segment *s, struct error *err);
const char *segment_name(const struct segment *s);
uint64_t segment_bytes(const struct segment *s);
/* Its descriptor and the lock on it stay the segment's. */
int segment_fd(const struct segment *s);
/* No more appends: gives back what was needed for them. */
void segment_stop(struct segment *s);
/* Closes the descriptor, and so unlocks the file. NULL is fine. */
void segment_free(struct segment *s);

#endif

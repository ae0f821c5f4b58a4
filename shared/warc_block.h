/*
 * warc_block: the block of a WARC record, made ready: the HTTP header as it is archived, the body behind it, and the digests of
 * both. So that whoever archives can look a payload up by its digest before it is written, and nothing is done twice:
 *
 *     struct warc_block *b = warc_block_new();
 *     if (warc_block_make(b, WARC_WRITE_RESPONSE, head, head_len, body, body_count) == WARC_WRITE_OK)
 *         find(b->payload_digest) ...
 *     record.block = b; warc_write_record(w, &record, &place);      // warc_write.h, which says what becomes of the header
 *
 * Memory: what fits WARC_WRITE_WHOLE_BYTES lies in one piece, with room in front for the record's own header: so it is compressed
 * where it is. Of larger blocks only the HTTP header is copied; the body must stay as it is until the record is written.
 *
 * One owner; different ones may be used by different threads.
 */
#ifndef TRAWL_SHARED_WARC_BLOCK_H
#define TRAWL_SHARED_WARC_BLOCK_H

#include "shared/buf.h"
#include "shared/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WARC_WRITE_WHOLE_BYTES = 4 << 20,   /* bigger blocks are compressed as a stream */
    WARC_BLOCK_FIELDS_BYTES = 64 * 1024 /* what a record's own header may have */
};

enum warc_write_result {
    WARC_WRITE_OK = 0,
    WARC_WRITE_INVALID, /* a value that no WARC field may hold, or no HTTP header block */
    WARC_WRITE_SINK,    /* the sink said no; what it took of this record must be cut off again */
    WARC_WRITE_NO_MEMORY,
    WARC_WRITE_NO_RANDOM /* the system gave no random bytes */
};

enum warc_write_type { WARC_WRITE_RESPONSE, WARC_WRITE_REQUEST, WARC_WRITE_REVISIT };

/* Memory, or a mapped file. */
struct warc_write_piece {
    const void *bytes;
    size_t len;
};

struct warc_block {
    struct buf
        bytes; /* WARC_BLOCK_FIELDS_BYTES that mean nothing, then the head; if `whole`, the body and an empty line */
    size_t head_len;
    const struct warc_write_piece *body; /* as given */
    size_t body_count;
    uint64_t len;                                               /* of head and body */
    bool whole;                                                 /* all of it is in `bytes` */
    uint8_t digest[DIGEST_BYTES], payload_digest[DIGEST_BYTES]; /* of head and body; of the body */
    struct digest *maker;
};

/* NULL: no memory. */
struct warc_block *warc_block_new(void);
void warc_block_free(struct warc_block *b); /* NULL is fine */

/* Of an HTTP message for a record of that type: `head` has its start line and fields; none (0) is for revisits only. What is
 * not WARC_WRITE_OK is INVALID or NO_MEMORY. */
enum warc_write_result warc_block_make(struct warc_block *b, enum warc_write_type type,
                                       const char *head, size_t head_len,
                                       const struct warc_write_piece *body, size_t body_count);
/* Of other text, as it is. */
enum warc_write_result warc_block_make_text(struct warc_block *b, const char *text, size_t len);
/* The head as it is archived, `head_len` bytes. */
const char *warc_block_head(const struct warc_block *b);

#endif

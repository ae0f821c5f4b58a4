/*
 * warc_write: builds WARC/1.1 records, each one a gzip member of its own, and hands the bytes to a sink.
 *
 *     struct warc_write *w = warc_write_new(1, (struct warc_write_sink){.write = ..., .arg = ...});
 *     warc_write_seek(w, 0);                              // a new file begins
 *     warc_write_info(w, date_ms, "x.warc.gz", fields, fields_len, &place);
 *     for each response:
 *         struct warc_write_record r = {.type = WARC_WRITE_RESPONSE, .uri = ..., .head = ..., .body = ...};
 *         if (warc_write_record(w, &r, &place) == WARC_WRITE_OK)
 *             remember(place.offset, place.length, place.payload_digest);
 *     warc_write_free(w);
 *
 * Fields are those of WARC 1.1 §5: WARC-Type, WARC-Record-ID (a random UUID), WARC-Date (RFC 3339 with
 * milliseconds, §5.4), WARC-Target-URI, WARC-IP-Address, WARC-Payload-Digest and WARC-Block-Digest (SHA-1,
 * base32), WARC-Warcinfo-ID (of the warcinfo record that began the file, if it is this writer's), WARC-Truncated,
 * WARC-Profile and WARC-Refers-To-* (§6.7), WARC-Concurrent-To, Content-Type, Content-Length. No value of a field can hold a control character: a record that would need one is refused
 * (WARC_WRITE_INVALID), so nothing that a server sends can add or end a field.
 *
 * The transfer coding. The body is given with any transfer coding undone (libcurl's default), and that is
 * what is stored. WARC 1.1 §6.3.2 says that a response's payload, which WARC-Payload-Digest is made of, is
 * the entity body "with any transfer-encoding removed", and that the block should be the response as it came
 * over the network. Kept chunked, the two pull apart: readers at large, npm's warcio 2.4.11 among them (its
 * WARCSerializer.digestRecord()), make the payload digest of the block behind the header as it stands, and
 * would find every chunked record wrong; warcio's contentReader undoes "chunked" in lower case only, and
 * only together with the content coding. Stored decoded, all readings give the same digest. So that nobody
 * tries to undo it again, the field Transfer-Encoding is stored as X-Crawler-Transfer-Encoding, which is
 * what Common Crawl does. It departs from the standard's "should": chunk sizes, their extensions and
 * trailers are not archived. Content codings (gzip, br ...) stay as received.
 *
 * The HTTP header block is stored as received, but for: that field's name; lines that end in LF alone get
 * CR LF; lines of nothing but white space are dropped; and a response without any field gets one
 * ("X-Crawler-Note: no fields"). A reader that looks for the first CR LF CR LF (warcio does, and reads into
 * the next record when there is none) then finds the end of the header, and only that.
 *
 * Memory: records up to WARC_WRITE_WHOLE_BYTES are gathered and compressed whole (gzip_pack.h). Bigger ones
 * go through zlib's stream in pieces, at a quarter of the speed, with no copy of the body anywhere. In a
 * steady state nothing is allocated, but for a small block that OpenSSL 3 takes for each digest.
 *
 * One owner each; different writers may be used by different threads.
 */
#ifndef TRAWL_SHARED_WARC_WRITE_H
#define TRAWL_SHARED_WARC_WRITE_H

#include "shared/buf.h"
#include "shared/gzip_pack.h"
#include "shared/warc_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WARC_WRITE_LEVEL_DEFAULT = 1,
    WARC_WRITE_LEVEL_MAX = GZIP_PACK_LEVEL_MAX,
    WARC_WRITE_DIGEST_BYTES = DIGEST_BYTES,
    WARC_WRITE_DIGEST_TEXT_SIZE = 5 + 32 + 1, /* "sha1:", base32, NUL */
    WARC_WRITE_ID_BYTES = 16,
    WARC_WRITE_ID_TEXT_SIZE = 11 + 36 + 1 /* "<urn:uuid:", UUID, ">", NUL */
};

/* Takes the file's next bytes. `write` returns false when it could not take all of them. */
struct warc_write_sink {
    bool (*write)(void *arg, const void *bytes, size_t len);
    void *arg;
};

/* Why a body is not whole (WARC-Truncated). */
enum warc_write_truncated {
    WARC_WRITE_WHOLE = 0,
    WARC_WRITE_TRUNCATED_LENGTH,
    WARC_WRITE_TRUNCATED_TIME,
    WARC_WRITE_TRUNCATED_DISCONNECT
};

/* What a revisit found unchanged (§6.7). Of an identical payload whose header block is stored,
 * WARC-Truncated says "length", as §6.7.2 asks. */
enum warc_write_profile { WARC_WRITE_IDENTICAL_PAYLOAD = 0, WARC_WRITE_NOT_MODIFIED };

/* Of a record whose URI is not its URL: the URL, and that of what it refers to. */
#define WARC_WRITE_TARGET_URL "Trawl-Target-URL"
#define WARC_WRITE_REFERS_TO_URL "Trawl-Refers-To-Target-URL"

/* All pointers are the caller's and only read during the call. */
struct warc_write_record {
    enum warc_write_type type;
    const char *
        uri; /* absolute URL; printable ASCII without spaces. The record has its URI (warc_uri.h) */
    size_t uri_len;
    int64_t date_ms; /* Unix time: when the response began; years 1 to 9999 */
    const char *ip;  /* of the server, as text; NULL: not said */

    /* Start line and fields with their line ends, of one message (no "100 Continue" in front, no
     * trailers behind); the empty line at the end may be missing. "HTTP/" begins it unless it is a
     * request's. A revisit may have none (head_len 0), and then has no block. */
    const char *head;
    size_t head_len;
    const struct warc_write_piece *body; /* behind the head, in order; revisits have none */
    size_t body_count;
    enum warc_write_truncated truncated;

    const uint8_t
        *concurrent_to; /* WARC_WRITE_ID_BYTES of a record of the same exchange, or NULL */

    /* Made of that head and body, if that was done already; or NULL. What is in front of its head is overwritten. */
    struct warc_block *block;

    /* Revisits only. WARC_WRITE_DIGEST_BYTES of what was found unchanged, NULL only with NOT_MODIFIED. */
    const uint8_t *payload_digest;
    enum warc_write_profile profile;
    const char *refers_to_uri; /* of the record that holds the payload; NULL: not said */
    size_t refers_to_uri_len;
    int64_t refers_to_date_ms;   /* goes with refers_to_uri */
    const uint8_t *refers_to_id; /* WARC_WRITE_ID_BYTES, or NULL */
};

/* Where a record lies and what it is. */
struct warc_write_place {
    uint64_t offset; /* of its gzip member in the file */
    uint64_t length; /* compressed */
    uint8_t record_id[WARC_WRITE_ID_BYTES];
    /* Of the payload as stored; of a revisit what was given, else zeros. */
    uint8_t payload_digest[WARC_WRITE_DIGEST_BYTES];
};

struct warc_write;

/* `level`: 0 (stored) to WARC_WRITE_LEVEL_MAX (small and slow). NULL: no memory, or no such level. */
struct warc_write *warc_write_new(int level, struct warc_write_sink sink);
void warc_write_free(struct warc_write *w); /* NULL is fine */

/* Where the next record begins: 0 for a new file. It moves by itself with each record written. */
void warc_write_seek(struct warc_write *w, uint64_t offset);
uint64_t warc_write_offset(const struct warc_write *w);

/* The warcinfo record (§6.2) that begins a file. `fields`: "name: value" lines of application/warc-fields
 * (§6.2: software, format, robots, http-header-user-agent ...), made by warc_write_info_field();
 * `filename` becomes WARC-Filename, NULL for none. */
enum warc_write_result warc_write_info(struct warc_write *w, int64_t date_ms, const char *filename,
                                       const char *fields, size_t fields_len,
                                       struct warc_write_place *place);
/* Appends one line; false: control characters in it, or `fields` failed. */
bool warc_write_info_field(struct buf *fields, const char *name, const char *value);

/* Unless WARC_WRITE_OK is returned the offset stays, `place` says nothing, and only WARC_WRITE_SINK may
 * have given bytes to the sink. */
enum warc_write_result warc_write_record(struct warc_write *w, const struct warc_write_record *r,
                                         struct warc_write_place *place);

/* "sha1:BASE32", as in WARC-Payload-Digest. */
void warc_write_digest_text(const uint8_t digest[WARC_WRITE_DIGEST_BYTES],
                            char text[WARC_WRITE_DIGEST_TEXT_SIZE]);
/* "<urn:uuid:...>", as in WARC-Record-ID. */
void warc_write_id_text(const uint8_t id[WARC_WRITE_ID_BYTES], char text[WARC_WRITE_ID_TEXT_SIZE]);
/* "The result is a sink": for people. */
const char *warc_write_result_text(enum warc_write_result result);

#endif

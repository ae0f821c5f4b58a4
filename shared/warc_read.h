/*
 * warc_read: reads WARC files, plain or compressed a record at a time, of any writer. It shares nothing with
 * warc_write, which it checks.
 *
 *     struct warc_read *r = warc_read_new();
 *     warc_read_open_fd(r, fd, 0);
 *     while ((why = warc_read_next(r, &record)) == WARC_READ_RECORD) {
 *         if (strcmp(record->type, "response") == 0 && warc_read_http(r, &head) == WARC_READ_RECORD)
 *             while ((n = warc_read_block(r, &bytes)) > 0)       // the payload as it is stored
 *                 use(bytes, n);
 *         warc_read_finish(r);                                   // now record->length is known
 *     }
 *     // WARC_READ_END, or warc_read_error(r) says what is wrong from warc_read_error_offset(r) on
 *     warc_read_free(r);
 *
 * A record begins where the one before ended (behind empty lines, if there are any): with gzip's magic, or
 * with the line "WARC/" and digits. Tolerated: any letter case in that line, in field names and types; lines
 * that end in LF alone; folded lines (unfolded with one space); lines without a colon (passed over); fields that repeat;
 * gzip headers with extra fields; a missing end of the record; plain and compressed records in one file.
 * What is tolerated shows in the problems of warc_read_finish() and warc_read_check(). A record needs a
 * Content-Length, else nothing is readable from there on. Of a gzip member that holds more than one record
 * the first one is read: WARC 1.1 annex A recommends one record a member.
 *
 * Memory is bounded whatever the file claims: two windows of WARC_READ_WINDOW_BYTES, a header of
 * WARC_READ_HEADER_BYTES, zlib's 40 KiB. No record is ever held whole.
 *
 * One owner each; different readers may be used by different threads. What functions return is valid until
 * the next call with the same reader.
 */
#ifndef TRAWL_SHARED_WARC_READ_H
#define TRAWL_SHARED_WARC_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WARC_READ_WINDOW_BYTES = 64 * 1024,
    WARC_READ_HEADER_BYTES = 64 * 1024, /* of the WARC header; more makes it unreadable */
    WARC_READ_FIELDS = 256,
    WARC_READ_HTTP_BYTES = 512 * 1024, /* of an HTTP header block */
    WARC_READ_TAIL_BYTES = 1 << 30     /* behind a record in its gzip member, when unpacked */
};

enum warc_read_result {
    WARC_READ_RECORD = 0,
    WARC_READ_END,    /* the file is over */
    WARC_READ_BROKEN, /* no record can be read from here on */
    WARC_READ_IO,     /* the source failed; errno is the source's */
    WARC_READ_NO_MEMORY
};

/* What is wrong with a record: bits. The first row is found by warc_read_finish(), the rest only by
 * warc_read_check(). */
enum {
    WARC_READ_CUT_OFF = 1 << 0,  /* the file or the member ends inside the record */
    WARC_READ_BAD_GZIP = 1 << 1, /* the member is damaged: its data, its check sum or its length */
    WARC_READ_BAD_END = 1 << 2,  /* no CR LF CR LF behind the block (WARC 1.1 §4) */
    WARC_READ_MORE_IN_MEMBER = 1 << 3, /* bytes behind the record in its gzip member */
    WARC_READ_BAD_LINE = 1 << 4,       /* in the header: no colon, or LF without CR */

    WARC_READ_BAD_FIELDS = 1 << 5,       /* one is missing, repeated or malformed (§5) */
    WARC_READ_BAD_BLOCK_DIGEST = 1 << 6, /* WARC-Block-Digest is another one's */
    WARC_READ_BAD_PAYLOAD_DIGEST = 1 << 7,
    WARC_READ_BAD_HTTP = 1 << 8, /* application/http without an HTTP header block */
};

/* Gives up to `size` of the file's next bytes: how many, 0 at its end, -1 with errno. */
struct warc_read_source {
    ssize_t (*read)(void *arg, void *bytes, size_t size);
    void *arg;
};

struct warc_read_record {
    uint64_t offset;         /* in the file: of the gzip member or of the line "WARC/..." */
    uint64_t length;         /* as stored, with the CR LF CR LF; 0 until warc_read_finish() */
    uint64_t content_length; /* of the block */
    const char *version;     /* "1.1" */
    const char *type;        /* as written; "" if there is none */
    bool is_gzip;
};

/* The HTTP header block of a record. */
struct warc_read_http {
    const char *head; /* with the empty line at its end */
    size_t head_len;
    int status; /* of a response; 0: a request, or malformed */
};

/* What warc_read_check() found. */
struct warc_read_report {
    unsigned problems;
    int status;             /* HTTP's; 0 if there is none */
    uint64_t payload_bytes; /* without the transfer coding */
    bool payload_checked;   /* a digest was stated in an algorithm that is known, and computed */
    /* A chunked payload's digest is that of the chunked bytes, not that of the payload (WARC 1.1 §6.3.2).
     * Many writers do that; it is no problem by itself. */
    bool payload_digest_is_of_chunks;
};

struct warc_read;

struct warc_read *warc_read_new(void); /* NULL: no memory */
void warc_read_free(struct warc_read *r);

/* Begins to read; whatever was open is forgotten. `offset`: where the source's first byte lies in the file. */
void warc_read_open(struct warc_read *r, struct warc_read_source source, uint64_t offset);
/* A file from `offset` on, with pread(); the descriptor stays the caller's. */
void warc_read_open_fd(struct warc_read *r, int fd, uint64_t offset);
void warc_read_open_bytes(struct warc_read *r, const void *bytes, size_t len);

/* Goes to the next record; what is left of the one before is passed over (warc_read_finish()). */
enum warc_read_result warc_read_next(struct warc_read *r, const struct warc_read_record **record);

/* The value of a field by its name in any letter case, unfolded and trimmed; its first if it repeats;
 * NULL: there is none. */
const char *warc_read_field(const struct warc_read *r, const char *name);
size_t warc_read_field_count(const struct warc_read *r);
void warc_read_field_at(const struct warc_read *r, size_t index, const char **name,
                        const char **value);

/* The block's next bytes, without a copy; 0: it is over, or the file or its data end early (warc_read_finish()
 * says so). */
size_t warc_read_block(struct warc_read *r, const unsigned char **bytes);
/* At the start of a block: reads its HTTP header block; warc_read_block() goes on with the payload.
 * WARC_READ_BROKEN: it has none (then some of the block has been passed over; the record can still be
 * finished). */
enum warc_read_result warc_read_http(struct warc_read *r, struct warc_read_http *http);
/* Whether the header block says that what follows is chunked. */
bool warc_read_http_is_chunked(const struct warc_read_http *http);

/* Passes over the rest of the record and returns its problems; fills the record's `length`. */
unsigned warc_read_finish(struct warc_read *r);
/* The same, and checks all that can be checked; at the start of a block. */
enum warc_read_result warc_read_check(struct warc_read *r, struct warc_read_report *report);

/* What WARC_READ_BROKEN is about, and from where on nothing can be read. */
const char *warc_read_error(const struct warc_read *r);
uint64_t warc_read_error_offset(const struct warc_read *r);
/* For people; `problem` is one bit. */
const char *warc_read_problem_text(unsigned problem);

#endif

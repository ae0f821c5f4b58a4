/*
 * content: undoes the codings of an HTTP body: Content-Encoding for parsing (RFC 9110 §8.4), and the chunked
 * transfer coding (RFC 9112 §7.1) for archives that keep it.
 *
 *     struct buf page;
 *     buf_init(&page, 10 << 20);                        // its cap bounds the output
 *     struct content_info info;
 *     enum content_result why = content_decode("gzip, br", 8, body, body_len, &page, &info);
 *     parse(page.data, page.len);                       // what there is, whatever `why` says
 *
 * Known: gzip and x-gzip (several members in a row), deflate (zlib's format, and the bare stream that some
 * servers send), br, zstd (several frames; a window of at most 8 MiB, RFC 9659), identity; any letter case,
 * at most CONTENT_CODINGS_MAX in one field, the last one undone first. A word that names no coding ("UTF-8",
 * "none") leaves the bytes as they are (Fetch, "handle content codings"); one that names a registered coding which
 * is not known here cannot be undone. What is said to be in a coding and is not stays as it is, too: browsers
 * refuse it, but what the label hides is a page like any other. A coding that is named twice and applied once is one
 * of these.
 *
 * It works in pieces of CONTENT_PIECE_BYTES through all codings at once, so the memory it takes is bounded
 * whatever the input claims: a piece and a decoder a coding (at most 8 MiB for zstd, 16 MiB for br). Bombs
 * end it early (CONTENT_TOO_BIG): the output, or what any coding on the way gives, would be longer than the
 * buffer's cap, or longer than CONTENT_RATIO_FREE_BYTES and CONTENT_RATIO_MAX times the input; or more
 * than CONTENT_MEMBERS_MAX members or frames.
 *
 * Bytes behind the end of a coding are ignored, as browsers do. An empty body is fine in any coding. On any
 * result but CONTENT_UNSUPPORTED `out` holds what could be decoded; of MISLABELLED, the body as it is.
 *
 * Any thread; nothing is kept between calls.
 */
#ifndef TRAWL_SHARED_CONTENT_H
#define TRAWL_SHARED_CONTENT_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONTENT_CODINGS_MAX = 4,
    CONTENT_MEMBERS_MAX = 1000,
    CONTENT_RATIO_MAX = 300,
    CONTENT_RATIO_FREE_BYTES = 1 << 20, /* so much is given whatever the ratio */
    CONTENT_PIECE_BYTES = 32 * 1024,
    CONTENT_CHUNK_LINE_BYTES = 4096 /* of a chunk's size with its extensions, or of a trailer */
};

enum content_result {
    CONTENT_OK = 0,
    CONTENT_TRUNCATED,   /* the input ended too early */
    CONTENT_CORRUPT,     /* not in that coding, or a check sum is wrong */
    CONTENT_TOO_BIG,     /* a bomb, or more than the buffer's cap */
    CONTENT_MISLABELLED, /* in none of the codings that it says: whether it is whole is not known */
    CONTENT_UNSUPPORTED, /* a registered coding that is not known here, or too many; `out` is empty */
    CONTENT_NO_MEMORY
};

struct content_info {
    unsigned codings; /* that had to be undone; 0: the body was as it is */
    unsigned members; /* whole gzip members, zstd frames and other streams */
};

/* `encodings`: the value of Content-Encoding (several fields joined with ','), NULL or empty for none.
 * `out` is emptied first. `info` may be NULL. */
enum content_result content_decode(const char *encodings, size_t encodings_len, const void *in,
                                   size_t in_len, struct buf *out, struct content_info *info);

/* The same of a body that is text: what comes out as a gzip file, because it was packed once more than it says, is
 * unpacked once more. */
enum content_result content_decode_text(const char *encodings, size_t encodings_len, const void *in,
                                        size_t in_len, struct buf *out, struct content_info *info);
/* Whether it begins as a gzip member does (RFC 1952 §2.3). */
bool content_is_gzip(const void *bytes, size_t len);

const char *content_result_text(enum content_result result);

/*
 * The chunked coding, in any pieces, without a copy:
 *
 *     struct content_dechunk d = {0};
 *     while (in_len > 0 && !content_dechunk_done(&d)) {
 *         size_t used = content_dechunk(&d, in, in_len, &data, &data_len);
 *         take(data, data_len);                          // a part of `in`; may be empty
 *         in += used, in_len -= used;
 *     }
 *     // d.is_whole: the last chunk and the trailers came; d.is_corrupt: it is not chunked
 */
struct content_dechunk {
    uint64_t left;   /* of the chunk's data */
    size_t line_len; /* of the line being read */
    int state;       /* its own */
    bool has_digits; /* of the size */
    bool is_whole;   /* came to its end */
    bool is_corrupt; /* a size that is none, or too long a line */
};

/* Takes at least one byte of `in` (in_len > 0) and returns how many. */
size_t content_dechunk(struct content_dechunk *d, const char *in, size_t in_len, const char **data,
                       size_t *data_len);
bool content_dechunk_done(const struct content_dechunk *d); /* whole or corrupt */

#endif

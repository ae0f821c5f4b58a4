#include "shared/content.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { ZSTD_WINDOW_LOG_MAX = 23 };

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };

/* A stage undoes one coding and hands each piece to the next one; the last one fills the caller's
 * buffer.
 *
 *   START --first bytes--> INSIDE --end of stream--> BETWEEN --another member--> INSIDE
 *     |                                                 |
 *     `--not of that coding--> PASS                     `--anything else--> OVER
 */
enum stage_state { STAGE_START, STAGE_INSIDE, STAGE_BETWEEN, STAGE_OVER, STAGE_PASS };

struct stage {
    enum coding coding;
    enum stage_state state;
    unsigned char first[2]; /* bytes kept back until the kind of stream is clear */
    size_t first_len;
    uint64_t given; /* bytes of output */
    union {
        z_stream z;
        BrotliDecoderState *br;
        ZSTD_DStream *zstd;
    } decoder;
    bool has_decoder;
    unsigned char *piece; /* CONTENT_PIECE_BYTES of output */
};

struct pipeline {
    struct stage stages[CONTENT_CODINGS_MAX];
    size_t count;
    uint64_t given_max; /* by the ratio and the buffer's cap */
    unsigned members;
    struct buf *out;
};

static enum content_result push(struct pipeline *p, size_t at, const unsigned char *in, size_t len);

const char *content_result_text(enum content_result result) {
    static const char *const texts[] = {
        [CONTENT_OK] = "decoded",
        [CONTENT_TRUNCATED] = "the body ends too early",
        [CONTENT_CORRUPT] = "the body is damaged",
        [CONTENT_TOO_BIG] = "the body is too big when decoded",
        [CONTENT_MISLABELLED] = "the body is not in the content coding that it says",
        [CONTENT_UNSUPPORTED] = "a content coding that is not supported",
        [CONTENT_NO_MEMORY] = "out of memory",
    };
    return texts[result];
}

/* Which codings. */

static bool is_token(const char *p, size_t len, const char *token) {
    return strlen(token) == len && strncasecmp(p, token, len) == 0;
}

/* Codings that are registered (RFC 9110 §8.4.1, IANA) and not known here. */
static bool is_foreign_coding(const char *token, size_t len) {
    static const char *const foreign[] = {"compress",     "x-compress", "exi", "dcb",
                                          "pack200-gzip", "aes128gcm",  "dcz"};

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (is_token(token, len, foreign[i]))
            return true;
    return false;
}

/* False: what it names cannot be undone. A word that names no coding at all says nothing. */
static bool add_stage(struct pipeline *p, const char *token, size_t len) {
    static const struct {
        const char *token;
        enum coding coding;
    } known[] = {{"gzip", CODING_GZIP},
                 {"x-gzip", CODING_GZIP},
                 {"deflate", CODING_DEFLATE},
                 {"br", CODING_BR},
                 {"zstd", CODING_ZSTD}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!is_token(token, len, known[i].token))
            continue;
        if (p->count == CONTENT_CODINGS_MAX)
            return false;
        p->stages[p->count++] = (struct stage){.coding = known[i].coding};
        return true;
    }
    return !is_foreign_coding(token, len);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

static bool add_stages(struct pipeline *p, const char *encodings, size_t len) {
    for (size_t end = len; end != SIZE_MAX;) {
        size_t start = end, stop = end;
        while (start > 0 && encodings[start - 1] != ',')
            start--;
        end = start > 0 ? start - 1 : SIZE_MAX;
        while (start < stop && is_space(encodings[start]))
            start++;
        while (stop > start && is_space(encodings[stop - 1]))
            stop--;
        if (!add_stage(p, encodings + start, stop - start))
            return false;
    }
    return true;
}

/* The decoders. Each takes what it can of `in`, fills the stage's piece from its start, and says how much
 * of both; `is_end`: its stream is over. */

struct step {
    size_t used, given;
    bool is_end;
};

static bool ready_zlib(struct stage *s, int window_bits) {
    if (s->has_decoder)
        return inflateReset2(&s->decoder.z, window_bits) == Z_OK;
    s->has_decoder = inflateInit2(&s->decoder.z, window_bits) == Z_OK;
    return s->has_decoder;
}

static bool ready_decoder(struct stage *s) {
    if (s->piece == NULL && (s->piece = malloc(CONTENT_PIECE_BYTES)) == NULL)
        return false;
    switch (s->coding) {
    case CODING_GZIP:
        return ready_zlib(s, MAX_WBITS + 16);
    case CODING_DEFLATE: /* RFC 1950 §2.2: method 8, and a multiple of 31 */
        return ready_zlib(s,
                          (s->first[0] & 0x0f) == 8 && (s->first[0] * 256 + s->first[1]) % 31 == 0
                              ? MAX_WBITS
                              : -MAX_WBITS);
    case CODING_BR:
        s->decoder.br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        s->has_decoder = s->decoder.br != NULL;
        return s->has_decoder;
    case CODING_ZSTD:
        if (s->has_decoder)
            return true;
        s->decoder.zstd = ZSTD_createDStream();
        s->has_decoder = s->decoder.zstd != NULL;
        return s->has_decoder && !ZSTD_isError(ZSTD_DCtx_setParameter(
                                     s->decoder.zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX));
    }
    return false;
}

static void release_stage(struct stage *s) {
    if (s->has_decoder && s->coding == CODING_BR)
        BrotliDecoderDestroyInstance(s->decoder.br);
    else if (s->has_decoder && s->coding == CODING_ZSTD)
        ZSTD_freeDStream(s->decoder.zstd);
    else if (s->has_decoder)
        inflateEnd(&s->decoder.z);
    free(s->piece);
}

static enum content_result step_zlib(struct stage *s, const unsigned char *in, size_t len,
                                     struct step *step) {
    z_stream *z = &s->decoder.z;
    uInt part = len < CONTENT_PIECE_BYTES ? (uInt)len : CONTENT_PIECE_BYTES;

    z->next_in = (z_const Bytef *)in;
    z->avail_in = part;
    z->next_out = s->piece;
    z->avail_out = CONTENT_PIECE_BYTES;
    int why = inflate(z, Z_NO_FLUSH);
    step->used = part - z->avail_in;
    step->given = CONTENT_PIECE_BYTES - z->avail_out;
    step->is_end = why == Z_STREAM_END;
    if (why == Z_MEM_ERROR)
        return CONTENT_NO_MEMORY;
    return why == Z_OK || why == Z_STREAM_END || why == Z_BUF_ERROR ? CONTENT_OK : CONTENT_CORRUPT;
}

static enum content_result step_br(struct stage *s, const unsigned char *in, size_t len,
                                   struct step *step) {
    const uint8_t *next_in = in;
    uint8_t *next_out = s->piece;
    size_t avail_in = len, avail_out = CONTENT_PIECE_BYTES;

    BrotliDecoderResult why = BrotliDecoderDecompressStream(s->decoder.br, &avail_in, &next_in,
                                                            &avail_out, &next_out, NULL);
    step->used = len - avail_in;
    step->given = CONTENT_PIECE_BYTES - avail_out;
    step->is_end = why == BROTLI_DECODER_RESULT_SUCCESS;
    if (why != BROTLI_DECODER_RESULT_ERROR)
        return CONTENT_OK;
    /* The codes from ALLOC_CONTEXT_MODES down to ALLOC_BLOCK_TYPE_TREES are lack of memory. */
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(s->decoder.br);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                   code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
               ? CONTENT_NO_MEMORY
               : CONTENT_CORRUPT;
}

static enum content_result step_zstd(struct stage *s, const unsigned char *in, size_t len,
                                     struct step *step) {
    ZSTD_inBuffer input = {in, len, 0};
    ZSTD_outBuffer output = {s->piece, CONTENT_PIECE_BYTES, 0};

    size_t why = ZSTD_decompressStream(s->decoder.zstd, &output, &input);
    step->used = input.pos;
    step->given = output.pos;
    step->is_end = why == 0;
    if (!ZSTD_isError(why))
        return CONTENT_OK;
    return ZSTD_getErrorCode(why) == ZSTD_error_memory_allocation ? CONTENT_NO_MEMORY
                                                                  : CONTENT_CORRUPT;
}

static enum content_result take_step(struct stage *s, const unsigned char *in, size_t len,
                                     struct step *step) {
    switch (s->coding) {
    case CODING_BR:
        return step_br(s, in, len, step);
    case CODING_ZSTD:
        return step_zstd(s, in, len, step);
    default:
        return step_zlib(s, in, len, step);
    }
}

/* The pipeline. */

/* Hands on what the stage gave. */
static enum content_result give(struct pipeline *p, size_t at, size_t len) {
    struct stage *s = &p->stages[at];
    bool is_over = s->given + len > p->given_max;

    if (is_over)
        len = (size_t)(p->given_max - s->given);
    s->given += len;
    enum content_result result = len > 0 ? push(p, at + 1, s->piece, len) : CONTENT_OK;
    return result == CONTENT_OK && is_over ? CONTENT_TOO_BIG : result;
}

/* Feeds the decoder until it wants more than `in` has, or its stream is over. */
static enum content_result run(struct pipeline *p, size_t at, const unsigned char *in, size_t len,
                               size_t *used) {
    struct stage *s = &p->stages[at];
    struct step step;

    *used = 0;
    do {
        enum content_result why = take_step(s, in + *used, len - *used, &step);
        *used += step.used;
        enum content_result result = give(p, at, step.given);
        if (result != CONTENT_OK || why != CONTENT_OK)
            return result != CONTENT_OK ? result : why;
        if (step.is_end) {
            s->state =
                s->coding == CODING_GZIP || s->coding == CODING_ZSTD ? STAGE_BETWEEN : STAGE_OVER;
            s->first_len = 0;
            return ++p->members > CONTENT_MEMBERS_MAX ? CONTENT_TOO_BIG : CONTENT_OK;
        }
    } while (step.given == CONTENT_PIECE_BYTES || (*used < len && step.used + step.given > 0));
    return *used == len ? CONTENT_OK : CONTENT_CORRUPT;
}

/* Bytes of `first` that tell what comes: 2 for gzip's magic and zlib's header, 1 for zstd's (0x28 begins a
 * frame, 0x50 to 0x5f one to skip). */
static bool is_another(const struct stage *s) {
    if (s->coding == CODING_GZIP)
        return s->first[0] == 0x1f && s->first[1] == 0x8b;
    return s->first[0] == 0x28 || (s->first[0] & 0xf0) == 0x50;
}

/* Whether a stream that begins so may be in the coding; the others have nothing to tell by. */
static bool may_begin(const struct stage *s) {
    return (s->coding != CODING_GZIP && s->coding != CODING_ZSTD) || is_another(s);
}

/* Collects the first bytes of a stream, then starts its decoder on them. */
static enum content_result open_stream(struct pipeline *p, size_t at, const unsigned char *in,
                                       size_t len, size_t *used) {
    struct stage *s = &p->stages[at];
    size_t want = s->coding == CODING_GZIP || s->coding == CODING_DEFLATE ? 2 : 1, dummy;

    *used = 0;
    while (s->first_len < want && *used < len)
        s->first[s->first_len++] = in[(*used)++];
    if (s->first_len < want)
        return CONTENT_OK;
    if (s->state == STAGE_BETWEEN && !is_another(s)) {
        s->state = STAGE_OVER;
        return CONTENT_OK;
    }
    if (s->state == STAGE_START && !may_begin(s)) {
        s->state = STAGE_PASS;
        return push(p, at + 1, s->first, want);
    }
    if (!ready_decoder(s))
        return CONTENT_NO_MEMORY;
    s->state = STAGE_INSIDE;
    return run(p, at, s->first, want, &dummy);
}

/* Gives `in` to stage `at`; behind the last one is the caller's buffer. */
static enum content_result push(struct pipeline *p, size_t at, const unsigned char *in,
                                size_t len) {
    enum content_result result = CONTENT_OK;

    if (at == p->count)
        return buf_append(p->out, in, len) ? CONTENT_OK : CONTENT_NO_MEMORY;
    struct stage *s = &p->stages[at];
    while (len > 0 && result == CONTENT_OK && s->state != STAGE_OVER) {
        size_t used = len;
        if (s->state == STAGE_PASS)
            return push(p, at + 1, in, len);
        result = s->state == STAGE_INSIDE ? run(p, at, in, len, &used)
                                          : open_stream(p, at, in, len, &used);
        in += used;
        len -= used;
    }
    return result;
}

/* Whether every coding came to its end; a stage that got nothing has nothing to end. */
static enum content_result end_of_input(const struct pipeline *p) {
    for (size_t i = 0; i < p->count; i++) {
        const struct stage *s = &p->stages[i];
        if (s->state == STAGE_INSIDE || (s->state == STAGE_START && s->first_len > 0))
            return CONTENT_TRUNCATED;
    }
    return CONTENT_OK;
}

static enum content_result copy_as_is(const void *in, size_t len, struct buf *out) {
    bool fits = len <= out->cap_max;

    buf_reset(out);
    if (!buf_append(out, in, fits ? len : out->cap_max))
        return CONTENT_NO_MEMORY;
    return fits ? CONTENT_OK : CONTENT_TOO_BIG;
}

/* Nothing of it is in any of the codings: the label is wrong, not the body. */
static bool is_mislabelled(const struct pipeline *p, enum content_result result) {
    const struct stage *first = &p->stages[0];
    bool passed = true, has_magic = first->coding == CODING_GZIP || first->coding == CODING_ZSTD;

    for (size_t i = 0; i < p->count; i++)
        passed = passed && p->stages[i].state == STAGE_PASS;
    return passed || (result == CONTENT_CORRUPT && !has_magic && first->given == 0);
}

/* What the pipeline gives of the body. */
static enum content_result decode(struct pipeline *p, const void *in, size_t in_len) {
    uint64_t by_ratio = (uint64_t)in_len * CONTENT_RATIO_MAX;

    if (by_ratio < CONTENT_RATIO_FREE_BYTES)
        by_ratio = CONTENT_RATIO_FREE_BYTES;
    p->given_max = by_ratio < p->out->cap_max ? by_ratio : p->out->cap_max;
    enum content_result result = push(p, 0, in, in_len);
    if (result == CONTENT_OK)
        result = end_of_input(p);
    if (in_len == 0 || !is_mislabelled(p, result))
        return result;
    result = copy_as_is(in, in_len, p->out);
    return result == CONTENT_OK ? CONTENT_MISLABELLED : result;
}

enum content_result content_decode(const char *encodings, size_t encodings_len, const void *in,
                                   size_t in_len, struct buf *out, struct content_info *info) {
    struct pipeline p = {.out = out};
    enum content_result result;

    buf_reset(out);
    if (!add_stages(&p, encodings, encodings_len))
        result = CONTENT_UNSUPPORTED;
    else
        result = p.count == 0 ? copy_as_is(in, in_len, out) : decode(&p, in, in_len);
    for (size_t i = 0; i < p.count; i++)
        release_stage(&p.stages[i]);
    if (info != NULL)
        *info = (struct content_info){.codings = (unsigned)p.count, .members = p.members};
    return result;
}

enum content_result content_decode_text(const char *encodings, size_t encodings_len, const void *in,
                                        size_t in_len, struct buf *out, struct content_info *info) {
    enum content_result result = content_decode(encodings, encodings_len, in, in_len, out, info);
    struct buf more;

    if (result != CONTENT_OK || !content_is_gzip(out->data, out->len))
        return result;
    buf_init(&more, encodings_len + 16);
    buf_append_str(&more, "gzip,");
    buf_append(&more, encodings, encodings_len);
    result = more.failed ? CONTENT_NO_MEMORY
                         : content_decode(more.data, more.len, in, in_len, out, info);
    buf_release(&more);
    return result;
}

bool content_is_gzip(const void *bytes, size_t len) {
    const unsigned char *p = bytes;

    return len >= 10 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8 && (p[3] & 0xe0) == 0;
}

/* The chunked coding.
 *
 *   SIZE --';' or space--> EXTENSION
 *     `-------LF------------`--> DATA --all of it--> DATA_END --LF--> SIZE
 *                            `--size 0--> TRAILER --empty line--> is_whole
 */
enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void end_of_size(struct content_dechunk *d) {
    if (!d->has_digits)
        d->is_corrupt = true;
    d->state = d->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
    d->has_digits = false;
    d->line_len = 0;
}

static void take_size(struct content_dechunk *d, char c) {
    int digit = hex_digit(c);

    if (c == '\n') {
        end_of_size(d);
    } else if (digit >= 0) {
        if (d->left >> 59 != 0)
            d->is_corrupt = true;
        d->left = d->left << 4 | (uint64_t)digit;
        d->has_digits = true;
    } else if (c == ';' || c == ' ' || c == '\t' || c == '\r') {
        d->state = CHUNK_EXTENSION;
    } else {
        d->is_corrupt = true;
    }
}

/* A byte that is not data. */
static void take_frame(struct content_dechunk *d, char c) {
    if (++d->line_len > CONTENT_CHUNK_LINE_BYTES)
        d->is_corrupt = true;
    switch (d->state) {
    case CHUNK_SIZE:
        take_size(d, c);
        break;
    case CHUNK_EXTENSION:
        if (c == '\n')
            end_of_size(d);
        break;
    case CHUNK_DATA_END:
        if (c == '\n') {
            d->state = CHUNK_SIZE;
            d->line_len = 0;
        } else if (c != '\r') {
            d->is_corrupt = true;
        }
        break;
    default: /* CHUNK_TRAILER: line_len counts what is not CR */
        if (c == '\r') {
            d->line_len--;
        } else if (c == '\n') {
            d->is_whole = d->line_len == 1;
            d->line_len = 0;
        }
    }
}

size_t content_dechunk(struct content_dechunk *d, const char *in, size_t in_len, const char **data,
                       size_t *data_len) {
    size_t used = 0;

    *data = in;
    *data_len = 0;
    while (used < in_len && d->state != CHUNK_DATA && !content_dechunk_done(d))
        take_frame(d, in[used++]);
    if (d->state == CHUNK_DATA && !d->is_corrupt) {
        size_t n = in_len - used;
        if (n > d->left)
            n = (size_t)d->left;
        *data = in + used;
        *data_len = n;
        d->left -= n;
        used += n;
        if (d->left == 0)
            d->state = CHUNK_DATA_END;
    }
    return used;
}

bool content_dechunk_done(const struct content_dechunk *d) {
    return d->is_whole || d->is_corrupt;
}

#include "shared/warc_write.h"

#include "shared/cost.h"
#include "shared/gzip_pack.h"
#include "shared/limits.h"
#include "shared/utc.h"
#include "shared/warc_uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

enum {
    RANDOM_BYTES =
        256 * WARC_WRITE_ID_BYTES, /* 256 is what getrandom() never cuts short; so in parts */
    RANDOM_PART_BYTES = 256,
    STREAM_BYTES = 64 * 1024, /* of zlib's output at a time */
    INPUT_PART_BYTES = 1 << 30,
    END_BYTES = 4,      /* the empty line behind a block */
    FIELDS_ROOM = 2048, /* for what a record has beside its URLs */
    ZLIB_MEMORY_LEVEL = 8
};

static const int64_t date_ms_min = -62135596800000; /* 0001-01-01T00:00:00.000Z */
static const int64_t date_ms_max = 253402300799999; /* 9999-12-31T23:59:59.999Z */

struct warc_write {
    struct warc_write_sink sink;
    uint64_t offset;
    int level;
    bool has_info; /* the file began with a warcinfo record of this writer */
    uint8_t info_id[WARC_WRITE_ID_BYTES];

    struct buf fields;        /* the WARC header of the record being written */
    struct warc_block *block; /* of records that come without */
    struct buf packed;        /* the gzip member */
    struct gzip_pack *pack;

    z_stream stream; /* for big records; made when the first one comes */
    bool has_stream;
    unsigned char *stream_out; /* STREAM_BYTES */

    uint8_t random[RANDOM_BYTES];
    size_t random_used;
};

struct warc_write *warc_write_new(int level, struct warc_write_sink sink) {
    if (level < 0 || level > WARC_WRITE_LEVEL_MAX)
        return NULL;
    struct warc_write *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->sink = sink;
    w->level = level;
    w->random_used = sizeof w->random;
    buf_init(&w->fields, WARC_BLOCK_FIELDS_BYTES);
    w->block = warc_block_new();
    w->pack = gzip_pack_new(level);
    if (w->pack != NULL)
        buf_init(&w->packed, gzip_pack_bound(w->pack, (size_t)WARC_BLOCK_FIELDS_BYTES +
                                                          WARC_WRITE_WHOLE_BYTES + END_BYTES));
    if (w->pack == NULL || w->block == NULL) {
        warc_write_free(w);
        return NULL;
    }
    return w;
}

void warc_write_free(struct warc_write *w) {
    if (w == NULL)
        return;
    if (w->has_stream)
        deflateEnd(&w->stream);
    free(w->stream_out);
    gzip_pack_free(w->pack);
    warc_block_free(w->block);
    buf_release(&w->packed);
    buf_release(&w->fields);
    free(w);
}

void warc_write_seek(struct warc_write *w, uint64_t offset) {
    w->offset = offset;
    if (offset == 0)
        w->has_info = false;
}

uint64_t warc_write_offset(const struct warc_write *w) {
    return w->offset;
}

/* Texts. */

static void base32(const uint8_t *in, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    for (size_t i = 0; i < WARC_WRITE_DIGEST_BYTES; i += 5, out += 8) {
        uint64_t bits = 0;
        for (size_t k = 0; k < 5; k++)
            bits = bits << 8 | in[i + k];
        for (size_t k = 0; k < 8; k++)
            out[k] = digits[bits >> (35 - 5 * k) & 31];
    }
}

void warc_write_digest_text(const uint8_t digest[WARC_WRITE_DIGEST_BYTES],
                            char text[WARC_WRITE_DIGEST_TEXT_SIZE]) {
    memcpy(text, "sha1:", 5);
    base32(digest, text + 5);
    text[WARC_WRITE_DIGEST_TEXT_SIZE - 1] = '\0';
}

void warc_write_id_text(const uint8_t id[WARC_WRITE_ID_BYTES], char text[WARC_WRITE_ID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    char *out = text + 10;

    memcpy(text, "<urn:uuid:", 10);
    for (size_t i = 0; i < WARC_WRITE_ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out++ = '>';
    *out = '\0';
}

const char *warc_write_result_text(enum warc_write_result result) {
    static const char *const texts[] = {
        [WARC_WRITE_OK] = "written",
        [WARC_WRITE_INVALID] = "not fit for a WARC record",
        [WARC_WRITE_SINK] = "the file could not be written",
        [WARC_WRITE_NO_MEMORY] = "out of memory",
        [WARC_WRITE_NO_RANDOM] = "no random bytes",
    };
    return texts[result];
}

/* What a field may hold. */

static bool is_value(const char *value, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_uri(const char *uri, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (uri[i] <= ' ' || uri[i] >= 0x7f)
            return false;
    return len > 0 && len <= LIMIT_URL_BYTES;
}

static bool is_address(const char *ip) {
    size_t len = strlen(ip);

    return len > 0 && len <= 45 && strspn(ip, "0123456789abcdefABCDEF.:") == len;
}

static bool is_date(int64_t date_ms) {
    return date_ms >= date_ms_min && date_ms <= date_ms_max;
}

static bool is_record(const struct warc_write_record *r) {
    if (!is_uri(r->uri, r->uri_len) || !is_date(r->date_ms))
        return false;
    if (r->ip != NULL && !is_address(r->ip))
        return false;
    if (r->type != WARC_WRITE_REVISIT)
        return r->head_len > 0;
    if (r->body_count > 0)
        return false;
    if (r->payload_digest == NULL && r->profile == WARC_WRITE_IDENTICAL_PAYLOAD)
        return false;
    return r->refers_to_uri == NULL ||
           (is_uri(r->refers_to_uri, r->refers_to_uri_len) && is_date(r->refers_to_date_ms));
}

bool warc_write_info_field(struct buf *fields, const char *name, const char *value) {
    size_t name_len = strlen(name);

    if (name_len == 0 || strcspn(name, ": \t") != name_len || !is_value(name, name_len) ||
        !is_value(value, strlen(value)))
        return false;
    return buf_append(fields, name, name_len) && buf_append(fields, ": ", 2) &&
           buf_append_str(fields, value) && buf_append(fields, "\r\n", 2);
}

/* The header of the record. */

static bool new_id(struct warc_write *w, uint8_t id[WARC_WRITE_ID_BYTES]) {
    if (w->random_used == sizeof w->random) {
        for (size_t at = 0; at < sizeof w->random; at += RANDOM_PART_BYTES)
            if (getrandom(w->random + at, RANDOM_PART_BYTES, 0) != RANDOM_PART_BYTES)
                return false;
        w->random_used = 0;
    }
    memcpy(id, w->random + w->random_used, WARC_WRITE_ID_BYTES);
    w->random_used += WARC_WRITE_ID_BYTES;
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122 §4.4: version 4 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    return true;
}

static void add_field(struct warc_write *w, const char *name, const char *value, size_t len) {
    buf_append_str(&w->fields, name);
    buf_append(&w->fields, ": ", 2);
    buf_append(&w->fields, value, len);
    buf_append(&w->fields, "\r\n", 2);
}

/* A URL as the URI that it is, and as it is if that is another: readers other than ours pass over the second field. Where there is
 * no room for that, as for URLs of the largest size that are escapes throughout, it is left out. */
static void add_url(struct warc_write *w, const char *name, const char *url_name, const char *url,
                    size_t len) {
    buf_append_str(&w->fields, name);
    buf_append(&w->fields, ": ", 2);
    warc_uri_append(&w->fields, url, len);
    buf_append(&w->fields, "\r\n", 2);
    if (!warc_uri_is(url, len) && w->fields.len + len + FIELDS_ROOM < w->fields.cap_max)
        add_field(w, url_name, url, len);
}

static void add_text(struct warc_write *w, const char *name, const char *value) {
    add_field(w, name, value, strlen(value));
}

static void add_date(struct warc_write *w, const char *name, int64_t date_ms) {
    char text[UTC_RFC3339_SIZE];

    utc_rfc3339(date_ms, text);
    add_text(w, name, text);
}

static void add_id(struct warc_write *w, const char *name, const uint8_t *id) {
    char text[WARC_WRITE_ID_TEXT_SIZE];

    warc_write_id_text(id, text);
    add_field(w, name, text, sizeof text - 1);
}

static void add_digest(struct warc_write *w, const char *name, const uint8_t *digest) {
    char text[WARC_WRITE_DIGEST_TEXT_SIZE];

    warc_write_digest_text(digest, text);
    add_field(w, name, text, sizeof text - 1);
}

static bool begin_fields(struct warc_write *w, const char *type, int64_t date_ms,
                         struct warc_write_place *place) {
    *place = (struct warc_write_place){.offset = w->offset};
    if (!new_id(w, place->record_id))
        return false;
    buf_reset(&w->fields);
    buf_append_str(&w->fields, "WARC/1.1\r\n");
    add_text(w, "WARC-Type", type);
    add_id(w, "WARC-Record-ID", place->record_id);
    add_date(w, "WARC-Date", date_ms);
    return true;
}

static void end_fields(struct warc_write *w, const char *content_type, uint64_t block_len) {
    char text[24];

    add_text(w, "Content-Type", content_type);
    snprintf(text, sizeof text, "%llu", (unsigned long long)block_len);
    add_text(w, "Content-Length", text);
    buf_append(&w->fields, "\r\n", 2);
}

static void add_revisit(struct warc_write *w, const struct warc_write_record *r) {
    add_text(w, "WARC-Profile",
             r->profile == WARC_WRITE_NOT_MODIFIED
                 ? "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
                 : "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest");
    if (r->refers_to_id != NULL)
        add_id(w, "WARC-Refers-To", r->refers_to_id);
    if (r->refers_to_uri != NULL) {
        add_url(w, "WARC-Refers-To-Target-URI", WARC_WRITE_REFERS_TO_URL, r->refers_to_uri,
                r->refers_to_uri_len);
        add_date(w, "WARC-Refers-To-Date", r->refers_to_date_ms);
    }
}

/* Compression. */

static enum warc_write_result put(struct warc_write *w, const void *bytes, size_t len,
                                  struct warc_write_place *place) {
    enum cost_stage was = cost_enter(COST_WRITE);
    bool written = w->sink.write(w->sink.arg, bytes, len);

    cost_enter(was);
    if (!written)
        return WARC_WRITE_SINK;
    place->length += len;
    return WARC_WRITE_OK;
}

/* The record's header goes right in front of its block. */
static enum warc_write_result pack_whole(struct warc_write *w, struct warc_block *b,
                                         struct warc_write_place *place) {
    char *record = b->bytes.data + WARC_BLOCK_FIELDS_BYTES - w->fields.len;
    size_t record_len = w->fields.len + (size_t)b->len + END_BYTES;
    size_t bound = gzip_pack_bound(w->pack, record_len);

    memcpy(record, w->fields.data, w->fields.len);
    buf_reset(&w->packed);
    if (!buf_reserve(&w->packed, bound))
        return WARC_WRITE_NO_MEMORY;
    size_t len = gzip_pack(w->pack, record, record_len, w->packed.data, bound);
    return len == 0 ? WARC_WRITE_NO_MEMORY : put(w, w->packed.data, len, place);
}

static bool ready_stream(struct warc_write *w) {
    if (w->stream_out == NULL && (w->stream_out = malloc(STREAM_BYTES)) == NULL)
        return false;
    if (w->has_stream)
        return deflateReset(&w->stream) == Z_OK;
    int level = w->level > Z_BEST_COMPRESSION ? Z_BEST_COMPRESSION : w->level;
    w->has_stream = deflateInit2(&w->stream, level, Z_DEFLATED, MAX_WBITS + 16, ZLIB_MEMORY_LEVEL,
                                 Z_DEFAULT_STRATEGY) == Z_OK;
    return w->has_stream;
}

/* Gives the stream all of `bytes`; `is_end`: they are the last. */
static enum warc_write_result pack_part(struct warc_write *w, const void *bytes, size_t len,
                                        bool is_end, struct warc_write_place *place) {
    const unsigned char *at = bytes;
    bool is_last;

    do {
        size_t part = len < INPUT_PART_BYTES ? len : INPUT_PART_BYTES;
        is_last = is_end && part == len;
        w->stream.next_in = (z_const Bytef *)at;
        w->stream.avail_in = (uInt)part;
        do {
            w->stream.next_out = w->stream_out;
            w->stream.avail_out = STREAM_BYTES;
            if (deflate(&w->stream, is_last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
                return WARC_WRITE_NO_MEMORY;
            enum warc_write_result result =
                put(w, w->stream_out, STREAM_BYTES - w->stream.avail_out, place);
            if (result != WARC_WRITE_OK)
                return result;
        } while (w->stream.avail_out == 0);
        at += part;
        len -= part;
    } while (len > 0);
    return WARC_WRITE_OK;
}

static enum warc_write_result pack_stream(struct warc_write *w, const struct warc_block *b,
                                          struct warc_write_place *place) {
    if (!ready_stream(w))
        return WARC_WRITE_NO_MEMORY;
    enum warc_write_result result = pack_part(w, w->fields.data, w->fields.len, false, place);
    if (result == WARC_WRITE_OK && b->head_len > 0)
        result = pack_part(w, warc_block_head(b), b->head_len, false, place);
    for (size_t i = 0; result == WARC_WRITE_OK && i < b->body_count; i++)
        if (b->body[i].len > 0)
            result = pack_part(w, b->body[i].bytes, b->body[i].len, false, place);
    return result != WARC_WRITE_OK ? result : pack_part(w, "\r\n\r\n", END_BYTES, true, place);
}

static enum warc_write_result pack(struct warc_write *w, struct warc_block *b,
                                   struct warc_write_place *place) {
    if (w->fields.failed)
        return WARC_WRITE_NO_MEMORY;
    enum cost_stage was = cost_enter(COST_COMPRESS);
    enum warc_write_result result = b->whole ? pack_whole(w, b, place) : pack_stream(w, b, place);
    cost_enter(was);
    if (result == WARC_WRITE_OK)
        w->offset += place->length;
    return result;
}

/* Records. */

enum warc_write_result warc_write_info(struct warc_write *w, int64_t date_ms, const char *filename,
                                       const char *fields, size_t fields_len,
                                       struct warc_write_place *place) {
    enum warc_write_result result;

    if (!is_date(date_ms) || (filename != NULL && !is_value(filename, strlen(filename))))
        return WARC_WRITE_INVALID;
    if (!begin_fields(w, "warcinfo", date_ms, place))
        return WARC_WRITE_NO_RANDOM;
    if ((result = warc_block_make_text(w->block, fields, fields_len)) != WARC_WRITE_OK)
        return result;
    if (filename != NULL)
        add_text(w, "WARC-Filename", filename);
    add_digest(w, "WARC-Block-Digest", w->block->digest);
    end_fields(w, "application/warc-fields", w->block->len);
    result = pack(w, w->block, place);
    w->has_info = result == WARC_WRITE_OK;
    memcpy(w->info_id, place->record_id, sizeof w->info_id);
    return result;
}

static enum warc_write_result describe(struct warc_write *w, const struct warc_write_record *r,
                                       const struct warc_block *b, struct warc_write_place *place) {
    static const char *const types[] = {[WARC_WRITE_RESPONSE] = "response",
                                        [WARC_WRITE_REQUEST] = "request",
                                        [WARC_WRITE_REVISIT] = "revisit"};
    static const char *const reasons[] = {[WARC_WRITE_TRUNCATED_LENGTH] = "length",
                                          [WARC_WRITE_TRUNCATED_TIME] = "time",
                                          [WARC_WRITE_TRUNCATED_DISCONNECT] = "disconnect"};
    bool is_revisit = r->type == WARC_WRITE_REVISIT;

    if (!begin_fields(w, types[r->type], r->date_ms, place))
        return WARC_WRITE_NO_RANDOM;
    const uint8_t *payload = is_revisit ? r->payload_digest : b->payload_digest;
    if (payload != NULL)
        memcpy(place->payload_digest, payload, sizeof place->payload_digest);

    add_url(w, "WARC-Target-URI", WARC_WRITE_TARGET_URL, r->uri, r->uri_len);
    if (r->ip != NULL)
        add_text(w, "WARC-IP-Address", r->ip);
    if (r->concurrent_to != NULL)
        add_id(w, "WARC-Concurrent-To", r->concurrent_to);
    if (w->has_info)
        add_id(w, "WARC-Warcinfo-ID", w->info_id);
    if (is_revisit)
        add_revisit(w, r);
    if (payload != NULL)
        add_digest(w, "WARC-Payload-Digest", payload);
    add_digest(w, "WARC-Block-Digest", b->digest);
    if (r->truncated != WARC_WRITE_WHOLE)
        add_text(w, "WARC-Truncated", reasons[r->truncated]);
    else if (is_revisit && r->profile == WARC_WRITE_IDENTICAL_PAYLOAD && b->len > 0)
        add_text(w, "WARC-Truncated", "length");
    end_fields(w,
               r->type == WARC_WRITE_REQUEST ? "application/http; msgtype=request"
                                             : "application/http; msgtype=response",
               b->len);
    return WARC_WRITE_OK;
}

enum warc_write_result warc_write_record(struct warc_write *w, const struct warc_write_record *r,
                                         struct warc_write_place *place) {
    if (!is_record(r))
        return WARC_WRITE_INVALID;
    struct warc_block *b = r->type == WARC_WRITE_REVISIT ? NULL : r->block;
    enum warc_write_result result = WARC_WRITE_OK;
    if (b == NULL) {
        b = w->block;
        result = warc_block_make(b, r->type, r->head, r->head_len, r->body, r->body_count);
    }
    if (result == WARC_WRITE_OK)
        result = describe(w, r, b, place);
    return result != WARC_WRITE_OK ? result : pack(w, b, place);
}

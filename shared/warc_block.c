#include "shared/warc_block.h"

#include "shared/cost.h"
#include "shared/limits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES_MAX = 2 * LIMIT_HEADER_BYTES };

static const char record_end[] = "\r\n\r\n";

struct warc_block *warc_block_new(void) {
    struct warc_block *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    buf_init(&b->bytes, (size_t)WARC_BLOCK_FIELDS_BYTES + HEAD_BYTES_MAX + WARC_WRITE_WHOLE_BYTES +
                            sizeof record_end);
    b->maker = digest_new();
    if (b->maker != NULL)
        return b;
    warc_block_free(b);
    return NULL;
}

void warc_block_free(struct warc_block *b) {
    if (b == NULL)
        return;
    digest_free(b->maker);
    buf_release(&b->bytes);
    free(b);
}

const char *warc_block_head(const struct warc_block *b) {
    return b->bytes.data + WARC_BLOCK_FIELDS_BYTES;
}

/* The HTTP header block. */

static bool is_blank(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\v' &&
            line[i] != '\f')
            return false;
    return true;
}

static bool is_transfer_encoding(const char *line, size_t len) {
    static const char name[] = "transfer-encoding";
    size_t name_len = sizeof name - 1;

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return false;
    while (name_len < len && (line[name_len] == ' ' || line[name_len] == '\t'))
        name_len++;
    return name_len < len && line[name_len] == ':';
}

static void add_line(struct warc_block *b, enum warc_write_type type, const char *line,
                     size_t len) {
    if (type == WARC_WRITE_RESPONSE && is_transfer_encoding(line, len))
        buf_append_str(&b->bytes, "X-Crawler-");
    buf_append(&b->bytes, line, len);
    buf_append(&b->bytes, "\r\n", 2);
}

/* What the server sent, made regular as warc_write.h says. */
static enum warc_write_result add_head(struct warc_block *b, enum warc_write_type type,
                                       const char *head, size_t head_len) {
    size_t lines = 0;
    bool is_over = false;

    if (type != WARC_WRITE_REQUEST && (head_len < 5 || memcmp(head, "HTTP/", 5) != 0))
        return WARC_WRITE_INVALID;
    for (size_t at = 0; at < head_len;) {
        const char *line = head + at;
        const char *end = memchr(line, '\n', head_len - at);
        size_t len = end != NULL ? (size_t)(end - line) : head_len - at;

        at += len + 1;
        while (len > 0 && line[len - 1] == '\r')
            len--;
        if (is_over || (len == 0 && lines == 0))
            return WARC_WRITE_INVALID;
        if (!is_blank(line, len)) {
            add_line(b, type, line, len);
            lines++;
        }
        is_over = len == 0;
    }
    if (lines == 1)
        buf_append_str(&b->bytes, "X-Crawler-Note: no fields\r\n");
    buf_append(&b->bytes, "\r\n", 2);
    if (b->bytes.failed)
        return head_len > LIMIT_HEADER_BYTES ? WARC_WRITE_INVALID : WARC_WRITE_NO_MEMORY;
    return b->bytes.len - WARC_BLOCK_FIELDS_BYTES > HEAD_BYTES_MAX ? WARC_WRITE_INVALID
                                                                   : WARC_WRITE_OK;
}

/* The whole. */

static bool begin(struct warc_block *b) {
    buf_reset(&b->bytes);
    if (!buf_reserve(&b->bytes, WARC_BLOCK_FIELDS_BYTES))
        return false;
    b->bytes.len = WARC_BLOCK_FIELDS_BYTES;
    return true;
}

static bool digest_pieces(struct warc_block *b) {
    bool ok =
        digest_begin(b->maker) && digest_add(b->maker, warc_block_head(b), b->head_len, false);

    for (size_t i = 0; ok && i < b->body_count; i++)
        ok = digest_add(b->maker, b->body[i].bytes, b->body[i].len, true);
    return ok && digest_end(b->maker, b->digest, b->payload_digest);
}

static bool make_digests(struct warc_block *b) {
    enum cost_stage was = cost_enter(COST_DIGEST);
    bool ok = b->whole ? digest_message(b->maker, warc_block_head(b), (size_t)b->len, b->head_len,
                                        b->digest, b->payload_digest)
                       : digest_pieces(b);

    cost_enter(was);
    return ok;
}

/* The head is there. */
static enum warc_write_result finish(struct warc_block *b, const struct warc_write_piece *body,
                                     size_t body_count) {
    b->head_len = b->bytes.len - WARC_BLOCK_FIELDS_BYTES;
    b->body = body;
    b->body_count = body_count;
    b->len = b->head_len;
    for (size_t i = 0; i < body_count; i++)
        b->len += body[i].len;
    b->whole = b->len <= WARC_WRITE_WHOLE_BYTES;
    if (b->whole) {
        if (!buf_reserve(&b->bytes, (size_t)b->len - b->head_len + sizeof record_end))
            return WARC_WRITE_NO_MEMORY;
        for (size_t i = 0; i < body_count; i++)
            buf_append(&b->bytes, body[i].bytes, body[i].len);
        buf_append_str(&b->bytes, record_end);
    }
    return make_digests(b) ? WARC_WRITE_OK : WARC_WRITE_NO_MEMORY;
}

enum warc_write_result warc_block_make(struct warc_block *b, enum warc_write_type type,
                                       const char *head, size_t head_len,
                                       const struct warc_write_piece *body, size_t body_count) {
    enum warc_write_result result = WARC_WRITE_OK;

    if (!begin(b))
        return WARC_WRITE_NO_MEMORY;
    if (head_len > 0 || type != WARC_WRITE_REVISIT)
        result = add_head(b, type, head, head_len);
    return result != WARC_WRITE_OK ? result : finish(b, body, body_count);
}

enum warc_write_result warc_block_make_text(struct warc_block *b, const char *text, size_t len) {
    if (!begin(b) || !buf_append(&b->bytes, text, len))
        return WARC_WRITE_NO_MEMORY;
    return finish(b, NULL, 0);
}

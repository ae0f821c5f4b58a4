/*
 * Three layers: the window on the file (`in`), the bytes of the record's member (`out`, or `in` itself where
 * nothing is compressed), and the record. Each reads only through the one below.
 */
#include "shared/warc_read.h"

#include "shared/buf.h"
#include "shared/content.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

enum { LINE_BYTES_MAX = WARC_READ_HEADER_BYTES, EMPTY_LINES_MAX = 4096 };

enum state { STATE_BETWEEN, STATE_BLOCK, STATE_FAILED };

struct field {
    size_t name_at, value_at; /* in `text` */
};

struct warc_read {
    struct warc_read_source source;
    int fd; /* for warc_read_open_fd() */
    uint64_t fd_offset;
    const unsigned char *memory; /* for warc_read_open_bytes() */
    size_t memory_left;

    unsigned char in[WARC_READ_WINDOW_BYTES];
    size_t in_at, in_len;
    uint64_t in_offset; /* in the file, of in[0] */
    bool in_failed;

    bool is_gzip, member_over, member_damaged, member_cut;
    z_stream z;
    bool has_z;
    unsigned char out[WARC_READ_WINDOW_BYTES];
    size_t out_at, out_len;

    enum state state;
    enum warc_read_result failure; /* in STATE_FAILED */
    const char *error;
    uint64_t error_offset;
    struct warc_read_record record;
    uint64_t block_left;
    unsigned problems;

    struct buf text; /* version, then names and values of the fields, each with a NUL */
    struct buf line, http;
    bool no_memory; /* else what failed to fit was too long */
    struct field fields[WARC_READ_FIELDS];
    size_t field_count;
};

struct warc_read *warc_read_new(void) {
    struct warc_read *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    buf_init(&r->text, WARC_READ_HEADER_BYTES);
    buf_init(&r->line, LINE_BYTES_MAX);
    buf_init(&r->http, WARC_READ_HTTP_BYTES);
    r->has_z = inflateInit2(&r->z, MAX_WBITS + 16) == Z_OK;
    if (!r->has_z) {
        warc_read_free(r);
        return NULL;
    }
    return r;
}

void warc_read_free(struct warc_read *r) {
    if (r == NULL)
        return;
    if (r->has_z)
        inflateEnd(&r->z);
    buf_release(&r->http);
    buf_release(&r->line);
    buf_release(&r->text);
    free(r);
}

void warc_read_open(struct warc_read *r, struct warc_read_source source, uint64_t offset) {
    r->source = source;
    r->in_at = r->in_len = r->out_at = r->out_len = 0;
    r->in_offset = offset;
    r->in_failed = false;
    r->state = STATE_BETWEEN;
    r->error = NULL;
    r->field_count = 0;
}

static ssize_t read_fd(void *arg, void *bytes, size_t size) {
    struct warc_read *r = arg;
    ssize_t n = pread(r->fd, bytes, size, (off_t)r->fd_offset);

    if (n > 0)
        r->fd_offset += (uint64_t)n;
    return n;
}

void warc_read_open_fd(struct warc_read *r, int fd, uint64_t offset) {
    r->fd = fd;
    r->fd_offset = offset;
    warc_read_open(r, (struct warc_read_source){.read = read_fd, .arg = r}, offset);
}

static ssize_t read_memory(void *arg, void *bytes, size_t size) {
    struct warc_read *r = arg;
    size_t n = size < r->memory_left ? size : r->memory_left;

    if (n > 0)
        memcpy(bytes, r->memory, n);
    r->memory += n;
    r->memory_left -= n;
    return (ssize_t)n;
}

void warc_read_open_bytes(struct warc_read *r, const void *bytes, size_t len) {
    r->memory = bytes;
    r->memory_left = len;
    warc_read_open(r, (struct warc_read_source){.read = read_memory, .arg = r}, 0);
}

/* The window on the file. */

/* Has at least `want` bytes ready, or all that are left. */
static size_t file_peek(struct warc_read *r, size_t want, const unsigned char **bytes) {
    if (r->in_len - r->in_at < want && r->in_at > 0) {
        memmove(r->in, r->in + r->in_at, r->in_len - r->in_at);
        r->in_offset += r->in_at;
        r->in_len -= r->in_at;
        r->in_at = 0;
    }
    while (r->in_len - r->in_at < want && !r->in_failed) {
        ssize_t n = r->source.read(r->source.arg, r->in + r->in_len, sizeof r->in - r->in_len);
        if (n < 0)
            r->in_failed = true;
        if (n <= 0)
            break;
        r->in_len += (size_t)n;
    }
    *bytes = r->in + r->in_at;
    return r->in_len - r->in_at;
}

static uint64_t file_offset(const struct warc_read *r) {
    return r->in_offset + r->in_at;
}

/* The bytes of a member. */

/* More of them, until some come out or the member is over. */
static void unpack(struct warc_read *r) {
    const unsigned char *bytes;

    r->out_at = r->out_len = 0;
    while (r->out_len == 0 && !r->member_over && !r->member_damaged) {
        size_t n = file_peek(r, 1, &bytes);
        if (n == 0) {
            r->member_damaged = r->member_cut = true;
            return;
        }
        r->z.next_in = (z_const Bytef *)bytes;
        r->z.avail_in = (uInt)n;
        r->z.next_out = r->out;
        r->z.avail_out = sizeof r->out;
        int why = inflate(&r->z, Z_NO_FLUSH);
        r->in_at += n - r->z.avail_in;
        r->out_len = sizeof r->out - r->z.avail_out;
        r->member_over = why == Z_STREAM_END;
        r->member_damaged = why != Z_STREAM_END && why != Z_OK && why != Z_BUF_ERROR;
        r->no_memory = r->no_memory || why == Z_MEM_ERROR;
    }
}

/* The next bytes that are ready; 0: the member or the file is over, or damaged. */
static size_t peek(struct warc_read *r, const unsigned char **bytes) {
    if (!r->is_gzip)
        return file_peek(r, 1, bytes);
    if (r->out_at == r->out_len)
        unpack(r);
    *bytes = r->out + r->out_at;
    return r->out_len - r->out_at;
}

static void consume(struct warc_read *r, size_t n) {
    if (r->is_gzip)
        r->out_at += n;
    else
        r->in_at += n;
}

/* The header. */

static enum warc_read_result fail(struct warc_read *r, const char *error) {
    r->state = STATE_FAILED;
    r->error = error;
    r->failure = r->in_failed ? WARC_READ_IO : WARC_READ_BROKEN;
    return r->failure;
}

static enum warc_read_result fail_no_memory(struct warc_read *r) {
    r->state = STATE_FAILED;
    r->error = "out of memory";
    return r->failure = WARC_READ_NO_MEMORY;
}

static bool append(struct warc_read *r, struct buf *to, const void *bytes, size_t len) {
    if (len > to->cap_max - to->len)
        return false;
    if (!buf_append(to, bytes, len))
        r->no_memory = true;
    return !to->failed;
}

/* Reads up to and with the next LF into r->line, without the line's end. False: there is none, or it is
 * too long. */
static bool read_line(struct warc_read *r) {
    const unsigned char *bytes;
    size_t n;

    buf_reset(&r->line);
    while ((n = peek(r, &bytes)) > 0) {
        const unsigned char *end = memchr(bytes, '\n', n);
        size_t take = end != NULL ? (size_t)(end - bytes) : n;
        if (!append(r, &r->line, bytes, take))
            return false;
        consume(r, end != NULL ? take + 1 : take);
        if (end == NULL)
            continue;
        if (r->line.len > 0 && r->line.data[r->line.len - 1] == '\r')
            r->line.data[--r->line.len] = '\0';
        else
            r->problems |= WARC_READ_BAD_LINE;
        return true;
    }
    return false;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void trim(const char **p, size_t *len) {
    while (*len > 0 && is_space((*p)[*len - 1]))
        --*len;
    while (*len > 0 && is_space(**p)) {
        ++*p;
        --*len;
    }
}

/* "WARC/" and the version; sets record.version. */
static bool read_magic(struct warc_read *r) {
    if (!read_line(r) || r->line.len < 8 || strncasecmp(r->line.data, "WARC/", 5) != 0)
        return false;
    const char *version = r->line.data + 5;
    size_t len = r->line.len - 5;
    trim(&version, &len);
    for (size_t i = 0; i < len; i++)
        if (version[i] != '.' && !isdigit((unsigned char)version[i]))
            return false;
    return len > 0 && append(r, &r->text, version, len) && append(r, &r->text, "", 1);
}

/* A NUL in a value would hide what is behind it. */
static bool add_text(struct warc_read *r, const char *p, size_t len) {
    if (memchr(p, '\0', len) != NULL) {
        r->problems |= WARC_READ_BAD_LINE;
        len = strlen(p);
    }
    return append(r, &r->text, p, len) && append(r, &r->text, "", 1);
}

static bool add_field(struct warc_read *r) {
    const char *name = r->line.data, *colon = memchr(name, ':', r->line.len);

    if (colon == NULL) {
        r->problems |= WARC_READ_BAD_LINE;
        return true;
    }
    const char *value = colon + 1;
    size_t name_len = (size_t)(colon - name), value_len = r->line.len - name_len - 1;
    trim(&name, &name_len);
    trim(&value, &value_len);
    if (r->field_count == WARC_READ_FIELDS)
        return false;
    struct field *f = &r->fields[r->field_count++];
    f->name_at = r->text.len;
    if (!add_text(r, name, name_len))
        return false;
    f->value_at = r->text.len;
    return add_text(r, value, value_len);
}

/* A line that goes on with the value before it (WARC 1.1 §4, from RFC 2822). */
static bool add_folded(struct warc_read *r) {
    const char *more = r->line.data;
    size_t len = r->line.len;

    trim(&more, &len);
    if (len == 0 || r->field_count == 0)
        return true;
    r->text.len--; /* the NUL behind the value */
    if (r->text.len > r->fields[r->field_count - 1].value_at && !append(r, &r->text, " ", 1))
        return false;
    return add_text(r, more, len);
}

static bool read_fields(struct warc_read *r) {
    while (read_line(r)) {
        if (r->line.len == 0)
            return true;
        bool folded = r->line.data[0] == ' ' || r->line.data[0] == '\t';
        if (!(folded ? add_folded(r) : add_field(r)))
            return false;
    }
    return false;
}

size_t warc_read_field_count(const struct warc_read *r) {
    return r->field_count;
}

void warc_read_field_at(const struct warc_read *r, size_t index, const char **name,
                        const char **value) {
    *name = r->text.data + r->fields[index].name_at;
    *value = r->text.data + r->fields[index].value_at;
}

const char *warc_read_field(const struct warc_read *r, const char *name) {
    for (size_t i = 0; i < r->field_count; i++)
        if (strcasecmp(r->text.data + r->fields[i].name_at, name) == 0)
            return r->text.data + r->fields[i].value_at;
    return NULL;
}

static bool parse_number(const char *text, uint64_t *number) {
    *number = 0;
    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text) || *number > INT64_MAX / 10 - 1)
            return false;
        *number = *number * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

/* Several lengths that differ would let two readers see different records. */
static bool read_content_length(struct warc_read *r) {
    uint64_t length;
    bool has_one = false;

    for (size_t i = 0; i < r->field_count; i++) {
        const char *name, *value;
        warc_read_field_at(r, i, &name, &value);
        if (strcasecmp(name, "Content-Length") != 0)
            continue;
        if (!parse_number(value, &length) || (has_one && length != r->record.content_length))
            return false;
        r->record.content_length = length;
        has_one = true;
    }
    return has_one;
}

/* To where the next record begins, and how. False: the file is over. */
static bool find_start(struct warc_read *r) {
    const unsigned char *bytes;
    size_t n;

    for (size_t i = 0; (n = file_peek(r, 2, &bytes)) > 0; i++) {
        if ((bytes[0] != '\n' && bytes[0] != '\r') || i == EMPTY_LINES_MAX)
            break;
        r->in_at++;
    }
    if (n == 0)
        return false;
    r->is_gzip = n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    return true;
}

enum warc_read_result warc_read_next(struct warc_read *r, const struct warc_read_record **record) {
    *record = &r->record;
    if (r->state == STATE_BLOCK)
        warc_read_finish(r);
    if (r->state == STATE_FAILED)
        return r->failure;
    r->field_count = 0;
    buf_reset(&r->text);
    r->error_offset = file_offset(r);
    if (!find_start(r))
        return r->in_failed ? fail(r, "cannot be read") : WARC_READ_END;
    r->record = (struct warc_read_record){.offset = file_offset(r), .is_gzip = r->is_gzip};
    r->problems = 0;
    r->no_memory = false;
    r->member_over = r->member_damaged = r->member_cut = false;
    r->out_at = r->out_len = 0;
    if (r->is_gzip)
        inflateReset(&r->z);

    bool ok = read_magic(r) && read_fields(r);
    if (r->no_memory)
        return fail_no_memory(r);
    if (!ok)
        return fail(r, "no WARC header");
    if (!read_content_length(r))
        return fail(r, "no Content-Length, or one that is no number");
    const char *type = warc_read_field(r, "WARC-Type");
    r->record.type = type != NULL ? type : "";
    r->record.version = r->text.data;
    r->block_left = r->record.content_length;
    r->state = STATE_BLOCK;
    return WARC_READ_RECORD;
}

/* The block. */

static size_t block_peek(struct warc_read *r, const unsigned char **bytes) {
    size_t n = r->state == STATE_BLOCK && r->block_left > 0 ? peek(r, bytes) : 0;

    return n < r->block_left ? n : (size_t)r->block_left;
}

static void block_consume(struct warc_read *r, size_t n) {
    consume(r, n);
    r->block_left -= n;
}

size_t warc_read_block(struct warc_read *r, const unsigned char **bytes) {
    size_t n = block_peek(r, bytes);

    block_consume(r, n);
    return n;
}

/* What should stand behind a block: as much of it as there is. */
static void pass_end(struct warc_read *r) {
    static const char end[] = "\r\n\r\n";
    const unsigned char *bytes;

    for (size_t i = 0; i < sizeof end - 1; i++) {
        if (peek(r, &bytes) == 0 || bytes[0] != (unsigned char)end[i]) {
            r->problems |= WARC_READ_BAD_END;
            return;
        }
        consume(r, 1);
    }
}

/* To the end of the member. False: there is more than anybody would have there. */
static bool pass_member(struct warc_read *r) {
    const unsigned char *bytes;
    size_t n;

    for (uint64_t passed = 0; (n = peek(r, &bytes)) > 0; passed += n) {
        r->problems |= WARC_READ_MORE_IN_MEMBER;
        if (passed > WARC_READ_TAIL_BYTES)
            return false;
        consume(r, n);
    }
    return true;
}

unsigned warc_read_finish(struct warc_read *r) {
    const unsigned char *bytes;
    bool passed = true;

    if (r->state != STATE_BLOCK)
        return r->problems;
    r->state = STATE_BETWEEN;
    while (r->block_left > 0) {
        size_t n = peek(r, &bytes);
        if (n == 0)
            break;
        block_consume(r, n < r->block_left ? n : (size_t)r->block_left);
    }
    if (r->block_left == 0)
        pass_end(r);
    else if (!r->is_gzip || r->member_over)
        r->problems |= WARC_READ_CUT_OFF;
    if (r->is_gzip) {
        passed = pass_member(r);
        if (r->member_cut)
            r->problems |= WARC_READ_CUT_OFF;
        else if (r->member_damaged)
            r->problems |= WARC_READ_BAD_GZIP;
    }
    r->record.length = file_offset(r) - r->record.offset;
    if (r->no_memory) {
        fail_no_memory(r);
    } else if (r->in_failed || !passed || (r->problems & WARC_READ_BAD_GZIP) != 0) {
        r->error_offset = r->record.offset;
        fail(r, r->in_failed ? "cannot be read"
                : passed     ? "the gzip member is damaged"
                             : "too much behind the record in its gzip member");
    }
    return r->problems;
}

const char *warc_read_error(const struct warc_read *r) {
    return r->error != NULL ? r->error : "";
}

uint64_t warc_read_error_offset(const struct warc_read *r) {
    return r->error_offset;
}

const char *warc_read_problem_text(unsigned problem) {
    switch (problem) {
    case WARC_READ_CUT_OFF:
        return "it ends before its Content-Length";
    case WARC_READ_BAD_GZIP:
        return "the gzip member is damaged";
    case WARC_READ_BAD_END:
        return "no CR LF CR LF behind the block";
    case WARC_READ_MORE_IN_MEMBER:
        return "more bytes behind the record in its gzip member";
    case WARC_READ_BAD_LINE:
        return "a malformed line in the header";
    case WARC_READ_BAD_FIELDS:
        return "a field is missing, repeated or malformed";
    case WARC_READ_BAD_BLOCK_DIGEST:
        return "the block does not match WARC-Block-Digest";
    case WARC_READ_BAD_PAYLOAD_DIGEST:
        return "the payload does not match WARC-Payload-Digest";
    case WARC_READ_BAD_HTTP:
        return "no HTTP header in the block";
    default:
        return "";
    }
}

/* HTTP. */

/* The end of the header block in what r->http has, looking at bytes from `from` on; 0: not yet. */
static size_t find_head_end(const struct warc_read *r, size_t from) {
    const char *p = r->http.data;

    for (size_t i = from; i < r->http.len; i++) {
        if (p[i] != '\n' || i == 0)
            continue;
        if (p[i - 1] == '\n' || (i >= 2 && p[i - 1] == '\r' && p[i - 2] == '\n'))
            return i + 1;
    }
    return 0;
}

/* "HTTP/x.y 200 ..." */
static int status_of(const char *head, size_t len) {
    const char *space = memchr(head, ' ', len);

    if (len < 5 || memcmp(head, "HTTP/", 5) != 0 || space == NULL)
        return 0;
    size_t at = (size_t)(space - head);
    int status = 0;
    while (at < len && head[at] == ' ')
        at++;
    for (size_t i = 0; i < 3; i++, at++) {
        if (at >= len || !isdigit((unsigned char)head[at]))
            return 0;
        status = status * 10 + (head[at] - '0');
    }
    return at < len && isdigit((unsigned char)head[at]) ? 0 : status;
}

enum warc_read_result warc_read_http(struct warc_read *r, struct warc_read_http *http) {
    const unsigned char *bytes;
    size_t n;

    *http = (struct warc_read_http){.head = ""};
    buf_reset(&r->http);
    while ((n = block_peek(r, &bytes)) > 0) {
        size_t had = r->http.len, room = WARC_READ_HTTP_BYTES - had;
        if (n > room)
            n = room;
        if (n == 0)
            return WARC_READ_BROKEN;
        if (!buf_append(&r->http, bytes, n))
            return WARC_READ_NO_MEMORY;
        size_t end = find_head_end(r, had);
        if (end == 0) {
            block_consume(r, n);
            continue;
        }
        block_consume(r, end - had);
        r->http.len = end;
        r->http.data[end] = '\0';
        *http = (struct warc_read_http){r->http.data, end, status_of(r->http.data, end)};
        return WARC_READ_RECORD;
    }
    return r->in_failed ? WARC_READ_IO : WARC_READ_BROKEN;
}

/* Whether a list of codings ends in "chunked". */
static bool ends_in_chunked(const char *value, size_t len) {
    static const char name[] = "chunked";
    size_t name_len = sizeof name - 1;

    trim(&value, &len);
    if (len < name_len || strncasecmp(value + len - name_len, name, name_len) != 0)
        return false;
    len -= name_len;
    return len == 0 || value[len - 1] == ',' || is_space(value[len - 1]);
}

bool warc_read_http_is_chunked(const struct warc_read_http *http) {
    static const char name[] = "transfer-encoding";
    size_t name_len = sizeof name - 1;
    bool chunked = false;

    for (size_t at = 0; at < http->head_len;) {
        const char *line = http->head + at;
        const char *end = memchr(line, '\n', http->head_len - at);
        size_t len = end != NULL ? (size_t)(end - line) : http->head_len - at;
        at += len + 1;
        if (len <= name_len || strncasecmp(line, name, name_len) != 0)
            continue;
        const char *value = line + name_len;
        size_t value_len = len - name_len;
        trim(&value, &value_len);
        if (value_len > 0 && *value == ':')
            chunked = ends_in_chunked(value + 1, value_len - 1);
    }
    return chunked;
}

/* Digests. A stated one is "algorithm:value" (WARC 1.1 §5.8); the value is base32 or hexadecimal. */

struct digest {
    const char *value; /* NULL: none is stated, or its algorithm is unknown */
    EVP_MD_CTX *ctx;
    bool failed; /* no memory */
};

static const EVP_MD *algorithm(const char *name, size_t len) {
    char plain[16];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '-')
            continue;
        if (n + 1 == sizeof plain)
            return NULL;
        plain[n++] = (char)tolower((unsigned char)name[i]);
    }
    plain[n] = '\0';
    return strcmp(plain, "sha1") == 0     ? EVP_sha1()
           : strcmp(plain, "sha256") == 0 ? EVP_sha256()
           : strcmp(plain, "sha512") == 0 ? EVP_sha512()
           : strcmp(plain, "md5") == 0    ? EVP_md5()
                                          : NULL;
}

/* False: no memory. */
static bool digest_begin(struct digest *d, const char *stated) {
    const char *colon = stated != NULL ? strchr(stated, ':') : NULL;
    const EVP_MD *md = colon != NULL ? algorithm(stated, (size_t)(colon - stated)) : NULL;

    *d = (struct digest){.value = NULL};
    if (md == NULL)
        return true;
    d->value = colon + 1;
    d->ctx = EVP_MD_CTX_new();
    return d->ctx != NULL && EVP_DigestInit_ex(d->ctx, md, NULL) == 1;
}

static void digest_add(struct digest *d, const void *bytes, size_t len) {
    if (d->ctx != NULL && EVP_DigestUpdate(d->ctx, bytes, len) != 1)
        d->failed = true;
}

static bool is_hex_of(const char *text, const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < 2 * len; i++)
        if (tolower((unsigned char)text[i]) !=
            "0123456789abcdef"[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15])
            return false;
    return true;
}

/* RFC 4648 §6; the padding may be missing. */
static bool is_base32_of(const char *text, const unsigned char *bytes, size_t len) {
    size_t digits = (8 * len + 4) / 5;

    if (strlen(text) < digits || strspn(text + digits, "=") != strlen(text + digits))
        return false;
    for (size_t i = 0; i < digits; i++) {
        unsigned value = 0;
        for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
            value =
                value << 1 | (bit < 8 * len ? (unsigned)bytes[bit / 8] >> (7 - bit % 8) & 1u : 0);
        if (toupper((unsigned char)text[i]) != "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value])
            return false;
    }
    return true;
}

static bool digest_matches(struct digest *d) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (d->ctx == NULL)
        return true;
    if (EVP_DigestFinal_ex(d->ctx, bytes, &len) != 1) {
        d->failed = true;
        return false;
    }
    if (strlen(d->value) == 2 * (size_t)len)
        return is_hex_of(d->value, bytes, len);
    return is_base32_of(d->value, bytes, len);
}

/* Fields. */

static bool is_type(const struct warc_read *r, const char *type) {
    return strcasecmp(r->record.type, type) == 0;
}

static bool has_repeated(const struct warc_read *r) {
    for (size_t i = 0; i < r->field_count; i++) {
        const char *name, *other, *value;
        warc_read_field_at(r, i, &name, &value);
        if (strcasecmp(name, "WARC-Concurrent-To") == 0) /* WARC 1.1 §5.7: the only one that may */
            continue;
        for (size_t k = 0; k < i; k++) {
            warc_read_field_at(r, k, &other, &value);
            if (strcasecmp(name, other) == 0)
                return true;
        }
    }
    return false;
}

/* RFC 3339 in UTC, or as much of it as WARC 1.1 §5.4 allows: a year alone is the least. */
static bool is_date(const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t at = 0, digits = 0;

    while (form[at] != '\0' && text[at] != '\0' && text[at] != 'Z' && text[at] != 'z') {
        bool fits = form[at] == 'd' ? isdigit((unsigned char)text[at]) != 0
                                    : toupper((unsigned char)text[at]) == form[at];
        if (!fits)
            return false;
        at++;
    }
    if (at == 4 || at == 7 || at == 10)
        return text[at] == '\0';
    if (at == sizeof form - 1 && text[at] == '.') {
        digits = strspn(text + at + 1, "0123456789");
        if (digits == 0 || digits > 9)
            return false;
        at += 1 + digits;
    }
    return at >= 16 && at != 17 && at != 18 && (text[at] == 'Z' || text[at] == 'z') &&
           text[at + 1] == '\0';
}

static bool is_record_id(const char *id) {
    size_t len = strlen(id);

    return len > 2 && id[0] == '<' && id[len - 1] == '>' && strcspn(id, " \t") == len;
}

static bool fields_are_good(const struct warc_read *r) {
    const char *id = warc_read_field(r, "WARC-Record-ID"), *date = warc_read_field(r, "WARC-Date");
    const char *uri = warc_read_field(r, "WARC-Target-URI");
    const char *segment = warc_read_field(r, "WARC-Segment-Number");
    uint64_t number = 0;

    if (*r->record.type == '\0' || id == NULL || !is_record_id(id) || date == NULL ||
        !is_date(date) || has_repeated(r))
        return false;
    if (is_type(r, "warcinfo") ? uri != NULL : uri == NULL && !is_type(r, "metadata"))
        return false;
    if (uri != NULL && (*uri == '\0' || strcspn(uri, " \t") != strlen(uri)))
        return false;
    if (is_type(r, "revisit") && warc_read_field(r, "WARC-Profile") == NULL)
        return false;
    if (segment != NULL && !parse_number(segment, &number))
        return false;
    return is_type(r, "continuation") ? number > 1 : segment == NULL || number == 1;
}

/* The whole record. */

struct check {
    struct digest block, payload, stored; /* stored: the payload with the transfer coding */
    struct content_dechunk dechunk;
    bool is_chunked;
    uint64_t payload_bytes;
};

static void check_payload(struct check *c, const char *bytes, size_t len) {
    const char *data;
    size_t data_len;

    digest_add(&c->stored, bytes, len);
    while (c->is_chunked && len > 0 && !content_dechunk_done(&c->dechunk)) {
        size_t used = content_dechunk(&c->dechunk, bytes, len, &data, &data_len);
        digest_add(&c->payload, data, data_len);
        c->payload_bytes += data_len;
        bytes += used;
        len -= used;
    }
    if (!c->is_chunked) {
        digest_add(&c->payload, bytes, len);
        c->payload_bytes += len;
    }
}

/* Whether the payload is in this record, and whole: revisits have none, segments a part. */
static bool has_payload(const struct warc_read *r) {
    return !is_type(r, "revisit") && !is_type(r, "continuation") &&
           warc_read_field(r, "WARC-Segment-Number") == NULL;
}

static bool is_http(const struct warc_read *r) {
    const char *type = warc_read_field(r, "Content-Type");

    return type != NULL && strncasecmp(type, "application/http", 16) == 0 &&
           r->record.content_length > 0 && !is_type(r, "continuation");
}

static enum warc_read_result check_block(struct warc_read *r, struct check *c,
                                         struct warc_read_report *report) {
    const unsigned char *bytes;
    struct warc_read_http http;
    size_t n;

    if (is_http(r)) {
        enum warc_read_result result = warc_read_http(r, &http);
        if (result == WARC_READ_NO_MEMORY)
            return result;
        if (result != WARC_READ_RECORD)
            report->problems |= WARC_READ_BAD_HTTP;
        digest_add(&c->block, r->http.data, r->http.len);
        report->status = http.status;
        c->is_chunked = warc_read_http_is_chunked(&http);
    }
    while ((n = warc_read_block(r, &bytes)) > 0) {
        digest_add(&c->block, bytes, n);
        check_payload(c, (const char *)bytes, n);
    }
    return WARC_READ_RECORD;
}

static void check_digests(struct warc_read *r, struct check *c, struct warc_read_report *report) {
    if (!digest_matches(&c->block))
        report->problems |= WARC_READ_BAD_BLOCK_DIGEST;
    if (!has_payload(r))
        return;
    report->payload_checked = c->payload.ctx != NULL;
    report->payload_bytes = c->payload_bytes;
    if (digest_matches(&c->payload))
        return;
    if (c->is_chunked && digest_matches(&c->stored))
        report->payload_digest_is_of_chunks = true;
    else
        report->problems |= WARC_READ_BAD_PAYLOAD_DIGEST;
}

enum warc_read_result warc_read_check(struct warc_read *r, struct warc_read_report *report) {
    struct check c = {.is_chunked = false};
    enum warc_read_result result = WARC_READ_NO_MEMORY;

    *report = (struct warc_read_report){.problems = 0};
    if (r->state != STATE_BLOCK || r->block_left != r->record.content_length)
        return WARC_READ_BROKEN;
    if (!fields_are_good(r))
        report->problems |= WARC_READ_BAD_FIELDS;
    if (digest_begin(&c.block, warc_read_field(r, "WARC-Block-Digest")) &&
        digest_begin(&c.payload, warc_read_field(r, "WARC-Payload-Digest")) &&
        digest_begin(&c.stored, warc_read_field(r, "WARC-Payload-Digest")))
        result = check_block(r, &c, report);
    if (result == WARC_READ_RECORD) {
        check_digests(r, &c, report);
        report->problems |= warc_read_finish(r);
        if (r->no_memory || c.block.failed || c.payload.failed || c.stored.failed)
            result = WARC_READ_NO_MEMORY;
        else if (r->in_failed)
            result = WARC_READ_IO;
    }
    EVP_MD_CTX_free(c.stored.ctx);
    EVP_MD_CTX_free(c.payload.ctx);
    EVP_MD_CTX_free(c.block.ctx);
    return result;
}

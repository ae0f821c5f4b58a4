/* Pages: records of a WARC file. What warc_read.h gives is copied before the record is finished, and only then
 * it is known whether it was whole. */
#include "worker/job_input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/content.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "shared/mimetype.h"
#include "shared/warc_find.h"
#include "shared/warc_read.h"
#include "shared/warc_write.h"
#include "worker/headers.h"

enum { FIELD_BYTES = 64 * 1024 };

struct job_pages {
    struct job_input input; /* first */
    char *path;
    int fd;
    uint64_t to;
    uint64_t start;  /* of the last record that was begun */
    uint64_t number; /* of the next page */
    bool over;
    struct warc_find find;
    struct warc_read *reader;
    struct buf uri, refers_to, head, type, codings, payload, decoded;
    struct mimetype mime;
    const char *record_type;
};

static void pages_free(struct job_input *in) {
    struct job_pages *p = (struct job_pages *)in;

    mimetype_release(&p->mime);
    buf_release(&p->uri);
    buf_release(&p->refers_to);
    buf_release(&p->head);
    buf_release(&p->type);
    buf_release(&p->codings);
    buf_release(&p->payload);
    buf_release(&p->decoded);
    warc_read_free(p->reader);
    warc_find_close(&p->find);
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    free(p);
}

/* To the first record at or behind `from`. False: `err`; p->over: there is none. */
static bool go_to(struct job_pages *p, uint64_t from, struct error *err) {
    uint64_t offset = from;
    enum warc_find_result why = WARC_FIND_NONE;

    if (from == 0)
        why = WARC_FIND_FOUND;
    else if (p->find.is_gzip)
        why = warc_find_next(&p->find, from, p->to, &offset);
    switch (why) {
    case WARC_FIND_FOUND:
        warc_read_open_fd(p->reader, p->fd, offset);
        return true;
    case WARC_FIND_NONE:
        p->over = true;
        return true;
    case WARC_FIND_IO:
        error_set(err, errno, "%s", p->path);
        return false;
    case WARC_FIND_NO_MEMORY:
        break;
    }
    error_set(err, ENOMEM, "%s", p->path);
    return false;
}

/* One that cannot be used: said, counted; and on behind its start. */
static bool pass_damaged(struct job_pages *p, uint64_t offset, const char *why, struct error *err) {
    p->input.damaged++;
    log_event(LOG_WARN, "task", "damaged record passed over", log_str("file", p->path),
              log_uint("offset", offset), log_str("why", why));
    return go_to(p, offset + 1, err);
}

/* RFC 3339 in UTC, or the beginning of one (WARC 1.1 §5.4); 0: none. */
static int64_t date_ms(const char *text) {
    int n[6] = {1970, 1, 1, 0, 0, 0}, ms = 0;
    static const char behind[] = "--T::";
    struct tm tm = {0};
    size_t at = 0;

    for (size_t i = 0; text != NULL && i < 6; i++) {
        size_t digits = i == 0 ? 4 : 2;
        n[i] = 0;
        for (size_t k = 0; k < digits; k++, at++) {
            if (!isdigit((unsigned char)text[at]))
                return 0;
            n[i] = 10 * n[i] + (text[at] - '0');
        }
        if (i == 5 || text[at] != behind[i])
            break;
        at++;
    }
    if (text == NULL)
        return 0;
    if (text[at] == '.')
        for (int k = 0, unit = 100; k < 3 && isdigit((unsigned char)text[at + 1]); k++, at++)
            ms += (text[at + 1] - '0') * unit, unit /= 10;
    tm = (struct tm){.tm_year = n[0] - 1900, .tm_mon = n[1] - 1, .tm_mday = n[2]};
    tm.tm_hour = n[3];
    tm.tm_min = n[4];
    tm.tm_sec = n[5];
    return (int64_t)timegm(&tm) * 1000 + ms;
}

static bool set(struct buf *b, const char *text, size_t len) {
    buf_reset(b);
    return buf_append(b, text, len);
}

/* The URL, where it is another than the URI. Some writers put the URI into angle brackets, as WARC 1.0 said. */
static bool keep_uri(struct job_pages *p, struct buf *to, const char *url_name, const char *name) {
    const char *url = warc_read_field(p->reader, url_name);
    const char *uri = url != NULL ? url : warc_read_field(p->reader, name);
    size_t len = uri != NULL ? strlen(uri) : 0;

    if (len > 1 && uri[0] == '<' && uri[len - 1] == '>')
        return set(to, uri + 1, len - 2);
    return set(to, uri != NULL ? uri : "", len);
}

static const char *kind_of(const char *type) {
    static const char *const kinds[] = {"response", "resource", "revisit"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(type, kinds[i]) == 0)
            return kinds[i];
    return NULL;
}

/* The rest of the block into `payload`; what is too much is counted only. */
static bool read_payload(struct job_pages *p, bool is_chunked, struct trawl_record *r) {
    struct content_dechunk d = {0};
    const unsigned char *bytes;
    const char *data;
    size_t n, data_len;

    buf_reset(&p->payload);
    while ((n = warc_read_block(p->reader, &bytes)) > 0) {
        const char *at = (const char *)bytes;
        r->stored += n;
        while (n > 0 && !(is_chunked && content_dechunk_done(&d))) {
            size_t used = n;
            data = at;
            data_len = n;
            if (is_chunked)
                used = content_dechunk(&d, at, n, &data, &data_len);
            at += used;
            n -= used;
            size_t room = p->payload.cap_max - p->payload.len;
            r->cut = r->cut || data_len > room;
            if (!buf_append(&p->payload, data, data_len < room ? data_len : room))
                return false;
        }
    }
    r->cut = r->cut || (is_chunked && !d.is_whole);
    return true;
}

/* Undoes the content coding. False: no memory. */
static bool decode(struct job_pages *p, struct trawl_record *r) {
    r->data = p->payload.data != NULL ? p->payload.data : "";
    r->len = p->payload.len;
    buf_reset(&p->codings);
    if (r->len == 0 || !headers_combine(r->head, r->head_len, "Content-Encoding", &p->codings))
        return true;
    bool is_page = mimetype_is_html(&p->mime) || mimetype_is_unknown(&p->mime);
    if (p->codings.len == 0 && !(is_page && content_is_gzip(r->data, r->len)))
        return true;
    enum content_result why = (is_page ? content_decode_text : content_decode)(
        p->codings.data, p->codings.len, p->payload.data, p->payload.len, &p->decoded, NULL);
    r->cut = r->cut || (why != CONTENT_OK && why != CONTENT_MISLABELLED);
    if (why == CONTENT_UNSUPPORTED)
        return true;
    r->data = p->decoded.data != NULL ? p->decoded.data : "";
    r->len = p->decoded.len;
    return why != CONTENT_NO_MEMORY;
}

static bool keep_type(struct job_pages *p, struct trawl_record *r, const char *field) {
    buf_reset(&p->type);
    if (field != NULL ? !buf_append_str(&p->type, field)
                      : !headers_combine(r->head, r->head_len, "Content-Type", &p->type))
        return false;
    r->content_type = p->type.len > 0 ? p->type.data : "";
    enum mimetype_result why = mimetype_extract(&p->mime, r->content_type, p->type.len);
    r->mime = why == MIMETYPE_OK ? p->mime.text.data : "";
    return why != MIMETYPE_NO_MEMORY;
}

/* What is known of the record at hand before it is finished. False: no memory. `*bad`: why it is damaged. */
static bool read_page(struct job_pages *p, const struct warc_read_record *record,
                      struct trawl_record *r, const char **bad) {
    const char *type = warc_read_field(p->reader, "Content-Type");
    bool is_http = type != NULL && strncasecmp(type, "application/http", 16) == 0;
    bool is_revisit = strcmp(p->record_type, "revisit") == 0, is_chunked = false;
    struct warc_read_http http;

    *r = (struct trawl_record){.size = sizeof *r,
                               .of = TRAWL_INPUT_PAGES,
                               .number = p->number++,
                               .record_type = p->record_type,
                               .data = "",
                               .head = ""};
    r->fetched_at_ms = date_ms(warc_read_field(p->reader, "WARC-Date"));
    /* Of a revisit it says that the payload is elsewhere. */
    r->cut = !is_revisit && warc_read_field(p->reader, "WARC-Truncated") != NULL;
    if (!keep_uri(p, &p->uri, WARC_WRITE_TARGET_URL, "WARC-Target-URI") ||
        !keep_uri(p, &p->refers_to, WARC_WRITE_REFERS_TO_URL, "WARC-Refers-To-Target-URI") ||
        (!is_http && !keep_type(p, r, type != NULL ? type : "")))
        return false;
    r->name = p->uri.data;
    r->refers_to = p->refers_to.data;
    if (is_http && record->content_length > 0) {
        enum warc_read_result why = warc_read_http(p->reader, &http);
        if (why == WARC_READ_NO_MEMORY || !set(&p->head, http.head, http.head_len))
            return false;
        if (why != WARC_READ_RECORD)
            *bad = "no HTTP header in the block";
        (void)headers_unfold(p->head.data, p->head.len);
        r->head = p->head.data;
        r->head_len = p->head.len;
        r->status = (unsigned)http.status;
        is_chunked = warc_read_http_is_chunked(&http);
    }
    if (is_http && !keep_type(p, r, NULL))
        return false;
    return is_revisit || read_payload(p, is_chunked, r);
}

static enum job_input_result no_memory(const struct job_pages *p, struct error *err) {
    error_set(err, ENOMEM, "%s: record at offset %llu", p->path, (unsigned long long)p->start);
    return JOB_INPUT_FAILED;
}

static const char *problem(unsigned problems) {
    static const unsigned bad[] = {WARC_READ_CUT_OFF, WARC_READ_BAD_GZIP};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if ((problems & bad[i]) != 0)
            return warc_read_problem_text(bad[i]);
    return NULL;
}

static enum job_input_result pages_next(struct job_input *in, struct trawl_record *r,
                                        struct error *err) {
    struct job_pages *p = (struct job_pages *)in;
    const struct warc_read_record *record;

    while (!p->over) {
        const char *bad = NULL;
        enum warc_read_result why = warc_read_next(p->reader, &record);
        if (why == WARC_READ_END)
            break;
        if (why == WARC_READ_IO) {
            error_set(err, errno, "%s", p->path);
            return JOB_INPUT_FAILED;
        }
        uint64_t start =
            why == WARC_READ_RECORD ? record->offset : warc_read_error_offset(p->reader);
        if (why == WARC_READ_NO_MEMORY)
            return no_memory(p, err);
        if (start >= p->to)
            break;
        p->start = start;
        if (why != WARC_READ_RECORD) {
            if (!pass_damaged(p, start, warc_read_error(p->reader), err))
                return JOB_INPUT_FAILED;
            continue;
        }
        p->record_type = kind_of(record->type);
        if (p->record_type != NULL && !read_page(p, record, r, &bad))
            return no_memory(p, err);
        unsigned problems = warc_read_finish(p->reader);
        in->bytes += record->length;
        if (bad == NULL)
            bad = problem(problems);
        if (bad != NULL) {
            if (!pass_damaged(p, start, bad, err))
                return JOB_INPUT_FAILED;
            continue;
        }
        if (p->record_type == NULL)
            continue;
        return decode(p, r) ? JOB_INPUT_RECORD : no_memory(p, err);
    }
    p->over = true;
    return JOB_INPUT_END;
}

struct job_input *job_pages_new(const char *path, uint64_t from, uint64_t to, struct error *err) {
    struct job_pages *p = calloc(1, sizeof *p);

    if (p == NULL) {
        error_set(err, ENOMEM, "%s", path);
        return NULL;
    }
    p->input = (struct job_input){.next = pages_next, .free = pages_free};
    p->to = to;
    buf_init(&p->uri, FIELD_BYTES);
    buf_init(&p->refers_to, FIELD_BYTES);
    buf_init(&p->type, WARC_READ_HTTP_BYTES);
    buf_init(&p->codings, WARC_READ_HTTP_BYTES);
    buf_init(&p->head, WARC_READ_HTTP_BYTES);
    buf_init(&p->payload, LIMIT_DECODED_BYTES);
    buf_init(&p->decoded, LIMIT_DECODED_BYTES);
    mimetype_init(&p->mime);
    p->path = strdup(path);
    p->reader = warc_read_new();
    p->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (p->path == NULL || p->reader == NULL) {
        error_set(err, ENOMEM, "%s", path);
        goto failed;
    }
    if (p->fd < 0) {
        error_set(err, errno, "%s", path);
        goto failed;
    }
    posix_fadvise(p->fd, (off_t)from, 0, POSIX_FADV_SEQUENTIAL);
    switch (warc_find_open(&p->find, p->fd)) {
    case WARC_FIND_FOUND:
    case WARC_FIND_NONE: /* damage in its first record is met again */
        break;
    case WARC_FIND_IO:
        error_set(err, errno, "%s", path);
        goto failed;
    case WARC_FIND_NO_MEMORY:
        error_set(err, ENOMEM, "%s", path);
        goto failed;
    }
    if (go_to(p, from, err))
        return &p->input;
failed:
    pages_free(&p->input);
    return NULL;
}

#include "worker/segment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/io.h"
#include "shared/limits.h"
#include "shared/warc_write.h"
#include "worker/seal.h"

enum { INFO_BYTES = 16 * 1024, PROBE_BYTES = 64 * 1024 };

struct segment {
    int fd;
    uint64_t end;     /* of the last whole record */
    uint64_t pending; /* bytes of a record behind it */
    int write_errno;
    struct warc_write *writer; /* NULL: no more appends */
    char name[LIMIT_SEGMENT_NAME_BYTES + 1];
};

struct segment_files {
    char fresh[LIMIT_SEGMENT_NAME_BYTES + 16], open[LIMIT_SEGMENT_NAME_BYTES + 16];
};

/* ---- bytes --------------------------------------------------------------------------------------- */

static bool sink_write(void *arg, const void *bytes, size_t len) {
    struct segment *s = arg;
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = pwrite(s->fd, p, len, (off_t)(s->end + s->pending));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            s->write_errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        p += n;
        len -= (size_t)n;
        s->pending += (uint64_t)n;
    }
    return true;
}

/* Whatever it is, somebody may mend it, and it is tried again: but for a name that is taken. */
static enum segment_result refuse(const struct segment *s, int error, const char *what,
                                  struct error *err) {
    error_set(err, error, "cannot %s %s%s", what, s->name, SEAL_SUFFIX_OPEN);
    return error == EEXIST ? SEGMENT_FAILED : SEGMENT_AGAIN;
}

/* Nothing torn stays behind the last whole record. */
static enum segment_result undo(struct segment *s, int error, struct error *err) {
    if (s->pending > 0 && ftruncate(s->fd, (off_t)s->end) != 0) {
        (void)refuse(s, errno, "cut off a torn record of", err);
        return SEGMENT_FAILED;
    }
    s->pending = 0;
    return refuse(s, error, "write", err);
}

static enum segment_result settle(struct segment *s, enum warc_write_result result,
                                  struct error *err) {
    switch (result) {
    case WARC_WRITE_OK:
        s->end += s->pending;
        s->pending = 0;
        return SEGMENT_OK;
    case WARC_WRITE_INVALID:
        error_set(err, 0, "%s: %s", s->name, warc_write_result_text(result));
        return SEGMENT_INVALID;
    case WARC_WRITE_SINK:
        return undo(s, s->write_errno, err);
    default:
        return undo(s, ENOMEM, err);
    }
}

/* ---- opening ------------------------------------------------------------------------------------- */

static int64_t unix_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a value must not hold is left out. */
static void info_field(struct buf *fields, const char *name, const char *value) {
    if (value[0] != '\0')
        (void)warc_write_info_field(fields, name, value);
}

static enum segment_result write_info(struct segment *s, const struct segment_config *config,
                                      struct error *err) {
    char file[LIMIT_SEGMENT_NAME_BYTES + sizeof SEAL_SUFFIX];
    char host[256] = "";
    struct warc_write_place place;
    struct buf fields;

    snprintf(file, sizeof file, "%s%s", s->name, SEAL_SUFFIX);
    (void)gethostname(host, sizeof host - 1);
    buf_init(&fields, INFO_BYTES);
    info_field(&fields, "software", "trawl/" TRAWL_VERSION);
    info_field(&fields, "format", "WARC File Format 1.1");
    info_field(&fields, "conformsTo",
               "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/");
    info_field(&fields, "hostname", host);
    info_field(&fields, "isPartOf", config->crawl);
    info_field(&fields, "description", config->worker);
    info_field(&fields, "http-header-user-agent", config->user_agent);
    enum segment_result result = settle(
        s, warc_write_info(s->writer, unix_ms(), file, fields.data, fields.len, &place), err);
    buf_release(&fields);
    return result;
}

/* Nothing that is there is written over, whatever made the name come again. */
static bool is_sealed(const struct segment_config *config) {
    char sealed[LIMIT_SEGMENT_NAME_BYTES + 16];

    snprintf(sealed, sizeof sealed, "%s%s", config->name, SEAL_SUFFIX);
    return faccessat(config->dir_fd, sealed, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* It gets its name when it is locked and has its head: nobody can take it for one whose writer is dead. */
static enum segment_result create(struct segment *s, const struct segment_config *config,
                                  const struct segment_files *f, struct error *err) {
    if (is_sealed(config))
        return refuse(s, EEXIST, "create", err);
    s->fd = openat(config->dir_fd, f->fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (s->fd < 0)
        return refuse(s, errno, "create", err);
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
        return refuse(s, errno, "lock", err);
    enum segment_result result = write_info(s, config, err);
    if (result != SEGMENT_OK)
        return result;
    if (io_rename_new(config->dir_fd, f->fresh, f->open))
        return SEGMENT_OK;
    return refuse(s, errno, "create", err);
}

enum segment_result segment_open(struct segment **out, const struct segment_config *config,
                                 struct error *err) {
    struct segment_files files;
    struct segment *s = calloc(1, sizeof *s);
    enum segment_result result;

    *out = NULL;
    if (s == NULL) {
        error_set(err, ENOMEM, "segment");
        return SEGMENT_AGAIN;
    }
    snprintf(s->name, sizeof s->name, "%s", config->name);
    s->fd = -1;
    s->writer = warc_write_new(config->level, (struct warc_write_sink){sink_write, s});
    if (s->writer == NULL) {
        result = refuse(s, ENOMEM, "write", err);
        goto out;
    }
    snprintf(files.fresh, sizeof files.fresh, "%s%s", s->name, SEAL_SUFFIX_NEW);
    snprintf(files.open, sizeof files.open, "%s%s", s->name, SEAL_SUFFIX_OPEN);
    result = create(s, config, &files, err);
    if (result != SEGMENT_OK && s->fd >= 0)
        (void)unlinkat(config->dir_fd, files.fresh, 0);
out:
    if (result == SEGMENT_OK)
        *out = s;
    else
        segment_free(s);
    return result;
}

/* ---- appending ----------------------------------------------------------------------------------- */

static void make_revisit(struct warc_write_record *record, const struct segment_revisit *v) {
    record->type = WARC_WRITE_REVISIT;
    record->body_count = 0;
    record->truncated = WARC_WRITE_WHOLE;
    record->profile = v->not_modified ? WARC_WRITE_NOT_MODIFIED : WARC_WRITE_IDENTICAL_PAYLOAD;
    record->payload_digest = v->digest;
    record->refers_to_uri = v->url;
    record->refers_to_uri_len = v->url_len;
    record->refers_to_date_ms = v->at_unix_ms;
    record->refers_to_id = v->record_id;
}

enum segment_result segment_append(struct segment *s, const struct segment_response *r,
                                   struct segment_place *place, struct error *err) {
    char ip[INET6_ADDRSTRLEN];
    const char *text = NULL;
    struct warc_write_place at;

    if (r->address_len == 4 || r->address_len == 16)
        text = inet_ntop(r->address_len == 4 ? AF_INET : AF_INET6, r->address, ip, sizeof ip);
    struct warc_write_record record = {
        .type = WARC_WRITE_RESPONSE,
        .uri = r->url,
        .uri_len = r->url_len,
        .date_ms = (int64_t)r->at_unix_ms,
        .ip = text,
        .head = r->head,
        .head_len = r->head_len,
        .body = &(struct warc_write_piece){r->body, r->body_len},
        .body_count = 1,
        .truncated = r->cut        ? WARC_WRITE_TRUNCATED_LENGTH
                     : r->unproven ? WARC_WRITE_TRUNCATED_DISCONNECT
                                   : WARC_WRITE_WHOLE,
        .block = r->block,
    };
    if (r->revisit != NULL)
        make_revisit(&record, r->revisit);
    enum segment_result result = settle(s, warc_write_record(s->writer, &record, &at), err);
    if (result != SEGMENT_OK)
        return result;
    place->offset = at.offset;
    place->length = at.length;
    place->revisit = r->revisit != NULL;
    memcpy(place->digest, at.payload_digest, sizeof place->digest);
    memcpy(place->record_id, at.record_id, sizeof place->record_id);
    return SEGMENT_OK;
}

enum segment_result segment_probe(struct segment *s, struct error *err) {
    static const char nothing[PROBE_BYTES];

    if (!sink_write(s, nothing, sizeof nothing))
        return undo(s, s->write_errno, err);
    if (ftruncate(s->fd, (off_t)s->end) != 0)
        return undo(s, errno, err);
    s->pending = 0;
    return SEGMENT_OK;
}

const char *segment_name(const struct segment *s) {
    return s->name;
}

uint64_t segment_bytes(const struct segment *s) {
    return s->end;
}

int segment_fd(const struct segment *s) {
    return s->fd;
}

void segment_stop(struct segment *s) {
    warc_write_free(s->writer);
    s->writer = NULL;
}

void segment_free(struct segment *s) {
    if (s == NULL)
        return;
    segment_stop(s);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

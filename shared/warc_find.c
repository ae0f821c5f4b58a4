#include "shared/warc_find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { WINDOW_BYTES = 256 * 1024, MAGIC_BYTES = 4 };

static enum warc_find_result result_of(enum warc_read_result why) {
    return why == WARC_READ_RECORD      ? WARC_FIND_FOUND
           : why == WARC_READ_IO        ? WARC_FIND_IO
           : why == WARC_READ_NO_MEMORY ? WARC_FIND_NO_MEMORY
                                        : WARC_FIND_NONE;
}

static bool names(const struct warc_find *f) {
    const char *id = warc_read_field(f->reader, "WARC-Warcinfo-ID");

    return id != NULL && strcmp(id, f->id) == 0;
}

static bool keep_id(struct warc_find *f, const struct warc_read_record *record) {
    const char *id = warc_read_field(f->reader, "WARC-Record-ID");

    if (strcasecmp(record->type, "warcinfo") != 0 || id == NULL || strlen(id) >= sizeof f->id)
        return false;
    memcpy(f->id, id, strlen(id) + 1);
    return true;
}

/* The first record cannot be read: the warcinfo record that the next one names, and the one behind that, is the file's. */
static enum warc_find_result open_damaged(struct warc_find *f) {
    const struct warc_read_record *record;
    uint64_t offset;
    enum warc_find_result why =
        f->is_gzip ? warc_find_next(f, 1, INT64_MAX, &offset) : WARC_FIND_NONE;

    if (why != WARC_FIND_FOUND)
        return why;
    const char *id = warc_read_field(f->reader, "WARC-Warcinfo-ID");
    if (id == NULL || strlen(id) >= sizeof f->id)
        return WARC_FIND_FOUND;
    memcpy(f->id, id, strlen(id) + 1);
    f->is_certain = warc_read_next(f->reader, &record) != WARC_READ_RECORD || names(f);
    return WARC_FIND_FOUND;
}

enum warc_find_result warc_find_open(struct warc_find *f, int fd) {
    static const char plain[] = "WARC/";
    const struct warc_read_record *record;

    *f = (struct warc_find){.fd = fd, .reader = warc_read_new(), .window = malloc(WINDOW_BYTES)};
    if (f->reader == NULL || f->window == NULL)
        return WARC_FIND_NO_MEMORY;
    ssize_t n = pread(fd, f->window, sizeof plain - 1, 0);
    /* Whatever damage has made of its first bytes. */
    f->is_gzip = n > 0 && (n < (ssize_t)sizeof plain - 1 ||
                           strncasecmp((char *)f->window, plain, sizeof plain - 1) != 0);
    warc_read_open_fd(f->reader, fd, 0);
    enum warc_read_result why = warc_read_next(f->reader, &record);
    if (why == WARC_READ_BROKEN)
        return open_damaged(f);
    if (why != WARC_READ_RECORD)
        return result_of(why);
    /* A second record that cannot be read does not say that others do not name it. */
    if (keep_id(f, record))
        f->is_certain = warc_read_next(f->reader, &record) != WARC_READ_RECORD || names(f);
    return WARC_FIND_FOUND;
}

void warc_find_close(struct warc_find *f) {
    warc_read_free(f->reader);
    free(f->window);
    f->reader = NULL;
    f->window = NULL;
}

/* RFC 1952 §2.3.1: the magic, deflate, no reserved flags. */
static bool is_member(const unsigned char *p) {
    return p[0] == 0x1f && p[1] == 0x8b && p[2] == 8 && (p[3] & 0xe0) == 0;
}

static enum warc_find_result try_record(struct warc_find *f, uint64_t offset) {
    const struct warc_read_record *record;

    warc_read_open_fd(f->reader, f->fd, offset);
    enum warc_find_result why = result_of(warc_read_next(f->reader, &record));
    if (why == WARC_FIND_FOUND && f->is_certain && !names(f))
        return WARC_FIND_NONE;
    return why;
}

enum warc_find_result warc_find_next(struct warc_find *f, uint64_t from, uint64_t to,
                                     uint64_t *offset) {
    while (from < to) {
        ssize_t n = pread(f->fd, f->window, WINDOW_BYTES, (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return WARC_FIND_IO;
        if (n < MAGIC_BYTES)
            return WARC_FIND_NONE;
        const unsigned char *p = f->window, *end = f->window + n - MAGIC_BYTES + 1;
        for (; p < end && (p = memchr(p, 0x1f, (size_t)(end - p))) != NULL; p++) {
            *offset = from + (uint64_t)(p - f->window);
            if (*offset >= to)
                return WARC_FIND_NONE;
            enum warc_find_result why = is_member(p) ? try_record(f, *offset) : WARC_FIND_NONE;
            if (why != WARC_FIND_NONE)
                return why;
        }
        from += (uint64_t)n - MAGIC_BYTES + 1;
    }
    return WARC_FIND_NONE;
}

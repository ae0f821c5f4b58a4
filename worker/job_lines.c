/* Lines: a window on the file, in which a line is given where it lies; its end becomes a NUL. */
#include "worker/job_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "shared/log.h"

enum {
    READ_BYTES = 1 << 20,
    /* The longest line with its end, and what is read behind it. */
    WINDOW_BYTES = JOB_LINE_BYTES + 2 + READ_BYTES,
    PACKED_BYTES = 64 * 1024
};

struct job_lines {
    struct job_input input; /* first */
    char *path;
    const char *name; /* in `path` */
    int fd;
    uint64_t next_read, to;  /* offsets in the file; of a gzip file in its content */
    char *window;            /* and a byte for a NUL */
    size_t at, len, scanned; /* bytes behind `at` that hold no LF */
    bool over;               /* no more can be read */
    bool in_line;            /* a piece of it was given */
    size_t changed_at;       /* a NUL stands here in place of `changed`; SIZE_MAX: none */
    char changed;
    /* Of a gzip file. */
    bool is_gzip, member_over;
    bool torn; /* it is damaged: a line without an end is not whole */
    z_stream z;
    unsigned char *packed;
    uint64_t packed_next;
};

static void lines_free(struct job_input *in) {
    struct job_lines *l = (struct job_lines *)in;

    if (l->is_gzip)
        inflateEnd(&l->z);
    if (l->fd >= 0)
        close(l->fd);
    free(l->packed);
    free(l->window);
    free(l->path);
    free(l);
}

static ssize_t read_file(const struct job_lines *l, void *to, size_t size, uint64_t offset) {
    ssize_t n;

    do
        n = pread(l->fd, to, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* More packed bytes. 0: the file is over; -1: errno. */
static ssize_t read_packed(struct job_lines *l) {
    if (l->z.avail_in > 0)
        return (ssize_t)l->z.avail_in;
    ssize_t n = read_file(l, l->packed, PACKED_BYTES, l->packed_next);
    if (n > 0) {
        l->packed_next += (uint64_t)n;
        l->z.next_in = l->packed;
        l->z.avail_in = (uInt)n;
    }
    return n;
}

/* Behind a member there is another one, or the end, or zeros that fill a block of some medium. */
static ssize_t begin_member(struct job_lines *l) {
    ssize_t n;

    while ((n = read_packed(l)) > 0 && *l->z.next_in == 0) {
        l->z.next_in++;
        l->z.avail_in--;
    }
    if (n > 0) {
        inflateReset(&l->z);
        l->member_over = false;
    }
    return n;
}

/* As read(); -1 with errno EBADMSG: damaged. */
static ssize_t read_gzip(struct job_lines *l, void *to, size_t size) {
    l->z.next_out = to;
    l->z.avail_out = (uInt)size;
    while (l->z.avail_out == size) {
        ssize_t n = l->member_over ? begin_member(l) : read_packed(l);
        if (n == 0 && !l->member_over)
            errno = EBADMSG;
        if (n <= 0)
            return n < 0 || !l->member_over ? -1 : 0;
        int why = inflate(&l->z, Z_NO_FLUSH);
        bool is_bad = why != Z_OK && why != Z_STREAM_END && why != Z_BUF_ERROR;
        if (is_bad && l->z.avail_out < size)
            break; /* what came out before is good; it will say so again */
        if (is_bad) {
            errno = why == Z_MEM_ERROR ? ENOMEM : EBADMSG;
            return -1;
        }
        l->member_over = why == Z_STREAM_END;
    }
    return (ssize_t)(size - l->z.avail_out);
}

/* Moves what is left to the window's start, and reads. False: it failed. */
static bool read_more(struct job_lines *l, struct error *err) {
    if (l->at > 0) {
        memmove(l->window, l->window + l->at, l->len - l->at);
        l->len -= l->at;
        l->at = 0;
    }
    size_t room = WINDOW_BYTES - l->len < READ_BYTES ? WINDOW_BYTES - l->len : READ_BYTES;
    ssize_t n = l->is_gzip ? read_gzip(l, l->window + l->len, room)
                           : read_file(l, l->window + l->len, room, l->next_read);
    if (n < 0 && errno == EBADMSG) {
        /* What is left of it cannot be had by trying again. */
        n = 0;
        l->torn = true;
        l->input.damaged++;
        log_event(LOG_WARN, "task", "the gzip file is damaged: its lines end there",
                  log_str("file", l->path), log_uint("offset", l->packed_next - l->z.avail_in));
    } else if (n < 0) {
        error_set(err, errno, "%s", l->path);
    }
    if (n <= 0)
        l->over = true;
    if (n > 0) {
        l->len += (size_t)n;
        l->next_read += (uint64_t)n;
    }
    return n >= 0;
}

/* Where the window's first byte that was not given lies in the file. */
static uint64_t offset_of(const struct job_lines *l) {
    return l->next_read - (l->len - l->at);
}

/* The length of the line in front, with its end; more than JOB_LINE_BYTES + 2: longer than that; 0: no line is
 * left. False: reading failed. */
static bool find_line(struct job_lines *l, size_t *len, struct error *err) {
    for (;;) {
        const char *p = l->window + l->at;
        size_t have = l->len - l->at;
        const char *end = memchr(p + l->scanned, '\n', have - l->scanned);
        if (end != NULL) {
            *len = (size_t)(end - p) + 1;
            return true;
        }
        l->scanned = have;
        if (have > JOB_LINE_BYTES + 2 || l->over) {
            *len = have;
            return true;
        }
        if (!read_more(l, err))
            return false;
    }
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* How much of a line that is too long comes now: up to white space, else whole UTF-8 sequences. */
static size_t cut(const char *p) {
    size_t n = JOB_LINE_BYTES;

    while (n > 0 && !is_space(p[n - 1]))
        n--;
    if (n > 0)
        return n;
    for (n = JOB_LINE_BYTES; n > JOB_LINE_BYTES - 4; n--)
        if (((unsigned char)p[n] & 0xc0) != 0x80)
            return n;
    return JOB_LINE_BYTES;
}

static void put_back(struct job_lines *l) {
    if (l->changed_at != SIZE_MAX)
        l->window[l->changed_at] = l->changed;
    l->changed_at = SIZE_MAX;
}

static void give(struct job_lines *l, struct trawl_record *r, size_t taken, size_t len) {
    *r = (struct trawl_record){.size = sizeof *r,
                               .of = TRAWL_INPUT_LINES,
                               .name = l->name,
                               .number = offset_of(l),
                               .data = l->window + l->at,
                               .len = len,
                               .record_type = "",
                               .mime = "",
                               .content_type = "",
                               .head = "",
                               .refers_to = ""};
    l->changed_at = l->at + len;
    l->changed = l->window[l->changed_at];
    l->window[l->changed_at] = '\0';
    l->at += taken;
    l->scanned = 0;
    l->input.bytes += taken;
}

static void tell_cut(struct job_lines *l) {
    l->input.cut++;
    log_event(LOG_WARN, "task", "a line of over 4 MiB is given in pieces", log_str("file", l->path),
              log_uint("offset", offset_of(l)));
}

static enum job_input_result lines_next(struct job_input *in, struct trawl_record *r,
                                        struct error *err) {
    struct job_lines *l = (struct job_lines *)in;
    size_t taken;

    put_back(l);
    for (;;) {
        if (!l->in_line && offset_of(l) >= l->to)
            return JOB_INPUT_END;
        if (!find_line(l, &taken, err))
            return JOB_INPUT_FAILED;
        const char *p = l->window + l->at;
        size_t len = taken;
        bool has_end = taken > 0 && p[taken - 1] == '\n';
        if (has_end)
            len -= taken > 1 && p[taken - 2] == '\r' ? 2 : 1;
        if (len > JOB_LINE_BYTES) {
            size_t n = cut(p);
            if (!l->in_line)
                tell_cut(l);
            give(l, r, n, n);
            l->in_line = true;
            return JOB_INPUT_RECORD;
        }
        bool is_rest = l->in_line;
        l->in_line = false;
        if (taken == 0 || (l->torn && !has_end))
            return JOB_INPUT_END;
        if (is_rest && len == 0) { /* all of a long line has been given */
            l->at += taken;
            l->scanned = 0;
            l->input.bytes += taken;
            continue;
        }
        give(l, r, taken, len);
        return JOB_INPUT_RECORD;
    }
}

/* A line that began in front of `from` is another split's. */
static bool pass_first(struct job_lines *l, uint64_t from, struct error *err) {
    if (from == 0)
        return true;
    l->next_read = from - 1;
    while (offset_of(l) < l->to) {
        if (l->at == l->len && (l->over || !read_more(l, err)))
            return l->over && err->text[0] == '\0';
        if (l->len == l->at)
            continue;
        const char *p = l->window + l->at, *end = memchr(p, '\n', l->len - l->at);
        l->at = end != NULL ? (size_t)(end + 1 - l->window) : l->len;
        if (end != NULL)
            return true;
    }
    return true;
}

static bool open_gzip(struct job_lines *l, struct error *err) {
    unsigned char magic[2];

    if (read_file(l, magic, 2, 0) != 2 || magic[0] != 0x1f || magic[1] != 0x8b)
        return true;
    l->packed = malloc(PACKED_BYTES);
    l->is_gzip = l->packed != NULL && inflateInit2(&l->z, MAX_WBITS + 16) == Z_OK;
    if (!l->is_gzip)
        error_set(err, ENOMEM, "%s", l->path);
    l->to = UINT64_MAX;
    return l->is_gzip;
}

struct job_input *job_lines_new(const char *path, uint64_t from, uint64_t to, struct error *err) {
    struct job_lines *l = calloc(1, sizeof *l);

    err->text[0] = '\0';
    if (l != NULL) {
        l->input = (struct job_input){.next = lines_next, .free = lines_free};
        l->fd = -1;
        l->to = to;
        l->changed_at = SIZE_MAX;
        l->path = strdup(path);
        l->window = malloc(WINDOW_BYTES + 1);
    }
    if (l == NULL || l->path == NULL || l->window == NULL) {
        error_set(err, ENOMEM, "%s", path);
        goto failed;
    }
    const char *slash = strrchr(l->path, '/');
    l->name = slash != NULL ? slash + 1 : l->path;
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) {
        error_set(err, errno, "%s", path);
        goto failed;
    }
    posix_fadvise(l->fd, (off_t)from, 0, POSIX_FADV_SEQUENTIAL);
    if (!open_gzip(l, err))
        goto failed;
    if (l->is_gzip && from > 0) {
        error_set(err, 0, "%s: a gzip file can only be read from its start", path);
        goto failed;
    }
    if (pass_first(l, from, err))
        return &l->input;
failed:
    if (l != NULL)
        lines_free(&l->input);
    return NULL;
}

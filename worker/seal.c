#include "worker/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "proto/wire.h"
#include "shared/io.h"
#include "shared/limits.h"
#include "worker/home.h"

enum {
    HEAD_BYTES_MAX = 64 * 1024, /* of the compressed warcinfo record */
    HEAD_COMPARED_BYTES = 4096,
    COPY_BYTES = 256 * 1024,
    NAME_BYTES = LIMIT_SEGMENT_NAME_BYTES + 16,
};

struct range {
    uint64_t offset, length;
};

/* Committed bytes: ascending, apart from each other (neighbours are merged). */
struct seal {
    int dir_fd, fd;
    const char *name;
    const struct seal_remote *remote;
    struct error *err;
    struct home_proof proof;
    bool proven; /* else there is none */
    char open_name[NAME_BYTES], tmp_name[NAME_BYTES], final_name[NAME_BYTES];
    uint64_t file_bytes, head_bytes;
    struct range *kept;
    size_t kept_count, kept_size;
};

/* ---- what the master knows ----------------------------------------------------------------------- */

static enum seal_result ask(struct seal *s, const Trawl__Request *request, struct arena *a,
                            const Trawl__SegmentReply **answer) {
    struct buf out, in;
    enum seal_result result = SEAL_FAILED;

    buf_init(&out, LIMIT_WIRE_BYTES);
    buf_init(&in, LIMIT_WIRE_BYTES);
    arena_reset(a);
    if (!wire_pack(&out, &request->base)) {
        error_set(s->err, 0, "%s: its holes do not fit into a message", s->name);
        goto out;
    }
    result = SEAL_NO_ANSWER;
    if (!s->remote->call(s->remote->arg, out.data, out.len, &in, s->err))
        goto out;
    const Trawl__Reply *reply = wire_reply_unpack(a, in.data, in.len);
    if (reply == NULL) {
        error_set(s->err, 0, "%s: the master's answer cannot be read", s->name);
    } else if (reply->code == TRAWL__CODE__BUSY || reply->code == TRAWL__CODE__RESTARTED) {
        error_set(s->err, 0, "%s: the master is busy: %s", s->name, reply->error);
    } else if (reply->code == TRAWL__CODE__HELD) {
        error_set(s->err, 0, "%s is left as it is: %s", s->open_name, reply->error);
        result = SEAL_HELD;
    } else if (reply->code != TRAWL__CODE__OK || reply->body_case != TRAWL__REPLY__BODY_SEGMENT) {
        error_set(s->err, 0, "%s: the master refuses: %s", s->name, reply->error);
        result = SEAL_FAILED;
    } else {
        *answer = reply->segment;
        result = SEAL_DONE;
    }
out:
    buf_release(&out);
    buf_release(&in);
    return result;
}

static void request_init(Trawl__Request *r, Trawl__Request__BodyCase body) {
    trawl__request__init(r);
    r->version = WIRE_VERSION;
    r->body_case = body;
}

static enum seal_result keep(struct seal *s, uint64_t offset, uint64_t length) {
    struct range *last = s->kept_count > 0 ? &s->kept[s->kept_count - 1] : NULL;
    uint64_t end = last == NULL ? s->head_bytes : last->offset + last->length;

    if (s->head_bytes == 0 || offset < end || length == 0 || offset > s->file_bytes ||
        length > s->file_bytes - offset) {
        error_set(s->err, 0, "%s: the committed record at %llu of %llu bytes is not in the file",
                  s->open_name, (unsigned long long)offset, (unsigned long long)length);
        return SEAL_FAILED;
    }
    if (last != NULL && offset == end) {
        last->length += length;
        return SEAL_DONE;
    }
    if (s->kept_count == s->kept_size) {
        size_t size = s->kept_size == 0 ? 64 : s->kept_size * 2;
        struct range *more = realloc(s->kept, size * sizeof *more);
        if (more == NULL) {
            error_set(s->err, ENOMEM, "%s", s->name);
            return SEAL_FAILED;
        }
        s->kept = more;
        s->kept_size = size;
    }
    s->kept[s->kept_count++] = (struct range){offset, length};
    return SEAL_DONE;
}

static ProtobufCBinaryData instance_of(struct seal *s) {
    return (ProtobufCBinaryData){.len = s->proven ? sizeof s->proof.instance : 0,
                                 .data = s->proof.instance};
}

static enum seal_result query(struct seal *s, struct arena *a) {
    Trawl__Request r;
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    const Trawl__SegmentReply *page;
    bool more = true;

    request_init(&r, TRAWL__REQUEST__BODY_SEGMENT_QUERY);
    r.segment_query = &q;
    q.name = (char *)s->name;
    q.instance = instance_of(s);
    q.place = s->proof.place;
    while (more) {
        enum seal_result result = ask(s, &r, a, &page);
        if (result != SEAL_DONE)
            return result;
        if (page->n_offsets != page->n_lengths || (page->more && page->n_offsets == 0)) {
            error_set(s->err, 0, "%s: the master's answer makes no sense", s->name);
            return SEAL_FAILED;
        }
        for (size_t i = 0; i < page->n_offsets; i++) {
            result = keep(s, page->offsets[i], page->lengths[i]);
            if (result != SEAL_DONE)
                return result;
        }
        more = page->more;
        if (more)
            q.from_offset = page->offsets[page->n_offsets - 1] + 1;
    }
    return SEAL_DONE;
}

/* Bytes that are no record's between what stays; what is behind the last one is not among them. */
static uint64_t hole_before(const struct seal *s, size_t i, uint64_t *offset) {
    *offset = i == 0 ? s->head_bytes : s->kept[i - 1].offset + s->kept[i - 1].length;
    return s->kept[i].offset - *offset;
}

static uint64_t final_bytes(const struct seal *s) {
    uint64_t n = s->kept_count > 0 ? s->head_bytes : 0;

    for (size_t i = 0; i < s->kept_count; i++)
        n += s->kept[i].length;
    return n;
}

static enum seal_result tell(struct seal *s, struct arena *a, size_t *holes) {
    Trawl__Request r;
    Trawl__SegmentSeal m = TRAWL__SEGMENT_SEAL__INIT;
    const Trawl__SegmentReply *answer;
    enum seal_result result = SEAL_FAILED;

    request_init(&r, TRAWL__REQUEST__BODY_SEGMENT_SEAL);
    r.segment_seal = &m;
    m.name = (char *)s->name;
    m.instance = instance_of(s);
    m.place = s->proof.place;
    m.size = final_bytes(s);
    m.hole_offsets = calloc(s->kept_count + 1, sizeof *m.hole_offsets);
    m.hole_lengths = calloc(s->kept_count + 1, sizeof *m.hole_lengths);
    if (m.hole_offsets == NULL || m.hole_lengths == NULL) {
        error_set(s->err, ENOMEM, "%s", s->name);
        goto out;
    }
    for (size_t i = 0; i < s->kept_count; i++) {
        uint64_t offset, length = hole_before(s, i, &offset);
        if (length == 0)
            continue;
        m.hole_offsets[m.n_hole_offsets++] = offset;
        m.hole_lengths[m.n_hole_lengths++] = length;
    }
    *holes = m.n_hole_offsets;
    result = ask(s, &r, a, &answer);
out:
    free(m.hole_offsets);
    free(m.hole_lengths);
    return result;
}

/* ---- the file ------------------------------------------------------------------------------------ */

static ssize_t read_at(int fd, void *to, size_t n, uint64_t offset) {
    ssize_t got;

    do
        got = pread(fd, to, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Length of the first gzip member; 0: not whole. */
static uint64_t head_length(int fd) {
    unsigned char *in = malloc(HEAD_BYTES_MAX), out[4096];
    z_stream z = {0};
    uint64_t length = 0;
    int rc = Z_OK;
    ssize_t n = in == NULL ? -1 : read_at(fd, in, HEAD_BYTES_MAX, 0);

    if (n > 0 && inflateInit2(&z, 16 + MAX_WBITS) == Z_OK) {
        z.next_in = in;
        z.avail_in = (uInt)n;
        while (rc == Z_OK) {
            z.next_out = out;
            z.avail_out = sizeof out;
            rc = inflate(&z, Z_NO_FLUSH);
        }
        if (rc == Z_STREAM_END)
            length = z.total_in;
        inflateEnd(&z);
    }
    free(in);
    return length;
}

static bool failed(struct seal *s, const char *what, const char *name) {
    error_set(s->err, errno, "cannot %s %s", what, name);
    return false;
}

static bool copy_range(struct seal *s, int to, struct range r, unsigned char *buffer) {
    while (r.length > 0) {
        size_t want = r.length < COPY_BYTES ? (size_t)r.length : COPY_BYTES;
        ssize_t n = read_at(s->fd, buffer, want, r.offset);
        if (n == 0)
            errno = EIO; /* shorter than it was */
        if (n <= 0)
            return failed(s, "read", s->open_name);
        if (!io_write(to, buffer, (size_t)n))
            return failed(s, "write", s->tmp_name);
        r.offset += (uint64_t)n;
        r.length -= (uint64_t)n;
    }
    return true;
}

static bool copy_kept(struct seal *s, int to) {
    unsigned char *buffer = malloc(COPY_BYTES);
    bool ok = buffer != NULL;

    if (!ok)
        failed(s, "copy", s->open_name);
    ok = ok && copy_range(s, to, (struct range){0, s->head_bytes}, buffer);
    for (size_t i = 0; ok && i < s->kept_count; i++)
        ok = copy_range(s, to, s->kept[i], buffer);
    free(buffer);
    return ok;
}

static bool sync_dir(struct seal *s) {
    return fsync(s->dir_fd) == 0 || failed(s, "sync the directory of", s->final_name);
}

static bool drop_open(struct seal *s) {
    if (unlinkat(s->dir_fd, s->open_name, 0) != 0 && errno != ENOENT)
        return failed(s, "remove", s->open_name);
    return sync_dir(s);
}

/* Holes in between: what stays goes to a new file. */
static bool rewrite(struct seal *s) {
    int to = openat(s->dir_fd, s->tmp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (to < 0)
        return failed(s, "create", s->tmp_name);
    bool ok = copy_kept(s, to);
    if (ok && fsync(to) != 0)
        ok = failed(s, "sync", s->tmp_name);
    if (close(to) != 0 && ok)
        ok = failed(s, "close", s->tmp_name);
    if (ok && !io_rename_new(s->dir_fd, s->tmp_name, s->final_name))
        ok = failed(s, "rename", s->tmp_name);
    if (!ok) {
        (void)unlinkat(s->dir_fd, s->tmp_name, 0);
        return false;
    }
    return sync_dir(s) && drop_open(s);
}

static bool cut(struct seal *s) {
    uint64_t end = final_bytes(s);

    if (end != s->file_bytes && ftruncate(s->fd, (off_t)end) != 0)
        return failed(s, "cut", s->open_name);
    if (fsync(s->fd) != 0)
        return failed(s, "sync", s->open_name);
    if (!io_rename_new(s->dir_fd, s->open_name, s->final_name))
        return failed(s, "rename", s->open_name);
    return sync_dir(s);
}

/* A crash between its two names left both: they begin with the same warcinfo record, which has an id of its own. */
static bool same_head(struct seal *s) {
    unsigned char mine[HEAD_COMPARED_BYTES], sealed[HEAD_COMPARED_BYTES];
    int fd = openat(s->dir_fd, s->final_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read_at(s->fd, mine, sizeof mine, 0);
    size_t len = s->head_bytes < sizeof mine ? (size_t)s->head_bytes : sizeof mine;
    bool same = n >= (ssize_t)len && read_at(fd, sealed, sizeof sealed, 0) >= (ssize_t)len &&
                memcmp(mine, sealed, len) == 0;

    if (fd >= 0)
        close(fd);
    return same;
}

/* Its final name is there. That of another segment stays, and so does this one. */
static enum seal_result sealed_before(struct seal *s) {
    if (s->head_bytes == 0 || same_head(s))
        return drop_open(s) ? SEAL_DONE : SEAL_FAILED;
    error_set(s->err, EEXIST,
              "cannot seal %s: %s is another segment, and both are left as they are", s->open_name,
              s->final_name);
    return SEAL_FAILED;
}

static bool finish(struct seal *s, size_t holes) {
    if (s->kept_count == 0)
        return drop_open(s);
    return holes > 0 ? rewrite(s) : cut(s);
}

static bool exists(const struct seal *s, const char *name) {
    struct stat st;

    return fstatat(s->dir_fd, name, &st, 0) == 0;
}

static bool measure(struct seal *s) {
    struct stat st;

    if (fstat(s->fd, &st) != 0)
        return failed(s, "read", s->open_name);
    s->file_bytes = (uint64_t)st.st_size;
    s->head_bytes = head_length(s->fd);
    return true;
}

enum seal_result seal_segment(int dir_fd, const char *name, int fd,
                              const struct seal_remote *remote, struct error *err) {
    struct seal s = {.dir_fd = dir_fd, .fd = fd, .name = name, .remote = remote, .err = err};
    struct arena a;
    size_t holes = 0;

    snprintf(s.open_name, sizeof s.open_name, "%s" SEAL_SUFFIX_OPEN, name);
    snprintf(s.tmp_name, sizeof s.tmp_name, "%s" SEAL_SUFFIX_TMP, name);
    snprintf(s.final_name, sizeof s.final_name, "%s" SEAL_SUFFIX, name);
    if (!measure(&s))
        return SEAL_FAILED;
    if (exists(&s, s.final_name))
        return sealed_before(&s);
    s.proven = home_of_segment(remote->home_fd, name, &s.proof);
    arena_init(&a, LIMIT_ARENA_BYTES);
    enum seal_result result = query(&s, &a);
    if (result == SEAL_DONE)
        result = tell(&s, &a, &holes);
    if (result == SEAL_DONE && !finish(&s, holes))
        result = SEAL_FAILED;
    arena_release(&a);
    free(s.kept);
    return result;
}

/* ---- recovery ------------------------------------------------------------------------------------ */

/* NAME of "NAMEsuffix". */
static bool split_suffix(const char *file, const char *suffix, char name[NAME_BYTES]) {
    size_t n = strlen(file), tail = strlen(suffix);

    if (n <= tail || n - tail > LIMIT_SEGMENT_NAME_BYTES ||
        memcmp(file + n - tail, suffix, tail) != 0)
        return false;
    memcpy(name, file, n - tail);
    name[n - tail] = '\0';
    return true;
}

/* Somebody else may have sealed it between opening and locking: then the name is gone, or another file's. */
static bool lock_dead(int dir_fd, const char *file, int fd) {
    struct stat mine, named;

    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
           fstatat(dir_fd, file, &named, 0) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

static enum seal_result recover_one(int dir_fd, const char *file, const struct seal_remote *remote,
                                    unsigned *sealed, struct error *err) {
    char name[NAME_BYTES];
    enum seal_result result = SEAL_DONE;

    bool fresh = split_suffix(file, SEAL_SUFFIX_NEW, name);
    if (!fresh && !split_suffix(file, SEAL_SUFFIX_OPEN, name))
        return SEAL_DONE;
    int fd = openat(dir_fd, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        if (errno == ENOENT)
            return SEAL_DONE;
        error_set(err, errno, "cannot open %s", file);
        return SEAL_FAILED;
    }
    if (!lock_dead(dir_fd, file, fd)) {
        close(fd);
        return SEAL_DONE;
    }
    if (fresh) {
        (void)unlinkat(dir_fd, file, 0);
    } else {
        result = seal_segment(dir_fd, name, fd, remote, err);
        if (sealed != NULL)
            *sealed += result == SEAL_DONE;
    }
    close(fd);
    return result;
}

enum seal_result seal_recover(int dir_fd, const struct seal_remote *remote, unsigned *sealed,
                              struct error *err) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    enum seal_result worst = SEAL_DONE;
    const struct dirent *entry;

    if (dir == NULL) {
        error_set(err, errno, "cannot list the archive");
        if (fd >= 0)
            close(fd);
        return SEAL_FAILED;
    }
    while (worst != SEAL_NO_ANSWER && (entry = readdir(dir)) != NULL) {
        struct error why;
        enum seal_result result = recover_one(dir_fd, entry->d_name, remote, sealed, &why);
        if (result == SEAL_DONE || result == worst || (result == SEAL_HELD && worst == SEAL_FAILED))
            continue;
        worst = result;
        if (err != NULL)
            *err = why;
    }
    closedir(dir);
    return worst;
}

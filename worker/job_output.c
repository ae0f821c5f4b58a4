#include "worker/job_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io.h"

#define PREFIX ".part-"
static const char path_suffix[] = ".file";

static void own_name(char *name, size_t size, uint32_t partition, uint64_t attempt) {
    snprintf(name, size, PREFIX "%05" PRIu32 ".%" PRIu64, partition, attempt);
}

bool job_output_open(struct job_output *o, const char *dir, uint32_t partition, uint64_t attempt,
                     struct error *err) {
    *o = (struct job_output){.dir_fd = -1, .fd = -1, .dir = dir};
    own_name(o->name, sizeof o->name, partition, attempt);
    snprintf(o->final, sizeof o->final, "part-%05" PRIu32, partition);
    o->buffer = malloc(JOB_OUTPUT_BUFFER_BYTES);
    if (o->buffer == NULL) {
        error_set(err, ENOMEM, "%s/%s", dir, o->name);
        return false;
    }
    o->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dir_fd < 0) {
        error_set(err, errno, "%s", dir);
        return false;
    }
    /* One that is there was left by the same attempt's process: nobody else has that name. */
    o->fd = openat(o->dir_fd, o->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (o->fd < 0)
        error_set(err, errno, "%s/%s", dir, o->name);
    return o->fd >= 0;
}

static bool write_all(struct job_output *o, const char *p, size_t len, struct error *err) {
    if (io_write(o->fd, p, len))
        return true;
    error_set(err, errno, "%s/%s", o->dir, o->name);
    return false;
}

static bool flush(struct job_output *o, struct error *err) {
    size_t n = o->used;

    o->used = 0;
    return write_all(o, o->buffer, n, err);
}

bool job_output_write(struct job_output *o, const void *bytes, size_t len, struct error *err) {
    o->bytes += len;
    if (len > JOB_OUTPUT_BUFFER_BYTES - o->used) {
        if (!flush(o, err))
            return false;
        if (len >= JOB_OUTPUT_BUFFER_BYTES)
            return write_all(o, bytes, len, err);
    }
    if (len > 0)
        memcpy(o->buffer + o->used, bytes, len);
    o->used += len;
    return true;
}

const char *job_output_path(struct job_output *o) {
    if (o->path == NULL && asprintf(&o->path, "%s/%s%s", o->dir, o->name, path_suffix) < 0)
        o->path = NULL;
    return o->path;
}

/* The function's own file: it wrote and closed it, and did not think of a crash of the machine. */
static bool sync_path(struct job_output *o, struct error *err) {
    int fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool ok = fd >= 0 && fdatasync(fd) == 0 && fstat(fd, &st) == 0;

    if (ok)
        o->bytes = (uint64_t)st.st_size;
    else
        error_set(err, errno, "%s", o->path);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* 0, or errno. */
static int rename_once(struct job_output *o, const char *name) {
    if (renameat2(o->dir_fd, name, o->dir_fd, o->final, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (linkat(o->dir_fd, name, o->dir_fd, o->final, 0) != 0)
        return errno;
    unlinkat(o->dir_fd, name, 0);
    return 0;
}

enum job_output_result job_output_commit(struct job_output *o, struct error *err) {
    char other[sizeof o->name + sizeof path_suffix];

    if (!flush(o, err))
        return JOB_OUTPUT_FAILED;
    if (o->path != NULL ? !sync_path(o, err) : fdatasync(o->fd) != 0) {
        if (o->path == NULL)
            error_set(err, errno, "%s/%s", o->dir, o->name);
        return JOB_OUTPUT_FAILED;
    }
    snprintf(other, sizeof other, "%s%s", o->name, o->path != NULL ? path_suffix : "");
    int why = rename_once(o, other);
    if (why != 0 && why != EEXIST) {
        error_set(err, why, "%s/%s", o->dir, o->final);
        return JOB_OUTPUT_FAILED;
    }
    /* Also for what was there before: whoever made it may have died in front of this. */
    if (fsync(o->dir_fd) != 0) {
        error_set(err, errno, "%s", o->dir);
        return JOB_OUTPUT_FAILED;
    }
    return why == 0 ? JOB_OUTPUT_DONE : JOB_OUTPUT_DONE_BEFORE;
}

void job_output_close(struct job_output *o) {
    if (o->fd >= 0) {
        close(o->fd);
        unlinkat(o->dir_fd, o->name, 0); /* not there any more after a commit */
    }
    if (o->path != NULL)
        unlink(o->path);
    if (o->dir_fd >= 0)
        close(o->dir_fd);
    free(o->path);
    free(o->buffer);
    *o = (struct job_output){.dir_fd = -1, .fd = -1};
}

/* All names that begin so: what a function put beside its file (a database's journal) goes too. */
static void remove_prefix(const char *path, const char *prefix, bool whole) {
    DIR *dir = opendir(path);
    size_t len = strlen(prefix);
    struct dirent *e;

    if (dir == NULL)
        return;
    while ((e = readdir(dir)) != NULL) {
        const char *name = e->d_name;
        if (strncmp(name, prefix, len) == 0 && (!whole || name[len] == '\0' || name[len] == '.'))
            unlinkat(dirfd(dir), name, 0);
    }
    closedir(dir);
}

void job_output_remove(const char *dir, uint32_t partition, uint64_t attempt) {
    char name[64];

    own_name(name, sizeof name, partition, attempt);
    remove_prefix(dir, name, true);
}

void job_output_sweep(const char *dir) {
    remove_prefix(dir, PREFIX, false);
}

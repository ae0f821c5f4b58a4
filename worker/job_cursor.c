#include "worker/job_cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A block and the header of the next one are read at once. */
static size_t window_bytes(uint32_t block_max) {
    return (size_t)block_max + 2 * JOB_BLOCK_HEAD_BYTES;
}

uint64_t job_run_cost(const struct job_run *run) {
    uint64_t blocks = run->bytes == NULL ? 2 : 1;

    return blocks * (run->block_max + 2 * (uint64_t)JOB_BLOCK_HEAD_BYTES + JOB_PAD_BYTES) +
           sizeof(struct job_cursor);
}

static enum job_cursor_result fail(struct job_cursor *c, int errno_value, const char *what) {
    error_set(&c->err, errno_value, "%s: %s", c->run->name, what);
    return JOB_CURSOR_FAILED;
}

enum job_cursor_result job_cursor_damaged(struct job_cursor *c, const char *how) {
    error_set(&c->err, 0, "%s: damaged in front of offset %llu: %s", c->run->name,
              (unsigned long long)(c->at - (c->window_len - c->window_at)), how);
    return JOB_CURSOR_DAMAGED;
}

bool job_cursor_open(struct job_cursor *c, const struct job_run *run) {
    *c = (struct job_cursor){.run = run, .fd = -1, .at = run->offset, .left = run->len};
    if (run->bytes != NULL || run->len == 0)
        return true;
    c->fd = openat(run->dir_fd, run->name, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0) {
        fail(c, errno, "cannot be opened");
        return false;
    }
    posix_fadvise(c->fd, (off_t)run->offset, (off_t)run->len, POSIX_FADV_SEQUENTIAL);
    c->window_size = window_bytes(run->block_max);
    c->window = malloc(c->window_size + JOB_PAD_BYTES);
    if (c->window == NULL)
        fail(c, ENOMEM, "cannot be read");
    return c->window != NULL;
}

void job_cursor_close(struct job_cursor *c) {
    if (c->fd >= 0)
        close(c->fd);
    free(c->window);
    free(c->block);
    c->fd = -1;
    c->window = c->block = NULL;
}

/* Has `want` bytes of the file in the window. */
static enum job_cursor_result fill(struct job_cursor *c, size_t want) {
    size_t have = c->window_len - c->window_at;

    if (have >= want)
        return JOB_CURSOR_RECORD;
    if (want - have > c->left)
        return job_cursor_damaged(c, "it ends too early");
    memmove(c->window, c->window + c->window_at, have);
    c->window_at = 0;
    c->window_len = have;
    while (c->window_len < want) {
        size_t room = c->window_size - c->window_len;
        ssize_t n = pread(c->fd, c->window + c->window_len, room < c->left ? room : (size_t)c->left,
                          (off_t)c->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(c, errno, "cannot be read");
        if (n == 0)
            return job_cursor_damaged(c, "it is too short");
        c->window_len += (size_t)n;
        c->at += (uint64_t)n;
        c->left -= (uint64_t)n;
    }
    return JOB_CURSOR_RECORD;
}

/* The next `n` bytes, with none copied out of memory. */
static enum job_cursor_result take(struct job_cursor *c, size_t n, const unsigned char **bytes) {
    if (c->run->bytes != NULL) {
        if (n > c->left)
            return job_cursor_damaged(c, "it ends too early");
        *bytes = c->run->bytes + (c->at - c->run->offset);
        c->at += n;
        c->left -= n;
        return JOB_CURSOR_RECORD;
    }
    enum job_cursor_result why = fill(c, n);
    *bytes = c->window + c->window_at;
    if (why == JOB_CURSOR_RECORD)
        c->window_at += n;
    return why;
}

static enum job_cursor_result make_room(struct job_cursor *c, size_t size) {
    if (c->block_size >= size)
        return JOB_CURSOR_RECORD;
    free(c->block);
    c->block = malloc(size + JOB_PAD_BYTES);
    c->block_size = c->block != NULL ? size : 0;
    return c->block != NULL ? JOB_CURSOR_RECORD : fail(c, ENOMEM, "cannot be unpacked");
}

enum job_cursor_result job_cursor_next_block(struct job_cursor *c) {
    const unsigned char *bytes;
    struct job_block b;

    if (c->left == 0 && c->window_at == c->window_len)
        return JOB_CURSOR_END;
    enum job_cursor_result why = take(c, JOB_BLOCK_HEAD_BYTES, &bytes);
    if (why != JOB_CURSOR_RECORD)
        return why;
    if (!job_block_parse(bytes, &b) || b.unpacked > c->run->block_max)
        return job_cursor_damaged(c, "no block");
    if ((why = take(c, b.stored, &bytes)) != JOB_CURSOR_RECORD)
        return why;
    if (!job_block_check(&b, bytes))
        return job_cursor_damaged(c, "wrong checksum");
    /* In memory, what is behind the last block may not be read: records need that. */
    if (b.stored < b.unpacked || (c->run->bytes != NULL && c->left < JOB_PAD_BYTES)) {
        if ((why = make_room(c, b.unpacked)) != JOB_CURSOR_RECORD)
            return why;
        if (b.stored == b.unpacked)
            memcpy(c->block, bytes, b.unpacked);
        else if (!job_block_unpack(&b, bytes, c->block))
            return job_cursor_damaged(c, "it cannot be unpacked");
        bytes = c->block;
    }
    c->partition = b.partition;
    c->next = bytes;
    c->end = bytes + b.unpacked;
    return JOB_CURSOR_RECORD;
}

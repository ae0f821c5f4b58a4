#include "worker/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/io.h"

/* Kept for the next body, whatever the others have; more is kept while the pool is used to less than a quarter. */
enum { KEEP_BYTES = 16 * 1024 };

void body_init(struct body *b, struct body_pool *pool) {
    *b = (struct body){.pool = pool, .fd = -1};
    buf_init(&b->memory, BODY_MEMORY_BYTES);
}

static void drop_memory(struct body *b) {
    b->pool->bytes -= b->memory.size;
    buf_release(&b->memory);
}

void body_reset(struct body *b, uint64_t max) {
    if (b->map != NULL)
        munmap(b->map, b->map_len);
    b->map = NULL;
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
    if (b->memory.size > KEEP_BYTES && b->pool->bytes > b->pool->bytes_max / 4)
        drop_memory(b);
    buf_reset(&b->memory);
    b->len = 0;
    b->max = max;
    b->cut = false;
}

void body_release(struct body *b) {
    body_reset(b, 0);
    drop_memory(b);
}

/* Not every file system has files without a name. */
static int open_nameless(int dir_fd) {
    static _Thread_local unsigned serial;
    char name[64];
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    snprintf(name, sizeof name, ".body-%d-%u", (int)gettid(), serial++);
    fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlinkat(dir_fd, name, 0);
    return fd;
}

static bool move_to_disk(struct body *b) {
    int fd = open_nameless(b->pool->dir_fd);

    if (fd < 0)
        return false;
    if (!io_write_at(fd, b->memory.data, b->memory.len, 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return false;
    }
    b->fd = fd;
    drop_memory(b);
    return true;
}

static bool fits_memory(const struct body *b, size_t n) {
    size_t most = b->pool->bytes < b->pool->bytes_max ? BODY_MEMORY_BYTES : BODY_MEMORY_LOW_BYTES;

    return b->len + n <= most;
}

void body_expect(struct body *b, uint64_t n) {
    size_t before = b->memory.size;

    if (b->fd >= 0 || n > b->max || n > BODY_MEMORY_BYTES ||
        b->pool->bytes + n > b->pool->bytes_max)
        return;
    if (!buf_reserve(&b->memory, (size_t)n))
        buf_reset(&b->memory); /* it will be asked for again as it comes */
    b->pool->bytes += b->memory.size - before;
}

enum body_result body_append(struct body *b, const void *p, size_t n) {
    size_t room = b->max - b->len < n ? (size_t)(b->max - b->len) : n;

    if (b->fd < 0 && fits_memory(b, room)) {
        size_t before = b->memory.size;
        bool ok = buf_append(&b->memory, p, room);
        b->pool->bytes += b->memory.size - before;
        if (!ok)
            return BODY_NO_MEMORY;
    } else {
        if (b->fd < 0 && !move_to_disk(b))
            return BODY_DISK;
        if (!io_write_at(b->fd, p, room, b->len))
            return BODY_DISK;
    }
    b->len += room;
    b->cut = room < n;
    return b->cut ? BODY_CUT : BODY_OK;
}

bool body_view(struct body *b, const char **p, size_t *n) {
    *p = b->len == 0 ? "" : b->memory.data;
    *n = (size_t)b->len;
    if (b->fd < 0)
        return true;
    if (b->map == NULL) {
        void *map = mmap(NULL, (size_t)b->len, PROT_READ, MAP_PRIVATE, b->fd, 0);
        if (map == MAP_FAILED)
            return false;
        b->map = map;
        b->map_len = (size_t)b->len;
    }
    *p = b->map;
    return true;
}

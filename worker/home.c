#include "worker/home.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io.h"

static bool failed(struct home *h, const char *what, const char *below) {
    error_set(h->err, errno, "cannot %s %s%s%s", what, h->dir, below[0] == '\0' ? "" : "/", below);
    return false;
}

int home_open_dir(int at, const char *name) {
    if (!io_make_dir(at, name, 0755))
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A small file's content; false when there is none. */
static bool read_file(int at, const char *name, void *to, size_t size, size_t *len) {
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    do
        n = read(fd, to, size);
    while (n < 0 && errno == EINTR);
    close(fd);
    *len = n < 0 ? 0 : (size_t)n;
    return n >= 0;
}

bool home_instance(int dir_fd, const char *segment, unsigned char instance[HOME_INSTANCE_BYTES]) {
    char path[LIMIT_SEGMENT_NAME_BYTES + 32];
    size_t len = strlen(segment), got = 0;

    /* A worker's name may have a '-' in it, what is behind it does not. */
    for (int dashes = 0; len > 0 && dashes < 3; dashes += segment[len] == '-')
        len--;
    if (dir_fd < 0 || len == 0 || len > LIMIT_WORKER_NAME_BYTES || segment[0] == '.')
        return false;
    snprintf(path, sizeof path, "workers/%.*s/instance", (int)len, segment);
    return read_file(dir_fd, path, instance, HOME_INSTANCE_BYTES, &got) &&
           got == HOME_INSTANCE_BYTES;
}

/* Whole or not at all, and durable. */
static bool write_file(int at, const char *name, const void *p, size_t n) {
    char tmp[64];
    bool ok;

    snprintf(tmp, sizeof tmp, "%s.%d.tmp", name, (int)getpid());
    int fd = openat(at, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ok = io_write(fd, p, n) && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (ok && renameat(at, tmp, at, name) == 0 && fsync(at) == 0)
        return true;
    if (!ok)
        errno = saved;
    saved = errno;
    (void)unlinkat(at, tmp, 0);
    errno = saved;
    return false;
}

static bool name_valid(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n > 0 && n <= LIMIT_WORKER_NAME_BYTES && name[n] == '\0' && name[0] != '.';
}

/* "host-4f1a"; what a name cannot hold becomes '-'. */
static bool make_name(struct home *h) {
    char host[LIMIT_WORKER_NAME_BYTES - 5] = "";
    uint16_t digits = 0;

    (void)gethostname(host, sizeof host - 1);
    if (host[0] == '\0')
        snprintf(host, sizeof host, "worker");
    for (char *p = host; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p))
            *p = '-';
    if (getrandom(&digits, sizeof digits, 0) != sizeof digits)
        return false;
    snprintf(h->name, sizeof h->name, "%s-%04x", host, digits);
    return true;
}

static bool find_name(struct home *h, const char *name) {
    size_t n = 0;

    if (name != NULL) {
        snprintf(h->name, sizeof h->name, "%s", name);
        if (name_valid(name))
            return true;
        error_set(h->err, 0,
                  "worker name '%s': letters, digits, '.', '_' and '-' are accepted, at most %d, "
                  "and no '.' in front",
                  name, LIMIT_WORKER_NAME_BYTES);
        return false;
    }
    if (read_file(h->dir_fd, "worker-name", h->name, sizeof h->name - 1, &n)) {
        h->name[n] = '\0';
        h->name[strcspn(h->name, "\n")] = '\0';
        if (name_valid(h->name))
            return true;
    }
    if (!make_name(h))
        return failed(h, "make a name for", "");
    return write_file(h->dir_fd, "worker-name", h->name, strlen(h->name)) ||
           failed(h, "write", "worker-name");
}

static bool lock_home(struct home *h) {
    h->lock_fd = openat(h->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (h->lock_fd < 0)
        return failed(h, "create the lock of", h->name);
    if (flock(h->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return failed(h, "lock", h->name);
    error_set(h->err, 0, "a worker named %s is already running in %s", h->name, h->dir);
    return false;
}

/* Who it is, and how often it was started: both outlive the process. */
static bool read_identity(struct home *h) {
    char text[32] = "";
    size_t n = 0;

    if (!read_file(h->fd, "instance", h->instance, sizeof h->instance, &n) ||
        n != sizeof h->instance) {
        if (getrandom(h->instance, sizeof h->instance, 0) != sizeof h->instance ||
            !write_file(h->fd, "instance", h->instance, sizeof h->instance))
            return failed(h, "write the instance of", h->name);
    }
    if (read_file(h->fd, "incarnation", text, sizeof text - 1, &n))
        h->incarnation = strtoull(text, NULL, 10);
    h->incarnation++;
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", h->incarnation);
    return write_file(h->fd, "incarnation", text, (size_t)len) ||
           failed(h, "write the incarnation of", h->name);
}

void home_init(struct home *h) {
    *h = (struct home){.dir_fd = -1, .fd = -1, .lock_fd = -1};
}

bool home_open(struct home *h, const char *dir, const char *name, struct error *err) {
    h->dir = dir;
    h->err = err;
    if (!io_make_dir(AT_FDCWD, dir, 0755))
        return failed(h, "create", "");
    h->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->dir_fd < 0)
        return failed(h, "open", "");
    if (!find_name(h, name))
        return false;
    int workers_fd = home_open_dir(h->dir_fd, "workers");
    if (workers_fd < 0)
        return failed(h, "create", "workers");
    h->fd = home_open_dir(workers_fd, h->name);
    close(workers_fd);
    if (h->fd < 0)
        return failed(h, "create the directory of", h->name);
    return lock_home(h) && read_identity(h);
}

void home_close(struct home *h) {
    const int fds[] = {h->lock_fd, h->fd, h->dir_fd};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    home_init(h);
}

#include "worker/home.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/fingerprint.h"
#include "shared/io.h"
#include "shared/log.h"

enum { LOCK_POLL_MS = 50 };

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

/* ---- where a process is ------------------------------------------------------------------------------ */

/* Of the lock in a worker's directory. */
static uint64_t place_of(int at) {
    static const unsigned char key[16] = "trawl: the place";
    struct {
        char boot[40];
        uint64_t dev, ino;
    } file = {.boot = ""};
    struct stat st;
    size_t n;

    if (!read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", file.boot, sizeof file.boot, &n) ||
        n < 32 || fstatat(at, "lock", &st, 0) != 0)
        return 0;
    file.dev = st.st_dev;
    file.ino = st.st_ino;
    return fingerprint(key, &file, sizeof file);
}

/* NAME of NAME-CRAWL-SESSION-SERIAL: it may have a '-' in it, what is behind it does not. 0: it is no such name. */
static size_t owner_len(const char *segment, size_t len) {
    for (int dashes = 0; len > 0 && dashes < 3; dashes += segment[len] == '-')
        len--;
    return len <= LIMIT_WORKER_NAME_BYTES && segment[0] != '.' ? len : 0;
}

bool home_of_segment(int dir_fd, const char *segment, struct home_proof *proof) {
    char path[LIMIT_WORKER_NAME_BYTES + 16];
    size_t len = owner_len(segment, strlen(segment)), got = 0;

    if (dir_fd < 0 || len == 0)
        return false;
    snprintf(path, sizeof path, "workers/%.*s", (int)len, segment);
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool known = read_file(fd, "instance", proof->instance, HOME_INSTANCE_BYTES, &got) &&
                 got == HOME_INSTANCE_BYTES;
    proof->place = place_of(fd);
    close(fd);
    return known;
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

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nothing tells when another process gives a lock up but flock() itself, which cannot be given a time: so it is asked. */
static bool lock_home(struct home *h, uint32_t wait_ms) {
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    int64_t until_ms = clock_ms() + wait_ms;

    h->lock_fd = openat(h->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (h->lock_fd < 0)
        return failed(h, "create the lock of", h->name);
    for (bool told = false; flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0; told = true) {
        if (errno != EWOULDBLOCK)
            return failed(h, "lock", h->name);
        if (clock_ms() >= until_ms) {
            error_set(h->err, 0, "a worker named %s is already running in %s", h->name, h->dir);
            return false;
        }
        if (!told)
            log_info("worker", "%s: waits for the one of that name that still runs in %s", h->name,
                     h->dir);
        nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- whose records it has ------------------------------------------------------------------------------ */

static bool crawl_valid(const char *crawl) {
    return strlen(crawl) == HOME_CRAWL_DIGITS && crawl[strspn(crawl, "0123456789abcdef")] == '\0';
}

static bool read_crawl(int dir_fd, char crawl[HOME_CRAWL_DIGITS + 1]) {
    char text[HOME_CRAWL_DIGITS + 2] = "";
    size_t n;

    if (!read_file(dir_fd, "crawl-id", text, sizeof text - 1, &n))
        return false;
    text[strcspn(text, "\n")] = '\0';
    if (!crawl_valid(text))
        return false;
    memcpy(crawl, text, HOME_CRAWL_DIGITS + 1);
    return true;
}

/* CRAWL of a segment's file. */
static bool crawl_of_file(const char *file, char crawl[HOME_CRAWL_DIGITS + 1]) {
    const char *end = strstr(file, ".warc.gz");
    size_t len = end == NULL ? 0 : owner_len(file, (size_t)(end - file));

    if (len == 0 || (size_t)(end - file) < len + 2 + HOME_CRAWL_DIGITS)
        return false;
    memcpy(crawl, file + len + 1, HOME_CRAWL_DIGITS);
    crawl[HOME_CRAWL_DIGITS] = '\0';
    return crawl_valid(crawl) && file[len + 1 + HOME_CRAWL_DIGITS] == '-';
}

/* What the segments say that are there. Those of several crawls, of times when nobody looked, say nothing. */
static void guess_crawl(int dir_fd, char crawl[HOME_CRAWL_DIGITS + 1]) {
    int fd = openat(dir_fd, "archive", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char other[HOME_CRAWL_DIGITS + 1];
    const struct dirent *entry;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!crawl_of_file(entry->d_name, other))
            continue;
        if (crawl[0] != '\0' && strcmp(crawl, other) != 0) {
            crawl[0] = '\0';
            break;
        }
        memcpy(crawl, other, sizeof other);
    }
    if (dir != NULL)
        closedir(dir);
}

/* The file as it is, if somebody else made it meanwhile. */
static bool write_crawl(int dir_fd, const char *crawl) {
    char text[HOME_CRAWL_DIGITS + 2], tmp[64];
    int n = snprintf(text, sizeof text, "%s\n", crawl);

    snprintf(tmp, sizeof tmp, "crawl-id.%d.tmp", (int)gettid());
    int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool ok = io_write(fd, text, (size_t)n) && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (ok && !io_rename_new(dir_fd, tmp, "crawl-id")) {
        saved = errno;
        ok = errno == EEXIST;
    }
    (void)unlinkat(dir_fd, tmp, 0);
    ok = ok && io_sync_dir(dir_fd);
    if (!ok)
        errno = saved;
    return ok;
}

bool home_bind(int dir_fd, const char *crawl, struct error *err) {
    char has[HOME_CRAWL_DIGITS + 1] = "";

    if (!crawl_valid(crawl)) {
        error_set(err, 0, "the master has no name for its crawl");
        return false;
    }
    if (!read_crawl(dir_fd, has) && (!write_crawl(dir_fd, crawl) || !read_crawl(dir_fd, has))) {
        error_set(err, errno, "cannot write crawl-id, which says whose records are in archive/");
        return false;
    }
    if (strcmp(has, crawl) == 0)
        return true;
    error_set(err, 0,
              "the directory has the archive of another crawl (%s, and the master's is %s); start "
              "the worker with another --dir, or for the master of that crawl",
              has, crawl);
    return false;
}

/* ---- who it is ------------------------------------------------------------------------------------------ */

static bool write_incarnation(struct home *h) {
    char text[32] = "";
    struct timespec t;
    size_t n = 0;

    if (read_file(h->fd, "incarnation", text, sizeof text - 1, &n))
        h->incarnation = strtoull(text, NULL, 10);
    h->incarnation++;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t clock = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    if (h->incarnation < clock)
        h->incarnation = clock;
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", h->incarnation);
    return write_file(h->fd, "incarnation", text, (size_t)len) ||
           failed(h, "write the incarnation of", h->name);
}

static bool read_identity(struct home *h) {
    unsigned char *instance = h->proof.instance;
    size_t n = 0;

    if (!read_file(h->fd, "instance", instance, HOME_INSTANCE_BYTES, &n) ||
        n != HOME_INSTANCE_BYTES) {
        if (getrandom(instance, HOME_INSTANCE_BYTES, 0) != HOME_INSTANCE_BYTES ||
            !write_file(h->fd, "instance", instance, HOME_INSTANCE_BYTES))
            return failed(h, "write the instance of", h->name);
    }
    while (h->process == 0)
        if (getrandom(&h->process, sizeof h->process, 0) != sizeof h->process)
            return failed(h, "make a number for a process of", h->name);
    h->proof.place = place_of(h->fd);
    if (!read_crawl(h->dir_fd, h->crawl))
        guess_crawl(h->dir_fd, h->crawl);
    return write_incarnation(h);
}

void home_init(struct home *h) {
    *h = (struct home){.dir_fd = -1, .fd = -1, .lock_fd = -1};
}

bool home_open(struct home *h, const char *dir, const char *name, uint32_t wait_ms,
               struct error *err) {
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
    return lock_home(h, wait_ms) && read_identity(h);
}

void home_close(struct home *h) {
    const int fds[] = {h->lock_fd, h->fd, h->dir_fd};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    home_init(h);
}

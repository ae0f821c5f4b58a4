#include "master/dir_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, PAUSE_MS = 20 };

static void path_of(const char *dir, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "%s/state.lock", dir);
}

static void pause_ms(int ms) {
    struct timespec t = {.tv_nsec = ms * 1000000L};

    nanosleep(&t, NULL);
}

static bool try_lock(int fd, int operation) {
    int result;

    do
        result = flock(fd, operation | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Nobody but such as look have it, or nobody any more. */
static bool only_looked_at(int fd) {
    return try_lock(fd, LOCK_SH) && flock(fd, LOCK_UN) == 0;
}

static void tell_owner(const char *dir, int fd, struct error *err) {
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    error_set(err, 0, "%s is in use by another crawl (pid %s)", dir, pid[0] == '\0' ? "?" : pid);
}

static bool own(const char *dir, int fd, struct error *err) {
    for (int waited_ms = 0; !try_lock(fd, LOCK_EX); waited_ms += PAUSE_MS) {
        if (!only_looked_at(fd)) {
            tell_owner(dir, fd, err);
            return false;
        }
        if (waited_ms >= DIR_LOCK_WAIT_MS) {
            error_set(err, 0,
                      "%s is being read: start again when trawl export, verify or why has ended "
                      "there",
                      dir);
            return false;
        }
        pause_ms(PAUSE_MS);
    }
    return true;
}

int dir_lock_own(const char *dir, struct error *err) {
    char path[PATH_BYTES];

    path_of(dir, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_set(err, errno, "cannot open %s", path);
        return -1;
    }
    if (!own(dir, fd, err))
        goto fail;
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
        error_set(err, errno, "cannot write %s", path);
        goto fail;
    }
    return fd;
fail:
    close(fd);
    return -1;
}

int dir_lock_look(const char *dir, int wait_ms, bool *running, struct error *err) {
    char path[PATH_BYTES];
    struct stat st;

    *running = false;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        error_set(err, errno, "%s is not a crawl's directory", dir);
        return -1;
    }
    path_of(dir, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, 0, "%s is not a crawl's directory: it has no crawldb", dir);
        return -1;
    }
    for (int waited_ms = 0; !try_lock(fd, LOCK_SH); waited_ms += PAUSE_MS) {
        if (waited_ms >= wait_ms) {
            close(fd);
            *running = true;
            error_set(err, 0,
                      "%s is in use by a running crawl: ask again when it has ended, or see trawl "
                      "status",
                      dir);
            return -1;
        }
        pause_ms(PAUSE_MS);
    }
    return fd;
}

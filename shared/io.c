#include "shared/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes a count as the system gave it. False: an error, which errno says; a count of 0 is `none`. */
static bool took(ssize_t n, int none) {
    if (n == 0)
        errno = none;
    return n > 0 || (n < 0 && errno == EINTR);
}

bool io_write(int fd, const void *bytes, size_t len) {
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (!took(n, ENOSPC))
            return false;
        size_t put = n > 0 ? (size_t)n : 0;
        p += put;
        len -= put;
    }
    return true;
}

bool io_write_at(int fd, const void *bytes, size_t len, uint64_t offset) {
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);
        if (!took(n, ENOSPC))
            return false;
        size_t put = n > 0 ? (size_t)n : 0;
        p += put;
        len -= put;
        offset += put;
    }
    return true;
}

bool io_read_at(int fd, void *to, size_t len, uint64_t offset) {
    char *p = to;

    while (len > 0) {
        ssize_t n = pread(fd, p, len, (off_t)offset);
        if (!took(n, EIO))
            return false;
        size_t got = n > 0 ? (size_t)n : 0;
        p += got;
        len -= got;
        offset += got;
    }
    return true;
}

bool io_rename_new(int dir_fd, const char *from, const char *to) {
    struct stat there;

    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (fstatat(dir_fd, to, &there, AT_SYMLINK_NOFOLLOW) == 0)
        errno = EEXIST;
    else if (errno == ENOENT)
        return renameat(dir_fd, from, dir_fd, to) == 0;
    return false;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static bool cannot_be_synced(int error) {
    return error == EACCES || error == EPERM || error == EINVAL || error == EROFS;
}

bool io_sync_dir(int fd) {
    return fsync(fd) == 0 || cannot_be_synced(errno);
}

static bool sync_opened(int fd) {
    if (fd < 0)
        return cannot_be_synced(errno);
    bool ok = io_sync_dir(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

/* "." of "a", "/" of "/a", "a" of "a/b/". */
static bool parent_of(const char *path, char parent[PATH_MAX]) {
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(parent, n == 0 ? "." : path, n == 0 ? 1 : n);
    parent[n == 0 ? 1 : n] = '\0';
    return true;
}

static bool sync_parent_at(int at, const char *path) {
    char parent[PATH_MAX];

    return parent_of(path, parent) &&
           sync_opened(openat(at, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool io_sync_parent(const char *path) {
    return sync_parent_at(AT_FDCWD, path);
}

/* One that was there may be of somebody who died before it was synced. */
bool io_make_dir(int at, const char *name, unsigned mode) {
    struct stat st;

    if (mkdirat(at, name, mode) != 0) {
        if (errno != EEXIST || fstatat(at, name, &st, 0) != 0)
            return false;
        if (!S_ISDIR(st.st_mode)) {
            errno = ENOTDIR;
            return false;
        }
    }
    return sync_parent_at(at, name);
}

bool io_rename(const char *from, const char *to) {
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return ok && rename(from, to) == 0 && io_sync_parent(to);
}

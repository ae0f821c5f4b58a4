#include "shared/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

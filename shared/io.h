/*
 * io: read and write, whole or not at all. Signals and short counts are not the caller's matter.
 *
 * On false errno says why; how much was written is not known then. Any thread.
 */
#ifndef TRAWL_SHARED_IO_H
#define TRAWL_SHARED_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool io_write(int fd, const void *bytes, size_t len);
bool io_write_at(int fd, const void *bytes, size_t len, uint64_t offset);
/* EIO: the file ends before. */
bool io_read_at(int fd, void *to, size_t len, uint64_t offset);
/* Renames within the directory `dir_fd`, never over a file that is there: EEXIST. Where the file system cannot promise
 * that (EINVAL of renameat2), it looks first: the caller must be the only one to make `to`. */
bool io_rename_new(int dir_fd, const char *from, const char *to);

#endif

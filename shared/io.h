/*
 * io: read and write, whole or not at all. Signals and short counts are not the caller's matter. And what makes a name durable:
 * a file or directory that is new, or has a new name, is there after a power cut only when its directory was synced, too.
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
/* The directory that the path's last part stands in. One that may not be read cannot be synced by us, nor on some file systems:
 * that is no failure. */
bool io_sync_parent(const char *path);
/* The same of what is open. */
bool io_sync_dir(int fd);
/* A directory that is there, made if need be, and whose name is durable. */
bool io_make_dir(int at, const char *name, unsigned mode);
/* A whole file gets its final name: what is in it first, then the name. */
bool io_rename(const char *from, const char *to);
/* EIO: the file ends before. */
bool io_read_at(int fd, void *to, size_t len, uint64_t offset);
/* Renames within the directory `dir_fd`, never over a file that is there: EEXIST. Where the file system cannot promise
 * that (EINVAL of renameat2), it looks first: the caller must be the only one to make `to`. */
bool io_rename_new(int dir_fd, const char *from, const char *to);

#endif

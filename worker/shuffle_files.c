/* shuffle_files: the directory that map output is served from, and checksums. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "worker/shuffle.h"
#include "worker/shuffle_wire.h"

void shuffle_name(char name[SHUFFLE_NAME_BYTES], uint64_t job, uint32_t map, uint64_t attempt) {
    snprintf(name, SHUFFLE_NAME_BYTES, "%" PRIu64 "-%" PRIu32 "-%" PRIu64 ".map", job, map,
             attempt);
}

bool shuffle_keep(int dir_fd, int scratch_fd, uint64_t job, uint32_t map, uint64_t attempt,
                  struct error *err) {
    char name[SHUFFLE_NAME_BYTES];

    shuffle_name(name, job, map, attempt);
    if (renameat(scratch_fd, "map.out", dir_fd, name) == 0)
        return true;
    error_set(err, errno, "map.out cannot be kept as %s", name);
    return false;
}

void shuffle_remove(int dir_fd, uint64_t job, uint32_t map, uint64_t attempt) {
    char name[SHUFFLE_NAME_BYTES];

    shuffle_name(name, job, map, attempt);
    unlinkat(dir_fd, name, 0);
}

void shuffle_remove_job(int dir_fd, uint64_t job) {
    char prefix[32];
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    snprintf(prefix, sizeof prefix, "%" PRIu64 "-", job);
    while ((e = readdir(dir)) != NULL)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            unlinkat(dir_fd, e->d_name, 0);
    closedir(dir);
}

uint64_t shuffle_checksum(const struct shuffle_want *want, uint64_t offset,
                          const struct shuffle_part *part, const void *chunk, size_t len) {
    const uint64_t what[] = {want->job, want->attempt, want->map,     want->partition,
                             offset,    part->bytes,   part->records, part->block_max};

    return XXH3_64bits_withSeed(len > 0 ? chunk : "", len, XXH3_64bits(what, sizeof what));
}

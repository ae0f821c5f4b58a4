#include "worker/task_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct task_progress *task_progress_map(int fd) {
    struct task_progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    /* cppcheck-suppress memleak; a mapping, and the caller's */
    return p != MAP_FAILED ? p : NULL;
}

int task_progress_new(struct task_progress **p) {
    int fd = memfd_create("trawl-task", MFD_CLOEXEC);

    *p = NULL;
    if (fd >= 0 && ftruncate(fd, sizeof **p) == 0)
        *p = task_progress_map(fd);
    if (*p != NULL)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void task_progress_free(struct task_progress *p) {
    if (p != NULL)
        munmap(p, sizeof *p);
}

void task_progress_name(struct task_progress *p, const void *name, size_t len) {
    if (len > sizeof p->name)
        len = sizeof p->name;
    atomic_store_explicit(&p->name_len, 0, memory_order_release);
    memcpy(p->name, name, len);
    atomic_store_explicit(&p->name_len, (uint32_t)len, memory_order_release);
}

bool task_progress_record(const struct task_progress *p, uint64_t *number, char *name, size_t size,
                          size_t *len) {
    char behind[32] = "";

    if (atomic_load_explicit(&p->busy, memory_order_acquire) == 0)
        return false;
    uint64_t offset = atomic_load_explicit(&p->offset, memory_order_relaxed);
    size_t n = atomic_load_explicit(&p->name_len, memory_order_acquire);
    *number = atomic_load_explicit(&p->number, memory_order_relaxed);
    if (offset != UINT64_MAX)
        snprintf(behind, sizeof behind, ":%" PRIu64, offset);
    /* The child's word: a function may have written over it. */
    if (n > sizeof p->name)
        n = sizeof p->name;
    if (n > size)
        n = size;
    memcpy(name, p->name, n);
    *len = n;
    size_t more = strlen(behind);
    if (more > size - n)
        more = size - n;
    memcpy(name + n, behind, more);
    *len += more;
    return true;
}

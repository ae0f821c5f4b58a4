/*
 * task_progress: what the child that runs a task tells its parent while it runs: a struct in a memfd that both map.
 *
 *     parent: int fd = task_progress_new(&p);  ... child's descriptor 3 ...
 *             ticks moved since it was last looked at: the attempt is alive
 *             child died of a signal: task_progress_record(p, &number, name, sizeof name) says which record it had
 *             task_progress_free(p); close(fd)
 *     child:  p = task_progress_map(3); task_progress_begin(p, number); ... function ...; task_progress_end(p)
 *
 * One writer, the child's main thread (but for `ticks`, which its threads add to); any reader. A reader of a child that runs may see a
 * record's number with another one's name; of a dead child it sees what the child wrote last.
 */
#ifndef TRAWL_WORKER_TASK_PROGRESS_H
#define TRAWL_WORKER_TASK_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TASK_PROGRESS_NAME_BYTES = 1024 };

enum task_phase {
    TASK_PHASE_START, /* reads its spec, loads the function, opens its input */
    TASK_PHASE_MAP,
    TASK_PHASE_SORT,  /* sorts, spills, merges; combine() runs in it */
    TASK_PHASE_FETCH, /* of a reduce task: its input */
    TASK_PHASE_REDUCE,
    TASK_PHASE_COMMIT,
};

struct task_progress {
    _Atomic uint64_t ticks;   /* grows whenever something was done: the hang detector's clock */
    _Atomic uint64_t records; /* given to the function and returned from */
    _Atomic uint64_t bytes;   /* of the input, read so far */
    _Atomic uint32_t phase;   /* enum task_phase */
    _Atomic uint32_t busy;    /* 1: the function has the record below */
    _Atomic uint64_t number;  /* as in trawl_record; of a reduce task job_hash() of the key */
    _Atomic uint64_t offset;  /* of a line in its file; UINT64_MAX: the name says all */
    _Atomic uint32_t name_len;
    char name[TASK_PROGRESS_NAME_BYTES]; /* URL, file or key; cut if longer */
};

/* A memfd of its own, mapped; -1: errno. */
int task_progress_new(struct task_progress **p);
/* Maps one that was made elsewhere. NULL: errno. */
struct task_progress *task_progress_map(int fd);
void task_progress_free(struct task_progress *p); /* NULL is fine */

/* Did the function have a record? `name` gets what TaskResult.record_name wants: URL, key, or file:offset; without
 * a NUL, `size` bytes at most; returned is its length in *len. */
bool task_progress_record(const struct task_progress *p, uint64_t *number, char *name, size_t size,
                          size_t *len);

static inline void task_progress_tick(struct task_progress *p) {
    uint64_t n = atomic_load_explicit(&p->ticks, memory_order_relaxed);

    atomic_store_explicit(&p->ticks, n + 1, memory_order_relaxed);
}

static inline void task_progress_phase(struct task_progress *p, enum task_phase phase) {
    atomic_store_explicit(&p->phase, phase, memory_order_relaxed);
}

/* What the records after it are called. */
void task_progress_name(struct task_progress *p, const void *name, size_t len);

/* The function gets a record. The release makes its number and name visible before `busy` is. */
static inline void task_progress_begin(struct task_progress *p, uint64_t number, uint64_t offset) {
    atomic_store_explicit(&p->number, number, memory_order_relaxed);
    atomic_store_explicit(&p->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&p->busy, 1, memory_order_release);
}

static inline void task_progress_end(struct task_progress *p) {
    uint64_t n = atomic_load_explicit(&p->records, memory_order_relaxed);

    atomic_store_explicit(&p->busy, 0, memory_order_release);
    atomic_store_explicit(&p->records, n + 1, memory_order_relaxed);
    task_progress_tick(p);
}

#endif

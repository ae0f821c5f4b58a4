/*
 * alloc: a malloc() for tests that fails when it is told to, and counts. For sweeps: let the 1st, 2nd, ... allocation
 * of some work fail until none does any more.
 *
 *     alloc_fail_at(n);          // the n-th from here on fails, and no other; 0: none
 *     work();
 *     bool all = alloc_stop();   // true: it had fewer than n
 *
 * alloc_pause() around what the test itself does in between. ALLOC_OWN: a sanitizer has an allocator of its own, and
 * sweeps are to be skipped. Of one translation unit a test; one thread.
 */
#ifndef TRAWL_TESTS_UNIT_ALLOC_H
#define TRAWL_TESTS_UNIT_ALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define ALLOC_OWN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOC_OWN 1
#endif

#ifndef ALLOC_OWN
static unsigned long alloc_left; /* until the one that fails; 0: none does */
static bool alloc_paused;
static long alloc_live;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);
void *malloc(size_t n);
void *calloc(size_t count, size_t n);
void *realloc(void *p, size_t n);
int posix_memalign(void **p, size_t alignment, size_t n);
void free(void *p);

static bool alloc_fails(void) {
    return !alloc_paused && alloc_left > 0 && --alloc_left == 0;
}

static void *alloc_count(void *p) {
    alloc_live += p != NULL;
    return p;
}

void *malloc(size_t n) {
    return alloc_fails() ? NULL : alloc_count(__libc_malloc(n));
}

void *calloc(size_t count, size_t n) {
    return alloc_fails() ? NULL : alloc_count(__libc_calloc(count, n));
}

void *realloc(void *p, size_t n) {
    if (alloc_fails())
        return NULL;
    void *q = __libc_realloc(p, n);
    alloc_live += p == NULL && q != NULL;
    return q;
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    void *q = alloc_fails() ? NULL : alloc_count(__libc_memalign(alignment, n));

    if (q == NULL)
        return ENOMEM;
    *p = q;
    return 0;
}

void free(void *p) {
    alloc_live -= p != NULL;
    __libc_free(p);
}

static inline void alloc_fail_at(unsigned long n) {
    alloc_left = n;
}

static inline bool alloc_stop(void) {
    bool all = alloc_left > 0;

    alloc_left = 0;
    return all;
}

static inline void alloc_pause(bool pause) {
    alloc_paused = pause;
}
#endif

#endif

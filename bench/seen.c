/*
 * What the seen-set costs: bytes an entry and nanoseconds a look-up, singly and in batches.
 *
 *     seen [COUNT] [BATCH]
 *
 * Default: seen 20000000 256. At 100000000 it takes about 1 GB.
 */
#include "master/seen.h"
#include "shared/fingerprint.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH_MAX = 65536 };

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *what, uint64_t count, double seconds) {
    printf("%-22s %7.2f M/s  %6.1f ns each\n", what, (double)count / seconds / 1e6,
           seconds * 1e9 / (double)count);
}

static uint64_t nth(uint64_t n) { /* splitmix64: as good as random */
    uint64_t z = (n + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void die(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(1);
}

/* All numbers below `count`, each `stride` apart: start with 0. */
static uint64_t step(uint64_t n, uint64_t stride, uint64_t count) {
    n += stride % count;
    return n < count ? n : n - count;
}

static void add_batches(struct seen *s, uint64_t count, uint64_t first, uint64_t stride,
                        size_t batch) {
    static uint64_t fps[BATCH_MAX];
    static uint8_t was_new[BATCH_MAX];

    for (uint64_t n = 0, at = 0; n < count;) {
        size_t k = 0;

        for (; k < batch && n < count; k++, n++, at = step(at, stride, count))
            fps[k] = nth(first + at);
        if (seen_add_batch(s, fps, k, was_new) != k)
            die("out of memory");
    }
}

static void hash_urls(void) {
    static const char url[] = "https://www.example.com/some/directory/page-12345.html?session=abcd";
    unsigned char key[16] = {1};
    uint64_t sum = 0, count = 5000000;
    double start = now_s();

    for (uint64_t i = 0; i < count; i++) {
        key[0] = (unsigned char)i;
        sum += fingerprint(key, url, sizeof url - 1);
    }
    report("fingerprint, 67 bytes", count, now_s() - start);
    if (sum == 0) /* never; it keeps the loop */
        printf("\n");
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000000;
    size_t batch = argc > 2 ? strtoull(argv[2], NULL, 10) : 256;
    const uint64_t stride = 1000003; /* a prime: another order than that of adding */
    struct seen *s = seen_new();
    struct rusage usage;
    uint64_t found = 0;

    if (s == NULL || count == 0 || batch == 0 || batch > BATCH_MAX)
        die("usage: seen [COUNT] [BATCH <= 65536]");
    double start = now_s(), slowest = 0, last = start;
    for (uint64_t n = 0; n < count; n++) {
        if (seen_add(s, nth(n)) != SEEN_ADDED)
            die("out of memory");
        if (n % 1000 == 999) {
            double t = now_s();
            slowest = t - last > slowest ? t - last : slowest;
            last = t;
        }
    }
    report("add, new", count, now_s() - start);
    printf("%-22s %7.2f ms\n", "slowest 1000 adds", slowest * 1e3);
    getrusage(RUSAGE_SELF, &usage);
    printf("%-22s %7.2f bytes an entry, %.2f with all else in the process, at its peak\n", "memory",
           (double)seen_memory_bytes(s) / (double)count,
           (double)usage.ru_maxrss * 1024 / (double)count);

    start = now_s();
    for (uint64_t n = 0, at = 0; n < count; n++, at = step(at, stride, count))
        found += seen_has(s, nth(at));
    report("has, there", count, now_s() - start);
    start = now_s();
    for (uint64_t n = 0; n < count; n++)
        found += seen_has(s, nth(count + n));
    report("has, not there", count, now_s() - start);
    if (found != count)
        die("wrong answers");
    start = now_s();
    add_batches(s, count, 0, stride, batch);
    report("add_batch, there", count, now_s() - start);
    if (seen_count(s) != count)
        die("wrong count");
    start = now_s();
    add_batches(s, count / 4, count, 1, batch);
    report("add_batch, new", count / 4, now_s() - start);
    seen_free(s);
    hash_urls();
    return 0;
}

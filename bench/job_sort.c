/*
 * job_sort: how fast map output is emitted, sorted, spilled and merged, in what memory.
 *
 *   build/bench/job_sort [RECORDS] [SORT_MIB] [REDUCES] [words|numbers]      (100000000 64 8 words)
 *
 * words: drawn by Zipf's law out of 50,000 of 2 to 10 letters, with the value "1"; numbers: 16 hexadecimal digits, all
 * different, with 8 bytes. In the current directory; what it writes is removed. Prints a line of seconds, records a second and RSS.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "worker/job_sort.h"

enum { WORDS = 50000, DRAWN = 1 << 20 };

static char words[WORDS][12];
static unsigned lens[WORDS];
static unsigned drawn[DRAWN];
static uint64_t seed = 1;

static uint64_t random64(void) {
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_words(void) {
    for (unsigned i = 0; i < WORDS; i++) {
        lens[i] = 2 + (unsigned)(random64() % 9);
        for (unsigned k = 0; k < lens[i]; k++)
            words[i][k] = (char)('a' + random64() % 26);
    }
    for (unsigned i = 0; i < DRAWN; i++) {
        double u = (double)(random64() >> 11) / 9007199254740992.0;
        drawn[i] = (unsigned)(pow(WORDS, u) - 1);
    }
}

static void tick(void *arg) {
    (void)arg;
}

static bool emit_all(struct job_sort *s, uint64_t records, bool numbers) {
    for (uint64_t i = 0; i < records; i++) {
        if (numbers) {
            static const char digits[] = "0123456789abcdef";
            char key[16];
            uint64_t n = random64();
            for (int k = 0; k < 16; k++)
                key[k] = digits[n >> (60 - 4 * k) & 15];
            if (!job_sort_emit(s, key, sizeof key, &i, sizeof i))
                return false;
        } else {
            unsigned w = drawn[i % DRAWN];
            if (!job_sort_emit(s, words[w], lens[w], "1", 1))
                return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000000;
    uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 64;
    uint32_t reduces = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 8;
    bool numbers = argc > 4 && strcmp(argv[4], "numbers") == 0;
    struct job_part *parts = calloc(reduces, sizeof *parts);
    struct job_combine none;
    struct job_sort_totals totals;
    struct error err = {0};
    struct rusage usage;

    make_words();
    job_combine_init(&none, NULL, NULL);
    int dir_fd = open(".", O_RDONLY | O_DIRECTORY);
    struct job_sort *s = job_sort_new(&(struct job_sort_config){.dir_fd = dir_fd,
                                                                .partitions = reduces,
                                                                .sort_bytes = mib << 20,
                                                                .combine = &none,
                                                                .tick = {tick, NULL}},
                                      &err);
    double begin = now();
    bool ok = s != NULL && emit_all(s, records, numbers);
    double emitted = now();
    ok = ok && job_sort_finish(s, "map.out", &totals, parts, &err);
    double end = now();
    unlinkat(dir_fd, "map.out", 0);
    if (!ok) {
        fprintf(stderr, "%s\n", err.text[0] != '\0' ? err.text : job_sort_error(s)->text);
        return 1;
    }
    job_sort_free(s);
    getrusage(RUSAGE_SELF, &usage);
    printf("%s: %.2f s of CPU to emit, sort, spill (%.1f million a second); %.2f s merge; %u "
           "spills; %.1f bytes a record; RSS %ld MiB\n",
           numbers ? "numbers" : "words", emitted - begin,
           (double)records / (emitted - begin) / 1e6, end - emitted, totals.spills,
           (double)totals.bytes / (double)records, usage.ru_maxrss / 1024);
    close(dir_fd);
    free(parts);
    return 0;
}

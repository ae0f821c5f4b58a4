/* job_sort, job_merge, job_file, job_cursor: what is emitted comes back, sorted, whatever the memory; and damage shows. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/job_merge.h"
#include "worker/job_sort.h"

static char dir[64];
static int dir_fd;
static unsigned ticks;

static void tick(void *arg) {
    (void)arg;
    ticks++;
}

static void clean(void) {
    DIR *d = opendir(dir);
    struct dirent *e;

    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static int set_up(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_job_sort.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    return dir_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    clean();
    close(dir_fd);
    return rmdir(dir);
}

/* A generator of our own: the same everywhere. */
static uint64_t seed;
static uint64_t random64(void) {
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The reference: an array and qsort. */
struct pair {
    uint32_t partition;
    size_t key_len, value_len;
    unsigned char *key, *value;
};

struct pairs {
    struct pair *items;
    size_t count, size;
};

static void add(struct pairs *p, uint32_t partitions, const void *key, size_t key_len,
                const void *value, size_t value_len) {
    if (p->count == p->size) {
        p->size = p->size == 0 ? 64 : 2 * p->size;
        p->items = realloc(p->items, p->size * sizeof *p->items);
        assert_non_null(p->items);
    }
    struct pair *x = &p->items[p->count++];
    *x = (struct pair){(uint32_t)(job_hash(key, key_len) % partitions), key_len, value_len,
                       malloc(key_len), malloc(value_len + 1)};
    memcpy(x->key, key, key_len);
    memcpy(x->value, value, value_len);
}

static int compare_bytes(const unsigned char *a, size_t a_len, const unsigned char *b,
                         size_t b_len) {
    for (size_t i = 0; i < a_len && i < b_len; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_len < b_len ? -1 : a_len > b_len;
}

static int by_all(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    int c = compare_bytes(x->key, x->key_len, y->key, y->key_len);
    return c != 0 ? c : compare_bytes(x->value, x->value_len, y->value, y->value_len);
}

static void release(struct pairs *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].key);
        free(p->items[i].value);
    }
    free(p->items);
    *p = (struct pairs){0};
}

static struct job_run run_of(const char *name, const struct job_part *parts, uint32_t partitions) {
    struct job_run run = {.dir_fd = dir_fd, .source = 5};

    snprintf(run.name, sizeof run.name, "%s", name);
    for (uint32_t p = 0; p < partitions; p++) {
        run.len += parts[p].bytes;
        if (parts[p].block_max > run.block_max)
            run.block_max = parts[p].block_max;
    }
    return run;
}

/* The file holds just these, in order; as a whole and partition by partition, from the disk and from memory. */
static void expect(struct pairs *p, const char *name, const struct job_part *parts,
                   uint32_t partitions) {
    struct job_run run = run_of(name, parts, partitions);
    struct job_cursor c;
    size_t i = 0;

    if (p->count > 0)
        qsort(p->items, p->count, sizeof *p->items, by_all);
    assert_true(job_cursor_open(&c, &run));
    enum job_cursor_result why;
    for (; (why = job_cursor_next(&c)) == JOB_CURSOR_RECORD; i++) {
        assert_true(i < p->count);
        assert_int_equal(c.partition, p->items[i].partition);
        assert_int_equal(c.record.key_len, p->items[i].key_len);
        assert_int_equal(c.record.value_len, p->items[i].value_len);
        assert_memory_equal(c.record.key, p->items[i].key, c.record.key_len);
        assert_memory_equal(c.record.value, p->items[i].value, c.record.value_len);
    }
    assert_int_equal(why, JOB_CURSOR_END);
    assert_int_equal(i, p->count);
    job_cursor_close(&c);

    int fd = openat(dir_fd, name, O_RDONLY);
    assert_true(fd >= 0);
    i = 0;
    for (uint32_t n = 0; n < partitions; n++) {
        struct job_part part;
        struct error err;
        assert_true(job_file_part(fd, n, &part, &err));
        assert_int_equal(part.offset, parts[n].offset);
        assert_int_equal(part.bytes, parts[n].bytes);
        assert_int_equal(part.records, parts[n].records);
        assert_int_equal(part.block_max, parts[n].block_max);
        unsigned char *bytes = malloc(part.bytes + 1);
        assert_int_equal(pread(fd, bytes, part.bytes, (off_t)part.offset), part.bytes);
        run = (struct job_run){.bytes = bytes, .len = part.bytes, .block_max = part.block_max};
        assert_true(job_cursor_open(&c, &run));
        uint64_t count = 0;
        for (; (why = job_cursor_next(&c)) == JOB_CURSOR_RECORD; i++, count++)
            assert_memory_equal(c.record.key, p->items[i].key, c.record.key_len);
        assert_int_equal(why, JOB_CURSOR_END);
        assert_int_equal(count, part.records);
        job_cursor_close(&c);
        free(bytes);
    }
    close(fd);
}

/* One shape of input. */
struct shape {
    const char *name;
    size_t count;
    unsigned letters;          /* how many different bytes there are */
    size_t key_max, value_max; /* lengths */
    size_t common;             /* bytes that all keys begin with */
    uint32_t partitions;
    uint64_t sort_bytes;
};

static struct job_sort *sort_new(uint32_t partitions, uint64_t bytes, struct job_combine *combine) {
    struct error err;
    struct job_sort *s = job_sort_new(&(struct job_sort_config){.dir_fd = dir_fd,
                                                                .partitions = partitions,
                                                                .sort_bytes = bytes,
                                                                .combine = combine,
                                                                .tick = {tick, NULL}},
                                      &err);

    assert_non_null(s);
    return s;
}

static void run_shape(const struct shape *shape) {
    struct pairs p = {0};
    struct job_combine none;
    struct job_part *parts = calloc(shape->partitions, sizeof *parts);
    unsigned char *key = malloc(shape->common + shape->key_max),
                  *value = malloc(shape->value_max + 1);
    struct job_sort_totals totals;
    struct error err;

    print_message("%s\n", shape->name);
    job_combine_init(&none, NULL, NULL);
    struct job_sort *s = sort_new(shape->partitions, shape->sort_bytes, &none);
    memset(key, 'x', shape->common);
    for (size_t i = 0; i < shape->count; i++) {
        size_t key_len = shape->common + 1 + random64() % shape->key_max;
        size_t value_len = random64() % (shape->value_max + 1);
        for (size_t k = shape->common; k < key_len; k++)
            key[k] = (unsigned char)(random64() % shape->letters);
        for (size_t k = 0; k < value_len; k++)
            value[k] = (unsigned char)(random64() % shape->letters);
        add(&p, shape->partitions, key, key_len, value, value_len);
        if (!job_sort_emit(s, key, key_len, value, value_len))
            fail_msg("%s", job_sort_error(s)->text);
    }
    if (!job_sort_finish(s, "map.out", &totals, parts, &err))
        fail_msg("%s", err.text);
    job_sort_free(s);
    assert_int_equal(totals.emitted, shape->count);
    assert_int_equal(totals.records, shape->count);
    expect(&p, "map.out", parts, shape->partitions);
    print_message("    %u spills\n", totals.spills);
    release(&p);
    free(parts);
    free(key);
    free(value);
    job_combine_release(&none);
}

/* No spill is left behind. */
static void expect_one_file(void) {
    DIR *d = opendir(dir);
    struct dirent *e;

    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            assert_string_equal(e->d_name, "map.out");
    closedir(d);
}

static void test_as_qsort(void **state) {
    static const struct shape shapes[] = {
        {"nothing", 0, 26, 1, 1, 0, 3, 1 << 20},
        {"one", 1, 26, 8, 8, 0, 3, 1 << 20},
        {"short keys, in memory", 20000, 4, 12, 3, 0, 1, 16 << 20},
        {"short keys, many partitions", 20000, 4, 12, 3, 0, 500, 16 << 20},
        {"zeros and ends", 20000, 2, 20, 20, 0, 3, 16 << 20},
        {"one letter: all beginnings", 3000, 1, 100, 30, 0, 2, 16 << 20},
        {"the same key", 5000, 1, 1, 40, 0, 4, 16 << 20},
        {"long common beginnings", 3000, 2, 40, 3, 2000, 2, 64 << 20},
        {"spills", 50000, 30, 20, 20, 0, 7, JOB_SORT_BYTES_MIN},
        {"spills, one partition", 50000, 3, 9, 0, 0, 1, JOB_SORT_BYTES_MIN},
        {"spills of the same key", 30000, 1, 1, 20, 0, 2, JOB_SORT_BYTES_MIN},
        {"long values", 300, 250, 30, 60000, 0, 3, 256 * 1024},
        {"longer than the memory", 60, 250, 30, 300000, 0, 3, JOB_SORT_BYTES_MIN},
        {"long keys", 60, 2, 200000, 10, 0, 3, JOB_SORT_BYTES_MIN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        seed = i;
        run_shape(&shapes[i]);
        expect_one_file();
    }
    assert_true(ticks > 0);
}

/* Many seeds of small shapes, all kinds of numbers mixed. */
static void test_as_qsort_at_random(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        seed = 1000 + i;
        char name[32];
        snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
        struct shape shape = {.name = name,
                              .count = random64() % 6000,
                              .letters = 1 + (unsigned)(random64() % 256),
                              .key_max = 1 + random64() % (random64() % 4 == 0 ? 300 : 12),
                              .value_max = random64() % (random64() % 4 == 0 ? 300 : 12),
                              .common = random64() % 3 * 7,
                              .partitions = 1 + (uint32_t)(random64() % 9),
                              .sort_bytes = JOB_SORT_BYTES_MIN << random64() % 4};
        run_shape(&shape);
    }
}

static void test_what_cannot_be_emitted(void **state) {
    struct job_combine none;
    struct error err;
    struct job_sort_totals totals;
    struct job_part part;
    char *big = calloc(1, JOB_RECORD_BYTES_MAX + 1);

    (void)state;
    job_combine_init(&none, NULL, NULL);
    struct job_sort *s = sort_new(1, 1 << 20, &none);
    assert_true(job_sort_emit(s, "", 0, "v", 1));
    assert_false(job_sort_emit(s, big, JOB_RECORD_BYTES_MAX + 1, "", 0));
    assert_non_null(strstr(job_sort_error(s)->text, "together at most"));
    assert_false(job_sort_emit(s, "k", 1, "v", 1)); /* it sticks */
    assert_false(job_sort_finish(s, "map.out", &totals, &part, &err));
    job_sort_free(s);

    s = sort_new(1, 1 << 20, &none);
    assert_true(job_sort_emit(s, "k", 1, big, JOB_RECORD_BYTES_MAX - 1));
    assert_false(job_sort_emit(s, "k", 1, big, JOB_RECORD_BYTES_MAX));
    assert_non_null(strstr(job_sort_error(s)->text, "16777216"));
    job_sort_free(s);

    s = sort_new(1, 1 << 20, &none);
    assert_true(job_sort_emit(s, big, JOB_RECORD_BYTES_MAX, "", 0));
    assert_true(job_sort_finish(s, "map.out", &totals, &part, &err));
    assert_int_equal(part.records, 1);
    assert_int_equal(part.block_max, JOB_RECORD_BYTES_MAX + 5);
    job_sort_free(s);
    free(big);
}

/* combine(): adds numbers up, as a word count does. */
static struct job_combine *adder;

static void add_up(void *arg, const void *key, size_t key_len, struct trawl_values *values) {
    const void *value;
    size_t len;
    uint64_t sum = 0;
    char text[32];

    (void)arg;
    while (values->next(values, &value, &len)) {
        snprintf(text, sizeof text, "%.*s", (int)len, (const char *)value);
        sum += strtoull(text, NULL, 10);
    }
    assert_false(values->next(values, &value, &len));
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)sum);
    job_combine_emit(adder, key, key_len, text, (size_t)n);
}

static void test_combine_adds_up(void **state) {
    enum { WORDS = 97, COUNT = 100000 };
    uint64_t counts[WORDS] = {0};
    struct job_combine c;
    struct job_sort_totals totals;
    struct job_part parts[3];
    struct error err;

    (void)state;
    for (int spilled = 0; spilled < 2; spilled++) {
        memset(counts, 0, sizeof counts);
        seed = 7;
        job_combine_init(&c, add_up, NULL);
        adder = &c;
        struct job_sort *s = sort_new(3, spilled ? JOB_SORT_BYTES_MIN : 64 << 20, &c);
        for (int i = 0; i < COUNT; i++) {
            unsigned w = (unsigned)(random64() % WORDS);
            char word[32];
            int n = snprintf(word, sizeof word, "word-number-%u", w);
            counts[w]++;
            assert_true(job_sort_emit(s, word, (size_t)n, "1", 1));
        }
        assert_true(job_sort_finish(s, "map.out", &totals, parts, &err));
        job_sort_free(s);
        assert_int_equal(totals.spills > 0, spilled);
        assert_int_equal(totals.emitted, COUNT);
        assert_int_equal(totals.records, WORDS);

        struct pairs p = {0};
        for (unsigned w = 0; w < WORDS; w++) {
            char word[32], n[32];
            snprintf(word, sizeof word, "word-number-%u", w);
            snprintf(n, sizeof n, "%llu", (unsigned long long)counts[w]);
            add(&p, 3, word, strlen(word), n, strlen(n));
        }
        expect(&p, "map.out", parts, 3);
        release(&p);
        job_combine_release(&c);
    }
}

/* One that gives several values, out of order, and takes only some of what there is. */
static void scatter(void *arg, const void *key, size_t key_len, struct trawl_values *values) {
    const void *value;
    size_t len;

    (void)arg;
    assert_true(values->next(values, &value, &len));
    job_combine_emit(adder, key, key_len, "zz", 2);
    job_combine_emit(adder, key, key_len, "a", 1);
    job_combine_emit(adder, key, key_len, "", 0);
}

static void test_combined_values_are_sorted(void **state) {
    struct job_combine c;
    struct job_sort_totals totals;
    struct job_part parts[1];
    struct error err;
    struct pairs p = {0};

    (void)state;
    job_combine_init(&c, scatter, NULL);
    adder = &c;
    struct job_sort *s = sort_new(1, 1 << 20, &c);
    for (int i = 0; i < 1000; i++) {
        char key[2] = {(char)('a' + i % 3), 'k'}, value = (char)i;
        assert_true(job_sort_emit(s, key, 2, &value, 1));
    }
    assert_true(job_sort_finish(s, "map.out", &totals, parts, &err));
    job_sort_free(s);
    for (int i = 0; i < 3; i++) {
        char key[2] = {(char)('a' + i), 'k'};
        add(&p, 1, key, 2, "", 0);
        add(&p, 1, key, 2, "a", 1);
        add(&p, 1, key, 2, "zz", 2);
    }
    expect(&p, "map.out", parts, 1);
    release(&p);
    job_combine_release(&c);
}

static void other_key(void *arg, const void *key, size_t key_len, struct trawl_values *values) {
    (void)arg;
    (void)key;
    (void)key_len;
    (void)values;
    job_combine_emit(adder, "other", 5, "", 0);
}

static void much_backwards(void *arg, const void *key, size_t key_len,
                           struct trawl_values *values) {
    static char value[1 << 19];

    (void)arg;
    (void)values;
    for (char c = 'z'; c > 'a'; c--) {
        value[0] = c;
        job_combine_emit(adder, key, key_len, value, sizeof value);
    }
}

static void much_forwards(void *arg, const void *key, size_t key_len, struct trawl_values *values) {
    static char value[1 << 19];

    (void)arg;
    (void)values;
    for (char c = 'a'; c < 'z'; c++) {
        value[0] = c;
        job_combine_emit(adder, key, key_len, value, sizeof value);
    }
}

static bool combine_with(void (*call)(void *, const void *, size_t, struct trawl_values *),
                         struct error *err) {
    struct job_combine c;
    struct job_sort_totals totals;
    struct job_part parts[1];

    job_combine_init(&c, call, NULL);
    adder = &c;
    struct job_sort *s = sort_new(1, 1 << 20, &c);
    assert_true(job_sort_emit(s, "k", 1, "v", 1));
    bool ok = job_sort_finish(s, "map.out", &totals, parts, err);
    job_sort_free(s);
    job_combine_release(&c);
    return ok;
}

static void test_what_combine_may_not(void **state) {
    struct error err;

    (void)state;
    assert_false(combine_with(other_key, &err));
    assert_non_null(strstr(err.text, "another key"));
    assert_false(combine_with(much_backwards, &err));
    assert_non_null(strstr(err.text, "not in order"));
    assert_true(combine_with(much_forwards, &err));
}

/* Damage. */

static struct job_run made;

static void make_file(void) {
    struct job_combine none;
    struct job_sort_totals totals;
    static struct job_part parts[2];
    struct error err;

    job_combine_init(&none, NULL, NULL);
    struct job_sort *s = sort_new(2, 1 << 20, &none);
    for (int i = 0; i < 3000; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "%x", (unsigned)i * 2654435761u);
        assert_true(job_sort_emit(s, key, (size_t)n, "value", 5));
    }
    assert_true(job_sort_finish(s, "map.out", &totals, parts, &err));
    job_sort_free(s);
    made = run_of("map.out", parts, 2);
}

static enum job_cursor_result read_all(const struct job_run *run) {
    struct job_cursor c;
    enum job_cursor_result why;

    assert_true(job_cursor_open(&c, run));
    while ((why = job_cursor_next(&c)) == JOB_CURSOR_RECORD)
        ;
    if (why != JOB_CURSOR_END)
        assert_non_null(strstr(c.err.text, "map.out"));
    job_cursor_close(&c);
    return why;
}

/* Every byte of blocks, index and trailer, one at a time. */
static void test_each_changed_byte_is_noticed(void **state) {
    struct job_part part;
    struct error err;

    (void)state;
    make_file();
    int fd = openat(dir_fd, "map.out", O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size > (off_t)made.len && made.len > 5000);
    assert_int_equal(read_all(&made), JOB_CURSOR_END);
    for (off_t at = 0; at < size; at += at < (off_t)made.len ? 7 : 1) {
        unsigned char was, is;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        is = was ^ 0x10;
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
        if (at < (off_t)made.len)
            assert_int_equal(read_all(&made), JOB_CURSOR_DAMAGED);
        else
            assert_false(job_file_part(fd, 1, &part, &err));
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(read_all(&made), JOB_CURSOR_END);
    assert_true(job_file_part(fd, 1, &part, &err));
    assert_false(job_file_part(fd, 2, &part, &err));
    assert_non_null(strstr(err.text, "2 partitions"));
    close(fd);
}

static void test_cut_off_is_noticed(void **state) {
    struct job_part part;
    struct error err;

    (void)state;
    make_file();
    for (uint64_t cut = 1; cut < made.len; cut += 97) {
        struct job_run run = made;
        run.len -= cut;
        enum job_cursor_result why = read_all(&run);
        /* At the end of a block it is a shorter file, as good as any. */
        assert_true(why == JOB_CURSOR_DAMAGED || why == JOB_CURSOR_END);
    }
    int fd = openat(dir_fd, "map.out", O_RDWR);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
    assert_false(job_file_part(fd, 0, &part, &err));
    assert_int_equal(ftruncate(fd, (off_t)made.len / 2), 0);
    assert_int_equal(read_all(&made), JOB_CURSOR_DAMAGED);
    close(fd);
}

/* The merge says which run it was. */
static void test_merge_names_the_damaged_run(void **state) {
    struct job_run runs[3];
    const unsigned char *key;
    struct trawl_values *values;
    uint32_t partition, source = 0;
    size_t len;
    struct error err;
    unsigned char byte;

    (void)state;
    make_file();
    assert_int_equal(renameat(dir_fd, "map.out", dir_fd, "whole"), 0);
    make_file();
    for (int i = 0; i < 3; i++) {
        runs[i] = made;
        runs[i].source = (uint32_t)i + 10;
        snprintf(runs[i].name, sizeof runs[i].name, "%s", i == 1 ? "map.out" : "whole");
    }
    int fd = openat(dir_fd, "map.out", O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)made.len - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)made.len - 1), 1);
    close(fd);
    struct job_merge *m = job_merge_new(runs, 3, &source, &err);
    assert_non_null(m);
    while (job_merge_key(m, &partition, &key, &len, &values))
        ;
    assert_true(job_merge_failed(m, &source, &err));
    assert_int_equal(source, 11);
    job_merge_free(m);

    runs[2].name[0] = 'n';
    assert_null(job_merge_new(runs, 3, &source, &err));
    assert_int_equal(source, 12);
}

/* All values of a key together, over runs; keys that nobody asks for the values of are passed over. */
static void test_merge_groups(void **state) {
    struct job_run runs[2];
    const unsigned char *key;
    struct trawl_values *values;
    uint32_t partition, source, keys = 0;
    size_t key_len, len;
    const void *value;
    struct error err;

    (void)state;
    make_file();
    runs[0] = runs[1] = made;
    struct job_merge *m = job_merge_new(runs, 2, &source, &err);
    assert_non_null(m);
    for (; job_merge_key(m, &partition, &key, &key_len, &values); keys++) {
        unsigned n = 0;
        while (keys % 3 > 0 && values->next(values, &value, &len)) {
            assert_int_equal(len, 5);
            n++;
            if (keys % 3 == 1)
                break;
        }
        assert_int_equal(n, keys % 3);
    }
    assert_false(job_merge_failed(m, &source, &err));
    assert_int_equal(keys, 3000);
    assert_int_equal(job_merge_records(m), 6000);
    job_merge_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_as_qsort, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_as_qsort_at_random, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_emitted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_combine_adds_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_combined_values_are_sorted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_combine_may_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_changed_byte_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_off_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_merge_names_the_damaged_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_merge_groups, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

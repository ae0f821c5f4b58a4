#include "worker/job_sort.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/job_entry.h"

enum { PREFETCH = 8, TICK_RECORDS = 65536 };

struct job_sort {
    struct job_sort_config config;
    size_t block_bytes;
    unsigned char *memory; /* records from its start, entries to its end */
    size_t memory_bytes, used;
    struct job_entry *entries; /* the last one that came */
    uint32_t *counts, *work;   /* of the entries by partition; and for sorting by it */
    struct job_runs runs;
    struct job_sort_totals totals;
    struct error err;
    bool failed;
};

static size_t block_bytes_for(uint64_t memory_bytes) {
    uint64_t bytes = memory_bytes / 64;

    return bytes > JOB_BLOCK_BYTES       ? JOB_BLOCK_BYTES
           : bytes < JOB_BLOCK_BYTES_MIN ? JOB_BLOCK_BYTES_MIN
                                         : (size_t)bytes;
}

static struct job_entry *entries_end(const struct job_sort *s) {
    return (struct job_entry *)(void *)(s->memory + s->memory_bytes);
}

static size_t entry_count(const struct job_sort *s) {
    return (size_t)(entries_end(s) - s->entries);
}

static void forget(struct job_sort *s) {
    s->used = 0;
    s->entries = entries_end(s);
    memset(s->counts, 0, s->config.partitions * sizeof *s->counts);
}

struct job_sort *job_sort_new(const struct job_sort_config *config, struct error *err) {
    struct job_sort *s = calloc(1, sizeof *s);
    uint64_t bytes = config->sort_bytes;

    if (s == NULL)
        goto no_memory;
    if (bytes < JOB_SORT_BYTES_MIN)
        bytes = JOB_SORT_BYTES_MIN;
    if (bytes > UINT32_MAX)
        bytes = UINT32_MAX;
    s->config = *config;
    s->memory_bytes = (size_t)bytes & ~(size_t)4095;
    s->block_bytes = block_bytes_for(bytes);
    job_runs_init(&s->runs);
    s->counts = calloc(config->partitions, sizeof *s->counts);
    s->work = calloc(config->partitions, 2 * sizeof *s->work);
    s->memory = mmap(NULL, s->memory_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->memory == MAP_FAILED)
        s->memory = NULL;
    if (s->counts == NULL || s->work == NULL || s->memory == NULL)
        goto no_memory;
    /* Records are read back in an order of their own: the fewer pages the better. */
    madvise(s->memory, s->memory_bytes, MADV_HUGEPAGE);
    forget(s);
    return s;
no_memory:
    error_set(err, ENOMEM, "%llu bytes to sort in", (unsigned long long)bytes);
    job_sort_free(s);
    return NULL;
}

static void give_memory_back(struct job_sort *s) {
    if (s->memory != NULL)
        munmap(s->memory, s->memory_bytes);
    s->memory = NULL;
}

void job_sort_free(struct job_sort *s) {
    if (s == NULL)
        return;
    give_memory_back(s);
    free(s->counts);
    free(s->work);
    job_runs_release(&s->runs);
    free(s);
}

const struct error *job_sort_error(const struct job_sort *s) {
    return &s->err;
}

/* Spilling. */

/* The values of one key among the sorted entries. */
struct group {
    struct trawl_values values; /* first: a pointer to it is one to the group */
    const unsigned char *base;
    const struct job_entry *next, *end; /* up to those of the partition */
    struct job_record first;
    bool over;
};

static bool group_next(struct trawl_values *v, const void **value, size_t *len) {
    struct group *g = (struct group *)v;
    struct job_record r;

    if (g->over || g->next == g->end)
        return false;
    job_record_at(g->base + g->next->at, &r);
    if (!job_same(r.key, r.key_len, g->first.key, g->first.key_len)) {
        g->over = true;
        return false;
    }
    if (g->end - g->next > PREFETCH)
        __builtin_prefetch(g->base + g->next[PREFETCH].at);
    g->next++;
    *value = r.value;
    *len = r.value_len;
    return true;
}

static bool write_combined(struct job_sort *s, struct job_writer *w, const struct job_entry *e,
                           size_t count) {
    const struct job_entry *end = e + count;
    const void *value;
    size_t len;

    while (e < end && !w->failed) {
        struct group g = {.values = {group_next}, .base = s->memory, .next = e, .end = end};
        job_record_at(s->memory + e->at, &g.first);
        if (!job_combine_key(s->config.combine, w, e->partition, g.first.key, g.first.key_len,
                             &g.values, &s->err))
            return false;
        while (group_next(&g.values, &value, &len))
            ;
        e = g.next;
    }
    return true;
}

static void write_plain(struct job_sort *s, struct job_writer *w, const struct job_entry *e,
                        size_t count) {
    struct job_record r;

    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH < count)
            __builtin_prefetch(s->memory + e[i + PREFETCH].at);
        const unsigned char *p = s->memory + e[i].at;
        job_writer_put(w, e[i].partition, p, job_record_at(p, &r));
        if (i % TICK_RECORDS == 0)
            s->config.tick.call(s->config.tick.arg);
    }
}

static bool write_partition(struct job_sort *s, struct job_writer *w, struct job_entry *e,
                            size_t count) {
    job_entry_sort(e, count, s->memory);
    s->config.tick.call(s->config.tick.arg);
    if (s->config.combine->call != NULL)
        return write_combined(s, w, e, count);
    write_plain(s, w, e, count);
    return !w->failed;
}

/* Sorts what is gathered, and writes it. */
static bool write_sorted(struct job_sort *s, struct job_writer *w) {
    struct job_entry *e = s->entries;

    job_entry_group(e, entry_count(s), s->counts, s->config.partitions, s->work);
    for (uint32_t p = 0; p < s->config.partitions; p++) {
        if (s->counts[p] > 0 && !write_partition(s, w, e, s->counts[p]))
            return false;
        e += s->counts[p];
    }
    return job_writer_end(w);
}

static bool open_spill(struct job_sort *s, struct job_writer *w) {
    char name[32];

    snprintf(name, sizeof name, "spill-%u", s->totals.spills++);
    return job_writer_open(w, s->config.dir_fd, name, s->config.partitions, s->block_bytes,
                           &s->err);
}

static bool add_spill(struct job_sort *s, const struct job_writer *w) {
    struct job_run run = job_run_written(w, s->config.dir_fd);

    if (job_runs_add(&s->runs, &run))
        return true;
    error_set(&s->err, ENOMEM, "spilling");
    return false;
}

static void work(struct job_sort *s, bool begins) {
    if (s->config.work != NULL)
        s->config.work(s->config.arg, begins);
}

static bool spill(struct job_sort *s) {
    struct job_writer w;

    if (entry_count(s) == 0)
        return true;
    work(s, true);
    s->failed = !open_spill(s, &w) || !write_sorted(s, &w) || !add_spill(s, &w);
    job_writer_close(&w);
    forget(s);
    work(s, false);
    return !s->failed;
}

/* A record that does not fit the memory, even alone. */
static bool spill_long(struct job_sort *s, uint32_t partition, const void *key, size_t key_len,
                       const void *value, size_t value_len) {
    unsigned char *bytes = malloc(JOB_RECORD_HEAD_MAX + key_len + value_len + JOB_PAD_BYTES);
    struct job_writer w;

    if (bytes == NULL) {
        error_set(&s->err, ENOMEM, "a record of %zu bytes", key_len + value_len);
        s->failed = true;
        return false;
    }
    size_t n = job_varint_put(bytes, (uint32_t)key_len);
    n += job_varint_put(bytes + n, (uint32_t)value_len);
    memcpy(bytes + n, key, key_len);
    if (value_len > 0)
        memcpy(bytes + n + key_len, value, value_len);
    s->failed = !open_spill(s, &w);
    if (!s->failed)
        job_writer_put(&w, partition, bytes, n + key_len + value_len);
    s->failed = s->failed || !job_writer_end(&w) || !add_spill(s, &w);
    job_writer_close(&w);
    free(bytes);
    return !s->failed;
}

/* Emitting. */

/* Of short strings, without a call and without reading behind them. */
static inline void copy(unsigned char *to, const unsigned char *from, size_t n) {
    if (n > 16) {
        memcpy(to, from, n);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else if (n > 0) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

static bool is_fit(struct job_sort *s, size_t key_len, size_t value_len) {
    if (s->failed)
        return false;
    s->failed = true;
    if (key_len > JOB_RECORD_BYTES_MAX || value_len > JOB_RECORD_BYTES_MAX - key_len)
        error_set(&s->err, 0, "emit(): %zu bytes of key and %zu of value; together at most %d",
                  key_len, value_len, JOB_RECORD_BYTES_MAX);
    else
        s->failed = false;
    return !s->failed;
}

bool job_sort_emit(struct job_sort *s, const void *key, size_t key_len, const void *value,
                   size_t value_len) {
    if (s->failed || key_len > JOB_RECORD_BYTES_MAX || value_len > JOB_RECORD_BYTES_MAX - key_len)
        if (!is_fit(s, key_len, value_len))
            return false;
    size_t need =
        key_len + value_len + JOB_RECORD_HEAD_MAX + JOB_PAD_BYTES + sizeof(struct job_entry);
    uint32_t partition =
        s->config.partitions == 1 ? 0 : (uint32_t)(job_hash(key, key_len) % s->config.partitions);
    s->totals.emitted++;
    s->totals.emitted_bytes += key_len + value_len;
    if (need > (size_t)((unsigned char *)s->entries - s->memory) - s->used) {
        if (!spill(s))
            return false;
        if (need > s->memory_bytes)
            return spill_long(s, partition, key, key_len, value, value_len);
    }
    unsigned char *p = s->memory + s->used;
    p += job_varint_put(p, (uint32_t)key_len);
    p += job_varint_put(p, (uint32_t)value_len);
    copy(p, key, key_len);
    copy(p + key_len, value, value_len);
    *--s->entries = (struct job_entry){job_window(p, key_len), (uint32_t)s->used, partition};
    s->counts[partition]++;
    s->used = (size_t)(p + key_len + value_len - s->memory);
    return true;
}

/* The end. */

static bool merge_spills(struct job_sort *s, struct job_writer *w) {
    struct job_merge_how how = {.memory_bytes = s->memory_bytes,
                                .dir_fd = s->config.dir_fd,
                                .partitions = s->config.partitions,
                                .block_bytes = s->block_bytes,
                                .combine = s->config.combine,
                                .tick = s->config.tick};
    uint32_t source;

    if (!job_runs_shrink(&s->runs, &how, &s->err))
        return false;
    struct job_merge *m = job_merge_new(s->runs.items, s->runs.count, &source, &s->err);
    bool ok =
        m != NULL && job_merge_write(m, w, s->config.combine, &s->config.tick, &source, &s->err);
    job_merge_free(m);
    for (size_t i = 0; i < s->runs.count; i++)
        unlinkat(s->config.dir_fd, s->runs.items[i].name, 0);
    return ok;
}

static bool write_all(struct job_sort *s, struct job_writer *w) {
    if (s->runs.count == 0)
        return write_sorted(s, w);
    if (!spill(s))
        return false;
    give_memory_back(s);
    return merge_spills(s, w);
}

bool job_sort_finish(struct job_sort *s, const char *name, struct job_sort_totals *totals,
                     struct job_part *parts, struct error *err) {
    struct job_writer w = {.fd = -1};

    if (!s->failed) {
        work(s, true);
        s->failed = !job_writer_open(&w, s->config.dir_fd, name, s->config.partitions,
                                     s->block_bytes, &s->err) ||
                    !write_all(s, &w);
        work(s, false);
    }
    for (uint32_t p = 0; !s->failed && p < s->config.partitions; p++) {
        parts[p] = w.parts[p];
        s->totals.records += parts[p].records;
        s->totals.bytes += parts[p].bytes;
    }
    job_writer_close(&w);
    *totals = s->totals;
    if (s->failed)
        *err = s->err;
    return !s->failed;
}

#include "worker/job_entry.h"

#include <stdbool.h>

#include "worker/job_record.h"

enum {
    INSERTION_MAX = 40,   /* entries: fewer are sorted by insertion */
    WINDOWS_MAX = 64,     /* windows looked at before the rest is compared as it is */
    TIES_COMPARED_MAX = 6 /* so few records with the same window are compared as they are */
};

static inline void swap(struct job_entry *a, struct job_entry *b) {
    struct job_entry t = *a;

    *a = *b;
    *b = t;
}

void job_entry_group(struct job_entry *e, size_t count, const uint32_t *counts, uint32_t partitions,
                     uint32_t *work) {
    uint32_t *next = work, *end = work + partitions, at = 0;

    for (uint32_t p = 0; p < partitions; p++) {
        if (counts[p] == count)
            return;
        next[p] = at;
        at += counts[p];
        end[p] = at;
    }
    for (uint32_t p = 0; p < partitions; p++)
        while (next[p] < end[p]) {
            uint32_t to = e[next[p]].partition;
            if (to == p)
                next[p]++;
            else
                swap(&e[next[p]], &e[next[to]++]);
        }
}

/* By window. */

static void insert_by_window(struct job_entry *e, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct job_entry t = e[i];
        size_t k = i;
        for (; k > 0 && e[k - 1].window > t.window; k--)
            e[k] = e[k - 1];
        e[k] = t;
    }
}

/* `shift`: of the byte to go by; all bytes above it are the same. Its depth is at most 8. */
static void sort_by_window(struct job_entry *e, size_t count, unsigned shift) {
    size_t next[256], end[256];

    if (count <= INSERTION_MAX) {
        insert_by_window(e, count);
        return;
    }
    for (;; shift -= 8) {
        size_t n[256] = {0}, at = 0;
        for (size_t i = 0; i < count; i++)
            n[e[i].window >> shift & 0xff]++;
        bool is_one = n[e[0].window >> shift & 0xff] == count;
        if (is_one && shift == 0)
            return;
        if (is_one)
            continue;
        for (unsigned b = 0; b < 256; b++) {
            next[b] = at;
            at += n[b];
            end[b] = at;
        }
        break;
    }
    for (unsigned b = 0; b < 256; b++)
        while (next[b] < end[b]) {
            unsigned to = e[next[b]].window >> shift & 0xff;
            if (to == b)
                next[b]++;
            else
                swap(&e[next[b]], &e[next[to]++]);
        }
    if (shift == 0)
        return;
    for (size_t b = 0, from = 0; b < 256; from = end[b], b++)
        if (end[b] - from > 1)
            sort_by_window(e + from, end[b] - from, shift - 8);
}

/* As they are. */

static bool less(const struct job_entry *a, const struct job_entry *b, const unsigned char *base) {
    struct job_record x, y;

    job_record_at(base + a->at, &x);
    job_record_at(base + b->at, &y);
    int c = job_compare(x.key, x.key_len, y.key, y.key_len);
    return c != 0 ? c < 0 : job_compare(x.value, x.value_len, y.value, y.value_len) < 0;
}

static void insert_records(struct job_entry *e, size_t count, const unsigned char *base) {
    for (size_t i = 1; i < count; i++) {
        struct job_entry t = e[i];
        size_t k = i;
        for (; k > 0 && less(&t, &e[k - 1], base); k--)
            e[k] = e[k - 1];
        e[k] = t;
    }
}

static void sift(struct job_entry *e, size_t at, size_t count, const unsigned char *base) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && less(&e[child], &e[child + 1], base))
            child++;
        if (!less(&e[at], &e[child], base))
            return;
        swap(&e[at], &e[child]);
    }
}

static void heap_sort(struct job_entry *e, size_t count, const unsigned char *base) {
    for (size_t i = count / 2; i-- > 0;)
        sift(e, i, count, base);
    for (size_t n = count; n-- > 1;) {
        swap(&e[0], &e[n]);
        sift(e, 0, n, base);
    }
}

/* Ties. */

/* Where the strings of a stretch of entries are looked at: its windows are those of byte `depth` of key or value. */
struct place {
    bool in_value;
    unsigned windows; /* looked at so far */
    size_t depth;
};

static void load(struct job_entry *e, size_t count, const unsigned char *base,
                 const struct place *at) {
    struct job_record r;

    for (size_t i = 0; i < count; i++) {
        if (i + 8 < count)
            __builtin_prefetch(base + e[i + 8].at);
        job_record_at(base + e[i].at, &r);
        const unsigned char *p = at->in_value ? r.value : r.key;
        size_t len = at->in_value ? r.value_len : r.key_len;
        e[i].window = job_window(p + at->depth, len - at->depth);
    }
}

static void sort_ties(struct job_entry *e, size_t count, const unsigned char *base,
                      struct place at);

/* All have the same window there. */
static void sort_same(struct job_entry *e, size_t count, const unsigned char *base,
                      struct place at) {
    if ((e[0].window & 0xff) > JOB_WINDOW_BYTES)
        at.depth += JOB_WINDOW_BYTES;
    else if (at.in_value)
        return; /* they are the same */
    else
        at = (struct place){.in_value = true, .windows = at.windows};
    if (count <= TIES_COMPARED_MAX) {
        insert_records(e, count, base);
        return;
    }
    if (++at.windows > WINDOWS_MAX) {
        heap_sort(e, count, base);
        return;
    }
    load(e, count, base, &at);
    sort_by_window(e, count, 56);
    sort_ties(e, count, base, at);
}

/* They are sorted by window; now those that have the same one. */
static void sort_ties(struct job_entry *e, size_t count, const unsigned char *base,
                      struct place at) {
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && e[to].window == e[from].window;)
            to++;
        if (to - from > 1)
            sort_same(e + from, to - from, base, at);
    }
}

void job_entry_sort(struct job_entry *e, size_t count, const unsigned char *base) {
    sort_by_window(e, count, 56);
    sort_ties(e, count, base, (struct place){.depth = 0});
}

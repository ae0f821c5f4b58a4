#include "worker/job_merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NOBODY = UINT32_MAX, TICK_RECORDS = 4096 };

/* What comparisons need of a cursor's record. */
struct leaf {
    uint64_t window;
    uint32_t partition; /* NOBODY: the cursor is at its end */
};

struct job_merge {
    struct trawl_values values; /* first: a pointer to it is one to the merge */
    uint32_t count, winner;
    struct job_cursor *cursors;
    struct leaf *leaves;
    uint32_t *losers; /* of the games 1 .. count - 1; leaf i plays in game (i + count) / 2 */
    bool in_key;      /* the winner's record has not been given and is of the key at hand */
    bool given;       /* it has been given: to go on, the cursor must move */
    unsigned char *key;
    size_t key_len, key_size;
    uint64_t key_window;
    uint32_t partition;
    uint64_t records;
    bool failed;
    uint32_t source;
    struct error err;
};

/* Runs. */

void job_runs_init(struct job_runs *r) {
    *r = (struct job_runs){.count = 0};
}

void job_runs_release(struct job_runs *r) {
    free(r->items);
    job_runs_init(r);
}

bool job_runs_add(struct job_runs *r, const struct job_run *run) {
    if (r->count == r->size) {
        size_t size = r->size == 0 ? 16 : 2 * r->size;
        struct job_run *items = realloc(r->items, size * sizeof *items);
        if (items == NULL)
            return false;
        r->items = items;
        r->size = size;
    }
    r->items[r->count++] = *run;
    return true;
}

/* The tournament. */

static bool less_slowly(const struct job_cursor *a, const struct job_cursor *b, uint64_t window) {
    const struct job_record *x = &a->record, *y = &b->record;
    /* Windows that are the same and do not end in "more" are the same keys. */
    if ((window & 0xff) > JOB_WINDOW_BYTES) {
        int c = job_compare(x->key, x->key_len, y->key, y->key_len);
        if (c != 0)
            return c < 0;
    }
    return job_compare(x->value, x->value_len, y->value, y->value_len) < 0;
}

static bool less(const struct job_merge *m, uint32_t a, uint32_t b) {
    const struct leaf *x = &m->leaves[a], *y = &m->leaves[b];

    if (x->partition != y->partition)
        return x->partition < y->partition;
    if (x->window != y->window)
        return x->window < y->window;
    return x->partition != NOBODY && less_slowly(&m->cursors[a], &m->cursors[b], x->window);
}

/* The leaf has another record: it plays its way up. */
static void play(struct job_merge *m, uint32_t leaf) {
    uint32_t best = leaf;

    for (uint32_t game = (leaf + m->count) / 2; game > 0; game /= 2) {
        uint32_t other = m->losers[game];
        if (less(m, other, best)) {
            m->losers[game] = best;
            best = other;
        }
    }
    m->winner = best;
}

/* At the start whoever comes first to a game waits there for the other one. */
static void play_first(struct job_merge *m, uint32_t leaf) {
    uint32_t best = leaf;

    for (uint32_t game = (leaf + m->count) / 2; game > 0; game /= 2) {
        uint32_t other = m->losers[game];
        if (other == NOBODY) {
            m->losers[game] = best;
            return;
        }
        if (less(m, other, best)) {
            m->losers[game] = best;
            best = other;
        }
    }
    m->winner = best;
}

/* The cursor's next record becomes the leaf's. */
static bool advance(struct job_merge *m, uint32_t i) {
    struct job_cursor *c = &m->cursors[i];
    enum job_cursor_result why = job_cursor_next(c);

    if (why == JOB_CURSOR_RECORD) {
        m->leaves[i] = (struct leaf){job_window(c->record.key, c->record.key_len), c->partition};
        m->records++;
        return true;
    }
    m->leaves[i] = (struct leaf){0, NOBODY};
    if (why == JOB_CURSOR_END)
        return true;
    m->failed = true;
    m->source = c->run->source;
    m->err = c->err;
    return false;
}

static bool next_value(struct trawl_values *v, const void **value, size_t *len);

struct job_merge *job_merge_new(const struct job_run *runs, size_t count, uint32_t *source,
                                struct error *err) {
    struct job_merge *m = calloc(1, sizeof *m);

    *source = JOB_NO_SOURCE;
    if (m == NULL)
        goto no_memory;
    m->values.next = next_value;
    m->cursors = calloc(count + 1, sizeof *m->cursors);
    m->leaves = calloc(count + 1, sizeof *m->leaves);
    m->losers = calloc(count + 1, sizeof *m->losers);
    if (m->cursors == NULL || m->leaves == NULL || m->losers == NULL)
        goto no_memory;
    for (size_t i = 0; i < count; i++)
        m->losers[i] = NOBODY;
    for (uint32_t i = 0; i < count; i++) {
        m->count = i + 1;
        if (job_cursor_open(&m->cursors[i], &runs[i]))
            continue;
        *source = runs[i].source;
        *err = m->cursors[i].err;
        job_merge_free(m);
        return NULL;
    }
    for (uint32_t i = 0; i < count && advance(m, i); i++)
        play_first(m, i);
    if (!m->failed)
        return m;
    *source = m->source;
    *err = m->err;
    job_merge_free(m);
    return NULL;
no_memory:
    error_set(err, ENOMEM, "merging");
    job_merge_free(m);
    return NULL;
}

void job_merge_free(struct job_merge *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->count; i++)
        job_cursor_close(&m->cursors[i]);
    free(m->cursors);
    free(m->leaves);
    free(m->losers);
    free(m->key);
    free(m);
}

/* To the next record of all. False: there is none. */
static bool step(struct job_merge *m) {
    if (m->given) {
        m->given = false;
        if (!advance(m, m->winner))
            return false;
        play(m, m->winner);
    }
    return m->count > 0 && m->leaves[m->winner].partition != NOBODY;
}

static bool is_of_key(const struct job_merge *m) {
    const struct leaf *leaf = &m->leaves[m->winner];
    const struct job_record *r = &m->cursors[m->winner].record;

    return leaf->window == m->key_window && leaf->partition == m->partition &&
           ((leaf->window & 0xff) <= JOB_WINDOW_BYTES ||
            job_same(r->key, r->key_len, m->key, m->key_len));
}

static bool next_value(struct trawl_values *v, const void **value, size_t *len) {
    struct job_merge *m = (struct job_merge *)v;

    if (!m->in_key || m->failed)
        return false;
    if (!step(m) || !is_of_key(m)) {
        m->in_key = false;
        return false;
    }
    const struct job_record *r = &m->cursors[m->winner].record;
    *value = r->value;
    *len = r->value_len;
    m->given = true;
    return true;
}

static bool keep_key(struct job_merge *m, const struct job_record *r) {
    if (m->key == NULL || m->key_size < r->key_len) {
        free(m->key);
        m->key_size = 2 * (size_t)r->key_len + 64;
        m->key = malloc(m->key_size);
        if (m->key == NULL) {
            m->key_size = 0;
            return false;
        }
    }
    memcpy(m->key, r->key, r->key_len);
    m->key_len = r->key_len;
    return true;
}

bool job_merge_key(struct job_merge *m, uint32_t *partition, const unsigned char **key,
                   size_t *key_len, struct trawl_values **values) {
    const void *value;
    size_t len;

    while (next_value(&m->values, &value, &len))
        ;
    if (m->failed || !step(m))
        return false;
    if (!keep_key(m, &m->cursors[m->winner].record)) {
        m->failed = true;
        m->source = JOB_NO_SOURCE;
        error_set(&m->err, ENOMEM, "merging");
        return false;
    }
    m->key_window = m->leaves[m->winner].window;
    m->partition = m->leaves[m->winner].partition;
    m->in_key = true;
    *partition = m->partition;
    *key = m->key;
    *key_len = m->key_len;
    *values = &m->values;
    return true;
}

bool job_merge_failed(const struct job_merge *m, uint32_t *source, struct error *err) {
    if (m->failed) {
        *source = m->source;
        *err = m->err;
    }
    return m->failed;
}

uint64_t job_merge_records(const struct job_merge *m) {
    return m->records;
}

/* Everything into one file. */

static void write_records(struct job_merge *m, struct job_writer *to, const struct job_tick *tick) {
    for (unsigned n = 1; step(m) && !to->failed; n++) {
        const struct job_cursor *c = &m->cursors[m->winner];
        job_writer_put(to, c->partition, c->start, (size_t)(c->next - c->start));
        m->given = true;
        if (n % TICK_RECORDS == 0)
            tick->call(tick->arg);
    }
}

static bool write_combined(struct job_merge *m, struct job_writer *to, struct job_combine *combine,
                           const struct job_tick *tick, struct error *err) {
    const unsigned char *key;
    struct trawl_values *values;
    size_t key_len;
    uint32_t partition;

    for (unsigned n = 1; !to->failed && job_merge_key(m, &partition, &key, &key_len, &values);
         n++) {
        if (!job_combine_key(combine, to, partition, key, key_len, values, err))
            return false;
        if (n % TICK_RECORDS == 0)
            tick->call(tick->arg);
    }
    return true;
}

bool job_merge_write(struct job_merge *m, struct job_writer *to, struct job_combine *combine,
                     const struct job_tick *tick, uint32_t *source, struct error *err) {
    *source = JOB_NO_SOURCE;
    if (combine->call != NULL) {
        if (!write_combined(m, to, combine, tick, err))
            return false;
    } else {
        write_records(m, to, tick);
    }
    return !job_merge_failed(m, source, err) && job_writer_end(to);
}

/* Passes. */

static int by_length(const void *a, const void *b) {
    const struct job_run *x = a, *y = b;

    return (x->len > y->len) - (x->len < y->len);
}

/* How many of them, from the first on, one merge can take. */
static size_t fan_in(const struct job_runs *runs, uint64_t memory_bytes) {
    uint64_t cost = 0;
    size_t n = 0;

    while (n < runs->count && n < JOB_FAN_IN_MAX) {
        cost += job_run_cost(&runs->items[n]);
        if (cost > memory_bytes && n >= 2)
            break;
        n++;
    }
    return n;
}

struct job_run job_run_written(const struct job_writer *w, int dir_fd) {
    struct job_run run = {.dir_fd = dir_fd, .source = JOB_NO_SOURCE, .is_own = true};

    snprintf(run.name, sizeof run.name, "%s", w->name);
    for (uint32_t i = 0; i < w->partitions; i++) {
        run.len += w->parts[i].bytes;
        run.records += w->parts[i].records;
        if (w->parts[i].block_max > run.block_max)
            run.block_max = w->parts[i].block_max;
    }
    return run;
}

static bool merge_first(struct job_runs *runs, size_t n, struct job_merge_how *how,
                        struct job_run *result, struct error *err) {
    struct job_writer w;
    char name[32];

    snprintf(name, sizeof name, "merge-%u", how->serial++);
    struct job_merge *m = job_merge_new(runs->items, n, &how->source, err);
    if (m == NULL)
        return false;
    bool ok = job_writer_open(&w, how->dir_fd, name, how->partitions, how->block_bytes, err) &&
              job_merge_write(m, &w, how->combine, &how->tick, &how->source, err);
    if (ok)
        *result = job_run_written(&w, how->dir_fd);
    job_writer_close(&w);
    job_merge_free(m);
    return ok;
}

bool job_runs_shrink(struct job_runs *runs, struct job_merge_how *how, struct error *err) {
    struct job_run made;

    how->source = JOB_NO_SOURCE;
    for (;;) {
        if (runs->count > 1)
            qsort(runs->items, runs->count, sizeof *runs->items, by_length);
        size_t n = fan_in(runs, how->memory_bytes);
        if (n >= runs->count)
            return true;
        /* After it there is one run in place of n: just so few that the rest fits. */
        if (runs->count - n + 1 < n)
            n = runs->count - n + 1;
        if (n < 2)
            n = 2;
        if (!merge_first(runs, n, how, &made, err))
            return false;
        for (size_t i = 0; i < n; i++)
            if (runs->items[i].is_own)
                unlinkat(runs->items[i].dir_fd, runs->items[i].name, 0);
        memmove(runs->items, runs->items + n, (runs->count - n) * sizeof *runs->items);
        runs->count -= n;
        if (!job_runs_add(runs, &made)) {
            error_set(err, ENOMEM, "merging");
            return false;
        }
    }
}

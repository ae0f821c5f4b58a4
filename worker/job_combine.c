#include "worker/job_combine.h"

#include <errno.h>
#include <stdlib.h>

void job_combine_init(struct job_combine *c,
                      void (*call)(void *arg, const void *key, size_t key_len,
                                   struct trawl_values *values),
                      void *arg) {
    *c = (struct job_combine){.call = call, .arg = arg};
    buf_init(&c->held, JOB_COMBINE_HELD_BYTES + JOB_BLOCK_BYTES_MAX + JOB_PAD_BYTES);
    buf_init(&c->last, JOB_RECORD_BYTES_MAX);
}

void job_combine_release(struct job_combine *c) {
    buf_release(&c->held);
    buf_release(&c->last);
}

static void fail(struct job_combine *c, int errno_value, const char *why) {
    if (!c->failed)
        error_set(c->err, errno_value, "combine(): %s", why);
    c->failed = true;
}

static int by_value(const void *a, const void *b) {
    struct job_record x, y;

    job_record_at(*(const unsigned char *const *)a, &x);
    job_record_at(*(const unsigned char *const *)b, &y);
    return job_compare(x.value, x.value_len, y.value, y.value_len);
}

/* Where the records in `held` begin, sorted by value. NULL: no memory. */
static const unsigned char **sorted(struct job_combine *c) {
    const unsigned char **at = malloc(c->held_count * sizeof *at), *p;
    struct job_record r;

    if (at == NULL)
        return NULL;
    p = (const unsigned char *)c->held.data;
    for (size_t i = 0; i < c->held_count; i++) {
        at[i] = p;
        p += job_record_at(p, &r);
    }
    if (c->held_count > 1)
        qsort(at, c->held_count, sizeof *at, by_value);
    return at;
}

static void write_held(struct job_combine *c, bool is_last) {
    struct job_record r;

    if (c->held_count == 0 || c->failed)
        return;
    const unsigned char **at = buf_reserve(&c->held, JOB_PAD_BYTES) ? sorted(c) : NULL;
    if (at == NULL) {
        fail(c, ENOMEM, "its output");
        return;
    }
    job_record_at(at[0], &r);
    if (c->has_last &&
        job_compare(r.value, r.value_len, (const unsigned char *)c->last.data, c->last.len) < 0)
        fail(c, 0, "it gave more than 1 MiB for one key, and not in order");
    for (size_t i = 0; i < c->held_count && !c->failed; i++) {
        size_t len = job_record_at(at[i], &r);
        job_writer_put(c->to, c->partition, at[i], len);
    }
    buf_reset(&c->last);
    if (!is_last && !buf_append(&c->last, r.value, r.value_len))
        fail(c, ENOMEM, "its output");
    c->has_last = !is_last;
    free(at);
    buf_reset(&c->held);
    c->held_count = 0;
}

void job_combine_emit(struct job_combine *c, const void *key, size_t key_len, const void *value,
                      size_t value_len) {
    unsigned char head[JOB_RECORD_HEAD_MAX];

    if (c->failed)
        return;
    if (!job_same(key, key_len, c->key, c->key_len)) {
        fail(c, 0, "it emitted another key than the one that it was given");
        return;
    }
    if (key_len > JOB_RECORD_BYTES_MAX || value_len > JOB_RECORD_BYTES_MAX - key_len) {
        fail(c, 0, "it emitted a record of more than 16 MiB");
        return;
    }
    if (c->held.len >= JOB_COMBINE_HELD_BYTES)
        write_held(c, false);
    size_t n = job_varint_put(head, (uint32_t)key_len);
    n += job_varint_put(head + n, (uint32_t)value_len);
    buf_append(&c->held, head, n);
    buf_append(&c->held, key, key_len);
    if (!buf_append(&c->held, value, value_len))
        fail(c, ENOMEM, "its output");
    c->held_count++;
}

bool job_combine_key(struct job_combine *c, struct job_writer *to, uint32_t partition,
                     const unsigned char *key, size_t key_len, struct trawl_values *values,
                     struct error *err) {
    c->to = to;
    c->partition = partition;
    c->key = key;
    c->key_len = key_len;
    c->err = err;
    c->failed = c->has_last = false;
    c->call(c->arg, key, key_len, values);
    write_held(c, true);
    c->to = NULL;
    c->has_last = false;
    return !c->failed;
}

#include "master/store.h"

#include <assert.h>
#include <errno.h>

#include "shared/work.h"

void store_init(struct store *s, const struct store_ops *ops) {
    s->ops = ops;
    atomic_init(&s->written, 0);
    atomic_init(&s->failed, false);
    pthread_mutex_init(&s->failure_lock, NULL);
    s->failure = (struct error){0};
    s->iters_open = 0;
}

void store_release(struct store *s) {
    pthread_mutex_destroy(&s->failure_lock);
}

/* The first failure stays. */
static void fail(struct store *s, const struct error *why) {
    pthread_mutex_lock(&s->failure_lock);
    if (!atomic_load(&s->failed)) {
        s->failure = *why;
        atomic_store(&s->failed, true);
    }
    pthread_mutex_unlock(&s->failure_lock);
}

bool store_failed(struct store *s, struct error *err) {
    if (!atomic_load(&s->failed))
        return false;
    if (err != NULL) {
        pthread_mutex_lock(&s->failure_lock);
        *err = s->failure;
        pthread_mutex_unlock(&s->failure_lock);
    }
    return true;
}

bool store_write(struct store *s, const struct batch *b, uint64_t *seq, struct error *err) {
    struct error why = {0};

    work(WORK_SEEK);
    if (store_failed(s, err))
        return false;
    if (batch_failed(b))
        error_set(&why, ENOMEM, "crawldb: a batch is too large");
    else if (s->ops->write(s, b, &why)) {
        *seq = atomic_fetch_add(&s->written, 1) + 1;
        return true;
    }
    fail(s, &why);
    if (err != NULL)
        *err = why;
    return false;
}

bool store_sync(struct store *s, uint64_t *synced, struct error *err) {
    struct error why = {0};
    uint64_t upto = atomic_load(&s->written);

    if (store_failed(s, err))
        return false;
    if (s->ops->sync(s, &why)) {
        *synced = upto;
        return true;
    }
    fail(s, &why);
    if (err != NULL)
        *err = why;
    return false;
}

enum store_result store_get(struct store *s, const void *key, size_t key_len, struct buf *value) {
    struct error why = {0};

    work(WORK_SEEK);
    buf_reset(value);
    enum store_result result = s->ops->get(s, key, key_len, value, &why);
    if (result == STORE_FOUND && value->failed) {
        error_set(&why, ENOMEM, "crawldb: a value is too large");
        result = STORE_FAILED;
    }
    if (result == STORE_FAILED)
        fail(s, &why);
    return result;
}

bool store_reopen(struct store *s, struct error *err) {
    assert(s->iters_open == 0);
    struct error why = {0};

    if (!s->ops->reopen(s, &why)) {
        fail(s, &why);
        if (err != NULL)
            *err = why;
        return false;
    }
    atomic_store(&s->failed, false);
    return true;
}

void store_close(struct store *s) {
    if (s == NULL)
        return;
    assert(s->iters_open == 0);
    s->ops->close(s);
}

struct store_iter *store_iter_open(struct store *s, const void *prefix, size_t prefix_len,
                                   const void *from, size_t from_len) {
    struct error why = {0};
    work(WORK_SEEK);
    struct store_iter *it = s->ops->iter_open(s, prefix, prefix_len, from, from_len, &why);

    if (it == NULL) {
        fail(s, &why);
        return NULL;
    }
    it->store = s;
    s->iters_open++;
    /* cppcheck-suppress returnDanglingLifetime; `why` does not outlive the call */
    return it;
}

bool store_iter_valid(const struct store_iter *it) {
    return it->store->ops->iter_valid(it);
}

const void *store_iter_key(const struct store_iter *it, size_t *len) {
    return it->store->ops->iter_key(it, len);
}

const void *store_iter_value(const struct store_iter *it, size_t *len) {
    return it->store->ops->iter_value(it, len);
}

void store_iter_next(struct store_iter *it) {
    work(WORK_RECORD);
    it->store->ops->iter_next(it);
}

bool store_iter_close(struct store_iter *it) {
    struct error why = {0};

    if (it == NULL)
        return true;
    struct store *s = it->store;
    s->iters_open--;
    if (s->ops->iter_close(it, &why))
        return true;
    fail(s, &why);
    return false;
}

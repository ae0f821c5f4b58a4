/* commit: replies wait for a sync, many for one; a failed sync makes them busy, and nothing is sent by mistake. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/commit.h"
#include "master/store_mem.h"

enum { WRITERS = 4, EACH = 500, WAIT_S = 20 };

struct call {
    unsigned sent, busy;
};

struct world {
    struct store *store;
    struct committer *committer;
    pthread_mutex_t lock; /* guards the calls and counts */
    pthread_mutex_t core; /* one writes at a time */
    pthread_cond_t changed;
    struct call calls[WRITERS * EACH];
    unsigned answered, failed;
};

static void answered(struct world *w, struct call *call, bool sent) {
    pthread_mutex_lock(&w->lock);
    if (sent)
        call->sent++;
    else
        call->busy++;
    w->answered++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void on_send(void *arg, void *call, const struct buf *reply) {
    struct call *one = call;

    assert_int_equal(reply->len, 2);
    assert_memory_equal(reply->data, "ok", 2);
    answered(arg, one, true);
}

static void on_busy(void *arg, void *call) {
    answered(arg, call, false);
}

static void on_failed(void *arg) {
    struct world *w = arg;

    pthread_mutex_lock(&w->lock);
    w->failed++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static struct world *world_new(void) {
    struct world *w = calloc(1, sizeof *w);
    struct committer_config config = {.send = on_send, .busy = on_busy, .failed = on_failed};

    assert_non_null(w);
    w->store = store_mem_new();
    assert_non_null(w->store);
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->core, NULL);
    pthread_cond_init(&w->changed, NULL);
    config.store = w->store;
    config.arg = w;
    w->committer = committer_new(&config);
    assert_non_null(w->committer);
    return w;
}

static void world_free(struct world *w) {
    committer_free(w->committer);
    store_close(w->store);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->core);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void wait_answers(struct world *w, unsigned n) {
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&w->lock);
    while (w->answered < n)
        assert_int_equal(pthread_cond_timedwait(&w->changed, &w->lock, &until), 0);
    pthread_mutex_unlock(&w->lock);
}

static void wait_failed(struct world *w, unsigned n) {
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&w->lock);
    while (w->failed < n)
        assert_int_equal(pthread_cond_timedwait(&w->changed, &w->lock, &until), 0);
    pthread_mutex_unlock(&w->lock);
}

static void put(struct world *w, uint32_t key) {
    struct batch b;
    uint64_t seq;

    batch_init(&b);
    batch_put(&b, &key, sizeof key, "v", 1);
    assert_true(store_write(w->store, &b, &seq, NULL));
    batch_release(&b);
}

static void add(struct world *w, struct call *call) {
    struct buf reply;

    buf_init(&reply, 64);
    assert_true(buf_append_str(&reply, "ok"));
    assert_true(committer_add(w->committer, call, &reply));
    assert_int_equal(reply.len, 0);
    buf_release(&reply);
}

static void test_sent_when_durable(void **state) {
    struct world *w = world_new();

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        put(w, i);
        add(w, &w->calls[i]);
        wait_answers(w, i + 1);
        assert_int_equal(w->calls[i].sent, 1);
        assert_int_equal(store_mem_unsynced(w->store), 0);
    }
    world_free(w);
}

/* What was sent survives any crash: the sync that came before began behind the write. */
static void test_power_cut(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct world *w = world_new();
        struct buf value;
        uint32_t told = 5;

        for (uint32_t i = 0; i < told; i++) {
            put(w, i);
            add(w, &w->calls[i]);
        }
        wait_answers(w, told);
        put(w, told); /* never told */
        committer_pause(w->committer);
        store_mem_crash(w->store, seed);
        buf_init(&value, 16);
        for (uint32_t i = 0; i < told; i++)
            assert_int_equal(store_get(w->store, &i, sizeof i, &value), STORE_FOUND);
        buf_release(&value);
        world_free(w);
    }
}

struct writer {
    struct world *w;
    unsigned number;
    pthread_t thread;
};

static void *write_many(void *arg) {
    struct writer *me = arg;

    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t n = me->number * EACH + i;
        pthread_mutex_lock(&me->w->core);
        put(me->w, n);
        add(me->w, &me->w->calls[n]);
        pthread_mutex_unlock(&me->w->core);
    }
    return NULL;
}

static void test_each_once(void **state) {
    struct world *w = world_new();
    struct writer writers[WRITERS];

    (void)state;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.w = w, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    wait_answers(w, WRITERS * EACH);
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        assert_int_equal(w->calls[i].sent, 1);
        assert_int_equal(w->calls[i].busy, 0);
    }
    assert_int_equal(w->failed, 0);
    world_free(w);
}

static void test_sync_fails(void **state) {
    struct world *w = world_new();

    (void)state;
    store_mem_fail_sync(w->store, 1, ENOSPC);
    put(w, 1);
    add(w, &w->calls[0]);
    wait_answers(w, 1);
    wait_failed(w, 1);
    assert_int_equal(w->calls[0].busy, 1);
    assert_int_equal(w->calls[0].sent, 0);

    /* It stays so, whatever would be synced, until the store is mended. */
    add(w, &w->calls[1]);
    wait_answers(w, 2);
    assert_int_equal(w->calls[1].busy, 1);
    committer_pause(w->committer);
    assert_true(store_reopen(w->store, NULL));
    committer_resume(w->committer);
    put(w, 2);
    add(w, &w->calls[2]);
    wait_answers(w, 3);
    assert_int_equal(w->calls[2].sent, 1);
    world_free(w);
}

static void test_pause(void **state) {
    struct world *w = world_new();

    (void)state;
    committer_pause(w->committer);
    put(w, 1);
    add(w, &w->calls[0]);
    committer_pause(w->committer); /* what waits becomes busy, at once */
    assert_int_equal(w->calls[0].busy, 1);
    assert_int_equal(w->calls[0].sent, 0);
    add(w, &w->calls[1]);
    committer_resume(w->committer);
    wait_answers(w, 2);
    assert_int_equal(w->calls[1].sent, 1);
    world_free(w);
}

static void test_no_sync_for_nothing(void **state) {
    struct world *w = world_new();

    (void)state;
    put(w, 1);
    add(w, &w->calls[0]);
    wait_answers(w, 1);
    store_mem_fail_sync(w->store, 1, EIO);
    add(w, &w->calls[1]);
    wait_answers(w, 2);
    assert_int_equal(w->calls[1].sent, 1);
    world_free(w);
}

static void test_end_sends_what_waits(void **state) {
    struct world *w = world_new();

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        put(w, i);
        add(w, &w->calls[i]);
    }
    committer_free(w->committer);
    w->committer = NULL;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(w->calls[i].sent, 1);
    world_free(w);
}

static void test_flush(void **state) {
    struct world *w = world_new();

    (void)state;
    committer_flush(NULL);
    committer_flush(w->committer);
    for (uint32_t i = 0; i < 100; i++) {
        put(w, i);
        add(w, &w->calls[i]);
        if (i % 10 != 0)
            continue;
        committer_flush(w->committer);
        pthread_mutex_lock(&w->lock);
        assert_int_equal(w->answered, i + 1);
        pthread_mutex_unlock(&w->lock);
        assert_int_equal(w->calls[i].sent, 1);
    }
    committer_pause(w->committer);
    committer_flush(w->committer);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_when_durable),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_sync_fails),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_no_sync_for_nothing),
        cmocka_unit_test(test_end_sends_what_waits),
        cmocka_unit_test(test_flush),
    };

    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}

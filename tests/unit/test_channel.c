/* Channels and wait groups, alone and between threads. */
#include "shared/channel.h"
#include "shared/waitgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void keeps_order_and_bound(void **state) {
    struct channel *c = channel_new(3, sizeof(int));
    int got;

    (void)state;
    assert_non_null(c);
    assert_int_equal(channel_receive(c, &got, 0), CHANNEL_EMPTY);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(channel_send(c, &i, 0), CHANNEL_OK);
        assert_int_equal(channel_send(c, &round, 0), CHANNEL_FULL);
        assert_int_equal(channel_send(c, &round, 1), CHANNEL_FULL);
        assert_int_equal(channel_count(c), 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(channel_receive(c, &got, CHANNEL_WAIT), CHANNEL_OK);
            assert_int_equal(got, i);
        }
        assert_int_equal(channel_receive(c, &got, 1), CHANNEL_EMPTY);
    }
    channel_free(c);
    channel_free(NULL);
}

static void closing_drains(void **state) {
    struct channel *c = channel_new(4, sizeof(int));
    int got, sent = 7;

    (void)state;
    assert_int_equal(channel_send(c, &sent, 0), CHANNEL_OK);
    channel_close(c);
    channel_close(c);
    assert_int_equal(channel_send(c, &sent, CHANNEL_WAIT), CHANNEL_CLOSED);
    assert_int_equal(channel_receive(c, &got, CHANNEL_WAIT), CHANNEL_OK);
    assert_int_equal(got, 7);
    assert_int_equal(channel_receive(c, &got, CHANNEL_WAIT), CHANNEL_CLOSED);
    assert_true(readable(channel_fd(c)));
    channel_free(c);
}

static void fd_follows(void **state) {
    struct channel *c = channel_new(4, sizeof(int));
    int i = 1;

    (void)state;
    assert_int_equal(channel_send(c, &i, 0), CHANNEL_OK);
    int fd = channel_fd(c); /* asked for late: knows of the message */
    assert_true(fd >= 0);
    assert_int_equal(channel_fd(c), fd);
    assert_true(readable(fd));
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_OK);
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_EMPTY);
    assert_false(readable(fd));
    assert_int_equal(channel_send(c, &i, 0), CHANNEL_OK);
    assert_int_equal(channel_send(c, &i, 0), CHANNEL_OK);
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_OK);
    assert_true(readable(fd)); /* one is still there */
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_OK);
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_EMPTY);
    assert_false(readable(fd));
    channel_close(c);
    assert_true(readable(fd));
    assert_int_equal(channel_receive(c, &i, 0), CHANNEL_CLOSED);
    assert_true(readable(fd)); /* for good */
    channel_free(c);
}

enum { PRODUCERS = 4, EACH = 20000 };

struct message {
    unsigned producer, number;
};

struct producer {
    struct channel *channel;
    struct waitgroup *group;
    unsigned id;
    int timeout_ms;
    bool refused;
};

static void *produce(void *arg) {
    struct producer *p = arg;

    for (unsigned i = 0; i < EACH;) {
        struct message *m = malloc(sizeof *m);

        assert_non_null(m);
        *m = (struct message){p->id, i};
        enum channel_result r = channel_send(p->channel, &m, p->timeout_ms);
        if (r == CHANNEL_OK) {
            i++;
            continue;
        }
        free(m);
        if (r == CHANNEL_CLOSED) {
            p->refused = true;
            break;
        }
    }
    waitgroup_done(p->group);
    return NULL;
}

static void start(pthread_t threads[PRODUCERS], struct producer producers[PRODUCERS],
                  struct channel *c, struct waitgroup *w) {
    static const int timeouts[PRODUCERS] = {CHANNEL_WAIT, CHANNEL_WAIT, 1, 0};

    waitgroup_add(w, PRODUCERS);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){c, w, i, timeouts[i], false};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
}

static void join(pthread_t threads[PRODUCERS]) {
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
}

/* The consumer blocks, or sleeps in poll() as an event loop does. */
static void many_to_one(bool by_poll) {
    struct channel *c = channel_new(64, sizeof(struct message *));
    struct waitgroup w;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    unsigned next[PRODUCERS] = {0}, total = 0;

    waitgroup_init(&w);
    int fd = by_poll ? channel_fd(c) : -1;
    start(threads, producers, c, &w);
    while (total < PRODUCERS * EACH) {
        struct message *m;

        if (by_poll) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            assert_int_equal(poll(&p, 1, 10000), 1); /* a lost wake-up ends here */
        }
        while (channel_receive(c, &m, by_poll ? 0 : CHANNEL_WAIT) == CHANNEL_OK) {
            assert_int_equal(m->number, next[m->producer]);
            next[m->producer]++;
            free(m);
            if (++total == PRODUCERS * EACH)
                break;
        }
    }
    assert_true(waitgroup_wait(&w, -1));
    waitgroup_release(&w);
    join(threads);
    assert_int_equal(channel_count(c), 0);
    channel_free(c);
}

static void many_to_one_blocking(void **state) {
    (void)state;
    many_to_one(false);
}

static void many_to_one_by_fd(void **state) {
    (void)state;
    many_to_one(true);
}

static void closing_frees_waiting_senders(void **state) {
    struct channel *c = channel_new(8, sizeof(struct message *));
    struct waitgroup w;
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    struct message *m;

    (void)state;
    waitgroup_init(&w);
    start(threads, producers, c, &w);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(channel_receive(c, &m, CHANNEL_WAIT), CHANNEL_OK);
        free(m);
    }
    assert_false(waitgroup_wait(&w, 0)); /* nobody takes more: they wait */
    channel_close(c);
    assert_true(waitgroup_wait(&w, 10000));
    while (channel_receive(c, &m, CHANNEL_WAIT) == CHANNEL_OK)
        free(m);
    join(threads);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_true(producers[i].refused);
    waitgroup_release(&w);
    channel_free(c);
}

static void *finish(void *arg) {
    waitgroup_done(arg);
    return NULL;
}

static void waits_for_all(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct waitgroup w;
        pthread_t threads[3];

        waitgroup_init(&w);
        assert_true(waitgroup_wait(&w, -1));
        waitgroup_add(&w, 4);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, finish, &w), 0);
        assert_false(waitgroup_wait(&w, 0));
        if (round == 0)
            assert_false(waitgroup_wait(&w, 2));
        waitgroup_done(&w);
        assert_true(waitgroup_wait(&w, -1));
        waitgroup_release(&w);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_bound),
        cmocka_unit_test(closing_drains),
        cmocka_unit_test(fd_follows),
        cmocka_unit_test(many_to_one_blocking),
        cmocka_unit_test(many_to_one_by_fd),
        cmocka_unit_test(closing_frees_waiting_senders),
        cmocka_unit_test(waits_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* rpc: requests, late replies, timeouts and a server that goes away and comes back, over loopback. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/rpc.h"
#include "shared/limits.h"

/* Echoes; "late" is kept until somebody answers it; "never" is dropped. */
struct echo {
    pthread_mutex_t lock;
    pthread_cond_t kept;
    struct rpc_call *late;
    unsigned handled;
    char peer[64];
};

static void echo_handle(void *arg, struct rpc_call *call, const void *bytes, size_t len,
                        const char *peer) {
    struct echo *e = arg;

    pthread_mutex_lock(&e->lock);
    e->handled++;
    snprintf(e->peer, sizeof e->peer, "%s", peer);
    bool late = len == 4 && memcmp(bytes, "late", 4) == 0;
    if (late) {
        e->late = call;
        pthread_cond_signal(&e->kept);
    }
    pthread_mutex_unlock(&e->lock);
    if (late)
        return;
    if (len == 5 && memcmp(bytes, "never", 5) == 0)
        rpc_server_drop(call);
    else
        rpc_server_reply(call, bytes, len);
}

static struct rpc_call *echo_take_late(struct echo *e) {
    pthread_mutex_lock(&e->lock);
    while (e->late == NULL)
        pthread_cond_wait(&e->kept, &e->lock);
    struct rpc_call *call = e->late;
    e->late = NULL;
    pthread_mutex_unlock(&e->lock);
    return call;
}

static struct rpc_server *serve(struct echo *e, const char *address) {
    struct rpc_server_config config = {
        .address = address, .contexts = 4, .handle = echo_handle, .arg = e};
    struct error err = {0};
    struct rpc_server *s = rpc_server_new(&config, &err);

    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static void echo_init(struct echo *e) {
    *e = (struct echo){0};
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->kept, NULL);
}

static void stop(struct rpc_server *s) {
    assert_true(rpc_server_stop(s));
    rpc_server_free(s);
}

static struct rpc_client *dial(const char *address) {
    struct error err = {0};
    struct rpc_client *c = rpc_client_new(address, RPC_DIAL_BACKGROUND, &err);

    if (c == NULL)
        fail_msg("%s", err.text);
    return c;
}

static struct rpc_answer await(struct rpc_lines *l) {
    struct rpc_answer answer = {0};

    while (!rpc_lines_take(l, &answer)) {
        struct pollfd p = {.fd = rpc_lines_fd(l), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
    }
    return answer;
}

/* A connection may carry its first answer a moment before it is counted. */
static void await_connections(struct rpc_client *c, uint64_t n) {
    for (int i = 0; i < 20000 && rpc_client_connections(c) < n; i++)
        poll(NULL, 0, 1);
    assert_int_equal(rpc_client_connections(c), n);
}

static void test_echo(void **state) {
    struct echo e;
    struct buf reply;
    struct error err = {0};

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    assert_non_null(strstr(rpc_server_address(s), "tcp://127.0.0.1:"));
    assert_null(strstr(rpc_server_address(s), ":0"));
    struct rpc_client *c = dial(rpc_server_address(s));
    buf_init(&reply, LIMIT_WIRE_BYTES);
    for (int i = 0; i < 200; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "hello %d", i);
        assert_true(rpc_call_sync(c, text, (size_t)n, 20000, &reply, &err));
        assert_int_equal(reply.len, n);
        assert_memory_equal(reply.data, text, (size_t)n);
    }
    await_connections(c, 1);
    assert_int_equal(strncmp(e.peer, "127.0.0.1:", 10), 0);
    /* Empty, and as large as may be. */
    assert_true(rpc_call_sync(c, "", 0, 20000, &reply, &err));
    assert_int_equal(reply.len, 0);
    char *big = calloc(1, LIMIT_WIRE_BYTES);
    assert_true(rpc_call_sync(c, big, LIMIT_WIRE_BYTES - 64, 20000, &reply, &err));
    assert_int_equal(reply.len, LIMIT_WIRE_BYTES - 64);
    assert_false(rpc_call_sync(c, big, LIMIT_WIRE_BYTES - 63, 20000, &reply, &err));
    assert_non_null(strstr(err.text, "message too large"));
    assert_true(rpc_call_sync(c, "still there", 11, 20000, &reply, &err));
    free(big);
    buf_release(&reply);
    assert_true(rpc_client_free(c));
    stop(s);
}

static void test_lines(void **state) {
    struct echo e;
    struct error err = {0};

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    struct rpc_client *c = dial(rpc_server_address(s));
    struct rpc_lines *l = rpc_lines_new(c, 2, &err);
    assert_non_null(l);
    /* A late reply on line 0 holds nothing up on line 1. */
    assert_true(rpc_lines_send(l, 0, "late", 4, 20000));
    struct rpc_call *call = echo_take_late(&e);
    for (int i = 0; i < 50; i++) {
        assert_true(rpc_lines_send(l, 1, "beat", 4, 20000));
        struct rpc_answer a = await(l);
        assert_int_equal(a.line, 1);
        assert_true(a.ok);
        assert_memory_equal(a.bytes, "beat", 4);
    }
    rpc_server_reply(call, "at last", 7);
    struct rpc_answer a = await(l);
    assert_int_equal(a.line, 0);
    assert_true(a.ok);
    assert_memory_equal(a.bytes, "at last", 7);
    /* No reply: a timeout. One that comes after it is not taken for the next. */
    assert_true(rpc_lines_send(l, 0, "late", 4, 50));
    call = echo_take_late(&e);
    a = await(l);
    assert_false(a.ok);
    assert_true(rpc_lines_send(l, 0, "again", 5, 20000));
    rpc_server_reply(call, "stale", 5);
    a = await(l);
    assert_true(a.ok);
    assert_memory_equal(a.bytes, "again", 5);
    assert_true(rpc_lines_send(l, 1, "never", 5, 50));
    assert_false(await(l).ok);
    /* Closing with a request under way on both sides. */
    assert_true(rpc_lines_send(l, 0, "late", 4, 20000));
    call = echo_take_late(&e);
    rpc_lines_free(l);
    assert_true(rpc_client_free(c));
    assert_true(rpc_server_stop(s));
    rpc_server_reply(call, "in vain", 7);
    rpc_server_free(s);
}

static void test_restart(void **state) {
    struct echo e;
    struct error err = {0};
    char address[160];

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    snprintf(address, sizeof address, "%s", rpc_server_address(s));
    struct rpc_client *c = dial(address);
    struct rpc_lines *l = rpc_lines_new(c, 2, &err);
    assert_non_null(l);
    assert_true(rpc_lines_send(l, 0, "one", 3, 20000));
    assert_true(await(l).ok);
    /* What is under way when the server dies fails long before its timeout. */
    assert_true(rpc_lines_send(l, 0, "late", 4, 600000));
    struct rpc_call *call = echo_take_late(&e);
    assert_true(rpc_server_stop(s));
    assert_false(await(l).ok);
    rpc_server_drop(call);
    rpc_server_free(s);
    /* What is asked meanwhile waits for it to come back. */
    assert_true(rpc_lines_send(l, 1, "two", 3, 60000));
    s = serve(&e, address);
    struct rpc_answer a = await(l);
    assert_true(a.ok);
    assert_memory_equal(a.bytes, "two", 3);
    await_connections(c, 2);
    rpc_client_reconnect(c);
    assert_true(rpc_lines_send(l, 1, "three", 5, 60000));
    (void)await(l); /* sent on the closed connection, perhaps */
    assert_true(rpc_lines_send(l, 1, "four", 4, 60000));
    a = await(l);
    assert_true(a.ok);
    await_connections(c, 3);
    rpc_lines_free(l);
    assert_true(rpc_client_free(c));
    stop(s);
}

static void test_errors(void **state) {
    struct echo e;
    struct error err = {0};
    struct buf reply;
    char address[160];

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    snprintf(address, sizeof address, "%s", rpc_server_address(s));
    struct rpc_server_config config = {
        .address = address, .contexts = 1, .handle = echo_handle, .arg = &e};
    assert_null(rpc_server_new(&config, &err));
    assert_non_null(strstr(err.text, "cannot listen on tcp://127.0.0.1:"));
    assert_non_null(strstr(err.text, ": address in use"));
    stop(s);
    assert_null(rpc_client_new(address, RPC_DIAL_NOW, &err));
    assert_non_null(strstr(err.text, "cannot reach the master at tcp://127.0.0.1:"));
    assert_non_null(strstr(err.text, ": connection refused"));
    assert_null(rpc_client_new("nowhere", RPC_DIAL_BACKGROUND, &err));
    config.address = "nowhere";
    assert_null(rpc_server_new(&config, &err));
    config.address = "tcp://127.0.0.1";
    assert_null(rpc_server_new(&config, &err));
    buf_init(&reply, 100);
    struct rpc_client *c = dial(address);
    assert_false(rpc_call_sync(c, "x", 1, 100, &reply, &err));
    assert_int_equal(rpc_client_connections(c), 0);
    assert_true(rpc_client_free(c));
    buf_release(&reply);
}

/* Who waits for a connection is told of it, and of the next one. */
static void test_told_of_connections(void **state) {
    struct echo e;
    char address[160];
    uint64_t count;
    int fd = eventfd(0, EFD_CLOEXEC);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    snprintf(address, sizeof address, "%s", rpc_server_address(s));
    stop(s);
    struct rpc_client *c = dial(address); /* nobody is there yet */
    rpc_client_tell(c, fd);
    assert_int_equal(poll(&p, 1, 0), 0);
    for (uint64_t n = 1; n <= 2; n++) {
        s = serve(&e, address);
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_int_equal(read(fd, &count, sizeof count), sizeof count);
        assert_int_equal(count, 1);
        assert_int_equal(rpc_client_connections(c), n);
        stop(s);
    }
    assert_true(rpc_client_free(c));
    close(fd);
}

static int64_t cpu_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* A timer of nng 1.5.2 that comes due spins until the millisecond is over. */
static void test_nothing_to_do(void **state) {
    struct echo e;

    (void)state;
    echo_init(&e);
    struct rpc_server *s = serve(&e, "tcp://127.0.0.1:0");
    int64_t before_us = cpu_us();
    poll(NULL, 0, 1500);
    assert_in_range(cpu_us() - before_us, 0, 5000);
    stop(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_told_of_connections),
        cmocka_unit_test(test_nothing_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* fence: sockets die with their lease, even of a process that was stopped meanwhile. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/fence.h"

static void connected(int pair[2]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&at, len), 0);
    pair[1] = accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listener);
}

static bool usable(int fd) {
    return send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static void wait_shut(const struct fence *f, uint64_t count) {
    while (fence_shut_count(f) < count)
        (void)poll(NULL, 0, 1); /* EINTR when it comes */
}

static void test_deadlines(void **state) {
    int a[2], b[2], c[2];
    char byte;

    (void)state;
    connected(a);
    connected(b);
    connected(c);
    struct fence *f = fence_new(3, NULL);
    assert_non_null(f);
    int64_t now = fence_now_ms();
    assert_int_equal(fence_open(f, a[0], now), FENCE_NONE);
    int pa = fence_open(f, a[0], now + 40);
    int pb = fence_open(f, b[0], now + 20);
    int pc = fence_open(f, c[0], now + 3600000);
    assert_true(pa >= 0 && pb >= 0 && pc >= 0);
    assert_int_equal(fence_open(f, 99, now + 3600000), FENCE_NONE); /* full */
    fence_renew(f, pa, now + 3600000);
    wait_shut(f, 1);
    assert_true(fence_now_ms() >= now + 20);
    assert_false(usable(b[0]));
    assert_true(fence_was_shut(f, pb));
    assert_false(fence_was_shut(f, pa));
    assert_true(usable(a[0]));
    assert_true(usable(c[0]));
    assert_int_equal(recv(b[1], &byte, 1, 0), 0); /* the server sees FIN */
    /* Too late for a renewal; the place is free again after closing. */
    fence_renew(f, pb, now + 3600000);
    fence_close(f, pb);
    fence_renew(f, pc, fence_now_ms() + 10);
    wait_shut(f, 2);
    assert_false(usable(c[0]));
    pb = fence_open(f, c[1], fence_now_ms() + 10);
    assert_true(pb >= 0);
    wait_shut(f, 3);
    assert_false(usable(c[1]));
    assert_true(usable(a[0]));
    fence_free(f);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
        close(c[i]);
    }
}

/* One not yet connected cannot be connected afterwards; one with unsent bytes is reset. */
static void test_unconnected_and_unsent(void **state) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int pair[2], listener = socket(AF_INET, SOCK_STREAM, 0),
                 fresh = socket(AF_INET, SOCK_STREAM, 0);
    static char much[1 << 20];

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    connected(pair);
    while (send(pair[0], much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    struct fence *f = fence_new(2, NULL);
    assert_non_null(f);
    int64_t now = fence_now_ms();
    assert_true(fence_open(f, fresh, now + 10) >= 0);
    assert_true(fence_open(f, pair[0], now + 10) >= 0);
    wait_shut(f, 2);
    assert_int_equal(connect(fresh, (struct sockaddr *)&at, len), -1);
    ssize_t n;
    while ((n = recv(pair[1], much, sizeof much, 0)) > 0)
        ;
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    fence_free(f);
    close(fresh);
    close(listener);
    close(pair[0]);
    close(pair[1]);
}

/* The child stops itself past the deadline; its next instruction is a send(). */
static void child(int pair[2]) {
    struct fence *f = fence_new(1, NULL);

    if (f == NULL || fence_open(f, pair[0], fence_now_ms() + 150) < 0 || !usable(pair[0]))
        _exit(2);
    raise(SIGSTOP);
    _exit(usable(pair[0]) ? 1 : 0);
}

static void test_stopped(void **state) {
    int pair[2], status;
    char bytes[8];

    (void)state;
    connected(pair);
    pid_t pid = fork();
    if (pid == 0)
        child(pair);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    close(pair[0]);
    int64_t until = fence_now_ms() + 300;
    while (fence_now_ms() < until)
        (void)poll(NULL, 0, 10);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    size_t got = 0;
    ssize_t n;
    while ((n = recv(pair[1], bytes, sizeof bytes, 0)) > 0)
        got += (size_t)n;
    assert_int_equal(got, 1); /* what was sent before */
    close(pair[1]);
}

/* A socket is closed without a word, and its number becomes another one's. */
static void test_number_reused(void **state) {
    int a[2], b[2], c[2];

    (void)state;
    connected(a);
    connected(b);
    connected(c);
    struct fence *f = fence_new(2, NULL);
    assert_non_null(f);
    int64_t now = fence_now_ms();
    int pa = fence_open(f, a[0], now + 20), pb = fence_open(f, b[0], now + 40);
    assert_false(fence_lost(f, pa));
    assert_int_equal(dup2(c[0], a[0]), a[0]);
    assert_true(fence_lost(f, pa));
    assert_false(fence_lost(f, pb));
    wait_shut(f, 1); /* b: a was due before */
    assert_true(fence_now_ms() >= now + 40);
    assert_false(usable(b[0]));
    assert_true(usable(a[0]));
    fence_close(f, pa);
    fence_close(f, pb);
    fence_free(f);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
        close(c[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_unconnected_and_unsent),
        cmocka_unit_test(test_number_reused),
        cmocka_unit_test(test_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

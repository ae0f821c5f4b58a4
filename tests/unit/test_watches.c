/* watches: the kernel is told of what has changed by the end of a turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/watches.h"

enum { TAG = 7 };

static int ready(struct watches *w, int *fd) {
    struct epoll_event ev[8];

    watches_apply(w);
    int n = epoll_wait(w->epoll_fd, ev, 8, 0);
    if (n > 0) {
        assert_int_equal(ev[0].data.u64 >> 32, TAG);
        *fd = (int)(uint32_t)ev[0].data.u64;
    }
    return n;
}

static void test_turns(void **state) {
    int pair[2], other[2], fd = -1;
    struct watches w;

    (void)state;
    watches_init(&w, epoll_create1(EPOLL_CLOEXEC), TAG);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(ready(&w, &fd), 0);
    assert_true(watches_set(&w, pair[0], EPOLLIN));
    assert_int_equal(ready(&w, &fd), 1);
    assert_int_equal(fd, pair[0]);

    /* Dropped and taken up in one turn: still watched. */
    assert_true(watches_set(&w, pair[0], 0));
    assert_true(watches_set(&w, pair[0], EPOLLIN));
    assert_int_equal(ready(&w, &fd), 1);
    assert_true(watches_set(&w, pair[0], 0));
    assert_int_equal(ready(&w, &fd), 0);
    assert_true(watches_set(&w, pair[0], EPOLLOUT));
    assert_int_equal(ready(&w, &fd), 1);
    assert_true(watches_set(&w, pair[0], EPOLLIN | EPOLLOUT));
    assert_int_equal(ready(&w, &fd), 1);

    /* Another socket with the same number, in the same turn. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    watches_forget(&w, pair[0]);
    assert_int_equal(dup2(other[0], pair[0]), pair[0]);
    assert_true(watches_set(&w, pair[0], EPOLLIN));
    assert_int_equal(ready(&w, &fd), 0);
    assert_int_equal(write(other[1], "x", 1), 1);
    assert_int_equal(ready(&w, &fd), 1);
    assert_int_equal(fd, pair[0]);

    /* Closed while a change is still to be told. */
    assert_true(watches_set(&w, pair[0], 0));
    watches_forget(&w, pair[0]);
    close(pair[0]);
    close(other[0]);
    assert_int_equal(ready(&w, &fd), 0);
    assert_false(watches_set(&w, -1, EPOLLIN));
    close(w.epoll_fd);
    watches_release(&w);
    close(pair[1]);
    close(other[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

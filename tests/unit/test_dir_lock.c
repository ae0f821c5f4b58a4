/* dir_lock: who keeps whom out of a crawl's directory, and who waits for whom. Others are processes of their own. */
#include "master/dir_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/trawl-dir-lock.XXXXXX";

static int make(void **state) {
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_all(void **state) {
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "%s/state.lock", dir);
    unlink(path);
    return rmdir(dir);
}

/* Holds the lock until the other end of `until` is closed, and for `more_ms` then. */
struct holder {
    pid_t pid;
    int until;
};

static void hold(bool own, int ready, int until, unsigned more_ms) {
    struct error err;
    bool running;
    char byte = 0;
    int fd = own ? dir_lock_own(dir, &err) : dir_lock_look(dir, 0, &running, &err);

    if (fd < 0 || write(ready, "x", 1) != 1)
        _exit(1);
    while (read(until, &byte, 1) > 0)
        continue;
    usleep(more_ms * 1000);
    _exit(0);
}

static struct holder start(bool own, unsigned more_ms) {
    int ready[2], until[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(until), 0);
    struct holder h = {.pid = fork(), .until = until[1]};
    assert_true(h.pid >= 0);
    if (h.pid == 0) {
        close(until[1]);
        hold(own, ready[1], until[0], more_ms);
    }
    close(ready[1]);
    close(until[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return h;
}

static void let_go(struct holder h) {
    close(h.until);
}

static void ended(struct holder h) {
    int status;

    assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
    assert_int_equal(status, 0);
}

static void test_no_crawl(void **state) {
    struct error err = {0};
    bool running = true;

    (void)state;
    assert_int_equal(dir_lock_look(dir, 0, &running, &err), -1);
    assert_false(running);
    assert_non_null(strstr(err.text, "it has no crawldb"));
    assert_int_equal(dir_lock_look("/nonexistent/crawl", 0, &running, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/crawl"));
    assert_int_equal(dir_lock_own("/nonexistent/crawl", &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/crawl/state.lock"));
}

static void test_one_master(void **state) {
    struct error err = {0};
    char pid[32];
    bool running;

    (void)state;
    struct holder h = start(true, 0);
    snprintf(pid, sizeof pid, "(pid %ld)", (long)h.pid);
    assert_int_equal(dir_lock_own(dir, &err), -1);
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(dir_lock_look(dir, 0, &running, &err), -1);
    assert_true(running);
    assert_non_null(strstr(err.text, "in use by a running crawl"));
    let_go(h);
    ended(h);
}

static void test_all_may_look(void **state) {
    struct error err;
    bool running;

    (void)state;
    struct holder h = start(false, 0);
    int fd = dir_lock_look(dir, 0, &running, &err);
    assert_true(fd >= 0);
    close(fd);
    let_go(h);
    ended(h);
}

static void test_look_waits_for_an_ending_master(void **state) {
    struct error err;
    bool running;

    (void)state;
    struct holder h = start(true, 100);
    let_go(h);
    int fd = dir_lock_look(dir, DIR_LOCK_WAIT_MS, &running, &err);
    assert_true(fd >= 0);
    close(fd);
    ended(h);
}

static void test_master_waits_for_a_look(void **state) {
    struct error err;

    (void)state;
    struct holder h = start(false, 100);
    let_go(h);
    int fd = dir_lock_own(dir, &err);
    assert_true(fd >= 0);
    close(fd);
    ended(h);
}

static void test_master_does_not_wait_for_ever(void **state) {
    struct error err = {0};

    (void)state;
    struct holder h = start(false, 0);
    assert_int_equal(dir_lock_own(dir, &err), -1);
    assert_non_null(strstr(err.text, "is being read"));
    let_go(h);
    ended(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_crawl),
        cmocka_unit_test(test_one_master),
        cmocka_unit_test(test_all_may_look),
        cmocka_unit_test(test_look_waits_for_an_ending_master),
        cmocka_unit_test(test_master_waits_for_a_look),
        cmocka_unit_test(test_master_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, make, remove_all);
}

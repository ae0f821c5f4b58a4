/* task_progress: what a parent reads of a child that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/task_progress.h"

static void test_dead_child_had_a_record(void **state) {
    struct task_progress *p;
    uint64_t number = 0;
    char name[64];
    size_t len = 0;
    int fd = task_progress_new(&p), status = 0;

    (void)state;
    assert_true(fd >= 0);
    assert_false(task_progress_record(p, &number, name, sizeof name, &len));
    pid_t pid = fork();
    if (pid == 0) {
        struct task_progress *mine = task_progress_map(fd);
        task_progress_name(mine, "words.txt", 9);
        task_progress_begin(mine, 1, 100);
        task_progress_end(mine);
        task_progress_begin(mine, 7, 4711);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(task_progress_record(p, &number, name, sizeof name, &len));
    assert_int_equal(number, 7);
    assert_int_equal(len, 14);
    assert_memory_equal(name, "words.txt:4711", 14);
    assert_int_equal(atomic_load(&p->records), 1);
    assert_int_equal(atomic_load(&p->ticks), 1);

    task_progress_end(p);
    assert_false(task_progress_record(p, &number, name, sizeof name, &len));
    task_progress_free(p);
    close(fd);
}

/* A name longer than what holds it is cut; a length that a wild function wrote is not believed. */
static void test_names_are_bounded(void **state) {
    struct task_progress *p;
    char longer[TASK_PROGRESS_NAME_BYTES + 10], name[TASK_PROGRESS_NAME_BYTES];
    uint64_t number;
    size_t len;
    int fd = task_progress_new(&p);

    (void)state;
    assert_true(fd >= 0);
    memset(longer, 'x', sizeof longer);
    task_progress_name(p, longer, sizeof longer);
    task_progress_begin(p, 1, UINT64_MAX);
    assert_true(task_progress_record(p, &number, name, sizeof name, &len));
    assert_int_equal(len, TASK_PROGRESS_NAME_BYTES);
    assert_true(task_progress_record(p, &number, name, 3, &len));
    assert_int_equal(len, 3);
    atomic_store(&p->name_len, UINT32_MAX);
    assert_true(task_progress_record(p, &number, name, sizeof name, &len));
    assert_int_equal(len, TASK_PROGRESS_NAME_BYTES);
    task_progress_free(p);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_child_had_a_record),
        cmocka_unit_test(test_names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

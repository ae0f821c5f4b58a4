/* A task's process, as its parent sees it. This program is its own child: as `test_task_child task` it does what the name of
 * the job says. */
#include "worker/task_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// cmocka needs the headers above.
#include <cmocka.h>

#include "shared/limits.h"
#include "shared/log.h"
#include "worker/task_progress.h"
#include "worker/task_run.h"

enum { PATIENCE_MS = 60 * 1000 };

/* ---- the child --------------------------------------------------------------------------------------- */

static void say(Trawl__TaskEnd end, const char *reason) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;
    uint64_t sizes[30000];
    struct buf packed;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        sizes[i] = UINT64_MAX - i;
    r.end = end;
    r.reason = (char *)reason;
    /* More than a pipe holds. */
    r.partition_bytes = sizes;
    r.n_partition_bytes = sizeof sizes / sizeof sizes[0];
    if (!wire_pack(&packed, &r.base))
        _exit(90);
    for (size_t at = 0; at < packed.len;) {
        ssize_t n = write(TASK_RUN_RESULT_FD, packed.data + at, packed.len - at);
        if (n <= 0)
            _exit(91);
        at += (size_t)n;
    }
    buf_release(&packed);
}

static void touch(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT, 0644);

    if (fd < 0)
        _exit(92);
    close(fd);
}

static _Noreturn void hang(void) {
    for (;;)
        pause();
}

/* What this process is to be: exit codes above 90 are something the parent did not do. */
static int be_task(void) {
    static char bytes[LIMIT_WIRE_BYTES];
    size_t len = 0;
    struct arena arena;
    struct task_progress *p = task_progress_map(TASK_RUN_PROGRESS_FD);

    for (ssize_t n; (n = read(TASK_RUN_SPEC_FD, bytes + len, sizeof bytes - len)) > 0;)
        len += (size_t)n;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__TaskSpec *spec = wire_unpack(&arena, &trawl__task_spec__descriptor, bytes, len);
    if (spec == NULL || p == NULL || fcntl(TASK_RUN_RESULT_FD + 1, F_GETFD) >= 0 ||
        getpgrp() != getpid())
        return 93;
    const char *name = spec->job->name;
    task_progress_tick(p);
    if (strcmp(name, "done") == 0) {
        touch("map.out");
        say(TRAWL__TASK_END__DONE, "");
        return 0;
    }
    if (strcmp(name, "fails") == 0) {
        say(TRAWL__TASK_END__TASK_FAILED, "no such function");
        return 0;
    }
    if (strcmp(name, "lies") == 0) {
        say(TRAWL__TASK_END__DONE, "");
        return 3;
    }
    if (strcmp(name, "crashes") == 0) {
        task_progress_name(p, "http://a.example/", 17);
        task_progress_begin(p, 42, UINT64_MAX);
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler exits */
        (void)raise(SIGSEGV);
    }
    if (strcmp(name, "crashes outside") == 0)
        (void)raise(SIGABRT);
    if (strcmp(name, "family") == 0) {
        /* Two more of its group, one of which outlives it. */
        pid_t grandchild = fork();
        if (grandchild == 0)
            hang();
        FILE *f = fopen("grandchild", "w");
        if (f == NULL || fprintf(f, "%ld\n", (long)grandchild) < 0 || fclose(f) != 0)
            return 94;
        task_progress_tick(p);
        say(TRAWL__TASK_END__DONE, "");
        return 0;
    }
    if (strcmp(name, "talks") == 0)
        for (int i = 0; i < 40000; i++)
            fprintf(i % 2 == 0 ? stdout : stderr, "line %d of what it says to nobody at all\n", i);
    if (strcmp(name, "hangs") == 0)
        hang();
    return 5;
}

/* ---- the parent -------------------------------------------------------------------------------------- */

static char scratch[64];
static int scratch_fd;
static struct arena arena;

static int setup(void **state) {
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/trawl-task-child.XXXXXX");
    assert_non_null(mkdtemp(scratch));
    scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(scratch_fd >= 0);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    (void)unlinkat(scratch_fd, "map.out", 0);
    (void)unlinkat(scratch_fd, "grandchild", 0);
    close(scratch_fd);
    assert_int_equal(rmdir(scratch), 0);
    arena_release(&arena);
    return 0;
}

static struct task_child *begin(const char *what) {
    Trawl__TaskSpec spec = TRAWL__TASK_SPEC__INIT;
    Trawl__JobSpec job = TRAWL__JOB_SPEC__INIT;
    struct error err = {0};

    job.name = (char *)what;
    spec.job = &job;
    struct task_child *c = task_child_new(&spec, scratch_fd, &err);
    assert_non_null(c);
    return c;
}

/* Reads and waits as the worker does. */
static const Trawl__TaskResult *wait_for(struct task_child *c) {
    struct pollfd fds[] = {{.fd = task_child_pid_fd(c), .events = POLLIN},
                           {.fd = task_child_result_fd(c), .events = POLLIN},
                           {.fd = task_child_stderr_fd(c), .events = POLLIN}};

    for (;;) {
        assert_true(poll(fds, 3, PATIENCE_MS) > 0);
        if (fds[1].revents != 0 && !task_child_read(c))
            fds[1].fd = -1;
        if (fds[2].revents != 0 && !task_child_read_stderr(c))
            fds[2].fd = -1;
        if (fds[0].revents != 0)
            break;
    }
    const Trawl__TaskResult *r = task_child_reap(c, &arena);
    assert_non_null(r);
    return r;
}

static void short_rest(void) {
    const struct timespec t = {.tv_nsec = 2000000};

    nanosleep(&t, NULL);
}

/* Gone, or a zombie that its new parent has not reaped. */
static bool is_dead(pid_t pid) {
    char path[64], line[256] = "", *end;

    if (kill(pid, 0) != 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return true;
    (void)!fgets(line, sizeof line, f);
    fclose(f);
    end = strrchr(line, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'Z';
}

static void await_death(pid_t pid) {
    for (int i = 0; !is_dead(pid); i++) {
        assert_true(i < PATIENCE_MS / 2);
        short_rest();
    }
}

static void a_result_comes_whole(void **state) {
    struct task_child *c = begin("done");

    (void)state;
    const Trawl__TaskResult *r = wait_for(c);
    assert_int_equal(r->end, TRAWL__TASK_END__DONE);
    assert_int_equal(r->n_partition_bytes, 30000);
    assert_true(r->partition_bytes[29999] == UINT64_MAX - 29999);
    assert_int_equal(faccessat(scratch_fd, "map.out", F_OK, 0), 0);
    assert_true(task_child_moved(c));
    assert_false(task_child_moved(c));
    task_child_free(c);
}

static void what_a_task_says_of_its_failure_is_told(void **state) {
    struct task_child *c = begin("fails");

    (void)state;
    const Trawl__TaskResult *r = wait_for(c);
    assert_int_equal(r->end, TRAWL__TASK_END__TASK_FAILED);
    assert_string_equal(r->reason, "no such function");
    task_child_free(c);
}

static void done_with_another_exit_code_is_a_failure(void **state) {
    struct task_child *c = begin("lies");

    (void)state;
    const Trawl__TaskResult *r = wait_for(c);
    assert_int_equal(r->end, TRAWL__TASK_END__TASK_FAILED);
    assert_string_equal(r->reason, "exited with code 3 without a result");
    task_child_free(c);
}

static void an_exit_without_a_result_is_a_failure(void **state) {
    struct task_child *c = begin("nothing of the kind");

    (void)state;
    const Trawl__TaskResult *r = wait_for(c);
    assert_int_equal(r->end, TRAWL__TASK_END__TASK_FAILED);
    assert_string_equal(r->reason, "exited with code 5 without a result");
    task_child_free(c);
}

/* More than a pipe holds, read as it comes; the last lines are told. */
static void what_it_says_last_is_told(void **state) {
    struct task_child *c = begin("talks");

    (void)state;
    log_set_level(LOG_OFF);
    const Trawl__TaskResult *r = wait_for(c);
    log_set_level(LOG_INFO);
    assert_int_equal(r->end, TRAWL__TASK_END__TASK_FAILED);
    assert_non_null(
        strstr(r->reason, "exited with code 5 without a result; standard error: line "));
    assert_non_null(strstr(r->reason, " | "));
    task_child_free(c);
}

static void a_signal_is_a_crash_of_the_record(void **state) {
    struct task_child *c = begin("crashes");

    (void)state;
    const Trawl__TaskResult *r = wait_for(c);
    assert_int_equal(r->end, TRAWL__TASK_END__CRASHED);
    assert_int_equal(r->record, 42);
    assert_int_equal(r->record_name.len, 17);
    assert_memory_equal(r->record_name.data, "http://a.example/", 17);
    assert_string_equal(r->reason, "killed by signal 11 (Segmentation fault)");
    task_child_free(c);
}

static void a_signal_without_a_record_is_a_failure(void **state) {
    struct task_child *c = begin("crashes outside");

    (void)state;
    assert_int_equal(wait_for(c)->end, TRAWL__TASK_END__TASK_FAILED);
    task_child_free(c);
}

static void a_killed_one_ends(void **state) {
    struct task_child *c = begin("hangs");

    (void)state;
    task_child_kill(c);
    assert_int_equal(wait_for(c)->end, TRAWL__TASK_END__TASK_FAILED);
    task_child_free(c);
}

static void its_group_dies_with_it(void **state) {
    struct task_child *c = begin("family");
    char text[32] = "";

    (void)state;
    assert_int_equal(wait_for(c)->end, TRAWL__TASK_END__DONE);
    int fd = openat(scratch_fd, "grandchild", O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    await_death((pid_t)strtol(text, NULL, 10));
    task_child_free(c);
}

static void freeing_kills(void **state) {
    (void)state;
    task_child_free(begin("hangs"));
}

/* A worker that is killed leaves no child. */
static void a_child_dies_with_its_parent(void **state) {
    int told[2];
    pid_t child = 0;

    (void)state;
    assert_int_equal(pipe(told), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        struct task_child *c = begin("hangs");
        /* Until it has said something it may not have asked for its parent's death yet. */
        while (!task_child_moved(c))
            short_rest();
        char path[64], text[64] = "";
        snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
            _exit(1);
        child = (pid_t)strtol(text, NULL, 10);
        (void)!write(told[1], &child, sizeof child);
        hang();
    }
    assert_int_equal(read(told[0], &child, sizeof child), sizeof child);
    assert_true(child > 1);
    assert_false(is_dead(child));
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    await_death(child);
    close(told[0]);
    close(told[1]);
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_result_comes_whole),
        TEST(what_a_task_says_of_its_failure_is_told),
        TEST(done_with_another_exit_code_is_a_failure),
        TEST(an_exit_without_a_result_is_a_failure),
        TEST(what_it_says_last_is_told),
        TEST(a_signal_is_a_crash_of_the_record),
        TEST(a_signal_without_a_record_is_a_failure),
        TEST(a_killed_one_ends),
        TEST(its_group_dies_with_it),
        TEST(freeing_kills),
        TEST(a_child_dies_with_its_parent),
    };

    if (argc > 1 && strcmp(argv[1], "task") == 0)
        _exit(be_task()); /* what it holds goes with it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

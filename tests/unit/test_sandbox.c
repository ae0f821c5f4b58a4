/* sandbox: what a worker can and cannot do behind it; each test in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/landlock.h>

#include "worker/sandbox.h"

static char base[64], inside[96], outside[96];
static char linked[120]; /* from inside to a directory elsewhere */

static int set_up(void **state) {
    (void)state;
    snprintf(base, sizeof base, "/tmp/test_sandbox.XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(inside, sizeof inside, "%s/inside", base);
    snprintf(outside, sizeof outside, "%s/outside", base);
    mkdir(inside, 0700);
    int fd = open(outside, O_WRONLY | O_CREAT, 0600);
    close(fd);
    snprintf(linked, sizeof linked, "%s/archive", inside);
    char elsewhere[96];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", base);
    return mkdir(elsewhere, 0700) != 0 || symlink(elsewhere, linked) != 0 ? -1 : 0;
}

static int tear_down(void **state) {
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", base);
    return system(command);
}

static bool has_landlock(void) {
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

/* Runs `what` in a child behind the sandbox; its value. */
static int behind(bool allow_exec, int (*what)(void)) {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int dir_fd = open(inside, O_RDONLY | O_DIRECTORY);
        int archive_fd = open(linked, O_RDONLY | O_DIRECTORY);
        sandbox_enter(&(struct sandbox_config){
            .dir_fd = dir_fd, .archive_fd = archive_fd, .home_fd = -1, .allow_exec = allow_exec});
        _exit(what());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int opens(const char *path, int flags) {
    int fd = open(path, flags, 0600);

    return fd < 0 ? errno : 0;
}

static int write_inside(void) {
    char a[120], b[120];

    snprintf(a, sizeof a, "%s/a", inside);
    snprintf(b, sizeof b, "%s/b", inside);
    int fd = open(a, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, "text", 4) != 4 || ftruncate(fd, 2) != 0 || fsync(fd) != 0)
        return errno;
    if (rename(a, b) != 0 || unlink(b) != 0)
        return errno;
    return mkdir(a, 0700) != 0 || rmdir(a) != 0 ? errno : 0;
}

static int write_linked(void) {
    char path[140];

    snprintf(path, sizeof path, "%s/a", linked);
    return opens(path, O_RDWR | O_CREAT) != 0 || unlink(path) != 0 ? errno : 0;
}

static int read_outside(void) {
    return opens(outside, O_RDONLY);
}
static int write_outside(void) {
    return opens(outside, O_WRONLY);
}
static int read_shadow(void) {
    return opens("/etc/shadow", O_RDONLY);
}
static int read_certificates(void) {
    return opens("/etc/ssl/openssl.cnf", O_RDONLY);
}
static int read_private_keys(void) {
    return opens("/etc/ssl/private", O_RDONLY | O_DIRECTORY);
}
static int create_outside(void) {
    char path[120];

    snprintf(path, sizeof path, "%s/new", base);
    return opens(path, O_WRONLY | O_CREAT);
}

static int run_program(void) {
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static void *run_in_thread(void *arg) {
    *(int *)arg = run_program();
    return NULL;
}
static int run_program_in_a_thread(void) {
    pthread_t t;
    int result = 0;

    if (pthread_create(&t, NULL, run_in_thread, &result) != 0)
        return -1;
    pthread_join(t, NULL);
    return result;
}

static int serve(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return -1;
    return listen(fd, 1) == 0 ? 0 : errno;
}

/* 0: a child was made, and is gone. */
static int clones(unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : waitpid((pid_t)pid, NULL, 0) == pid ? 0 : -1;
}
static int clone_plainly(void) {
    return clones(0);
}
static int clone_with_user_namespace(void) {
    return clones(CLONE_NEWUSER | CLONE_NEWNET);
}
static int clone3_at_all(void) {
    return syscall(SYS_clone3, NULL, (size_t)0) < 0 ? errno : 0;
}

/* Without the sandbox: ENOTTY, for it is no terminal. */
static int type_into_terminal(unsigned long request) {
    int fd = open("/dev/null", O_RDONLY);

    return syscall(SYS_ioctl, fd, request, "x") < 0 ? errno : 0;
}
static int type_one(void) {
    return type_into_terminal(TIOCSTI);
}
static int type_one_in_disguise(void) {
    return type_into_terminal(TIOCSTI | 1UL << 32);
}

static int kill_parent(void) {
    return kill(getppid(), 0) == 0 ? 0 : errno;
}
static int kill_parent_thread(void) {
    return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 ? 0 : errno;
}
static int signal_itself(void) {
    signal(SIGUSR1, SIG_IGN);
    return raise(SIGUSR1);
}
static int mark_outside(void) {
    return setxattr(outside, "user.mark", "x", 1, 0) == 0 ? 0 : errno;
}

static int no_new_privs(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static void test_files(void **state) {
    (void)state;
    if (!has_landlock()) {
        print_message("no landlock in this kernel\n");
        skip();
    }
    assert_int_equal(behind(false, write_inside), 0);
    assert_int_equal(behind(false, write_linked), 0);
    assert_int_equal(behind(false, read_outside), EACCES);
    assert_int_equal(behind(false, write_outside), EACCES);
    assert_int_equal(behind(false, create_outside), EACCES);
    assert_int_equal(behind(false, read_shadow), EACCES);
    assert_int_equal(behind(false, read_certificates), 0);
    if (opens("/etc/ssl/private", O_RDONLY | O_DIRECTORY) == 0)
        assert_int_equal(behind(false, read_private_keys), EACCES);
}

static void test_calls(void **state) {
    (void)state;
    assert_int_equal(behind(false, run_program), EPERM);
    assert_int_equal(behind(false, run_program_in_a_thread), EPERM);
    assert_int_equal(behind(false, serve), EPERM);
    assert_int_equal(behind(false, clone_plainly), 0);
    assert_int_equal(behind(false, clone_with_user_namespace), EPERM);
    assert_int_equal(behind(false, clone3_at_all), ENOSYS);
    assert_int_equal(behind(false, type_one), EPERM);
    assert_int_equal(behind(false, type_one_in_disguise), EPERM);
    assert_int_equal(behind(false, no_new_privs), 1);
    assert_int_equal(behind(false, mark_outside), EPERM);
    assert_int_equal(behind(false, kill_parent_thread), EPERM);
    assert_int_equal(behind(false, signal_itself), 0);
    assert_int_equal(behind(false, kill_parent), EPERM);
}

/* A worker for tasks runs the user's programs on the user's files. */
static void test_allow_exec(void **state) {
    (void)state;
    assert_int_equal(behind(true, run_program), 0);
    assert_int_equal(behind(true, read_outside), 0);
    assert_int_equal(behind(true, no_new_privs), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_allow_exec, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

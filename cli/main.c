#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/help.h"
#include "worker/task_run.h"

static int run(struct args *a) {
    if (a->help || a->man) {
        (a->help ? help_command : help_command_man)(a->command, stdout);
        return 0;
    }
    switch (a->command) {
    case ARGS_CRAWL:
    case ARGS_MASTER:
        return command_crawl(a);
    case ARGS_WORKER:
        return command_worker(a);
    case ARGS_STATUS:
        return command_status(a);
    case ARGS_CTL:
        return command_ctl(a);
    case ARGS_EXPORT:
        return command_export(a);
    case ARGS_VERIFY:
        return command_verify(a);
    case ARGS_WHY:
        return command_why(a);
    case ARGS_JOB:
        return command_job(a);
    case ARGS_SEARCH:
        return command_search(a);
    }
    return 2;
}

/* What was printed has to get there: a full disk is told, as by those commands that look themselves. Where standard output was
 * closed (hold_standard_descriptors()), nobody wants it. */
static int end_output(int code) {
    struct error err = {0};

    errno = 0;
    if (code != 0 || (fcntl(1, F_GETFL) & O_ACCMODE) == O_RDONLY ||
        (fflush(stdout) == 0 && !ferror(stdout)))
        return code;
    error_set(&err, errno, "cannot write to standard output");
    return command_fail(1, &err);
}

static int run_command(enum args_command command, int argc, char **argv) {
    struct args a;
    struct error err = {0};
    enum args_result result = args_read(&a, command, argc, argv, &err);
    int code = result == ARGS_OK ? run(&a) : command_fail(result == ARGS_WRONG ? 2 : 1, &err);

    args_release(&a);
    return end_output(code);
}

static const struct args_about *find(const char *name) {
    for (size_t i = 0; i < ARGS_COMMANDS; i++)
        if (strcmp(args_commands[i].name, name) == 0)
            return &args_commands[i];
    return NULL;
}

static int no_command(const char *name) {
    struct error err = {0};

    if (name[0] == '\0') {
        help_overview(stderr);
        return 2;
    }
    error_set(&err, 0,
              "%.60s: no such command; there are crawl, master, worker, status, ctl, "
              "export, verify, why, job and search",
              name);
    return command_fail(2, &err);
}

/* trawl help [COMMAND] */
static int help(int argc, char **argv) {
    const struct args_about *about = argc > 2 ? find(argv[2]) : NULL;

    if (about != NULL)
        help_command(about->command, stdout);
    else if (argc > 2 && strcmp(argv[2], "--man") == 0)
        help_overview_man(stdout);
    else if (argc > 2)
        return no_command(argv[2]);
    else
        help_overview(stdout);
    return 0;
}

/* What whoever starts us did to its own signals is inherited. With SIGCHLD ignored no child's end could be told, and what
 * is blocked would never stop us. SIGHUP and SIGINT stay ignored if they are: nohup and a shell's `&` mean that. */
static void reset_signals(void) {
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like others */
}

/* A standard descriptor that is closed would be the number of the next file that is opened, of the crawldb, say, and what is
 * printed would go there. It is taken, and refuses what it would have refused. False: it cannot be. */
static bool hold_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";

    if (!hold_standard_descriptors())
        return 1;
    reset_signals();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return end_output(help(argc, argv));
    if (strcmp(name, "--version") == 0) {
        printf("trawl %s\n", TRAWL_VERSION);
        return end_output(0);
    }
    /* The child of a task worker, which is not for people. */
    if (strcmp(name, "task") == 0)
        return task_run(TASK_RUN_SPEC_FD, TASK_RUN_PROGRESS_FD, TASK_RUN_RESULT_FD);
    const struct args_about *about = find(name);
    return about == NULL ? no_command(name) : run_command(about->command, argc - 1, argv + 1);
}

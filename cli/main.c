#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct {
    const char *name, *what;
    enum args_command command;
} commands[] = {
    {"crawl", "crawl on this machine: a master and several workers", ARGS_CRAWL},
    {"master", "a master alone", ARGS_MASTER},
    {"worker", "a worker alone", ARGS_WORKER},
    {"status", "what a running crawl does", ARGS_STATUS},
    {"ctl", "steer a running crawl", ARGS_CTL},
    {"export", "the outcome as JSONL, CSV, CDXJ or links", ARGS_EXPORT},
    {"verify", "audit the archive against the crawldb", ARGS_VERIFY},
};

static void usage(FILE *to) {
    fprintf(to, "usage: trawl COMMAND [options] ...\n\ncommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\ntrawl COMMAND --help says more; trawl --version tells the version.\n");
}

int command_fail(int code, const struct error *err) {
    fprintf(stderr, "trawl: %s\n", err->text);
    return code;
}

static int run(struct args *a) {
    if (a->help || a->man) {
        (a->help ? args_help : args_man)(a->command, stdout);
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
    }
    return 2;
}

static int run_command(enum args_command command, int argc, char **argv) {
    struct args a;
    struct error err = {0};
    enum args_result result = args_read(&a, command, argc, argv, &err);
    int code = result == ARGS_OK ? run(&a) : command_fail(result == ARGS_WRONG ? 2 : 1, &err);

    args_release(&a);
    return code;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("trawl %s\n", TRAWL_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return run_command(commands[i].command, argc - 1, argv + 1);
    if (name[0] == '\0')
        usage(stderr);
    else
        fprintf(stderr, "trawl: %.60s: no such command; see trawl --help\n", name);
    return 2;
}

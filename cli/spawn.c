#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE_FIRST_MS = 100,
    PAUSE_MAX_MS = 10000,
    STEADY_MS = 10000,
    FAILURES_MAX = 3, /* who says itself that it cannot */
    DEATHS_MAX = 16,  /* a page that kills its workers is found out sooner (master/trial.h) */
    PATH_BYTES = 4096,
};

struct process {
    char name[48];
    pid_t pid; /* 0: none */
    int64_t started_ms, again_ms;
    int64_t pause_ms;
    unsigned failures, deaths; /* soon after the start, in a row: with exit code 1; in any way */
    bool done;                 /* ended well: started again only if it is wanted */
};

struct spawn {
    struct spawn_config config;
    char *dir, *master;
    struct process *processes;
    uint64_t deaths;
};

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void spawn_block_signals(sigset_t *signals) {
    struct sigaction hangup;

    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGCHLD);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* Workers get a process group of their own: Ctrl-C is for us, who let them finish. */
static bool attributes(posix_spawnattr_t *attr) {
    sigset_t none, defaults;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    return posix_spawnattr_setpgroup(attr, 0) == 0 &&
           posix_spawnattr_setsigmask(attr, &none) == 0 &&
           posix_spawnattr_setsigdefault(attr, &defaults) == 0 &&
           posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF) == 0;
}

static bool start(struct spawn *s, struct process *p, struct error *err) {
    char threads[16], tasks[16], transfers[16], log[PATH_BYTES];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    const struct spawn_config *c = &s->config;
    char *argv[] = {"trawl",
                    "worker",
                    "--master",
                    (char *)c->master,
                    "--dir",
                    (char *)c->dir,
                    "--name",
                    p->name,
                    c->tasks > 0 ? "--tasks" : "--threads",
                    c->tasks > 0 ? tasks : threads,
                    "--transfers",
                    transfers,
                    "--log-format",
                    c->json_logs ? "json" : "text",
                    c->verbose ? "--verbose" : NULL,
                    NULL};
    int rc;

    snprintf(threads, sizeof threads, "%u", c->threads);
    snprintf(tasks, sizeof tasks, "%u", c->tasks);
    snprintf(transfers, sizeof transfers, "%u", c->transfers);
    snprintf(log, sizeof log, "%s/logs/worker-%s.log", c->dir, p->name);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    rc = attributes(&attr) ? posix_spawn(&p->pid, "/proc/self/exe", &files, &attr, argv, environ)
                           : ENOMEM;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    p->started_ms = clock_ms();
    if (rc == 0)
        return true;
    p->pid = 0;
    p->again_ms = p->started_ms + PAUSE_MAX_MS;
    error_set(err, rc, "cannot start a worker");
    return false;
}

struct spawn *spawn_new(const struct spawn_config *config, struct error *err) {
    struct spawn *s = calloc(1, sizeof *s);
    char parent[16];

    if (s == NULL || (s->processes = calloc(config->workers, sizeof *s->processes)) == NULL ||
        (s->dir = strdup(config->dir)) == NULL || (s->master = strdup(config->master)) == NULL) {
        error_set(err, 0, "out of memory");
        spawn_free(s);
        return NULL;
    }
    s->config = *config;
    s->config.dir = s->dir;
    s->config.master = s->master;
    s->config.prefix = NULL;
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    setenv("TRAWL_PARENT", parent, 1);
    for (uint32_t i = 0; i < config->workers; i++) {
        snprintf(s->processes[i].name, sizeof s->processes[i].name, "%.32s%u",
                 config->prefix != NULL ? config->prefix : "w", i + 1);
        s->processes[i].pause_ms = PAUSE_FIRST_MS;
        if (!start(s, &s->processes[i], err)) {
            spawn_free(s);
            return NULL;
        }
    }
    return s;
}

static void ended(struct spawn *s, struct process *p, int status, bool restart) {
    int64_t now = clock_ms();

    p->pid = 0;
    p->done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    s->deaths += !p->done;
    bool steady = now - p->started_ms > STEADY_MS;
    p->deaths = steady || p->done ? 0 : p->deaths + 1;
    p->failures = steady || !WIFEXITED(status) || WEXITSTATUS(status) != 1 ? 0 : p->failures + 1;
    if (steady)
        p->pause_ms = PAUSE_FIRST_MS;
    p->again_ms = now + p->pause_ms;
    if (restart && !p->done)
        s->config.died(s->config.arg, p->name, status, p->pause_ms);
    p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
}

static bool is_wanted(const struct spawn *s, const struct process *p) {
    return !p->done || (s->config.wanted != NULL && s->config.wanted(s->config.arg, p->name));
}

uint32_t spawn_wanted(const struct spawn *s) {
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->config.workers; i++)
        n += s->processes[i].pid != 0 || is_wanted(s, &s->processes[i]);
    return n;
}

void spawn_watch(struct spawn *s, bool restart) {
    for (uint32_t i = 0; i < s->config.workers; i++) {
        struct process *p = &s->processes[i];
        int status;
        if (p->pid != 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
            ended(s, p, status, restart);
        if (p->pid == 0 && restart && clock_ms() >= p->again_ms && is_wanted(s, p))
            (void)start(s, p, NULL);
    }
}

uint32_t spawn_alive(const struct spawn *s) {
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->config.workers; i++)
        n += s->processes[i].pid != 0;
    return n;
}

const char *spawn_failing(const struct spawn *s) {
    for (uint32_t i = 0; i < s->config.workers; i++)
        if (s->processes[i].failures < FAILURES_MAX && s->processes[i].deaths < DEATHS_MAX)
            return NULL;
    return s->processes[0].name;
}

void spawn_progress(struct spawn *s) {
    for (uint32_t i = 0; i < s->config.workers; i++)
        s->processes[i].failures = s->processes[i].deaths = 0;
}

uint64_t spawn_deaths(const struct spawn *s) {
    return s->deaths;
}

void spawn_signal(struct spawn *s, int signal) {
    for (uint32_t i = 0; i < s->config.workers; i++)
        if (s->processes[i].pid != 0)
            kill(s->processes[i].pid, signal);
}

bool spawn_one(struct spawn *s, struct error *err) {
    return s->processes[0].pid != 0 || start(s, &s->processes[0], err);
}

void spawn_free(struct spawn *s) {
    if (s == NULL)
        return;
    spawn_signal(s, SIGKILL);
    for (uint32_t i = 0; i < s->config.workers; i++)
        if (s->processes[i].pid != 0)
            waitpid(s->processes[i].pid, NULL, 0);
    free(s->processes);
    free(s->dir);
    free(s->master);
    free(s);
}

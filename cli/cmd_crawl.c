/* cmd_crawl: `trawl crawl` and `trawl master`: the same master, with worker processes of its own or without. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/conf.h"
#include "cli/export.h"
#include "cli/progress.h"
#include "cli/seeds.h"
#include "cli/spawn.h"
#include "master/master.h"
#include "shared/cost.h"
#include "shared/log.h"
#include "shared/parse.h"

enum {
    POLL_MS = 20,
    TROUBLE_MS = 5000,         /* so long the crawldb may be unwritable before the crawl stops */
    LOW_DISK_BYTES = 16 << 20, /* with so little left and no progress, the disk is full */
    SEAL_MS = 60000,           /* so long workers have to seal and leave at the end */
};

struct crawl {
    struct args *a;
    struct master *master;
    struct server *server;
    struct spawn *spawn; /* NULL: `trawl master` */
    struct progress progress;
    sigset_t signals;
    unsigned interrupts;
    int64_t trouble_since_ms; /* 0: none */
    int64_t sick_since_ms;    /* no worker is well; 0: not so */
    int64_t progress_ms;      /* when the last commit was seen */
    uint64_t commits;
};

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- seeds ------------------------------------------------------------------------------------------------- */

static int gather_seeds(struct args *a, struct error *err) {
    for (size_t i = 0; i < a->words.count; i++)
        if (!seeds_check(a->words.items[i], err))
            return 2;
    for (size_t i = 0; i < a->crawl.sitemaps.count; i++)
        if (!seeds_check(a->crawl.sitemaps.items[i], err))
            return 2;
    if (a->seeds_file != NULL) {
        int code = seeds_read(a->seeds_file, &a->words, err);
        if (code != 0)
            return code;
    }
    if (a->words.count > 0 || a->crawl.keep || conf_crawl_exists(a))
        return 0;
    error_set(err, 0, "no URL to begin with, and no crawl to resume in %s", a->dir);
    return 2;
}

static int check_listen(const struct args *a, struct error *err) {
    struct parse_address address;

    if (parse_host_port(a->http, PARSE_LISTEN, &address) && !address.is_loopback && !a->insecure) {
        error_set(err, 0,
                  "--http %s: beyond this machine anybody could read it; accepted is loopback, or "
                  "--insecure to take the risk",
                  a->http);
        return 2;
    }
    (void)parse_rpc_address(a->listen, PARSE_LISTEN, &address);
    if (address.tls) {
        error_set(err, 0, "--listen %s: TLS is not in this version; accepted is tcp://HOST:PORT",
                  a->listen);
        return 2;
    }
    if (address.is_loopback || a->insecure)
        return 0;
    error_set(err, 0,
              "--listen %s: beyond this machine anybody could join; accepted is loopback, or "
              "--insecure to take the risk (TLS with --tls-cert comes later)",
              a->listen);
    return 2;
}

/* ---- starting ------------------------------------------------------------------------------------------------- */

static uint32_t cores(void) {
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&set);
}

static bool start_log(const struct args *a, struct error *err) {
    char path[4096];
    struct log_config log = {.path = path,
                             .format = a->log_format,
                             .level = a->quiet     ? LOG_WARN
                                      : a->verbose ? LOG_DEBUG
                                                   : LOG_INFO};

    snprintf(path, sizeof path, "%s/logs/master.log", a->dir);
    return log_init(&log, err);
}

/* crawl.conf is written when the crawldb is durable. A new one in its place would call the crawl done, or mix two
 * crawls in one archive. */
static bool state_is_lost(const struct args *a, struct error *err) {
    char path[4096];

    snprintf(path, sizeof path, "%s/state/CURRENT", a->dir);
    if (!conf_crawl_exists(a) || access(path, F_OK) == 0 || errno != ENOENT)
        return false;
    error_set(
        err, 0,
        "%s/crawl.conf is there, but the crawldb %s/state is gone: this crawl cannot be "
        "resumed. Put %s/state back from a copy, or begin a new crawl with another --dir; what "
        "is in %s/archive stays readable",
        a->dir, a->dir, a->dir, a->dir);
    return true;
}

/* Other options than in the run before: what they decide was decided again as the crawldb was read. */
static void tell_verdicts(const struct args *a, const struct core_stats *s) {
    if (s->requeued + s->excluded_now == 0)
        return;
    if (!a->quiet)
        fprintf(stderr,
                "trawl: the options are others now: %llu queued URLs are excluded, %llu that were "
                "excluded are queued\n",
                (unsigned long long)s->excluded_now, (unsigned long long)s->requeued);
    log_info("master", "other options: %llu queued URLs excluded, %llu excluded ones queued",
             (unsigned long long)s->excluded_now, (unsigned long long)s->requeued);
}

static bool start_master(struct crawl *c, struct error *err) {
    struct args *a = c->a;
    struct core_stats before;
    const struct master_config config = {.dir = a->dir,
                                         .options = &a->crawl,
                                         .listen = a->listen,
                                         .http = strcmp(a->http, "off") == 0 ? NULL : a->http};

    if (state_is_lost(a, err))
        return false;
    c->master = master_open(a->dir, err);
    if (c->master == NULL || !start_log(a, err) || !master_load(c->master, &config, err))
        return false;
    c->server = master_server(c->master);
    if (server_stats(c->server, &before)) {
        progress_start(&c->progress, &before);
        tell_verdicts(a, &before);
    }
    for (size_t i = 0; i < a->words.count; i++)
        if (!server_seed(c->server, a->words.items[i], strlen(a->words.items[i]), err))
            return false;
    for (size_t i = 0; i < a->crawl.sitemaps.count; i++) {
        const char *url = a->crawl.sitemaps.items[i];
        if (!server_sitemap(c->server, url, strlen(url), err))
            return false;
    }
    /* A start that failed, on a taken port say, leaves nothing to resume. */
    if (!master_start(c->master, err) || !conf_save(a, err))
        return false;
    if (master_http_address(c->master) != NULL && !a->quiet)
        fprintf(stderr, "trawl: status page at http://%s/\n", master_http_address(c->master));
    return true;
}

static void tell_death(void *arg, const char *name, int status, int64_t pause_ms) {
    struct crawl *c = arg;

    progress_end(&c->progress);
    if (WIFSIGNALED(status))
        fprintf(stderr, "trawl: worker %s was killed by signal %d", name, WTERMSIG(status));
    else
        fprintf(stderr, "trawl: worker %s ended with exit code %d", name, WEXITSTATUS(status));
    fprintf(stderr, "; it starts again in %.1f s (%s/logs/worker-%s.log)\n",
            (double)pause_ms / 1000, c->a->dir, name);
}

/* It has left because nothing was left, and now there is something again; or was told to by somebody else. */
static bool want_worker(void *arg, const char *name) {
    return server_wants_worker(((struct crawl *)arg)->server, name);
}

static bool start_workers(struct crawl *c, struct error *err) {
    struct args *a = c->a;
    char address[MASTER_ADDRESS_BYTES];
    uint32_t n = a->workers > 0 ? a->workers : cores();
    uint32_t share = cores() / n > 0 ? cores() / n : 1;
    struct spawn_config config = {.dir = a->dir,
                                  .master = address,
                                  .workers = n,
                                  .threads = a->threads > 0 ? a->threads : share,
                                  .wanted = want_worker,
                                  .died = tell_death,
                                  .arg = c,
                                  .transfers = a->transfers,
                                  .verbose = a->verbose,
                                  .json_logs = a->log_format == LOG_JSON};

    if (a->command == ARGS_MASTER) {
        fprintf(stderr, "trawl: workers connect to %s\n", server_address(c->server));
        return true;
    }
    master_local_address(c->master, address);
    c->spawn = spawn_new(&config, err);
    return c->spawn != NULL;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static bool disk_is_full(const struct crawl *c, int64_t now) {
    struct statvfs fs;

    if (statvfs(c->a->dir, &fs) != 0 || now - c->progress_ms < TROUBLE_MS)
        return false;
    return (uint64_t)fs.f_bavail * fs.f_frsize < LOW_DISK_BYTES;
}

/* Something keeps the crawl from going on: told once it has lasted. */
static bool in_trouble(struct crawl *c, struct error *err) {
    int64_t now = clock_ms();

    if (disk_is_full(c, now) && c->interrupts == 0) {
        error_set(err, ENOSPC, "cannot write to %s", c->a->dir);
        return true;
    }
    if (!server_troubled(c->server, err)) {
        c->trouble_since_ms = 0;
        return false;
    }
    if (c->trouble_since_ms == 0)
        c->trouble_since_ms = now;
    return now - c->trouble_since_ms > TROUBLE_MS;
}

/* What the worker said last. */
static void last_words(const struct crawl *c, const char *name, char out[256]) {
    char path[4096], line[1024];

    snprintf(out, 256, "it ends soon after its start");
    snprintf(path, sizeof path, "%s/logs/worker-%s.log", c->a->dir, name);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "trawl: ", 7) == 0)
            snprintf(out, 256, "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
    if (f != NULL)
        fclose(f);
}

/* None of our workers can work, for reasons of their own, and there is no other. */
static bool nobody_can_work(struct crawl *c, struct error *err) {
    int64_t now = clock_ms();
    struct core_stats s;
    char words[256];

    if (c->spawn == NULL || !server_wants_worker(c->server, "") || !server_stats(c->server, &s) ||
        s.workers > s.workers_troubled) {
        c->sick_since_ms = 0;
        return false;
    }
    const char *failing = spawn_failing(c->spawn);
    if (failing != NULL) {
        last_words(c, failing, words);
        error_set(err, 0, "no worker can work: %s: %s", failing, words);
        return true;
    }
    if (s.workers == 0)
        return false;
    if (c->sick_since_ms == 0)
        c->sick_since_ms = now;
    if (now - c->sick_since_ms <= TROUBLE_MS)
        return false;
    error_set(err, 0, "no worker can work: %s", s.trouble);
    return true;
}

static void show(struct crawl *c) {
    struct core_stats s;

    cost_settle();
    if (!server_stats(c->server, &s))
        return;
    if (s.commits != c->commits && c->spawn != NULL)
        spawn_progress(c->spawn);
    if (s.commits != c->commits || s.pending == 0 || s.in_flight == 0) {
        c->commits = s.commits;
        c->progress_ms = clock_ms();
    }
    progress_show(&c->progress, &s);
}

/* A signal, if one came within POLL_MS. */
static bool interrupted(struct crawl *c) {
    const struct timespec t = {.tv_nsec = POLL_MS * 1000000L};

    int signal = sigtimedwait(&c->signals, NULL, &t);

    /* A worker that ended only wakes us up. */
    return signal > 0 && signal != SIGCHLD;
}

static bool heed_signal(struct crawl *c) {
    if (!interrupted(c))
        return true;
    if (++c->interrupts > 1)
        return false;
    progress_end(&c->progress);
    fprintf(stderr, "trawl: stopping; what is in flight is finished (again to leave at once)\n");
    server_stop(c->server, "stopped");
    return true;
}

/* With `ctl drain` for each of them nobody is left to go on. */
static void watch_workers(struct crawl *c) {
    struct core_stats s;

    spawn_watch(c->spawn, true);
    if (server_wants_worker(c->server, "") && spawn_wanted(c->spawn) == 0 &&
        server_stats(c->server, &s) && s.sessions == 0)
        server_stop(c->server, "every worker was drained");
}

/* 0: the crawl has ended; else the exit code. */
static int run(struct crawl *c, struct error *err) {
    while (!server_wait(c->server, 0)) {
        if (!heed_signal(c))
            return 130;
        if (c->spawn != NULL)
            watch_workers(c);
        show(c);
        if (in_trouble(c, err) || nobody_can_work(c, err))
            return 1;
    }
    return 0;
}

static void count_segment(void *arg, const char *segment, const char *worker) {
    (void)segment;
    (void)worker;
    ++*(size_t *)arg;
}

static size_t unsealed(struct crawl *c) {
    size_t n = 0;

    server_unsealed(c->server, count_segment, &n);
    return n;
}

static bool wait_workers(struct crawl *c) {
    int64_t until = clock_ms() + SEAL_MS;

    while (spawn_alive(c->spawn) > 0 && clock_ms() < until) {
        if (interrupted(c) && ++c->interrupts > 1)
            return false;
        spawn_watch(c->spawn, false);
    }
    return true;
}

/* Workers leave by themselves; what a dead one left open is sealed by one more. */
static bool finish_workers(struct crawl *c) {
    if (!wait_workers(c))
        return false;
    for (int tries = 0; tries < 3 && unsealed(c) > 0; tries++)
        if (!spawn_one(c->spawn, NULL) || !wait_workers(c))
            return false;
    return true;
}

static void tell_unsealed(void *arg, const char *segment, const char *worker) {
    (void)arg;
    fprintf(stderr,
            "trawl: segment %s of worker %s is not sealed: start the master and that worker again "
            "to seal it, or `trawl ctl forget %s` if its disk is gone\n",
            segment, worker, worker);
}

static int end(struct crawl *c, struct error *err) {
    struct core_stats s = {0};
    struct core_cost cost = {0};
    char why[SERVER_WHY_BYTES];

    if (c->spawn != NULL && !finish_workers(c) && c->interrupts > 1)
        return 130;
    progress_end(&c->progress);
    server_unsealed(c->server, tell_unsealed, NULL);
    (void)server_stats(c->server, &s);
    (void)server_cost(c->server, &cost);
    server_why(c->server, why);
    master_close(c->master);
    c->master = NULL;
    if (!export_index(c->a->dir, err))
        return 1;
    progress_summary(&c->progress, &s, &cost, why, c->a->dir, c->spawn != NULL);
    return 0;
}

int command_crawl(struct args *a) {
    struct crawl c = {.a = a};
    struct error err = {0};
    int code = check_listen(a, &err);

    (void)cost_begin(COST_OTHER);
    if (code == 0)
        code = gather_seeds(a, &err);
    if (code != 0)
        return command_fail(code, &err);
    if (a->crawl.robots_ignore)
        fprintf(stderr, "trawl: robots.txt is ignored: for your own sites only\n");
    spawn_block_signals(&c.signals);
    progress_init(&c.progress, a->quiet);
    c.progress_ms = clock_ms();
    code = start_master(&c, &err) && start_workers(&c, &err) ? run(&c, &err) : 1;
    if (code == 0)
        code = end(&c, &err);
    progress_end(&c.progress);
    if (code == 1)
        command_fail(1, &err);
    if (c.spawn != NULL && code == 1)
        spawn_signal(c.spawn, SIGTERM);
    spawn_free(c.spawn);
    if (code == 130)
        _exit(130);
    master_close(c.master);
    log_close();
    return code;
}

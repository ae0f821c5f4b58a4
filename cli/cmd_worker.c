/* cmd_worker: `trawl worker`. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "shared/log.h"
#include "shared/parse.h"
#include "worker/task_worker.h"
#include "worker/worker.h"

/* Of a crawl that was killed: its workers end by themselves, but first they finish and seal, for which the master's silence
 * gives them LIMIT_DRAIN_SILENCE_MS and a few calls. Whoever starts one by hand is told at once. */
enum { PREDECESSOR_MS = 30 * 1000 };

static const char *parent(void) {
    return getenv("TRAWL_PARENT");
}

/* Started by `trawl crawl`: to end with it, however it ends. */
static bool follow_parent(void) {
    if (parent() == NULL)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return strtol(parent(), NULL, 10) == (long)getppid();
}

static uint32_t predecessor_ms(void) {
    return parent() == NULL ? 0 : PREDECESSOR_MS;
}

static uint32_t cores(void) {
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) != 0 ? 1 : (uint32_t)CPU_COUNT(&set);
}

static int run_tasks(const struct args *a, struct error *err) {
    const struct task_worker_config config = {.master = a->master,
                                              .dir = a->dir,
                                              .name = a->name,
                                              .predecessor_ms = predecessor_ms(),
                                              .serve = a->serve,
                                              .tasks = a->tasks,
                                              .insecure = a->insecure,
                                              .connect_timeout_ms = a->connect_timeout_ms};

    return task_worker_run(&config, err);
}

static int run_loops(const struct args *a, struct error *err) {
    const struct worker_config config = {.master = a->master,
                                         .dir = a->dir,
                                         .name = a->name,
                                         .predecessor_ms = predecessor_ms(),
                                         .threads = a->threads > 0 ? a->threads : cores(),
                                         .transfers = a->transfers,
                                         .connect_timeout_ms = a->connect_timeout_ms};

    return worker_run(&config, err);
}

/* Map outputs are served at the address by which the master is reached, unless --serve says another. */
static bool check_master(const struct args *a, struct error *err) {
    struct parse_address address;

    if (a->tasks == 0 || a->insecure || a->master == NULL ||
        !parse_rpc_address(a->master, PARSE_DIAL, &address) || address.is_loopback)
        return true;
    error_set(
        err, 0,
        "--tasks with --master %s: what map tasks made would be served beyond this machine, to "
        "anybody; accepted is --serve on loopback, or --insecure to take the risk",
        a->master);
    return false;
}

/* Whoever reaches the address can read what map tasks made. */
static bool check_serve(const struct args *a, struct error *err) {
    struct parse_address address;

    if (a->serve == NULL)
        return check_master(a, err);
    (void)parse_rpc_address(a->serve, PARSE_LISTEN, &address);
    if (strcmp(address.host, "*") == 0 || strcmp(address.host, "0.0.0.0") == 0 ||
        strcmp(address.host, "::") == 0)
        error_set(err, 0,
                  "--serve %s: reducers are told this address; accepted is one that leads here",
                  a->serve);
    else if (address.tls)
        error_set(err, 0, "--serve %s: TLS is not in this version; accepted is tcp://HOST:PORT",
                  a->serve);
    else if (!address.is_loopback && !a->insecure)
        error_set(err, 0,
                  "--serve %s: beyond this machine anybody could read it; accepted is loopback, or "
                  "--insecure to take the risk",
                  a->serve);
    else
        return true;
    return false;
}

int command_worker(const struct args *a) {
    struct error err = {0};
    struct log_config log = {.format = a->log_format,
                             .level = a->quiet     ? LOG_WARN
                                      : a->verbose ? LOG_DEBUG
                                                   : LOG_INFO};

    if (!check_serve(a, &err))
        return command_fail(2, &err);
    if (!follow_parent())
        return 1;
    if (!log_init(&log, &err))
        return command_fail(1, &err);
    int code = a->tasks > 0 ? run_tasks(a, &err) : run_loops(a, &err);
    log_close();
    return code == 1 ? command_fail(1, &err) : code;
}

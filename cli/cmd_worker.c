/* cmd_worker: `trawl worker`. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "shared/log.h"
#include "worker/worker.h"

/* Started by `trawl crawl`: to end with it, however it ends. */
static bool follow_parent(void) {
    const char *parent = getenv("TRAWL_PARENT");

    if (parent == NULL)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return strtol(parent, NULL, 10) == (long)getppid();
}

static uint32_t cores(void) {
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) != 0 ? 1 : (uint32_t)CPU_COUNT(&set);
}

int command_worker(const struct args *a) {
    struct error err = {0};
    struct log_config log = {.format = a->log_format,
                             .level = a->quiet     ? LOG_WARN
                                      : a->verbose ? LOG_DEBUG
                                                   : LOG_INFO};
    struct worker_config config = {.master = a->master,
                                   .dir = a->dir,
                                   .name = a->name,
                                   .threads = a->threads > 0 ? a->threads : cores(),
                                   .transfers = a->transfers,
                                   .connect_timeout_ms = a->connect_timeout_ms};

    if (!follow_parent())
        return 1;
    if (!log_init(&log, &err))
        return command_fail(1, &err);
    int code = worker_run(&config, &err);
    log_close();
    return code == 1 ? command_fail(1, &err) : code;
}

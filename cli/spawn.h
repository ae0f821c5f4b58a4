/*
 * spawn: the worker processes of `trawl crawl`: started, watched, started again when they die, let go.
 *
 * A worker that dies soon after its start is started again after a pause that doubles, 100 ms to 10 s. Workers
 * get SIGTERM from the kernel if this process dies. One owner: the main thread, which must outlive them.
 */
#ifndef TRAWL_CLI_SPAWN_H
#define TRAWL_CLI_SPAWN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

struct spawn;

/* Blocks SIGINT, SIGTERM, SIGCHLD, and SIGHUP unless it is ignored (nohup), in this thread and those that it makes: they
 * are waited for, with sigtimedwait(&signals). Workers start with none blocked. */
void spawn_block_signals(sigset_t *signals);

struct spawn_config {
    const char *dir, *master; /* the master's address; copied */
    const char *prefix;       /* of their names, which are PREFIX1, PREFIX2 ...; NULL: "w" */
    uint32_t workers, threads, transfers;
    uint32_t tasks; /* they run so many MapReduce tasks each, and fetch nothing; 0: they fetch */
    bool verbose, json_logs;
    /* Whether a worker that has left is wanted again: asked again and again. NULL: none is. */
    bool (*wanted)(void *arg, const char *name);
    /* A worker died while it was wanted; `status` as of waitpid(). */
    void (*died)(void *arg, const char *name, int status, int64_t pause_ms);
    void *arg;
};

/* Starts all workers. NULL: `err` says why. */
struct spawn *spawn_new(const struct spawn_config *config, struct error *err);
/* Reaps the dead; starts again those whose time has come and tells of them, if `restart`; those that have left, too, if
 * they are wanted again. */
void spawn_watch(struct spawn *s, bool restart);
uint32_t spawn_alive(const struct spawn *s);
/* Alive, or to be started again. */
uint32_t spawn_wanted(const struct spawn *s);
/* How often a worker died that had not been let go. */
/* One that has failed, if all of them do, again and again, soon after their start and with nothing done in between; NULL:
 * they do not. */
const char *spawn_failing(const struct spawn *s);
/* Something was done: whatever died before did not die in vain. */
void spawn_progress(struct spawn *s);
uint64_t spawn_deaths(const struct spawn *s);
void spawn_signal(struct spawn *s, int signal);
/* Starts one of those that are gone, to seal what was left open. */
bool spawn_one(struct spawn *s, struct error *err);
/* Kills whatever still runs. */
void spawn_free(struct spawn *s);

#endif

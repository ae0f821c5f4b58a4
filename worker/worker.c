/*
 * worker: see worker.h.
 *
 * Threads: the main thread waits on one eventfd, to which the handler of SIGINT and SIGTERM (in whichever thread
 * it runs) and loops that end write. A loop belongs to its own thread.
 */
#include "worker/worker.h"

#include <ares.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/rpc.h"
#include "proto/socket_owner.h"
#include "shared/cost.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "worker/descriptors.h"
#include "worker/fence.h"
#include "worker/home.h"
#include "worker/loop.h"
#include "worker/sandbox.h"
#include "worker/seal.h"
#include "worker/stop_signal.h"

enum {
    PATIENCE_FIRST_MS = 3000, /* until it is said that the master cannot be reached; */
    PATIENCE_MS = 60 * 1000,  /* and then how often */
    CONNECT_POLL_MS = 50,
    RECOVER_PAUSE_MS = 1000,
    RECOVER_CALL_MS = 5000,
    RECOVER_LAST_CALL_MS = 2000, /* when the process is to end: whoever starts next does it */
    OPEN_AT_START_MAX = 1024,    /* descriptors that may be open before the loops start */
};

struct worker {
    const struct worker_config *config;
    struct error *err;
    struct home home;
    int archive_fd, wake_fd;
    struct rpc_client *client;
    struct loop **loops;
    struct waitgroup running; /* loops that have not ended */
    uint32_t loop_count;
    unsigned call_ms; /* patience with an answer */
    bool stopping;
};

/* ---- its directory ------------------------------------------------------------------------------- */

static bool failed(struct worker *w, const char *what, const char *below) {
    error_set(w->err, errno, "cannot %s %s%s%s", what, w->config->dir, below[0] == '\0' ? "" : "/",
              below);
    return false;
}

static bool open_directory(struct worker *w) {
    if (!home_open(&w->home, w->config->dir, w->config->name, w->config->predecessor_ms, w->err))
        return false;
    w->archive_fd = home_open_dir(w->home.dir_fd, "archive");
    return w->archive_fd >= 0 || failed(w, "create", "archive");
}

/* ---- signals ------------------------------------------------------------------------------------- */

static void drain_loops(struct worker *w) {
    for (uint32_t i = 0; i < w->loop_count; i++)
        loop_drain(w->loops[i]);
}

static void stop(struct worker *w) {
    w->stopping = true;
    log_info("worker", "stopping: what is in flight is finished first");
    drain_loops(w);
}

/* Waits for a signal, a connection to the master, the end of a loop or the time. */
static void await(struct worker *w, int timeout_ms) {
    struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
    uint64_t count;

    cost_settle();
    (void)poll(&p, 1, timeout_ms);
    (void)!read(w->wake_fd, &count, sizeof count);
    if (stop_signal_count() > 0 && !w->stopping)
        stop(w);
}

/* ---- the master ---------------------------------------------------------------------------------- */

/* The first contact. False: told to stop, or the time is over (`err` set). */
static bool reach_master(struct worker *w) {
    int64_t begin_ms = fence_now_ms(), complain_ms = begin_ms + PATIENCE_FIRST_MS;

    w->client = rpc_client_new(w->config->master, RPC_DIAL_OWN, w->err);
    if (w->client == NULL)
        return false;
    rpc_client_tell(w->client, w->wake_fd);
    while (rpc_client_connections(w->client) == 0) {
        int64_t now_ms = fence_now_ms();
        if (rpc_client_strange(w->client, w->err))
            return false;
        if (w->config->connect_timeout_ms > 0 &&
            now_ms - begin_ms >= w->config->connect_timeout_ms) {
            error_set(w->err, 0, "cannot reach the master at %s", w->config->master);
            return false;
        }
        if (now_ms >= complain_ms) {
            log_warn("worker", "cannot reach the master at %s; trying on", w->config->master);
            complain_ms = now_ms + PATIENCE_MS;
        }
        await(w, CONNECT_POLL_MS);
        if (w->stopping)
            return false;
    }
    return true;
}

static bool recover_call(void *arg, const void *bytes, size_t len, struct buf *reply,
                         struct error *err) {
    struct worker *w = arg;

    if (w->stopping && !rpc_client_connected(w->client)) {
        error_set(err, 0, "the master at %s is away", w->config->master);
        return false;
    }
    return rpc_call_sync(w->client, bytes, len, w->call_ms, reply, err);
}

/* Seals what dead workers left. Without an answer it tries on, until told to stop; `once`: not again. */
static enum seal_result recover(struct worker *w, bool once, struct error *err) {
    struct seal_remote remote = {recover_call, w, w->home.dir_fd};
    unsigned sealed = 0;
    enum seal_result result;

    w->call_ms = once ? RECOVER_LAST_CALL_MS : RECOVER_CALL_MS;
    for (;;) {
        result = seal_recover(w->archive_fd, &remote, &sealed, err);
        if (result == SEAL_HELD)
            log_warn("worker", "%s", err->text);
        if (result != SEAL_NO_ANSWER || once)
            break;
        log_warn("worker", "%s; trying on", err->text);
        await(w, RECOVER_PAUSE_MS);
        if (w->stopping)
            break;
    }
    if (sealed > 0)
        log_info("worker", "sealed %u segments that were left open", sealed);
    return result;
}

/* ---- running ------------------------------------------------------------------------------------- */

/* The descriptors that a loop may have for its fetches. False: there are too few, `err` set. */
static bool share_descriptors(struct worker *w, struct loop_config *config) {
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    uint32_t loops = w->config->threads, wanted = w->config->transfers;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t max = limit.rlim_cur;
    uint64_t open = descriptors_open(max < OPEN_AT_START_MAX ? max : OPEN_AT_START_MAX);
    struct descriptors_share share = descriptors_divide(max, open, loops, wanted);
    if (share.transfers == 0) {
        error_set(w->err, 0,
                  "too few file descriptors: %llu, and a worker with %u fetch loops needs %llu "
                  "(ulimit -n)",
                  (unsigned long long)max, (unsigned)loops,
                  (unsigned long long)descriptors_least(open, loops));
        return false;
    }
    if (share.transfers < wanted)
        log_warn("worker",
                 "%llu file descriptors are enough for %u transfers at once in a fetch loop, not "
                 "%u (ulimit -n)",
                 (unsigned long long)max, (unsigned)share.transfers, (unsigned)wanted);
    config->transfers = share.transfers;
    config->connections = share.connections;
    return true;
}

static bool start_loops(struct worker *w) {
    struct loop_config config = {
        .client = w->client,
        .archive_fd = w->archive_fd,
        .home = &w->home,
        .loops = w->config->threads,
        .done_fd = w->wake_fd,
        .running = &w->running,
    };

    if (!share_descriptors(w, &config))
        return false;
    w->loops = calloc(w->config->threads, sizeof(struct loop *));
    if (w->loops == NULL)
        return failed(w, "start", "");
    for (; w->loop_count < w->config->threads; w->loop_count++) {
        config.loop = w->loop_count;
        struct loop *l = loop_new(&config, w->err);
        if (l == NULL)
            return false;
        w->loops[w->loop_count] = l;
    }
    return true;
}

/* Until every loop has ended; one that fails takes the others with it. */
static bool join_loops(struct worker *w, bool ok) {
    bool draining = false;

    while (!waitgroup_wait(&w->running, 0)) {
        for (uint32_t i = 0; i < w->loop_count; i++)
            ok = ok && loop_state(w->loops[i]) != LOOP_FAILED;
        if (!ok && !draining)
            drain_loops(w);
        draining = !ok;
        await(w, -1);
    }
    bool said = w->err->text[0] != '\0';
    for (uint32_t i = 0; i < w->loop_count; i++) {
        bool fine = loop_join(w->loops[i], said ? NULL : w->err);
        said = said || !fine;
        ok = ok && fine;
    }
    w->loop_count = 0;
    return ok;
}

/* What could not be sealed now is left to the next start. */
static bool recover_last(struct worker *w, bool ok) {
    struct error err = {0};

    switch (recover(w, true, &err)) {
    case SEAL_DONE:
    case SEAL_HELD:
        return ok;
    case SEAL_NO_ANSWER:
        log_warn("worker", "%s; its segments are sealed when a worker starts here again", err.text);
        return ok;
    default:
        if (ok)
            *w->err = err;
        return false;
    }
}

/* Loops may open more files than the usual limit. */
static void raise_limits(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool run(struct worker *w) {
    w->wake_fd = stop_signal_take_over(w->err);
    if (w->wake_fd < 0 || !open_directory(w))
        return false;
    raise_limits();
    socket_owner_prepare();
    sandbox_enter(&(struct sandbox_config){
        .dir_fd = w->home.dir_fd, .archive_fd = w->archive_fd, .home_fd = w->home.fd});
    if (!reach_master(w))
        return w->stopping;
    log_info("worker", "%s: working for %s", w->home.name, w->config->master);
    if (recover(w, false, w->err) == SEAL_FAILED)
        return false;
    if (w->stopping)
        return true;
    w->err->text[0] = '\0';
    bool ok = join_loops(w, start_loops(w));
    return recover_last(w, ok);
}

/* The eventfd stays: a late signal may still write to it. */
static void close_all(struct worker *w) {
    if (!rpc_client_free(w->client))
        log_warn("worker", "the connection to the master hangs in closing");
    free(w->loops);
    if (w->archive_fd >= 0)
        close(w->archive_fd);
    home_close(&w->home);
}

int worker_run(const struct worker_config *config, struct error *err) {
    struct error own = {0};
    struct worker w = {
        .config = config,
        .err = err == NULL ? &own : err,
        .archive_fd = -1,
        .wake_fd = -1,
    };

    home_init(&w.home);
    waitgroup_init(&w.running);
    cost_init(COST_RPC); /* nng's threads */
    (void)cost_begin(COST_OTHER);
    w.err->text[0] = '\0';
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        error_set(w.err, 0, "curl or c-ares cannot be started");
        return 1;
    }
    bool ok = run(&w);
    close_all(&w);
    waitgroup_release(&w.running);
    ares_library_cleanup();
    curl_global_cleanup();
    cost_end();
    return ok ? 0 : 1;
}

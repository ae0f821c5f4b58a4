/*
 * worker: see worker.h.
 *
 * Threads: the main thread waits on one eventfd, to which the handler of SIGINT and SIGTERM (in whichever thread
 * it runs) and loops that end write. A loop belongs to its own thread.
 */
#include "worker/worker.h"

#include <ares.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/rpc.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "worker/fence.h"
#include "worker/loop.h"
#include "worker/seal.h"

enum {
    INSTANCE_BYTES = 16,
    PATIENCE_FIRST_MS = 3000, /* until it is said that the master cannot be reached; */
    PATIENCE_MS = 60 * 1000,  /* and then how often */
    CONNECT_POLL_MS = 50,
    RECOVER_PAUSE_MS = 1000,
    RECOVER_CALL_MS = 5000,
    RECOVER_LAST_ATTEMPTS = 2,
    EXIT_INTERRUPTED = 130,
};

struct worker {
    const struct worker_config *config;
    struct error *err;
    char name[LIMIT_WORKER_NAME_BYTES + 1];
    unsigned char instance[INSTANCE_BYTES];
    uint64_t incarnation;
    int dir_fd, home_fd, archive_fd, lock_fd, wake_fd;
    struct rpc_client *client;
    struct loop **loops;
    uint32_t loop_count;
    bool stopping;
};

/* ---- its directory ------------------------------------------------------------------------------- */

static bool failed(struct worker *w, const char *what, const char *below) {
    error_set(w->err, errno, "cannot %s %s%s%s", what, w->config->dir, below[0] == '\0' ? "" : "/",
              below);
    return false;
}

static int open_dir(int at, const char *name) {
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A small file's content; false when there is none. */
static bool read_file(int at, const char *name, void *to, size_t size, size_t *len) {
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    do
        n = read(fd, to, size);
    while (n < 0 && errno == EINTR);
    close(fd);
    *len = n < 0 ? 0 : (size_t)n;
    return n >= 0;
}

/* Whole or not at all, and durable. */
static bool write_file(int at, const char *name, const void *p, size_t n) {
    char tmp[64];
    bool ok;

    snprintf(tmp, sizeof tmp, "%s.%d.tmp", name, (int)getpid());
    int fd = openat(at, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ok = write(fd, p, n) == (ssize_t)n && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (ok && renameat(at, tmp, at, name) == 0 && fsync(at) == 0)
        return true;
    if (!ok)
        errno = saved;
    saved = errno;
    (void)unlinkat(at, tmp, 0);
    errno = saved;
    return false;
}

static bool name_valid(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n > 0 && n <= LIMIT_WORKER_NAME_BYTES && name[n] == '\0' && name[0] != '.';
}

/* "host-4f1a"; what a name cannot hold becomes '-'. */
static bool make_name(struct worker *w) {
    char host[LIMIT_WORKER_NAME_BYTES - 5] = "";
    uint16_t digits = 0;

    (void)gethostname(host, sizeof host - 1);
    if (host[0] == '\0')
        snprintf(host, sizeof host, "worker");
    for (char *p = host; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p))
            *p = '-';
    if (getrandom(&digits, sizeof digits, 0) != sizeof digits)
        return false;
    snprintf(w->name, sizeof w->name, "%s-%04x", host, digits);
    return true;
}

static bool find_name(struct worker *w) {
    size_t n = 0;

    if (w->config->name != NULL) {
        snprintf(w->name, sizeof w->name, "%s", w->config->name);
        if (name_valid(w->config->name))
            return true;
        error_set(w->err, 0,
                  "worker name '%s': letters, digits, '.', '_' and '-' are accepted, at most %d, "
                  "and no '.' in front",
                  w->config->name, LIMIT_WORKER_NAME_BYTES);
        return false;
    }
    if (read_file(w->dir_fd, "worker-name", w->name, sizeof w->name - 1, &n)) {
        w->name[n] = '\0';
        w->name[strcspn(w->name, "\n")] = '\0';
        if (name_valid(w->name))
            return true;
    }
    if (!make_name(w))
        return failed(w, "make a name for", "");
    return write_file(w->dir_fd, "worker-name", w->name, strlen(w->name)) ||
           failed(w, "write", "worker-name");
}

static bool lock_home(struct worker *w) {
    w->lock_fd = openat(w->home_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (w->lock_fd < 0)
        return failed(w, "create the lock of", w->name);
    if (flock(w->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return failed(w, "lock", w->name);
    error_set(w->err, 0, "a worker named %s is already running in %s", w->name, w->config->dir);
    return false;
}

/* Who it is, and how often it was started: both outlive the process. */
static bool read_identity(struct worker *w) {
    char text[32] = "";
    size_t n = 0;

    if (!read_file(w->home_fd, "instance", w->instance, sizeof w->instance, &n) ||
        n != sizeof w->instance) {
        if (getrandom(w->instance, sizeof w->instance, 0) != sizeof w->instance ||
            !write_file(w->home_fd, "instance", w->instance, sizeof w->instance))
            return failed(w, "write the instance of", w->name);
    }
    if (read_file(w->home_fd, "incarnation", text, sizeof text - 1, &n))
        w->incarnation = strtoull(text, NULL, 10);
    w->incarnation++;
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", w->incarnation);
    return write_file(w->home_fd, "incarnation", text, (size_t)len) ||
           failed(w, "write the incarnation of", w->name);
}

static bool open_directory(struct worker *w) {
    if (mkdir(w->config->dir, 0755) != 0 && errno != EEXIST)
        return failed(w, "create", "");
    w->dir_fd = open(w->config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir_fd < 0)
        return failed(w, "open", "");
    w->archive_fd = open_dir(w->dir_fd, "archive");
    if (w->archive_fd < 0)
        return failed(w, "create", "archive");
    if (!find_name(w))
        return false;
    int workers_fd = open_dir(w->dir_fd, "workers");
    if (workers_fd < 0)
        return failed(w, "create", "workers");
    w->home_fd = open_dir(workers_fd, w->name);
    close(workers_fd);
    if (w->home_fd < 0)
        return failed(w, "create the directory of", w->name);
    return lock_home(w) && read_identity(w);
}

/* ---- signals ------------------------------------------------------------------------------------- */

/* All that the handler knows. It counts, so that a second signal ends the process whatever the main thread is
 * waiting for. */
static atomic_int signal_count;
static atomic_int signal_fd;

static void on_signal(int number) {
    int saved = errno;
    uint64_t one = 1;

    (void)number;
    if (atomic_fetch_add(&signal_count, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    (void)!write(atomic_load(&signal_fd), &one, sizeof one);
    errno = saved;
}

static bool take_over_signals(struct worker *w) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction take = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->wake_fd < 0)
        return failed(w, "take over signals for", "");
    atomic_store(&signal_fd, w->wake_fd);
    return (sigaction(SIGPIPE, &ignore, NULL) == 0 && sigaction(SIGINT, &take, NULL) == 0 &&
            sigaction(SIGTERM, &take, NULL) == 0) ||
           failed(w, "take over signals for", "");
}

static void drain_loops(struct worker *w) {
    for (uint32_t i = 0; i < w->loop_count; i++)
        loop_drain(w->loops[i]);
}

static void stop(struct worker *w) {
    w->stopping = true;
    log_info("worker", "stopping: what is in flight is finished first");
    drain_loops(w);
}

/* Waits for a signal, the end of a loop or the time. */
static void await(struct worker *w, int timeout_ms) {
    struct pollfd p = {.fd = w->wake_fd, .events = POLLIN};
    uint64_t count;

    (void)poll(&p, 1, timeout_ms);
    (void)!read(w->wake_fd, &count, sizeof count);
    if (atomic_load(&signal_count) > 0 && !w->stopping)
        stop(w);
}

/* ---- the master ---------------------------------------------------------------------------------- */

/* The first contact. False: told to stop, or the time is over (`err` set). */
static bool reach_master(struct worker *w) {
    int64_t begin_ms = fence_now_ms(), complain_ms = begin_ms + PATIENCE_FIRST_MS;

    w->client = rpc_client_new(w->config->master, RPC_DIAL_BACKGROUND, w->err);
    if (w->client == NULL)
        return false;
    while (rpc_client_connections(w->client) == 0) {
        int64_t now_ms = fence_now_ms();
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
    return rpc_call_sync(arg, bytes, len, RECOVER_CALL_MS, reply, err);
}

/* Seals what dead workers left. Without an answer it tries on, up to `attempts` times (0: until told to stop). */
static enum seal_result recover(struct worker *w, unsigned attempts, struct error *err) {
    struct seal_remote remote = {recover_call, w->client};
    unsigned sealed = 0, n = 0;
    enum seal_result result;

    for (;;) {
        result = seal_recover(w->archive_fd, &remote, &sealed, err);
        if (result != SEAL_NO_ANSWER || ++n == attempts)
            break;
        log_warn("worker", "%s; trying on", err->text);
        await(w, RECOVER_PAUSE_MS);
        if (attempts == 0 && w->stopping)
            break;
    }
    if (sealed > 0)
        log_info("worker", "sealed %u segments that were left open", sealed);
    return result;
}

/* ---- running ------------------------------------------------------------------------------------- */

static bool start_loops(struct worker *w) {
    struct loop_config config = {
        .client = w->client,
        .archive_fd = w->archive_fd,
        .worker = w->name,
        .instance = w->instance,
        .incarnation = w->incarnation,
        .loops = w->config->threads,
        .transfers = w->config->transfers,
        .done_fd = w->wake_fd,
    };

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

    for (;;) {
        uint32_t running = 0;
        for (uint32_t i = 0; i < w->loop_count; i++) {
            enum loop_state state = loop_state(w->loops[i]);
            running += state == LOOP_RUNNING;
            ok = ok && state != LOOP_FAILED;
        }
        if (running == 0)
            break;
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

    switch (recover(w, RECOVER_LAST_ATTEMPTS, &err)) {
    case SEAL_DONE:
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
    if (!take_over_signals(w) || !open_directory(w))
        return false;
    raise_limits();
    if (!reach_master(w))
        return w->stopping;
    log_info("worker", "%s: working for %s", w->name, w->config->master);
    if (recover(w, 0, w->err) == SEAL_FAILED)
        return false;
    if (w->stopping)
        return true;
    w->err->text[0] = '\0';
    bool ok = join_loops(w, start_loops(w));
    return recover_last(w, ok);
}

/* The eventfd stays: a late signal may still write to it. */
static void close_all(struct worker *w) {
    const int fds[] = {w->lock_fd, w->home_fd, w->archive_fd, w->dir_fd};

    if (!rpc_client_free(w->client))
        log_warn("worker", "the connection to the master hangs in closing");
    free(w->loops);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

int worker_run(const struct worker_config *config, struct error *err) {
    struct error own = {0};
    struct worker w = {
        .config = config,
        .err = err == NULL ? &own : err,
        .dir_fd = -1,
        .home_fd = -1,
        .archive_fd = -1,
        .lock_fd = -1,
        .wake_fd = -1,
    };

    w.err->text[0] = '\0';
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        error_set(w.err, 0, "curl or c-ares cannot be started");
        return 1;
    }
    bool ok = run(&w);
    close_all(&w);
    ares_library_cleanup();
    curl_global_cleanup();
    return ok ? 0 : 1;
}

/* task_worker: see task_worker.h. One thread; nng has its own, for requests and for map outputs that are fetched. */
#include "worker/task_worker.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/rpc.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "shared/parse.h"
#include "worker/fence.h"
#include "worker/home.h"
#include "worker/sandbox.h"
#include "worker/shuffle.h"
#include "worker/stop_signal.h"
#include "worker/task_agent.h"
#include "worker/task_child.h"
#include "worker/task_files.h"

enum {
    CALL_TIMEOUT_MS = 10 * 1000,
    BEAT_TIMEOUT_MS = 2000,
    SILENT_BEATS = 3, /* without an answer, until the connection is made anew */
    WATCH_MS = 200,   /* so often children are looked at */
    EVENTS = 64,
    ADDRESS_BYTES = 300,
    PATH_BYTES = 4096,
};

/* What stands in the event data, above the number of a child. */
enum tag { TAG_WAKE = 1, TAG_LINES, TAG_RESULT, TAG_STDERR, TAG_EXIT };

struct running {
    uint32_t number; /* of the child, in this process */
    uint64_t attempt;
    struct task_child *child;
    const Trawl__TaskSpec *spec; /* the agent's */
    struct running *next;
};

struct task_worker {
    const struct task_worker_config *config;
    struct error *err;
    struct home home;
    struct task_files files;
    struct shuffle_server *shuffle;
    struct rpc_client *client;
    struct rpc_lines *lines;
    struct task_agent *agent;
    int wake_fd, epoll_fd;
    struct running *running;
    uint32_t children; /* started so far */
    unsigned silent_beats;
    bool draining, over, failed;
    char maps_dir[PATH_BYTES];
};

static void give_up(struct task_worker *w, const char *text) {
    if (!w->failed)
        error_set(w->err, 0, "%s", text);
    w->failed = w->over = true;
}

static bool watch(struct task_worker *w, int fd, enum tag tag, uint32_t number) {
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)tag << 32 | number};

    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* ---- children ---------------------------------------------------------------------------------------- */

static struct running *find(const struct task_worker *w, uint32_t number) {
    struct running *r = w->running;

    while (r != NULL && r->number != number)
        r = r->next;
    return r;
}

static struct running *find_attempt(const struct task_worker *w, uint64_t attempt) {
    struct running *r = w->running;

    while (r != NULL && r->attempt != attempt)
        r = r->next;
    return r;
}

static void tell_failed(struct task_worker *w, uint64_t attempt, const char *reason) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;

    r.end = TRAWL__TASK_END__TASK_FAILED;
    r.reason = (char *)reason;
    task_agent_ended(w->agent, fence_now_ms(), attempt, &r);
}

/* Starts the process; false: `err` says why, and nothing is left of it. */
static bool start_child(struct task_worker *w, struct running *r, struct error *err) {
    Trawl__TaskSpec spec = *r->spec;
    int scratch_fd = task_files_begin(&w->files, r->spec, r->attempt, err);

    if (scratch_fd < 0)
        return false;
    spec.attempt = r->attempt;
    spec.outputs_dir =
        (ProtobufCBinaryData){.len = strlen(w->maps_dir), .data = (uint8_t *)w->maps_dir};
    r->child = task_child_new(&spec, scratch_fd, err);
    close(scratch_fd);
    if (r->child != NULL) {
        if (watch(w, task_child_result_fd(r->child), TAG_RESULT, r->number) &&
            watch(w, task_child_stderr_fd(r->child), TAG_STDERR, r->number) &&
            watch(w, task_child_pid_fd(r->child), TAG_EXIT, r->number))
            return true;
        error_set(err, errno, "cannot watch a process");
    }
    task_child_free(r->child);
    task_files_end(&w->files, r->attempt, false);
    return false;
}

static void start(struct task_worker *w, const struct task_effect *e) {
    struct error err = {0};
    struct running *r = calloc(1, sizeof *r);

    if (r == NULL) {
        tell_failed(w, e->attempt, "out of memory");
        return;
    }
    *r = (struct running){.number = ++w->children, .attempt = e->attempt, .spec = e->spec};
    if (!start_child(w, r, &err)) {
        free(r);
        tell_failed(w, e->attempt, err.text);
        return;
    }
    r->next = w->running;
    w->running = r;
    log_debug("tasks", "attempt %llu: %s task %u of job %llu", (unsigned long long)e->attempt,
              e->spec->kind == TRAWL__TASK_KIND__MAP ? "map" : "reduce", e->spec->number,
              (unsigned long long)e->job);
}

static void unlink_running(struct task_worker *w, const struct running *r) {
    struct running **at = &w->running;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}

/* The child is gone: what it has left goes to where it belongs, then the agent is told. */
static void settle(struct task_worker *w, struct running *r) {
    struct arena arena;
    struct error err = {0};

    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__TaskResult *result = task_child_reap(r->child, &arena);
    if (result == NULL) {
        give_up(w, "out of memory");
        arena_release(&arena);
        return;
    }
    if (result->end == TRAWL__TASK_END__DONE && r->spec->kind == TRAWL__TASK_KIND__MAP &&
        !task_files_keep(&w->files, r->spec, r->attempt, &err)) {
        result->end = TRAWL__TASK_END__TASK_FAILED;
        result->reason = err.text;
    }
    bool done = result->end == TRAWL__TASK_END__DONE;
    task_files_end(&w->files, r->attempt, done);
    if (!done)
        log_info("tasks", "attempt %llu at %s task %u of job %llu ended: %.500s",
                 (unsigned long long)r->attempt,
                 r->spec->kind == TRAWL__TASK_KIND__MAP ? "map" : "reduce", r->spec->number,
                 (unsigned long long)r->spec->job->job, result->reason);
    unlink_running(w, r);
    task_child_free(r->child);
    task_agent_ended(w->agent, fence_now_ms(), r->attempt, result);
    free(r);
    arena_release(&arena);
}

static void read_result(struct task_worker *w, struct running *r) {
    if (!task_child_read(r->child))
        (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, task_child_result_fd(r->child), NULL);
}

static void read_stderr(struct task_worker *w, struct running *r) {
    if (!task_child_read_stderr(r->child))
        (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, task_child_stderr_fd(r->child), NULL);
}

static void note_progress(struct task_worker *w) {
    int64_t now_ms = fence_now_ms();

    for (struct running *r = w->running; r != NULL; r = r->next)
        if (task_child_moved(r->child))
            task_agent_progress(w->agent, now_ms, r->attempt);
}

/* ---- effects ----------------------------------------------------------------------------------------- */

static void send_request(struct task_worker *w, const struct task_effect *e) {
    unsigned timeout_ms = e->line == AGENT_BEAT ? BEAT_TIMEOUT_MS : CALL_TIMEOUT_MS;

    if (!rpc_lines_send(w->lines, (unsigned)e->line, e->request->data, e->request->len, timeout_ms))
        task_agent_no_reply(w->agent, fence_now_ms(), e->line);
}

static void kill_attempt(struct task_worker *w, uint64_t attempt) {
    const struct running *r = find_attempt(w, attempt);

    if (r != NULL)
        task_child_kill(r->child);
}

static void obey(struct task_worker *w, const struct task_effect *e) {
    switch (e->kind) {
    case TASK_SEND:
        send_request(w, e);
        break;
    case TASK_START:
        start(w, e);
        break;
    case TASK_KILL:
        kill_attempt(w, e->attempt);
        break;
    case TASK_DISCARD:
        task_files_discard(&w->files, e->spec, e->attempt);
        break;
    case TASK_REMOVE_JOB:
        task_files_remove_job(&w->files, e->job);
        break;
    case TASK_LEFT:
        w->over = true;
        break;
    case TASK_REFUSED:
        give_up(w, e->text);
        break;
    case TASK_FAILED:
        give_up(w, "out of memory");
        break;
    }
}

/* ---- events ------------------------------------------------------------------------------------------ */

static void note_beat(struct task_worker *w, bool ok) {
    w->silent_beats = ok ? 0 : w->silent_beats + 1;
    if (w->silent_beats < SILENT_BEATS)
        return;
    log_warn("tasks", "no answer from the master; trying on over a new connection");
    w->silent_beats = 0;
    rpc_client_reconnect(w->client);
}

static void take_answers(struct task_worker *w) {
    struct rpc_answer answer;

    while (rpc_lines_take(w->lines, &answer)) {
        enum agent_line line = (enum agent_line)answer.line;
        if (answer.ok)
            task_agent_reply(w->agent, fence_now_ms(), line, answer.bytes, answer.len);
        else
            task_agent_no_reply(w->agent, fence_now_ms(), line);
        if (line == AGENT_BEAT)
            note_beat(w, answer.ok);
    }
}

static void take_signal(struct task_worker *w) {
    uint64_t count;

    (void)!read(w->wake_fd, &count, sizeof count);
    if (stop_signal_count() == 0 || w->draining)
        return;
    w->draining = true;
    log_info("tasks", "stopping: what runs is given back");
    task_agent_drain(w->agent, fence_now_ms());
}

static void take_event(struct task_worker *w, const struct epoll_event *ev) {
    struct running *r = find(w, (uint32_t)ev->data.u64);

    switch ((enum tag)(ev->data.u64 >> 32)) {
    case TAG_WAKE:
        take_signal(w);
        break;
    case TAG_LINES:
        take_answers(w);
        break;
    case TAG_RESULT:
        if (r != NULL)
            read_result(w, r);
        break;
    case TAG_STDERR:
        if (r != NULL)
            read_stderr(w, r);
        break;
    case TAG_EXIT:
        if (r != NULL)
            settle(w, r);
        break;
    }
}

/* The first contact takes too long. */
static bool out_of_patience(const struct task_worker *w, int64_t begin_ms) {
    return w->config->connect_timeout_ms > 0 && rpc_client_connections(w->client) == 0 &&
           fence_now_ms() - begin_ms >= w->config->connect_timeout_ms;
}

static int pause_ms(const struct task_worker *w) {
    int64_t now_ms = fence_now_ms(), pause = task_agent_next_ms(w->agent, now_ms) - now_ms;

    if (w->running != NULL && pause > WATCH_MS)
        pause = WATCH_MS;
    return pause < 0 ? 0 : (int)pause;
}

static void work(struct task_worker *w) {
    struct epoll_event events[EVENTS];
    struct task_effect e;
    int64_t begin_ms = fence_now_ms();

    while (!w->over) {
        note_progress(w);
        while (!w->over && task_agent_poll(w->agent, fence_now_ms(), &e))
            obey(w, &e);
        if (w->over)
            break;
        if (rpc_client_connections(w->client) == 0 && rpc_client_strange(w->client, w->err)) {
            w->failed = true;
            break;
        }
        if (out_of_patience(w, begin_ms)) {
            error_set(w->err, 0, "cannot reach the master at %s", w->config->master);
            w->failed = true;
            break;
        }
        int n = epoll_wait(w->epoll_fd, events, EVENTS, pause_ms(w));
        for (int i = 0; i < n && !w->over; i++)
            take_event(w, &events[i]);
    }
}

/* ---- where map outputs are served -------------------------------------------------------------------- */

/* The address of ours that packets to the master leave from: reducers that reach the master by the same network reach it, too.
 * No packet is sent. */
static bool own_address(const char *master, char host[NI_MAXHOST], struct error *err) {
    struct parse_address a;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list = NULL;
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    char port[8];
    int fd = -1;
    bool ok = false;

    if (!parse_rpc_address(master, PARSE_DIAL, &a)) {
        error_set(err, 0, "%s is not an address of a master", master);
        return false;
    }
    snprintf(port, sizeof port, "%u", a.port);
    int code = getaddrinfo(a.host, port, &hints, &list);
    if (code != 0) {
        error_set(err, 0, "cannot find the address of %s: %s", a.host, gai_strerror(code));
        return false;
    }
    fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ok = fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) == 0 &&
         getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
         getnameinfo((struct sockaddr *)&own, len, host, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) == 0;
    if (!ok)
        error_set(err, errno, "no way to %s", master);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return ok;
}

static bool start_serving(struct task_worker *w) {
    char host[NI_MAXHOST], address[NI_MAXHOST + 16];
    struct parse_address at;
    struct shuffle_server_config config = {.address = w->config->serve, .dir_fd = w->files.maps_fd};

    if (config.address == NULL) {
        if (!own_address(w->config->master, host, w->err))
            return false;
        snprintf(address, sizeof address, strchr(host, ':') != NULL ? "tcp://[%s]:0" : "tcp://%s:0",
                 host);
        config.address = address;
    }
    /* The name of the master may lead elsewhere than it says. */
    if (!w->config->insecure && parse_rpc_address(config.address, PARSE_LISTEN, &at) &&
        !at.is_loopback) {
        error_set(w->err, 0,
                  "map outputs would be served at %s, beyond this machine, to anybody; accepted is "
                  "--serve on loopback, or --insecure to take the risk",
                  config.address);
        return false;
    }
    w->shuffle = shuffle_server_new(&config, w->err);
    return w->shuffle != NULL;
}

/* ---- life -------------------------------------------------------------------------------------------- */

static bool find_maps_dir(struct task_worker *w) {
    char *dir = realpath(w->config->dir, NULL);
    int n = dir == NULL ? -1
                        : snprintf(w->maps_dir, sizeof w->maps_dir, "%s/workers/%s/maps", dir,
                                   w->home.name);

    free(dir);
    if (n > 0 && n < PATH_BYTES)
        return true;
    error_set(w->err, n < 0 ? errno : ENAMETOOLONG, "cannot use %s", w->config->dir);
    return false;
}

static bool make_agent(struct task_worker *w) {
    struct task_agent_config config = {.worker = w->home.name,
                                       .incarnation = w->home.incarnation,
                                       .process = w->home.process,
                                       .place = w->home.proof.place,
                                       .tasks = w->config->tasks,
                                       .serve = shuffle_server_address(w->shuffle)};

    memcpy(config.instance, w->home.proof.instance, sizeof config.instance);
    w->agent = task_agent_new(&config);
    if (w->agent == NULL)
        error_set(w->err, 0, "out of memory");
    return w->agent != NULL;
}

static bool open_all(struct task_worker *w) {
    sandbox_enter(&(struct sandbox_config){
        .dir_fd = -1, .archive_fd = -1, .home_fd = -1, .allow_exec = true});
    w->wake_fd = stop_signal_take_over(w->err);
    if (w->wake_fd < 0 ||
        !home_open(&w->home, w->config->dir, w->config->name, w->config->predecessor_ms, w->err) ||
        !task_files_open(&w->files, w->home.fd, w->err) || !find_maps_dir(w) || !start_serving(w) ||
        !make_agent(w))
        return false;
    w->client = rpc_client_new(w->config->master, RPC_DIAL_OWN, w->err);
    if (w->client == NULL)
        return false;
    w->lines = rpc_lines_new(w->client, AGENT_LINES, w->err);
    if (w->lines == NULL)
        return false;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd >= 0 && watch(w, w->wake_fd, TAG_WAKE, 0) &&
        watch(w, rpc_lines_fd(w->lines), TAG_LINES, 0))
        return true;
    error_set(w->err, errno, "cannot wait for events");
    return false;
}

/* Children first: they read and write what goes next. */
static void close_all(struct task_worker *w) {
    while (w->running != NULL) {
        struct running *r = w->running;
        w->running = r->next;
        task_child_free(r->child);
        task_files_end(&w->files, r->attempt, false);
        free(r);
    }
    rpc_lines_free(w->lines);
    if (!rpc_client_free(w->client))
        log_warn("tasks", "the connection to the master hangs in closing");
    task_agent_free(w->agent);
    /* A server that hangs may still look into the directory. */
    if (shuffle_server_free(w->shuffle))
        task_files_close(&w->files);
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    home_close(&w->home);
}

int task_worker_run(const struct task_worker_config *config, struct error *err) {
    struct error own = {0};
    struct task_worker w = {.config = config,
                            .err = err == NULL ? &own : err,
                            .wake_fd = -1,
                            .epoll_fd = -1,
                            .files = {.tasks_fd = -1, .maps_fd = -1}};

    w.err->text[0] = '\0';
    home_init(&w.home);
    bool ok = open_all(&w);
    if (ok) {
        log_info("tasks", "%s: running %u tasks at once for %s", w.home.name, config->tasks,
                 config->master);
        work(&w);
    }
    close_all(&w);
    return ok && !w.failed ? 0 : 1;
}

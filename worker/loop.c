#include "worker/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "shared/cost.h"
#include "shared/log.h"
#include "worker/fence.h"
#include "worker/loop_state.h"

enum {
    EVENTS = 256,
    TURN_MS = 50,
    CALL_TIMEOUT_MS = 10 * 1000,
    BEAT_TIMEOUT_MIN_MS = 500,
    BEAT_TIMEOUT_MAX_MS = 5000,
    SEAL_TIMEOUT_MS = 5000,
    SEAL_TIMEOUT_DRAIN_MS = 2000,  /* when the process is to end */
    SILENT_BEATS = 3,              /* without an answer, until the connection is made anew */
    BODY_BYTES_MAX = 64 << 20,     /* memory for bodies, of all loops together; */
    BODY_BYTES_LOOP_MIN = 4 << 20, /* but at least so much for each */
    COST_AGE_MS = 50,              /* of what heartbeats tell of it */
};

/* What stands in the event data, above the descriptor. */
enum tag { TAG_CONTROL = 1, TAG_LINES, TAG_ARCHIVE, TAG_DNS, TAG_TRANSFERS };

static enum cost_stage stage_of(enum tag tag) {
    switch (tag) {
    case TAG_LINES:
        return COST_RPC;
    case TAG_ARCHIVE:
        return COST_WRITE;
    case TAG_DNS:
        return COST_DNS;
    case TAG_TRANSFERS:
        return COST_TRANSFER;
    default:
        return COST_OTHER;
    }
}

void loop_fail(struct loop *l, const char *text) {
    if (!l->failed)
        error_set(&l->err, 0, "%s", text);
    l->failed = l->over = true;
}

void loop_give_up(struct loop *l, const char *text) {
    if (!l->failed)
        error_set(&l->err, 0, "%s", text);
    l->failed = true;
    agent_fail(l->agent, fence_now_ms(), text);
}

/* After heartbeats: leases were renewed. */
static void renew_leases(struct loop *l) {
    for (struct loop_visit *v = l->visits; v != NULL; v = v->next)
        sockets_renew(l->sockets, &v->target.sockets, visit_deadline_ms(v->visit));
}

/* ---- starting fetches ---------------------------------------------------------------------------- */

static void start_failed(struct loop *l, const struct agent_fetch *f, int64_t now_ms) {
    struct agent_outcome o = {
        .failure = AGENT_NETWORK, .reason = "out-of-memory", .started_ms = now_ms};

    if (f->robots)
        agent_fetched_robots(l->agent, now_ms, f->fetch, &o, "", 0);
    else
        agent_fetched(l->agent, now_ms, f->fetch, &o);
}

static void start_fetches(struct loop *l) {
    struct agent_fetch f;
    int64_t now_ms = fence_now_ms();

    while (agent_next_fetch(l->agent, now_ms, &f)) {
        enum cost_stage was = cost_enter(COST_TRANSFER);
        struct loop_visit *v = loop_visit_get(l, f.visit);
        if (v != NULL)
            sockets_renew(l->sockets, &v->target.sockets, f.deadline_ms);
        bool started = v != NULL && loop_visit_aim(v) &&
                       transfer_start(l->transfers, &f, &v->target, fence_now_ms()) != NULL;
        cost_enter(was);
        if (!started)
            start_failed(l, &f, now_ms);
    }
}

/* ---- effects ------------------------------------------------------------------------------------- */

static bool set_policy(struct loop *l, const Trawl__Options *o) {
    struct netaddr_policy policy;

    netaddr_policy_init(&policy);
    for (size_t i = 0; i < o->n_allow_net; i++) {
        if (netaddr_policy_allow(&policy, o->allow_net[i], &l->err))
            continue;
        netaddr_policy_release(&policy);
        return false;
    }
    netaddr_policy_release(&l->policy);
    l->policy = policy;
    sockets_set_policy(l->sockets, &l->policy);
    return true;
}

static void take_options(struct loop *l, const Trawl__Options *o) {
    const struct harvest_options harvest = {.follow = o->follow,
                                            .robots_ignore = o->robots_ignore,
                                            .sitemaps = o->sitemaps,
                                            .user_agent = o->user_agent};
    uint32_t beat_ms = o->lease_ms / 3;

    if (beat_ms > BEAT_TIMEOUT_MAX_MS)
        beat_ms = BEAT_TIMEOUT_MAX_MS;
    l->beat_timeout_ms = beat_ms < BEAT_TIMEOUT_MIN_MS ? BEAT_TIMEOUT_MIN_MS : beat_ms;
    struct error err;
    if (!home_bind(l->config.home->dir_fd, o->crawl, &err)) {
        loop_give_up(l, err.text);
        return;
    }
    if (!set_policy(l, o)) {
        l->failed = l->over = true;
        return;
    }
    if (!transfers_set_options(l->transfers, o->user_agent, o->timeout_ms, o->max_body_bytes,
                               o->cookies) ||
        !archive_set_options(l->archive, o->crawl, o->user_agent, o->warc_bytes,
                             (int)o->warc_level) ||
        !harvest_set_options(l->harvest, &harvest))
        loop_fail(l, "out of memory");
}

static void send_request(struct loop *l, const struct agent_effect *e, int64_t now_ms) {
    unsigned timeout_ms = e->line == AGENT_BEAT ? l->beat_timeout_ms : CALL_TIMEOUT_MS;
    enum cost_stage was = cost_enter(COST_RPC);

    if (!rpc_lines_send(l->lines, (unsigned)e->line, e->request->data, e->request->len, timeout_ms))
        agent_no_reply(l->agent, now_ms, e->line);
    cost_enter(was);
}

static void close_visit(struct loop *l, struct visit *visit, int64_t now_ms) {
    struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        loop_visit_stop(l, v);
    agent_closed(l->agent, now_ms, visit);
}

static void take_effect(struct loop *l, const struct agent_effect *e, int64_t now_ms) {
    switch (e->kind) {
    case AGENT_SEND:
        send_request(l, e, now_ms);
        break;
    case AGENT_OPTIONS:
        take_options(l, e->options);
        break;
    case AGENT_RESOLVE:
        loop_visit_resolve(l, e->visit, now_ms);
        break;
    case AGENT_CLOSE:
        close_visit(l, e->visit, now_ms);
        break;
    case AGENT_ABORT:
        if (visit_shell(e->visit) != NULL)
            loop_visit_stop(l, visit_shell(e->visit));
        break;
    case AGENT_FORGET:
        if (visit_shell(e->visit) != NULL)
            loop_visit_forget(l, visit_shell(e->visit));
        break;
    case AGENT_SYNC:
        archive_sync(l->archive, e->mark);
        break;
    case AGENT_ROTATE:
        archive_rotate(l->archive);
        break;
    case AGENT_SEAL:
        archive_seal(l->archive, e->segment);
        break;
    case AGENT_LEFT:
        if (l->troubled)
            loop_fail(l, l->stall_error.text);
        l->over = true;
        break;
    case AGENT_WAITS:
        if (l->config.loop == 0)
            log_warn("loop", "%s", e->text);
        break;
    case AGENT_REFUSED:
        loop_fail(l, e->text);
        break;
    case AGENT_FAILED:
        loop_fail(l, "out of memory");
        break;
    }
}

static void note_cost(struct loop *l, int64_t now_ms) {
    struct cost_sums sums;

    if (now_ms < l->cost_next_ms)
        return;
    l->cost_next_ms = now_ms + COST_AGE_MS;
    cost_settle();
    cost_read(&sums, COST_AGE_MS);
    agent_note_cost(l->agent, &sums);
}

static bool next_effect(struct loop *l, int64_t now_ms, struct agent_effect *e) {
    enum cost_stage was = cost_enter(COST_RPC);
    bool there = !l->over && agent_poll(l->agent, now_ms, e);

    cost_enter(was);
    return there;
}

static void take_effects(struct loop *l) {
    struct agent_effect e;
    int64_t now_ms = fence_now_ms();

    agent_note_traffic(l->agent, transfers_running(l->transfers), transfers_bytes_in(l->transfers));
    note_cost(l, now_ms);
    while (next_effect(l, now_ms, &e))
        take_effect(l, &e, now_ms);
}

static bool on_sent(void *arg, struct transfer *t, int64_t now_ms) {
    struct loop *l = arg;

    return agent_sent(l->agent, now_ms, t->fetch);
}

static void on_answered(void *arg, struct transfer *t, int64_t now_ms) {
    struct loop *l = arg;

    agent_answered(l->agent, now_ms, t->fetch);
}

static void on_finished(void *arg, struct transfer *t) {
    enum cost_stage was = cost_enter(COST_OTHER);

    loop_finish(arg, t);
    cost_enter(was);
}

static void on_segment_closed(void *arg, const char *name) {
    agent_segment_closed(((struct loop *)arg)->agent, name);
}

static void on_synced(void *arg, uint64_t mark) {
    agent_synced(((struct loop *)arg)->agent, fence_now_ms(), mark);
}

static void on_committed(void *arg, const char *segment, uint64_t offset,
                         const unsigned char digest[20]) {
    archive_committed(((struct loop *)arg)->archive, segment, offset, digest);
}

static void on_sealed(void *arg, const char *name) {
    agent_sealed(((struct loop *)arg)->agent, fence_now_ms(), name);
}

static void on_archive_failed(void *arg, const char *text) {
    loop_give_up(arg, text);
}

/* ---- events -------------------------------------------------------------------------------------- */

static void note_beat(struct loop *l, bool ok) {
    l->silent_beats = ok ? 0 : l->silent_beats + 1;
    if (ok)
        renew_leases(l);
    if (l->silent_beats < SILENT_BEATS)
        return;
    log_warn("loop", "no answer from the master; trying on over a new connection");
    l->silent_beats = 0;
    rpc_client_reconnect(l->config.client);
}

static void take_answers(struct loop *l) {
    struct rpc_answer answer;

    while (rpc_lines_take(l->lines, &answer)) {
        enum agent_line line = (enum agent_line)answer.line;
        if (answer.ok)
            agent_reply(l->agent, fence_now_ms(), line, answer.bytes, answer.len);
        else
            agent_no_reply(l->agent, fence_now_ms(), line);
        if (line == AGENT_BEAT)
            note_beat(l, answer.ok);
    }
}

static void take_control(struct loop *l) {
    uint64_t count;

    while (read(l->control_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    if (!atomic_load(&l->drain) || l->draining)
        return;
    l->draining = true;
    l->stalled_since_ms = fence_now_ms();
    agent_drain(l->agent, l->stalled_since_ms);
}

static void take_event(struct loop *l, const struct epoll_event *ev) {
    int fd = (int)(uint32_t)ev->data.u64;
    enum tag tag = (enum tag)(ev->data.u64 >> 32);
    enum cost_stage was = cost_enter(stage_of(tag));

    switch (tag) {
    case TAG_CONTROL:
        take_control(l);
        break;
    case TAG_LINES:
        take_answers(l);
        break;
    case TAG_ARCHIVE:
        archive_event(l->archive);
        break;
    case TAG_DNS:
        dns_socket_event(l->dns, fd, ev->events);
        break;
    case TAG_TRANSFERS:
        transfers_socket_event(l->transfers, fd, ev->events);
        break;
    }
    cost_enter(was);
}

static void take_ticks(struct loop *l) {
    int64_t now_ms = fence_now_ms();
    enum cost_stage was = cost_enter(COST_TRANSFER);

    transfers_tick(l->transfers, now_ms);
    cost_enter(COST_DNS);
    dns_tick(l->dns);
    cost_enter(was);
    archive_tick(l->archive, now_ms);
    loop_finish_retry(l, now_ms);
}

static void earlier(int64_t *at, int64_t t) {
    if (t < *at)
        *at = t;
}

static int wait_ms(const struct loop *l) {
    int64_t now_ms = fence_now_ms(), next = agent_next_ms(l->agent, now_ms);

    earlier(&next, transfers_next_ms(l->transfers));
    earlier(&next, archive_next_ms(l->archive));
    earlier(&next, loop_finish_next_ms(l));
    if (next <= now_ms)
        return 0;
    return (int)dns_timeout_ms(l->dns, next - now_ms < 1000 ? next - now_ms : 1000);
}

static void collect(struct loop *l) {
    enum cost_stage was = cost_enter(COST_TRANSFER);

    transfers_collect(l->transfers);
    cost_enter(was);
}

/* Transfers get a turn of TURN_MS, so that heartbeats and answers are not delayed. Those that got none are told of again (epoll
 * is level-triggered), and begin the next. First curl reads all, then what has ended is parsed and written: in turns, each
 * would drive the other out of the processor's caches. */
static void take_events(struct loop *l, const struct epoll_event *events, int n) {
    int64_t until_ms = fence_now_ms() + TURN_MS;
    int first = n > 0 ? (int)(l->turn % (unsigned)n) : 0, i = 0;

    for (int k = 0; k < n && !l->over; k++)
        if (events[k].data.u64 >> 32 != TAG_TRANSFERS)
            take_event(l, &events[k]);
    for (; i < n && !l->over && fence_now_ms() < until_ms; i++) {
        const struct epoll_event *ev = &events[(first + i) % n];
        if (ev->data.u64 >> 32 == TAG_TRANSFERS)
            take_event(l, ev);
    }
    l->turn = i < n ? (unsigned)(first + i) : 0;
    if (!l->over)
        collect(l);
}

/* Effects come before events: what a lease does not cover any more is ended before its sockets are served. */
static void run(struct loop *l) {
    struct epoll_event events[EVENTS];

    while (!l->over) {
        take_effects(l);
        start_fetches(l);
        take_ticks(l);
        if (l->over)
            break;
        int timeout_ms = wait_ms(l);
        cost_enter(COST_TRANSFER);
        transfers_watch(l->transfers);
        cost_enter(COST_IDLE);
        int n = epoll_wait(l->epoll_fd, events, EVENTS, timeout_ms);
        cost_enter(COST_OTHER);
        take_effects(l);
        take_events(l, events, n);
    }
}

/* ---- the thread ---------------------------------------------------------------------------------- */

/* In a thread of the archive's. */
static bool seal_call(void *arg, const void *bytes, size_t len, struct buf *reply,
                      struct error *err) {
    struct loop *l = arg;
    bool drain = atomic_load(&l->drain);

    if (drain && !rpc_client_connected(l->config.client)) {
        error_set(err, 0, "the master is away");
        return false;
    }
    return rpc_call_sync(l->config.client, bytes, len,
                         drain ? SEAL_TIMEOUT_DRAIN_MS : SEAL_TIMEOUT_MS, reply, err);
}

static bool watch(struct loop *l, int fd, enum tag tag) {
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)tag << 32 | (uint32_t)fd};

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
        return true;
    error_set(&l->err, errno, "epoll");
    return false;
}

static bool set_up_agent(struct loop *l) {
    struct agent_config config = {
        .worker = l->config.home->name,
        .incarnation = l->config.home->incarnation,
        .process = l->config.home->process,
        .place = l->config.home->proof.place,
        .crawl = l->config.home->crawl,
        .loop = l->config.loop,
        .loops = l->config.loops,
        .transfers_max = l->config.transfers,
        .committed = on_committed,
        .committed_arg = l,
    };

    memcpy(config.instance, l->config.home->proof.instance, sizeof config.instance);
    if (getrandom(config.link_key, sizeof config.link_key, 0) != sizeof config.link_key) {
        error_set(&l->err, errno, "no random numbers");
        return false;
    }
    l->agent = agent_new(&config);
    l->harvest = harvest_new();
    if (l->agent != NULL && l->harvest != NULL)
        return true;
    error_set(&l->err, ENOMEM, "fetch loop");
    return false;
}

static bool set_up_transfers(struct loop *l) {
    struct transfers_config config = {
        .epoll_fd = l->epoll_fd,
        .tag = TAG_TRANSFERS,
        .max = l->config.transfers,
        .connections = l->config.connections,
        .sockets = l->sockets,
        .bodies = &l->bodies,
        .finished = on_finished,
        .sent = on_sent,
        .answered = on_answered,
        .arg = l,
    };

    l->bodies.dir_fd = l->config.archive_fd;
    l->bodies.bytes_max = BODY_BYTES_MAX / l->config.loops;
    if (l->bodies.bytes_max < BODY_BYTES_LOOP_MIN)
        l->bodies.bytes_max = BODY_BYTES_LOOP_MIN;
    l->transfers = transfers_new(&config, &l->err);
    return l->transfers != NULL;
}

static bool set_up_archive(struct loop *l) {
    struct archive_config config = {
        .dir_fd = l->config.archive_fd,
        .worker = l->config.home->name,
        .remote = {seal_call, l, l->config.home->dir_fd},
        .closed = on_segment_closed,
        .synced = on_synced,
        .sealed = on_sealed,
        .failed = on_archive_failed,
        .arg = l,
    };

    l->archive = archive_new(&config, &l->err);
    for (unsigned i = 0; l->archive != NULL && i < ARCHIVE_FDS; i++)
        if (!watch(l, archive_fd(l->archive, i), TAG_ARCHIVE))
            return false;
    return l->archive != NULL;
}

static bool set_up(struct loop *l) {
    size_t sockets_max = 2 * (size_t)l->config.connections + 512;

    l->beat_timeout_ms = BEAT_TIMEOUT_MAX_MS;
    netaddr_policy_init(&l->policy);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        error_set(&l->err, errno, "epoll");
        return false;
    }
    return set_up_agent(l) && (l->sockets = sockets_new(sockets_max, &l->err)) != NULL &&
           (l->dns = dns_new(l->epoll_fd, TAG_DNS, &l->err)) != NULL && set_up_transfers(l) &&
           set_up_archive(l) &&
           (l->lines = rpc_lines_new(l->config.client, AGENT_LINES, &l->err)) != NULL &&
           watch(l, rpc_lines_fd(l->lines), TAG_LINES) && watch(l, l->control_fd, TAG_CONTROL);
}

static void tear_down(struct loop *l) {
    rpc_lines_free(l->lines);
    while (l->visits != NULL)
        loop_visit_forget(l, l->visits);
    transfers_free(l->transfers);
    dns_free(l->dns);
    sockets_free(l->sockets);
    archive_free(l->archive);
    harvest_free(l->harvest);
    agent_free(l->agent);
    netaddr_policy_release(&l->policy);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
}

static void *loop_main(void *arg) {
    struct loop *l = arg;
    uint64_t one = 1;

    (void)cost_begin(COST_OTHER);
    if (set_up(l))
        run(l);
    else
        l->failed = true;
    tear_down(l);
    cost_end();
    atomic_store(&l->state, l->failed ? LOOP_FAILED : LOOP_ENDED);
    waitgroup_done(l->config.running);
    while (write(l->config.done_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

struct loop *loop_new(const struct loop_config *config, struct error *err) {
    struct loop *l = calloc(1, sizeof *l);
    char name[16];

    if (l == NULL) {
        error_set(err, ENOMEM, "fetch loop");
        return NULL;
    }
    l->config = *config;
    l->epoll_fd = -1;
    l->control_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    waitgroup_add(config->running, 1);
    int rc = l->control_fd < 0 ? errno : pthread_create(&l->thread, NULL, loop_main, l);
    if (rc != 0) {
        waitgroup_done(config->running);
        error_set(err, rc, "fetch loop");
        if (l->control_fd >= 0)
            close(l->control_fd);
        free(l);
        return NULL;
    }
    snprintf(name, sizeof name, "trawl-loop-%u", (unsigned)config->loop % 1000);
    pthread_setname_np(l->thread, name);
    return l;
}

void loop_drain(struct loop *l) {
    uint64_t one = 1;

    atomic_store(&l->drain, true);
    while (write(l->control_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

enum loop_state loop_state(const struct loop *l) {
    return (enum loop_state)atomic_load(&l->state);
}

bool loop_join(struct loop *l, struct error *err) {
    pthread_join(l->thread, NULL);
    bool ok = !l->failed;
    if (!ok && err != NULL)
        *err = l->err;
    close(l->control_fd);
    free(l);
    return ok;
}

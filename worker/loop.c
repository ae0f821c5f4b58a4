#include "worker/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/log.h"
#include "shared/netaddr.h"
#include "worker/agent.h"
#include "worker/archive.h"
#include "worker/dns.h"
#include "worker/fence.h"
#include "worker/harvest.h"
#include "worker/transfer.h"

enum {
    EVENTS = 256,
    CALL_TIMEOUT_MS = 10 * 1000,
    BEAT_TIMEOUT_MIN_MS = 500,
    BEAT_TIMEOUT_MAX_MS = 5000,
    SEAL_TIMEOUT_MS = 5000,
    SILENT_BEATS = 3,             /* without an answer, until the connection is made anew */
    STALL_PAUSE_MS = 1000,        /* until a disk that refused is tried again */
    STALL_LEAVING_MS = 5000,      /* how long that may last when the loop is to end */
    BODY_BYTES_MAX = 64 << 20,    /* memory for bodies, of all loops together; */
    BODY_BYTES_LOOP_MIN = 4 << 20 /* but at least so much for each */
};

/* What stands in the event data, above the descriptor. */
enum tag { TAG_CONTROL = 1, TAG_LINES, TAG_ARCHIVE, TAG_DNS, TAG_TRANSFERS };

/* Beside each visit. */
struct loop_visit {
    struct dns_query query;
    struct loop *loop;
    struct visit *visit;
    struct transfer_target target;
    const char *host; /* in the visit's origin */
    size_t host_len;
    uint16_t port;
    struct loop_visit *next, *prev;
};

struct loop {
    struct loop_config config;
    pthread_t thread;
    int control_fd;
    atomic_bool drain;
    atomic_int state; /* enum loop_state */

    /* The thread's own. */
    int epoll_fd;
    struct agent *agent;
    struct rpc_lines *lines;
    struct sockets *sockets;
    struct dns *dns;
    struct body_pool bodies;
    struct transfers *transfers;
    struct archive *archive;
    struct harvest *harvest;
    struct netaddr_policy policy;
    struct loop_visit *visits;
    uint32_t beat_timeout_ms;
    unsigned silent_beats;
    bool draining, over, failed;
    struct error err;

    /* Finished, with a record that the disk refuses; oldest first. */
    struct transfer *stalled, *stalled_last;
    int64_t stalled_since_ms, stall_again_ms;
};

static void loop_fail(struct loop *l, const char *text) {
    if (!l->failed)
        error_set(&l->err, 0, "%s", text);
    l->failed = l->over = true;
}

/* ---- finished exchanges -------------------------------------------------------------------------- */

static void stalled_add(struct loop *l, struct transfer *t) {
    t->shell = NULL;
    if (l->stalled == NULL)
        l->stalled = t;
    else
        l->stalled_last->shell = t;
    l->stalled_last = t;
}

static void stalled_remove_target(struct loop *l, const struct transfer_target *target) {
    struct transfer *t = l->stalled, *next;

    l->stalled = l->stalled_last = NULL;
    for (; t != NULL; t = next) {
        next = t->shell;
        if (t->target != target)
            stalled_add(l, t);
    }
}

static enum segment_result store(struct loop *l, struct transfer *t, struct agent_outcome *o,
                                 struct segment_place *place) {
    struct segment_response r = {
        .url = t->url,
        .url_len = t->url_len,
        .at_unix_ms = t->started_unix_ms,
        .address = t->target->sockets.address,
        .address_len = t->target->sockets.address_len,
        .head = t->head.data,
        .head_len = t->head.len,
        .cut = t->body.cut,
    };
    struct error err = {0};

    if (!body_view(&t->body, &r.body, &r.body_len)) {
        error_set(&err, errno, "cannot read a body");
        log_warn("loop", "%s", err.text);
        return SEGMENT_AGAIN;
    }
    enum segment_result result =
        archive_append(l->archive, agent_session(l->agent), &r, place, &o->segment, &err);
    if (result == SEGMENT_OK) {
        o->digest = place->digest;
        o->offset = place->offset;
        o->record_length = place->length;
    } else if (result == SEGMENT_INVALID) {
        o->failure = AGENT_HOPELESS;
        o->reason = "protocol: bad header";
    } else if (result == SEGMENT_FAILED) {
        loop_fail(l, err.text);
    } else if (l->stalled == NULL) {
        log_warn("loop", "%s; nothing is fetched until it can be written", err.text);
    }
    return result;
}

/* False: the disk refuses the record, the transfer is to be kept. */
static bool finish_page(struct loop *l, struct transfer *t) {
    struct agent_outcome o;
    struct segment_place place;

    harvest_outcome(l->harvest, t, &o);
    if (agent_disposition(l->agent, t->fetch, t->status, t->failure) == AGENT_ARCHIVE) {
        enum segment_result result = store(l, t, &o, &place);
        if (result == SEGMENT_AGAIN || result == SEGMENT_FAILED)
            return false;
        if (result == SEGMENT_OK)
            harvest_links(l->harvest, t, &o);
    }
    agent_fetched(l->agent, fence_now_ms(), t->fetch, &o);
    transfer_release(t);
    return true;
}

static void finish_robots(struct loop *l, struct transfer *t) {
    struct agent_outcome o;
    const char *body = "";
    size_t len = 0;

    harvest_outcome(l->harvest, t, &o);
    if (t->failure == AGENT_NO_FAILURE && !harvest_robots(l->harvest, t, &body, &len)) {
        o.failure = AGENT_HOPELESS;
        o.reason = "protocol: bad content coding";
    }
    agent_fetched_robots(l->agent, fence_now_ms(), t->fetch, &o, body, len);
    transfer_release(t);
}

static void on_finished(void *arg, struct transfer *t) {
    struct loop *l = arg;

    if (t->failure != AGENT_NO_FAILURE && log_enabled(LOG_DEBUG))
        log_event(LOG_DEBUG, "loop", "no response", log_bytes("url", t->url, t->url_len),
                  log_str("reason", t->reason));
    if (t->robots) {
        finish_robots(l, t);
        return;
    }
    if (l->stalled == NULL && finish_page(l, t))
        return;
    if (l->stalled == NULL) {
        agent_hold(l->agent, true);
        l->stalled_since_ms = fence_now_ms();
        l->stall_again_ms = l->stalled_since_ms + STALL_PAUSE_MS;
    }
    stalled_add(l, t);
}

static void retry_stalled(struct loop *l, int64_t now_ms) {
    while (l->stalled != NULL) {
        struct transfer *t = l->stalled, *next = t->shell;
        if (!finish_page(l, t)) {
            l->stall_again_ms = now_ms + STALL_PAUSE_MS;
            if (l->draining && now_ms - l->stalled_since_ms > STALL_LEAVING_MS)
                loop_fail(l, "the archive cannot be written");
            return;
        }
        l->stalled = next;
    }
    agent_hold(l->agent, false);
    l->stall_again_ms = INT64_MAX;
    log_info("loop", "the archive can be written again");
}

/* ---- visits -------------------------------------------------------------------------------------- */

/* scheme://host[:port] */
static void split_origin(struct loop_visit *v, const char *origin) {
    const char *host = strstr(origin, "://");
    bool tls = strncmp(origin, "https:", 6) == 0;

    host = host == NULL ? origin : host + 3;
    const char *bracket = strchr(host, ']');
    const char *colon = strchr(bracket == NULL ? host : bracket, ':');
    v->host = host;
    v->host_len = colon == NULL ? strlen(host) : (size_t)(colon - host);
    v->port = colon == NULL ? (uint16_t)(tls ? 443 : 80) : (uint16_t)strtoul(colon + 1, NULL, 10);
}

static struct loop_visit *visit_here(struct loop *l, struct visit *visit) {
    struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        return v;
    v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->loop = l;
    v->visit = visit;
    split_origin(v, visit_origin(visit));
    v->next = l->visits;
    if (v->next != NULL)
        v->next->prev = v;
    l->visits = v;
    visit_set_shell(visit, v);
    return v;
}

static void visit_stop(struct loop *l, struct loop_visit *v) {
    dns_cancel(l->dns, &v->query);
    stalled_remove_target(l, &v->target);
    transfers_abort(&v->target);
}

static void visit_forget(struct loop *l, struct loop_visit *v) {
    visit_stop(l, v);
    sockets_detach(&v->target.sockets);
    transfer_target_release(&v->target);
    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        l->visits = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    visit_set_shell(v->visit, NULL);
    free(v);
}

static void to_sockaddr(const struct dns_address *a, struct sockaddr_storage *to) {
    memset(to, 0, sizeof *to);
    if (a->len == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, a->bytes, 4);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_addr, a->bytes, 16);
    }
}

/* The address that the visit had, if it still is one; else the first allowed one. */
static const struct dns_address *
pick_address(const struct loop_visit *v, const struct dns_answer *answer, const char **why_not) {
    const struct dns_address *best = NULL;
    size_t old_len;
    const void *old = visit_address(v->visit, &old_len);

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_address *a = &answer->addresses[i];
        struct sockaddr_storage to;
        to_sockaddr(a, &to);
        if (!netaddr_allowed(&v->loop->policy, (struct sockaddr *)&to)) {
            *why_not = netaddr_reason((struct sockaddr *)&to);
            continue;
        }
        if (a->len == old_len && memcmp(a->bytes, old, old_len) == 0)
            return a;
        if (best == NULL)
            best = a;
    }
    return best;
}

static void on_resolved(struct dns_query *q, const struct dns_answer *answer) {
    struct loop_visit *v = (struct loop_visit *)q;
    struct agent *a = v->loop->agent;
    const char *why_not = NULL;
    char reason[160];
    const struct dns_address *best = pick_address(v, answer, &why_not);
    bool port_allowed = netaddr_port_allowed(v->port);
    int64_t now_ms = fence_now_ms();

    if (best != NULL && port_allowed) {
        agent_resolved(a, now_ms, v->visit, best->bytes, best->len, false, NULL);
        return;
    }
    if (answer->count == 0)
        snprintf(reason, sizeof reason, "%s", answer->reason);
    else if (!port_allowed)
        snprintf(reason, sizeof reason, "port %u not allowed", (unsigned)v->port);
    else
        snprintf(reason, sizeof reason, "address not allowed: %s",
                 why_not == NULL ? "not public" : why_not);
    agent_resolved(a, now_ms, v->visit, NULL, 0, answer->count > 0, reason);
}

static void resolve(struct loop *l, struct visit *visit, int64_t now_ms) {
    struct loop_visit *v = visit_here(l, visit);

    if (v == NULL) {
        agent_resolved(l->agent, now_ms, visit, NULL, 0, false, "out of memory");
        return;
    }
    v->query.done = on_resolved;
    dns_lookup(l->dns, &v->query, v->host, v->host_len, now_ms);
}

/* After heartbeats: leases were renewed. */
static void renew_leases(struct loop *l) {
    for (struct loop_visit *v = l->visits; v != NULL; v = v->next)
        sockets_renew(l->sockets, &v->target.sockets, visit_deadline_ms(v->visit));
}

/* ---- starting fetches ---------------------------------------------------------------------------- */

static bool aim(struct loop_visit *v) {
    size_t len;
    const void *address = visit_address(v->visit, &len);
    const struct sockets_group *g = &v->target.sockets;

    if (v->target.first != NULL || (v->target.base != NULL && g->address_len == len && len > 0 &&
                                    memcmp(g->address, address, len) == 0))
        return true;
    return transfer_target_set(&v->target, visit_origin(v->visit), v->host, v->host_len, v->port,
                               address, len);
}

static void start_failed(struct loop *l, const struct agent_fetch *f, int64_t now_ms) {
    struct agent_outcome o = {
        .failure = AGENT_NETWORK, .reason = "out of memory", .started_ms = now_ms};

    if (f->robots)
        agent_fetched_robots(l->agent, now_ms, f->fetch, &o, "", 0);
    else
        agent_fetched(l->agent, now_ms, f->fetch, &o);
}

static void start_fetches(struct loop *l) {
    struct agent_fetch f;
    int64_t now_ms = fence_now_ms();

    while (agent_next_fetch(l->agent, now_ms, &f)) {
        struct loop_visit *v = visit_here(l, f.visit);
        if (v != NULL)
            sockets_renew(l->sockets, &v->target.sockets, f.deadline_ms);
        if (v == NULL || !aim(v) ||
            transfer_start(l->transfers, &f, &v->target, fence_now_ms()) == NULL)
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
    const struct harvest_options harvest = {
        .follow = o->follow, .robots_ignore = o->robots_ignore, .user_agent = o->user_agent};
    uint32_t beat_ms = o->lease_ms / 3;

    if (beat_ms > BEAT_TIMEOUT_MAX_MS)
        beat_ms = BEAT_TIMEOUT_MAX_MS;
    l->beat_timeout_ms = beat_ms < BEAT_TIMEOUT_MIN_MS ? BEAT_TIMEOUT_MIN_MS : beat_ms;
    if (!set_policy(l, o)) {
        l->failed = l->over = true;
        return;
    }
    if (!transfers_set_options(l->transfers, o->user_agent, o->timeout_ms, o->max_body_bytes) ||
        !archive_set_options(l->archive, o->crawl, o->user_agent, o->warc_bytes,
                             (int)o->warc_level) ||
        !harvest_set_options(l->harvest, &harvest))
        loop_fail(l, "out of memory");
}

static void send_request(struct loop *l, const struct agent_effect *e, int64_t now_ms) {
    unsigned timeout_ms = e->line == AGENT_BEAT ? l->beat_timeout_ms : CALL_TIMEOUT_MS;

    if (!rpc_lines_send(l->lines, (unsigned)e->line, e->request->data, e->request->len, timeout_ms))
        agent_no_reply(l->agent, now_ms, e->line);
}

static void close_visit(struct loop *l, struct visit *visit, int64_t now_ms) {
    struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        visit_stop(l, v);
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
        resolve(l, e->visit, now_ms);
        break;
    case AGENT_CLOSE:
        close_visit(l, e->visit, now_ms);
        break;
    case AGENT_ABORT:
        if (visit_shell(e->visit) != NULL)
            visit_stop(l, visit_shell(e->visit));
        break;
    case AGENT_FORGET:
        if (visit_shell(e->visit) != NULL)
            visit_forget(l, visit_shell(e->visit));
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
        l->over = true;
        break;
    case AGENT_REFUSED:
        loop_fail(l, e->text);
        break;
    }
}

static void take_effects(struct loop *l) {
    struct agent_effect e;
    int64_t now_ms = fence_now_ms();

    agent_note_traffic(l->agent, transfers_running(l->transfers), transfers_bytes_in(l->transfers));
    while (!l->over && agent_poll(l->agent, now_ms, &e))
        take_effect(l, &e, now_ms);
}

static void on_segment_closed(void *arg, const char *name) {
    agent_segment_closed(((struct loop *)arg)->agent, name);
}

static void on_synced(void *arg, uint64_t mark) {
    agent_synced(((struct loop *)arg)->agent, fence_now_ms(), mark);
}

static void on_sealed(void *arg, const char *name) {
    agent_sealed(((struct loop *)arg)->agent, fence_now_ms(), name);
}

static void on_archive_failed(void *arg, const char *text) {
    loop_fail(arg, text);
}

/* ---- events -------------------------------------------------------------------------------------- */

static void note_beat(struct loop *l, bool ok) {
    l->silent_beats = ok ? 0 : l->silent_beats + 1;
    if (ok)
        renew_leases(l);
    if (l->silent_beats < SILENT_BEATS)
        return;
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

    switch ((enum tag)(ev->data.u64 >> 32)) {
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
}

static void take_ticks(struct loop *l) {
    int64_t now_ms = fence_now_ms();

    transfers_tick(l->transfers, now_ms);
    archive_tick(l->archive, now_ms);
    dns_tick(l->dns);
    if (l->stalled != NULL && now_ms >= l->stall_again_ms)
        retry_stalled(l, now_ms);
}

static void earlier(int64_t *at, int64_t t) {
    if (t < *at)
        *at = t;
}

static int wait_ms(const struct loop *l) {
    int64_t now_ms = fence_now_ms(), next = agent_next_ms(l->agent, now_ms);

    earlier(&next, transfers_next_ms(l->transfers));
    earlier(&next, archive_next_ms(l->archive));
    if (l->stalled != NULL)
        earlier(&next, l->stall_again_ms);
    if (next <= now_ms)
        return 0;
    return (int)dns_timeout_ms(l->dns, next - now_ms < 1000 ? next - now_ms : 1000);
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
        int n = epoll_wait(l->epoll_fd, events, EVENTS, wait_ms(l));
        take_effects(l);
        for (int i = 0; i < n && !l->over; i++)
            take_event(l, &events[i]);
    }
}

/* ---- the thread ---------------------------------------------------------------------------------- */

static bool seal_call(void *arg, const void *bytes, size_t len, struct buf *reply,
                      struct error *err) {
    return rpc_call_sync(arg, bytes, len, SEAL_TIMEOUT_MS, reply, err);
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
        .worker = l->config.worker,
        .incarnation = l->config.incarnation,
        .loop = l->config.loop,
        .loops = l->config.loops,
        .transfers_max = l->config.transfers,
    };

    memcpy(config.instance, l->config.instance, sizeof config.instance);
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
        .sockets = l->sockets,
        .bodies = &l->bodies,
        .finished = on_finished,
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
        .worker = l->config.worker,
        .remote = {seal_call, l->config.client},
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
    size_t sockets_max = 2 * (size_t)l->config.transfers + 512;

    l->beat_timeout_ms = BEAT_TIMEOUT_MAX_MS;
    l->stall_again_ms = INT64_MAX;
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
        visit_forget(l, l->visits);
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

    if (set_up(l))
        run(l);
    else
        l->failed = true;
    tear_down(l);
    atomic_store(&l->state, l->failed ? LOOP_FAILED : LOOP_ENDED);
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
    int rc = l->control_fd < 0 ? errno : pthread_create(&l->thread, NULL, loop_main, l);
    if (rc != 0) {
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

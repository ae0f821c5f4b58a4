#include "master/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "master/commit.h"
#include "proto/rpc.h"
#include "shared/cost.h"
#include "shared/limits.h"
#include "shared/log.h"

enum { MEND_PAUSE_MS = 1000, COST_AGE_MS = 50 };

struct server {
    const struct options *options;
    const char *listen;
    unsigned contexts;
    struct store *store;
    struct rpc_server *rpc;
    struct committer *committer;
    pthread_t ticker;
    bool ticking;

    pthread_mutex_t lock; /* guards what follows, and the core */
    pthread_cond_t changed;
    struct core *core; /* NULL: being made anew */
    bool broken;       /* the core is void, or a sync failed: to be mended */
    struct error trouble;
    bool ending;               /* the server is being freed */
    struct core_orders orders; /* to be obeyed by the next core, while there is none */
    char why[SERVER_WHY_BYTES];
};

static int64_t clock_ms(clockid_t clock) {
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct now now(void) {
    return (struct now){.mono_ms = clock_ms(CLOCK_BOOTTIME), .unix_ms = clock_ms(CLOCK_REALTIME)};
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void send_code(struct rpc_call *call, Trawl__Code code, const char *error) {
    Trawl__Reply r = TRAWL__REPLY__INIT;
    struct buf bytes;

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r.version = WIRE_VERSION;
    r.code = code;
    r.error = (char *)error;
    if (wire_pack(&bytes, &r.base))
        rpc_server_reply(call, bytes.data, bytes.len);
    else
        rpc_server_drop(call);
    buf_release(&bytes);
}

static void send_reply(void *arg, void *call, const struct buf *reply) {
    (void)arg;
    rpc_server_reply(call, reply->data, reply->len);
}

static void send_busy(void *arg, void *call) {
    (void)arg;
    send_code(call, TRAWL__CODE__BUSY, "nothing can be stored now");
}

/* The lock is held. What is to blame is said, and nothing else: memory that was refused is no fault of the disk. */
static void break_down(struct server *s) {
    if (!s->broken)
        log_error("master", "%s: %s",
                  store_failed(s->store, NULL) ? "the crawldb failed"
                                               : "the core begins anew from the crawldb",
                  s->trouble.text);
    s->broken = true;
    pthread_cond_broadcast(&s->changed);
}

static void sync_failed(void *arg) {
    struct server *s = arg;

    pthread_mutex_lock(&s->lock);
    (void)store_failed(s->store, &s->trouble);
    break_down(s);
    pthread_mutex_unlock(&s->lock);
}

static void on_event(void *arg, enum core_event event, const char *name, const char *why) {
    (void)arg;
    switch (event) {
    case CORE_WORKER_JOINED:
        log_info("master", "worker %s has joined", name);
        break;
    case CORE_WORKER_LEFT:
        log_info("master", "worker %s has left", name);
        break;
    case CORE_WORKER_LOST:
        log_warn("master", "worker %s is lost: its tasks go to others", name);
        break;
    case CORE_WORKER_TROUBLED:
        log_warn("master", "worker %s cannot work: %s", name, why);
        break;
    case CORE_WORKER_WELL:
        log_info("master", "worker %s is well again", name);
        break;
    case CORE_WORKER_SUSPECT:
        log_warn(
            "master",
            "worker %s has died %s, and nothing of it was ever taken: it may be ill, and what "
            "it died with waits until another worker, or a page that it can fetch, shows which "
            "of them is to blame",
            name, why);
        break;
    case CORE_ORIGIN_PARKED:
        log_warn("master", "%s is given up: %s", name, why);
        break;
    case CORE_SCOPE_GREW:
        log_info("master", "the scope is wider: %s", why);
        break;
    }
}

enum asked { ASKED_BUSY, ASKED_READY, ASKED_WAITS, ASKED_DROPPED };

/* Takes the request through the core, and the reply to the committer if it has to wait. The lock is held. */
static enum asked ask_core(struct server *s, const Trawl__Request *request, struct rpc_call *call,
                           const char *peer, struct buf *reply) {
    if (s->core == NULL || s->broken)
        return ASKED_BUSY;
    enum core_when when = core_request(s->core, now(), request, peer, reply);
    if (core_failed(s->core, &s->trouble)) {
        break_down(s);
        return ASKED_BUSY;
    }
    /* The ticker sleeps until what was due before this request. */
    if (core_state(s->core) != CORE_RUNNING)
        pthread_cond_broadcast(&s->changed);
    if (when == CORE_AT_ONCE)
        return ASKED_READY;
    return committer_add(s->committer, call, reply) ? ASKED_WAITS : ASKED_DROPPED;
}

static void answer(struct server *s, const Trawl__Request *request, struct rpc_call *call,
                   const char *peer) {
    struct cost_sums own;
    struct buf reply;

    buf_init(&reply, LIMIT_WIRE_BYTES);
    if (request->body_case == TRAWL__REQUEST__BODY_STATUS)
        cost_read(&own, COST_AGE_MS);
    cost_enter(COST_IDLE);
    pthread_mutex_lock(&s->lock);
    cost_enter(COST_COMMIT);
    if (request->body_case == TRAWL__REQUEST__BODY_STATUS && s->core != NULL)
        core_note_cost(s->core, &own);
    enum asked asked = ask_core(s, request, call, peer, &reply);
    pthread_mutex_unlock(&s->lock);
    cost_enter(COST_RPC);
    switch (asked) {
    case ASKED_BUSY:
        send_busy(s, call);
        break;
    case ASKED_READY:
        rpc_server_reply(call, reply.data, reply.len);
        break;
    case ASKED_WAITS:
        break;
    case ASKED_DROPPED:
        rpc_server_drop(call);
        break;
    }
    buf_release(&reply);
}

static void handle(void *arg, struct rpc_call *call, const void *bytes, size_t len,
                   const char *peer) {
    struct server *s = arg;
    struct arena arena;

    (void)cost_begin(COST_RPC);
    cost_enter(COST_RPC);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Request *request = wire_request_unpack(&arena, bytes, len);
    if (request == NULL)
        send_code(call, TRAWL__CODE__BAD_REQUEST, "not a request of this protocol");
    else
        answer(s, request, call, peer);
    arena_release(&arena);
    cost_enter(COST_IDLE);
    cost_settle();
}

static void refuse(void *arg, struct rpc_call *call, const char *why) {
    (void)arg;
    send_code(call, TRAWL__CODE__REFUSED, why);
}

/* ---- the ticker ------------------------------------------------------------------------------------------ */

static struct core *core_make(struct server *s, struct error *err) {
    unsigned char random16[16];

    if (getrandom(random16, sizeof random16, 0) != sizeof random16) {
        error_set(err, errno, "no random numbers");
        return NULL;
    }
    struct core *c = core_new(s->options, s->store, now(), random16, err);
    if (c != NULL)
        core_listen(c, on_event, s);
    return c;
}

/* One try at getting store and core to work again. The lock is held, and given up in between. */
static void mend(struct server *s) {
    struct error err = {0};
    struct core *fresh = NULL;

    if (s->core != NULL)
        s->orders = core_orders(s->core);
    core_free(s->core);
    s->core = NULL;
    pthread_mutex_unlock(&s->lock);
    committer_pause(s->committer);
    if (store_reopen(s->store, &err))
        fresh = core_make(s, &err);
    committer_resume(s->committer);
    pthread_mutex_lock(&s->lock);
    if (fresh == NULL) {
        s->trouble = err;
        return;
    }
    s->core = fresh;
    s->broken = false;
    core_obey(s->core, now(), s->orders);
    log_info("master", "works again");
}

static void wait_until(struct server *s, int64_t mono_ms) {
    struct timespec t = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};

    (void)pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &t);
}

/* A pause on the condition's clock, which stands still while the machine sleeps. */
static void rest(struct server *s, int64_t pause_ms) {
    wait_until(s, clock_ms(CLOCK_MONOTONIC) + pause_ms);
}

static void tick(struct server *s) {
    struct now at = now();

    core_tick(s->core, at);
    cost_settle();
    if (core_failed(s->core, &s->trouble)) {
        break_down(s);
        return;
    }
    snprintf(s->why, sizeof s->why, "%s", core_why(s->core) == NULL ? "" : core_why(s->core));
    if (core_state(s->core) == CORE_ENDED)
        pthread_cond_broadcast(&s->changed);
    int64_t pause = core_next_ms(s->core, at) - at.mono_ms;
    rest(s, pause < 1 ? 1 : pause > 1000 ? 1000 : pause);
}

static void *ticker(void *arg) {
    struct server *s = arg;

    (void)cost_begin(COST_COMMIT);
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (s->core != NULL && !s->broken) {
            tick(s);
            continue;
        }
        mend(s);
        if (s->broken && !s->ending)
            rest(s, MEND_PAUSE_MS);
    }
    pthread_mutex_unlock(&s->lock);
    cost_end();
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

struct server *server_new(const struct server_config *config, struct error *err) {
    struct server *s = calloc(1, sizeof *s);
    struct committer_config commit = {.store = config->store,
                                      .send = send_reply,
                                      .busy = send_busy,
                                      .failed = sync_failed,
                                      .arg = s};

    if (s == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    s->options = config->options;
    s->store = config->store;
    s->listen = config->listen;
    s->contexts = config->contexts;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->core = core_make(s, err);
    if (s->core == NULL)
        goto fail;
    s->committer = committer_new(&commit);
    if (s->committer != NULL)
        return s;
    error_set(err, 0, "cannot start a thread");
fail:
    server_free(s);
    return NULL;
}

bool server_start(struct server *s, struct error *err) {
    const struct rpc_server_config rpc = {.address = s->listen,
                                          .contexts = s->contexts,
                                          .handle = handle,
                                          .refuse = refuse,
                                          .arg = s};
    uint64_t synced;

    if (!store_sync(s->store, &synced, err))
        return false;
    s->rpc = rpc_server_new(&rpc, err);
    if (s->rpc == NULL)
        return false;
    if (pthread_create(&s->ticker, NULL, ticker, s) != 0) {
        error_set(err, 0, "cannot start a thread");
        return false;
    }
    s->ticking = true;
    return true;
}

void server_free(struct server *s) {
    bool stopped = true;

    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->ticking)
        pthread_join(s->ticker, NULL);
    /* The last worker's leave waits for its answer. */
    committer_flush(s->committer);
    if (s->rpc != NULL)
        stopped = rpc_server_stop(s->rpc);
    committer_free(s->committer);
    /* If nng hangs, its threads may still be in here: what they use is left to the end of the process. */
    if (!stopped)
        return;
    rpc_server_free(s->rpc);
    core_free(s->core);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *server_address(const struct server *s) {
    return rpc_server_address(s->rpc);
}

bool server_seed(struct server *s, const char *url, size_t len, struct error *err) {
    return core_seed(s->core, now(), url, len, err);
}

bool server_sitemap(struct server *s, const char *url, size_t len, struct error *err) {
    return core_sitemap(s->core, now(), url, len, err);
}

void server_stop(struct server *s, const char *why) {
    pthread_mutex_lock(&s->lock);
    s->orders.stopped = why;
    if (s->core != NULL)
        core_stop(s->core, now(), why);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool server_wants_worker(struct server *s, const char *name) {
    pthread_mutex_lock(&s->lock);
    bool wanted = s->core != NULL && core_wants_worker(s->core, name);
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

bool server_wait(struct server *s, unsigned timeout_ms) {
    int64_t until = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    bool ended;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        ended = s->core != NULL && core_state(s->core) == CORE_ENDED;
        if (ended || clock_ms(CLOCK_MONOTONIC) >= until)
            break;
        wait_until(s, until);
    }
    pthread_mutex_unlock(&s->lock);
    return ended;
}

bool server_troubled(struct server *s, struct error *err) {
    bool troubled;

    pthread_mutex_lock(&s->lock);
    troubled = s->broken || s->core == NULL;
    if (troubled && err != NULL)
        *err = s->trouble;
    pthread_mutex_unlock(&s->lock);
    return troubled;
}

bool server_stats(struct server *s, struct core_stats *stats) {
    bool there;

    pthread_mutex_lock(&s->lock);
    there = s->core != NULL;
    if (there)
        core_stats(s->core, stats);
    pthread_mutex_unlock(&s->lock);
    return there;
}

bool server_cost(struct server *s, struct core_cost *cost) {
    struct cost_sums own;
    bool there;

    cost_settle();
    cost_read(&own, COST_AGE_MS);
    pthread_mutex_lock(&s->lock);
    there = s->core != NULL;
    if (there) {
        core_note_cost(s->core, &own);
        core_cost(s->core, cost);
    }
    pthread_mutex_unlock(&s->lock);
    return there;
}

bool server_status_json(struct server *s, struct buf *out) {
    struct cost_sums own;
    bool ok;

    cost_read(&own, COST_AGE_MS);
    pthread_mutex_lock(&s->lock);
    if (s->core != NULL)
        core_note_cost(s->core, &own);
    ok = s->core != NULL && core_status_json(s->core, now(), out);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

void server_why(struct server *s, char why[SERVER_WHY_BYTES]) {
    pthread_mutex_lock(&s->lock);
    memcpy(why, s->why, SERVER_WHY_BYTES);
    pthread_mutex_unlock(&s->lock);
}

void server_unsealed(struct server *s,
                     void (*line)(void *arg, const char *segment, const char *worker), void *arg) {
    pthread_mutex_lock(&s->lock);
    if (s->core != NULL)
        core_unsealed(s->core, line, arg);
    pthread_mutex_unlock(&s->lock);
}

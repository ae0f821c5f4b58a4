/*
 * rpc_client: the client of rpc.h.
 *
 * Threads: nng's own finish the lines and tell of connections. What they share with ours is guarded by the
 * mutex of the client (its connection) or of the lines (their states); nng is not called under it.
 *
 * A line: FREE -> SENDING -> WAITING -> DONE -> (taken) FREE
 *                    `---- timeout, broken --^
 */
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/rpc.h"
#include "proto/rpc_nng.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "shared/parse.h"

/* nng waits a random part of a pause that doubles. */
enum { RECONNECT_MIN_MS = 50, RECONNECT_MAX_MS = 1000, SAY_AGAIN_MS = 60 * 1000 };

struct rpc_client {
    nng_socket socket;
    bool socket_open;
    char address[160];
    pthread_mutex_t lock;
    nng_pipe pipe; /* the last that was made */
    bool connected;
    uint64_t connections;
    int tell_fd;       /* -1: nobody wants to know */
    bool careful;      /* the server is to be ours or root's */
    char strange[160]; /* whose it was when it was not; empty: none such since it was reached */
    nng_time said;     /* when that was logged; 0: never */
};

/* nng is told before it sends anything. */
static void client_check(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_client *c = arg;
    char whose[sizeof c->strange];

    (void)event;
    if (!c->careful)
        return;
    enum socket_trust trust = rpc_nng_trust(pipe, whose, sizeof whose);
    nng_time now = nng_clock();
    pthread_mutex_lock(&c->lock);
    bool say = trust == SOCKET_STRANGE && (c->said == 0 || now - c->said >= SAY_AGAIN_MS);
    snprintf(c->strange, sizeof c->strange, "%s", trust == SOCKET_STRANGE ? whose : "");
    if (say)
        c->said = now;
    pthread_mutex_unlock(&c->lock);
    if (say)
        log_warn("rpc", "%s listens at %s: only a server of this user or of root is trusted there",
                 whose, c->address);
    if (trust != SOCKET_TRUSTED)
        nng_pipe_close(pipe);
}

static void client_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_client *c = arg;

    pthread_mutex_lock(&c->lock);
    if (event == NNG_PIPE_EV_ADD_POST) {
        c->pipe = pipe;
        c->connected = true;
        c->connections++;
        if (c->tell_fd >= 0)
            (void)!write(c->tell_fd, &(uint64_t){1}, sizeof(uint64_t));
    } else if (nng_pipe_id(pipe) == nng_pipe_id(c->pipe)) {
        c->connected = false;
    }
    pthread_mutex_unlock(&c->lock);
}

static int client_dial(struct rpc_client *c, enum rpc_dial dial) {
    nng_dialer d;
    int rv;

    if ((rv = nng_req0_open(&c->socket)) != 0)
        return rv;
    c->socket_open = true;
    if ((rv = nng_socket_set_ms(c->socket, NNG_OPT_REQ_RESENDTIME, -1)) != 0 ||
        (rv = nng_pipe_notify(c->socket, NNG_PIPE_EV_ADD_PRE, client_check, c)) != 0 ||
        (rv = nng_pipe_notify(c->socket, NNG_PIPE_EV_ADD_POST, client_pipe, c)) != 0 ||
        (rv = nng_pipe_notify(c->socket, NNG_PIPE_EV_REM_POST, client_pipe, c)) != 0 ||
        (rv = nng_dialer_create(&d, c->socket, c->address)) != 0 ||
        (rv = nng_dialer_set_size(d, NNG_OPT_RECVMAXSZ, LIMIT_WIRE_BYTES)) != 0 ||
        (rv = nng_dialer_set_ms(d, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (rv = nng_dialer_set_ms(d, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        (rv = nng_dialer_set_bool(d, NNG_OPT_TCP_NODELAY, true)) != 0 ||
        (rv = nng_dialer_set_bool(d, NNG_OPT_TCP_KEEPALIVE, true)) != 0)
        return rv;
    return nng_dialer_start(d, dial == RPC_DIAL_NOW ? 0 : NNG_FLAG_NONBLOCK);
}

struct rpc_client *rpc_client_new(const char *address, enum rpc_dial dial, struct error *err) {
    struct rpc_client *c = calloc(1, sizeof *c);
    int rv = NNG_ENOMEM;

    if (c != NULL) {
        pthread_mutex_init(&c->lock, NULL);
        struct parse_address a;
        c->tell_fd = -1;
        c->careful =
            dial == RPC_DIAL_OWN && parse_rpc_address(address, PARSE_DIAL, &a) && a.is_loopback;
        int n = snprintf(c->address, sizeof c->address, "%s", address);
        rv = n < 0 || (size_t)n >= sizeof c->address ? NNG_EADDRINVAL : client_dial(c, dial);
    }
    if (rv == 0)
        return c;
    rpc_nng_error(err, rv, "cannot reach the master at", address);
    rpc_client_free(c);
    return NULL;
}

bool rpc_client_strange(struct rpc_client *c, struct error *err) {
    pthread_mutex_lock(&c->lock);
    bool strange = c->strange[0] != '\0';
    if (strange)
        error_set(err, 0,
                  "%s listens at %s: only a server of this user or of root is trusted there",
                  c->strange, c->address);
    pthread_mutex_unlock(&c->lock);
    return strange;
}

bool rpc_client_free(struct rpc_client *c) {
    if (c == NULL)
        return true;
    if (c->socket_open && !rpc_nng_close(c->socket))
        return false;
    pthread_mutex_destroy(&c->lock);
    free(c);
    return true;
}

uint64_t rpc_client_connections(const struct rpc_client *c) {
    struct rpc_client *locked = (struct rpc_client *)c;

    pthread_mutex_lock(&locked->lock);
    uint64_t n = c->connections;
    pthread_mutex_unlock(&locked->lock);
    return n;
}

bool rpc_client_connected(const struct rpc_client *c) {
    struct rpc_client *locked = (struct rpc_client *)c;

    pthread_mutex_lock(&locked->lock);
    bool connected = c->connected;
    pthread_mutex_unlock(&locked->lock);
    return connected;
}

void rpc_client_tell(struct rpc_client *c, int eventfd) {
    pthread_mutex_lock(&c->lock);
    c->tell_fd = eventfd;
    pthread_mutex_unlock(&c->lock);
}

void rpc_client_reconnect(struct rpc_client *c) {
    pthread_mutex_lock(&c->lock);
    nng_pipe pipe = c->pipe;
    bool connected = c->connected;
    c->connected = false;
    pthread_mutex_unlock(&c->lock);
    if (connected)
        nng_pipe_close(pipe);
}

static bool call_wait(nng_ctx ctx, nng_aio *aio, nng_msg *request, unsigned timeout_ms, int *rv) {
    nng_time end = nng_clock() + timeout_ms;

    nng_aio_set_timeout(aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(aio, request);
    nng_ctx_send(ctx, aio);
    nng_aio_wait(aio);
    if ((*rv = nng_aio_result(aio)) != 0) {
        nng_msg_free(request);
        return false;
    }
    nng_time now = nng_clock();
    nng_aio_set_timeout(aio, now < end ? (nng_duration)(end - now) : 0);
    nng_ctx_recv(ctx, aio);
    nng_aio_wait(aio);
    return (*rv = nng_aio_result(aio)) == 0;
}

bool rpc_call_sync(struct rpc_client *c, const void *bytes, size_t len, unsigned timeout_ms,
                   struct buf *reply, struct error *err) {
    nng_ctx ctx = NNG_CTX_INITIALIZER;
    nng_aio *aio = NULL;
    int rv = NNG_ENOMEM;
    bool ok = false;

    buf_reset(reply);
    nng_msg *request = rpc_nng_message(bytes, len);
    if (request == NULL) {
        rv = len > RPC_NNG_BYTES_MAX ? NNG_EMSGSIZE : NNG_ENOMEM;
        goto out;
    }
    if ((rv = nng_ctx_open(&ctx, c->socket)) != 0 || (rv = nng_aio_alloc(&aio, NULL, NULL)) != 0) {
        nng_msg_free(request);
        goto out;
    }
    if (call_wait(ctx, aio, request, timeout_ms, &rv)) {
        nng_msg *m = nng_aio_get_msg(aio);
        ok = buf_append(reply, nng_msg_body(m), nng_msg_len(m));
        rv = ok ? 0 : NNG_ENOMEM;
        nng_msg_free(m);
    }
out:
    if (aio != NULL)
        nng_aio_free(aio);
    if (nng_ctx_id(ctx) > 0)
        nng_ctx_close(ctx);
    if (!ok)
        rpc_nng_error(err, rv,
                      rv == NNG_ETIMEDOUT ? "no answer from the master at"
                                          : "cannot reach the master at",
                      c->address);
    return ok;
}

/* ---- lines --------------------------------------------------------------------------------------- */

enum line_state { LINE_FREE, LINE_SENDING, LINE_WAITING, LINE_DONE };

struct line {
    struct rpc_lines *lines;
    nng_ctx ctx;
    nng_aio *aio;
    bool open;
    nng_time end;
    /* Guarded by lines->lock from rpc_lines_send() until DONE, the owner's alone otherwise. */
    enum line_state state;
    nng_msg *reply; /* NULL: none */
};

struct rpc_lines {
    int fd;
    unsigned count;
    pthread_mutex_t lock;
    struct line lines[RPC_LINES_MAX];
};

/* The only place that changes a line's state. */
static void line_become(struct line *line, enum line_state state) {
    pthread_mutex_lock(&line->lines->lock);
    line->state = state;
    pthread_mutex_unlock(&line->lines->lock);
}

static void line_finish(struct line *line, nng_msg *reply) {
    uint64_t one = 1;
    int fd = line->lines->fd;

    line->reply = reply;
    line_become(line, LINE_DONE);
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void line_sent(struct line *line) {
    nng_time now = nng_clock();

    line_become(line, LINE_WAITING);
    nng_aio_set_timeout(line->aio, now < line->end ? (nng_duration)(line->end - now) : 0);
    nng_ctx_recv(line->ctx, line->aio);
}

static void line_event(void *arg) {
    struct line *line = arg;
    int rv = nng_aio_result(line->aio);

    if (line->state == LINE_SENDING) {
        if (rv == 0) {
            line_sent(line);
            return;
        }
        nng_msg_free(nng_aio_get_msg(line->aio));
        nng_aio_set_msg(line->aio, NULL);
        line_finish(line, NULL);
    } else if (line->state == LINE_WAITING) {
        line_finish(line, rv == 0 ? nng_aio_get_msg(line->aio) : NULL);
    }
}

struct rpc_lines *rpc_lines_new(struct rpc_client *c, unsigned count, struct error *err) {
    struct rpc_lines *l = calloc(1, sizeof *l);

    if (l == NULL) {
        error_set(err, ENOMEM, "lines to the master");
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    l->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->fd < 0) {
        error_set(err, errno, "eventfd");
        rpc_lines_free(l);
        return NULL;
    }
    for (; l->count < count && l->count < RPC_LINES_MAX; l->count++) {
        struct line *line = &l->lines[l->count];
        line->lines = l;
        int rv = nng_ctx_open(&line->ctx, c->socket);
        line->open = rv == 0;
        if (rv == 0)
            rv = nng_aio_alloc(&line->aio, line_event, line);
        if (rv != 0) {
            l->count++;
            rpc_nng_error(err, rv, "cannot reach the master at", c->address);
            rpc_lines_free(l);
            return NULL;
        }
    }
    return l;
}

void rpc_lines_free(struct rpc_lines *l) {
    if (l == NULL)
        return;
    for (unsigned i = 0; i < l->count; i++) {
        struct line *line = &l->lines[i];
        if (line->aio != NULL)
            nng_aio_stop(line->aio);
        if (line->open)
            nng_ctx_close(line->ctx);
        if (line->aio != NULL)
            nng_aio_free(line->aio);
        nng_msg_free(line->reply);
    }
    if (l->fd >= 0)
        close(l->fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int rpc_lines_fd(const struct rpc_lines *l) {
    return l->fd;
}

bool rpc_lines_send(struct rpc_lines *l, unsigned index, const void *bytes, size_t len,
                    unsigned timeout_ms) {
    struct line *line = &l->lines[index];
    nng_msg *request = rpc_nng_message(bytes, len);

    if (request == NULL)
        return false;
    nng_msg_free(line->reply);
    line->reply = NULL;
    line->end = nng_clock() + timeout_ms;
    line_become(line, LINE_SENDING);
    nng_aio_set_timeout(line->aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(line->aio, request);
    nng_ctx_send(line->ctx, line->aio);
    return true;
}

bool rpc_lines_take(struct rpc_lines *l, struct rpc_answer *answer) {
    uint64_t count;

    while (read(l->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    for (unsigned i = 0; i < l->count; i++) {
        struct line *line = &l->lines[i];
        pthread_mutex_lock(&l->lock);
        bool done = line->state == LINE_DONE;
        if (done)
            line->state = LINE_FREE;
        pthread_mutex_unlock(&l->lock);
        if (!done)
            continue;
        *answer = (struct rpc_answer){.line = i, .ok = line->reply != NULL};
        if (line->reply != NULL) {
            answer->bytes = nng_msg_body(line->reply);
            answer->len = nng_msg_len(line->reply);
        }
        return true;
    }
    return false;
}

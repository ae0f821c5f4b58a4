/*
 * rpc_server: the server of rpc.h.
 *
 * Threads: nng's own run the handlers. What they share with ours (peers, stopping, users) is guarded by the
 * server's mutex, under which nng is not called. A call belongs to one side at a time:
 *
 *   RECEIVING (nng) --> handler (ours) -- reply --> ANSWERING (nng)
 *       ^                  `-- drop --.                |
 *       `-----------------------------<----------------'
 */
#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rpc.h"
#include "proto/rpc_nng.h"
#include "shared/limits.h"
#include "shared/map.h"

enum { PEER_BYTES = 64, CLOSE_LINGER_MS = 100 /* for replies to who is still there */ };

struct rpc_call {
    struct rpc_server *server;
    nng_ctx ctx;
    nng_aio *in, *out;
    bool open; /* ctx is */
    nng_msg *request;
    char peer[PEER_BYTES];
};

struct rpc_server {
    struct rpc_server_config config;
    nng_socket socket;
    nng_listener listener;
    bool socket_open;
    char address[160];
    pthread_mutex_t lock;
    pthread_cond_t idle; /* of threads inside, or of peers */
    bool stopping;
    unsigned users;   /* threads inside rpc_server_reply() or _drop() */
    struct map peers; /* char[PEER_BYTES] by pipe number */
    unsigned call_count;
    struct rpc_call calls[];
};

static bool server_enter(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    bool open = !s->stopping;
    s->users += open;
    pthread_mutex_unlock(&s->lock);
    return open;
}

static void server_leave(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    if (--s->users == 0 && s->stopping)
        pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static void peer_text(char text[PEER_BYTES], const nng_sockaddr *sa) {
    char host[INET6_ADDRSTRLEN];

    if (sa->s_family == NNG_AF_INET &&
        inet_ntop(AF_INET, &sa->s_in.sa_addr, host, sizeof host) != NULL)
        snprintf(text, PEER_BYTES, "%s:%u", host, (unsigned)ntohs(sa->s_in.sa_port));
    else if (sa->s_family == NNG_AF_INET6 &&
             inet_ntop(AF_INET6, sa->s_in6.sa_addr, host, sizeof host) != NULL)
        snprintf(text, PEER_BYTES, "[%s]:%u", host, (unsigned)ntohs(sa->s_in6.sa_port));
    else
        snprintf(text, PEER_BYTES, "unknown");
}

static void pipe_text(char text[PEER_BYTES], nng_pipe pipe) {
    nng_sockaddr sa;

    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &sa) != 0)
        sa.s_family = NNG_AF_UNSPEC;
    peer_text(text, &sa);
}

/* The address of a connection that is already gone cannot be asked for: it is kept from the start. */
static void peer_added(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_server *s = arg;
    uint64_t id = (uint64_t)nng_pipe_id(pipe);
    char *peer = malloc(PEER_BYTES);

    (void)event;
    if (peer != NULL)
        pipe_text(peer, pipe);
    pthread_mutex_lock(&s->lock);
    bool kept = peer != NULL && s->peers.count < LIMIT_RPC_CONNECTIONS;
    if (kept) {
        free(map_remove(&s->peers, id));
        kept = map_put(&s->peers, id, peer);
    }
    pthread_mutex_unlock(&s->lock);
    if (kept)
        return;
    free(peer);
    nng_pipe_close(pipe);
}

static void peer_removed(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_server *s = arg;

    (void)event;
    pthread_mutex_lock(&s->lock);
    free(map_remove(&s->peers, (uint64_t)nng_pipe_id(pipe)));
    if (s->peers.count == 0 && s->stopping)
        pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static void find_peer(struct rpc_call *call, nng_pipe pipe) {
    struct rpc_server *s = call->server;

    pthread_mutex_lock(&s->lock);
    const char *peer = map_get(&s->peers, (uint64_t)nng_pipe_id(pipe));
    if (peer != NULL)
        memcpy(call->peer, peer, PEER_BYTES);
    pthread_mutex_unlock(&s->lock);
    if (peer == NULL)
        pipe_text(call->peer, pipe);
}

/* In a callback, or between server_enter() and server_leave(). */
static void receive(struct rpc_call *call) {
    nng_ctx_recv(call->ctx, call->in);
}

/* Nothing of the call may be touched behind the handler: it may be replied to and on its next round. */
static void call_received(void *arg) {
    struct rpc_call *call = arg;
    int rv = nng_aio_result(call->in);

    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (rv != 0) {
        receive(call);
        return;
    }
    nng_msg *request = nng_aio_get_msg(call->in);
    call->request = request;
    find_peer(call, nng_msg_get_pipe(request));
    const struct rpc_server_config *config = &call->server->config;
    config->handle(config->arg, call, nng_msg_body(request), nng_msg_len(request), call->peer);
}

static void call_answered(void *arg) {
    struct rpc_call *call = arg;
    int rv = nng_aio_result(call->out);

    if (rv != 0) {
        nng_msg_free(nng_aio_get_msg(call->out));
        nng_aio_set_msg(call->out, NULL);
    }
    if (rv != NNG_ECLOSED && rv != NNG_ECANCELED)
        receive(call);
}

void rpc_server_reply(struct rpc_call *call, const void *bytes, size_t len) {
    struct rpc_server *s = call->server;
    nng_msg *reply = rpc_nng_message(bytes, len);

    nng_msg_free(call->request);
    call->request = NULL;
    if (!server_enter(s)) {
        nng_msg_free(reply);
        return;
    }
    if (reply == NULL) {
        receive(call);
    } else {
        nng_aio_set_msg(call->out, reply);
        nng_ctx_send(call->ctx, call->out);
    }
    server_leave(s);
}

void rpc_server_drop(struct rpc_call *call) {
    struct rpc_server *s = call->server;

    nng_msg_free(call->request);
    call->request = NULL;
    if (!server_enter(s))
        return;
    receive(call);
    server_leave(s);
}

static int server_listen(struct rpc_server *s) {
    int rv, port;
    const char *colon = strrchr(s->config.address, ':');

    if (colon == NULL || colon[1] == '/')
        return NNG_EADDRINVAL;
    if ((rv = nng_rep0_open(&s->socket)) != 0)
        return rv;
    s->socket_open = true;
    if ((rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_POST, peer_added, s)) != 0 ||
        (rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, peer_removed, s)) != 0 ||
        (rv = nng_listener_create(&s->listener, s->socket, s->config.address)) != 0 ||
        (rv = nng_listener_set_size(s->listener, NNG_OPT_RECVMAXSZ, LIMIT_WIRE_BYTES)) != 0 ||
        (rv = nng_listener_set_bool(s->listener, NNG_OPT_TCP_NODELAY, true)) != 0 ||
        (rv = nng_listener_set_bool(s->listener, NNG_OPT_TCP_KEEPALIVE, true)) != 0 ||
        (rv = nng_listener_start(s->listener, 0)) != 0 ||
        (rv = nng_listener_get_int(s->listener, NNG_OPT_TCP_BOUND_PORT, &port)) != 0)
        return rv;
    int head = (int)(colon - s->config.address);
    int n = snprintf(s->address, sizeof s->address, "%.*s:%d", head, s->config.address, port);
    return n < 0 || (size_t)n >= sizeof s->address ? NNG_EADDRINVAL : 0;
}

static int server_calls(struct rpc_server *s) {
    for (unsigned i = 0; i < s->config.contexts; i++) {
        struct rpc_call *call = &s->calls[i];
        int rv;
        call->server = s;
        s->call_count = i + 1;
        if ((rv = nng_aio_alloc(&call->in, call_received, call)) != 0 ||
            (rv = nng_aio_alloc(&call->out, call_answered, call)) != 0 ||
            (rv = nng_ctx_open(&call->ctx, s->socket)) != 0)
            return rv;
        call->open = true;
    }
    return 0;
}

static void init_idle(struct rpc_server *s) {
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->idle, &attr);
    pthread_condattr_destroy(&attr);
}

struct rpc_server *rpc_server_new(const struct rpc_server_config *config, struct error *err) {
    struct rpc_server *s = calloc(1, sizeof *s + config->contexts * sizeof(struct rpc_call));
    int rv = NNG_ENOMEM;

    if (s != NULL) {
        s->config = *config;
        pthread_mutex_init(&s->lock, NULL);
        init_idle(s);
        map_init(&s->peers);
        rv = server_listen(s);
        if (rv == 0)
            rv = server_calls(s);
    }
    if (rv != 0) {
        rpc_nng_error(err, rv, "cannot listen on", config->address);
        if (s != NULL && rpc_server_stop(s))
            rpc_server_free(s);
        return NULL;
    }
    for (unsigned i = 0; i < s->call_count; i++)
        receive(&s->calls[i]);
    return s;
}

const char *rpc_server_address(const struct rpc_server *s) {
    return s->address;
}

/* Until the replies have left, or nobody is there to get one. */
static void linger(struct rpc_server *s) {
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CLOSE_LINGER_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (s->peers.count > 0 && pthread_cond_timedwait(&s->idle, &s->lock, &until) == 0)
        ;
}

bool rpc_server_stop(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    while (s->users > 0)
        pthread_cond_wait(&s->idle, &s->lock);
    linger(s);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->call_count; i++) {
        struct rpc_call *call = &s->calls[i];
        if (call->in != NULL)
            nng_aio_stop(call->in);
        if (call->out != NULL)
            nng_aio_stop(call->out);
        if (call->open)
            nng_ctx_close(call->ctx);
        call->open = false;
    }
    bool closed = !s->socket_open || rpc_nng_close(s->socket);
    s->socket_open = !closed;
    return closed;
}

void rpc_server_free(struct rpc_server *s) {
    char *peer;

    if (s == NULL || s->socket_open)
        return;
    for (unsigned i = 0; i < s->call_count; i++) {
        if (s->calls[i].in != NULL)
            nng_aio_free(s->calls[i].in);
        if (s->calls[i].out != NULL)
            nng_aio_free(s->calls[i].out);
        nng_msg_free(s->calls[i].request);
    }
    for (size_t at = 0; (peer = map_next(&s->peers, &at)) != NULL;)
        free(peer);
    map_release(&s->peers);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

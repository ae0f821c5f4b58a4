/*
 * rpc_server: the server of rpc.h.
 *
 * Threads: nng's own run the handlers, and one of the server's looks at its peers. nng's timers would do that too, but nng
 * 1.5.2 spins from when one is due until the millisecond is over: a hundredth of a core at ten a second. What the threads
 * share (peers, spare calls, stopping, users) is guarded by the server's mutex, under which nng is not called. A call
 * belongs to one side at a time:
 *
 *   RECEIVING (nng) --> handler (ours) -- reply --> ANSWERING (nng) --> SPARE, if enough others receive
 *       ^ ^                `-- drop --.                |                  |
 *       | `---------------------------<----------------'                  |
 *       `------------------ in place of one that answers -----------------'
 *
 * An answer waits in nng for as long as the peer reads nothing. So the call that carries it is replaced by a spare one
 * meanwhile, of which there are SPARES for each that receives; and a peer that lets answers wait is disconnected
 * (rpc_peers.h). nng calls peer_added() before it reads the first request of a connection, and one at a time.
 */
#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rpc.h"
#include "proto/rpc_accept.h"
#include "proto/rpc_nng.h"
#include "proto/rpc_peers.h"
#include "shared/limits.h"
#include "shared/parse.h"

enum {
    CLOSE_LINGER_MS = 100, /* for replies to who is still there */
    SWEEP_MS = 100,        /* so often peers are looked at */
    SPARES = 3,            /* calls in reserve for each that receives */
};

struct rpc_call {
    struct rpc_server *server;
    nng_ctx ctx;
    nng_aio *in, *out;
    bool open; /* ctx is */
    nng_msg *request;
    nng_pipe pipe; /* of the request */
    char peer[RPC_PEER_BYTES];
    struct rpc_call *next; /* spare */
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
    unsigned users; /* threads inside rpc_server_reply() or _drop() */
    struct rpc_peers peers;
    bool own_users; /* it is reached from this machine alone: by its own user and root */
    pthread_t sweeper;
    bool sweeping, swept;  /* the thread is there; it is to end */
    pthread_cond_t ending; /* swept */
    struct rpc_call *spare;
    unsigned active; /* calls that receive, or are in the handler's hands */
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

static int64_t now_ms(void) {
    return (int64_t)nng_clock();
}

/* ---- peers ------------------------------------------------------------------------------------------ */

static void pipe_text(char text[RPC_PEER_BYTES], nng_pipe pipe) {
    char host[INET6_ADDRSTRLEN];
    struct socket_end e;

    if (!rpc_nng_end(pipe, NNG_OPT_REMADDR, &e) ||
        inet_ntop(e.len == 4 ? AF_INET : AF_INET6, e.address, host, sizeof host) == NULL)
        snprintf(text, RPC_PEER_BYTES, "unknown");
    else
        snprintf(text, RPC_PEER_BYTES, e.len == 4 ? "%s:%u" : "[%s]:%u", host, (unsigned)e.port);
}

static void close_pipe(uint64_t id) {
    nng_pipe_close((nng_pipe){.id = (uint32_t)id});
}

/* The address of a connection that is already gone cannot be asked for: it is kept from the start. */
static void peer_added(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_server *s = arg;
    char text[RPC_PEER_BYTES], whose[RPC_WHY_BYTES / 2], why[RPC_WHY_BYTES];
    uint64_t evict;

    (void)event;
    pipe_text(text, pipe);
    bool stranger = s->own_users && rpc_nng_trust(pipe, whose, sizeof whose) != SOCKET_TRUSTED;
    if (stranger)
        snprintf(why, sizeof why,
                 "on this machine only its own user and root are served; you are %s", whose);
    pthread_mutex_lock(&s->lock);
    enum rpc_peers_verdict verdict = rpc_peers_add(&s->peers, (uint64_t)nng_pipe_id(pipe), text,
                                                   stranger ? why : NULL, now_ms(), &evict);
    pthread_mutex_unlock(&s->lock);
    if (evict != 0)
        close_pipe(evict);
    if (verdict == RPC_PEERS_FULL)
        nng_pipe_close(pipe);
}

static void peer_removed(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    struct rpc_server *s = arg;

    (void)event;
    pthread_mutex_lock(&s->lock);
    rpc_peers_remove(&s->peers, (uint64_t)nng_pipe_id(pipe));
    if (s->peers.by_id.count == 0 && s->stopping)
        pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* On the monotonic clock, as the server's conditions wait. */
static struct timespec after_ms(long ms) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static void *sweep(void *arg) {
    struct rpc_server *s = arg;
    uint64_t id;

    pthread_mutex_lock(&s->lock);
    while (!s->swept) {
        if (rpc_peers_due(&s->peers, now_ms(), &id)) {
            pthread_mutex_unlock(&s->lock);
            close_pipe(id);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        struct timespec until = after_ms(SWEEP_MS);
        while (!s->swept && pthread_cond_timedwait(&s->ending, &s->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void end_sweeping(struct rpc_server *s) {
    if (!s->sweeping)
        return;
    pthread_mutex_lock(&s->lock);
    s->swept = true;
    pthread_cond_signal(&s->ending);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->sweeper, NULL);
    s->sweeping = false;
}

/* ---- calls ------------------------------------------------------------------------------------------ */

/* In a callback, or between server_enter() and server_leave(). */
static void receive(struct rpc_call *call) {
    nng_ctx_recv(call->ctx, call->in);
}

/* Who asks: false: nobody who is to be heard. `why`: not let in. */
static bool find_peer(struct rpc_call *call, char why[RPC_WHY_BYTES]) {
    struct rpc_server *s = call->server;
    uint64_t id = (uint64_t)nng_pipe_id(call->pipe);

    pthread_mutex_lock(&s->lock);
    const struct rpc_peer *peer = rpc_peers_find(&s->peers, id);
    bool heard = peer != NULL && rpc_peers_asks(&s->peers, id, now_ms());
    if (heard) {
        memcpy(call->peer, peer->text, sizeof call->peer);
        memcpy(why, peer->why, RPC_WHY_BYTES);
    }
    pthread_mutex_unlock(&s->lock);
    return heard;
}

/* Nothing of the call may be touched behind the handler: it may be replied to and on its next round. */
static void call_received(void *arg) {
    struct rpc_call *call = arg;
    int rv = nng_aio_result(call->in);
    char why[RPC_WHY_BYTES];

    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (rv != 0) {
        receive(call);
        return;
    }
    nng_msg *request = nng_aio_get_msg(call->in);
    call->pipe = nng_msg_get_pipe(request);
    if (!find_peer(call, why)) {
        nng_pipe_close(call->pipe);
        nng_msg_free(request);
        receive(call);
        return;
    }
    call->request = request;
    const struct rpc_server_config *config = &call->server->config;
    if (why[0] == '\0')
        config->handle(config->arg, call, nng_msg_body(request), nng_msg_len(request), call->peer);
    else if (config->refuse != NULL)
        config->refuse(config->arg, call, why);
    else
        rpc_server_drop(call);
}

/* True: there are enough others that receive. */
static bool call_rests(struct rpc_call *call) {
    struct rpc_server *s = call->server;

    pthread_mutex_lock(&s->lock);
    rpc_peers_paid(&s->peers, (uint64_t)nng_pipe_id(call->pipe), now_ms());
    bool rests = s->active >= s->config.contexts;
    if (rests) {
        call->next = s->spare;
        s->spare = call;
    } else {
        s->active++;
    }
    pthread_mutex_unlock(&s->lock);
    return rests;
}

static void call_answered(void *arg) {
    struct rpc_call *call = arg;
    int rv = nng_aio_result(call->out);

    if (rv != 0) {
        nng_msg_free(nng_aio_get_msg(call->out));
        nng_aio_set_msg(call->out, NULL);
    }
    if (rv != NNG_ECLOSED && rv != NNG_ECANCELED && !call_rests(call))
        receive(call);
}

/* The answer is about to wait in nng. Gives the call that receives instead; NULL: none is spare. */
static struct rpc_call *call_owes(struct rpc_call *call) {
    struct rpc_server *s = call->server;

    pthread_mutex_lock(&s->lock);
    rpc_peers_owed(&s->peers, (uint64_t)nng_pipe_id(call->pipe), now_ms());
    struct rpc_call *spare = s->spare;
    if (spare != NULL)
        s->spare = spare->next;
    else
        s->active--;
    pthread_mutex_unlock(&s->lock);
    return spare;
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
        struct rpc_call *spare = call_owes(call);
        nng_aio_set_msg(call->out, reply);
        nng_ctx_send(call->ctx, call->out);
        if (spare != NULL)
            receive(spare);
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
    struct parse_address address;

    if (colon == NULL || colon[1] == '/' ||
        !parse_rpc_address(s->config.address, PARSE_LISTEN, &address))
        return NNG_EADDRINVAL;
    s->own_users = address.is_loopback;
    if ((rv = nng_rep0_open(&s->socket)) != 0)
        return rv;
    s->socket_open = true;
    if ((rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, peer_added, s)) != 0 ||
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
    for (unsigned i = 0; i < s->config.contexts * (1 + SPARES); i++) {
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

static void init_conditions(struct rpc_server *s) {
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->idle, &attr);
    pthread_cond_init(&s->ending, &attr);
    pthread_condattr_destroy(&attr);
}

struct rpc_server *rpc_server_new(const struct rpc_server_config *config, struct error *err) {
    const size_t calls = (size_t)config->contexts * (1 + SPARES);
    struct rpc_server *s = calloc(1, sizeof *s + calls * sizeof(struct rpc_call));
    int rv = NNG_ENOMEM;

    if (s != NULL) {
        s->config = *config;
        pthread_mutex_init(&s->lock, NULL);
        init_conditions(s);
        rpc_peers_init(&s->peers, rpc_accept_reserve(), config->contexts);
        rv = server_listen(s);
        if (rv == 0)
            rv = server_calls(s);
        if (rv == 0) {
            s->sweeping = pthread_create(&s->sweeper, NULL, sweep, s) == 0;
            rv = s->sweeping ? 0 : NNG_ENOMEM;
        }
    }
    if (rv != 0) {
        rpc_nng_error(err, rv, "cannot listen on", config->address);
        if (s != NULL && rpc_server_stop(s))
            rpc_server_free(s);
        return NULL;
    }
    for (unsigned i = s->config.contexts; i < s->call_count; i++) {
        s->calls[i].next = s->spare;
        s->spare = &s->calls[i];
    }
    s->active = s->config.contexts;
    for (unsigned i = 0; i < s->config.contexts; i++)
        receive(&s->calls[i]);
    return s;
}

const char *rpc_server_address(const struct rpc_server *s) {
    return s->address;
}

/* Until the replies have left, or nobody is there to get one. */
static void linger(struct rpc_server *s) {
    struct timespec until = after_ms(CLOSE_LINGER_MS);

    while (s->peers.by_id.count > 0 && pthread_cond_timedwait(&s->idle, &s->lock, &until) == 0)
        ;
}

bool rpc_server_stop(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    while (s->users > 0)
        pthread_cond_wait(&s->idle, &s->lock);
    linger(s);
    pthread_mutex_unlock(&s->lock);
    end_sweeping(s);
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
    if (s == NULL || s->socket_open)
        return;
    for (unsigned i = 0; i < s->call_count; i++) {
        if (s->calls[i].in != NULL)
            nng_aio_free(s->calls[i].in);
        if (s->calls[i].out != NULL)
            nng_aio_free(s->calls[i].out);
        nng_msg_free(s->calls[i].request);
    }
    rpc_peers_release(&s->peers);
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->ending);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

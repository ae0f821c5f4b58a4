#include "proto/rpc_nng.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLOSE_PATIENCE_S = 3 };

void rpc_nng_error(struct error *err, int rv, const char *what, const char *address) {
    char why[128];

    snprintf(why, sizeof why, "%s", nng_strerror(rv));
    why[0] = (char)tolower((unsigned char)why[0]);
    error_set(err, 0, "%s %s: %s", what, address, why);
}

bool rpc_nng_end(nng_pipe pipe, const char *which, struct socket_end *e) {
    nng_sockaddr sa;

    *e = (struct socket_end){.len = 4};
    if (nng_pipe_get_addr(pipe, which, &sa) != 0)
        return false;
    if (sa.s_family == NNG_AF_INET) {
        memcpy(e->address, &sa.s_in.sa_addr, 4);
        e->port = ntohs(sa.s_in.sa_port);
    } else if (sa.s_family == NNG_AF_INET6) {
        e->len = 16;
        memcpy(e->address, sa.s_in6.sa_addr, 16);
        e->port = ntohs(sa.s_in6.sa_port);
    }
    return sa.s_family == NNG_AF_INET || sa.s_family == NNG_AF_INET6;
}

enum socket_trust rpc_nng_trust(nng_pipe pipe, char *whose, size_t whose_size) {
    struct socket_end theirs, ours;

    if (rpc_nng_end(pipe, NNG_OPT_REMADDR, &theirs) && rpc_nng_end(pipe, NNG_OPT_LOCADDR, &ours))
        return socket_owner_trust(&theirs, &ours, whose, whose_size);
    snprintf(whose, whose_size, "somebody who is gone");
    return SOCKET_GONE;
}

struct closing {
    nng_socket socket;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* the last of both sides to leave frees */
};

static void closing_free(struct closing *c) {
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void *close_thread(void *arg) {
    struct closing *c = arg;

    nng_close(c->socket);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    bool abandoned = c->abandoned;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (abandoned)
        closing_free(c);
    return NULL;
}

static bool wait_closed(struct closing *c) {
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_PATIENCE_S;
    pthread_mutex_lock(&c->lock);
    while (!c->done && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0)
        ;
    bool done = c->done;
    c->abandoned = !done;
    pthread_mutex_unlock(&c->lock);
    return done;
}

bool rpc_nng_close(nng_socket socket) {
    struct closing *c = calloc(1, sizeof *c);
    pthread_condattr_t attr;
    pthread_t thread;

    if (c == NULL)
        return false;
    c->socket = socket;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&thread, NULL, close_thread, c) != 0) {
        closing_free(c);
        return false;
    }
    bool done = wait_closed(c);
    if (done) {
        pthread_join(thread, NULL);
        closing_free(c);
    } else {
        pthread_detach(thread);
    }
    return done;
}

nng_msg *rpc_nng_message(const void *bytes, size_t len) {
    nng_msg *m;

    if (len > RPC_NNG_BYTES_MAX || nng_msg_alloc(&m, 0) != 0)
        return NULL;
    if (nng_msg_append(m, bytes, len) == 0)
        return m;
    nng_msg_free(m);
    return NULL;
}

#include "proto/rpc_nng.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CLOSE_PATIENCE_S = 3 };

void rpc_nng_error(struct error *err, int rv, const char *what, const char *address) {
    char why[128];

    snprintf(why, sizeof why, "%s", nng_strerror(rv));
    why[0] = (char)tolower((unsigned char)why[0]);
    error_set(err, 0, "%s %s: %s", what, address, why);
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

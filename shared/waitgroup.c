#include "shared/waitgroup.h"

#include <assert.h>
#include <time.h>

void waitgroup_init(struct waitgroup *w) {
    pthread_condattr_t monotonic;

    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->zero, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->count = 0;
}

void waitgroup_release(struct waitgroup *w) {
    pthread_cond_destroy(&w->zero);
    pthread_mutex_destroy(&w->lock);
}

void waitgroup_add(struct waitgroup *w, size_t n) {
    pthread_mutex_lock(&w->lock);
    w->count += n;
    pthread_mutex_unlock(&w->lock);
}

void waitgroup_done(struct waitgroup *w) {
    pthread_mutex_lock(&w->lock);
    assert(w->count > 0);
    if (--w->count == 0)
        pthread_cond_broadcast(&w->zero);
    pthread_mutex_unlock(&w->lock);
}

bool waitgroup_wait(struct waitgroup *w, int timeout_ms) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    if (timeout_ms > 0) {
        t.tv_sec += timeout_ms / 1000;
        t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        if (t.tv_nsec >= 1000000000) {
            t.tv_nsec -= 1000000000;
            t.tv_sec++;
        }
    }
    pthread_mutex_lock(&w->lock);
    int result = 0;
    while (w->count > 0 && result == 0)
        result = timeout_ms < 0 ? pthread_cond_wait(&w->zero, &w->lock)
                                : pthread_cond_timedwait(&w->zero, &w->lock, &t);
    bool done = w->count == 0;
    pthread_mutex_unlock(&w->lock);
    return done;
}

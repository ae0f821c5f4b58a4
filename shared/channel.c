#include "shared/channel.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct channel {
    pthread_mutex_t lock;
    pthread_cond_t has_message, has_room;
    size_t capacity, message_bytes;
    size_t first, count; /* a ring */
    bool closed;
    int fd;         /* -1: nobody has asked for it */
    bool signalled; /* fd is readable */
    char messages[];
};

struct channel *channel_new(size_t capacity, size_t message_bytes) {
    pthread_condattr_t monotonic;
    struct channel *c;
    size_t bytes;

    assert(capacity > 0 && message_bytes > 0);
    if (__builtin_mul_overflow(capacity, message_bytes, &bytes) ||
        __builtin_add_overflow(bytes, sizeof *c, &bytes))
        return NULL;
    c = calloc(1, bytes);
    if (c == NULL)
        return NULL;
    c->capacity = capacity;
    c->message_bytes = message_bytes;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->has_message, &monotonic);
    pthread_cond_init(&c->has_room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return c;
}

void channel_free(struct channel *c) {
    if (c == NULL)
        return;
    if (c->fd >= 0)
        close(c->fd);
    pthread_cond_destroy(&c->has_room);
    pthread_cond_destroy(&c->has_message);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* Invariant 4; with the lock held. */
static void signal_fd(struct channel *c) {
    if (c->fd < 0 || c->signalled)
        return;
    /* The counter goes 0, 1, 0: this cannot fail. */
    c->signalled = eventfd_write(c->fd, 1) == 0;
}

static void unsignal_fd(struct channel *c) {
    eventfd_t count;

    if (c->fd < 0 || !c->signalled || c->closed)
        return;
    c->signalled = eventfd_read(c->fd, &count) != 0;
}

static struct timespec deadline_in(int timeout_ms) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

/* False: the time is over. */
static bool wait_on(struct channel *c, pthread_cond_t *cond, int timeout_ms,
                    const struct timespec *deadline) {
    if (timeout_ms == 0)
        return false;
    if (timeout_ms > 0)
        return pthread_cond_timedwait(cond, &c->lock, deadline) == 0;
    return pthread_cond_wait(cond, &c->lock) == 0;
}

static char *slot(struct channel *c, size_t index) {
    return c->messages + (index % c->capacity) * c->message_bytes;
}

enum channel_result channel_send(struct channel *c, const void *message, int timeout_ms) {
    struct timespec deadline = {0};
    enum channel_result result = CHANNEL_FULL;

    if (timeout_ms > 0)
        deadline = deadline_in(timeout_ms);
    pthread_mutex_lock(&c->lock);
    while (!c->closed && c->count == c->capacity)
        if (!wait_on(c, &c->has_room, timeout_ms, &deadline))
            break;
    if (c->closed) {
        result = CHANNEL_CLOSED;
    } else if (c->count < c->capacity) {
        memcpy(slot(c, c->first + c->count), message, c->message_bytes);
        c->count++;
        pthread_cond_signal(&c->has_message);
        signal_fd(c);
        result = CHANNEL_OK;
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

enum channel_result channel_receive(struct channel *c, void *message, int timeout_ms) {
    struct timespec deadline = {0};
    enum channel_result result;

    if (timeout_ms > 0)
        deadline = deadline_in(timeout_ms);
    pthread_mutex_lock(&c->lock);
    while (!c->closed && c->count == 0)
        if (!wait_on(c, &c->has_message, timeout_ms, &deadline))
            break;
    if (c->count > 0) {
        memcpy(message, slot(c, c->first), c->message_bytes);
        c->first = (c->first + 1) % c->capacity;
        c->count--;
        pthread_cond_signal(&c->has_room);
        result = CHANNEL_OK;
    } else {
        unsignal_fd(c);
        result = c->closed ? CHANNEL_CLOSED : CHANNEL_EMPTY;
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

void channel_close(struct channel *c) {
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_broadcast(&c->has_message);
    pthread_cond_broadcast(&c->has_room);
    signal_fd(c);
    pthread_mutex_unlock(&c->lock);
}

size_t channel_count(struct channel *c) {
    pthread_mutex_lock(&c->lock);
    size_t count = c->count;
    pthread_mutex_unlock(&c->lock);
    return count;
}

int channel_fd(struct channel *c) {
    pthread_mutex_lock(&c->lock);
    if (c->fd < 0) {
        c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->count > 0 || c->closed)
            signal_fd(c);
    }
    int fd = c->fd;
    pthread_mutex_unlock(&c->lock);
    return fd;
}

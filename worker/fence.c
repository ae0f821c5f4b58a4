/*
 * fence: see fence.h for the invariant.
 *
 * Threads: everything runs in the owner's thread, the handler on top of whatever that thread does. They share the
 * slots and `armed_ms` through lock-free atomics. The handler uses clock_gettime, fstat, ioctl, connect, shutdown, dup2
 * and timer_settime only, and keeps errno. What it finds to be the socket of a slot stays that while it is at it: nobody
 * but this thread closes it.
 *
 * The timer is lazy: it stands at or before the earliest deadline. Renewals move deadlines away from it; it
 * then finds nothing expired and is set anew by the handler.
 */
#include "worker/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct fence_slot {
    _Atomic int fd;             /* -1: free */
    _Atomic uint64_t socket_id; /* the kernel's; no two that are open have the same */
    _Atomic int64_t deadline_ms;
};

struct fence {
    timer_t timer;
    bool has_timer;
    int dead_fd;              /* takes the place of a socket that cannot be shut down yet */
    _Atomic int64_t armed_ms; /* INT64_MAX: not */
    _Atomic uint64_t shut;
    size_t size, used; /* used: slots that were ever taken; no other is looked at */
    int *free_places;
    size_t free_count;
    struct fence_slot slots[];
};

/* The thread's own: a signal that was pending when its timer was deleted finds nothing. */
static _Thread_local struct fence *current;
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;
static int handler_errno;

int64_t fence_now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0: it is none. */
static uint64_t socket_id(int fd) {
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? (uint64_t)st.st_ino : 0;
}

static void arm(struct fence *f, int64_t deadline_ms) {
    struct itimerspec at = {0};

    atomic_store(&f->armed_ms, deadline_ms);
    if (deadline_ms != INT64_MAX) {
        at.it_value.tv_sec = (time_t)(deadline_ms / 1000);
        at.it_value.tv_nsec = (long)(deadline_ms % 1000) * 1000000;
        if (deadline_ms <= 0) /* zero would disarm it */
            at.it_value = (struct timespec){.tv_nsec = 1};
    }
    timer_settime(f->timer, TIMER_ABSTIME, &at, NULL);
}

/* A socket that is not connected yet cannot be shut down and might still be connected: another file takes its
 * number. Its owner finds out by errors. */
static void shut(const struct fence *f, int fd) {
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int unsent = 0;

    if (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        (void)connect(fd, &nowhere, sizeof nowhere); /* resets, and drops what is unsent */
    if (shutdown(fd, SHUT_RDWR) != 0 && errno == ENOTCONN)
        (void)dup2(f->dead_fd, fd);
}

static void expire(struct fence *f) {
    int64_t now = fence_now_ms(), next = INT64_MAX;

    for (size_t i = 0; i < f->used; i++) {
        struct fence_slot *s = &f->slots[i];
        int fd = atomic_load(&s->fd);
        int64_t deadline = atomic_load(&s->deadline_ms);
        if (fd < 0 || deadline == INT64_MAX)
            continue;
        if (deadline <= now) {
            atomic_store(&s->deadline_ms, INT64_MAX);
            if (socket_id(fd) != atomic_load(&s->socket_id))
                continue;
            shut(f, fd);
            atomic_fetch_add(&f->shut, 1);
        } else if (deadline < next) {
            next = deadline;
        }
    }
    arm(f, next);
}

static void handler(int signal, siginfo_t *info, void *context) {
    int saved = errno;

    (void)signal;
    (void)context;
    if (info->si_code == SI_TIMER && current != NULL && info->si_value.sival_ptr == current)
        expire(current);
    errno = saved;
}

static void install_handler(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

    sigfillset(&action.sa_mask);
    handler_errno = sigaction(SIGRTMIN, &action, NULL) == 0 ? 0 : errno;
}

static bool make_timer(struct fence *f, struct error *err) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    sigset_t set;

    event.sigev_value.sival_ptr = f;
    event.sigev_notify_thread_id = gettid();
    pthread_once(&handler_once, install_handler);
    if (handler_errno != 0) {
        error_set(err, handler_errno, "sigaction");
        return false;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (timer_create(CLOCK_BOOTTIME, &event, &f->timer) != 0) {
        error_set(err, errno, "timer_create");
        return false;
    }
    f->has_timer = true;
    return true;
}

struct fence *fence_new(size_t sockets_max, struct error *err) {
    struct fence *f = calloc(1, sizeof *f + sockets_max * sizeof f->slots[0]);

    if (f == NULL) {
        error_set(err, ENOMEM, "fence");
        return NULL;
    }
    f->size = sockets_max;
    atomic_init(&f->armed_ms, INT64_MAX);
    for (size_t i = 0; i < sockets_max; i++) {
        atomic_init(&f->slots[i].fd, -1);
        atomic_init(&f->slots[i].deadline_ms, INT64_MAX);
    }
    f->free_places = calloc(sockets_max + 1, sizeof *f->free_places);
    f->dead_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (f->free_places == NULL || f->dead_fd < 0) {
        error_set(err, errno, "fence");
        fence_free(f);
        return NULL;
    }
    if (!make_timer(f, err)) {
        fence_free(f);
        return NULL;
    }
    current = f;
    return f;
}

void fence_free(struct fence *f) {
    if (f == NULL)
        return;
    if (f == current)
        current = NULL;
    if (f->has_timer)
        timer_delete(f->timer);
    if (f->dead_fd >= 0)
        close(f->dead_fd);
    free(f->free_places);
    free(f);
}

int fence_open(struct fence *f, int fd, int64_t deadline_ms) {
    if (deadline_ms <= fence_now_ms() || (f->free_count == 0 && f->used == f->size))
        return FENCE_NONE;
    size_t place = f->free_count > 0 ? (size_t)f->free_places[--f->free_count] : f->used;
    atomic_store(&f->slots[place].deadline_ms, deadline_ms);
    atomic_store(&f->slots[place].socket_id, socket_id(fd));
    atomic_store(&f->slots[place].fd, fd);
    atomic_signal_fence(memory_order_seq_cst);
    if (place == f->used)
        f->used++;
    if (deadline_ms < atomic_load(&f->armed_ms))
        arm(f, deadline_ms);
    return (int)place;
}

void fence_renew(struct fence *f, int place, int64_t deadline_ms) {
    struct fence_slot *s = &f->slots[place];
    int64_t old = atomic_load(&s->deadline_ms);

    /* Shut down is for good, by the handler at any moment: a renewal never overwrites that. */
    if (old == INT64_MAX || !atomic_compare_exchange_strong(&s->deadline_ms, &old, deadline_ms))
        return;
    if (deadline_ms < atomic_load(&f->armed_ms))
        arm(f, deadline_ms);
}

void fence_close(struct fence *f, int place) {
    atomic_store(&f->slots[place].fd, -1);
    atomic_store(&f->slots[place].deadline_ms, INT64_MAX);
    f->free_places[f->free_count++] = place;
}

bool fence_lost(const struct fence *f, int place) {
    const struct fence_slot *s = &f->slots[place];

    return socket_id(atomic_load(&s->fd)) != atomic_load(&s->socket_id);
}

/* Nothing else has no deadline. */
bool fence_was_shut(const struct fence *f, int place) {
    return atomic_load(&f->slots[place].deadline_ms) == INT64_MAX;
}

uint64_t fence_shut_count(const struct fence *f) {
    return atomic_load(&f->shut);
}

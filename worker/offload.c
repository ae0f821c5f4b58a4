/*
 * offload: see offload.h.
 *
 * Threads: the owner and the one made here; the two lists and `stopping` are guarded by the mutex.
 */
#include "worker/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/cost.h"

struct job_list {
    struct offload_job *first, **end;
};

struct offload {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job_list waiting, done;
    bool stopping;
};

static void list_add(struct job_list *l, struct offload_job *job) {
    job->next = NULL;
    *l->end = job;
    l->end = &job->next;
}

static struct offload_job *list_take(struct job_list *l) {
    struct offload_job *job = l->first;

    if (job == NULL)
        return NULL;
    l->first = job->next;
    if (l->first == NULL)
        l->end = &l->first;
    return job;
}

static void *thread_main(void *arg) {
    struct offload *o = arg;
    struct offload_job *job;
    uint64_t one = 1;

    (void)cost_begin(COST_WRITE);
    pthread_mutex_lock(&o->lock);
    while (!o->stopping) {
        job = list_take(&o->waiting);
        if (job == NULL) {
            pthread_cond_wait(&o->changed, &o->lock);
            continue;
        }
        pthread_mutex_unlock(&o->lock);
        job->run(job);
        cost_settle();
        pthread_mutex_lock(&o->lock);
        list_add(&o->done, job);
        while (write(o->fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&o->lock);
    cost_end();
    return NULL;
}

struct offload *offload_new(const char *name, struct error *err) {
    struct offload *o = calloc(1, sizeof *o);

    if (o == NULL) {
        error_set(err, ENOMEM, "thread %s", name);
        return NULL;
    }
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    o->waiting.end = &o->waiting.first;
    o->done.end = &o->done.first;
    o->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = o->fd < 0 ? errno : pthread_create(&o->thread, NULL, thread_main, o);
    if (rc != 0) {
        error_set(err, rc, "thread %s", name);
        if (o->fd >= 0)
            close(o->fd);
        free(o);
        return NULL;
    }
    pthread_setname_np(o->thread, name);
    return o;
}

int offload_fd(const struct offload *o) {
    return o->fd;
}

void offload_submit(struct offload *o, struct offload_job *job) {
    pthread_mutex_lock(&o->lock);
    list_add(&o->waiting, job);
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

struct offload_job *offload_take(struct offload *o) {
    uint64_t count;

    while (read(o->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&o->lock);
    struct offload_job *job = list_take(&o->done);
    pthread_mutex_unlock(&o->lock);
    return job;
}

void offload_free(struct offload *o, void (*abandoned)(struct offload_job *job)) {
    struct offload_job *job;

    if (o == NULL)
        return;
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    while ((job = list_take(&o->done)) != NULL || (job = list_take(&o->waiting)) != NULL)
        if (abandoned != NULL)
            abandoned(job);
    close(o->fd);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/*
 * offload: see offload.h.
 *
 * Threads: the owner and the one made here. Jobs go to and fro through two channels that hold as many as may be under way, so
 * that neither thread ever waits for room. `stopping` only grows true.
 */
#include "worker/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/channel.h"
#include "shared/cost.h"

struct offload {
    pthread_t thread;
    struct channel *waiting, *done; /* of struct offload_job * */
    atomic_bool stopping;
    unsigned under_way; /* the owner's: submitted and not taken */
};

static void *thread_main(void *arg) {
    struct offload *o = arg;
    struct offload_job *job;

    (void)cost_begin(COST_WRITE);
    while (channel_receive(o->waiting, &job, CHANNEL_WAIT) == CHANNEL_OK) {
        if (!atomic_load(&o->stopping))
            job->run(job);
        cost_settle();
        enum channel_result sent = channel_send(o->done, &job, 0);
        assert(sent == CHANNEL_OK);
        (void)sent;
    }
    cost_end();
    return NULL;
}

static void offload_release(struct offload *o) {
    channel_free(o->waiting);
    channel_free(o->done);
    free(o);
}

struct offload *offload_new(const char *name, struct error *err) {
    struct offload *o = calloc(1, sizeof *o);
    int rc = ENOMEM;

    if (o == NULL) {
        error_set(err, ENOMEM, "thread %s", name);
        return NULL;
    }
    o->waiting = channel_new(OFFLOAD_JOBS_MAX, sizeof(struct offload_job *));
    o->done = channel_new(OFFLOAD_JOBS_MAX, sizeof(struct offload_job *));
    if (o->waiting != NULL && o->done != NULL)
        rc = channel_fd(o->done) < 0 ? errno : pthread_create(&o->thread, NULL, thread_main, o);
    if (rc != 0) {
        error_set(err, rc, "thread %s", name);
        offload_release(o);
        return NULL;
    }
    pthread_setname_np(o->thread, name);
    return o;
}

int offload_fd(const struct offload *o) {
    return channel_fd(o->done);
}

bool offload_submit(struct offload *o, struct offload_job *job) {
    if (o->under_way == OFFLOAD_JOBS_MAX || channel_send(o->waiting, &job, 0) != CHANNEL_OK)
        return false;
    o->under_way++;
    return true;
}

struct offload_job *offload_take(struct offload *o) {
    struct offload_job *job;

    if (channel_receive(o->done, &job, 0) != CHANNEL_OK)
        return NULL;
    o->under_way--;
    return job;
}

void offload_free(struct offload *o, void (*abandoned)(struct offload_job *job)) {
    struct offload_job *job;

    if (o == NULL)
        return;
    atomic_store(&o->stopping, true);
    channel_close(o->waiting);
    pthread_join(o->thread, NULL);
    while ((job = offload_take(o)) != NULL)
        if (abandoned != NULL)
            abandoned(job);
    offload_release(o);
}

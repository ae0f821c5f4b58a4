#include "master/commit.h"

#include <pthread.h>
#include <stdlib.h>

#include "shared/cost.h"

struct waiting {
    void *call;
    struct buf reply;
    struct waiting *next;
};

struct committer {
    struct committer_config config;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct waiting *first, **last;
    bool paused, syncing, ending;
    uint64_t added, answered;
    uint64_t synced; /* the last write that is durable; of the thread */
};

static void waiting_free(struct waiting *w) {
    buf_release(&w->reply);
    free(w);
}

static void answer_all(struct committer *c, struct waiting *list, bool durable) {
    while (list != NULL) {
        struct waiting *w = list;
        list = w->next;
        if (durable)
            c->config.send(c->config.arg, w->call, &w->reply);
        else
            c->config.busy(c->config.arg, w->call);
        waiting_free(w);
    }
}

/* What waits now, taken out. The lock is held. */
static struct waiting *take_all(struct committer *c) {
    struct waiting *list = c->first;

    c->first = NULL;
    c->last = &c->first;
    return list;
}

/* Everything that was written before is durable when it returns true. */
static bool make_durable(struct committer *c) {
    struct store *store = c->config.store;

    if (atomic_load(&store->written) == c->synced)
        return !store_failed(store, NULL);
    return store_sync(store, &c->synced, NULL);
}

static void *run(void *arg) {
    struct committer *c = arg;

    (void)cost_begin(COST_COMMIT);
    cost_enter(
        COST_IDLE); /* most of it is waiting for the disk: what it uses beside sending is the sync */
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->ending && (c->paused || c->first == NULL))
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->first == NULL || c->paused)
            break;
        struct waiting *list = take_all(c);
        uint64_t upto = c->added;
        c->syncing = true;
        pthread_mutex_unlock(&c->lock);

        bool durable = make_durable(c);
        cost_enter(COST_RPC);
        answer_all(c, list, durable);
        cost_enter(COST_IDLE);
        cost_settle();
        if (!durable)
            c->config.failed(c->config.arg);

        pthread_mutex_lock(&c->lock);
        c->syncing = false;
        c->answered = upto;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    cost_end();
    return NULL;
}

struct committer *committer_new(const struct committer_config *config) {
    struct committer *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->config = *config;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    if (pthread_create(&c->thread, NULL, run, c) == 0)
        return c;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

bool committer_add(struct committer *c, void *call, struct buf *reply) {
    struct waiting *w = malloc(sizeof *w);

    if (w == NULL)
        return false;
    *w = (struct waiting){.call = call, .reply = *reply};
    buf_init(reply, reply->cap_max);
    pthread_mutex_lock(&c->lock);
    *c->last = w;
    c->last = &w->next;
    c->added++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return true;
}

void committer_pause(struct committer *c) {
    pthread_mutex_lock(&c->lock);
    c->paused = true;
    while (c->syncing)
        pthread_cond_wait(&c->changed, &c->lock);
    struct waiting *list = take_all(c);
    c->answered = c->added;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    answer_all(c, list, false);
}

void committer_resume(struct committer *c) {
    pthread_mutex_lock(&c->lock);
    c->paused = false;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void committer_flush(struct committer *c) {
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    for (uint64_t upto = c->added; c->answered < upto && !c->paused;)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

void committer_free(struct committer *c) {
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    answer_all(c, take_all(c), false);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/*
 * waitgroup: waits until a number of threads, or other pieces of work, have finished.
 *
 *     waitgroup_add(&w, 1);                     // before the thread starts
 *     ... in the thread, last: waitgroup_done(&w);
 *     waitgroup_wait(&w, 5000);
 *
 * Invariants
 *  1. The count is adds minus dones, never below zero (asserted).
 *  2. waitgroup_wait() returns true only when the count was zero at some moment during the call; what a thread did
 *     before its waitgroup_done() is visible after that.
 *  3. When it has returned true and nothing is added, waitgroup_release() is safe at once: the last
 *     waitgroup_done() touches nothing after it has let go of the mutex.
 *
 * Any thread may call add, done and wait; init and release when nobody else is inside.
 */
#ifndef TRAWL_SHARED_WAITGROUP_H
#define TRAWL_SHARED_WAITGROUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct waitgroup {
    pthread_mutex_t lock;
    pthread_cond_t zero;
    size_t count;
};

void waitgroup_init(struct waitgroup *w);
void waitgroup_release(struct waitgroup *w);
void waitgroup_add(struct waitgroup *w, size_t n);
void waitgroup_done(struct waitgroup *w);
/* Waits up to `timeout_ms`; negative: for ever. False: the time is over. */
bool waitgroup_wait(struct waitgroup *w, int timeout_ms);

#endif

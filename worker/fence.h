/*
 * fence: the last line of self-fencing. A worker that was stopped (SIGSTOP, a scheduling pause, a suspended
 * machine) past a lease must not go on speaking to that origin before it has noticed.
 *
 * Invariant: when a thread runs its code again after a pause, every socket in its table whose deadline has
 * passed is dead before the next instruction of that code. It rests on this: each loop thread has a timer on
 * CLOCK_BOOTTIME that signals this very thread; it expires while the process is stopped too, and the kernel
 * delivers a pending signal before it returns to user code. The handler shuts the expired sockets down.
 *
 * What can still leak: what the kernel sent before, and what a system call was sending while it was
 * interrupted. Bytes that the kernel holds and could not send yet are dropped with a reset (a partition must
 * not deliver a request after its lease); a connection with nothing unsent ends with FIN.
 *
 *     fence_new() in the loop's thread; per socket: fence_open() before connect(), fence_close() before
 *     close(); fence_renew() when the lease was renewed.
 *
 * A descriptor that somebody closed without a word, and whose number is another file's by now, is left alone: each place knows
 * which socket it is for.
 *
 * Times are ms of CLOCK_BOOTTIME. One owner, the thread that made it, and one a thread; the handler runs there. System
 * calls of that thread may return EINTR.
 */
#ifndef TRAWL_WORKER_FENCE_H
#define TRAWL_WORKER_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct fence;

enum { FENCE_NONE = -1 };

/* Room for `sockets_max` sockets. Installs the process-wide handler with the first one. NULL: `err`. */
struct fence *fence_new(size_t sockets_max, struct error *err);
void fence_free(struct fence *f); /* NULL is fine */

/* The socket must not be used after the deadline. Returns its place, or FENCE_NONE when the deadline is over or
 * the table is full: do not use the socket then. */
int fence_open(struct fence *f, int fd, int64_t deadline_ms);
void fence_renew(struct fence *f, int place, int64_t deadline_ms);
/* Comes before close(), or when fence_lost() has found that it was forgotten. */
void fence_close(struct fence *f, int place);
/* Whether the descriptor is not the socket any more that fence_open() was told of. */
bool fence_lost(const struct fence *f, int place);
/* Whether the handler has shut this one down. */
bool fence_was_shut(const struct fence *f, int place);
/* The sockets that the handler has shut down so far. */
uint64_t fence_shut_count(const struct fence *f);

/* The clock of leases: it counts suspended time. Async-signal-safe. */
int64_t fence_now_ms(void);

#endif

/*
 * channel: a bounded queue of fixed-size messages between threads: many producers, one consumer.
 *
 *     struct channel *c = channel_new(1024, sizeof(struct message *));
 *     channel_send(c, &m, CHANNEL_WAIT);                              // any thread
 *     while (channel_receive(c, &m, 0) == CHANNEL_OK) ...             // the consumer's
 *     channel_close(c);
 *     channel_free(c);
 *
 * A message is `message_bytes` bytes, copied in and out; usually a pointer, and then sending it hands over
 * what it points to. A full channel pushes back: the sender waits, or is told CHANNEL_FULL and still owns
 * its message.
 *
 * Invariants (all under one mutex)
 *  1. What was sent is received once, in the order in which the sends took the mutex; so one producer's
 *     messages keep their order.
 *  2. 0 <= waiting messages <= capacity.
 *  3. Closing refuses later sends and wakes every waiting sender with CHANNEL_CLOSED; what was sent before can
 *     still be received, and only then does the consumer get CHANNEL_CLOSED.
 *  4. channel_fd() is readable whenever a message waits or the channel is closed. It may be readable once for
 *     nothing: the consumer receives until CHANNEL_EMPTY, which is what makes it unreadable.
 *
 * Threads: send and close from any thread; receive and channel_fd() from one at a time. channel_new() and
 * channel_free() when nobody else is inside.
 */
#ifndef TRAWL_SHARED_CHANNEL_H
#define TRAWL_SHARED_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

struct channel;

enum channel_result { CHANNEL_OK, CHANNEL_FULL, CHANNEL_EMPTY, CHANNEL_CLOSED };

enum { CHANNEL_WAIT = -1 }; /* a timeout that never comes */

struct channel *channel_new(size_t capacity, size_t message_bytes); /* NULL: no memory */
/* Does not look at messages still inside: receive them first if they own anything. NULL is fine. */
void channel_free(struct channel *c);

/* Waits up to `timeout_ms` (0: not at all) for room. OK, FULL or CLOSED. */
enum channel_result channel_send(struct channel *c, const void *message, int timeout_ms);
/* Waits up to `timeout_ms` for a message. OK, EMPTY or CLOSED. */
enum channel_result channel_receive(struct channel *c, void *message, int timeout_ms);
void channel_close(struct channel *c); /* again: nothing happens */
size_t channel_count(struct channel *c);
/* For an event loop of the consumer's: poll it for reading, level-triggered, and never read it. Made at the
 * first call and closed by channel_free(). -1: no descriptor to be had (errno). */
int channel_fd(struct channel *c);

#endif

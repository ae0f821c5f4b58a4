/*
 * watches: which sockets of an event loop the kernel watches, and for what. curl drops a socket when an exchange ends and
 * takes it up for the next on the same connection: within one turn of the loop that cancels out, and the kernel is only
 * told of what has changed by the end of it.
 *
 *     watches_set(w, fd, EPOLLIN); ... watches_set(w, fd, 0); ...
 *     watches_apply(w); epoll_wait(epoll_fd, ...);
 *
 * One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_WATCHES_H
#define TRAWL_WORKER_WATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

struct watches {
    int epoll_fd;
    uint32_t tag; /* in the upper half of the events' data.u64; the lower is the descriptor */
    struct watch *items; /* by descriptor */
    size_t size;
    int changed; /* the first of those that changed since watches_apply(); -1: none */
};

void watches_init(struct watches *w, int epoll_fd, uint32_t tag);
void watches_release(struct watches *w);
/* `events`: EPOLLIN and EPOLLOUT, as epoll_ctl(2) has them; 0: none. False: no memory, it is not watched. */
bool watches_set(struct watches *w, int fd, uint32_t events);
/* The descriptor is being closed, or was: the kernel forgets it by itself then. */
void watches_forget(struct watches *w, int fd);
/* Tells the kernel. */
void watches_apply(struct watches *w);

#endif

/*
 * home: the directory of a worker process, and who it is.
 *
 *     DIR/worker-name               the default name: host name and four random digits, made once
 *     DIR/workers/NAME/lock         held (flock) while the worker runs: one process a name and directory
 *     DIR/workers/NAME/instance     16 random bytes, made once: two directories are two workers
 *     DIR/workers/NAME/incarnation  how often it was started
 *
 *     struct home h;
 *     home_init(&h);
 *     if (!home_open(&h, dir, name, &err)) ...
 *     home_close(&h);      // in any case
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_HOME_H
#define TRAWL_WORKER_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/limits.h"

enum { HOME_INSTANCE_BYTES = 16 };

struct home {
    char name[LIMIT_WORKER_NAME_BYTES + 1];
    unsigned char instance[HOME_INSTANCE_BYTES];
    uint64_t incarnation;
    int dir_fd, fd, lock_fd; /* DIR, DIR/workers/NAME, its lock; -1: not open */
    const char *dir;         /* the caller's */
    struct error *err;       /* of home_open() */
};

void home_init(struct home *h);
/* Makes what is missing, takes the lock, counts the start. `name` NULL: the one kept there. False: `err` says why. */
bool home_open(struct home *h, const char *dir, const char *name, struct error *err);
void home_close(struct home *h);
/* The instance of the worker that writes, or wrote, the segment of that name (NAME-CRAWL-SESSION-SERIAL), if it works in the
 * directory DIR of `dir_fd`. False: it is not known there. */
bool home_instance(int dir_fd, const char *segment, unsigned char instance[HOME_INSTANCE_BYTES]);
/* Opens a directory, made if it is missing; its name is durable. -1: errno. */
int home_open_dir(int at, const char *name);

#endif

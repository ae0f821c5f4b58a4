/*
 * home: the directory of a worker process, and who it is.
 *
 *     DIR/worker-name               the default name: host name and four random digits, made once
 *     DIR/crawl-id                  the crawl (Options.crawl of proto/trawl.proto) whose records are in DIR/archive: those of
 *                                   another do not come into it. Without it, what the names of the segments there say
 *     DIR/workers/NAME/lock         held (flock) while the worker runs: one process a name and directory
 *     DIR/workers/NAME/instance     16 random bytes, made once: two directories are two workers
 *     DIR/workers/NAME/incarnation  of the last start: the wall clock's ms, or one more than before if that is more. So
 *                                   it grows even when the directory is put back from an older copy
 *
 * A copied directory has all of that, too. Its processes are told apart by their random numbers, and what lies in one
 * proves nothing about the other: only who has locked the very same file knows that its last process is dead. That file is
 * named by its `place`: device and inode, and the start of the machine, within which they mean one file.
 *
 *     struct home h;
 *     home_init(&h);
 *     if (!home_open(&h, dir, name, 0, &err)) ...
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

enum { HOME_INSTANCE_BYTES = 16, HOME_CRAWL_DIGITS = 16 };

/* Of a worker in the directory, whoever asks: what the master wants to see before it closes a segment of it. */
struct home_proof {
    unsigned char instance[HOME_INSTANCE_BYTES];
    uint64_t place; /* 0: not known */
};

struct home {
    char name[LIMIT_WORKER_NAME_BYTES + 1];
    struct home_proof proof;
    uint64_t incarnation, process;
    char crawl[HOME_CRAWL_DIGITS + 1]; /* as it was opened; empty: of none yet */
    int dir_fd, fd, lock_fd;           /* DIR, DIR/workers/NAME, its lock; -1: not open */
    const char *dir;                   /* the caller's */
    struct error *err;                 /* of home_open() */
};

void home_init(struct home *h);
/* Makes what is missing, takes the lock, counts the start. `name` NULL: the one kept there. False: `err` says why. */
bool home_open(struct home *h, const char *dir, const char *name, uint32_t wait_ms,
               struct error *err);
void home_close(struct home *h);
/* The directory DIR of `dir_fd` is for the records of that crawl from now on. False: it is another's, or that cannot be
 * written; `err` says why. Any thread, any process. */
bool home_bind(int dir_fd, const char *crawl, struct error *err);
/* Of the worker that writes, or wrote, the segment of that name (NAME-CRAWL-SESSION-SERIAL), if it works in the
 * directory DIR of `dir_fd`. False: it is not known there. */
bool home_of_segment(int dir_fd, const char *segment, struct home_proof *proof);
/* Opens a directory, made if it is missing; its name is durable. -1: errno. */
int home_open_dir(int at, const char *name);

#endif

/*
 * dir_lock: who has a crawl's directory: one master, or any number that only look (export, verify, why). It is a
 * flock(2) on DIR/state.lock, exclusive with the master's pid written into it, or shared; the kernel lets go of it
 * when a process ends, however it ends.
 *
 *     int fd = dir_lock_look(dir, DIR_LOCK_WAIT_MS, &running, &err);
 *     if (fd < 0) ...
 *     ... read ...
 *     close(fd);
 *
 * Whoever comes while it is let go of in a moment waits for that, DIR_LOCK_WAIT_MS at most: a master for those who
 * look, those who look for a master that is ending. One master does not wait for another.
 *
 * Any thread; blocks.
 */
#ifndef TRAWL_MASTER_DIR_LOCK_H
#define TRAWL_MASTER_DIR_LOCK_H

#include "shared/error.h"

#include <stdbool.h>

enum { DIR_LOCK_WAIT_MS = 2000 };

/* For a master; `dir` must exist. A descriptor to be closed in the end; -1: `err` says who has it. */
int dir_lock_own(const char *dir, struct error *err);
/* For who only looks, waiting `wait_ms` at most. -1: `err` says why; `*running`: a master has it. */
int dir_lock_look(const char *dir, int wait_ms, bool *running, struct error *err);

#endif

/*
 * seal: gives a segment that nobody writes to any more its final form and name: exactly the records that the
 * master committed, behind the leading warcinfo record.
 *
 *   1  ask the master which records are committed; asking closes the segment to commits, so that the answer
 *      stays true
 *   2  tell it which byte ranges in between will go (holes) and how long the file will be
 *   3  only the end is uncommitted: cut it off, fsync, rename NAME.warc.gz.open to NAME.warc.gz, fsync the
 *      directory. Else: copy what stays to NAME.warc.gz.tmp, fsync, rename that, fsync the directory, then
 *      unlink the .open
 *      nothing is committed: unlink the .open
 *
 * A crash, and what the next run finds (what it asks in 1 and tells in 2 is the same each time, the master
 * keeps the first telling):
 *
 *   before 2, before 3           the .open as it was: all again
 *   after ftruncate              the .open without its tail: no hole there, the rest as before
 *   while copying                the .open whole and a .tmp: the copy begins anew
 *   after either rename          the final file is whole, for it was synced before; an .open beside it goes
 *   before the directory's fsync  either of the two names: as one of the lines above
 *
 * A committed record that the file does not hold is an error that needs a person: nothing is touched.
 *
 * Blocks: rpc, disk. Any thread; who calls holds the lock (flock) of the file, so one at a time.
 */
#ifndef TRAWL_WORKER_SEAL_H
#define TRAWL_WORKER_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buf.h"
#include "shared/error.h"

#define SEAL_SUFFIX ".warc.gz"
#define SEAL_SUFFIX_OPEN ".warc.gz.open"
#define SEAL_SUFFIX_TMP ".warc.gz.tmp"
#define SEAL_SUFFIX_NEW ".warc.gz.new" /* being created: nothing committed is in it */

/* How the master is asked: sends a request, waits for the reply. False: no answer, `err` says why. `home_fd`: of the
 * directory of a segment's worker (home.h), which proves that the segment is ours to seal; -1: there is none. */
struct seal_remote {
    bool (*call)(void *arg, const void *bytes, size_t len, struct buf *reply, struct error *err);
    void *arg;
    int home_fd;
};

enum seal_result {
    SEAL_DONE,
    SEAL_NO_ANSWER, /* or the master is busy: try again later */
    SEAL_HELD, /* its worker is alive, and this is not its place: a copy of its directory, say. It is left as it is */
    SEAL_FAILED, /* the disk, or what the file holds; may be tried again */
};

/* `fd`: of NAME.warc.gz.open in `dir_fd`, open for reading and writing and locked by the caller. */
enum seal_result seal_segment(int dir_fd, const char *name, int fd,
                              const struct seal_remote *remote, struct error *err);

/* Seals every *.warc.gz.open in `dir_fd` whose lock is free: its writer is dead. Removes such *.warc.gz.new. Goes on after one that
 * fails or is held, and returns that in the end; no answer ends it at once. `sealed` (may be NULL) is increased by each. */
enum seal_result seal_recover(int dir_fd, const struct seal_remote *remote, unsigned *sealed,
                              struct error *err);

#endif

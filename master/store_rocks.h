/*
 * store_rocks: the crawldb on disk, a directory of RocksDB's (7.8, its C API).
 *
 * Blind batched writes go to the write-ahead log with one write() a batch, without waiting for the disk;
 * store_sync() is one fdatasync of the log. So kill -9 loses nothing that was written, a power cut nothing
 * that was synced.
 *
 * Recovery (kPointInTimeRecovery): the log is replayed up to its first record that is not whole, and the rest
 * is dropped. Behind the last sync a power cut may leave pages in any order, a hole with good records behind
 * it included: kTolerateCorruptedTailRecords takes such a log for damaged and refuses to open, although
 * all that was acknowledged is there; kSkipAnyCorruptedRecords would take records behind the hole and break S2.
 * The price: damage by the disk inside the synced part of the log, which holds the last few 10 MB, is dropped
 * in silence too. Damage in table files is always found (checksums) and reported.
 *
 * store_close() writes what the log holds into tables first, unless the store has failed: an export or a start that
 * follows has nothing to replay.
 *
 * Memory: STORE_ROCKS_CACHE_BYTES for blocks with their indexes and filters, STORE_ROCKS_BUFFER_BYTES a write
 * buffer of which there are at most STORE_ROCKS_BUFFERS; whatever the size of the crawl. The last iterator that was
 * closed is kept until the next write, and with it the tables that it reads. Disk: while the largest tables are
 * merged there is room taken for both, up to twice the crawldb's size. RocksDB itself
 * aborts the process when malloc() fails.
 */
#ifndef TRAWL_MASTER_STORE_ROCKS_H
#define TRAWL_MASTER_STORE_ROCKS_H

#include "master/store.h"

enum {
    STORE_ROCKS_CACHE_BYTES = 64 << 20,
    STORE_ROCKS_BUFFER_BYTES = 16 << 20,
    STORE_ROCKS_BUFFERS = 6,
    STORE_ROCKS_ROOM_BYTES = 4 << 20, /* free on the disk, or it is not opened for writing */
};

enum store_rocks_mode {
    STORE_ROCKS_CREATE,         /* there must be none yet */
    STORE_ROCKS_OPEN,           /* there must be one */
    STORE_ROCKS_OPEN_OR_CREATE, /* either */
    STORE_ROCKS_READ_ONLY, /* there must be one; nothing is changed on disk, no lock is taken, so
                                   the answer is only right while no master runs on it */
};

/* `path`: the directory; made (not its parents) where the mode allows. NULL with a message: not there or there
 * already, not a directory, in use by another crawl, no permission, damaged, disk full. Free with
 * store_close(). */
struct store *store_rocks_open(const char *path, enum store_rocks_mode mode, struct error *err);

/* For measurements: returns when no buffer is being written, no tables are being merged and none are due to be,
 * looking every few milliseconds. */
void store_rocks_settle(struct store *s);

#endif

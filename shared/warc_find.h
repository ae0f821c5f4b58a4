/*
 * warc_find: where the next record of a compressed WARC file begins, looked for from the middle of the file.
 *
 *     struct warc_find f;
 *     warc_find_open(&f, fd)                        // looks at the first two records
 *     warc_find_next(&f, from, to, &offset)         // the first record that begins in from .. to - 1
 *     warc_find_close(&f);
 *
 * A record begins with a gzip member whose content begins with a WARC header. But a page's bytes may hold such
 * members, too: whoever serves a WARC file has it archived as it is. So where the file's records name its warcinfo record
 * (WARC-Warcinfo-ID, WARC 1.1 §5.5: a random UUID that nobody knew before) only what names it counts. Files whose
 * records do not (f.is_certain false) should not be cut up.
 *
 * One owner.
 */
#ifndef TRAWL_SHARED_WARC_FIND_H
#define TRAWL_SHARED_WARC_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/warc_read.h"

enum { WARC_FIND_ID_BYTES = 128 };

struct warc_find {
    int fd; /* the caller's */
    struct warc_read *reader;
    unsigned char *window;
    bool is_gzip;
    bool is_certain;
    char id[WARC_FIND_ID_BYTES]; /* of the warcinfo record, if is_certain */
};

enum warc_find_result {
    WARC_FIND_FOUND,
    WARC_FIND_NONE,
    WARC_FIND_IO, /* errno */
    WARC_FIND_NO_MEMORY
};

/* FOUND: it has a first record; NONE: it has none. warc_find_close() in any case. */
enum warc_find_result warc_find_open(struct warc_find *f, int fd);
void warc_find_close(struct warc_find *f);
/* Of a file with is_gzip. */
enum warc_find_result warc_find_next(struct warc_find *f, uint64_t from, uint64_t to,
                                     uint64_t *offset);

#endif

/*
 * rows: the crawldb of a directory as rows, one a known URL, for commands that look at a crawl that does not
 * run. Locations are final: what was cut from a segment when it was sealed is taken into account.
 *
 *     struct rows *r = rows_open(dir, &err);
 *     while (rows_next(r, &row)) use(&row);
 *     if (!rows_close(r, &err)) ...
 *
 * A row and all it points to is valid until the next call. One owner.
 */
#ifndef TRAWL_CLI_ROWS_H
#define TRAWL_CLI_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/error.h"

struct rows;

struct row {
    const char *url;
    size_t url_len;
    uint64_t fp;
    Trawl__State state;
    uint32_t depth, attempts;
    uint64_t via_fp;
    const char *via; /* URL, once rows_find_via() was asked for it; NULL: a seed */
    size_t via_len;
    const Trawl__DoneUrl *done; /* NULL: pending */
    /* Where the record lies; NULL: there is none. */
    const char *segment; /* name, without the ending */
    const char *worker;
    bool sealed;
    uint64_t offset, length;
};

struct rows_segment {
    const char *name, *worker;
    bool sealed;
    uint64_t size; /* final */
};

/* NULL: `err` says why; also when a master runs on the directory. */
struct rows *rows_open(const char *dir, struct error *err);
bool rows_next(struct rows *r, struct row *row);
/* What the row's URL was found on: a look-up of its own. */
void rows_find_via(struct rows *r, struct row *row);
/* The URL that has this fingerprint; NULL: none that is done. Valid until the next call. */
const char *rows_url(struct rows *r, uint64_t fp);
/* False: the walk ended early, `err` says why. Frees. */
bool rows_close(struct rows *r, struct error *err);

size_t rows_segment_count(const struct rows *r);
struct rows_segment rows_segment_at(const struct rows *r, size_t index);

/* Goes on with what earlier rounds of the crawl left in the archive (--recrawl): rows with a record each. */
void rows_earlier(struct rows *r);

const char *rows_state_name(Trawl__State state);

#endif

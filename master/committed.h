/*
 * committed: which records of a segment are committed, as the crawldb lists them under 'g' (record.h).
 *
 * What one exchange commits in a segment becomes one entry of the crawldb, written with the outcomes that it
 * belongs to: an entry a URL would be a third of all that is written and merged again for it.
 *
 * Invariant: a record is listed if and only if the crawldb has the outcome that names it. Both are in one batch:
 * committed_note() comes with the outcome, and core_flush() calls committed_put() before it writes.
 *
 * Entries of one segment may overlap: what is reported together need not have been written together. Whoever
 * reads sorts.
 */
#ifndef TRAWL_MASTER_COMMITTED_H
#define TRAWL_MASTER_COMMITTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/record.h"

struct core;
struct segment;

/* Records that were noted since the last flush. All zero: none. */
struct committed_notes {
    struct committed_note *items;
    size_t count, size;
};

/* Records of one segment. All zero: none. */
struct committed_list {
    struct committed_record *items;
    size_t count, size;
};

void committed_note(struct core *c, const struct segment *s, struct committed_record r);
/* Appends what was noted to the batch. */
void committed_put(struct core *c);
void committed_notes_release(struct committed_notes *n);

/* Those from `from_offset` on, by rising offsets; flush first. False: the core has failed. Release in either case. */
bool committed_read(struct core *c, const struct segment *s, uint64_t from_offset,
                    struct committed_list *list);
void committed_list_release(struct committed_list *list);
/* Appends to the batch that the segment has none. */
void committed_delete(struct core *c, const struct segment *s);

#endif

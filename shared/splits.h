/*
 * splits: cuts the input of a job into parts, one for each map task. Only names and sizes are looked at, and the
 * first bytes of a file.
 *
 *     struct splits s;
 *     splits_init(&s);
 *     splits_add_lines(&s, "books", SPLITS_LINES_BYTES, &err);       // a file, or a directory and all below it
 *     splits_add_crawl(&s, "crawl", SPLITS_PAGES_BYTES, &err);       // sealed segments below crawl/archive
 *     for (size_t i = 0; i < s.count; i++) use(&s.items[i]);
 *     splits_release(&s);
 *
 * The splits of a file cover it from 0 to its size, without overlap; a record belongs to the split that it begins in.
 * What one call adds comes sorted by path and offset. In directories names that begin with '.' are passed over, and empty files
 * everywhere. A gzip file is one split, and so is a segment whose records do not name their warcinfo record
 * (WARC-Warcinfo-ID): only with that can the start of a record be told for certain from a WARC file that was fetched.
 *
 * One owner.
 */
#ifndef TRAWL_SHARED_SPLITS_H
#define TRAWL_SHARED_SPLITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

enum {
    SPLITS_LINES_BYTES = 32 << 20,
    SPLITS_PAGES_BYTES = 16 << 20, /* as stored */
    SPLITS_MAX = 1 << 20
};

struct split {
    char *path; /* absolute; owned by the list */
    uint64_t from, to;
    bool is_pages;
};

struct splits {
    struct split *items;
    size_t count, size;
};

void splits_init(struct splits *s);
void splits_release(struct splits *s);
/* Appends. False: `err` names the file; what was there stays valid. Nothing to read in it is no failure. */
bool splits_add_lines(struct splits *s, const char *path, uint64_t split_bytes, struct error *err);
bool splits_add_crawl(struct splits *s, const char *dir, uint64_t split_bytes, struct error *err);

#endif

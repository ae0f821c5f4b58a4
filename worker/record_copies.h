/*
 * record_copies: of which URLs a record's payload is, beside its own (cli/job_copies.h writes them).
 *
 *     struct record_copies c;
 *     record_copies_init(&c);
 *     if (!record_copies_load(&c, path)) ...                  // errno
 *     for (size_t at = 0; (url = record_copies_next(&c, original, &at)) != NULL;) use(url);
 *     record_copies_release(&c);
 *
 * All of them are in memory: the text and 24 bytes each. One owner.
 */
#ifndef TRAWL_WORKER_RECORD_COPIES_H
#define TRAWL_WORKER_RECORD_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_copy {
    uint64_t hash; /* of `original` */
    const char *original, *url;
};

struct record_copies {
    char *text;
    struct record_copy *items; /* by hash */
    uint64_t *hashes;          /* of their URLs, sorted */
    size_t count;
};

void record_copies_init(struct record_copies *c);
void record_copies_release(struct record_copies *c);
bool record_copies_load(struct record_copies *c, const char *path);
/* The next URL with the payload of `original`; `*at` is 0 at first. NULL: there is none. */
const char *record_copies_next(const struct record_copies *c, const char *original, size_t *at);
/* Is the URL a copy of something? */
bool record_copies_has(const struct record_copies *c, const char *url);

#endif

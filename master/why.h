/*
 * why: all that a crawldb knows of one URL, as JSON: how it is spelt canonically, whether it is in scope and by which
 * rule, what robots.txt says of it and by which line, how it was found, in which state it is and why, which attempts
 * failed, where its record lies.
 *
 *     {"input", "canonical", "notes": [...], "known", "state", "reason", ...,
 *      "scope": {"verdict", "by"}, "robots": {...}, "origin": {...}, "via": [...], "tries": [...], "record": {...}}
 *
 * Reads the store and nothing else, so that it serves a running master and a finished crawl's directory alike. Members
 * that do not apply are left out. Text from the web is escaped (json_out.h). Same owner as the store's reader.
 */
#ifndef TRAWL_MASTER_WHY_H
#define TRAWL_MASTER_WHY_H

#include <stdbool.h>
#include <stddef.h>

#include "master/store.h"
#include "shared/error.h"
#include "shared/options.h"
#include "shared/scope.h"
#include "shared/url.h"

struct why_source {
    struct store *store;
    const struct options *options;
    /* Entries of the queue of its origin that are looked at for a URL that is pending; 0: all. Beyond, a URL that is
     * known to be `seen` is told as pending without more. */
    size_t queue_max;
    bool (*seen)(void *arg, const char *url, size_t len); /* NULL: not known */
    /* The number of the origin, 0 if there is none. NULL: all origins are looked at. */
    uint32_t (*origin)(void *arg, const char *name, size_t len);
    /* Of all seeds. NULL: they are read. Then `seeds_max` of them are looked at for the one that spans the URL; 0: all. */
    enum scope_verdict (*scope)(void *arg, const struct url *url);
    size_t seeds_max;
    void *arg;
};

/* False: `err` says why: not an http(s) URL, or the store cannot be read. */
bool why_tell(const struct why_source *source, const char *url, size_t len, struct buf *json,
              struct error *err);

#endif

/* record_kind: what a record of a crawl is not: a page, when it is the crawler's own request for robots.txt. */
#ifndef TRAWL_WORKER_RECORD_KIND_H
#define TRAWL_WORKER_RECORD_KIND_H

#include <stdbool.h>
#include <string.h>

static inline bool record_kind_is_robots_txt(const char *url) {
    const char *host = strstr(url, "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : NULL;

    return path != NULL && strcmp(path, "/robots.txt") == 0;
}

#endif

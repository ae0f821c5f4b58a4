/*
 * job_copies: pages whose payload is in the archive under another URL (revisit records), for jobs that read links: relative
 * links lead elsewhere from there.
 *
 * Each is written as a line ORIGINAL TAB COPY; ORIGINAL is a URL of which a response with the same payload is archived.
 * worker/record_copies.h reads them. In memory are those originals and all digests of copies.
 */
#ifndef TRAWL_CLI_JOB_COPIES_H
#define TRAWL_CLI_JOB_COPIES_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"
#include "shared/options.h"

/* Writes those of the crawls into a new file; `*count` lines. Of a directory without a crawldb, or which a crawl is
 * using, there are none: what its workers know is not all. False: `err`. */
bool job_copies_write(const struct string_list *crawls, const char *path, size_t *count,
                      struct error *err);

#endif

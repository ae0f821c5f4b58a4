/* export: the outcome of a crawl, written out: JSONL, CSV, CDXJ, links. */
#ifndef TRAWL_CLI_EXPORT_H
#define TRAWL_CLI_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/args.h"
#include "shared/error.h"

/* Writes all of DIR's crawl in that format. */
bool export_write(const char *dir, enum args_format format, FILE *to, struct error *err);
/* Writes DIR/index.cdxj: sealed records, sorted by their bytes. Whole or not at all. */
bool export_index(const char *dir, struct error *err);

#endif

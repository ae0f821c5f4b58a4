/* command: the commands; each gets its options read and returns the exit code. */
#ifndef TRAWL_CLI_COMMAND_H
#define TRAWL_CLI_COMMAND_H

#include "cli/args.h"
#include "shared/error.h"

int command_crawl(struct args *a); /* crawl and master */
int command_worker(const struct args *a);
int command_status(const struct args *a);
int command_ctl(const struct args *a);
int command_export(const struct args *a);
int command_job(const struct args *a);
int command_search(const struct args *a);
int command_verify(const struct args *a);
int command_why(const struct args *a); /* 0: the URL is known, 1: it is not, or something failed */

/* "trawl: TEXT" on standard error; returns `code`. */
int command_fail(int code, const struct error *err);

#endif

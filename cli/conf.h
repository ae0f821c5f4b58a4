/*
 * conf: files of options: NAME = VALUE, one a line.
 *
 * Lines that are empty or begin with '#' or ';' say nothing. Blanks around NAME and VALUE do not count; a value
 * in double quotes is what stands between the first and the last of them, as it is: there are no escapes, and
 * nothing else in a value has a meaning. (Not inih's dialect: it cuts lines at 200 bytes and values at " ;",
 * and patterns have both.)
 */
#ifndef TRAWL_CLI_CONF_H
#define TRAWL_CLI_CONF_H

#include <stdbool.h>

#include "cli/args.h"
#include "shared/error.h"

enum { CONF_LINE_BYTES = 65536 };

enum conf_result {
    CONF_OK,
    CONF_ABSENT, /* there is no such file */
    CONF_WRONG,  /* a line is not of the form */
    CONF_FAILED, /* cannot be read */
    CONF_STOPPED /* `line` returned false */
};

/* Calls `line` for each option in the file. `err` says what is WRONG, FAILED or ABSENT. */
enum conf_result conf_read(const char *path, bool (*line)(void *arg, const char *name, char *value),
                           void *arg, struct error *err);

/* Writes DIR/crawl.conf: the effective options of the crawl, enough to resume. The old one stays whole until the
 * new one is on disk. */
bool conf_save(const struct args *a, struct error *err);
/* Is there a crawl in DIR already? */
bool conf_crawl_exists(const struct args *a);
/* DIR/crawl.conf */
void conf_crawl_path(const struct args *a, char path[4096]);

#endif

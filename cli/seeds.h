/*
 * seeds: the URLs that a crawl begins with: those on the command line, and those of a file, one a line.
 *
 * Blanks around a URL, empty lines and comments do not count: from a '#' at the start of a line or behind a blank on. Any text file
 * does (text_file.h); what of a URL is not UTF-8 is sent as it is (url_parse_octets()).
 */
#ifndef TRAWL_CLI_SEEDS_H
#define TRAWL_CLI_SEEDS_H

#include <stdbool.h>

#include "shared/error.h"
#include "shared/options.h"

/* Is it a URL to crawl? `err` says what is. */
bool seeds_check(const char *url, struct error *err);
/* Adds the URLs of the file to the list; "-" is standard input. 0, or an exit code with `err`: 2 for a line that is
 * no URL, 1 for a file that cannot be read. */
int seeds_read(const char *path, struct string_list *to, struct error *err);

#endif

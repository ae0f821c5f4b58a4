/*
 * screen: texts of unknown origin (URLs, names, reasons, messages of a master) on a terminal.
 *
 * Whatever could be a command to a terminal or forge a line is shown as an escape: control characters of C0 and
 * C1, DEL, what turns the direction of writing, line and paragraph separators, and what is not UTF-8.
 */
#ifndef TRAWL_CLI_SCREEN_H
#define TRAWL_CLI_SCREEN_H

#include <stdio.h>

void screen_text(FILE *to, const char *text);

#endif

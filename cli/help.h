/* help: what --help says, and the same as man pages. */
#ifndef TRAWL_CLI_HELP_H
#define TRAWL_CLI_HELP_H

#include <stdio.h>

#include "cli/args.h"

/* All commands. */
void help_overview(FILE *to);
void help_overview_man(FILE *to);
/* One command with its options. */
void help_command(enum args_command command, FILE *to);
void help_command_man(enum args_command command, FILE *to);

#endif

#include "cli/help.h"

#include <string.h>

#include "cli/optdef.h"
#include "worker/func.h"

void help_overview(FILE *to) {
    fprintf(to, "usage: trawl COMMAND [options] ...\n\ncommands:\n");
    for (size_t i = 0; i < ARGS_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", args_commands[i].name, args_commands[i].brief);
    fprintf(to, "\ntrawl COMMAND --help says more; trawl --version tells the version.\n");
}

static bool is_shown(const struct optdef *d, enum args_command command) {
    return (d->commands & (int)command) != 0 && d->help != NULL;
}

static void built_in_jobs(FILE *to) {
    fprintf(to, "\nbuilt-in jobs:\n");
    for (size_t i = 0; i < func_builtin_count && func_builtins[i].what != NULL; i++)
        fprintf(to, "  %-10s %s\n", func_builtins[i].name, func_builtins[i].what);
}

void help_command(enum args_command command, FILE *to) {
    const struct args_about *about = args_about(command);

    fprintf(to, "usage: trawl %s [options] %s\n\n%s\n\noptions:\n", about->name, about->words,
            about->what);
    for (size_t i = 0; i < optdef_count; i++) {
        const struct optdef *d = &optdefs[i];
        char left[80];
        if (!is_shown(d, command))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", d->name, d->metavar == NULL ? "" : " ",
                 d->metavar == NULL ? "" : d->metavar);
        fprintf(to, "  %-34s %s", left, d->help);
        if (d->fallback != NULL)
            fprintf(to, " [%s]", d->fallback);
        fputc('\n', to);
    }
    if (command == ARGS_JOB)
        built_in_jobs(to);
    fprintf(to, "\nDurations: 500ms, 10s, 5m, 2h. Sizes: 64KiB, 10MiB, 1GiB.\n");
}

/* ---- man pages -------------------------------------------------------------------------------------------- */

/* Text as roff: hyphens that can be copied, no escapes, no request at the start of a line. */
static void roff(FILE *to, const char *text) {
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i == 0 && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", to);
        if (text[i] == '\\')
            fputs("\\e", to);
        else if (text[i] == '-')
            fputs("\\-", to);
        else
            fputc(text[i], to);
    }
}

static void man_end(FILE *to) {
    fprintf(to, ".SH EXIT STATUS\n0 done, or stopped cleanly; 1 something failed, said on "
                "standard error; 2 wrong usage; 130 interrupted twice.\n");
}

void help_overview_man(FILE *to) {
    fprintf(to, ".TH TRAWL 1 \"\" \"trawl %s\" \"User Commands\"\n", TRAWL_VERSION);
    fprintf(to, ".SH NAME\ntrawl \\- a distributed web crawler\n.SH SYNOPSIS\n.B trawl\n"
                "COMMAND [options] ...\n.SH COMMANDS\n");
    for (size_t i = 0; i < ARGS_COMMANDS; i++)
        fprintf(to, ".TP\n.BR trawl\\-%s (1)\n%s\n", args_commands[i].name, args_commands[i].brief);
    man_end(to);
}

void help_command_man(enum args_command command, FILE *to) {
    const struct args_about *about = args_about(command);

    fprintf(to, ".TH TRAWL\\-%s 1 \"\" \"trawl %s\" \"User Commands\"\n", about->name,
            TRAWL_VERSION);
    fprintf(to, ".SH NAME\ntrawl\\-%s \\- %s\n", about->name, about->brief);
    fprintf(to, ".SH SYNOPSIS\n.B trawl %s\n[options] %s\n.SH DESCRIPTION\n", about->name,
            about->words);
    roff(to, about->what);
    fprintf(to, "\n.SH OPTIONS\n");
    for (size_t i = 0; i < optdef_count; i++) {
        const struct optdef *d = &optdefs[i];
        if (!is_shown(d, command))
            continue;
        fprintf(to, ".TP\n.B \\-\\-");
        roff(to, d->name);
        fprintf(to, " %s\n", d->metavar == NULL ? "" : d->metavar);
        roff(to, d->help);
        if (d->fallback != NULL) {
            fprintf(to, " (default: ");
            roff(to, d->fallback);
            fputc(')', to);
        }
        fputc('\n', to);
    }
    if (command == ARGS_JOB)
        fprintf(to, ".SH BUILT-IN JOBS\n");
    for (size_t i = 0;
         command == ARGS_JOB && i < func_builtin_count && func_builtins[i].what != NULL; i++) {
        fprintf(to, ".TP\n.B %s\n", func_builtins[i].name);
        roff(to, func_builtins[i].what);
        fputc('\n', to);
    }
    fprintf(to, ".PP\nDurations: 500ms, 10s, 5m, 2h. Sizes: 64KiB, 10MiB, 1GiB.\n");
    man_end(to);
    fprintf(to, ".SH SEE ALSO\n.BR trawl (1)\n");
}

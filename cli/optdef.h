/*
 * optdef: the one table of options. From it come the reading of the command line (args.h) and of files (conf.h),
 * the writing of crawl.conf, the help and the man pages (help.h).
 *
 * A value is text in and text out: what optdef_print() gives, optdef_set() takes and means the same by.
 */
#ifndef TRAWL_CLI_OPTDEF_H
#define TRAWL_CLI_OPTDEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/args.h"
#include "shared/buf.h"

enum optdef_kind {
    OPTDEF_FLAG,       /* bool; has no value on the command line, yes or no in a file */
    OPTDEF_TEXT,       /* char * */
    OPTDEF_LIST,       /* struct string_list; each time adds one */
    OPTDEF_CIDR,       /* the same, of networks */
    OPTDEF_UINT32,     /* uint32_t */
    OPTDEF_UINT64,     /* uint64_t */
    OPTDEF_DURATION32, /* uint32_t, milliseconds */
    OPTDEF_DURATION64, /* uint64_t, milliseconds */
    OPTDEF_SIZE,       /* uint64_t, bytes */
    OPTDEF_CHOICE,     /* an enum: the index in `choices` */
    OPTDEF_EITHER,     /* bool: the first or the second of `choices` */
    OPTDEF_DIAL,       /* char *: tcp://HOST:PORT of a peer */
    OPTDEF_LISTEN,     /* char *: tcp://HOST:PORT, port 0 for any */
    OPTDEF_HTTP,       /* char *: HOST:PORT or off */
};

struct optdef {
    const char *name;
    const char *metavar;  /* NULL: a flag */
    const char *fallback; /* the default, as people are told; NULL: not told */
    const char *help;     /* NULL: a hidden option */
    enum optdef_kind kind;
    int commands;               /* of enum args_command, those that know it */
    size_t at;                  /* offset of the value in struct args */
    bool saved;                 /* in crawl.conf */
    uint64_t min, max;          /* of numbers */
    size_t given_at;            /* offset of a bool that tells "was given"; 0: none */
    const char *const *choices; /* ends with NULL */
};

enum { OPTDEF_MAX = 96, OPTDEF_ACCEPTED_BYTES = 160 };

extern const struct optdef optdefs[];
extern const size_t optdef_count; /* at most OPTDEF_MAX */

/* NULL: none of that name for any of the commands. */
const struct optdef *optdef_find(const char *name, size_t len, int commands);

enum optdef_result { OPTDEF_OK, OPTDEF_WRONG, OPTDEF_NO_MEMORY };

/* Sets the value in `a` from text. */
enum optdef_result optdef_set(const struct optdef *d, struct args *a, const char *value);
/* For a list: forgets what it has. */
void optdef_clear(const struct optdef *d, struct args *a);
/* What is accepted, for the message about a wrong value. */
void optdef_accepted(const struct optdef *d, char out[OPTDEF_ACCEPTED_BYTES]);

/* How many values are to be written: 0 when it is not set and has no text for that. */
size_t optdef_values(const struct optdef *d, const struct args *a);
/* Appends the `index`-th. */
bool optdef_print(const struct optdef *d, const struct args *a, size_t index, struct buf *out);

#endif

/*
 * text_file: the lines of a text file that a user hands in, however an editor has written it: with or without a byte order
 * mark, in UTF-8, in UTF-16 (which needs its mark) or in any other superset of ASCII; lines end with LF, CR LF or CR.
 * Files that were joined have a mark in front of a later line, too.
 *
 *     struct text_file t;
 *     if (!text_file_read(&t, file, "seeds.txt", &err)) ...
 *     while ((line = text_file_line(&t)) != NULL) use(line, t.number);
 *     text_file_release(&t);
 *
 * Bytes that are not UTF-8 stay as they are. One owner.
 */
#ifndef TRAWL_CLI_TEXT_FILE_H
#define TRAWL_CLI_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "shared/buf.h"
#include "shared/error.h"

enum { TEXT_FILE_BYTES_MAX = 1 << 30 };

struct text_file {
    struct buf text;
    size_t at;       /* where the next line begins */
    unsigned number; /* of the line that was given last, from 1 */
};

/* All of it. `path`: for `err`. False: it cannot be read, is larger than TEXT_FILE_BYTES_MAX, or holds a NUL, which no text
 * does. text_file_release() in any case. */
bool text_file_read(struct text_file *t, FILE *file, const char *path, struct error *err);
void text_file_release(struct text_file *t);
/* Without its end; it may be changed, and is valid as long as the file. NULL: there is none any more. */
char *text_file_line(struct text_file *t);

#endif

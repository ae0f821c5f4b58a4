/*
 * html_doctype: takes apart what stands between "<!DOCTYPE" and '>' (HTML standard §13.2.5.53 to
 * §13.2.5.68).
 *
 * html.h hands a DOCTYPE over whole: it ends at the first '>' in all of the standard's states, and a
 * crawler has no use for its parts. Pure: any thread.
 */
#ifndef TRAWL_SHARED_HTML_DOCTYPE_H
#define TRAWL_SHARED_HTML_DOCTYPE_H

#include <stdbool.h>
#include <stddef.h>

/* Slices of the input, NULL for "missing". NUL in them stands for U+FFFD, and the name's case is as
 * it was written: the standard lowers it. */
struct html_doctype {
    const char *name, *public_id, *system_id;
    size_t name_len, public_id_len, system_id_len;
    bool force_quirks;
};

/* `at_eof`: the '>' never came. */
void html_doctype_parse(struct html_doctype *d, const char *p, size_t n, bool at_eof);

#endif

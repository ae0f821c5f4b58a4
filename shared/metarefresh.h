/*
 * metarefresh: the content of <meta http-equiv=refresh>, or of a Refresh header (HTML standard
 * §4.2.5.3, "shared declarative refresh steps").
 *
 * A pure function: any thread.
 */
#ifndef TRAWL_SHARED_METAREFRESH_H
#define TRAWL_SHARED_METAREFRESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metarefresh {
    uint32_t delay_s; /* UINT32_MAX: that or more */
    const char *url;  /* unresolved, a slice of the content; NULL: the document itself */
    size_t url_len;
};

/* False: not a refresh. */
bool metarefresh_parse(struct metarefresh *m, const char *content, size_t content_len);

#endif

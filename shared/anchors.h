/*
 * anchors: the texts of a page's links, what stands between <a> and </a>, gathered while the page is read.
 *
 *     anchors_open(&a, link);           // <a href>; one that is open ends
 *     anchors_text(&a, p, n);           // characters, in pieces; does nothing while none is open
 *     anchors_space(&a);                // a tag that separates words
 *     anchors_close(&a);                // </a>, or the end of the page
 *     for (i = 0; i < a.count; i++) use(a.items[i].link, a.text.data + a.items[i].at, a.items[i].len);
 *
 * A text comes out as UTF-8 of one line: white space (HTML's, and Unicode's spaces) and control characters become one
 * space, none at the ends; what is not UTF-8 becomes U+FFFD. It is cut at ANCHOR_BYTES, between characters. Empty ones are
 * not kept. A page's texts are bounded by LIMIT_PAGE_LINKS and ANCHORS_BYTES; `dropped` counts the rest.
 *
 * The storage is reused. One owner each.
 */
#ifndef TRAWL_SHARED_ANCHORS_H
#define TRAWL_SHARED_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"

enum { ANCHOR_BYTES = 512, ANCHORS_BYTES = 8 << 20 };

struct anchor {
    uint32_t link;    /* what anchors_open() was told */
    uint32_t at, len; /* in `text` */
};

struct anchors {
    struct anchor *items;
    size_t count, size;
    struct buf text;
    size_t dropped;
    bool is_open;
    uint32_t link;      /* of the one that is open */
    struct buf reading; /* its text so far */
    struct buf decoded; /* scratch */
};

void anchors_init(struct anchors *a);
void anchors_reset(struct anchors *a);
void anchors_release(struct anchors *a);
/* False: no memory. */
bool anchors_open(struct anchors *a, uint32_t link);
bool anchors_text(struct anchors *a, const char *p, size_t n);
bool anchors_space(struct anchors *a);
bool anchors_close(struct anchors *a);

#endif

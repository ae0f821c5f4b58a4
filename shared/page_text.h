/*
 * page_text: what a person would read of a page: its title and its visible text.
 *
 *     struct page_text t;
 *     page_text_init(&t, text_bytes);
 *     if (page_text_read(&t, body, body_len, content_type)) use(t.title, t.text);
 *     page_text_release(&t);
 *
 * The encoding is found as page.h does: byte order mark, Content-Type, <meta> anywhere, else UTF-8 if it is that, else
 * windows-1252. What comes out is UTF-8 without control characters; a run of white space (HTML's, and Unicode's spaces) is
 * one space, and none stands at either end. Character references are decoded. Scripting is disabled: <noscript> counts.
 *
 * Left out: script, style, template, iframe, noembed, noframes, comments, attributes, and a <title> behind the first one.
 * Tags separate words, but for those of phrasing content that stand inside of one ("w<b>or</b>d"). Not known without
 * style sheets: what they hide.
 *
 * Other text types are decoded whole and have no title. The storage is reused. One owner each.
 */
#ifndef TRAWL_SHARED_PAGE_TEXT_H
#define TRAWL_SHARED_PAGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/html.h"
#include "shared/html_context.h"
#include "shared/mimetype.h"

enum { PAGE_TEXT_TITLE_BYTES = 4096 };

/* All but title, text and is_cut are page_text.c's own. */
struct page_text {
    struct buf title, text;
    bool is_cut; /* there was more text than fits */
    struct mimetype type;
    struct html html;
    struct html_context context;
    const struct charset *charset, *restart; /* restart: a <meta> says it is this one */
    bool is_certain;                         /* no <meta> can change it */
    bool is_ascii;                           /* no charset would make a difference */
    bool in_title, title_seen, title_cut, in_dropped;
    unsigned templates; /* open around */
};

void page_text_init(struct page_text *t, size_t text_bytes);
void page_text_release(struct page_text *t);
/* Whether a body of this type (the essence, lower case) is text to read: HTML, XHTML, plain text, Markdown. */
bool page_text_is_text(const char *mime);
/* False: no memory. `content_type`: the header's value. What is not HTML is read as plain text. */
bool page_text_read(struct page_text *t, const char *body, size_t len, const char *content_type);

#endif

/*
 * html_element: the elements that decide how HTML is read or that carry links, by name.
 *
 * Constant data: any thread.
 */
#ifndef TRAWL_SHARED_HTML_ELEMENT_H
#define TRAWL_SHARED_HTML_ELEMENT_H

#include "shared/html.h"

#include <stddef.h>
#include <stdint.h>

enum html_element_id {
    HTML_ELEMENT_OTHER, /* known for its flags alone */
    HTML_ELEMENT_A,
    HTML_ELEMENT_ANNOTATION_XML,
    HTML_ELEMENT_AREA,
    HTML_ELEMENT_AUDIO,
    HTML_ELEMENT_BASE,
    HTML_ELEMENT_BODY,
    HTML_ELEMENT_EMBED,
    HTML_ELEMENT_FONT,
    HTML_ELEMENT_FORM,
    HTML_ELEMENT_FRAME,
    HTML_ELEMENT_IFRAME,
    HTML_ELEMENT_IMAGE,
    HTML_ELEMENT_IMG,
    HTML_ELEMENT_INPUT,
    HTML_ELEMENT_LINK,
    HTML_ELEMENT_MATH,
    HTML_ELEMENT_META,
    HTML_ELEMENT_OBJECT,
    HTML_ELEMENT_SCRIPT,
    HTML_ELEMENT_SOURCE,
    HTML_ELEMENT_STYLE,
    HTML_ELEMENT_SVG,
    HTML_ELEMENT_TABLE,
    HTML_ELEMENT_TEMPLATE,
    HTML_ELEMENT_TRACK,
    HTML_ELEMENT_USE,
    HTML_ELEMENT_VIDEO,
};

enum {
    HTML_ELEMENT_BREAKOUT = 1 << 0,     /* ends foreign content (§13.2.6.5) */
    HTML_ELEMENT_SVG_POINT = 1 << 1,    /* HTML integration point in SVG */
    HTML_ELEMENT_MATH_POINT = 1 << 2,   /* MathML text integration point */
    HTML_ELEMENT_END_BREAKOUT = 1 << 3, /* its end tag ends foreign content too */
};

struct html_element {
    const char *name;
    uint8_t name_len;
    uint8_t id;            /* enum html_element_id */
    uint8_t content_state; /* enum html_state: how its content is tokenized in HTML */
    uint8_t flags;         /* HTML_ELEMENT_BREAKOUT ... */
};

/* The element with that name (lower case), or NULL if nothing is known of it. */
const struct html_element *html_element_find(const char *name, size_t name_len);

#endif

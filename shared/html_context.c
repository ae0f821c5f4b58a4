#include "shared/html_context.h"

#include <string.h>
#include <strings.h>

void html_context_init(struct html_context *c) {
    *c = (struct html_context){0};
}

enum html_namespace html_context_namespace(const struct html_context *c) {
    return c->depth == 0 ? HTML_NAMESPACE_HTML : (enum html_namespace)c->stack[c->depth - 1].ns;
}

/* The namespace around the current one. */
static enum html_namespace outer_namespace(const struct html_context *c) {
    if (c->overflow > 0)
        return html_context_namespace(c);
    return c->depth < 2 ? HTML_NAMESPACE_HTML : (enum html_namespace)c->stack[c->depth - 2].ns;
}

/* CDATA sections are where the current node is foreign: an integration point is, what HTML stands in it is not. */
static void allow_cdata(const struct html_context *c, struct html *h) {
    const struct html_context_level *l = c->depth == 0 ? NULL : &c->stack[c->depth - 1];

    html_allow_cdata(h, l != NULL && (l->ns != HTML_NAMESPACE_HTML || l->open == 0));
}

static void note_html(struct html_context *c) {
    if (c->depth > 0)
        c->stack[c->depth - 1].open = 1;
}

/* The current level, if it is the content of an <annotation-xml>; else NULL. */
static struct html_context_level *annotation(struct html_context *c) {
    struct html_context_level *l = c->depth == 0 ? NULL : &c->stack[c->depth - 1];

    return l != NULL && l->annotation && c->overflow == 0 ? l : NULL;
}

static void count_open(struct html_context *c) {
    struct html_context_level *l = annotation(c);

    if (l != NULL && l->open < UINT16_MAX)
        l->open++;
}

static void count_closed(struct html_context *c) {
    struct html_context_level *l = annotation(c);

    if (l != NULL && l->open > 0)
        l->open--;
}

static void enter(struct html_context *c, enum html_namespace ns, bool is_annotation) {
    count_open(c);
    if (c->depth < HTML_CONTEXT_DEPTH_MAX)
        c->stack[c->depth++] =
            (struct html_context_level){.ns = (uint8_t)ns, .annotation = is_annotation};
    else
        c->overflow++;
}

static void leave(struct html_context *c) {
    if (c->overflow > 0)
        c->overflow--;
    else if (c->depth > 0)
        c->depth--;
    count_closed(c);
}

static void leave_foreign(struct html_context *c) {
    while (html_context_namespace(c) != HTML_NAMESPACE_HTML) {
        c->overflow = 0;
        leave(c);
    }
}

static bool attr_is(const struct html_attr *a, const char *name) {
    return a->name_len == strlen(name) && memcmp(a->name, name, a->name_len) == 0;
}

static bool value_is(const struct html_attr *a, const char *value) {
    return a->value_len == strlen(value) && strncasecmp(a->value, value, a->value_len) == 0;
}

static bool is_breakout(const struct html_element *e, const struct html_tag *tag) {
    if (e->flags & HTML_ELEMENT_BREAKOUT)
        return true;
    if (e->id != HTML_ELEMENT_FONT)
        return false;
    for (size_t i = 0; i < tag->attr_count; i++)
        if (attr_is(&tag->attrs[i], "color") || attr_is(&tag->attrs[i], "face") ||
            attr_is(&tag->attrs[i], "size"))
            return true;
    return false;
}

/* Whether an element of the current, foreign namespace holds HTML. */
static bool holds_html(const struct html_context *c, const struct html_element *e,
                       const struct html_tag *tag) {
    if (html_context_namespace(c) == HTML_NAMESPACE_SVG)
        return (e->flags & HTML_ELEMENT_SVG_POINT) != 0;
    if (e->id != HTML_ELEMENT_ANNOTATION_XML)
        return (e->flags & HTML_ELEMENT_MATH_POINT) != 0;
    for (size_t i = 0; i < tag->attr_count; i++)
        if (attr_is(&tag->attrs[i], "encoding"))
            return value_is(&tag->attrs[i], "text/html") ||
                   value_is(&tag->attrs[i], "application/xhtml+xml");
    return false;
}

static bool opens_foreign(const struct html_element *e) {
    return e->id == HTML_ELEMENT_SVG || e->id == HTML_ELEMENT_MATH;
}

bool html_context_wants(const struct html_context *c, const struct html_element *e) {
    return c->depth > 0 || (e != NULL && (e->content_state != HTML_DATA || opens_foreign(e)));
}

/* A start tag while the current node is HTML. */
static bool start_in_html(struct html_context *c, const struct html_element *e,
                          const struct html_tag *tag, struct html *h) {
    if (!opens_foreign(e)) {
        note_html(c);
        if (e->content_state != HTML_DATA)
            html_set_state(h, (enum html_state)e->content_state);
        return true;
    }
    if (!tag->self_closing)
        enter(c, e->id == HTML_ELEMENT_SVG ? HTML_NAMESPACE_SVG : HTML_NAMESPACE_MATHML, false);
    return false;
}

static bool start_in_foreign(struct html_context *c, const struct html_element *e,
                             const struct html_tag *tag, struct html *h) {
    if (is_breakout(e, tag)) {
        leave_foreign(c);
        return start_in_html(c, e, tag, h);
    }
    if (tag->self_closing)
        return false;
    enum html_namespace ns = html_context_namespace(c);
    struct html_context_level *in = annotation(c);
    if (e->id == HTML_ELEMENT_SVG && (ns == HTML_NAMESPACE_SVG || (in != NULL && in->open == 0)))
        enter(c, HTML_NAMESPACE_SVG, false);
    else if (e->id == HTML_ELEMENT_MATH && ns == HTML_NAMESPACE_MATHML)
        enter(c, HTML_NAMESPACE_MATHML, false);
    else if (holds_html(c, e, tag))
        enter(c, HTML_NAMESPACE_HTML, false);
    else if (e->id == HTML_ELEMENT_ANNOTATION_XML && ns == HTML_NAMESPACE_MATHML)
        enter(c, HTML_NAMESPACE_MATHML, true);
    else
        count_open(c);
    return false;
}

/* An element that nothing is known of. */
static bool start_unknown(struct html_context *c, const struct html_tag *tag) {
    if (html_context_namespace(c) == HTML_NAMESPACE_HTML) {
        note_html(c);
        return true;
    }
    if (!tag->self_closing)
        count_open(c);
    return false;
}

bool html_context_start_tag(struct html_context *c, const struct html_element *e,
                            const struct html_tag *tag, struct html *h) {
    bool is_html;

    if (e == NULL)
        is_html = start_unknown(c, tag);
    else if (html_context_namespace(c) == HTML_NAMESPACE_HTML)
        is_html = start_in_html(c, e, tag, h);
    else
        is_html = start_in_foreign(c, e, tag, h);
    allow_cdata(c, h);
    return is_html;
}

/* Whether the end tag closes the integration point that the current HTML is in. */
static bool ends_point(const struct html_context *c, const struct html_element *e) {
    switch (outer_namespace(c)) {
    case HTML_NAMESPACE_SVG:
        return (e->flags & HTML_ELEMENT_SVG_POINT) != 0;
    case HTML_NAMESPACE_MATHML:
        return (e->flags & HTML_ELEMENT_MATH_POINT) != 0 || e->id == HTML_ELEMENT_ANNOTATION_XML;
    default:
        return false;
    }
}

static void leave_math(struct html_context *c) {
    while (annotation(c) != NULL)
        leave(c);
    leave(c);
}

static void end_in_foreign(struct html_context *c, const struct html_element *e) {
    enum html_namespace ns = html_context_namespace(c);

    if (e->flags & HTML_ELEMENT_END_BREAKOUT)
        leave_foreign(c);
    else if (ns == HTML_NAMESPACE_MATHML && e->id == HTML_ELEMENT_MATH)
        leave_math(c);
    else if ((ns == HTML_NAMESPACE_SVG && e->id == HTML_ELEMENT_SVG) ||
             (annotation(c) != NULL && e->id == HTML_ELEMENT_ANNOTATION_XML))
        leave(c);
    else
        count_closed(c);
}

void html_context_end_tag(struct html_context *c, const struct html_element *e, struct html *h) {
    if (c->depth == 0)
        return;
    if (html_context_namespace(c) != HTML_NAMESPACE_HTML) {
        if (e == NULL)
            count_closed(c);
        else
            end_in_foreign(c, e);
    } else if (e != NULL && ends_point(c, e)) {
        leave(c);
    }
    allow_cdata(c, h);
}

/*
 * html_context: what the HTML standard's tree builder would tell the tokenizer, without a tree.
 *
 * The tokenizer needs two things from the tree builder (§13.2.6): the state after a start tag (the
 * content of <style> is raw text, unless the <style> is SVG's), and whether CDATA sections exist
 * (only in SVG and MathML). Both depend on the namespace of the current node, so this follows <svg>,
 * <math>, their integration points (<foreignObject>, <mi>, <annotation-xml> ...) and the tags that
 * break out of them, scripting disabled. What it cannot know, for want of a tree, is which HTML
 * elements are open: an end tag that would close one around an unclosed <svg>, and one inside an
 * integration point that the tree builder ignores because elements are still open there; nor does it
 * follow <mglyph> and <malignmark> into MathML text. Pages that close what they open are read exactly.
 *
 * <svg> within <math> is an element of MathML, but for a child of <annotation-xml>, and <math> within
 * <svg> one of SVG: only where HTML may stand do they begin what their names say.
 *
 *     want callback:      return html_context_wants(&c, element) || ...;
 *     start_tag callback: html_context_start_tag(&c, element, tag, &h);
 *     end_tag callback:   html_context_end_tag(&c, element, &h);
 *
 * `element` is html_element_find() of the tag's name, NULL for unknown ones. One owner each.
 */
#ifndef TRAWL_SHARED_HTML_CONTEXT_H
#define TRAWL_SHARED_HTML_CONTEXT_H

#include "shared/html.h"
#include "shared/html_element.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum html_namespace { HTML_NAMESPACE_HTML, HTML_NAMESPACE_SVG, HTML_NAMESPACE_MATHML };

enum { HTML_CONTEXT_DEPTH_MAX = 64 };

struct html_context_level {
    uint8_t ns;      /* enum html_namespace; HTML: an integration point */
    bool annotation; /* the content of an <annotation-xml> that is no HTML */
    uint16_t open;   /* there: elements that are open; in HTML: those that were opened */
};

struct html_context {
    struct html_context_level stack[HTML_CONTEXT_DEPTH_MAX]; /* [depth - 1] is the current one */
    size_t depth;    /* 0: HTML, nothing foreign around it */
    size_t overflow; /* entered beyond the maximum: taken as the innermost */
};

void html_context_init(struct html_context *c);
/* Whether a start tag has to come to html_context_start_tag(). */
bool html_context_wants(const struct html_context *c, const struct html_element *element);
/* Sets the tokenizer's next state and its CDATA flag. True: the element is in the HTML namespace. */
bool html_context_start_tag(struct html_context *c, const struct html_element *element,
                            const struct html_tag *tag, struct html *h);
void html_context_end_tag(struct html_context *c, const struct html_element *element,
                          struct html *h);
enum html_namespace html_context_namespace(const struct html_context *c);

#endif

#include "shared/page.h"

#include "shared/css.h"
#include "shared/limits.h"
#include "shared/link_field.h"
#include "shared/metarefresh.h"
#include "shared/srcset.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    STYLE_BYTES = 1 << 20,
    /* Room for a link whose query is encoded: a character grows by no more than from two bytes to
       the 13 of "%26%23255%3B". */
    SCRATCH_BYTES = 8 * LIMIT_URL_BYTES,
    /* All documents of <iframe srcdoc>, those inside of one another included. */
    SRCDOC_BYTES = 1 << 20,
    /* In which an XML document's root element begins, if it is in UTF-16. */
    ROOT_BYTES = 4096,
};

/* ------------------------------------------------------------------ attributes */

static const struct html_attr *find_attr(const struct html_tag *tag, const char *name) {
    size_t n = strlen(name);

    for (size_t i = 0; i < tag->attr_count; i++)
        if (tag->attrs[i].name_len == n && memcmp(tag->attrs[i].name, name, n) == 0)
            return &tag->attrs[i];
    return NULL;
}

static bool text_is(const char *p, size_t n, const char *word) {
    return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

static bool value_is(const struct html_attr *a, const char *word) {
    return a != NULL && text_is(a->value, a->value_len, word);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* The next of the words in [*at, end), which spaces and commas separate. */
static bool next_word(const char **at, const char *end, const char **word, size_t *word_len) {
    const char *p = *at;

    while (p < end && (is_space(*p) || *p == ','))
        p++;
    *word = p;
    while (p < end && !is_space(*p) && *p != ',')
        p++;
    *word_len = (size_t)(p - *word);
    *at = p;
    return *word_len > 0;
}

static bool text_has_word(const char *text, size_t len, const char *wanted) {
    const char *at = text, *end = len == 0 ? text : text + len, *word;
    size_t n;

    while (next_word(&at, end, &word, &n))
        if (text_is(word, n, wanted))
            return true;
    return false;
}

static bool has_word(const struct html_attr *a, const char *wanted) {
    return a != NULL && text_has_word(a->value, a->value_len, wanted);
}

/* ------------------------------------------------------------------ links as written */

static bool wants(const struct page *p, enum page_link_kind kind) {
    return (p->in->follow >> kind & 1) != 0;
}

static void count_result(struct page *p, enum link_list_result result) {
    if (result == LINK_LIST_FULL)
        p->links_dropped++;
    else if (result == LINK_LIST_NO_MEMORY)
        p->failed = true;
}

/* As the URL parser does first: outer spaces and controls away. Then the fragment, which is not part
 * of a link's identity; unless cutting it would bring a space to the end, which the parser would
 * take away. */
static void trim(const char **text, size_t *len) {
    const char *start = *text, *end = start + *len;

    while (start < end && (unsigned char)*start <= 0x20)
        start++;
    while (end > start && (unsigned char)end[-1] <= 0x20)
        end--;
    const char *hash = memchr(start, '#', (size_t)(end - start));
    if (hash != NULL && (hash == start || (unsigned char)hash[-1] > 0x20))
        end = hash;
    *text = start;
    *len = (size_t)(end - start);
}

/* Its text follows. */
static void open_anchor(struct page *p, enum link_list_result result) {
    if (result == LINK_LIST_FULL)
        p->anchors.dropped++;
    else if (result != LINK_LIST_NO_MEMORY && !anchors_open(&p->anchors, (uint32_t)p->raw.last))
        p->failed = true;
}

static void add_link(struct page *p, enum page_link_kind kind, const char *text, size_t len,
                     bool nofollow) {
    if (!wants(p, kind))
        return;
    trim(&text, &len);
    if (len > LIMIT_URL_BYTES) {
        p->links_refused++;
        return;
    }
    enum link_list_result result =
        link_list_add(&p->raw, text, len, (uint8_t)kind, nofollow ? PAGE_LINK_NOFOLLOW : 0);
    count_result(p, result);
    if (p->in->anchors && kind == PAGE_A)
        open_anchor(p, result);
}

static void add_attr(struct page *p, enum page_link_kind kind, const struct html_attr *a,
                     bool nofollow) {
    if (a != NULL)
        add_link(p, kind, a->value, a->value_len, nofollow);
}

/* What stands here is of a document of its own: an <iframe srcdoc>, or what a <template> may become. It says nothing of the page. */
static bool is_inert(const struct page *p) {
    return p->in_srcdoc || p->templates > 0;
}

static void add_srcset(struct page *p, const struct html_attr *a) {
    struct srcset s;
    const char *url;
    size_t url_len;

    if (a == NULL || !wants(p, PAGE_SRCSET))
        return;
    srcset_init(&s, a->value, a->value_len);
    while (srcset_next(&s, &url, &url_len))
        add_link(p, PAGE_SRCSET, url, url_len, false);
}

static void add_css(struct page *p, const char *text, size_t len) {
    struct css c;

    css_init(&c, text, len);
    while (css_next(&c, &p->scratch))
        add_link(p, PAGE_CSS, p->scratch.data, p->scratch.len, false);
    p->failed = p->failed || c.no_memory;
}

static void keep_href(struct page *p, struct buf *to, const struct html_attr *a) {
    if (a->value_len <= LIMIT_URL_BYTES && !buf_append(to, a->value, a->value_len))
        p->failed = true;
}

/* ------------------------------------------------------------------ elements */

static enum page_link_kind kind_of_rel_word(const char *word, size_t n) {
    static const struct {
        const char *rel;
        enum page_link_kind kind;
    } kinds[] = {
        {"stylesheet", PAGE_LINK_STYLESHEET},
        {"canonical", PAGE_LINK_CANONICAL},
        {"alternate", PAGE_LINK_ALTERNATE},
        {"next", PAGE_LINK_NEXT},
        {"prev", PAGE_LINK_PREV},
        {"previous", PAGE_LINK_PREV},
        {"icon", PAGE_LINK_ICON},
        {"apple-touch-icon", PAGE_LINK_ICON},
        {"apple-touch-icon-precomposed", PAGE_LINK_ICON},
        {"mask-icon", PAGE_LINK_ICON},
        {"image_src", PAGE_LINK_ICON},
        {"preload", PAGE_LINK_PRELOAD},
        {"modulepreload", PAGE_LINK_PRELOAD},
        {"prefetch", PAGE_LINK_PRELOAD},
        {"amphtml", PAGE_LINK_DOCUMENT},
        {"appendix", PAGE_LINK_DOCUMENT},
        {"author", PAGE_LINK_DOCUMENT},
        {"bookmark", PAGE_LINK_DOCUMENT},
        {"chapter", PAGE_LINK_DOCUMENT},
        {"contents", PAGE_LINK_DOCUMENT},
        {"copyright", PAGE_LINK_DOCUMENT},
        {"first", PAGE_LINK_DOCUMENT},
        {"glossary", PAGE_LINK_DOCUMENT},
        {"help", PAGE_LINK_DOCUMENT},
        {"home", PAGE_LINK_DOCUMENT},
        {"index", PAGE_LINK_DOCUMENT},
        {"last", PAGE_LINK_DOCUMENT},
        {"license", PAGE_LINK_DOCUMENT},
        {"me", PAGE_LINK_DOCUMENT},
        {"prerender", PAGE_LINK_DOCUMENT},
        {"privacy-policy", PAGE_LINK_DOCUMENT},
        {"section", PAGE_LINK_DOCUMENT},
        {"shortlink", PAGE_LINK_DOCUMENT},
        {"start", PAGE_LINK_DOCUMENT},
        {"subsection", PAGE_LINK_DOCUMENT},
        {"tag", PAGE_LINK_DOCUMENT},
        {"terms-of-service", PAGE_LINK_DOCUMENT},
        {"toc", PAGE_LINK_DOCUMENT},
        {"top", PAGE_LINK_DOCUMENT},
        {"up", PAGE_LINK_DOCUMENT},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_is(word, n, kinds[i].rel))
            return kinds[i].kind;
    return PAGE_LINK_OTHER;
}

/* The kind of a <link>. A style sheet is one whatever else it is; else the first word that means
 * something counts. False: it leads nowhere. */
static bool link_kind(const char *rel, size_t rel_len, enum page_link_kind *kind) {
    const char *at = rel, *end = rel_len == 0 ? at : at + rel_len, *word;
    bool hint = false;
    size_t n;

    *kind = PAGE_LINK_OTHER;
    while (next_word(&at, end, &word, &n)) {
        enum page_link_kind found = kind_of_rel_word(word, n);
        if (text_is(word, n, "preconnect") || text_is(word, n, "dns-prefetch"))
            hint = true;
        else if (found == PAGE_LINK_STYLESHEET || *kind == PAGE_LINK_OTHER)
            *kind = found;
    }
    return !(hint && *kind == PAGE_LINK_OTHER);
}

static void on_link(struct page *p, const struct html_tag *tag) {
    const struct html_attr *href = find_attr(tag, "href"), *rel = find_attr(tag, "rel");
    enum page_link_kind kind;

    add_srcset(p, find_attr(tag, "imagesrcset"));
    if (href == NULL || rel == NULL || !link_kind(rel->value, rel->value_len, &kind))
        return;
    if (!p->has_canonical && !is_inert(p) && has_word(rel, "canonical")) {
        p->has_canonical = true;
        keep_href(p, &p->canonical_href, href);
    }
    add_attr(p, kind, href, has_word(rel, "nofollow"));
}

static void on_base(struct page *p, const struct html_tag *tag) {
    const struct html_attr *href = find_attr(tag, "href");

    if (href == NULL || p->has_base || is_inert(p))
        return;
    p->has_base = true;
    keep_href(p, &p->base_href, href);
}

static void on_form(struct page *p, const struct html_tag *tag) {
    const struct html_attr *method = find_attr(tag, "method");

    if (!value_is(method, "post") && !value_is(method, "dialog"))
        add_attr(p, PAGE_FORM, find_attr(tag, "action"),
                 has_word(find_attr(tag, "rel"), "nofollow"));
}

/* "Changing the encoding while parsing" (§13.2.3.5): begin again if it makes a difference. What
 * could be read as UTF-16 is UTF-16. */
static void on_meta_charset(struct page *p, const struct charset *c) {
    if (c == NULL || p->charset_certain || p->in_srcdoc ||
        strncmp(p->charset->name, "utf-16", 6) == 0)
        return;
    p->charset_certain = true;
    if (c != p->charset && !charset_is_ascii(p->in->body, p->in->body_len))
        p->charset_restart = c;
    else
        p->charset = c;
}

static void on_meta(struct page *p, const struct html_tag *tag) {
    const struct html_attr *name = find_attr(tag, "name"), *content = find_attr(tag, "content");
    const struct html_attr *pragma = find_attr(tag, "http-equiv"),
                           *charset = find_attr(tag, "charset");
    struct metarefresh refresh;

    if (charset != NULL)
        on_meta_charset(p, charset_declared(charset->value, charset->value_len));
    if (content == NULL)
        return;
    bool is_robots =
        value_is(name, "robots") || (p->in->agent != NULL && value_is(name, p->in->agent));
    if (is_robots && !is_inert(p))
        robots_tag_meta(&p->robots, content->value, content->value_len);
    if (value_is(pragma, "content-type"))
        on_meta_charset(p, charset_from_meta_content(content->value, content->value_len));
    else if (value_is(pragma, "refresh") &&
             metarefresh_parse(&refresh, content->value, content->value_len) && refresh.url != NULL)
        add_link(p, PAGE_META_REFRESH, refresh.url, refresh.url_len, false);
}

/* Its value is decoded already; it is read when the page is. What is beyond the bound is not looked at. */
static void on_iframe(struct page *p, const struct html_tag *tag) {
    const struct html_attr *srcdoc = find_attr(tag, "srcdoc");

    if (srcdoc == NULL || srcdoc->value_len >= p->srcdoc.cap_max - p->srcdoc.len)
        return;
    if (!buf_append(&p->srcdoc, srcdoc->value, srcdoc->value_len) ||
        !buf_append_char(&p->srcdoc, '\0'))
        p->failed = true;
}

static void on_svg(struct page *p, const struct html_tag *tag) {
    const struct html_attr *href = find_attr(tag, "href");

    if (p->element == NULL)
        return;
    href = href != NULL ? href : find_attr(tag, "xlink:href");
    if (p->element->id == HTML_ELEMENT_A)
        add_attr(p, PAGE_A, href, has_word(find_attr(tag, "rel"), "nofollow"));
    else if (p->element->id == HTML_ELEMENT_IMAGE || p->element->id == HTML_ELEMENT_USE)
        add_attr(p, PAGE_IMG, href, false);
    else if (p->element->id == HTML_ELEMENT_SCRIPT)
        add_attr(p, PAGE_SCRIPT, href, false);
}

/* Elements whose links are just in an attribute. <image> is read as <img> (§13.2.6.4.7). */
static const struct {
    uint8_t element, kind;
    const char *attr;
} link_attrs[] = {
    {HTML_ELEMENT_A, PAGE_A, "href"},           {HTML_ELEMENT_AREA, PAGE_AREA, "href"},
    {HTML_ELEMENT_AUDIO, PAGE_AUDIO, "src"},    {HTML_ELEMENT_BODY, PAGE_IMG, "background"},
    {HTML_ELEMENT_EMBED, PAGE_EMBED, "src"},    {HTML_ELEMENT_FRAME, PAGE_FRAME, "src"},
    {HTML_ELEMENT_IFRAME, PAGE_IFRAME, "src"},  {HTML_ELEMENT_IMAGE, PAGE_IMG, "src"},
    {HTML_ELEMENT_IMG, PAGE_IMG, "src"},        {HTML_ELEMENT_INPUT, PAGE_IMG, "src"},
    {HTML_ELEMENT_OBJECT, PAGE_OBJECT, "data"}, {HTML_ELEMENT_SCRIPT, PAGE_SCRIPT, "src"},
    {HTML_ELEMENT_SOURCE, PAGE_SOURCE, "src"},  {HTML_ELEMENT_TABLE, PAGE_IMG, "background"},
    {HTML_ELEMENT_TRACK, PAGE_TRACK, "src"},    {HTML_ELEMENT_VIDEO, PAGE_VIDEO, "src"},
    {HTML_ELEMENT_VIDEO, PAGE_IMG, "poster"},
};

#define LINK_ATTR_COUNT (sizeof link_attrs / sizeof link_attrs[0])

static void on_html(struct page *p, const struct html_tag *tag) {
    enum html_element_id id = p->element != NULL ? p->element->id : HTML_ELEMENT_OTHER;

    if (id == HTML_ELEMENT_LINK)
        on_link(p, tag);
    else if (id == HTML_ELEMENT_BASE)
        on_base(p, tag);
    else if (id == HTML_ELEMENT_FORM)
        on_form(p, tag);
    else if (id == HTML_ELEMENT_META)
        on_meta(p, tag);
    else if (id == HTML_ELEMENT_IFRAME)
        on_iframe(p, tag);
    else if (id == HTML_ELEMENT_TEMPLATE)
        p->templates += !(p->is_xml && tag->self_closing);
    else if (id == HTML_ELEMENT_IMG || id == HTML_ELEMENT_IMAGE || id == HTML_ELEMENT_SOURCE)
        add_srcset(p, find_attr(tag, "srcset"));
    if (id == HTML_ELEMENT_OTHER)
        return;
    bool nofollow = (id == HTML_ELEMENT_A || id == HTML_ELEMENT_AREA) &&
                    has_word(find_attr(tag, "rel"), "nofollow");
    for (size_t i = 0; i < LINK_ATTR_COUNT; i++)
        if (link_attrs[i].element == id)
            add_attr(p, link_attrs[i].kind, find_attr(tag, link_attrs[i].attr), nofollow);
}

/* Which elements are worth reading, by the kinds that are wanted. */
static uint64_t wanted_elements(uint32_t follow) {
    uint64_t set = 1ull << HTML_ELEMENT_BASE | 1ull << HTML_ELEMENT_META |
                   1ull << HTML_ELEMENT_LINK | 1ull << HTML_ELEMENT_TEMPLATE;

    for (size_t i = 0; i < LINK_ATTR_COUNT; i++)
        if (follow >> link_attrs[i].kind & 1)
            set |= 1ull << link_attrs[i].element;
    if (follow >> PAGE_FORM & 1)
        set |= 1ull << HTML_ELEMENT_FORM;
    if (follow >> PAGE_SRCSET & 1)
        set |= 1ull << HTML_ELEMENT_IMG | 1ull << HTML_ELEMENT_IMAGE | 1ull << HTML_ELEMENT_SOURCE;
    return set;
}

/* ------------------------------------------------------------------ the tokenizer's events */

/* Elements that do not end a word: phrasing content (§4.5), and obsolete elements like it. */
static bool is_inside_word(const char *name, size_t n) {
    static const char *const names[] = {
        "a",    "abbr", "acronym", "b",  "bdi",   "bdo",   "big",  "cite",   "code",
        "data", "del",  "dfn",     "em", "font",  "i",     "ins",  "kbd",    "mark",
        "nobr", "q",    "ruby",    "s",  "samp",  "small", "span", "strike", "strong",
        "sub",  "sup",  "time",    "tt", "tspan", "u",     "var",  "wbr",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_is(name, n, names[i]))
            return true;
    return false;
}

/* A tag, start or end, inside of an anchor: a word ends, or the anchor does. */
static void on_anchor_tag(struct page *p, const char *name, size_t name_len) {
    if (!p->anchors.is_open)
        return;
    bool ends = text_is(name, name_len, "a");
    if (ends ? !anchors_close(&p->anchors)
             : !is_inside_word(name, name_len) && !anchors_space(&p->anchors))
        p->failed = true;
}

static void set_text(struct page *p) {
    html_set_text(&p->html, p->in_style || (p->anchors.is_open && !p->in_opaque));
}

/* Of an XML document: prefixes of the name are not looked at. */
static void drop_prefix(const struct page *p, const char **name, size_t *len) {
    const char *colon = p->is_xml && *len > 0 ? memchr(*name, ':', *len) : NULL;

    if (colon == NULL)
        return;
    *len -= (size_t)(colon + 1 - *name);
    *name = colon + 1;
}

static bool on_want(void *ctx, const char *name, size_t name_len) {
    struct page *p = ctx;

    drop_prefix(p, &name, &name_len);
    on_anchor_tag(p, name, name_len);
    p->element = html_element_find(name, name_len);
    return (p->element != NULL && (p->wanted_elements >> p->element->id & 1) != 0) ||
           html_context_wants(&p->context, p->element) || wants(p, PAGE_CSS);
}

static bool on_start_tag(void *ctx, const struct html_tag *tag) {
    struct page *p = ctx;
    bool in_html = html_context_start_tag(&p->context, p->element, tag, &p->html);

    if (in_html)
        on_html(p, tag);
    else
        on_svg(p, tag);
    if (p->is_xml && tag->self_closing)
        html_set_state(&p->html, HTML_DATA);
    p->in_opaque = in_html && p->element != NULL && p->element->content_state != HTML_DATA &&
                   !(p->is_xml && tag->self_closing);
    if (wants(p, PAGE_CSS)) {
        const struct html_attr *style = find_attr(tag, "style");
        if (style != NULL)
            add_css(p, style->value, style->value_len);
        if (p->element != NULL && p->element->id == HTML_ELEMENT_STYLE && !tag->self_closing) {
            buf_reset(&p->style);
            p->in_style = true;
        }
    }
    set_text(p);
    return !p->failed && p->charset_restart == NULL;
}

static void end_style(struct page *p) {
    if (!p->in_style)
        return;
    p->in_style = false;
    add_css(p, p->style.len > 0 ? p->style.data : "", p->style.len);
}

static bool on_end_tag(void *ctx, const struct html_tag *tag) {
    struct page *p = ctx;
    const char *name = tag->name;
    size_t len = tag->name_len;

    drop_prefix(p, &name, &len);
    if (p->templates > 0 && text_is(name, len, "template") &&
        html_context_namespace(&p->context) == HTML_NAMESPACE_HTML)
        p->templates--;
    if (p->context.depth > 0)
        html_context_end_tag(&p->context, html_element_find(name, len), &p->html);
    if (text_is(name, len, "style"))
        end_style(p);
    p->in_opaque = false; /* raw text has no other end tag than its own */
    on_anchor_tag(p, name, len);
    set_text(p);
    return !p->failed;
}

/* The content of <style>; what is beyond its bound is not looked at. Or that of an anchor. */
static bool on_text(void *ctx, const char *text, size_t n) {
    struct page *p = ctx;

    if (!p->in_style)
        p->failed = p->failed || !anchors_text(&p->anchors, text, n);
    else if (n <= p->style.cap_max - p->style.len && !buf_append(&p->style, text, n))
        p->failed = true;
    return !p->failed;
}

static const struct html_events events = {
    .want = on_want,
    .start_tag = on_start_tag,
    .end_tag = on_end_tag,
    .text = on_text,
};

/* ------------------------------------------------------------------ from text to URLs */

/* The page's links so far were found while reading it in the wrong encoding. */
static void forget_links(struct page *p) {
    link_list_reset(&p->raw);
    anchors_reset(&p->anchors);
    p->in_style = p->in_opaque = false;
    buf_reset(&p->srcdoc);
    buf_reset(&p->base_href);
    buf_reset(&p->canonical_href);
    p->has_base = p->has_canonical = false;
    robots_tag_init(&p->robots);
    p->links_dropped = p->links_refused = 0;
}

/* The query of a link on a page in a legacy encoding is encoded in that encoding, not in UTF-8.
 * `*text` is left alone or moved to `scratch`. False: no memory. */
static bool encode_query(struct page *p, const char **text, size_t *len) {
    const char *hash = memchr(*text, '#', *len), *end = hash != NULL ? hash : *text + *len;
    const char *query = memchr(*text, '?', (size_t)(end - *text));

    if (query == NULL || p->charset == NULL || p->charset == charset_utf8() ||
        charset_is_ascii(query, (size_t)(end - query)))
        return true;
    buf_reset(&p->style);
    for (const char *q = query + 1; q < end; q++)
        if (*q != '\t' && *q != '\n' && *q != '\r')
            buf_append_char(&p->style, *q);
    buf_reset(&p->scratch);
    buf_append(&p->scratch, *text, (size_t)(query + 1 - *text));
    if (p->style.failed || p->scratch.failed ||
        !charset_encode_query(p->charset, p->style.data, p->style.len, &p->scratch))
        return false;
    *text = p->scratch.data;
    *len = p->scratch.len;
    return true;
}

/* Resolves one link into p->url. */
static bool resolve(struct page *p, const char *text, size_t len) {
    if (!encode_query(p, &text, &len)) {
        p->failed = true;
        return false;
    }
    enum url_result result = url_parse(&p->url, text, len, &p->base);
    if (result == URL_NO_MEMORY)
        p->failed = true;
    if (result != URL_OK || !url_is_http(&p->url)) {
        p->links_refused++;
        return false;
    }
    url_canonicalise(&p->url);
    return true;
}

/* "Document base URL" (§2.4.1): the first <base href>, unless it is not one that may be. */
static void find_base(struct page *p) {
    enum url_result result = URL_INVALID;

    if (p->has_base && p->base_href.len > 0)
        result = url_parse(&p->base, p->base_href.data, p->base_href.len, p->in->document);
    if (result == URL_OK) {
        struct url_slice scheme = url_scheme(&p->base);
        if (text_is(scheme.ptr, scheme.len, "data") ||
            text_is(scheme.ptr, scheme.len, "javascript"))
            result = URL_INVALID;
    }
    if (result == URL_NO_MEMORY ||
        (result != URL_OK && url_copy(&p->base, p->in->document) != URL_OK))
        p->failed = true;
}

/* The index in `links`; UINT32_MAX: it is none. */
static uint32_t resolve_link(struct page *p, const struct link_list_item *item) {
    if (!resolve(p, p->raw.text.data + item->at, item->len))
        return UINT32_MAX;
    enum link_list_result result =
        link_list_add(&p->links, p->url.href, p->url.href_len, item->kind, item->flags);
    count_result(p, result);
    return result == LINK_LIST_ADDED || result == LINK_LIST_KNOWN ? (uint32_t)p->links.last
                                                                  : UINT32_MAX;
}

/* Room to tell which link became which. */
static bool grow_resolved(struct page *p) {
    if (p->anchors.count == 0 || p->raw.count <= p->resolved_size)
        return true;
    uint32_t *more = realloc(p->resolved, p->raw.count * sizeof *more);
    if (more == NULL)
        return false;
    p->resolved = more;
    p->resolved_size = p->raw.count;
    return true;
}

/* From links as written to canonical ones; those of what is no link go. */
static void resolve_anchors(struct page *p) {
    size_t kept = 0;

    for (size_t i = 0; i < p->anchors.count; i++) {
        struct anchor a = p->anchors.items[i];
        a.link = p->resolved[a.link];
        if (a.link != UINT32_MAX)
            p->anchors.items[kept++] = a;
    }
    p->anchors.count = kept;
}

static void resolve_links(struct page *p) {
    find_base(p);
    if (!grow_resolved(p))
        p->failed = true;
    for (size_t i = 0; i < p->raw.count && !p->failed; i++) {
        uint32_t link = resolve_link(p, &p->raw.items[i]);
        if (p->anchors.count > 0)
            p->resolved[i] = link;
    }
    if (!p->failed)
        resolve_anchors(p);
    if (!p->failed && p->canonical_href.len > 0 &&
        resolve(p, p->canonical_href.data, p->canonical_href.len) &&
        !buf_append(&p->canonical, p->url.href, p->url.href_len))
        p->failed = true;
}

/* ------------------------------------------------------------------ reading the body */

static bool feed(void *arg, const char *utf8, size_t n) {
    return html_feed(&((struct page *)arg)->html, utf8, n);
}

/* Reads the body in p->charset; what has to be decoded, a piece at a time. */
static void read_encoded(struct page *p, const char *body, size_t n) {
    const struct charset *c = p->charset;
    bool as_is = c == charset_utf8() || (c->is_ascii_superset && charset_is_ascii(body, n));

    html_reset(&p->html);
    html_context_init(&p->context);
    p->templates = 0;
    if (as_is ? feed(p, body, n) : charset_decode_pieces(c, body, n, feed, p))
        html_finish(&p->html);
    else if (p->charset_restart == NULL) /* nothing else stops it */
        p->failed = true;
    if (p->html.no_memory)
        p->failed = true;
    if (p->charset_restart == NULL) {
        end_style(p);
        p->failed = p->failed || !anchors_close(&p->anchors);
    }
}

/* Sets p->charset and returns how many bytes of byte order mark to skip. */
static size_t find_charset(struct page *p) {
    const struct page_input *in = p->in;
    const char *label;
    size_t bom_len, label_len;

    p->charset = charset_from_bom(in->body, in->body_len, &bom_len);
    if (p->charset == NULL && mimetype_param(&p->type, "charset", &label, &label_len))
        p->charset = charset_by_label(label, label_len);
    p->charset_certain = p->charset != NULL;
    if (p->charset == NULL)
        p->charset = charset_prescan(in->body, in->body_len);
    if (p->charset == NULL) {
        bool utf8 = !charset_is_ascii(in->body, in->body_len) &&
                    charset_is_valid_utf8(in->body, in->body_len);
        p->charset = utf8 ? charset_utf8() : charset_windows_1252();
    }
    return bom_len;
}

/* Documents of <iframe srcdoc>, which may have more of them. They are text already, and their base is the page's. */
static void read_srcdocs(struct page *p) {
    const struct charset *charset = p->charset;
    struct buf doc;

    buf_init(&doc, SRCDOC_BYTES);
    p->in_srcdoc = true;
    for (size_t at = 0; at < p->srcdoc.len && !p->failed; at += doc.len + 1) {
        buf_reset(&doc);
        p->failed = !buf_append_str(&doc, p->srcdoc.data + at);
        p->charset = charset_utf8();
        if (doc.len > 0)
            read_encoded(p, doc.data, doc.len);
    }
    p->in_srcdoc = false;
    p->charset = charset;
    buf_release(&doc);
}

static void read_html(struct page *p) {
    size_t skip = find_charset(p);
    const char *body = p->in->body + skip;
    size_t n = p->in->body_len - skip;

    read_encoded(p, body, n);
    if (p->charset_restart != NULL && !p->failed) {
        p->charset = p->charset_restart;
        p->charset_restart = NULL;
        forget_links(p);
        read_encoded(p, body, n);
    }
    if (p->srcdoc.len > 0)
        read_srcdocs(p);
}

/* ------------------------------------------------------------------ what the header says */

/* A reference in a header field is octets, and relative to the document. */
static void add_field_link(struct page *p, enum page_link_kind kind, struct url_slice target,
                           bool nofollow) {
    switch (url_parse_octets(&p->url, target.ptr, target.len, p->in->document)) {
    case URL_OK:
        add_link(p, kind, p->url.href, p->url.href_len, nofollow);
        break;
    case URL_NO_MEMORY:
        p->failed = true;
        break;
    default:
        p->links_refused++;
    }
}

/* Whether the link is of the response, and not of something else that it speaks of. */
static bool is_own(struct page *p, const struct link_field_link *link) {
    const struct url *document = p->in->document;

    if (!link->has_anchor)
        return true;
    if (url_parse_octets(&p->url, link->anchor.ptr, link->anchor.len, document) != URL_OK)
        return false;
    url_canonicalise(&p->url);
    return p->url.href_len <= document->href_len &&
           memcmp(p->url.href, document->href, p->url.href_len) == 0 &&
           (p->url.href_len == document->href_len || document->hash_start == p->url.href_len);
}

static void take_link_field(struct page *p) {
    struct link_field f;
    struct link_field_link link;
    enum page_link_kind kind;

    link_field_init(&f, p->in->link.ptr, p->in->link.len);
    while (!p->failed && link_field_next(&f, &link)) {
        if (link.rel.len == 0 || !is_own(p, &link) || !link_kind(link.rel.ptr, link.rel.len, &kind))
            continue;
        add_field_link(p, kind, link.target, text_has_word(link.rel.ptr, link.rel.len, "nofollow"));
        if (p->has_canonical || !text_has_word(link.rel.ptr, link.rel.len, "canonical"))
            continue;
        p->has_canonical = p->url.href_len > 0;
        if (!buf_append(&p->canonical_href, p->url.href_len > 0 ? p->url.href : "",
                        p->url.href_len))
            p->failed = true;
    }
}

static void take_refresh_field(struct page *p) {
    struct metarefresh refresh;

    if (metarefresh_parse(&refresh, p->in->refresh.ptr, p->in->refresh.len) && refresh.url != NULL)
        add_field_link(p, PAGE_META_REFRESH, (struct url_slice){refresh.url, refresh.url_len},
                       false);
}

/* The beginning of an XML document is read in UTF-16 if it is in that: RFC 7303 §3, XML 1.0 appendix F. */
static bool root_is(struct page *p, const char *name) {
    const char *body = p->in->body, *label;
    size_t n = p->in->body_len, mark, len;
    const struct charset *c = charset_from_bom(body, n, &mark);

    if (c == NULL && mimetype_param(&p->type, "charset", &label, &len))
        c = charset_by_label(label, len);
    if (c == NULL)
        c = charset_prescan(body, n);
    if (c == NULL || strncmp(c->name, "utf-16", 6) != 0)
        return mimetype_root_is(body, n, name);
    buf_reset(&p->scratch);
    n = n - mark < ROOT_BYTES ? n - mark : ROOT_BYTES;
    if (!charset_decode(c, body + mark, n, &p->scratch)) {
        p->failed = true;
        return false;
    }
    return p->scratch.len > 0 && mimetype_root_is(p->scratch.data, p->scratch.len, name);
}

/* What the body is, by its Content-Type or, failing that, by its looks. */
static void find_type(struct page *p) {
    const struct page_input *in = p->in;
    enum mimetype_result result =
        mimetype_extract(&p->type, in->content_type != NULL ? in->content_type : "",
                         in->content_type != NULL ? in->content_type_len : 0);

    if (result == MIMETYPE_NO_MEMORY)
        p->failed = true;
    bool is_unknown = mimetype_is_unknown(&p->type);
    p->is_html =
        is_unknown ? mimetype_sniff_html(in->body, in->body_len) : mimetype_is_html(&p->type);
    p->is_xml = is_unknown ? mimetype_sniff_xml(in->body, in->body_len) : mimetype_is_xml(&p->type);
    if (!p->is_html && p->is_xml)
        p->is_html = root_is(p, "html") || root_is(p, "svg");
}

static void reset(struct page *p, const struct page_input *in) {
    p->in = in;
    link_list_reset(&p->links);
    forget_links(p);
    buf_reset(&p->canonical);
    p->failed = false;
    p->charset = p->charset_restart = NULL;
    p->wanted_elements = wanted_elements(in->follow);
}

enum page_result page_extract(struct page *p, const struct page_input *in) {
    reset(p, in);
    find_type(p);
    if (p->failed)
        return PAGE_NO_MEMORY;
    if (p->is_html)
        read_html(p);
    else if (mimetype_is_css(&p->type) && wants(p, PAGE_CSS))
        add_css(p, in->body, in->body_len);
    if (in->link.len > 0)
        take_link_field(p);
    if (in->refresh.len > 0)
        take_refresh_field(p);
    if (!p->failed)
        resolve_links(p);
    p->in = NULL;
    return p->failed ? PAGE_NO_MEMORY : PAGE_OK;
}

void page_init(struct page *p) {
    *p = (struct page){0};
    link_list_init(&p->links);
    link_list_init(&p->raw);
    p->links.text.cap_max = p->raw.text.cap_max = PAGE_LINK_BYTES;
    html_init(&p->html, &events, p);
    anchors_init(&p->anchors);
    buf_init(&p->canonical, LIMIT_URL_BYTES);
    buf_init(&p->base_href, LIMIT_URL_BYTES);
    buf_init(&p->canonical_href, LIMIT_URL_BYTES);
    buf_init(&p->style, STYLE_BYTES);
    buf_init(&p->srcdoc, SRCDOC_BYTES);
    buf_init(&p->scratch, SCRATCH_BYTES);
    mimetype_init(&p->type);
    url_init(&p->base);
    url_init(&p->url);
}

void page_release(struct page *p) {
    link_list_release(&p->links);
    link_list_release(&p->raw);
    html_release(&p->html);
    anchors_release(&p->anchors);
    free(p->resolved);
    p->resolved = NULL;
    p->resolved_size = 0;
    buf_release(&p->canonical);
    buf_release(&p->base_href);
    buf_release(&p->canonical_href);
    buf_release(&p->style);
    buf_release(&p->srcdoc);
    buf_release(&p->scratch);
    mimetype_release(&p->type);
    url_release(&p->base);
    url_release(&p->url);
}

const char *page_link_url(const struct page *p, size_t index) {
    return p->links.text.data + p->links.items[index].at;
}

const char *page_link_kind_name(enum page_link_kind kind) {
    static const char *const names[PAGE_LINK_KIND_COUNT] = {
        [PAGE_A] = "a",
        [PAGE_AREA] = "area",
        [PAGE_FORM] = "form",
        [PAGE_FRAME] = "frame",
        [PAGE_IFRAME] = "iframe",
        [PAGE_META_REFRESH] = "meta-refresh",
        [PAGE_LINK_CANONICAL] = "link-canonical",
        [PAGE_LINK_ALTERNATE] = "link-alternate",
        [PAGE_LINK_NEXT] = "link-next",
        [PAGE_LINK_PREV] = "link-prev",
        [PAGE_LINK_DOCUMENT] = "link-document",
        [PAGE_LINK_STYLESHEET] = "link-stylesheet",
        [PAGE_LINK_ICON] = "link-icon",
        [PAGE_LINK_PRELOAD] = "link-preload",
        [PAGE_LINK_OTHER] = "link-other",
        [PAGE_AUDIO] = "audio",
        [PAGE_CSS] = "css",
        [PAGE_EMBED] = "embed",
        [PAGE_IMG] = "img",
        [PAGE_OBJECT] = "object",
        [PAGE_SCRIPT] = "script",
        [PAGE_SOURCE] = "source",
        [PAGE_SRCSET] = "srcset",
        [PAGE_TRACK] = "track",
        [PAGE_VIDEO] = "video",
    };

    return kind < PAGE_LINK_KIND_COUNT ? names[kind] : "?";
}

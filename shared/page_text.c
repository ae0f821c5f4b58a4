#include "shared/page_text.h"

#include <string.h>
#include <strings.h>

#include "shared/html_element.h"

void page_text_init(struct page_text *t, size_t text_bytes) {
    *t = (struct page_text){0};
    buf_init(&t->title, PAGE_TEXT_TITLE_BYTES);
    buf_init(&t->text, text_bytes);
    mimetype_init(&t->type);
}

void page_text_release(struct page_text *t) {
    buf_release(&t->title);
    buf_release(&t->text);
    mimetype_release(&t->type);
    html_release(&t->html);
}

bool page_text_is_text(const char *mime) {
    static const char *const types[] = {"text/html", "application/xhtml+xml", "text/plain",
                                        "text/markdown"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(mime, types[i]) == 0)
            return true;
    return false;
}

/* ---- what is gathered --------------------------------------------------------------------------------------- */

/* As much as fits, cut between characters. False: no memory. */
static bool add(struct buf *to, const char *p, size_t n, bool *is_cut) {
    size_t room = *is_cut ? 0 : to->cap_max - to->len;

    if (n > room) {
        *is_cut = true;
        n = room;
        while (n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80)
            n--;
    }
    return n == 0 || buf_append(to, p, n);
}

/* The length of a space or control character at p; 0: something else stands there. */
static size_t blank(const unsigned char *p, size_t n) {
    if (p[0] <= 0x20 || p[0] == 0x7f)
        return 1;
    if (p[0] == 0xc2 && n > 1 && p[1] >= 0x80 && p[1] <= 0xa0) /* C1, U+00A0 */
        return 2;
    if (n < 3 || (p[0] != 0xe2 && p[0] != 0xe3))
        return 0;
    bool is_space = p[0] == 0xe3
                        ? p[1] == 0x80 && p[2] == 0x80                   /* U+3000 */
                        : (p[1] == 0x80 && p[2] <= 0x8a) ||              /* U+2000 to U+200A */
                              (p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) || /* U+2028, U+2029 */
                              (p[1] == 0x81 && p[2] == 0x9f);            /* U+205F */
    return is_space ? 3 : 0;
}

/* White space becomes one space, in place; a NUL is nothing (HTML standard, "in body"). */
static void collapse(struct buf *b) {
    size_t to = 0;

    for (size_t from = 0; from < b->len;) {
        size_t n = blank((const unsigned char *)b->data + from, b->len - from);
        if (n == 0)
            b->data[to++] = b->data[from++];
        else if (b->data[from] != '\0' && to > 0 && b->data[to - 1] != ' ')
            b->data[to++] = ' ';
        from += n;
    }
    if (to > 0 && b->data[to - 1] == ' ')
        to--;
    b->len = to;
    if (b->data != NULL)
        b->data[to] = '\0';
}

/* ---- HTML --------------------------------------------------------------------------------------------------- */

static bool is_one_of(const struct html_tag *tag, const char *const *names) {
    for (; *names != NULL; names++)
        if (strlen(*names) == tag->name_len && memcmp(*names, tag->name, tag->name_len) == 0)
            return true;
    return false;
}

/* Elements that do not end a word (phrasing content, HTML standard §4.5, and its obsolete ones). */
static bool is_inside_word(const struct html_tag *tag) {
    static const char *const names[] = {
        "a",      "abbr", "acronym", "b",  "bdi",   "bdo",   "big",  "cite",   "code",
        "data",   "del",  "dfn",     "em", "font",  "i",     "ins",  "kbd",    "mark",
        "nobr",   "q",    "ruby",    "s",  "samp",  "small", "span", "strike", "sub",
        "strong", "sup",  "time",    "tt", "tspan", "u",     "var",  "wbr",    NULL};

    return is_one_of(tag, names);
}

static bool is_dropped(const struct html_tag *tag) {
    static const char *const names[] = {"script", "style", "iframe", "noembed", "noframes", NULL};

    return is_one_of(tag, names);
}

static bool is_named(const struct html_tag *tag, const char *name) {
    return is_one_of(tag, (const char *const[]){name, NULL});
}

static void set_text(struct page_text *t) {
    html_set_text(&t->html, t->templates == 0 && !t->in_dropped);
}

static bool separate(struct page_text *t, const struct html_tag *tag) {
    size_t len = t->text.len;

    if (is_inside_word(tag) || len == 0 || t->text.data[len - 1] == ' ')
        return true;
    return add(&t->text, " ", 1, &t->is_cut);
}

static const struct html_attr *find_attr(const struct html_tag *tag, const char *name) {
    for (size_t i = 0; i < tag->attr_count; i++)
        if (tag->attrs[i].name_len == strlen(name) &&
            memcmp(tag->attrs[i].name, name, tag->attrs[i].name_len) == 0)
            return &tag->attrs[i];
    return NULL;
}

/* "Changing the encoding while parsing" (§13.2.3.5). */
static void on_charset(struct page_text *t, const struct charset *c) {
    if (c == NULL || t->is_certain || strncmp(t->charset->name, "utf-16", 6) == 0)
        return;
    t->is_certain = true;
    if (c != t->charset && !t->is_ascii)
        t->restart = c;
}

static void on_meta(struct page_text *t, const struct html_tag *tag) {
    const struct html_attr *charset = find_attr(tag, "charset"),
                           *content = find_attr(tag, "content"),
                           *pragma = find_attr(tag, "http-equiv");

    if (charset != NULL)
        on_charset(t, charset_declared(charset->value, charset->value_len));
    if (content != NULL && pragma != NULL && pragma->value_len == 12 &&
        strncasecmp(pragma->value, "content-type", 12) == 0)
        on_charset(t, charset_from_meta_content(content->value, content->value_len));
}

static bool on_start(void *ctx, const struct html_tag *tag) {
    struct page_text *t = ctx;
    const struct html_element *element = html_element_find(tag->name, tag->name_len);
    bool is_html = html_context_start_tag(&t->context, element, tag, &t->html);

    /* In HTML's own raw text there are no tags: it was SVG's or MathML's, and that has ended. */
    if (is_html)
        t->in_dropped = false;
    if (is_html ? is_dropped(tag) : is_dropped(tag) && !tag->self_closing)
        t->in_dropped = true;
    if (is_html && is_named(tag, "template"))
        t->templates++;
    if (is_html && is_named(tag, "title")) {
        t->in_title = !t->title_seen && t->templates == 0;
        t->in_dropped = !t->in_title;
        t->title_seen = t->title_seen || t->in_title;
    }
    if (is_html && is_named(tag, "meta"))
        on_meta(t, tag);
    set_text(t);
    return separate(t, tag) && t->restart == NULL;
}

static bool on_end(void *ctx, const struct html_tag *tag) {
    struct page_text *t = ctx;

    html_context_end_tag(&t->context, html_element_find(tag->name, tag->name_len), &t->html);
    if (is_dropped(tag) || is_named(tag, "title"))
        t->in_dropped = t->in_title = false;
    if (is_named(tag, "template") && t->templates > 0)
        t->templates--;
    set_text(t);
    return separate(t, tag);
}

static bool on_text(void *ctx, const char *p, size_t n) {
    struct page_text *t = ctx;

    return t->in_title ? add(&t->title, p, n, &t->title_cut) : add(&t->text, p, n, &t->is_cut);
}

static const struct html_events events = {
    .start_tag = on_start, .end_tag = on_end, .text = on_text};

static bool feed(void *arg, const char *utf8, size_t n) {
    return html_feed(&((struct page_text *)arg)->html, utf8, n);
}

static void start_over(struct page_text *t) {
    buf_reset(&t->title);
    buf_reset(&t->text);
    t->in_title = t->title_seen = t->in_dropped = t->is_cut = t->title_cut = false;
    t->templates = 0;
    t->restart = NULL;
    html_context_init(&t->context);
    if (t->html.events == NULL)
        html_init(&t->html, &events, t);
    else
        html_reset(&t->html);
    html_set_text(&t->html, true);
}

static bool read_html(struct page_text *t, const char *body, size_t len) {
    start_over(t);
    bool ok = charset_decode_pieces(t->charset, body, len, feed, t) && html_finish(&t->html);
    if (ok || t->restart == NULL)
        return ok;
    t->charset = t->restart;
    start_over(t);
    return charset_decode_pieces(t->charset, body, len, feed, t) && html_finish(&t->html);
}

/* ---- a page ------------------------------------------------------------------------------------------------- */

/* Sets t->charset and returns how many bytes of byte order mark to skip. */
static size_t find_charset(struct page_text *t, const char *body, size_t len, bool is_html) {
    const char *label;
    size_t bom_len, label_len;

    t->is_ascii = charset_is_ascii(body, len);
    t->charset = charset_from_bom(body, len, &bom_len);
    if (t->charset == NULL && mimetype_param(&t->type, "charset", &label, &label_len))
        t->charset = charset_by_label(label, label_len);
    t->is_certain = t->charset != NULL;
    if (t->charset == NULL && is_html)
        t->charset = charset_prescan(body, len);
    if (t->charset == NULL)
        t->charset = !t->is_ascii && charset_is_valid_utf8(body, len) ? charset_utf8()
                                                                      : charset_windows_1252();
    return bom_len;
}

static bool take_plain(void *arg, const char *utf8, size_t n) {
    struct page_text *t = arg;

    return add(&t->text, utf8, n, &t->is_cut);
}

bool page_text_read(struct page_text *t, const char *body, size_t len, const char *content_type) {
    if (mimetype_extract(&t->type, content_type, strlen(content_type)) == MIMETYPE_NO_MEMORY)
        return false;
    bool is_html = mimetype_is_html(&t->type), ok;
    size_t bom_len = find_charset(t, body, len, is_html);
    if (is_html) {
        ok = read_html(t, body + bom_len, len - bom_len);
    } else {
        start_over(t);
        ok = charset_decode_pieces(t->charset, body + bom_len, len - bom_len, take_plain, t);
    }
    if (!ok || t->title.failed || t->text.failed)
        return false;
    collapse(&t->title);
    collapse(&t->text);
    return true;
}

/* The library is built with it; expat.h declares the bounds on entities only where it is defined. */
#define XML_DTD

#include "shared/sitemap.h"

#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/limits.h"
#include "shared/url.h"
#include "shared/utf.h"
#include "shared/utf8_mend.h"
#include "shared/xml_mend.h"

#include <expat.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
    PIECE_BYTES = 64 * 1024,             /* given to expat and taken from zlib at once */
    TEXT_BYTES = 2 * LIMIT_URL_BYTES,    /* a URL and the white space around it */
    PREFIX_BYTES = 32,                   /* of an element's namespace */
    DECLARATION_BYTES = 1024,            /* in which an XML declaration ends */
    AMPLIFICATION_MAX = 2,               /* by entities in attributes, beyond the first ... */
    AMPLIFICATION_FREE_BYTES = 64 * 1024 /* ... so many bytes */
};

/* What the bytes are found to be.
 *
 *     HEAD ──> GZIP ──> HEAD        (once)
 *       └────> SPACE ──> DECLARATION ──> XML
 *                  └───> TEXT
 */
enum form { FORM_HEAD, FORM_SPACE, FORM_DECLARATION, FORM_XML, FORM_TEXT };

enum capture { CAPTURE_NOTHING, CAPTURE_LINK, CAPTURE_GUID };

/* xml:base of an open element, resolved. */
struct base {
    size_t depth;
    struct url url;
};

struct sitemap {
    bool (*on_url)(void *ctx, const char *url, size_t len);
    void *ctx;
    enum sitemap_result result;
    enum sitemap_kind kind;
    size_t url_count;

    enum form form;
    unsigned char head[2];
    size_t head_len;
    size_t byte_count, plain_count; /* received; after gzip */
    bool is_gzip;
    bool gzip_ended, gzip_padding; /* behind a member; behind the last */
    size_t member_count;
    z_stream z;
    char *inflated; /* PIECE_BYTES */

    struct url source, link; /* the document's own URL; scratch */
    struct base *bases;      /* of feeds: base_count of them are open, the innermost last */
    size_t base_count, base_size;
    const struct charset *charset; /* as the response says; NULL: it does not */
    bool has_bom;
    bool is_utf16; /* read as the same text in UTF-8 */
    struct utf16 utf16;
    bool is_utf8; /* what expat gets is mended first: its characters, if it is that, */
    struct utf8_mend mend;
    struct xml_mend references; /* and its references. */
    char *mended; /* PIECE_BYTES, so that expat gets large pieces however much is mended: what */
    size_t mended_len; /* it is given is read again from the begin of an open tag */

    XML_Parser xml;
    size_t xml_memory;         /* held by expat */
    bool xml_no_memory;        /* it asked for more than there is */
    size_t markup_bytes;       /* fed since the last event */
    size_t depth;              /* open elements */
    size_t entry_depth;        /* of the open <url>, <sitemap>, <item> or <entry>; 0: none */
    char prefix[PREFIX_BYTES]; /* of its name */
    bool entry_has_link;
    enum capture capture;
    size_t capture_depth;
    bool has_entity; /* the captured text is not known */
    struct buf text; /* captured, or a line of text */
    struct buf guid;
};

/* ---- URLs -------------------------------------------------------------------------------------- */

static void stop(struct sitemap *s, enum sitemap_result result) {
    if (s->result == SITEMAP_OK)
        s->result = result;
    if (s->xml != NULL)
        XML_StopParser(s->xml, XML_FALSE);
}

/* The length of the white space character at p, 0 if it is none: U+0000 to U+0020, U+007F to U+00A0,
 * U+1680, U+2000 to U+200B, U+2028, U+2029, U+202F, U+205F, U+3000, U+FEFF. */
static size_t space_length(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;

    if (n == 0)
        return 0;
    if (p[0] <= 0x20 || p[0] == 0x7f)
        return 1;
    if (n >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0xa0)
        return 2;
    if (n < 3)
        return 0;
    unsigned c = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
    bool space = c == 0xe19a80 || (c >= 0xe28080 && c <= 0xe2808b) || c == 0xe280a8 ||
                 c == 0xe280a9 || c == 0xe280af || c == 0xe2819f || c == 0xe38080 || c == 0xefbbbf;
    return space ? 3 : 0;
}

static void trim(const char **text, size_t *len) {
    const char *p = *text;
    size_t n = *len, space;

    while ((space = space_length(p, n)) > 0) {
        p += space;
        n -= space;
    }
    for (bool more = true; more && n > 0;) {
        more = false;
        for (size_t k = 1; k <= 3 && k <= n && !more; k++) {
            if (space_length(p + n - k, k) == k) {
                n -= k;
                more = true;
            }
        }
    }
    *text = p;
    *len = n;
}

static bool is_absolute(const char *p, size_t n) {
    return (n > 7 && strncasecmp(p, "http://", 7) == 0) ||
           (n > 8 && strncasecmp(p, "https://", 8) == 0);
}

static const struct url *base_of(const struct sitemap *s) {
    return s->base_count > 0 ? &s->bases[s->base_count - 1].url : &s->source;
}

/* A reference in a feed becomes absolute. False: it is none. */
static bool resolve(struct sitemap *s, const char **p, size_t *n) {
    if (base_of(s)->href_len == 0 || *n == 0)
        return false;
    enum url_result result = url_parse(&s->link, *p, *n, base_of(s));
    if (result == URL_NO_MEMORY)
        stop(s, SITEMAP_NO_MEMORY);
    if (result != URL_OK || !url_is_http(&s->link))
        return false;
    *p = s->link.href;
    *n = s->link.href_len;
    return true;
}

/* False: not a URL. `is_reference`: it may be relative. */
static bool yield(struct sitemap *s, const char *p, size_t n, bool is_reference) {
    trim(&p, &n);
    if (n > LIMIT_URL_BYTES || s->result != SITEMAP_OK ||
        (!is_absolute(p, n) && !(is_reference && resolve(s, &p, &n))))
        return false;
    if (s->url_count == SITEMAP_URLS_MAX) {
        stop(s, SITEMAP_LIMITED);
        return true;
    }
    s->url_count++;
    if (!s->on_url(s->ctx, p, n))
        stop(s, SITEMAP_STOPPED);
    return true;
}

/* ---- Text -------------------------------------------------------------------------------------- */

static void end_line(struct sitemap *s) {
    if (!s->text.failed && s->text.len > 0)
        yield(s, s->text.data, s->text.len, false);
    buf_reset(&s->text);
}

static void feed_text(struct sitemap *s, const char *p, size_t n) {
    const char *end = p + n;

    while (p < end && s->result == SITEMAP_OK) {
        const char *start = p;
        while (p < end && *p != '\n' && *p != '\r')
            p++;
        buf_append(&s->text, start, (size_t)(p - start));
        if (p < end) {
            end_line(s);
            p++;
        }
    }
}

/* ---- Memory of the XML parser ------------------------------------------------------------------ */

/* expat's allocator gets no context: the sitemap that this thread is working at. */
static _Thread_local struct sitemap *working;

/* In front of each block; as large as the strictest alignment. */
union block {
    size_t size;
    max_align_t align;
};

static void *xml_realloc(void *p, size_t n) {
    union block *old = p == NULL ? NULL : (union block *)p - 1;
    size_t held = working->xml_memory - (old == NULL ? 0 : old->size);

    if (n > SITEMAP_XML_MEMORY_BYTES || held > SITEMAP_XML_MEMORY_BYTES - n) {
        working->xml_no_memory = true;
        return NULL;
    }
    union block *b = realloc(old, sizeof *b + n);
    if (b == NULL)
        return NULL;
    b->size = n;
    working->xml_memory = held + n;
    return b + 1;
}

static void *xml_malloc(size_t n) {
    return xml_realloc(NULL, n);
}

static void xml_free(void *p) {
    if (p == NULL)
        return;
    union block *b = (union block *)p - 1;
    working->xml_memory -= b->size;
    free(b);
}

/* ---- XML --------------------------------------------------------------------------------------- */

static const char *local_name(const char *name) {
    const char *colon = strchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static enum sitemap_kind kind_of_root(const char *name) {
    static const struct {
        const char *name;
        enum sitemap_kind kind;
    } roots[] = {
        {"urlset", SITEMAP_URLSET}, {"sitemapindex", SITEMAP_INDEX}, {"rss", SITEMAP_RSS},
        {"RDF", SITEMAP_RSS},       {"feed", SITEMAP_ATOM},
    };

    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        if (strcmp(local_name(name), roots[i].name) == 0)
            return roots[i].kind;
    }
    return SITEMAP_UNKNOWN;
}

static bool is_entry(const struct sitemap *s, const char *name) {
    static const char *const entries[] = {[SITEMAP_URLSET] = "url",
                                          [SITEMAP_INDEX] = "sitemap",
                                          [SITEMAP_RSS] = "item",
                                          [SITEMAP_ATOM] = "entry"};

    return strcmp(local_name(name), entries[s->kind]) == 0;
}

static size_t prefix_length(const char *name) {
    return (size_t)(local_name(name) - name);
}

static const char *attribute(const char **attributes, const char *name) {
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    }
    return NULL;
}

static void start_entry(struct sitemap *s, const char *name) {
    size_t n = prefix_length(name);

    if (n >= PREFIX_BYTES)
        return;
    memcpy(s->prefix, name, n);
    s->prefix[n] = '\0';
    s->entry_depth = s->depth;
    s->entry_has_link = false;
    buf_reset(&s->guid);
}

static void start_capture(struct sitemap *s, enum capture capture) {
    s->capture = capture;
    s->capture_depth = s->depth;
    s->has_entity = false;
    buf_reset(&s->text);
}

/* RFC 4287 §4.2.7.2: a registered name stands for its URI, and nothing for "alternate". */
static bool is_alternate(const char *rel) {
    return rel == NULL || strcmp(rel, "alternate") == 0 ||
           strcmp(rel, "http://www.iana.org/assignments/relation/alternate") == 0;
}

static void atom_link(struct sitemap *s, const char **attributes) {
    const char *rel = attribute(attributes, "rel"), *href = attribute(attributes, "href");

    if (href != NULL && !s->entry_has_link && is_alternate(rel))
        s->entry_has_link = yield(s, href, strlen(href), true);
}

/* An element right inside an entry, with the same prefix. */
static void start_field(struct sitemap *s, const char *local, const char **attributes) {
    const char *is_link;

    switch (s->kind) {
    case SITEMAP_ATOM:
        if (strcmp(local, "link") == 0)
            atom_link(s, attributes);
        break;
    case SITEMAP_RSS:
        is_link = attribute(attributes, "isPermaLink");
        if (strcmp(local, "link") == 0)
            start_capture(s, CAPTURE_LINK);
        else if (strcmp(local, "guid") == 0 && (is_link == NULL || strcmp(is_link, "false") != 0))
            start_capture(s, CAPTURE_GUID);
        break;
    default:
        if (strcmp(local, "loc") == 0)
            start_capture(s, CAPTURE_LINK);
    }
}

/* XML Base §3 and §4: from the element that has it to its end, relative to the one around it. */
static void open_base(struct sitemap *s, const char **attributes) {
    const char *text = attribute(attributes, "xml:base");

    if (text == NULL || (s->kind != SITEMAP_ATOM && s->kind != SITEMAP_RSS))
        return;
    if (s->base_count == s->base_size) {
        size_t size =
            s->base_size == 0 ? 4 : 2 * s->base_size; /* by depth, at most SITEMAP_DEPTH_MAX */
        struct base *more = realloc(s->bases, size * sizeof *more);
        if (more == NULL) {
            stop(s, SITEMAP_NO_MEMORY);
            return;
        }
        for (size_t i = s->base_size; i < size; i++)
            url_init(&more[i].url);
        s->bases = more;
        s->base_size = size;
    }
    struct base *b = &s->bases[s->base_count];
    switch (url_parse(&b->url, text, strlen(text), base_of(s))) {
    case URL_OK:
        b->depth = s->depth;
        s->base_count++;
        break;
    case URL_NO_MEMORY:
        stop(s, SITEMAP_NO_MEMORY);
        break;
    default:
        break;
    }
}

static void on_start(void *ctx, const char *name, const char **attributes) {
    struct sitemap *s = ctx;
    size_t n = strlen(s->prefix);

    s->markup_bytes = 0;
    if (s->result != SITEMAP_OK)
        return;
    if (++s->depth > SITEMAP_DEPTH_MAX) {
        stop(s, SITEMAP_DAMAGED);
        return;
    }
    if (s->depth == 1)
        s->kind = kind_of_root(name);
    open_base(s, attributes);
    if (s->kind == SITEMAP_UNKNOWN) {
        stop(s, SITEMAP_NOT_ONE);
    } else if (s->depth > 1 && is_entry(s, name)) {
        start_entry(s, name);
    } else if (s->entry_depth > 0 && s->depth == s->entry_depth + 1 && prefix_length(name) == n &&
               memcmp(name, s->prefix, n) == 0) {
        start_field(s, name + n, attributes);
    }
}

static void end_capture(struct sitemap *s) {
    if (!s->has_entity && !s->text.failed && s->text.len > 0) {
        if (s->capture == CAPTURE_GUID)
            buf_append(&s->guid, s->text.data, s->text.len);
        else
            s->entry_has_link |= yield(s, s->text.data, s->text.len, s->kind == SITEMAP_RSS);
    }
    s->capture = CAPTURE_NOTHING;
}

static void on_end(void *ctx, const char *name) {
    struct sitemap *s = ctx;

    (void)name;
    s->markup_bytes = 0;
    if (s->result != SITEMAP_OK)
        return;
    if (s->capture != CAPTURE_NOTHING && s->depth == s->capture_depth)
        end_capture(s);
    if (s->depth == s->entry_depth) {
        if (!s->entry_has_link && s->guid.len > 0)
            yield(s, s->guid.data, s->guid.len, false);
        s->entry_depth = 0;
    }
    if (s->base_count > 0 && s->bases[s->base_count - 1].depth == s->depth)
        s->base_count--;
    s->depth--;
}

static void on_text(void *ctx, const char *p, int n) {
    struct sitemap *s = ctx;

    s->markup_bytes = 0;
    if (s->capture != CAPTURE_NOTHING && s->depth == s->capture_depth)
        buf_append(&s->text, p, (size_t)n);
}

/* All that has no handler of its own. That there is this one keeps expat from expanding the entities
 * that the document declares: their references come here. */
static void on_other(void *ctx, const char *p, int n) {
    struct sitemap *s = ctx;

    s->markup_bytes = 0;
    if (n > 0 && p[0] == '&')
        s->has_entity = true;
}

/* The character of a UTF-8 sequence whose length expat knows; -1: malformed. */
static int utf8_character(void *ctx, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    int c = p[0] & (0xff >> (n + 1));

    (void)ctx;
    if (!charset_is_valid_utf8(text, n))
        return -1;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c > 0xffff ? 0xfffd : c; /* expat takes no more than 16 bits here */
}

/* The character that the byte alone stands for, else U+FFFD. */
static int single_byte(const struct charset *c, unsigned char byte) {
    char text = (char)byte;
    struct buf b;
    int found = 0xfffd;

    buf_init(&b, 16);
    if (charset_decode(c, &text, 1, &b) && (b.len == 2 || b.len == 3)) {
        int first = (unsigned char)b.data[0] & (b.len == 2 ? 0x1f : 0x0f);
        found = first << 6 | (b.data[1] & 0x3f);
        if (b.len == 3)
            found = found << 6 | (b.data[2] & 0x3f);
    }
    buf_release(&b);
    return found;
}

/* Encodings that expat does not know. Of those with several bytes a character, only ASCII is read: no
 * byte of markup is part of another character in any of them, and URLs are ASCII. */
static int on_encoding(void *ctx, const char *name, XML_Encoding *to) {
    const struct charset *c = charset_by_label(name, strlen(name));

    (void)ctx;
    if (c == NULL || !c->is_ascii_superset)
        return XML_STATUS_ERROR;
    to->data = NULL;
    to->convert = NULL;
    to->release = NULL;
    for (int i = 0; i < 0x80; i++)
        to->map[i] = i;
    if (c == charset_utf8()) {
        to->convert = utf8_character;
        for (int i = 0x80; i < 0x100; i++)
            to->map[i] = i < 0xc2 || i > 0xf4 ? -1 : i < 0xe0 ? -2 : i < 0xf0 ? -3 : -4;
    } else {
        for (int i = 0x80; i < 0x100; i++)
            to->map[i] = single_byte(c, (unsigned char)i);
    }
    return XML_STATUS_OK;
}

/* `encoding`: whatever the document says. */
static bool start_xml(struct sitemap *s, const char *encoding) {
    static const XML_Memory_Handling_Suite memory = {xml_malloc, xml_realloc, xml_free};

    s->form = FORM_XML;
    s->mended = malloc(PIECE_BYTES);
    s->xml = s->mended == NULL ? NULL : XML_ParserCreate_MM(encoding, &memory, NULL);
    if (s->xml == NULL) {
        s->result = SITEMAP_NO_MEMORY;
        return false;
    }
    XML_SetUserData(s->xml, s);
    XML_SetElementHandler(s->xml, on_start, on_end);
    XML_SetCharacterDataHandler(s->xml, on_text);
    XML_SetDefaultHandler(s->xml, on_other);
    XML_SetUnknownEncodingHandler(s->xml, on_encoding, s);
    XML_SetParamEntityParsing(s->xml, XML_PARAM_ENTITY_PARSING_NEVER);
    XML_SetBillionLaughsAttackProtectionMaximumAmplification(s->xml, AMPLIFICATION_MAX);
    XML_SetBillionLaughsAttackProtectionActivationThreshold(s->xml, AMPLIFICATION_FREE_BYTES);
    return true;
}

/* What an error of expat's means, unless a handler stopped it for a reason of its own. */
static enum sitemap_result xml_fault(const struct sitemap *s) {
    if (XML_GetErrorCode(s->xml) == XML_ERROR_NO_MEMORY && !s->xml_no_memory)
        return SITEMAP_NO_MEMORY;
    return s->kind == SITEMAP_UNKNOWN ? SITEMAP_NOT_ONE : SITEMAP_DAMAGED;
}

static void feed_expat(struct sitemap *s, const char *p, size_t n, bool last) {
    do {
        size_t piece = n < PIECE_BYTES ? n : PIECE_BYTES;

        s->markup_bytes += piece;
        if (XML_Parse(s->xml, p, (int)piece, last && piece == n) != XML_STATUS_OK)
            stop(s, xml_fault(s));
        else if (s->markup_bytes > SITEMAP_MARKUP_BYTES)
            stop(s, SITEMAP_DAMAGED);
        p += piece;
        n -= piece;
    } while (n > 0 && s->result == SITEMAP_OK);
}

static void flush_mended(struct sitemap *s, bool last) {
    if ((s->mended_len > 0 || last) && s->result == SITEMAP_OK)
        feed_expat(s, s->mended, s->mended_len, last);
    s->mended_len = 0;
}

static bool take_mended(void *arg, const char *p, size_t n) {
    struct sitemap *s = arg;

    while (n > 0 && s->result == SITEMAP_OK) {
        size_t room = PIECE_BYTES - s->mended_len, part = n < room ? n : room;
        memcpy(s->mended + s->mended_len, p, part);
        s->mended_len += part;
        p += part;
        n -= part;
        if (s->mended_len == PIECE_BYTES)
            flush_mended(s, false);
    }
    return s->result == SITEMAP_OK;
}

static bool take_characters(void *arg, const char *p, size_t n) {
    struct sitemap *s = arg;

    xml_mend_feed(&s->references, p, n, take_mended, s);
    return s->result == SITEMAP_OK;
}

static void feed_xml(struct sitemap *s, const char *p, size_t n, bool last) {
    if (s->is_utf8)
        utf8_mend_feed(&s->mend, p, n, take_characters, s);
    else
        (void)take_characters(s, p, n);
    if (last && s->is_utf8)
        utf8_mend_end(&s->mend, take_characters, s);
    if (last)
        xml_mend_end(&s->references, take_mended, s);
    flush_mended(s, last);
}

/* ---- What the bytes are ------------------------------------------------------------------------ */

/* Collects the first two bytes. False: they are not there yet. */
static bool take_head(struct sitemap *s, const char **p, size_t *n) {
    while (s->head_len<sizeof s->head && * n> 0) {
        s->head[s->head_len++] = (unsigned char)**p;
        ++*p;
        --*n;
    }
    return s->head_len == sizeof s->head;
}

static bool head_is(const struct sitemap *s, int first, int second) {
    return s->head[0] == first && s->head[1] == second;
}

/* By its byte order mark, or because a tag or a URL begins so (XML 1.0 appendix F.1). */
static void find_utf16(struct sitemap *s) {
    bool little = head_is(s, 0xff, 0xfe) || head_is(s, '<', 0) || head_is(s, 'h', 0);
    bool big = head_is(s, 0xfe, 0xff) || head_is(s, 0, '<') || head_is(s, 0, 'h');

    s->is_utf16 = little || big;
    s->utf16.is_big_endian = big;
}

static void choose_form(struct sitemap *s, char first) {
    s->form = first == '<' ? FORM_DECLARATION : FORM_TEXT;
    if (s->form == FORM_TEXT)
        s->kind = SITEMAP_TEXT;
}

/* One byte a character, whatever the document says: UTF-16 has shown, and is UTF-8 here. */
static void end_declaration(struct sitemap *s) {
    const char *text = s->text.data;
    size_t n = s->text.len;
    const struct charset *c = s->has_bom || s->is_utf16 ? charset_utf8() : s->charset;

    if (c == NULL && n > 5 && memcmp(text, "<?xml", 5) == 0)
        c = charset_prescan(text, n);
    s->is_utf8 = c == NULL || c == charset_utf8() || !c->is_ascii_superset;
    if (start_xml(s, s->is_utf8 ? "UTF-8" : c->name))
        feed_xml(s, text, n, false);
    buf_reset(&s->text);
}

/* Gathers the declaration, if there is one, or what stands in its place. */
static void feed_declaration(struct sitemap *s, const char **p, size_t *n) {
    const char *close = memchr(*p, '>', *n);
    size_t part = close != NULL ? (size_t)(close - *p) + 1 : *n;

    if (part > DECLARATION_BYTES - s->text.len)
        part = DECLARATION_BYTES - s->text.len;
    buf_append(&s->text, *p, part);
    *p += part;
    *n -= part;
    if (close != NULL || s->text.len == DECLARATION_BYTES)
        end_declaration(s);
}

static void feed_form(struct sitemap *s, const char *p, size_t n) {
    if (s->form == FORM_SPACE) {
        /* Neither a tag nor a URL starts with a byte of U+FEFF, so that its bytes need no order. */
        while (n > 0 && memchr(" \t\r\n\f\v\xef\xbb\xbf", *p, 9) != NULL) {
            s->has_bom = s->has_bom || *p == '\xef';
            p++;
            n--;
        }
        if (n > 0)
            choose_form(s, *p);
    }
    if (n > 0 && s->form == FORM_DECLARATION)
        feed_declaration(s, &p, &n);
    if (n == 0 || s->result != SITEMAP_OK)
        return;
    if (s->form == FORM_XML)
        feed_xml(s, p, n, false);
    else
        feed_text(s, p, n);
}

static bool take_utf8(void *arg, const char *utf8, size_t n) {
    struct sitemap *s = arg;

    feed_form(s, utf8, n);
    return s->result == SITEMAP_OK;
}

static void feed_characters(struct sitemap *s, const char *p, size_t n) {
    if (s->is_utf16)
        utf16_feed(&s->utf16, p, n, take_utf8, s);
    else
        feed_form(s, p, n);
}

/* What is not gzip, or came out of it. */
static void feed_plain(struct sitemap *s, const char *p, size_t n) {
    bool over = n > SITEMAP_BYTES_MAX - s->plain_count;

    if (over)
        n = SITEMAP_BYTES_MAX - s->plain_count;
    s->plain_count += n;
    if (s->form == FORM_HEAD && take_head(s, &p, &n)) {
        find_utf16(s);
        s->form = FORM_SPACE;
        feed_characters(s, (const char *)s->head, sizeof s->head);
    }
    if (s->form != FORM_HEAD && n > 0 && s->result == SITEMAP_OK)
        feed_characters(s, p, n);
    if (over)
        stop(s, SITEMAP_LIMITED);
}

/* ---- Gzip -------------------------------------------------------------------------------------- */

static bool start_gzip(struct sitemap *s) {
    s->inflated = malloc(PIECE_BYTES);
    if (s->inflated == NULL || inflateInit2(&s->z, 15 + 16) != Z_OK) {
        free(s->inflated);
        s->inflated = NULL;
        s->result = SITEMAP_NO_MEMORY;
        return false;
    }
    s->is_gzip = true;
    s->head_len = 0;
    return true;
}

static void end_xml(struct sitemap *s) {
    if (s->form == FORM_DECLARATION && s->result == SITEMAP_OK)
        end_declaration(s);
    if (s->form == FORM_XML && s->result == SITEMAP_OK)
        feed_xml(s, "", 0, true);
}

/* What came before the damage counts, also what expat still holds back. */
static void end_damaged(struct sitemap *s) {
    end_xml(s);
    stop(s, s->kind == SITEMAP_UNKNOWN ? SITEMAP_NOT_ONE : SITEMAP_DAMAGED);
}

/* Behind a member: another, or padding, which is no concern of ours. False: no more is to be read. */
static bool next_member(struct sitemap *s) {
    if (s->gzip_padding || s->z.avail_in == 0)
        return false;
    s->gzip_padding = *s->z.next_in != 0x1f;
    if (s->gzip_padding)
        return false;
    if (++s->member_count >= SITEMAP_GZIP_MEMBERS) {
        end_damaged(s);
        return false;
    }
    inflateReset(&s->z);
    s->gzip_ended = false;
    return true;
}

static void feed_gzip(struct sitemap *s, const unsigned char *p, size_t n) {
    s->z.next_in = (unsigned char *)p;
    s->z.avail_in = (unsigned)n;
    while (s->result == SITEMAP_OK) {
        if (s->gzip_ended && !next_member(s))
            return;
        s->z.next_out = (unsigned char *)s->inflated;
        s->z.avail_out = PIECE_BYTES;
        int status = inflate(&s->z, Z_NO_FLUSH);
        size_t got = PIECE_BYTES - s->z.avail_out;
        s->gzip_ended = status == Z_STREAM_END;
        if (got > 0)
            feed_plain(s, s->inflated, got);
        if (status == Z_MEM_ERROR)
            stop(s, SITEMAP_NO_MEMORY);
        else if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            end_damaged(s);
        if (!s->gzip_ended && got < PIECE_BYTES && s->z.avail_in == 0)
            return;
    }
}

/* ---- The whole --------------------------------------------------------------------------------- */

struct sitemap *sitemap_new(bool (*on_url)(void *ctx, const char *url, size_t len), void *ctx) {
    struct sitemap *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->on_url = on_url;
    s->ctx = ctx;
    buf_init(&s->text, TEXT_BYTES);
    buf_init(&s->guid, TEXT_BYTES);
    url_init(&s->source);
    url_init(&s->link);
    /* So that appending fails for one reason only: what is too long is no URL. */
    if (!buf_reserve(&s->text, TEXT_BYTES) || !buf_reserve(&s->guid, TEXT_BYTES)) {
        sitemap_free(s);
        return NULL;
    }
    return s;
}

void sitemap_free(struct sitemap *s) {
    if (s == NULL)
        return;
    working = s;
    if (s->xml != NULL)
        XML_ParserFree(s->xml);
    working = NULL;
    if (s->is_gzip)
        inflateEnd(&s->z);
    free(s->inflated);
    free(s->mended);
    buf_release(&s->text);
    buf_release(&s->guid);
    url_release(&s->source);
    url_release(&s->link);
    for (size_t i = 0; i < s->base_size; i++)
        url_release(&s->bases[i].url);
    free(s->bases);
    free(s);
}

bool sitemap_set_source(struct sitemap *s, const struct url *url, const struct charset *charset) {
    s->charset = charset;
    return url_copy(&s->source, url) == URL_OK;
}

/* `n` is at most PIECE_BYTES. */
static void feed_piece(struct sitemap *s, const char *p, size_t n) {
    if (!s->is_gzip && s->form == FORM_HEAD) {
        char head[sizeof s->head];
        if (!take_head(s, &p, &n))
            return;
        memcpy(head, s->head, sizeof head);
        if (head_is(s, 0x1f, 0x8b)) {
            if (start_gzip(s))
                feed_gzip(s, (const unsigned char *)head, sizeof head);
        } else {
            s->head_len = 0;
            feed_plain(s, head, sizeof head);
        }
    }
    if (n == 0 || s->result != SITEMAP_OK)
        return;
    if (s->is_gzip)
        feed_gzip(s, (const unsigned char *)p, n);
    else
        feed_plain(s, p, n);
}

enum sitemap_result sitemap_feed(struct sitemap *s, const void *bytes, size_t len) {
    const char *p = bytes;

    working = s;
    while (len > 0 && s->result == SITEMAP_OK) {
        size_t left = SITEMAP_BYTES_MAX - s->byte_count;
        size_t piece = len < PIECE_BYTES ? len : PIECE_BYTES;

        if (left == 0) {
            stop(s, SITEMAP_LIMITED);
            break;
        }
        piece = piece < left ? piece : left;
        s->byte_count += piece;
        feed_piece(s, p, piece);
        p += piece;
        len -= piece;
    }
    working = NULL;
    return s->result;
}

enum sitemap_result sitemap_finish(struct sitemap *s) {
    if (s->result != SITEMAP_OK)
        return s->result;
    working = s;
    if (s->form == FORM_XML || s->form == FORM_DECLARATION) {
        end_xml(s);
    } else {
        if (s->form == FORM_TEXT)
            end_line(s);
        if (s->url_count == 0 && s->result == SITEMAP_OK) {
            s->result = SITEMAP_NOT_ONE;
            s->kind = SITEMAP_UNKNOWN;
        }
    }
    if (s->is_gzip && !s->gzip_ended)
        stop(s, SITEMAP_DAMAGED);
    working = NULL;
    return s->result;
}

enum sitemap_kind sitemap_kind(const struct sitemap *s) {
    return s->kind;
}

size_t sitemap_url_count(const struct sitemap *s) {
    return s->url_count;
}

/* ---- The location rule ------------------------------------------------------------------------- */

bool sitemap_location_holds(const char *sitemap_url, size_t sitemap_url_len, const char *url,
                            size_t url_len) {
    const char *end = sitemap_url + sitemap_url_len;
    const char *p = memmem(sitemap_url, sitemap_url_len, "://", 3), *directory_end = NULL;

    for (p = p == NULL ? end : p + 3; p < end && *p != '?' && *p != '#'; p++) {
        if (*p == '/')
            directory_end = p + 1;
    }
    if (directory_end == NULL)
        return false;
    size_t n = (size_t)(directory_end - sitemap_url);
    return url_len >= n && memcmp(url, sitemap_url, n) == 0;
}

#include "shared/html.h"

#include "shared/html_charref.h"
#include "shared/html_entities.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define REPLACEMENT_LEN 3

/* What a byte ends or means inside a tag. */
enum {
    SPACE = 1 << 0,
    NAME_END = 1 << 1,     /* of a tag's name: space / > */
    ATTR_END = 1 << 2,     /* of an attribute's name: space / > = */
    UPPER = 1 << 3,        /* an ASCII capital, or NUL: not stored as it is */
    LETTER = 1 << 4,       /* ASCII */
    UNQUOTED_END = 1 << 5, /* space > */
    DIGIT = 1 << 6,
};

#define CAPITAL (UPPER | LETTER)
#define BLANK (SPACE | NAME_END | ATTR_END | UNQUOTED_END)

static const uint8_t byte_class[256] = {
    ['\0'] = UPPER,
    ['\t'] = BLANK,
    ['\n'] = BLANK,
    ['\f'] = BLANK,
    [' '] = BLANK,
    ['/'] = NAME_END | ATTR_END,
    ['>'] = NAME_END | ATTR_END | UNQUOTED_END,
    ['='] = ATTR_END,
    ['0' ... '9'] = DIGIT,
    ['A' ... 'Z'] = CAPITAL,
    ['a' ... 'z'] = LETTER,
};

static unsigned class_of(char c) {
    return byte_class[(unsigned char)c];
}

static char to_lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Where `c` is in [p, end), or `end`. */
static const char *find(const char *p, const char *end, char c) {
    const char *q = memchr(p, c, (size_t)(end - p));
    return q != NULL ? q : end;
}

/* The same, for runs that are mostly short. */
static const char *find_near(const char *p, const char *end, char c) {
    const char *near = end - p < 16 ? end : p + 16;

    for (; p < near; p++)
        if (*p == c)
            return p;
    return find(p, end, c);
}

static void stop_unless(struct html *h, bool go_on) {
    if (!go_on)
        h->stopped = true;
}

static void out_of_memory(struct html *h) {
    h->no_memory = h->stopped = true;
}

/* ------------------------------------------------------------------ text and comments */

static void emit_text(struct html *h, const char *p, size_t n) {
    if (h->text_on && n > 0 && !h->stopped && h->events->text != NULL)
        stop_unless(h, h->events->text(h->ctx, p, n));
}

/* Text in which NUL stands for U+FFFD. */
static void emit_text_without_nul(struct html *h, const char *p, const char *end) {
    while (h->text_on && p < end) {
        const char *q = find(p, end, '\0');
        emit_text(h, p, (size_t)(q - p));
        if (q == end)
            return;
        emit_text(h, REPLACEMENT, REPLACEMENT_LEN);
        p = q + 1;
    }
}

static void comment_add(struct html *h, const char *p, size_t n) {
    if (h->comment_truncated)
        return;
    if (n > h->comment.cap_max - h->comment.len) {
        n = h->comment.cap_max - h->comment.len;
        h->comment_truncated = true;
    }
    if (!buf_append(&h->comment, p, n))
        out_of_memory(h);
}

static void comment_append(struct html *h, const char *p, const char *end) {
    if (h->events->comment == NULL)
        return;
    while (p < end) {
        const char *q = find(p, end, '\0');
        comment_add(h, p, (size_t)(q - p));
        if (q == end)
            return;
        comment_add(h, REPLACEMENT, REPLACEMENT_LEN);
        p = q + 1;
    }
}

static void comment_append_str(struct html *h, const char *s) {
    comment_append(h, s, s + strlen(s));
}

static void comment_begin(struct html *h, enum html_state state) {
    buf_reset(&h->comment);
    h->comment_truncated = false;
    h->state = state;
}

static void comment_emit(struct html *h) {
    h->state = HTML_DATA;
    if (h->events->comment != NULL && !h->stopped)
        stop_unless(h, h->events->comment(h->ctx, h->comment.len > 0 ? h->comment.data : "",
                                          h->comment.len, h->comment_truncated));
}

static void doctype_emit(struct html *h, bool at_eof) {
    h->state = HTML_DATA;
    if (h->events->doctype != NULL && !h->stopped)
        stop_unless(h, h->events->doctype(h->ctx, h->comment.len > 0 ? h->comment.data : "",
                                          h->comment.len, at_eof));
}

/* ------------------------------------------------------------------ tags */

static void tag_begin(struct html *h, bool end_tag) {
    h->end_tag = end_tag;
    h->self_closing = h->has_attr = h->name_truncated = false;
    h->name_len = 0;
    h->attr_count = 0;
    h->state = HTML_TAG_NAME;
}

static void name_add(struct html *h, char c) {
    if (h->name_len < HTML_NAME_MAX)
        h->name[h->name_len++] = c;
    else
        h->name_truncated = true;
}

/* The tag's name is complete: are its attributes worth keeping? */
static void name_done(struct html *h) {
    h->wanted = !h->end_tag;
    if (h->end_tag)
        return;
    if (h->events->want != NULL)
        h->wanted = h->events->want(h->ctx, h->name, h->name_len);
    if (h->wanted)
        buf_reset(&h->bytes);
}

/* Appends to the attribute being read; what does not fit is dropped. */
static bool attr_append(struct html *h, const char *p, size_t n, size_t have, size_t max) {
    struct buf *b = &h->bytes;
    size_t room = have < max ? max - have : 0;
    bool fits = true;

    if (n <= room && n < b->size - b->len) {
        memcpy(b->data + b->len, p, n);
        b->len += n;
        return true;
    }

    if (room > b->cap_max - b->len)
        room = b->cap_max - b->len;
    if (n > room) {
        n = room;
        fits = false;
    }
    if (!buf_append(b, p, n))
        out_of_memory(h);
    return fits;
}

static void attr_name_append(struct html *h, const char *p, size_t n) {
    if (h->has_attr)
        attr_append(h, p, n, h->bytes.len - h->attr.name_at, HTML_ATTR_NAME_MAX);
}

static void attr_value_append(struct html *h, const char *p, size_t n) {
    if (h->has_attr && !attr_append(h, p, n, h->bytes.len - h->attr.value_at, HTML_VALUE_MAX))
        h->value_truncated = true;
}

static void attr_begin(struct html *h) {
    h->state = HTML_ATTRIBUTE_NAME;
    h->has_attr = h->wanted && h->attr_count < HTML_TAG_ATTRS && h->bytes.len < HTML_TAG_BYTES;
    h->value_truncated = false;
    h->attr = (struct html_attr_span){.name_at = (uint32_t)h->bytes.len};
}

static bool attr_is_duplicate(const struct html *h) {
    const char *name = h->bytes.data + h->attr.name_at;

    for (size_t i = 0; i < h->attr_count; i++)
        if (h->spans[i].name_len == h->attr.name_len &&
            memcmp(h->bytes.data + h->spans[i].name_at, name, h->attr.name_len) == 0)
            return true;
    return false;
}

static void attr_name_done(struct html *h) {
    if (!h->has_attr)
        return;
    h->attr.name_len = (uint32_t)(h->bytes.len - h->attr.name_at);
    h->attr.value_at = (uint32_t)h->bytes.len;
    if (attr_is_duplicate(h))
        h->has_attr = false;
}

static bool attrs_allocate(struct html *h) {
    if (h->spans == NULL)
        h->spans = malloc(HTML_TAG_ATTRS * sizeof *h->spans);
    if (h->attrs == NULL)
        h->attrs = malloc(HTML_TAG_ATTRS * sizeof *h->attrs);
    return h->spans != NULL && h->attrs != NULL;
}

/* Replaces the raw value at the end of `bytes` by what its references and NULs stand for. The two
 * stand side by side for a moment: at the cap the value is dropped. */
static void attr_value_decode(struct html *h) {
    size_t raw_at = h->attr.value_at, raw_len = h->bytes.len - raw_at;

    if (raw_len == 0 || (memchr(h->bytes.data + raw_at, '&', raw_len) == NULL &&
                         (!h->seen_nul || memchr(h->bytes.data + raw_at, '\0', raw_len) == NULL)))
        return;
    /* At most three bytes out for one in: a NUL. */
    if (raw_len * 3 > h->bytes.cap_max - h->bytes.len) {
        h->bytes.len = raw_at;
        h->value_truncated = true;
        return;
    }
    if (!buf_reserve(&h->bytes, raw_len * 3)) {
        out_of_memory(h);
        return;
    }
    html_charref_decode(&h->bytes, h->bytes.data + raw_at, raw_len);
    size_t decoded_len = h->bytes.len - raw_at - raw_len;
    memmove(h->bytes.data + raw_at, h->bytes.data + raw_at + raw_len, decoded_len);
    h->bytes.len = raw_at + decoded_len;
}

/* The attribute being read is complete, with or without a value. */
static void attr_done(struct html *h) {
    if (!h->has_attr)
        return;
    h->has_attr = false;
    attr_value_decode(h);
    if (!attrs_allocate(h)) {
        out_of_memory(h);
        return;
    }
    h->attr.value_len = (uint32_t)(h->bytes.len - h->attr.value_at);
    h->spans[h->attr_count] = h->attr;
    h->attrs[h->attr_count].truncated = h->value_truncated;
    h->attr_count++;
}

static void tag_emit(struct html *h) {
    struct html_tag tag = {
        .name = h->name,
        .name_len = h->name_len,
        .attrs = h->attrs,
        .attr_count = h->end_tag ? 0 : h->attr_count,
        .self_closing = h->self_closing,
        .name_truncated = h->name_truncated,
    };

    h->state = HTML_DATA;
    if (h->stopped)
        return;
    if (h->end_tag) {
        if (h->events->end_tag != NULL)
            stop_unless(h, h->events->end_tag(h->ctx, &tag));
        return;
    }
    if (!h->wanted || h->events->start_tag == NULL)
        return;
    for (size_t i = 0; i < h->attr_count; i++) {
        const struct html_attr_span *s = &h->spans[i];
        struct html_attr *a = &h->attrs[i];
        a->name = h->bytes.data + s->name_at;
        a->name_len = s->name_len;
        a->value = h->bytes.data + s->value_at;
        a->value_len = s->value_len;
    }
    stop_unless(h, h->events->start_tag(h->ctx, &tag));
}

/* ------------------------------------------------------------------ the states
 *
 * Each function is called with at least one byte, consumes what it can and returns the first byte
 * that it has not consumed: returning `p` itself with another state set is the standard's
 * "reconsume". */

static const char *reconsume(struct html *h, const char *p, enum html_state state) {
    h->state = state;
    return p;
}

static const char *lookahead_begin(struct html *h, const char *p, enum html_state state) {
    h->lookahead_len = 0;
    h->state = state;
    return p;
}

/* '&' at p, in data or RCDATA. */
static const char *character_reference_begin(struct html *h, const char *p) {
    h->return_state = h->state;
    lookahead_begin(h, p, HTML_CHARACTER_REFERENCE);
    h->lookahead[h->lookahead_len++] = '&';
    return p + 1;
}

static const char *tag_name(struct html *h, const char *p, const char *end);

static const char *data(struct html *h, const char *p, const char *end) {
    const char *q = find_near(p, end, '<');

    if (h->text_on) {
        const char *amp = find(p, q, '&');
        emit_text(h, p, (size_t)(amp - p));
        if (amp < q)
            return character_reference_begin(h, amp);
    }
    if (q == end)
        return end;
    h->state = HTML_TAG_OPEN;
    q++;
    /* The states in between, taken at once where all is in sight. */
    bool end_tag = end - q >= 2 && *q == '/';
    q += end_tag;
    if (q < end && class_of(*q) & LETTER) {
        tag_begin(h, end_tag);
        return tag_name(h, q, end);
    }
    return q - end_tag;
}

static const char *rcdata(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, '<');

    if (h->text_on) {
        const char *amp = find(p, q, '&');
        emit_text_without_nul(h, p, amp);
        if (amp < q)
            return character_reference_begin(h, amp);
    }
    if (q == end)
        return end;
    h->return_state = h->state;
    h->state = HTML_RAW_LESS_THAN;
    return q + 1;
}

/* RAWTEXT and script data. */
static const char *rawtext(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, '<');

    emit_text_without_nul(h, p, q);
    if (q == end)
        return end;
    h->return_state = h->state;
    h->state = HTML_RAW_LESS_THAN;
    return q + 1;
}

static const char *plaintext(struct html *h, const char *p, const char *end) {
    emit_text_without_nul(h, p, end);
    return end;
}

static const char *tag_open(struct html *h, const char *p, const char *end) {
    (void)end;
    if (class_of(*p) & LETTER) {
        tag_begin(h, false);
        return p;
    }
    if (*p == '/') {
        h->state = HTML_END_TAG_OPEN;
        return p + 1;
    }
    if (*p == '!')
        return lookahead_begin(h, p + 1, HTML_MARKUP_DECLARATION_OPEN);
    if (*p == '?') {
        comment_begin(h, HTML_BOGUS_COMMENT);
        return p;
    }
    emit_text(h, "<", 1);
    return reconsume(h, p, HTML_DATA);
}

static const char *end_tag_open(struct html *h, const char *p, const char *end) {
    (void)end;
    if (class_of(*p) & LETTER) {
        tag_begin(h, true);
        return p;
    }
    if (*p == '>')
        return reconsume(h, p + 1, HTML_DATA);
    comment_begin(h, HTML_BOGUS_COMMENT);
    return p;
}

/* What follows a tag's name: space, '/' or '>'. */
static const char *after_tag_name(struct html *h, const char *p) {
    if (*p == '>')
        tag_emit(h);
    else
        h->state = *p == '/' ? HTML_SELF_CLOSING_START_TAG : HTML_BEFORE_ATTRIBUTE_NAME;
    return p + 1;
}

static const char *tag_name(struct html *h, const char *p, const char *end) {
    for (; p < end && !(class_of(*p) & NAME_END); p++) {
        if (*p != '\0') {
            name_add(h, to_lower(*p));
            continue;
        }
        for (const char *r = REPLACEMENT; *r != '\0'; r++)
            name_add(h, *r);
    }
    if (p == end)
        return end;
    name_done(h);
    return after_tag_name(h, p);
}

/* ------------------------------------------------------------------ raw text's end tags */

static const char *raw_less_than(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '/') {
        h->state = HTML_RAW_END_TAG_OPEN;
        return p + 1;
    }
    emit_text(h, "<", 1);
    if (*p == '!' && h->return_state == HTML_SCRIPT_DATA) {
        emit_text(h, "!", 1);
        return reconsume(h, p + 1, HTML_SCRIPT_ESCAPE_START);
    }
    return reconsume(h, p, h->return_state);
}

static const char *raw_end_tag_open(struct html *h, const char *p, const char *end) {
    (void)end;
    if (class_of(*p) & LETTER) {
        tag_begin(h, true);
        return lookahead_begin(h, p, HTML_RAW_END_TAG_NAME);
    }
    emit_text(h, "</", 2);
    return reconsume(h, p, h->return_state);
}

static bool is_appropriate_end_tag(const struct html *h) {
    return h->lookahead_len == h->last_start_tag_len && h->lookahead_len > 0 &&
           memcmp(h->name, h->last_start_tag, h->lookahead_len) == 0;
}

/* Letters go to `lookahead` as they are and to `name` in lower case. A name that is longer than any
 * element of raw text has ends nothing. */
static const char *raw_end_tag_name(struct html *h, const char *p, const char *end) {
    while (p < end && class_of(*p) & LETTER && h->lookahead_len < HTML_LOOKAHEAD_MAX) {
        h->name[h->lookahead_len] = to_lower(*p);
        h->lookahead[h->lookahead_len++] = *p++;
    }
    if (p == end)
        return end;
    if (class_of(*p) & NAME_END && is_appropriate_end_tag(h)) {
        h->name_len = h->lookahead_len;
        name_done(h);
        return after_tag_name(h, p);
    }
    emit_text(h, "</", 2);
    emit_text(h, h->lookahead, h->lookahead_len);
    return reconsume(h, p, h->return_state);
}

/* ------------------------------------------------------------------ <!-- in scripts */

static const char *script_escape_start(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p != '-')
        return reconsume(h, p, HTML_SCRIPT_DATA);
    emit_text(h, "-", 1);
    h->state = h->state == HTML_SCRIPT_ESCAPE_START ? HTML_SCRIPT_ESCAPE_START_DASH
                                                    : HTML_SCRIPT_ESCAPED_DASH_DASH;
    return p + 1;
}

/* Script data (double) escaped: up to the next '-' or '<'. */
static const char *script_escaped(struct html *h, const char *p, const char *end) {
    bool twice = h->state == HTML_SCRIPT_DOUBLE_ESCAPED;
    const char *q = p;

    while (q < end && *q != '-' && *q != '<')
        q++;
    emit_text_without_nul(h, p, q);
    if (q == end)
        return end;
    if (*q == '-') {
        emit_text(h, "-", 1);
        h->state = twice ? HTML_SCRIPT_DOUBLE_ESCAPED_DASH : HTML_SCRIPT_ESCAPED_DASH;
    } else if (twice) {
        emit_text(h, "<", 1);
        h->state = HTML_SCRIPT_DOUBLE_ESCAPED_LESS_THAN;
    } else {
        h->state = HTML_SCRIPT_ESCAPED_LESS_THAN;
    }
    return q + 1;
}

/* After one dash, or two and more, in script data (double) escaped. */
static const char *script_dash(struct html *h, const char *p, const char *end) {
    bool twice = h->state == HTML_SCRIPT_DOUBLE_ESCAPED_DASH ||
                 h->state == HTML_SCRIPT_DOUBLE_ESCAPED_DASH_DASH;
    bool two_dashes = h->state == HTML_SCRIPT_ESCAPED_DASH_DASH ||
                      h->state == HTML_SCRIPT_DOUBLE_ESCAPED_DASH_DASH;

    (void)end;
    if (*p == '-') {
        emit_text(h, "-", 1);
        h->state = twice ? HTML_SCRIPT_DOUBLE_ESCAPED_DASH_DASH : HTML_SCRIPT_ESCAPED_DASH_DASH;
        return p + 1;
    }
    if (*p == '>' && two_dashes) {
        emit_text(h, ">", 1);
        h->state = HTML_SCRIPT_DATA;
        return p + 1;
    }
    return reconsume(h, p, twice ? HTML_SCRIPT_DOUBLE_ESCAPED : HTML_SCRIPT_ESCAPED);
}

static const char *script_escaped_less_than(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '/') {
        h->return_state = HTML_SCRIPT_ESCAPED;
        return reconsume(h, p + 1, HTML_RAW_END_TAG_OPEN);
    }
    emit_text(h, "<", 1);
    if (class_of(*p) & LETTER)
        return lookahead_begin(h, p, HTML_SCRIPT_DOUBLE_ESCAPE_START);
    return reconsume(h, p, HTML_SCRIPT_ESCAPED);
}

/* Reads a name: is it "script"? Then `yes` is the next state, else `no`. */
static const char *script_name(struct html *h, const char *p, const char *end, enum html_state yes,
                               enum html_state no) {
    const char *q = p;

    for (; q < end && class_of(*q) & LETTER; q++)
        if (h->lookahead_len < HTML_LOOKAHEAD_MAX)
            h->lookahead[h->lookahead_len++] = to_lower(*q);
    emit_text(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    if (!(class_of(*q) & NAME_END))
        return reconsume(h, q, no);
    emit_text(h, q, 1);
    bool is_script = h->lookahead_len == 6 && memcmp(h->lookahead, "script", 6) == 0;
    return reconsume(h, q + 1, is_script ? yes : no);
}

static const char *script_double_escape_start(struct html *h, const char *p, const char *end) {
    return script_name(h, p, end, HTML_SCRIPT_DOUBLE_ESCAPED, HTML_SCRIPT_ESCAPED);
}

static const char *script_double_escaped_less_than(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p != '/')
        return reconsume(h, p, HTML_SCRIPT_DOUBLE_ESCAPED);
    emit_text(h, "/", 1);
    return lookahead_begin(h, p + 1, HTML_SCRIPT_DOUBLE_ESCAPE_END);
}

static const char *script_double_escape_end(struct html *h, const char *p, const char *end) {
    return script_name(h, p, end, HTML_SCRIPT_ESCAPED, HTML_SCRIPT_DOUBLE_ESCAPED);
}

/* ------------------------------------------------------------------ attributes */

static const char *attribute_name(struct html *h, const char *p, const char *end);

static const char *value_quoted(struct html *h, const char *p, const char *end, char quote) {
    const char *q = find(p, end, quote);

    attr_value_append(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    attr_done(h);
    q++;
    if (q < end && class_of(*q) & NAME_END)
        return after_tag_name(h, q);
    return reconsume(h, q, HTML_AFTER_ATTRIBUTE_VALUE_QUOTED);
}

static const char *before_attribute_name(struct html *h, const char *p, const char *end) {
    while (p < end && class_of(*p) & SPACE)
        p++;
    if (p == end)
        return end;
    if (*p == '/' || *p == '>')
        return reconsume(h, p, HTML_AFTER_ATTRIBUTE_NAME);
    attr_begin(h);
    if (*p != '=')
        return attribute_name(h, p, end);
    attr_name_append(h, p, 1);
    return p + 1;
}

static const char *attribute_name(struct html *h, const char *p, const char *end) {
    const char *q = p;

    while (q < end && !(class_of(*q) & (ATTR_END | UPPER)))
        q++;
    attr_name_append(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    if (class_of(*q) & UPPER) {
        char lower = to_lower(*q);
        attr_name_append(h, *q == '\0' ? REPLACEMENT : &lower, *q == '\0' ? REPLACEMENT_LEN : 1);
        return q + 1;
    }
    attr_name_done(h);
    if (end - q >= 3 && q[0] == '=' && q[1] == '"') {
        h->state = HTML_ATTRIBUTE_VALUE_DOUBLE_QUOTED;
        return value_quoted(h, q + 2, end, '"');
    }
    if (*q == '=')
        return reconsume(h, q + 1, HTML_BEFORE_ATTRIBUTE_VALUE);
    return reconsume(h, q, HTML_AFTER_ATTRIBUTE_NAME);
}

static const char *after_attribute_name(struct html *h, const char *p, const char *end) {
    while (p < end && class_of(*p) & SPACE)
        p++;
    if (p == end)
        return end;
    if (*p == '=')
        return reconsume(h, p + 1, HTML_BEFORE_ATTRIBUTE_VALUE);
    attr_done(h);
    if (*p == '/' || *p == '>')
        return after_tag_name(h, p);
    attr_begin(h);
    return p;
}

static const char *before_attribute_value(struct html *h, const char *p, const char *end) {
    while (p < end && class_of(*p) & SPACE)
        p++;
    if (p == end)
        return end;
    if (*p == '"')
        return reconsume(h, p + 1, HTML_ATTRIBUTE_VALUE_DOUBLE_QUOTED);
    if (*p == '\'')
        return reconsume(h, p + 1, HTML_ATTRIBUTE_VALUE_SINGLE_QUOTED);
    if (*p != '>')
        return reconsume(h, p, HTML_ATTRIBUTE_VALUE_UNQUOTED);
    attr_done(h);
    return after_tag_name(h, p);
}

static const char *value_double_quoted(struct html *h, const char *p, const char *end) {
    return value_quoted(h, p, end, '"');
}

static const char *value_single_quoted(struct html *h, const char *p, const char *end) {
    return value_quoted(h, p, end, '\'');
}

static const char *value_unquoted(struct html *h, const char *p, const char *end) {
    const char *q = p;

    while (q < end && !(class_of(*q) & UNQUOTED_END))
        q++;
    attr_value_append(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    attr_done(h);
    return after_tag_name(h, q);
}

static const char *after_attribute_value_quoted(struct html *h, const char *p, const char *end) {
    (void)end;
    if (class_of(*p) & NAME_END)
        return after_tag_name(h, p);
    return reconsume(h, p, HTML_BEFORE_ATTRIBUTE_NAME);
}

static const char *self_closing_start_tag(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p != '>')
        return reconsume(h, p, HTML_BEFORE_ATTRIBUTE_NAME);
    h->self_closing = true;
    tag_emit(h);
    return p + 1;
}

/* ------------------------------------------------------------------ <! */

static const char *bogus_comment(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, '>');

    comment_append(h, p, q);
    if (q == end)
        return end;
    comment_emit(h);
    return q + 1;
}

/* Whether `lookahead` starts as `word` does, ASCII case ignored if `any_case`. */
static bool lookahead_is_prefix_of(const struct html *h, const char *word, bool any_case) {
    for (size_t i = 0; i < h->lookahead_len; i++) {
        char c = h->lookahead[i];
        if ((any_case ? to_lower(c) : c) != word[i])
            return false;
    }
    return true;
}

/* None of the known declarations: what was looked at is a comment's first bytes. */
static void declaration_is_comment(struct html *h) {
    comment_begin(h, HTML_BOGUS_COMMENT);
    /* A '>' can only be the last byte, so that nothing is left over: it matches no declaration. */
    bogus_comment(h, h->lookahead, h->lookahead + h->lookahead_len);
}

static const char *markup_declaration_open(struct html *h, const char *p, const char *end) {
    (void)end;
    h->lookahead[h->lookahead_len++] = *p++;
    if (lookahead_is_prefix_of(h, "--", false)) {
        if (h->lookahead_len == 2)
            comment_begin(h, HTML_COMMENT_START);
    } else if (lookahead_is_prefix_of(h, "doctype", true)) {
        if (h->lookahead_len == 7)
            comment_begin(h, HTML_DOCTYPE);
    } else if (h->cdata_allowed && lookahead_is_prefix_of(h, "[CDATA[", false)) {
        if (h->lookahead_len == 7)
            h->state = HTML_CDATA_SECTION;
    } else {
        declaration_is_comment(h);
    }
    return p;
}

static const char *comment_start(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '-')
        return reconsume(h, p + 1, HTML_COMMENT_START_DASH);
    if (*p != '>')
        return reconsume(h, p, HTML_COMMENT);
    comment_emit(h);
    return p + 1;
}

static const char *comment_start_dash(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '-')
        return reconsume(h, p + 1, HTML_COMMENT_END);
    if (*p == '>') {
        comment_emit(h);
        return p + 1;
    }
    comment_append_str(h, "-");
    return reconsume(h, p, HTML_COMMENT);
}

static const char *comment(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, '-');

    comment_append(h, p, q);
    if (q == end)
        return end;
    return reconsume(h, q + 1, HTML_COMMENT_END_DASH);
}

static const char *comment_end_dash(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '-')
        return reconsume(h, p + 1, HTML_COMMENT_END);
    comment_append_str(h, "-");
    return reconsume(h, p, HTML_COMMENT);
}

static const char *comment_end(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '>') {
        comment_emit(h);
        return p + 1;
    }
    if (*p == '!')
        return reconsume(h, p + 1, HTML_COMMENT_END_BANG);
    if (*p == '-') {
        comment_append_str(h, "-");
        return p + 1;
    }
    comment_append_str(h, "--");
    return reconsume(h, p, HTML_COMMENT);
}

static const char *comment_end_bang(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '>') {
        comment_emit(h);
        return p + 1;
    }
    comment_append_str(h, "--!");
    if (*p == '-')
        return reconsume(h, p + 1, HTML_COMMENT_END_DASH);
    return reconsume(h, p, HTML_COMMENT);
}

static const char *doctype(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, '>');

    if (h->events->doctype != NULL)
        comment_add(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    doctype_emit(h, false);
    return q + 1;
}

static const char *cdata_section(struct html *h, const char *p, const char *end) {
    const char *q = find(p, end, ']');

    emit_text(h, p, (size_t)(q - p));
    if (q == end)
        return end;
    return reconsume(h, q + 1, HTML_CDATA_SECTION_BRACKET);
}

static const char *cdata_section_bracket(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == ']')
        return reconsume(h, p + 1, HTML_CDATA_SECTION_END);
    emit_text(h, "]", 1);
    return reconsume(h, p, HTML_CDATA_SECTION);
}

static const char *cdata_section_end(struct html *h, const char *p, const char *end) {
    (void)end;
    if (*p == '>')
        return reconsume(h, p + 1, HTML_DATA);
    if (*p == ']') {
        emit_text(h, "]", 1);
        return p + 1;
    }
    emit_text(h, "]]", 2);
    return reconsume(h, p, HTML_CDATA_SECTION);
}

/* ------------------------------------------------------------------ references in text */

/* Whether `c` may belong to the reference gathered in `lookahead`. */
static bool reference_goes_on(const struct html *h, char c) {
    const char *l = h->lookahead;
    size_t n = h->lookahead_len;

    if (l[n - 1] == ';')
        return false;
    if (n == 1 && c == '#')
        return true;
    if (n >= 2 && l[1] == '#') {
        bool hex = n >= 3 && (l[2] == 'x' || l[2] == 'X');
        if (n == 2 && (c == 'x' || c == 'X'))
            return true;
        return c == ';' || class_of(c) & DIGIT ||
               (hex && class_of(c) & LETTER && to_lower(c) <= 'f');
    }
    return n <= HTML_ENTITY_NAME_MAX && (c == ';' || class_of(c) & (LETTER | DIGIT));
}

/* A number's digits go on for ever: keep the leading ones, which are enough to see that it is too
 * large, and no zeros before them. */
static void reference_add(struct html *h, char c) {
    bool number = h->lookahead_len >= 2 && h->lookahead[1] == '#';

    if (number && c == '0' && h->lookahead[h->lookahead_len - 1] == '0' &&
        (h->lookahead_len == 3 || (h->lookahead_len == 4 && to_lower(h->lookahead[2]) == 'x')))
        return;
    if (h->lookahead_len < HTML_LOOKAHEAD_MAX - 1 || c == ';')
        h->lookahead[h->lookahead_len++] = c;
}

static void reference_emit(struct html *h) {
    char out[HTML_CHARREF_OUT_MAX];
    size_t out_len = 0;
    size_t used = html_charref_match(h->lookahead, h->lookahead_len, false, out, &out_len);

    emit_text(h, out, out_len);
    emit_text(h, h->lookahead + used, h->lookahead_len - used);
    h->state = h->return_state;
}

static const char *character_reference(struct html *h, const char *p, const char *end) {
    while (p < end && reference_goes_on(h, *p))
        reference_add(h, *p++);
    if (p < end)
        reference_emit(h);
    return p;
}

static const char *(*const state_functions[HTML_STATE_COUNT])(struct html *, const char *,
                                                              const char *) = {
    [HTML_DATA] = data,
    [HTML_RCDATA] = rcdata,
    [HTML_RAWTEXT] = rawtext,
    [HTML_SCRIPT_DATA] = rawtext,
    [HTML_PLAINTEXT] = plaintext,
    [HTML_CDATA_SECTION] = cdata_section,
    [HTML_TAG_OPEN] = tag_open,
    [HTML_END_TAG_OPEN] = end_tag_open,
    [HTML_TAG_NAME] = tag_name,
    [HTML_RAW_LESS_THAN] = raw_less_than,
    [HTML_RAW_END_TAG_OPEN] = raw_end_tag_open,
    [HTML_RAW_END_TAG_NAME] = raw_end_tag_name,
    [HTML_SCRIPT_ESCAPE_START] = script_escape_start,
    [HTML_SCRIPT_ESCAPE_START_DASH] = script_escape_start,
    [HTML_SCRIPT_ESCAPED] = script_escaped,
    [HTML_SCRIPT_ESCAPED_DASH] = script_dash,
    [HTML_SCRIPT_ESCAPED_DASH_DASH] = script_dash,
    [HTML_SCRIPT_ESCAPED_LESS_THAN] = script_escaped_less_than,
    [HTML_SCRIPT_DOUBLE_ESCAPE_START] = script_double_escape_start,
    [HTML_SCRIPT_DOUBLE_ESCAPED] = script_escaped,
    [HTML_SCRIPT_DOUBLE_ESCAPED_DASH] = script_dash,
    [HTML_SCRIPT_DOUBLE_ESCAPED_DASH_DASH] = script_dash,
    [HTML_SCRIPT_DOUBLE_ESCAPED_LESS_THAN] = script_double_escaped_less_than,
    [HTML_SCRIPT_DOUBLE_ESCAPE_END] = script_double_escape_end,
    [HTML_BEFORE_ATTRIBUTE_NAME] = before_attribute_name,
    [HTML_ATTRIBUTE_NAME] = attribute_name,
    [HTML_AFTER_ATTRIBUTE_NAME] = after_attribute_name,
    [HTML_BEFORE_ATTRIBUTE_VALUE] = before_attribute_value,
    [HTML_ATTRIBUTE_VALUE_DOUBLE_QUOTED] = value_double_quoted,
    [HTML_ATTRIBUTE_VALUE_SINGLE_QUOTED] = value_single_quoted,
    [HTML_ATTRIBUTE_VALUE_UNQUOTED] = value_unquoted,
    [HTML_AFTER_ATTRIBUTE_VALUE_QUOTED] = after_attribute_value_quoted,
    [HTML_SELF_CLOSING_START_TAG] = self_closing_start_tag,
    [HTML_BOGUS_COMMENT] = bogus_comment,
    [HTML_MARKUP_DECLARATION_OPEN] = markup_declaration_open,
    [HTML_COMMENT_START] = comment_start,
    [HTML_COMMENT_START_DASH] = comment_start_dash,
    [HTML_COMMENT] = comment,
    [HTML_COMMENT_END_DASH] = comment_end_dash,
    [HTML_COMMENT_END] = comment_end,
    [HTML_COMMENT_END_BANG] = comment_end_bang,
    [HTML_DOCTYPE] = doctype,
    [HTML_CDATA_SECTION_BRACKET] = cdata_section_bracket,
    [HTML_CDATA_SECTION_END] = cdata_section_end,
    [HTML_CHARACTER_REFERENCE] = character_reference,
};

static void run(struct html *h, const char *p, const char *end) {
    while (p < end && !h->stopped)
        p = state_functions[h->state](h, p, end);
}

/* ------------------------------------------------------------------ the interface */

void html_init(struct html *h, const struct html_events *events, void *ctx) {
    *h = (struct html){.events = events, .ctx = ctx};
    buf_init(&h->bytes, HTML_TAG_BYTES);
    buf_init(&h->comment, HTML_COMMENT_MAX);
}

void html_reset(struct html *h) {
    struct html fresh = {
        .events = h->events,
        .ctx = h->ctx,
        .bytes = h->bytes,
        .comment = h->comment,
        .spans = h->spans,
        .attrs = h->attrs,
    };

    *h = fresh;
}

void html_release(struct html *h) {
    free(h->spans);
    free(h->attrs);
    buf_release(&h->bytes);
    buf_release(&h->comment);
    html_init(h, h->events, h->ctx);
}

/* The standard's newline normalisation (§13.2.3.5) happens here, so that no state knows CR. */
bool html_feed(struct html *h, const void *bytes, size_t n) {
    const char *p = bytes;

    if (n == 0)
        return !h->stopped;
    const char *end = p + n;
    h->seen_nul = h->seen_nul || find(p, end, '\0') != end;
    while (p < end && !h->stopped) {
        if (h->skip_lf && *p == '\n')
            p++;
        h->skip_lf = false;
        const char *cr = find(p, end, '\r');
        run(h, p, cr);
        p = cr;
        if (cr < end) {
            run(h, "\n", &"\n"[1]);
            h->skip_lf = true;
            p++;
        }
    }
    return !h->stopped;
}

bool html_finish(struct html *h) {
    switch (h->state) {
    case HTML_TAG_OPEN:
    case HTML_RAW_LESS_THAN:
    case HTML_SCRIPT_ESCAPED_LESS_THAN:
        emit_text(h, "<", 1);
        break;
    case HTML_END_TAG_OPEN:
    case HTML_RAW_END_TAG_OPEN:
        emit_text(h, "</", 2);
        break;
    case HTML_RAW_END_TAG_NAME:
        emit_text(h, "</", 2);
        emit_text(h, h->lookahead, h->lookahead_len);
        break;
    case HTML_MARKUP_DECLARATION_OPEN:
        declaration_is_comment(h);
        comment_emit(h);
        break;
    case HTML_BOGUS_COMMENT:
    case HTML_COMMENT_START:
    case HTML_COMMENT_START_DASH:
    case HTML_COMMENT:
    case HTML_COMMENT_END_DASH:
    case HTML_COMMENT_END:
    case HTML_COMMENT_END_BANG:
        comment_emit(h);
        break;
    case HTML_DOCTYPE:
        doctype_emit(h, true);
        break;
    case HTML_CDATA_SECTION_BRACKET:
        emit_text(h, "]", 1);
        break;
    case HTML_CDATA_SECTION_END:
        emit_text(h, "]]", 2);
        break;
    case HTML_CHARACTER_REFERENCE:
        reference_emit(h);
        break;
    default: /* text is out already; a tag cut short is dropped */
        break;
    }
    h->state = HTML_DATA;
    return !h->stopped;
}

void html_set_state(struct html *h, enum html_state state) {
    h->state = state;
    if (h->name_len > 0)
        html_set_last_start_tag(h, h->name, h->name_len);
}

void html_allow_cdata(struct html *h, bool allowed) {
    h->cdata_allowed = allowed;
}

void html_set_text(struct html *h, bool on) {
    h->text_on = on;
}

void html_set_last_start_tag(struct html *h, const char *name, size_t name_len) {
    h->last_start_tag_len = name_len < HTML_NAME_MAX ? name_len : HTML_NAME_MAX;
    memcpy(h->last_start_tag, name, h->last_start_tag_len);
}

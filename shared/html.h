/*
 * html: a streaming tokenizer, the HTML standard's state machine (§13.2.5,
 * https://html.spec.whatwg.org/multipage/parsing.html#tokenization), bytes in, tokens out by callback.
 *
 *     static const struct html_events events = {.want = ..., .start_tag = ..., .end_tag = ...};
 *     struct html h;
 *     html_init(&h, &events, ctx);
 *     ok = html_feed(&h, p, n) && ... && html_finish(&h);
 *     html_release(&h);
 *
 * Where the input is cut into chunks makes no difference to the tokens, only to how text is cut into
 * text events. The standard leaves it to the tree builder to choose the next state after a start tag
 * (<style>, <script>, <title> ...) and to say whether CDATA sections exist: the start_tag callback
 * does that with html_set_state() and html_allow_cdata(); html_context.h decides it without a tree.
 *
 * Input is UTF-8, or any encoding in which ASCII bytes mean ASCII characters only. Bytes that are
 * not valid UTF-8 are passed on as they are: no byte of a malformed sequence is ASCII, so decoding a
 * token afterwards gives what decoding the input before would have. CR and CR LF arrive as LF. NUL
 * becomes U+FFFD wherever the standard says so. A byte order mark is for the caller to remove.
 *
 * Bounds: a tag keeps HTML_NAME_MAX bytes of its name, HTML_TAG_ATTRS attributes and HTML_TAG_BYTES
 * bytes of them; an attribute HTML_ATTR_NAME_MAX bytes of its name and HTML_VALUE_MAX of its value; a
 * comment or DOCTYPE HTML_COMMENT_MAX. The rest is read and dropped, and the token says so. There is
 * no stack: depth costs nothing.
 *
 * No state is shared between tokenizers; one owner each.
 */
#ifndef TRAWL_SHARED_HTML_H
#define TRAWL_SHARED_HTML_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTML_NAME_MAX = 256,
    HTML_ATTR_NAME_MAX = 4096,
    HTML_TAG_ATTRS = 256,
    HTML_VALUE_MAX = 256 * 1024,
    HTML_TAG_BYTES = 1024 * 1024,
    HTML_COMMENT_MAX = 64 * 1024,
    HTML_LOOKAHEAD_MAX = 40,
};

/* The standard's states. A caller may set those before HTML_TAG_OPEN. The "less-than sign" states of
 * comments are absent: they only find errors. A DOCTYPE ends at the first '>' in each of its states,
 * so it is gathered in one and taken apart by html_doctype.h. */
enum html_state {
    HTML_DATA,
    HTML_RCDATA,
    HTML_RAWTEXT,
    HTML_SCRIPT_DATA,
    HTML_PLAINTEXT,
    HTML_CDATA_SECTION,
    HTML_TAG_OPEN,
    HTML_END_TAG_OPEN,
    HTML_TAG_NAME,
    HTML_RAW_LESS_THAN, /* of RCDATA, RAWTEXT, script data: `return_state` */
    HTML_RAW_END_TAG_OPEN,
    HTML_RAW_END_TAG_NAME,
    HTML_SCRIPT_ESCAPE_START,
    HTML_SCRIPT_ESCAPE_START_DASH,
    HTML_SCRIPT_ESCAPED,
    HTML_SCRIPT_ESCAPED_DASH,
    HTML_SCRIPT_ESCAPED_DASH_DASH,
    HTML_SCRIPT_ESCAPED_LESS_THAN,
    HTML_SCRIPT_DOUBLE_ESCAPE_START,
    HTML_SCRIPT_DOUBLE_ESCAPED,
    HTML_SCRIPT_DOUBLE_ESCAPED_DASH,
    HTML_SCRIPT_DOUBLE_ESCAPED_DASH_DASH,
    HTML_SCRIPT_DOUBLE_ESCAPED_LESS_THAN,
    HTML_SCRIPT_DOUBLE_ESCAPE_END,
    HTML_BEFORE_ATTRIBUTE_NAME,
    HTML_ATTRIBUTE_NAME,
    HTML_AFTER_ATTRIBUTE_NAME,
    HTML_BEFORE_ATTRIBUTE_VALUE,
    HTML_ATTRIBUTE_VALUE_DOUBLE_QUOTED,
    HTML_ATTRIBUTE_VALUE_SINGLE_QUOTED,
    HTML_ATTRIBUTE_VALUE_UNQUOTED,
    HTML_AFTER_ATTRIBUTE_VALUE_QUOTED,
    HTML_SELF_CLOSING_START_TAG,
    HTML_BOGUS_COMMENT,
    HTML_MARKUP_DECLARATION_OPEN,
    HTML_COMMENT_START,
    HTML_COMMENT_START_DASH,
    HTML_COMMENT,
    HTML_COMMENT_END_DASH,
    HTML_COMMENT_END,
    HTML_COMMENT_END_BANG,
    HTML_DOCTYPE,
    HTML_CDATA_SECTION_BRACKET,
    HTML_CDATA_SECTION_END,
    HTML_CHARACTER_REFERENCE,
    HTML_STATE_COUNT
};

/* Not NUL-terminated. The name is in lower case and unique in its tag (the first one stays). */
struct html_attr {
    const char *name, *value;
    uint32_t name_len, value_len;
    bool truncated; /* the value was longer than is kept */
};

/* Valid during the callback. */
struct html_tag {
    const char *name; /* lower case, not NUL-terminated */
    size_t name_len;
    const struct html_attr *attrs; /* end tags have none: the standard drops them */
    size_t attr_count;
    bool self_closing;
    bool name_truncated;
};

/* Each callback may be NULL. One that returns false stops the tokenizer: html_feed() and
 * html_finish() return false from then on. */
struct html_events {
    /* A start tag's name is known. False: the tag's attributes are not wanted, and start_tag is not
     * called for it. NULL: every tag is wanted. */
    bool (*want)(void *ctx, const char *name, size_t name_len);
    bool (*start_tag)(void *ctx, const struct html_tag *tag);
    bool (*end_tag)(void *ctx, const struct html_tag *tag);
    /* Characters, in pieces, while html_set_text(true). */
    bool (*text)(void *ctx, const char *p, size_t n);
    bool (*comment)(void *ctx, const char *p, size_t n, bool truncated);
    /* What stands between "<!DOCTYPE" and '>'; `at_eof`: the '>' never came. */
    bool (*doctype)(void *ctx, const char *p, size_t n, bool at_eof);
};

struct html_attr_span {
    uint32_t name_at, name_len, value_at, value_len; /* in `bytes` */
};

/* The fields are html.c's own. */
struct html {
    const struct html_events *events;
    void *ctx;
    enum html_state state;
    enum html_state return_state; /* of raw text end tags and of character references */
    bool text_on, cdata_allowed, skip_lf, seen_nul, stopped, no_memory;
    bool end_tag, self_closing, wanted, has_attr, value_truncated, name_truncated;
    bool comment_truncated;
    char name[HTML_NAME_MAX]; /* of the tag being read */
    size_t name_len;
    char last_start_tag[HTML_NAME_MAX];
    size_t last_start_tag_len;
    char lookahead[HTML_LOOKAHEAD_MAX]; /* read but not yet decided upon */
    size_t lookahead_len;
    struct buf bytes; /* names and values of the tag's attributes */
    struct html_attr_span *spans;
    struct html_attr *attrs;
    size_t attr_count;
    struct html_attr_span attr; /* being read */
    struct buf comment;         /* also the DOCTYPE */
};

/* Starts in the data state with text off. Takes no memory yet. `events` must outlive `h`. */
void html_init(struct html *h, const struct html_events *events, void *ctx);
/* Back to the start of a document; keeps the storage and the callbacks. */
void html_reset(struct html *h);
void html_release(struct html *h);
/* False: a callback stopped it, or memory ran out (`h->no_memory`). */
bool html_feed(struct html *h, const void *bytes, size_t n);
/* End of input: the tokens that are still open come out. */
bool html_finish(struct html *h);

/* For the start_tag callback, or before the first byte. */
void html_set_state(struct html *h, enum html_state state);
/* Whether "<![CDATA[" opens a section (the current node is in foreign content) or a comment. */
void html_allow_cdata(struct html *h, bool allowed);
/* Whether text events are wanted from here on. Off is faster: text is skipped, not read. */
void html_set_text(struct html *h, bool on);
/* The name that an end tag must have to end raw text, as if such a start tag had come last. */
void html_set_last_start_tag(struct html *h, const char *name, size_t name_len);

#endif

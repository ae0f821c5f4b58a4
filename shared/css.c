#include "shared/css.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static bool is_name(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '_' || (c & 0x80);
}

static void append_code(struct buf *b, uint32_t code) {
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = 0xfffd;
    if (code >= 0x10000)
        buf_append_char(b, (char)(0xf0 | code >> 18));
    else if (code >= 0x800)
        buf_append_char(b, (char)(0xe0 | code >> 12));
    if (code >= 0x10000)
        buf_append_char(b, (char)(0x80 | (code >> 12 & 0x3f)));
    if (code >= 0x800)
        buf_append_char(b, (char)(0x80 | (code >> 6 & 0x3f)));
    else if (code >= 0x80)
        buf_append_char(b, (char)(0xc0 | code >> 6));
    buf_append_char(b, (char)(code < 0x80 ? code : 0x80 | (code & 0x3f)));
}

/* An escape; c->at is behind the backslash. */
static void read_escape(struct css *c, struct buf *out) {
    uint32_t code = 0;
    int digits = 0;

    if (c->at == c->end)
        return;
    if (*c->at == '\n') {
        c->at++;
        return;
    }
    for (; digits < 6 && c->at < c->end && hex_value(*c->at) >= 0; digits++)
        code = code * 16 + (uint32_t)hex_value(*c->at++);
    if (digits == 0) {
        buf_append_char(out, *c->at++);
        return;
    }
    append_code(out, code);
    if (c->at < c->end && is_space(*c->at))
        c->at++;
}

/* A string; c->at is behind the quote. A newline in it ends it: a bad string. */
static bool read_string(struct css *c, char quote, struct buf *out) {
    buf_reset(out);
    while (c->at < c->end && *c->at != '\n') {
        char next = *c->at++;
        if (next == quote)
            return true;
        if (next == '\\')
            read_escape(c, out);
        else
            buf_append_char(out, next);
    }
    return c->at == c->end;
}

/* An unquoted URL; c->at is behind "url(" and spaces. */
static bool read_url(struct css *c, struct buf *out) {
    bool good = true;

    buf_reset(out);
    while (c->at < c->end && *c->at != ')') {
        char next = *c->at++;
        if (next == '\\')
            read_escape(c, out);
        else if (is_space(next))
            good = good && (c->at == c->end || is_space(*c->at) || *c->at == ')');
        else if (next == '"' || next == '\'' || next == '(')
            good = false;
        else
            buf_append_char(out, next);
    }
    return good;
}

static void skip_space(struct css *c) {
    while (c->at < c->end && is_space(*c->at))
        c->at++;
}

static bool at_word(const struct css *c, const char *word) {
    size_t n = strlen(word);
    return (size_t)(c->end - c->at) >= n && strncasecmp(c->at, word, n) == 0;
}

static void skip_comment(struct css *c) {
    const char *q = memmem(c->at + 2, (size_t)(c->end - c->at - 2), "*/", 2);
    c->at = q != NULL ? q + 2 : c->end;
}

static bool read_url_function(struct css *c, struct buf *url) {
    c->at += strlen("url(");
    skip_space(c);
    if (c->at < c->end && (*c->at == '"' || *c->at == '\'')) {
        char quote = *c->at++;
        return read_string(c, quote, url);
    }
    return read_url(c, url);
}

void css_init(struct css *c, const char *text, size_t text_len) {
    *c = (struct css){.at = text, .end = text + text_len};
}

bool css_next(struct css *c, struct buf *url) {
    bool found = false;

    buf_reset(url);
    while (c->at < c->end && !found) {
        bool import = c->import;
        if (is_space(*c->at)) {
            c->at++;
            continue;
        }
        if (at_word(c, "/*")) {
            skip_comment(c);
            continue;
        }
        c->import = at_word(c, "@import");
        if (c->import) {
            c->at += strlen("@import");
        } else if (*c->at == '"' || *c->at == '\'') {
            char quote = *c->at++;
            found = read_string(c, quote, url) && import;
        } else if (at_word(c, "url(")) {
            found = read_url_function(c, url);
        } else if (is_name(*c->at)) {
            while (c->at < c->end && is_name(*c->at))
                c->at++;
        } else {
            c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
        }
        /* Bytes are appended one by one: a failure short of the cap is a lack of memory. */
        c->no_memory = url->failed && url->len < url->cap_max;
        if (c->no_memory)
            break;
        found = found && !url->failed && url->len > 0;
    }
    if (c->no_memory || !found)
        buf_reset(url);
    return found && !c->no_memory;
}

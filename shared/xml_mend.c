#include "shared/xml_mend.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shared/html_charref.h"

typedef bool take_text(void *arg, const char *text, size_t len);

/* ---- what stands before a reference ------------------------------------------------------------ */

/* How much of `pattern` ends with `c`, when `matched` characters of it stood before. Its first character occurs in it once. */
static size_t match_more(const char *pattern, size_t matched, char c) {
    if (c == pattern[matched])
        return matched + 1;
    return c == pattern[0] ? 1 : 0;
}

static void note(struct xml_mend *m, char c) {
    static const char cdata[] = "<![CDATA[", doctype[] = "<!DOCTYPE";

    if (m->in_cdata) {
        if (c == ']')
            m->cdata_ended += m->cdata_ended < 2;
        else if (c == '>' && m->cdata_ended == 2)
            m->in_cdata = false;
        if (c != ']')
            m->cdata_ended = 0;
        return;
    }
    m->cdata_begun = match_more(cdata, m->cdata_begun, c);
    m->doctype_begun = match_more(doctype, m->doctype_begun, c);
    if (m->cdata_begun == sizeof cdata - 1) {
        m->in_cdata = true;
        m->cdata_begun = 0;
    }
    if (m->doctype_begun == sizeof doctype - 1) {
        m->has_doctype = true;
        m->doctype_begun = 0;
    }
}

/* ---- references -------------------------------------------------------------------------------- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_of_reference(char c) {
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '#';
}

static bool is_xml_character(uint32_t c) {
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) ||
           (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c < 0x110000);
}

static bool give_number(uint32_t c, take_text *take, void *arg) {
    char text[16];
    int n = snprintf(text, sizeof text, "&#%u;", is_xml_character(c) ? c : 0xfffd);

    return take(arg, text, (size_t)n);
}

/* The value of "&#12" or "&#x1f"; False: it is no number. What is too large stays so. */
static bool read_number(const struct xml_mend *m, uint32_t *value) {
    const char *p = m->reference + 2, *end = m->reference + m->reference_len;
    bool is_hex = p < end && (*p | 0x20) == 'x';
    uint32_t base = is_hex ? 16 : 10;

    p += is_hex;
    if (m->reference_len < 3 || m->reference[1] != '#' || p == end)
        return false;
    for (*value = 0; p < end; p++) {
        char c = (char)(*p | 0x20);
        if (!is_digit(*p) && !(is_hex && c >= 'a' && c <= 'f'))
            return false;
        uint32_t digit = (uint32_t)(is_digit(*p) ? *p - '0' : c - 'a' + 10);
        *value = *value >= 0x110000 ? *value : *value * base + digit;
    }
    return true;
}

static bool is_predefined(const struct xml_mend *m) {
    static const char *const names[] = {"&amp", "&lt", "&gt", "&quot", "&apos"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (m->reference_len == strlen(names[i]) &&
            memcmp(m->reference, names[i], m->reference_len) == 0)
            return true;
    return false;
}

/* Gives the characters that HTML knows by that name. False: there are none. */
static bool give_named(struct xml_mend *m, take_text *take, void *arg, bool *more) {
    char out[HTML_CHARREF_OUT_MAX];
    size_t n = 0, at = 0;

    m->reference[m->reference_len] = ';';
    if (html_charref_match(m->reference, m->reference_len + 1, false, out, &n) !=
        m->reference_len + 1)
        return false;
    while (at < n && *more) {
        unsigned char lead = (unsigned char)out[at];
        size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t c = len == 1 ? lead : lead & (0xffu >> (len + 1));
        for (size_t i = 1; i < len; i++)
            c = c << 6 | (out[at + i] & 0x3f);
        *more = give_number(c, take, arg);
        at += len;
    }
    return true;
}

/* `is_closed`: a ';' stands behind it, which is part of it. */
static bool give_reference(struct xml_mend *m, bool is_closed, take_text *take, void *arg) {
    uint32_t number;
    bool more = true;

    if (read_number(m, &number))
        return give_number(number, take, arg);
    bool is_name = is_closed && m->reference_len > 1 && m->reference[1] != '#';
    if (is_name && (m->has_doctype || is_predefined(m)))
        return take(arg, m->reference, m->reference_len) && take(arg, ";", 1);
    if (is_name && give_named(m, take, arg, &more))
        return more;
    return take(arg, "&amp;", 5) &&
           (m->reference_len == 1 || take(arg, m->reference + 1, m->reference_len - 1)) &&
           (!is_closed || take(arg, ";", 1));
}

static bool end_reference(struct xml_mend *m, bool is_closed, take_text *take, void *arg) {
    bool more = give_reference(m, is_closed, take, arg);

    m->reference_len = 0;
    return more;
}

/* ---- the stream -------------------------------------------------------------------------------- */

/* One more character of what is begun. False: it does not belong there. */
static bool extend(struct xml_mend *m, char c) {
    if (!is_of_reference(c) || m->reference_len == sizeof m->reference - 1)
        return false;
    m->reference[m->reference_len++] = c;
    return true;
}

void xml_mend_feed(struct xml_mend *m, const char *p, size_t n, take_text *take, void *arg) {
    const char *start = p, *end = p + n;
    bool more = true;

    while (p < end && more) {
        if (m->reference_len > 0) {
            if (extend(m, *p)) {
                start = ++p;
                continue;
            }
            bool is_closed = *p == ';';
            more = end_reference(m, is_closed, take, arg);
            p += is_closed;
            start = p;
            continue;
        }
        if (*p == '&' && !m->in_cdata) {
            more = p == start || take(arg, start, (size_t)(p - start));
            m->reference[m->reference_len++] = '&';
            start = ++p;
            continue;
        }
        note(m, *p++);
    }
    if (more && p > start)
        (void)take(arg, start, (size_t)(p - start));
}

void xml_mend_end(struct xml_mend *m, take_text *take, void *arg) {
    if (m->reference_len > 0)
        (void)end_reference(m, false, take, arg);
}

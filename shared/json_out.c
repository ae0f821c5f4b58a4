#include "shared/json_out.h"

#include <stdint.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The length of the UTF-8 sequence at p; 0 where there is none, and then *bad is how many bytes one U+FFFD
 * stands for. The second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF
 * (Unicode 15 table 3-7). */
static size_t sequence(const unsigned char *p, size_t len, size_t *bad) {
    unsigned char low = 0x80, high = 0xbf;
    size_t want;

    *bad = 1;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        want = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        want = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        want = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if (i == len || p[i] < low || p[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return want;
}

static bool add_escape(struct buf *to, unsigned char c) {
    switch (c) {
    case '"':
        return buf_append(to, "\\\"", 2);
    case '\\':
        return buf_append(to, "\\\\", 2);
    case '\n':
        return buf_append(to, "\\n", 2);
    case '\r':
        return buf_append(to, "\\r", 2);
    case '\t':
        return buf_append(to, "\\t", 2);
    default:
        return buf_printf(to, "\\u%04x", c);
    }
}

static bool is_plain_in_json(unsigned char c) {
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

bool json_out_string(struct buf *to, const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;

    buf_append_char(to, '"');
    for (size_t at = 0, bad; at < len;) {
        size_t run = at;
        while (run < len && is_plain_in_json(p[run]))
            run++;
        buf_append(to, text + at, run - at);
        if ((at = run) == len)
            break;
        size_t n = sequence(p + at, len - at, &bad);
        if (n == 0)
            buf_append(to, replacement, 3);
        else if (n == 1)
            add_escape(to, p[at]);
        else if (n == 3 && p[at] == 0xe2 && p[at + 1] == 0x80 && (p[at + 2] & 0xfe) == 0xa8)
            buf_append_str(to, p[at + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        else
            buf_append(to, text + at, n);
        at += n == 0 ? bad : n;
    }
    return buf_append_char(to, '"') && !to->failed;
}

bool json_out_member(struct buf *to, const char *name, const char *text, size_t len) {
    buf_append_char(to, '"');
    buf_append_str(to, name);
    buf_append(to, "\":", 2);
    return json_out_string(to, text, len);
}

/* U+0080 to U+009F are control characters too. */
static bool is_control(const unsigned char *p, size_t n) {
    return n == 1 ? p[0] < ' ' || p[0] == 0x7f : n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

bool json_out_csv(struct buf *to, const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;

    buf_append_char(to, '"');
    if (len > 0 && strchr("=+-@", text[0]) != NULL && text[0] != '\0')
        buf_append_char(to, '\'');
    for (size_t at = 0, bad; at < len;) {
        size_t n = sequence(p + at, len - at, &bad);
        if (n == 0 || is_control(p + at, n))
            buf_append(to, replacement, 3);
        else if (p[at] == '"')
            buf_append(to, "\"\"", 2);
        else
            buf_append(to, text + at, n);
        at += n == 0 ? bad : n;
    }
    return buf_append_char(to, '"') && !to->failed;
}

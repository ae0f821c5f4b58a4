#include "shared/html_charref.h"

#include "shared/html_entities.h"
#include "shared/utf.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* What &#128; to &#159; stand for: windows-1252's characters (§13.2.5.80). 0: the control itself. */
static const uint16_t c1_to_windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int digit_value(char c, bool hex) {
    if (is_digit(c))
        return c - '0';
    if (hex && c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (hex && c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* "&#" is at p. */
static size_t match_numeric(const char *p, size_t n, char *out, size_t *out_len) {
    size_t i = 2;
    bool hex = i < n && (p[i] == 'x' || p[i] == 'X');
    uint32_t code = 0;

    i += hex;
    size_t first = i;
    for (int digit; i < n && (digit = digit_value(p[i], hex)) >= 0; i++)
        if (code <= 0x10ffff)
            code = code * (hex ? 16 : 10) + (uint32_t)digit;
    if (i == first)
        return 0;
    if (i < n && p[i] == ';')
        i++;
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = 0xfffd;
    else if (code >= 0x80 && code < 0xa0 && c1_to_windows_1252[code - 0x80] != 0)
        code = c1_to_windows_1252[code - 0x80];
    *out_len = utf8_put(out, code);
    return i;
}

/* The first of html_entities[low .. high) whose name has a byte >= `c` at `at`. All of them share the
 * bytes before it, and are in order. */
static size_t lower_bound(size_t low, size_t high, size_t at, int c) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct html_entity *e = &html_entities[middle];
        int have = at < e->name_len ? html_entity_names[e->name_at + at] : -1;

        if (have < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest name that p[0 .. n) starts with, or NULL. */
static const struct html_entity *longest_name(const char *p, size_t n) {
    const struct html_entity *best = NULL;

    if (n == 0 || !is_alnum(p[0]))
        return NULL;
    size_t low = html_entity_index[(unsigned char)p[0]];
    size_t high = html_entity_index[(unsigned char)p[0] + 1];
    for (size_t i = 1; low < high; i++) {
        if (html_entities[low].name_len == i)
            best = &html_entities[low];
        if (i == n || !(is_alnum(p[i]) || p[i] == ';'))
            break;
        low = lower_bound(low, high, i, p[i]);
        high = lower_bound(low, high, i, p[i] + 1);
    }
    return best;
}

size_t html_charref_match(const char *p, size_t n, bool in_attribute,
                          char out[HTML_CHARREF_OUT_MAX], size_t *out_len) {
    if (n >= 2 && p[1] == '#')
        return match_numeric(p, n, out, out_len);

    const struct html_entity *e = longest_name(p + 1, n - 1);
    if (e == NULL)
        return 0;
    size_t used = 1 + (size_t)e->name_len;
    if (in_attribute && p[used - 1] != ';' && used < n && (p[used] == '=' || is_alnum(p[used])))
        return 0;
    memcpy(out, e->value, e->value_len);
    *out_len = e->value_len;
    return used;
}

bool html_charref_decode(struct buf *to, const char *p, size_t n) {
    const char *end = p + n;

    while (p < end) {
        const char *q = p;
        while (q < end && *q != '&' && *q != '\0')
            q++;
        buf_append(to, p, (size_t)(q - p));
        if (q == end)
            break;
        char out[HTML_CHARREF_OUT_MAX] = "&";
        size_t out_len = 1, used = 0;
        if (*q == '\0')
            buf_append_str(to, REPLACEMENT);
        else {
            used = html_charref_match(q, (size_t)(end - q), true, out, &out_len);
            buf_append(to, out, used == 0 ? 1 : out_len);
        }
        p = q + (used == 0 ? 1 : used);
    }
    return !to->failed;
}

#include "shared/url_percent.h"

#include <string.h>
#include <unicode/utf8.h>

/* clang-format off */
#define C0(c) ((c) < 0x20 || (c) > 0x7e)
#define FRAGMENT(c) (C0(c) || (c) == ' ' || (c) == '"' || (c) == '<' || (c) == '>' || (c) == '`')
#define QUERY(c) (C0(c) || (c) == ' ' || (c) == '"' || (c) == '#' || (c) == '<' || (c) == '>')
#define SPECIAL_QUERY(c) (QUERY(c) || (c) == '\'')
#define PATH(c) (QUERY(c) || (c) == '?' || (c) == '^' || (c) == '`' || (c) == '{' || (c) == '}')
#define USERINFO(c)                                                                                \
    (PATH(c) || (c) == '/' || (c) == ':' || (c) == ';' || (c) == '=' || (c) == '@' ||              \
     ((c) >= '[' && (c) <= ']') || (c) == '|')
#define SEGMENT_STOP(c) (PATH(c) || (c) == '/' || (c) == '\\')
#define FORBIDDEN_HOST(c)                                                                          \
    ((c) == 0 || (c) == '\t' || (c) == '\n' || (c) == '\r' || (c) == ' ' || (c) == '#' ||          \
     (c) == '/' || (c) == ':' || (c) == '<' || (c) == '>' || (c) == '?' || (c) == '@' ||           \
     ((c) >= '[' && (c) <= '^') || (c) == '|')
#define FORBIDDEN_DOMAIN(c) (FORBIDDEN_HOST(c) || (c) < 0x20 || (c) == '%' || (c) == 0x7f)
#define DOMAIN_STOP(c) (FORBIDDEN_DOMAIN(c) || (c) >= 0x80)
#define SCHEME_CHAR(c)                                                                             \
    (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= '0' && (c) <= '9') ||     \
     (c) == '+' || (c) == '-' || (c) == '.')

#define SETS(c)                                                                                    \
    (uint16_t)((C0(c) ? URL_SET_C0 : 0) | (FRAGMENT(c) ? URL_SET_FRAGMENT : 0) |                   \
               (QUERY(c) ? URL_SET_QUERY : 0) | (SPECIAL_QUERY(c) ? URL_SET_SPECIAL_QUERY : 0) |   \
               (PATH(c) ? URL_SET_PATH : 0) | (USERINFO(c) ? URL_SET_USERINFO : 0) |               \
               (SEGMENT_STOP(c) ? URL_SEGMENT_STOP : 0) |                                          \
               (FORBIDDEN_HOST(c) ? URL_FORBIDDEN_HOST : 0) |                                      \
               (FORBIDDEN_DOMAIN(c) ? URL_FORBIDDEN_DOMAIN : 0) |                                  \
               (DOMAIN_STOP(c) ? URL_DOMAIN_STOP : 0) | (SCHEME_CHAR(c) ? URL_SCHEME_CHAR : 0))
#define ROW4(c) SETS(c), SETS((c) + 1), SETS((c) + 2), SETS((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint16_t url_percent_sets[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};
/* clang-format on */

static char *encode_byte(char *to, unsigned char byte) {
    static const char hex[16] = "0123456789ABCDEF";

    to[0] = '%';
    to[1] = hex[byte >> 4];
    to[2] = hex[byte & 15];
    return to + 3;
}

char *url_percent_encode_char(char *to, const char **p, const char *end) {
    const uint8_t *s = (const uint8_t *)*p;
    int32_t len = 0, n = (int32_t)(end - *p < U8_MAX_LENGTH ? end - *p : U8_MAX_LENGTH);
    UChar32 c;

    U8_NEXT(s, len, n, c);
    if (c < 0) {
        memcpy(to, "%EF%BF%BD", 9);
        to += 9;
    } else {
        for (int32_t i = 0; i < len; i++)
            to = encode_byte(to, s[i]);
    }
    *p += len;
    return to;
}

char *url_percent_encode(char *to, const char *p, const char *end, unsigned set) {
    while (p < end) {
        if (url_percent_is(*p, set))
            to = url_percent_encode_char(to, &p, end);
        else
            *to++ = *p++;
    }
    return to;
}

char *url_percent_encode_octets(char *to, const char *p, const char *end) {
    for (; p < end; p++) {
        if ((unsigned char)*p >= 0x80)
            to = encode_byte(to, (unsigned char)*p);
        else
            *to++ = *p;
    }
    return to;
}

bool url_percent_is_utf8(const char *text, size_t n) {
    const uint8_t *s = (const uint8_t *)text;
    UChar32 c = 0;

    for (size_t i = 0; i < n && c >= 0;) {
        if (s[i] < 0x80) {
            i++;
            continue;
        }
        int32_t at = 0, left = (int32_t)(n - i < U8_MAX_LENGTH ? n - i : U8_MAX_LENGTH);
        U8_NEXT(s + i, at, left, c);
        i += (size_t)at;
    }
    return c >= 0;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int url_percent_decode_byte(const char *p, const char *end) {
    if (end - p < 3 || p[0] != '%')
        return -1;
    int high = hex_value(p[1]), low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

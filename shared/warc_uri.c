#include "shared/warc_uri.h"

#include <string.h>
#include <xxhash.h>

#include "shared/limits.h"
#include "shared/url_percent.h"

/* RFC 3986 §2.2 and §2.3, without '[', ']' and '#', which stand in no path or query. */
static bool is_uri_char(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr("-._~:/?@!$&'()*+,;=", c) != NULL);
}

/* Where an IPv6 address ends, behind its ']' (§3.2.2); `url` if the host is none. */
static const char *end_of_address(const char *url, const char *end) {
    const char *p = memmem(url, (size_t)(end - url), "://", 3);

    if (p == NULL)
        return url;
    p += 3;
    while (p < end && *p != '/' && *p != '?' && *p != '[')
        p++;
    if (p == end || *p != '[')
        return url;
    while (p < end && *p != '/' && *p != '?' && *p != ']')
        p++;
    return p < end && *p == ']' ? p + 1 : url;
}

/* What stands at `p` need not be encoded; `*n`: its length. */
static bool is_good(const char *p, const char *end, size_t *n) {
    *n = *p == '%' && url_percent_decode_byte(p, end) >= 0 ? 3 : 1;
    return *n == 3 || is_uri_char(*p);
}

/* At most 3 bytes a byte. */
static size_t escape(char *out, const char *url, size_t len) {
    static const char digits[] = "0123456789ABCDEF";
    const char *end = url + len, *p = end_of_address(url, end);
    char *at = out;
    size_t n;

    memcpy(at, url, (size_t)(p - url));
    at += p - url;
    for (; p < end; p += n) {
        if (is_good(p, end, &n)) {
            memcpy(at, p, n);
            at += n;
            continue;
        }
        *at++ = '%';
        *at++ = digits[(unsigned char)*p >> 4];
        *at++ = digits[(unsigned char)*p & 15];
    }
    return (size_t)(at - out);
}

bool warc_uri_is(const char *url, size_t len) {
    const char *end = url + len, *p = end_of_address(url, end);
    size_t n;

    for (; p < end; p += n)
        if (!is_good(p, end, &n))
            return false;
    return true;
}

bool warc_uri_append(struct buf *to, const char *url, size_t len) {
    if (len == 0 || warc_uri_is(url, len))
        return buf_append(to, url, len);
    if (!buf_reserve(to, 3 * len))
        return false;
    to->len += escape(to->data + to->len, url, len);
    to->data[to->len] = '\0';
    return true;
}

uint64_t warc_uri_hash(const char *url, size_t len) {
    char uri[3 * LIMIT_URL_BYTES];

    if (len == 0 || len > LIMIT_URL_BYTES || warc_uri_is(url, len))
        return XXH3_64bits(url, len);
    return XXH3_64bits(uri, escape(uri, url, len));
}

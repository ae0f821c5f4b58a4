#include "shared/url_iri.h"

#include <string.h>

#include "shared/url_idna.h"
#include "shared/url_percent.h"

static bool has_ace(struct url_slice host) {
    return memmem(host.ptr, host.len, "xn--", 4) != NULL;
}

/* "%80" to "%FF" */
static bool is_high_escape(const char *p, const char *end) {
    return url_percent_decode_byte(p, end) >= 0x80;
}

bool url_iri_differs(const struct url *u) {
    const char *p = u->href + u->path_start, *end = u->href + u->href_len;

    while (p < end && (p = memchr(p, '%', (size_t)(end - p))) != NULL) {
        if (is_high_escape(p, end))
            return true;
        p++;
    }
    return has_ace(url_hostname(u));
}

/* The character that the escapes at `p` are; `*used`: their length, 0 if they are none. */
static size_t decode_character(const char *p, const char *end, char text[4], size_t *used) {
    size_t len = 0, want = 4;

    *used = 0;
    for (; len < want && is_high_escape(p + 3 * len, end); len++) {
        text[len] = (char)url_percent_decode_byte(p + 3 * len, end);
        unsigned char first = (unsigned char)text[0];
        want = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    }
    if (len == 0 || len < want || want == 0 || !url_percent_is_utf8(text, len))
        return 0;
    *used = 3 * len;
    return len;
}

static void append_path(struct buf *to, const char *p, const char *end) {
    while (p < end) {
        const char *escape = memchr(p, '%', (size_t)(end - p));
        char text[4];
        size_t used;
        if (escape == NULL)
            escape = end;
        buf_append(to, p, (size_t)(escape - p));
        p = escape;
        if (p == end)
            break;
        size_t len = decode_character(p, end, text, &used);
        if (len == 0) {
            buf_append_char(to, *p++);
            continue;
        }
        buf_append(to, text, len);
        p += used;
    }
}

bool url_iri_append(struct buf *to, const struct url *u) {
    struct url_slice host = url_hostname(u);
    size_t host_at = (size_t)(host.ptr - u->href), len;
    char name[URL_IDNA_BYTES_MAX];

    if (u->has_host && has_ace(host) &&
        url_idna_to_unicode(host.ptr, host.len, name, sizeof name, &len)) {
        buf_append(to, u->href, host_at);
        buf_append(to, name, len);
        buf_append(to, u->href + u->host_end, u->path_start - u->host_end);
    } else {
        buf_append(to, u->href, u->path_start);
    }
    append_path(to, u->href + u->path_start, u->href + u->href_len);
    return !to->failed;
}

#include "shared/utf8_mend.h"

#include <string.h>

#include "shared/charset.h"

typedef bool take_text(void *arg, const char *text, size_t len);

static const char replacement[] = "\xef\xbf\xbd";

static size_t length_by_lead(unsigned char c) {
    if (c < 0x80)
        return c >= 0x20 || c == '\t' || c == '\n' || c == '\r' ? 1 : 0;
    return c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* The length of the character at p, that of its beginning if the rest is still to come (`*is_cut`); 0: it is none. */
static size_t character_length(const char *p, size_t n, bool *is_cut) {
    size_t len = length_by_lead((unsigned char)*p);

    *is_cut = false;
    if (len <= 1)
        return len;
    for (size_t i = 1; i < n && i < len; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
    *is_cut = n < len;
    return *is_cut ? n : charset_is_valid_utf8(p, len) ? len : 0;
}

/* Of what was begun, each octet stands for no character. */
static bool give_up_rest(struct utf8_mend *m, take_text *take, void *arg) {
    bool more = true;

    for (; m->rest_len > 0; m->rest_len--)
        more = more && take(arg, replacement, sizeof replacement - 1);
    return more;
}

/* Takes from the piece what ends the character that was begun in the one before. */
static bool end_rest(struct utf8_mend *m, const char **p, size_t *n, take_text *take, void *arg) {
    while (m->rest_len > 0 && *n > 0) {
        bool is_cut;
        m->rest[m->rest_len] = **p;
        size_t len = character_length(m->rest, m->rest_len + 1, &is_cut);
        if (len == 0)
            return give_up_rest(m, take, arg);
        m->rest_len++;
        ++*p;
        --*n;
        if (!is_cut) {
            m->rest_len = 0;
            return take(arg, m->rest, len);
        }
    }
    return true;
}

void utf8_mend_feed(struct utf8_mend *m, const char *p, size_t n, take_text *take, void *arg) {
    bool more = end_rest(m, &p, &n, take, arg), is_cut = false;
    const char *start = p, *end = p + n;

    while (more && p < end) {
        size_t len = character_length(p, (size_t)(end - p), &is_cut);
        if (is_cut)
            break;
        if (len > 0) {
            p += len;
            continue;
        }
        more = (p == start || take(arg, start, (size_t)(p - start))) &&
               take(arg, replacement, sizeof replacement - 1);
        start = ++p;
    }
    if (more && p > start)
        more = take(arg, start, (size_t)(p - start));
    if (more && is_cut) {
        m->rest_len = (size_t)(end - p);
        memcpy(m->rest, p, m->rest_len);
    }
}

void utf8_mend_end(struct utf8_mend *m, take_text *take, void *arg) {
    (void)give_up_rest(m, take, arg);
}

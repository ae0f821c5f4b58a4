#include "shared/utf.h"

enum {
    REPLACEMENT = 0xfffd,
    UNIT_BYTES = 2 * UTF8_BYTES, /* that one more unit may bring, at most */
    PIECE_BYTES = 4096,
};

size_t utf8_put(char to[UTF8_BYTES], uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(0xf00 >> n | c);
    return n;
}

static size_t put_unit(struct utf16 *u, uint32_t unit, char *to) {
    bool is_trail = unit >= 0xdc00 && unit < 0xe000, is_lead = unit >= 0xd800 && unit < 0xdc00;
    uint32_t lead = u->lead;
    size_t n = 0;

    u->lead = is_lead ? unit : 0;
    if (lead != 0 && is_trail)
        return utf8_put(to, 0x10000 + ((lead - 0xd800) << 10) + (unit - 0xdc00));
    if (lead != 0)
        n += utf8_put(to, REPLACEMENT);
    return is_lead ? n : n + utf8_put(to + n, is_trail ? REPLACEMENT : unit);
}

void utf16_feed(struct utf16 *u, const char *p, size_t n,
                bool (*take)(void *arg, const char *utf8, size_t len), void *arg) {
    char utf8[PIECE_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)p[i];
        if (u->has_byte)
            len += put_unit(
                u, u->is_big_endian ? (uint32_t)u->byte << 8 | byte : (uint32_t)byte << 8 | u->byte,
                utf8 + len);
        u->byte = byte;
        u->has_byte = !u->has_byte;
        if (len <= sizeof utf8 - UNIT_BYTES)
            continue;
        if (!take(arg, utf8, len))
            return;
        len = 0;
    }
    if (len > 0)
        (void)take(arg, utf8, len);
}

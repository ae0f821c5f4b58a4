#include "cli/screen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the UTF-8 sequence at `p` and its character; 0: it is none. */
static size_t decode(const unsigned char *p, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (len < 2) {
        *code = p[0];
        return len;
    }
    *code = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) /* the NUL at the end, too */
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[len] || *code > 0x10ffff || surrogate ? 0 : len;
}

static bool harmless(uint32_t code) {
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0xfeff)
        return false;
    return !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
           !(code >= 0x2060 && code <= 0x206f) && !(code >= 0xfff9 && code <= 0xfffb) &&
           !(code >= 0xe0000 && code <= 0xe0fff);
}

void screen_text(FILE *to, const char *text) {
    const unsigned char *p = (const unsigned char *)text;

    while (*p != '\0') {
        uint32_t code;
        size_t len = decode(p, &code);
        if (len > 0 && harmless(code)) {
            fwrite(p, 1, len, to);
            p += len;
        } else {
            fprintf(to, "\\x%02x", *p++);
        }
    }
}

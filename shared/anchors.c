#include "shared/anchors.h"

#include <stdlib.h>

#include "shared/charset.h"
#include "shared/limits.h"

/* What is kept of a text before Unicode's spaces are collapsed and what is no UTF-8 is replaced. */
enum { READING_BYTES = 4 * ANCHOR_BYTES };

void anchors_init(struct anchors *a) {
    *a = (struct anchors){0};
    buf_init(&a->text, ANCHORS_BYTES);
    buf_init(&a->reading, READING_BYTES);
    buf_init(&a->decoded, 3 * READING_BYTES); /* a byte becomes U+FFFD at most */
}

void anchors_reset(struct anchors *a) {
    a->count = a->dropped = 0;
    a->is_open = false;
    buf_reset(&a->text);
    buf_reset(&a->reading);
}

void anchors_release(struct anchors *a) {
    free(a->items);
    buf_release(&a->text);
    buf_release(&a->reading);
    buf_release(&a->decoded);
    anchors_init(a);
}

bool anchors_open(struct anchors *a, uint32_t link) {
    if (!anchors_close(a))
        return false;
    a->is_open = true;
    a->link = link;
    buf_reset(&a->reading);
    return true;
}

/* ASCII's spaces are collapsed here, so that a page's indentation does not use up the bound. */
bool anchors_text(struct anchors *a, const char *p, size_t n) {
    struct buf *b = &a->reading;

    if (!a->is_open)
        return true;
    for (size_t i = 0; i < n && b->len < READING_BYTES; i++) {
        bool blank = (unsigned char)p[i] <= 0x20;
        if (blank && (b->len == 0 || b->data[b->len - 1] == ' '))
            continue;
        if (!buf_append_char(b, blank ? ' ' : p[i]))
            return false;
    }
    return true;
}

bool anchors_space(struct anchors *a) {
    return anchors_text(a, " ", 1);
}

/* ---- the end of one ------------------------------------------------------------------------------------- */

/* The length of a space or control character at p, which is UTF-8; 0: something else stands there. */
static size_t blank_length(const unsigned char *p, size_t n) {
    if (p[0] <= 0x20 || p[0] == 0x7f)
        return 1;
    if (p[0] == 0xc2 && n > 1 && p[1] <= 0xa0) /* C1 and U+00A0 */
        return 2;
    if (n < 3 || (p[0] != 0xe2 && p[0] != 0xe3))
        return 0;
    bool is_blank = p[0] == 0xe3
                        ? p[1] == 0x80 && p[2] == 0x80                      /* U+3000 */
                        : (p[1] == 0x80 && (p[2] <= 0x8a || p[2] == 0xa8 || /* U+2000-200A, 2028 */
                                            p[2] == 0xa9 || p[2] == 0xaf)) || /* U+2029, 202F */
                              (p[1] == 0x81 && p[2] == 0x9f);                 /* U+205F */
    return is_blank ? 3 : 0;
}

/* Collapses in place. */
static void collapse(struct buf *b) {
    size_t to = 0;

    for (size_t from = 0, n; from < b->len; from += n) {
        n = blank_length((const unsigned char *)b->data + from, b->len - from);
        if (n == 0)
            b->data[to++] = b->data[from], n = 1;
        else if (to > 0 && b->data[to - 1] != ' ')
            b->data[to++] = ' ';
    }
    b->len = to;
}

/* Cut between characters, and without a space at the end. */
static size_t cut_length(const struct buf *b) {
    size_t n = b->len;

    if (n > ANCHOR_BYTES)
        for (n = ANCHOR_BYTES; n > 0 && ((unsigned char)b->data[n] & 0xc0) == 0x80;)
            n--;
    return n > 0 && b->data[n - 1] == ' ' ? n - 1 : n;
}

/* Cutting the reading may have left a part of a character at its end. */
static void trim_partial(struct buf *b) {
    size_t n = b->len;

    if (n < READING_BYTES)
        return;
    while (n > 0 && b->len - n < 3 && ((unsigned char)b->data[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)b->data[n - 1] >= 0xc0)
        b->len = n - 1;
}

static bool grow(struct anchors *a) {
    if (a->count < a->size)
        return true;
    size_t size = a->size == 0 ? 64 : 2 * a->size;
    struct anchor *items = realloc(a->items, size * sizeof *items);
    if (items == NULL)
        return false;
    a->items = items;
    a->size = size;
    return true;
}

static bool keep(struct anchors *a, const char *p, size_t n) {
    if (n == 0)
        return true;
    if (a->count == LIMIT_PAGE_LINKS || n > a->text.cap_max - a->text.len) {
        a->dropped++;
        return true;
    }
    struct anchor item = {a->link, (uint32_t)a->text.len, (uint32_t)n};
    if (!grow(a) || !buf_append(&a->text, p, n))
        return false;
    a->items[a->count++] = item;
    return true;
}

/* What is UTF-8, as nearly all is, need not be decoded. */
static bool keep_text(struct anchors *a) {
    struct buf *b = &a->reading;

    if (!charset_is_valid_utf8(b->data, b->len)) {
        b = &a->decoded;
        buf_reset(b);
        if (!charset_decode(charset_utf8(), a->reading.data, a->reading.len, b))
            return false;
    }
    collapse(b);
    return keep(a, b->data, cut_length(b));
}

bool anchors_close(struct anchors *a) {
    if (!a->is_open)
        return true;
    a->is_open = false;
    if (a->reading.len == 0)
        return true;
    trim_partial(&a->reading);
    return keep_text(a);
}

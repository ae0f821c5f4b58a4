#include "shared/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t cap_max) {
    *b = (struct buf){.cap_max = cap_max};
}

void buf_release(struct buf *b) {
    size_t cap_max = b->cap_max;

    free(b->data);
    buf_init(b, cap_max);
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

bool buf_reserve(struct buf *b, size_t extra) {
    if (b->failed)
        return false;
    if (extra > b->cap_max - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->size)
        return true;

    size_t size = b->size < 64 ? 64 : b->size;
    while (size < need)
        size += size / 2;
    if (size > b->cap_max + 1)
        size = b->cap_max + 1;

    char *data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->size = size;
    return true;
}

bool buf_append(struct buf *b, const void *p, size_t n) {
    if (!buf_reserve(b, n))
        return false;
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool buf_append_str(struct buf *b, const char *s) {
    return buf_append(b, s, strlen(s));
}

bool buf_append_char(struct buf *b, char c) {
    return buf_append(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...) {
    size_t room = b->size - b->len;
    va_list args;

    if (b->failed)
        return false;
    va_start(args, fmt);
    int n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < room) { /* nor over the cap: the size is not */
        b->len += (size_t)n;
        return true;
    }
    if (room > 0)
        b->data[b->len] = '\0';
    if (n < 0 || !buf_reserve(b, (size_t)n)) {
        b->failed = true;
        return false;
    }
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
    return true;
}

char *buf_take(struct buf *b) {
    char *data = b->data;

    b->data = NULL;
    buf_release(b);
    return data;
}

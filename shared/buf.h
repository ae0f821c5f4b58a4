/*
 * buf: a growable byte buffer that is born with its cap.
 *
 * Every buffer that grows with bytes from the web or the wire is a `struct buf`: it can never grow
 * past `cap_max`, and it never aborts when memory is short. A failed append leaves the content as
 * it was and sets `failed`; until buf_reset() nothing more is appended, so that a run of appends needs
 * one check at its end and its content is always a beginning of the whole.
 *
 *     struct buf b;
 *     buf_init(&b, 64 * 1024);
 *     buf_append(&b, p, n);
 *     buf_printf(&b, "%u", x);
 *     if (b.failed) ...            // over the cap, or no memory
 *     buf_release(&b);
 *
 * `data` is always NUL-terminated once anything was appended (the NUL is not counted in `len`).
 * Not thread-safe: one owner a buffer.
 */
#ifndef TRAWL_SHARED_BUF_H
#define TRAWL_SHARED_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;     /* NULL while empty and never appended to */
    size_t len;     /* bytes in use */
    size_t size;    /* bytes allocated */
    size_t cap_max; /* `len` never exceeds this */
    bool failed;    /* an append did not fit, or memory ran out */
};

void buf_init(struct buf *b, size_t cap_max);
/* Frees the storage; the buffer is as after buf_init() with the same cap. Safe on a zeroed struct.
 */
void buf_release(struct buf *b);
/* Empties it and clears `failed`; keeps the storage. */
void buf_reset(struct buf *b);
/* Makes room for `extra` more bytes behind `len`. False (and `failed`) if over the cap or out of
 * memory. */
bool buf_reserve(struct buf *b, size_t extra);
bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_append_str(struct buf *b, const char *s);
bool buf_append_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the storage over: the caller frees it with free(). NULL if nothing was ever appended. */
char *buf_take(struct buf *b);

#endif

/*
 * utf: characters into UTF-8, and a stream of UTF-16 as the same text in UTF-8.
 *
 *     struct utf16 u = {.is_big_endian = true};
 *     while (...) utf16_feed(&u, p, n, take, arg);          // take() gets the text in pieces
 *
 * A surrogate without its other half becomes U+FFFD; the pieces in which the octets come make no difference. What the end
 * leaves of a character is dropped. One owner.
 */
#ifndef TRAWL_SHARED_UTF_H
#define TRAWL_SHARED_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES = 4 };

/* Of a code point; returns how many bytes it took. */
size_t utf8_put(char to[UTF8_BYTES], uint32_t c);

struct utf16 {
    bool is_big_endian, has_byte;
    unsigned char byte; /* the first one of a unit */
    uint32_t lead;      /* the first unit of a pair; 0: none */
};

/* `take` says whether it wants more; once it does not, the rest of the piece is passed over. */
void utf16_feed(struct utf16 *u, const char *p, size_t n,
                bool (*take)(void *arg, const char *utf8, size_t len), void *arg);

#endif

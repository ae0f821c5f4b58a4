#include "worker/simhash.h"

#include <stdbool.h>

static uint64_t mix(uint64_t h) {
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static bool is_of_word(unsigned char c) {
    return c >= 0x80 || (c >= '0' && c <= '9') || (unsigned char)((c | 0x20) - 'a') < 26;
}

/* The hash of the word at p, and its length. */
static uint64_t hash_word(const unsigned char *p, size_t len, size_t *word_len) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t n = 0;

    for (; n < len && is_of_word(p[n]); n++) {
        unsigned char c = p[n] >= 'A' && p[n] <= 'Z' ? p[n] | 0x20 : p[n];
        h = (h ^ c) * UINT64_C(0x100000001b3);
    }
    *word_len = n;
    return mix(h);
}

uint64_t simhash(const char *text, size_t len, size_t *words) {
    const unsigned char *p = (const unsigned char *)text;
    int64_t ones[64] = {0};
    uint64_t result = 0;
    size_t n;

    *words = 0;
    for (size_t at = 0; at<len; at += n> 0 ? n : 1) {
        uint64_t h = hash_word(p + at, len - at, &n);
        for (unsigned i = 0; n > 0 && i < 64; i++)
            ones[i] += (int64_t)(h >> i & 1);
        *words += n > 0;
    }
    for (unsigned i = 0; i < 64; i++)
        if ((uint64_t)ones[i] * 2 > *words)
            result |= UINT64_C(1) << i;
    return result;
}

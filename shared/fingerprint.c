#include "shared/fingerprint.h"

#include <endian.h>
#include <string.h>

/* SipHash-2-4 (Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012), as in its reference. */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s) {
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word) {
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t load_word(const unsigned char *p) {
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

/* Less than eight bytes. */
static uint64_t load_rest(const unsigned char *p, size_t n) {
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t fingerprint(const unsigned char key[16], const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    uint64_t k0 = load_word(key), k1 = load_word(key + 8);
    struct sip s = {.v0 = k0 ^ 0x736f6d6570736575u,
                    .v1 = k1 ^ 0x646f72616e646f6du,
                    .v2 = k0 ^ 0x6c7967656e657261u,
                    .v3 = k1 ^ 0x7465646279746573u};
    size_t words = len / 8;

    for (size_t i = 0; i < words; i++)
        sip_word(&s, load_word(p + 8 * i));
    sip_word(&s, (uint64_t)len << 56 | load_rest(p + 8 * words, len % 8));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

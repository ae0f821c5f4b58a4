/*
 * simhash: 64 bits of a text, of which texts that are nearly the same have nearly all in common (Charikar, STOC 2002; Manku,
 * Jain, Sarma, WWW 2007, who found 3 differing bits of 64 right for web pages).
 *
 * A feature is a word: a maximal run of ASCII letters, digits and bytes beyond ASCII, in lower case (ASCII's alone). It
 * counts as often as it stands there. Its hash is FNV-1a of 64 bits, mixed by MurmurHash3's finalizer. A bit of the
 * simhash is 1 if more features have it than have not.
 */
#ifndef TRAWL_WORKER_SIMHASH_H
#define TRAWL_WORKER_SIMHASH_H

#include <stddef.h>
#include <stdint.h>

/* How many bits may differ. */
enum { SIMHASH_NEAR = 3 };

/* `*words`: how many there are. */
uint64_t simhash(const char *text, size_t len, size_t *words);

static inline unsigned simhash_distance(uint64_t a, uint64_t b) {
    return (unsigned)__builtin_popcountll(a ^ b);
}

#endif

/*
 * fingerprint: the keyed 64-bit hash by which a canonical URL is known: SipHash-2-4 under a random 128-bit key. The crawl's
 * lives in the crawldb and leaves the master nowhere; each fetch loop has one of its own, for worker/told.h.
 *
 * Why keyed: two URLs with one fingerprint count as one, and the second would never be fetched. Who can
 * choose URLs but does not know the key must not be able to make that happen. Why not XXH3 with a seed or secret:
 * it is no pseudo-random function. Its short-input paths are a few multiplications, for which
 * differences that collide under many or all secrets can be computed in advance; SipHash is made for this, unbroken
 * in its class, and at about 0.1 us a URL it is not what a crawl waits for.
 *
 * By chance, n URLs collide with probability n^2 / 2^65: at 100 million URLs 0.03 %.
 */
#ifndef TRAWL_SHARED_FINGERPRINT_H
#define TRAWL_SHARED_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* Any thread. The result is the same on every machine. */
uint64_t fingerprint(const unsigned char key[16], const void *bytes, size_t len);

#endif

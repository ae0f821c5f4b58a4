/*
 * told: which links the master has been told of and has taken in, so that they are not told again: the pages of a site
 * name the same links over and over, and the master does nothing about one that it knows, unless a page tells it that is nearer
 * to the seeds: depth is the shortest way.
 *
 * Invariant: a link stands in it only after the master has acknowledged an outcome with it, which it does once the link is
 * durable; and only as long as the worker is sure to speak of the same crawl: a new session begins with an empty one.
 *
 * Bounded: one place for each fingerprint, the newest stays. Forgetting costs an exchange some bytes, nothing else. The
 * key is random, or pages could be made so that their links count as told (shared/fingerprint.h).
 *
 * One owner: the agent.
 */
#ifndef TRAWL_WORKER_TOLD_H
#define TRAWL_WORKER_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct told {
    unsigned char key[16];
    uint64_t *places; /* 0: free; NULL: nothing is remembered yet */
};

void told_init(struct told *t, const unsigned char key[16]);
void told_release(struct told *t);
uint64_t told_fingerprint(const struct told *t, const char *url, size_t len);
/* told_has() will ask for it soon. */
void told_prefetch(const struct told *t, uint64_t fp);
/* Told by a page of this depth, or a nearer one. */
bool told_has(const struct told *t, uint64_t fp, uint32_t depth);
/* Without memory nothing is remembered. */
void told_add(struct told *t, const uint64_t *fps, size_t count, uint32_t depth);
void told_clear(struct told *t);

#endif

/*
 * seen: the set of fingerprints of all URLs ever seen, in memory.
 *
 * Exact over 64-bit fingerprints (fingerprint.h): no bit of them is given up. Their top bits choose one of 256 shards. A
 * shard is an open-addressed table which grows on its own, by an eighth, and the shards' sizes are
 * staggered, so they grow one after the other: there is no moment at which much of the set is there twice
 * (a growing shard is: 1/256), and the average load stays at about 0.87. What an entry's place tells is not stored with it:
 * a slot has 7 bytes, in shards of 40,000 entries or more (10 million in all) 6, and one more for a note. So an entry takes
 * 9.3 bytes, and 8.2 then. Measured: bench/seen.c.
 *
 *     struct seen *s = seen_new();
 *     if (seen_add(s, fp) == SEEN_ADDED) ...
 *     seen_free(s);
 *
 * Nothing is ever removed. Out of memory is a result; the set stays as it was. One owner a set.
 */
#ifndef TRAWL_MASTER_SEEN_H
#define TRAWL_MASTER_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

enum seen_result { SEEN_ADDED, SEEN_ALREADY, SEEN_NO_MEMORY };

struct seen *seen_new(void); /* NULL: no memory */
void seen_free(struct seen *s);

/* Room for `count` in all, before many are added: in the order of their values, say, which a table that grows is slow
 * at, because all of them crowd in front. Only a hint. False: no memory; what there is stays. */
bool seen_reserve(struct seen *s, uint64_t count);
/* Any value, 0 too. */
enum seen_result seen_add(struct seen *s, uint64_t fp);
bool seen_has(const struct seen *s, uint64_t fp);
/* Whether it is there, and the byte that was noted with it; 0: none was. */
bool seen_note(const struct seen *s, uint64_t fp, uint8_t *note);
/* Of a fingerprint that is there. One of 2^48 cannot have a note. */
void seen_set_note(struct seen *s, uint64_t fp, uint8_t note);
/* Fetches the memory that seen_has() or seen_add() will look at: for some fingerprints ahead, and they need not wait. */
void seen_prefetch(const struct seen *s, uint64_t fp);
/* Adds `n` at once, faster than one by one: the memory is fetched ahead. was_new[i]: 1 if fps[i] was not there
 * before its turn (so of equal ones only the first is new). Returns how many were dealt with, from the
 * first on: less than `n` means no memory. */
size_t seen_add_batch(struct seen *s, const uint64_t *fps, size_t n, uint8_t *was_new);

uint64_t seen_count(const struct seen *s);
/* All memory that it holds now. */
uint64_t seen_memory_bytes(const struct seen *s);

#endif

/*
 * synth: a made-up web for the benchmarks: what a crawl of so many URLs discovers, in the order in which it would.
 *
 * Nothing of it is stored but two numbers an origin: the text of a URL follows from its origin's number, its own
 * number there and nothing else. What is made like the real web:
 *     sizes of origins      Zipf's law: the n-th largest has a share of 1/n; 100 URLs an origin on average
 *     links of a page       40 on average, 1 to 160; three in four to the page's own origin
 *     links already known   SYNTH_NEW_PERCENT are new, while the origin has more; of the others, those found first
 *                           (home pages, menus) are named most
 *     length of a URL       76 bytes on average, 16 quantiles of path and query from 8 to 170; directories are
 *                           shared by neighbours
 *
 *     struct synth *s = synth_new(1000000, 1);
 *     synth_links(s, origin, &links);        // of one more page of that origin
 *
 * One owner.
 */
#ifndef TRAWL_BENCH_SYNTH_H
#define TRAWL_BENCH_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

enum { SYNTH_LINKS_MAX = 160, SYNTH_NEW_PERCENT = 15, SYNTH_NAME_BYTES = 64 };

struct synth;

/* `urls`: so many are to be found; there are four times as many. NULL: no memory. */
struct synth *synth_new(uint64_t urls, uint64_t seed);
void synth_free(struct synth *s);
/* So many of the links are new from now on, to get to a size sooner. */
void synth_set_new_percent(struct synth *s, uint32_t percent);

uint32_t synth_origins(const struct synth *s);
/* scheme://host of an origin, 0 .. synth_origins() - 1. Returns the length. */
size_t synth_name(uint32_t origin, char out[SYNTH_NAME_BYTES]);
/* The number in a name. */
uint32_t synth_number(const void *name, size_t len);

/* The links of one more page, as a worker reports them: canonical, those of its own origin without it. Text goes to
 * `text`, which must have room for SYNTH_TEXT_MAX bytes; returns how many were used. */
enum { SYNTH_TEXT_MAX = SYNTH_LINKS_MAX * 300 };
size_t synth_links(struct synth *s, uint32_t origin, char *text,
                   ProtobufCBinaryData links[SYNTH_LINKS_MAX], size_t *count);

/* 64 random bits. */
uint64_t synth_random(struct synth *s);

#endif

/*
 * crew: a fetch loop that fetches nothing: it takes visits and reports all their URLs at once, with outcomes and
 * links as a made-up web has them. For the benchmarks of the master; how requests travel is the caller's.
 *
 *     struct crew *w = crew_new(synth, "w1", 0);
 *     answer = SEND(crew_register(w));  crew_registered(w, answer);
 *     answer = SEND(crew_exchange(w, 64, CREW_ALL));  crew_answered(w, answer);      // again and again
 *
 * A request is valid until the next call for the same crew. An answer that is none, or refuses, ends the process with
 * a message: the figures would be worth nothing. One owner; the synth too.
 */
#ifndef TRAWL_BENCH_CREW_H
#define TRAWL_BENCH_CREW_H

#include "bench/synth.h"
#include "proto/wire.h"

struct crew;

enum crew_what {
    CREW_ALL,      /* outcomes with their links, and the visits given back */
    CREW_OUTCOMES, /* the same without links */
    CREW_LINKS,    /* a page's worth of links for each URL, which stays leased */
};

struct crew *crew_new(struct synth *synth, const char *worker, uint32_t loop, uint32_t loops);
void crew_free(struct crew *w);

const Trawl__Request *crew_register(struct crew *w);
void crew_registered(struct crew *w, const Trawl__Reply *reply);
const Trawl__Request *crew_exchange(struct crew *w, uint32_t want_visits, enum crew_what what);
/* What is kept is copied. */
void crew_answered(struct crew *w, const Trawl__Reply *reply);
const Trawl__Request *crew_heartbeat(struct crew *w);

size_t crew_held(const struct crew *w);    /* URLs in its visits */
uint64_t crew_links(const struct crew *w); /* reported so far */
uint64_t crew_outcomes(const struct crew *w);
uint32_t crew_wait_ms(const struct crew *w); /* until it is to ask again, if nothing was granted */

#endif

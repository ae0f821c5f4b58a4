/*
 * rng: the random numbers of a simulation (splitmix64). All that happens in it follows from its seed, so each number
 * is drawn at a fixed place in the run: one more or less makes another run of every seed.
 */
#ifndef TRAWL_TESTS_SIM_RNG_H
#define TRAWL_TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* at first: the seed */
};

uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n-1 */
bool rng_chance(struct rng *r, uint32_t percent);

#endif

/*
 * skew: the clock of a simulated worker. It shows the world's time and up to 1,000 s more, and runs up to 1% fast or
 * slow; a worker that starts again has another one.
 */
#ifndef TRAWL_TESTS_SIM_SKEW_H
#define TRAWL_TESTS_SIM_SKEW_H

#include "tests/sim/rng.h"

struct skew {
    int64_t offset_ms, drift; /* drift in parts per thousand */
};

void skew_draw(struct skew *s, struct rng *r);
/* What the worker's clock shows. */
int64_t skew_now(const struct skew *s, int64_t now_ms);
/* The world's moment, from now on, at which the worker's clock shows `ms`; rounded up. */
int64_t skew_when(const struct skew *s, int64_t now_ms, int64_t ms);

#endif

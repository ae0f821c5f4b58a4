#include "tests/sim/rng.h"

uint64_t rng_next(struct rng *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n) {
    return n == 0 ? 0 : (uint32_t)(rng_next(r) % n);
}

bool rng_chance(struct rng *r, uint32_t percent) {
    return rng_below(r, 100) < percent;
}

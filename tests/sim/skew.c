#include "tests/sim/skew.h"

void skew_draw(struct skew *s, struct rng *r) {
    s->offset_ms = rng_below(r, 1000000);
    s->drift = (int64_t)rng_below(r, 21) - 10;
}

int64_t skew_now(const struct skew *s, int64_t now_ms) {
    return s->offset_ms + now_ms + now_ms * s->drift / 1000;
}

int64_t skew_when(const struct skew *s, int64_t now_ms, int64_t ms) {
    int64_t t = (ms - s->offset_ms) * 1000 / (1000 + s->drift);

    return t <= now_ms ? now_ms : t + 1;
}

#include "master/turn.h"

#include "shared/limits.h"
#include "shared/work.h"

void turn_begin(struct core *c) {
    c->turn.began = work_done();
}

/* What was in use by then is not any more. */
void turn_end(struct core *c) {
    rules_trim(&c->hosts.rules_pool, c->rules_bytes);
    c->turn.work = work_done() - c->turn.began;
}

bool turn_left(const struct core *c) {
#ifdef MUTANT_ENDLESS_TURN
    return true;
#endif
    return work_done() - c->turn.began < c->slice_work;
}

bool turn_gives(const struct core *c) {
    return work_done() - c->turn.began < LIMIT_GIVE_WORK;
}

uint64_t core_turn_work(const struct core *c) {
    return c->turn.work;
}

/* meter: what the crawl costs, as workers tell and the shell says.
 *
 * A worker's loops all tell the sums of their process, which only grow: so what is told twice, late or in another
 * order adds nothing twice. The first that a process tells, in the heartbeat that it sends as soon as it has joined or
 * attached, is what it had used before, for its start or for another master: outcomes of that time are not counted here
 * either. A registration would not do for that: it may have been made long before it is taken. */
#include "master/core_state.h"

void meter_worker_starts(struct worker *w) {
    w->cost_based = false;
    w->cost_told = (struct cost_sums){0};
}

void meter_told(struct core *c, struct worker *w, const uint64_t *us, size_t count) {
    for (size_t i = 0; i < count && i < COST_STAGES; i++) {
        if (us[i] <= w->cost_told.us[i])
            continue;
        if (w->cost_based)
            c->cost.us[i] += us[i] - w->cost_told.us[i];
        w->cost_told.us[i] = us[i];
    }
    w->cost_based = w->cost_based || count > 0;
}

void core_note_cost(struct core *c, const struct cost_sums *own) {
    c->own_cost = *own;
}

void core_cost(const struct core *c, struct core_cost *cost) {
    *cost = (struct core_cost){.pages = c->commits, .sums = c->cost};
    cost_add(&cost->sums, &c->own_cost);
}

/* world_net: requests and replies on their way, which is where most of the faults are. */
#include <stdlib.h>

#include "shared/limits.h"
#include "tests/sim/world_state.h"

static int64_t travel_ms(struct world *w) {
    if (world_fault(w, FAULT_LATE, 30))
        return rng_below(&w->rng, 20000);
    if (world_fault(w, FAULT_REORDERED, 50))
        return rng_below(&w->rng, 60);
    return 1 + rng_below(&w->rng, 3);
}

void world_send_request(struct world *w, struct sim_loop *l, struct sim_worker *from,
                        enum agent_line line, uint64_t number, const struct buf *bytes,
                        struct sim_segment *segment) {
    int copies = world_fault(w, FAULT_DOUBLED, 30) ? 2 : 1;

    if (from->cut_up) {
        w->result->faults[FAULT_PARTITION_UP]++;
        return;
    }
    if (world_fault(w, FAULT_REQUEST_LOST, 20))
        return;
    for (int i = 0; i < copies; i++) {
        struct event *e = world_schedule(w, travel_ms(w), EVENT_REQUEST);
        e->loop = l;
        e->worker = from;
        e->incarnation = l != NULL ? l->incarnation : from->incarnation;
        e->line = line;
        e->number = number;
        e->segment = segment;
        world_sizes_spoil(bytes, &e->bytes);
    }
}

void world_deliver_reply(struct world *w, struct event *e) {
    struct event *r;

    if (e->worker->cut_down) {
        w->result->faults[FAULT_PARTITION_DOWN]++;
        world_event_free(e);
        return;
    }
    if (world_fault(w, FAULT_REPLY_LOST, 20)) {
        world_event_free(e);
        return;
    }
    r = world_schedule(w, travel_ms(w), EVENT_REPLY);
    r->loop = e->loop;
    r->worker = e->worker;
    r->incarnation = e->incarnation;
    r->line = e->line;
    r->number = e->number;
    r->segment = e->segment;
    r->bytes = e->bytes;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    world_event_free(e);
}

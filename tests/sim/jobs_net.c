/* jobs_net: requests and replies on their way. */
#include <stdlib.h>

#include "tests/sim/jobs_state.h"

static int64_t travel_ms(struct jobs_world *w) {
    return jobs_fault(w, JOBS_LATE, 30) ? rng_below(&w->rng, 8000) : 1 + rng_below(&w->rng, 3);
}

void jobs_send_request(struct jobs_world *w, struct sim_tasker *s, struct sim_job *job,
                       enum agent_line line, uint64_t number, const struct buf *bytes) {
    int copies = jobs_fault(w, JOBS_DOUBLED, 30) ? 2 : 1;

    if (s != NULL && s->cut_up) {
        w->result->faults[JOBS_PARTITION_UP]++;
        return;
    }
    if (jobs_fault(w, JOBS_REQUEST_LOST, 20))
        return;
    for (int i = 0; i < copies; i++) {
        struct event *e = jobs_schedule(w, travel_ms(w), EVENT_REQUEST, s);
        e->job = job;
        e->line = line;
        e->number = number;
        if (!buf_append(&e->bytes, bytes->data, bytes->len))
            abort();
    }
}

void jobs_deliver(struct jobs_world *w, struct event *e) {
    if (e->worker != NULL && e->worker->cut_down) {
        w->result->faults[JOBS_PARTITION_DOWN]++;
        jobs_event_free(e);
        return;
    }
    if (jobs_fault(w, JOBS_REPLY_LOST, 20)) {
        jobs_event_free(e);
        return;
    }
    e->kind = EVENT_REPLY;
    if (!jobs_put(w, e, w->now_ms + travel_ms(w)))
        abort();
}

#include "worker/agent_line.h"

#include "shared/limits.h"

void agent_line_init(struct agent_line_state *l) {
    *l = (struct agent_line_state){.state = LINE_FREE};
    buf_init(&l->request, LIMIT_WIRE_BYTES);
}

void agent_line_release(struct agent_line_state *l) {
    buf_release(&l->request);
}

bool agent_line_make(struct agent_line_state *l, int64_t now_ms, const Trawl__Request *r) {
    buf_reset(&l->request);
    if (!wire_pack(&l->request, &r->base))
        return false;
    l->state = LINE_READY;
    l->body = r->body_case;
    l->made_ms = now_ms;
    l->discarded = false;
    return true;
}

bool agent_line_send(struct agent_line_state *l, int64_t now_ms) {
    if (l->state == LINE_RESTING && now_ms >= l->retry_ms)
        l->state = LINE_READY;
    if (l->state != LINE_READY)
        return false;
    l->state = LINE_UNDER_WAY;
    return true;
}

void agent_line_rest(struct agent_line_state *l, int64_t now_ms) {
    uint32_t doublings = l->failures < 5 ? l->failures : 5;
    int64_t pause = (int64_t)LINE_REST_FIRST_MS << doublings;

    l->failures++;
    l->state = LINE_RESTING;
    l->retry_ms = now_ms + (pause < LINE_REST_MAX_MS ? pause : LINE_REST_MAX_MS);
}

void agent_line_discard(struct agent_line_state *l) {
    if (l->state == LINE_UNDER_WAY)
        l->discarded = true;
    else
        l->state = LINE_FREE;
}

int64_t agent_line_lease_end(int64_t made_ms, uint32_t lease_ms) {
    int64_t margin = lease_ms / 10;

    if (margin > 1000)
        margin = 1000;
    return made_ms + lease_ms - margin;
}

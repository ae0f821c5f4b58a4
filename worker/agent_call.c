/* agent_call: the session with the master: who asks what next, and what the answers mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "worker/agent_state.h"

/* ---- making requests ------------------------------------------------------------------------------------------- */

static void request_init(const struct agent *a, Trawl__Request *r, Trawl__Request__BodyCase body) {
    trawl__request__init(r);
    r->version = WIRE_VERSION;
    r->term = a->term;
    r->session = a->session;
    r->body_case = body;
}

static bool request_ready(struct agent *a, enum agent_line line, const Trawl__Request *r,
                          int64_t now_ms) {
    if (agent_line_make(&a->lines[line], now_ms, r))
        return true;
    a->out_of_memory = true;
    return false;
}

static bool make_register(struct agent *a, int64_t now_ms) {
    Trawl__Request r;
    Trawl__Register m = TRAWL__REGISTER__INIT;

    request_init(a, &r, TRAWL__REQUEST__BODY_REGISTER);
    r.session = r.term = 0;
    m.worker = a->worker;
    m.instance = (ProtobufCBinaryData){.data = a->instance, .len = sizeof a->instance};
    m.incarnation = a->incarnation;
    m.process = a->process;
    m.place = a->place;
    m.crawl = a->crawl;
    m.loop = a->loop;
    m.loops = a->loops;
    m.serial = ++a->serial;
    r.register_ = &m;
    return request_ready(a, AGENT_CALL, &r, now_ms);
}

static bool make_attach(struct agent *a, int64_t now_ms) {
    Trawl__Request r;
    Trawl__Attach m = TRAWL__ATTACH__INIT;

    arena_reset(&a->message);
    request_init(a, &r, TRAWL__REQUEST__BODY_ATTACH);
    r.term = a->attach_term;
    r.attach = &m;
    return agent_attach_build(a, &m) && request_ready(a, AGENT_CALL, &r, now_ms);
}

static bool make_leave(struct agent *a, int64_t now_ms) {
    Trawl__Request r;
    Trawl__Leave m = TRAWL__LEAVE__INIT;

    request_init(a, &r, TRAWL__REQUEST__BODY_LEAVE);
    m.cost_us = a->note_cost.us;
    m.n_cost_us = COST_STAGES;
    m.trouble = a->trouble;
    r.leave = &m;
    return request_ready(a, AGENT_CALL, &r, now_ms);
}

static bool make_exchange(struct agent *a, int64_t now_ms) {
    Trawl__Request r;
    Trawl__Exchange m = TRAWL__EXCHANGE__INIT;

    arena_reset(&a->message);
    request_init(a, &r, TRAWL__REQUEST__BODY_EXCHANGE);
    r.exchange = &m;
    m.number = a->number + 1;
    if (!agent_report_build(a, now_ms, &m) || !request_ready(a, AGENT_CALL, &r, now_ms))
        return false;
    a->number++;
    return true;
}

bool agent_may_leave(const struct agent *a) {
    return agent_leaving(a) && a->rotated && a->visit_count == 0 && a->segments == NULL;
}

bool agent_make_call(struct agent *a, int64_t now_ms) {
    if (a->failing)
        return a->state == AGENT_STATE_JOINED && a->visit_count == 0 && make_leave(a, now_ms);
    switch (a->state) {
    case AGENT_STATE_OUTSIDE:
        return !a->draining && make_register(a, now_ms);
    case AGENT_STATE_ATTACHING:
        return make_attach(a, now_ms);
    case AGENT_STATE_JOINED:
        if (agent_may_leave(a))
            return make_leave(a, now_ms);
        return agent_report_due(a, now_ms) && make_exchange(a, now_ms);
    default:
        return false;
    }
}

int64_t agent_call_due_ms(const struct agent *a, int64_t now_ms) {
    if (a->failing)
        return now_ms + 1;
    switch (a->state) {
    case AGENT_STATE_OUTSIDE:
        return a->draining ? INT64_MAX : now_ms;
    case AGENT_STATE_ATTACHING:
        return now_ms;
    case AGENT_STATE_JOINED:
        return agent_may_leave(a) ? now_ms : agent_report_due_ms(a, now_ms);
    default:
        return INT64_MAX;
    }
}

/* Only leases that this side still believes in are renewed. */
bool agent_make_beat(struct agent *a, int64_t now_ms) {
    Trawl__Request r;
    Trawl__Heartbeat m = TRAWL__HEARTBEAT__INIT;

    if (a->state != AGENT_STATE_JOINED || a->failing || now_ms < a->next_beat_ms)
        return false;
    m.attempts = calloc(a->visit_count + 1, sizeof *m.attempts);
    if (m.attempts == NULL) {
        a->out_of_memory = true;
        return false;
    }
    a->beat++;
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        if (v->lost || v->fenced)
            continue;
        v->beat = a->beat;
        m.attempts[m.n_attempts++] = v->attempt;
    }
    m.transfers = a->note_transfers;
    m.bytes_in = a->note_bytes;
    m.trouble = a->trouble;
    m.cost_us = a->note_cost.us;
    m.n_cost_us = COST_STAGES;
    request_init(a, &r, TRAWL__REQUEST__BODY_HEARTBEAT);
    r.heartbeat = &m;
    bool made = request_ready(a, AGENT_BEAT, &r, now_ms);
    free(m.attempts);
    a->next_beat_ms = now_ms + a->heartbeat_ms;
    return made;
}

/* ---- answers -------------------------------------------------------------------------------------------------------- */

static void set_phase(struct agent *a, Trawl__Phase phase) {
    if (a->phase == phase)
        return;
    a->phase = phase;
    agent_stay(a);
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        if (agent_leaving(a))
            visit_end(v, TRAWL__VERDICT__REACHED, NULL);
        agent_schedule(a, v);
        agent_attend(a, v);
    }
}

/* The master knows nothing of us any more: every lease is gone. What became of the last exchange is found
 * out when its segments are sealed. */
static void lose_session(struct agent *a) {
    a->state = AGENT_STATE_OUTSIDE;
#ifndef MUTANT_ONE_SEGMENT
    a->rotate = true;
#endif
    a->phase = TRAWL__PHASE__RUNNING;
    agent_stay(a);
    agent_report_void(a);
    for (struct visit *v = a->visits; v != NULL; v = v->next)
        agent_lose(a, v);
}

/* What is under way speaks for a session or a term that is over: no answer to it counts. */
static void discard_lines(struct agent *a) {
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_discard(&a->lines[i]);
}

static void take_heartbeat(struct agent *a, const Trawl__HeartbeatReply *r) {
    int64_t end = agent_lease_end(a, a->lines[AGENT_BEAT].made_ms);

    for (size_t i = 0; i < r->n_lost; i++)
        for (struct visit *v = a->visits; v != NULL; v = v->next)
            if (v->attempt == r->lost[i])
                agent_lose(a, v);
    for (struct visit *v = a->visits; v != NULL; v = v->next)
        if (v->beat == a->beat && !v->lost && !v->fenced && end > v->deadline_ms)
            agent_set_deadline(a, v, end);
    set_phase(a, r->phase);
}

static bool take_options(struct agent *a, const Trawl__Options *o) {
    struct buf packed;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    arena_reset(&a->options_arena);
    bool ok = wire_pack(&packed, &o->base);
    a->options =
        ok ? wire_unpack(&a->options_arena, &trawl__options__descriptor, packed.data, packed.len)
           : NULL;
    buf_release(&packed);
    if (a->options == NULL)
        return false;
    a->heartbeat_ms = o->heartbeat_ms > 0 ? o->heartbeat_ms : 1000;
    a->lease_ms = o->lease_ms > 0 ? o->lease_ms : 10000;
    a->retries = o->retries > 0 ? o->retries : 1;
    a->cookies = o->cookies;
    a->tell_all = o->tell_all;
    if (!a->token_given) {
        free(a->token);
        a->token = robots_product_token(o->user_agent);
    }
    return a->token != NULL;
}

static void take_register(struct agent *a, int64_t now_ms, const Trawl__Reply *reply) {
    const Trawl__RegisterReply *r = reply->register_;

    if (r->options == NULL || r->session == 0 || !take_options(a, r->options)) {
        a->out_of_memory = true;
        return;
    }
    a->session = r->session;
    a->waits = a->waits_told = false;
    snprintf(a->crawl, sizeof a->crawl, "%s", r->options->crawl);
    told_clear(&a->told);
    a->term = reply->term;
    a->number = 0;
    a->state = AGENT_STATE_JOINED;
    a->next_beat_ms =
        now_ms; /* so that the master knows at once what this process has cost before */
    a->next_poll_ms = now_ms;
}

static void take_attach(struct agent *a, int64_t now_ms, const Trawl__Reply *reply) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const struct buf *request = &a->lines[AGENT_CALL].request;
    Trawl__Request *asked = wire_request_unpack(&arena, request->data, request->len);
    if (asked != NULL) {
        a->state = AGENT_STATE_JOINED;
        a->term = reply->term;
        a->number = 0;
        a->next_beat_ms = now_ms;
        a->next_poll_ms = now_ms;
        /* The master that said what to do next is gone, and what it knew last with it. */
        set_phase(a, TRAWL__PHASE__RUNNING);
        agent_attach_answered(a, now_ms, asked->attach, reply->attach);
    } else {
        a->out_of_memory = true;
    }
    arena_release(&arena);
}

static void take_ok(struct agent *a, int64_t now_ms, enum agent_line line,
                    const Trawl__Reply *reply) {
    Trawl__Request__BodyCase asked = a->lines[line].body;

    if (asked == TRAWL__REQUEST__BODY_LEAVE)
        a->state = AGENT_STATE_LEAVING;
    else if (asked == TRAWL__REQUEST__BODY_HEARTBEAT && reply->heartbeat != NULL &&
             reply->body_case == TRAWL__REPLY__BODY_HEARTBEAT)
        take_heartbeat(a, reply->heartbeat);
    else if (asked == TRAWL__REQUEST__BODY_REGISTER &&
             reply->body_case == TRAWL__REPLY__BODY_REGISTER)
        take_register(a, now_ms, reply);
    else if (asked == TRAWL__REQUEST__BODY_ATTACH && reply->body_case == TRAWL__REPLY__BODY_ATTACH)
        take_attach(a, now_ms, reply);
    else if (asked == TRAWL__REQUEST__BODY_EXCHANGE &&
             reply->body_case == TRAWL__REPLY__BODY_EXCHANGE) {
        agent_report_answered(a, now_ms, reply->exchange);
        set_phase(a, reply->exchange->phase);
    }
}

static void take_refusal(struct agent *a, const Trawl__Reply *reply) {
    if (a->state != AGENT_STATE_OUTSIDE) {
        lose_session(a);
        return;
    }
    a->state = AGENT_STATE_REFUSED;
    snprintf(a->refusal, sizeof a->refusal, "the master refuses this worker: %s", reply->error);
}

void agent_take_reply(struct agent *a, int64_t now_ms, enum agent_line line,
                      const Trawl__Reply *reply) {
    struct agent_line_state *l = &a->lines[line];
    bool discarded = l->discarded;

    if (reply->code == TRAWL__CODE__BUSY) {
        if (!discarded && l->body == TRAWL__REQUEST__BODY_REGISTER && !a->waits) {
            a->waits = true;
            snprintf(a->refusal, sizeof a->refusal, "the master lets this worker wait: %s",
                     reply->error);
        }
        if (discarded)
            l->state = LINE_FREE;
        else
            agent_line_rest(l, now_ms);
        return;
    }
    l->state = LINE_FREE;
    l->failures = 0;
    if (discarded)
        return;
    switch (reply->code) {
    case TRAWL__CODE__OK:
        take_ok(a, now_ms, line, reply);
        break;
    case TRAWL__CODE__RESTARTED:
        a->attach_term = reply->term;
        if (a->state == AGENT_STATE_JOINED) {
            a->state = AGENT_STATE_ATTACHING;
            discard_lines(a);
        }
        break;
    case TRAWL__CODE__UNKNOWN_SESSION:
        if (l->body == TRAWL__REQUEST__BODY_LEAVE) {
            a->state = AGENT_STATE_LEAVING;
            break;
        }
        lose_session(a);
        discard_lines(a);
        break;
    default:
        take_refusal(a, reply);
        discard_lines(a);
        break;
    }
}

void agent_reply(struct agent *a, int64_t now_ms, enum agent_line line, const void *bytes,
                 size_t len) {
    agent_fence(a, now_ms);
    if (a->lines[line].state != LINE_UNDER_WAY)
        return;
    arena_reset(&a->inbound);
    Trawl__Reply *reply = wire_reply_unpack(&a->inbound, bytes, len);
    if (reply == NULL) {
        agent_no_reply(a, now_ms, line);
    } else {
        a->heard_ms = now_ms;
        agent_take_reply(a, now_ms, line, reply);
    }
}

/* A heartbeat is made anew: its time counts from when it was made. */
void agent_no_reply(struct agent *a, int64_t now_ms, enum agent_line line) {
    struct agent_line_state *l = &a->lines[line];

    if (l->state != LINE_UNDER_WAY)
        return;
    if (line == AGENT_BEAT || l->discarded) {
        l->state = LINE_FREE;
        l->failures++;
        if (line == AGENT_BEAT)
            a->next_beat_ms =
                now_ms + (l->failures > 3 ? LINE_REST_MAX_MS / 2 : LINE_REST_FIRST_MS);
        return;
    }
    agent_line_rest(l, now_ms);
}

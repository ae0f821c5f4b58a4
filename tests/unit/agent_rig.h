/* An agent, and a master that is played by hand: registration and one grant. For one test file each: all is static. */
#ifndef TRAWL_TESTS_AGENT_RIG_H
#define TRAWL_TESTS_AGENT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shared/limits.h"
#include "worker/agent.h"

static uint8_t address[4] = {203, 0, 113, 7};
/* What the master grants, and says of cookies; a test may change them before it begins. */
static const char *granted_path = "/";
static bool cookies_are_kept;

struct rig {
    struct agent *agent;
    struct arena arena;
    struct buf bytes;
    int64_t now_ms;
    struct visit *resolving;
};

static void begin(struct rig *r) {
    const struct agent_config config = {
        .worker = "w", .incarnation = 1, .loops = 1, .transfers_max = 4};

    *r = (struct rig){.now_ms = 1000};
    arena_init(&r->arena, LIMIT_ARENA_BYTES);
    buf_init(&r->bytes, LIMIT_WIRE_BYTES);
    r->agent = agent_new(&config);
    assert_non_null(r->agent);
}

static void end(struct rig *r) {
    agent_free(r->agent);
    arena_release(&r->arena);
    buf_release(&r->bytes);
}

/* What it asks on that line next; other effects but lookups are not expected before. */
static const Trawl__Request *asks(struct rig *r, enum agent_line line) {
    struct agent_effect e;

    for (int polls = 0; polls < 100; polls++) {
        while (agent_poll(r->agent, r->now_ms, &e)) {
            if (e.kind == AGENT_RESOLVE)
                r->resolving = e.visit;
            if (e.kind != AGENT_SEND || e.line != line)
                continue;
            arena_reset(&r->arena);
            const Trawl__Request *q =
                wire_request_unpack(&r->arena, e.request->data, e.request->len);
            assert_non_null(q);
            return q;
        }
        r->now_ms += 100;
    }
    fail_msg("nothing is asked");
    return NULL;
}

static void answer(struct rig *r, enum agent_line line, Trawl__Reply *reply) {
    reply->version = WIRE_VERSION;
    buf_reset(&r->bytes);
    assert_true(wire_pack(&r->bytes, &reply->base));
    agent_reply(r->agent, r->now_ms, line, r->bytes.data, r->bytes.len);
}

/* The heartbeat that it sends as soon as it has joined, with what it has used before. */
static void take_first_beat(struct rig *r) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__HeartbeatReply body = TRAWL__HEARTBEAT_REPLY__INIT;
    const Trawl__Request *q = asks(r, AGENT_BEAT);

    assert_int_equal(q->heartbeat->n_cost_us, COST_STAGES);
    assert_int_equal(q->heartbeat->cost_us[COST_PARSE], 77);
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_HEARTBEAT;
    reply.heartbeat = &body;
    answer(r, AGENT_BEAT, &reply);
}

static void let_register(struct rig *r) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__RegisterReply body = TRAWL__REGISTER_REPLY__INIT;
    Trawl__Options options = TRAWL__OPTIONS__INIT;

    assert_int_equal(asks(r, AGENT_CALL)->body_case, TRAWL__REQUEST__BODY_REGISTER);
    options.heartbeat_ms = 1000;
    options.lease_ms = 60000;
    options.user_agent = "trawl/0";
    options.crawl = "0123456789abcdef";
    options.timeout_ms = 1000;
    options.retries = 3;
    options.cookies = cookies_are_kept;
    body.session = 5;
    body.options = &options;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_REGISTER;
    reply.register_ = &body;
    agent_note_cost(r->agent, &(struct cost_sums){.us = {[COST_PARSE] = 77}});
    answer(r, AGENT_CALL, &reply);
    take_first_beat(r);
}

/* A visit whose connections are booked at an address already. */
static inline void grant(struct rig *r) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__ExchangeReply body = TRAWL__EXCHANGE_REPLY__INIT;
    Trawl__Grant one = TRAWL__GRANT__INIT, *grants[] = {&one};
    Trawl__Item item = TRAWL__ITEM__INIT, *items[] = {&item};
    const Trawl__Request *q = asks(r, AGENT_CALL);

    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
    item.fp = 1;
    item.path = (ProtobufCBinaryData){.len = strlen(granted_path), .data = (uint8_t *)granted_path};
    one.attempt = 12;
    one.origin = (ProtobufCBinaryData){.len = 16, .data = (uint8_t[]){"http://a.example"}};
    one.connections = 1;
    one.address = (ProtobufCBinaryData){.len = sizeof address, .data = address};
    one.items = items;
    one.n_items = 1;
    body.number = q->exchange->number;
    body.grants = grants;
    body.n_grants = 1;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_EXCHANGE;
    reply.exchange = &body;
    answer(r, AGENT_CALL, &reply);
}

/* Until the only page of the grant is being fetched. */
static inline uint64_t start_granted(struct rig *r) {
    struct agent_effect e;
    struct agent_fetch f;

    while (r->resolving == NULL && agent_poll(r->agent, r->now_ms, &e))
        if (e.kind == AGENT_RESOLVE)
            r->resolving = e.visit;
    assert_non_null(r->resolving);
    agent_resolved(r->agent, r->now_ms, r->resolving, address, sizeof address, false, NULL);
    assert_true(agent_next_fetch(r->agent, r->now_ms, &f));
    assert_true(!f.robots && agent_sent(r->agent, r->now_ms, f.fetch));
    return f.fetch;
}

#endif

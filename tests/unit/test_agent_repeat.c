/* agent: what is asked for again because its connection was no good is no attempt; it keeps its delay, and has an end; a visit
 * whose address is dead moves to another one, which is claimed before it is used. */
#include "tests/unit/agent_rig.h"

static const struct agent_outcome again = {.failure = AGENT_AGAIN, .reason = "connection-broken"};
static const struct agent_outcome elsewhere = {
    .failure = AGENT_AGAIN, .elsewhere = true, .reason = "connection-refused"};
static const struct agent_outcome missing = {.status = 404};

static const Trawl__Outcome *reported(struct rig *r) {
    const Trawl__Request *q = asks(r, AGENT_CALL);

    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
    assert_int_equal(q->exchange->n_visits, 1);
    assert_int_equal(q->exchange->visits[0]->n_outcomes, 1);
    return q->exchange->visits[0]->outcomes[0];
}

static void is_next_over_a_fresh_connection(void **state) {
    struct rig r;
    struct agent_fetch f;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    agent_fetched(r.agent, r.now_ms, start_granted(&r), &again);
    assert_true(agent_next_fetch(r.agent, r.now_ms, &f));
    assert_true(f.fresh);
    assert_int_equal(f.url_len, 17);
    assert_true(agent_sent(r.agent, r.now_ms, f.fetch));
    agent_fetched(r.agent, r.now_ms, f.fetch, &missing);
    assert_int_equal(reported(&r)->state, TRAWL__STATE__FAILED);
    end(&r);
}

static void has_an_end(void **state) {
    struct rig r;
    struct agent_fetch f;
    const Trawl__Outcome *o;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    agent_fetched(r.agent, r.now_ms, start_granted(&r), &again);
    for (int i = 0; i < AGENT_REPEATS_MAX; i++) {
        assert_true(agent_next_fetch(r.agent, r.now_ms, &f));
        agent_fetched(r.agent, r.now_ms, f.fetch, &again);
    }
    assert_false(agent_next_fetch(r.agent, r.now_ms, &f));
    o = reported(&r); /* one attempt of three */
    assert_int_equal(o->state, TRAWL__STATE__RETRY);
    assert_string_equal(o->reason, "connection-broken");
    end(&r);
}

/* Until the visit has an address again; then `to`. */
static void resolve(struct rig *r, const uint8_t to[4]) {
    struct agent_effect e;

    r->resolving = NULL;
    while (r->resolving == NULL) {
        assert_true(agent_poll(r->agent, r->now_ms, &e));
        if (e.kind == AGENT_RESOLVE)
            r->resolving = e.visit;
    }
    agent_resolved(r->agent, r->now_ms, r->resolving, to, 4, false, NULL);
}

static void grant_claim(struct rig *r, const uint8_t to[4]) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__ExchangeReply body = TRAWL__EXCHANGE_REPLY__INIT;
    Trawl__VisitReply one = TRAWL__VISIT_REPLY__INIT, *visits[] = {&one};
    const Trawl__Request *q = asks(r, AGENT_CALL);

    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
    assert_int_equal(q->exchange->n_visits, 1);
    assert_int_equal(q->exchange->visits[0]->address.len, 4);
    assert_memory_equal(q->exchange->visits[0]->address.data, to, 4);
    one.attempt = q->exchange->visits[0]->attempt;
    body.number = q->exchange->number;
    body.visits = visits;
    body.n_visits = 1;
    body.wait_ms = 1000;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_EXCHANGE;
    reply.exchange = &body;
    answer(r, AGENT_CALL, &reply);
}

static void moves_and_claims_first(void **state) {
    static const uint8_t second[4] = {203, 0, 113, 8};
    struct rig r;
    struct agent_fetch f;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    agent_fetched(r.agent, r.now_ms, start_granted(&r), &elsewhere);
    assert_false(agent_next_fetch(r.agent, r.now_ms, &f)); /* not there */
    resolve(&r, second);
    assert_false(agent_next_fetch(r.agent, r.now_ms, &f)); /* nor here, before it is booked */
    grant_claim(&r, second);
    assert_true(agent_next_fetch(r.agent, r.now_ms, &f));
    assert_false(f.fresh);
    agent_fetched(r.agent, r.now_ms, f.fetch, &missing);
    assert_int_equal(reported(&r)->state, TRAWL__STATE__FAILED);
    end(&r);
}

/* Addresses that die one after the other, for ever: the URL has failed some day. */
static void does_not_move_for_ever(void **state) {
    uint8_t next[4] = {203, 0, 113, 8};
    struct rig r;
    struct agent_fetch f;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    agent_fetched(r.agent, r.now_ms, start_granted(&r), &elsewhere);
    for (int i = 0; i < AGENT_MOVES_MAX; i++) {
        next[3]++;
        resolve(&r, next);
        grant_claim(&r, next);
        assert_true(agent_next_fetch(r.agent, r.now_ms, &f));
        agent_fetched(r.agent, r.now_ms, f.fetch, &elsewhere);
    }
    assert_int_equal(reported(&r)->state, TRAWL__STATE__RETRY);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_next_over_a_fresh_connection),
        cmocka_unit_test(has_an_end),
        cmocka_unit_test(moves_and_claims_first),
        cmocka_unit_test(does_not_move_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* agent: what the end of a lease does to what is under way. */
#include "tests/unit/agent_rig.h"

static uint64_t start_page(struct rig *r) {
    let_register(r);
    grant(r);
    return start_granted(r);
}

/* The page is given back with the visit, and nothing is said of its server. */
static void assert_given_back(struct rig *r) {
    const Trawl__Request *q = asks(r, AGENT_CALL);

    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
    if (q->exchange->n_visits == 0 || !q->exchange->visits[0]->done) { /* that was asked before */
        Trawl__Reply reply = TRAWL__REPLY__INIT;
        Trawl__ExchangeReply body = TRAWL__EXCHANGE_REPLY__INIT;
        Trawl__VisitReply none = TRAWL__VISIT_REPLY__INIT, *visits[] = {&none};
        body.number = q->exchange->number;
        body.visits = visits;
        body.n_visits = q->exchange->n_visits;
        reply.term = 1;
        reply.body_case = TRAWL__REPLY__BODY_EXCHANGE;
        reply.exchange = &body;
        answer(r, AGENT_CALL, &reply);
        q = asks(r, AGENT_CALL);
    }
    assert_int_equal(q->exchange->n_visits, 1);
    const Trawl__VisitReport *v = q->exchange->visits[0];
    assert_true(v->done);
    assert_int_equal(v->verdict, TRAWL__VERDICT__REACHED);
    assert_int_equal(v->backoff_ms, 0);
    assert_int_equal(v->n_outcomes, 1);
    assert_int_equal(v->outcomes[0]->state, TRAWL__STATE__UNTRIED);
}

static const struct agent_outcome broken = {.failure = AGENT_NETWORK, .reason = "body-incomplete"};

static void test_broken_before_the_end(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    uint64_t fetch = start_page(&r);
    r.now_ms = visit_deadline_ms(r.resolving) - 1;
    agent_fetched(r.agent, r.now_ms, fetch, &broken);
    const Trawl__Request *q = asks(&r, AGENT_CALL);
    assert_int_equal(q->exchange->n_visits, 1);
    assert_int_equal(q->exchange->visits[0]->n_outcomes, 1);
    assert_int_equal(q->exchange->visits[0]->outcomes[0]->state, TRAWL__STATE__RETRY);
    assert_string_equal(q->exchange->visits[0]->outcomes[0]->reason, "body-incomplete");
    end(&r);
}

/* Its socket was shut by the fence: that is not the server's failure. */
static void test_cut_off_at_the_end(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    uint64_t fetch = start_page(&r);
    r.now_ms = visit_deadline_ms(r.resolving);
    agent_fetched(r.agent, r.now_ms, fetch, &broken);
    assert_given_back(&r);
    end(&r);
}

/* The heartbeat's answer comes when the lease has ended and the sockets are shut: it renews nothing. */
static void test_renewed_too_late(void **state) {
    struct rig r;
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__HeartbeatReply body = TRAWL__HEARTBEAT_REPLY__INIT;

    (void)state;
    begin(&r);
    uint64_t fetch = start_page(&r);
    (void)asks(&r, AGENT_BEAT);
    agent_no_reply(r.agent, r.now_ms, AGENT_CALL);
    int64_t end_ms = visit_deadline_ms(r.resolving);
    r.now_ms = end_ms;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_HEARTBEAT;
    reply.heartbeat = &body;
    answer(&r, AGENT_BEAT, &reply);
    assert_int_equal(visit_deadline_ms(r.resolving), end_ms);
    agent_fetched(r.agent, r.now_ms, fetch, &broken);
    assert_given_back(&r);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_before_the_end),
        cmocka_unit_test(test_cut_off_at_the_end),
        cmocka_unit_test(test_renewed_too_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* agent: what it says of its visits to a master that came back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/agent_rig.h"

static void restart(struct rig *r) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;

    (void)asks(r, AGENT_BEAT);
    reply.code = TRAWL__CODE__RESTARTED;
    reply.term = 2;
    answer(r, AGENT_BEAT, &reply);
    agent_no_reply(r->agent, r->now_ms, AGENT_CALL);
}

static const Trawl__AttachVisit *attaches(struct rig *r) {
    const Trawl__Request *q;

    do {
        q = asks(r, AGENT_CALL);
        if (q->body_case != TRAWL__REQUEST__BODY_ATTACH)
            agent_no_reply(r->agent, r->now_ms, AGENT_CALL);
    } while (q->body_case != TRAWL__REQUEST__BODY_ATTACH);
    assert_int_equal(q->attach->n_visits, 1);
    return q->attach->visits[0];
}

/* The name is still being looked up: if it is the same address, nothing will be claimed. */
static void test_booked_by_the_grant(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    restart(&r);
    assert_non_null(r.resolving);
    const Trawl__AttachVisit *v = attaches(&r);
    assert_int_equal(v->attempt, 12);
    assert_int_equal(v->connections, 1);
    assert_int_equal(v->address.len, sizeof address);
    assert_memory_equal(v->address.data, address, sizeof address);
    end(&r);
}

/* Another address than the one booked is not claimed yet: nothing is held there. */
static void test_not_claimed_yet(void **state) {
    static const uint8_t other[4] = {203, 0, 113, 8};
    struct rig r;

    (void)state;
    begin(&r);
    let_register(&r);
    grant(&r);
    restart(&r);
    assert_non_null(r.resolving);
    agent_resolved(r.agent, r.now_ms, r.resolving, other, sizeof other, false, NULL);
    assert_int_equal(attaches(&r)->address.len, 0);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_booked_by_the_grant),
        cmocka_unit_test(test_not_claimed_yet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

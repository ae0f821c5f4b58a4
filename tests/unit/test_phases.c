/* Phases that go back: what was told to finish works on, and finishes in full the next time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/agent_rig.h"
#include "tests/unit/peer.h"

/* ---- the agent ------------------------------------------------------------------------------------------- */

static void beat(struct rig *r, Trawl__Phase phase) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__HeartbeatReply body = TRAWL__HEARTBEAT_REPLY__INIT;

    (void)asks(r, AGENT_BEAT);
    body.phase = phase;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_HEARTBEAT;
    reply.heartbeat = &body;
    answer(r, AGENT_BEAT, &reply);
}

static bool rotates(struct rig *r) {
    struct agent_effect e;
    bool rotated = false;

    while (agent_poll(r->agent, r->now_ms, &e))
        rotated = rotated || e.kind == AGENT_ROTATE;
    return rotated;
}

/* A segment that was begun after the phase had gone back is closed at the next end. */
static void test_rotates_again(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    let_register(&r);
    beat(&r, TRAWL__PHASE__FINISHED);
    assert_true(rotates(&r));
    beat(&r, TRAWL__PHASE__RUNNING);
    assert_false(rotates(&r));
    beat(&r, TRAWL__PHASE__FINISHED);
    assert_true(rotates(&r));
    end(&r);
}

/* ---- the core --------------------------------------------------------------------------------------------- */

static Trawl__Phase phase(struct peer *p) {
    const Trawl__Reply *reply = peer_beat(p, 0);

    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->heartbeat->phase;
}

static const Trawl__Reply *control(struct peer *p, Trawl__Verb verb, const char *url) {
    Trawl__Control v = TRAWL__CONTROL__INIT;
    ProtobufCBinaryData urls = {url == NULL ? 0 : strlen(url), (uint8_t *)url};

    v.verb = verb;
    v.urls = &urls;
    v.n_urls = url != NULL;
    return peer_ask(p, TRAWL__REQUEST__BODY_CONTROL, &v);
}

/* Its only page is fetched, and its lease given back. */
static void fetch_one(struct peer *p) {
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, 0, 1);

    assert_int_equal(x->n_grants, 1);
    (void)peer_report(p, x->grants[0]->attempt, x->grants[0]->items[0]->fp, TRAWL__STATE__FETCHED,
                      true);
}

static void test_add_at_the_end(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    m.options.max_depth_set = true;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    fetch_one(&p);
    assert_int_equal(phase(&p), TRAWL__PHASE__FINISHED);
    assert_string_equal(core_why(m.core), "frontier empty");

    assert_int_equal(control(&p, TRAWL__VERB__ADD, "http://b.example/")->code, TRAWL__CODE__OK);
    assert_null(core_why(m.core));
    assert_true(core_wants_worker(m.core, "w1"));
    assert_int_equal(phase(&p), TRAWL__PHASE__RUNNING);
    fetch_one(&p);
    assert_int_equal(phase(&p), TRAWL__PHASE__FINISHED);
    peer_release(&p);
    master_end(&m);
}

/* Every reason but the user's wish: also one that says that a limit keeps something. */
static void test_add_at_a_limit(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    m.options.max_pages_per_host = 1;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    master_seed(&m, "http://a.example/2");
    peer_join(&p, &m, "w1", 1);
    fetch_one(&p);
    assert_int_equal(phase(&p), TRAWL__PHASE__FINISHED);
    assert_string_equal(core_why(m.core), "--max-pages-per-host reached");
    (void)control(&p, TRAWL__VERB__ADD, "http://b.example/");
    assert_int_equal(phase(&p), TRAWL__PHASE__RUNNING);
    fetch_one(&p);
    assert_int_equal(phase(&p), TRAWL__PHASE__FINISHED);
    assert_string_equal(core_why(m.core), "--max-pages-per-host reached");
    peer_release(&p);
    master_end(&m);
}

/* What the user wants stays so: with what is added later, and in the core that takes this one's place. */
static void test_stopped_is_for_good(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    (void)control(&p, TRAWL__VERB__STOP, NULL);
    const Trawl__Reply *r = control(&p, TRAWL__VERB__ADD, "http://b.example/");
    assert_non_null(strstr(r->control->message, "the crawl is stopping, they are kept"));
    assert_int_equal(phase(&p), TRAWL__PHASE__FINISHED);
    assert_string_equal(core_why(m.core), "stopped");

    struct core_orders orders = core_orders(m.core);
    master_restart(&m);
    assert_int_equal(core_state(m.core), CORE_RUNNING);
    core_obey(m.core, m.now, orders);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    assert_string_equal(core_why(m.core), "stopped");
    peer_release(&p);
    master_end(&m);
}

static void test_nothing_is_taken_after_the_end(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    master_begin(&m);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    fetch_one(&p);
    master_wait(&m, 60000);
    assert_int_equal(core_state(m.core), CORE_ENDED);
    const Trawl__Reply *r = control(&p, TRAWL__VERB__ADD, "http://b.example/");
    assert_int_equal(r->code, TRAWL__CODE__REFUSED);
    assert_int_equal(master_stats(&m).pending, 0);
    peer_release(&p);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotates_again),
        cmocka_unit_test(test_add_at_the_end),
        cmocka_unit_test(test_add_at_a_limit),
        cmocka_unit_test(test_stopped_is_for_good),
        cmocka_unit_test(test_nothing_is_taken_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* told: links that the master has taken in are not told again, in the same session. */
#include "tests/unit/agent_rig.h"
#include "worker/told.h"

#define LINK(text)                                                                                 \
    (struct url_slice) {                                                                           \
        text, sizeof(text) - 1                                                                     \
    }

static const struct url_slice menu[] = {LINK("http://a.example/x"), LINK("http://b.example/")};
static const struct url_slice more[] = {LINK("http://a.example/x"), LINK("http://a.example/y"),
                                        LINK("http://b.example/")};

/* The exchange that tells of a page with these links. */
static const Trawl__Exchange *told(struct rig *r, uint64_t fetch, const struct url_slice *links,
                                   size_t count) {
    const struct agent_outcome page = {.status = 200, .links = links, .link_count = count};

    agent_fetched(r->agent, r->now_ms, fetch, &page);
    const Trawl__Request *q = asks(r, AGENT_CALL);
    assert_int_equal(q->body_case, TRAWL__REQUEST__BODY_EXCHANGE);
    assert_int_equal(q->exchange->n_visits, 1);
    assert_int_equal(q->exchange->visits[0]->n_outcomes, 1);
    return q->exchange;
}

static const Trawl__Outcome *outcome(const Trawl__Exchange *x) {
    return x->visits[0]->outcomes[0];
}

static void assert_link(const Trawl__Outcome *o, size_t i, const char *text) {
    assert_true(i < o->n_links);
    assert_int_equal(o->links[i].len, strlen(text));
    assert_memory_equal(o->links[i].data, text, o->links[i].len);
}

/* Taken, or refused, and one more page to fetch. */
static void answer_visit(struct rig *r, uint64_t number, bool refused) {
    Trawl__Reply reply = TRAWL__REPLY__INIT;
    Trawl__ExchangeReply body = TRAWL__EXCHANGE_REPLY__INIT;
    Trawl__VisitReply visit = TRAWL__VISIT_REPLY__INIT, *visits[] = {&visit};
    Trawl__Item item = TRAWL__ITEM__INIT, *items[] = {&item};

    item.fp = number + 100;
    item.path = (ProtobufCBinaryData){.len = 2, .data = (uint8_t[]){'/', 'p'}};
    visit.attempt = 12;
    visit.refused = (uint32_t[]){0};
    visit.n_refused = refused;
    visit.more = items;
    visit.n_more = 1;
    body.number = number;
    body.visits = visits;
    body.n_visits = 1;
    reply.term = 1;
    reply.body_case = TRAWL__REPLY__BODY_EXCHANGE;
    reply.exchange = &body;
    answer(r, AGENT_CALL, &reply);
}

static uint64_t next_page(struct rig *r) {
    struct agent_fetch f;

    assert_true(agent_next_fetch(r->agent, r->now_ms, &f));
    assert_true(agent_sent(r->agent, r->now_ms, f.fetch));
    return f.fetch;
}

static void join(struct rig *r) {
    let_register(r);
    grant(r);
}

static void test_not_again(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    join(&r);
    const Trawl__Exchange *x = told(&r, start_granted(&r), menu, 2);
    assert_link(outcome(x), 0, "/x");
    assert_link(outcome(x), 1, "http://b.example/");
    answer_visit(&r, x->number, false);
    x = told(&r, next_page(&r), more, 3);
    assert_int_equal(outcome(x)->n_links, 1);
    assert_link(outcome(x), 0, "/y");
    end(&r);
}

/* What the master did not take of one page it has to learn of the next. */
static void test_refused(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    join(&r);
    const Trawl__Exchange *x = told(&r, start_granted(&r), menu, 2);
    answer_visit(&r, x->number, true);
    x = told(&r, next_page(&r), more, 3);
    assert_int_equal(outcome(x)->n_links, 3);
    end(&r);
}

/* Another session: maybe another crawl. */
static void test_new_session(void **state) {
    Trawl__Reply gone = TRAWL__REPLY__INIT;
    struct rig r;

    (void)state;
    begin(&r);
    join(&r);
    const Trawl__Exchange *x = told(&r, start_granted(&r), menu, 2);
    answer_visit(&r, x->number, false);
    (void)told(&r, next_page(&r), more, 3);
    gone.code = TRAWL__CODE__UNKNOWN_SESSION;
    answer(&r, AGENT_CALL, &gone);
    r.resolving = NULL;
    join(&r);
    x = told(&r, start_granted(&r), menu, 2);
    assert_int_equal(outcome(x)->n_links, 2);
    end(&r);
}

static void test_places(void **state) {
    const unsigned char key[16] = {1, 2, 3};
    struct told t;

    (void)state;
    told_init(&t, key);
    uint64_t fp = told_fingerprint(&t, "http://a.example/", 17);
    uint64_t fps[2] = {fp, fp ^ UINT64_C(1) << 63}; /* for the same place */
    assert_int_not_equal(fp, 0);
    assert_false(told_has(&t, fp, 3));
    told_add(&t, fps, 1, 3);
    assert_true(told_has(&t, fp, 3));
    assert_false(told_has(&t, fps[1], 3));
    told_add(&t, fps + 1, 1, 3);
    assert_false(told_has(&t, fp, 3));
    assert_true(told_has(&t, fps[1], 3));
    /* A page that is nearer tells it again, one that is deeper does not. */
    assert_false(told_has(&t, fps[1], 2));
    assert_true(told_has(&t, fps[1], 300));
    told_clear(&t);
    assert_false(told_has(&t, fps[1], 3));
    told_add(&t, fps, 0, 3);
    assert_false(told_has(&t, 0, 3));
    told_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_not_again),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_new_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

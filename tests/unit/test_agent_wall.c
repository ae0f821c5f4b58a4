/* agent_wall: pages behind a redirect that sets a cookie: what is asked for, in which order, and what is reported. */
#include "tests/unit/agent_rig.h"

#define ORIGIN "http://a.example"
#define PAGE ORIGIN "/art"

/* One request that must be made, and its answer. */
struct step {
    const char *url;
    uint32_t status;
    const char *to; /* of a redirect */
    bool set_cookie;
    bool kept; /* it is to be archived, or would be if it were the last attempt */
};

static void play(const struct step *steps, size_t count, Trawl__State state) {
    struct agent_fetch f;
    struct rig r;

    begin(&r);
    let_register(&r);
    granted_path = "/art";
    grant(&r);
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        struct agent_outcome o = {.status = s->status,
                                  .redirect = s->to != NULL,
                                  .redirect_to = s->to,
                                  .redirect_to_len = s->to == NULL ? 0 : strlen(s->to),
                                  .set_cookie = s->set_cookie};
        if (i == 0) {
            f.fetch = start_granted(&r);
        } else {
            assert_true(agent_next_fetch(r.agent, ++r.now_ms, &f));
            assert_int_equal(f.url_len, strlen(s->url));
            assert_memory_equal(f.url, s->url, f.url_len);
            assert_true(agent_sent(r.agent, r.now_ms, f.fetch));
        }
        bool kept = !agent_asks_again(r.agent, f.fetch, &o) &&
                    agent_disposition(r.agent, f.fetch, o.status, o.failure) == AGENT_ARCHIVE;
        assert_int_equal(kept, s->kept);
        agent_fetched(r.agent, ++r.now_ms, f.fetch, &o);
    }
    assert_false(agent_next_fetch(r.agent, ++r.now_ms, &f));
    const Trawl__Request *q = asks(&r, AGENT_CALL);
    assert_int_equal(q->exchange->n_visits, 1);
    assert_int_equal(q->exchange->visits[0]->n_outcomes, 1);
    assert_int_equal(q->exchange->visits[0]->outcomes[0]->state, state);
    end(&r);
}

#define PLAY(steps, state) play(steps, sizeof(steps) / sizeof *(steps), state)

static void test_walls(void **state) {
    static const struct step wall[] = {{PAGE, 302, PAGE, true, false},
                                       {PAGE, 200, NULL, false, true}};
    static const struct step endless[] = {{PAGE, 302, PAGE, true, false},
                                          {PAGE, 302, PAGE, true, false},
                                          {PAGE, 302, PAGE, true, false},
                                          {PAGE, 302, PAGE, true, true}};
    static const struct step without[] = {{PAGE, 302, PAGE, false, true}};

    (void)state;
    cookies_are_kept = true;
    PLAY(wall, TRAWL__STATE__FETCHED);
    PLAY(endless, TRAWL__STATE__REDIRECTED);
    PLAY(without, TRAWL__STATE__REDIRECTED);
    cookies_are_kept = false;
    static const struct step off[] = {{PAGE, 302, PAGE, true, true}};
    PLAY(off, TRAWL__STATE__REDIRECTED);
}

static void test_detours(void **state) {
    static const struct step there[] = {{PAGE, 302, ORIGIN "/check?set=1", true, false},
                                        {ORIGIN "/check?set=1", 302, PAGE, false, false},
                                        {PAGE, 200, NULL, false, true}};
    static const struct step back[] = {{PAGE, 302, ORIGIN "/login?back=%2Fart", false, false},
                                       {ORIGIN "/login?back=%2Fart", 302, PAGE, true, false},
                                       {PAGE, 200, NULL, false, true}};
    static const struct step far[] = {{PAGE, 302, ORIGIN "/1", true, false},
                                      {ORIGIN "/1", 302, ORIGIN "/2", false, false},
                                      {ORIGIN "/2", 302, PAGE, false, false},
                                      {PAGE, 200, NULL, false, true}};
    /* It does not come back: what the page says counts. */
    static const struct step away[] = {{PAGE, 302, ORIGIN "/new", true, false},
                                       {ORIGIN "/new", 200, NULL, false, false},
                                       {PAGE, 302, ORIGIN "/new", true, true}};
    static const struct step no_cookie[] = {{PAGE, 302, ORIGIN "/l?/art", false, false},
                                            {ORIGIN "/l?/art", 302, PAGE, false, false},
                                            {PAGE, 302, ORIGIN "/l?/art", false, true}};
    static const struct step circle[] = {
        {PAGE, 302, ORIGIN "/1", true, false},        {ORIGIN "/1", 302, ORIGIN "/1", true, false},
        {ORIGIN "/1", 302, ORIGIN "/1", true, false}, {ORIGIN "/1", 302, ORIGIN "/1", true, false},
        {ORIGIN "/1", 302, ORIGIN "/1", true, false}, {ORIGIN "/1", 302, ORIGIN "/1", true, false},
        {PAGE, 302, ORIGIN "/1", true, true}};
    /* Nobody there could know of the page, or it is another origin. */
    static const struct step plain[] = {{PAGE, 301, ORIGIN "/art/", false, true}};
    static const struct step other[] = {{PAGE, 302, "http://a.example.org/?/art", true, true}};
    static const struct step broken[] = {{PAGE, 302, ORIGIN "/1", true, false},
                                         {ORIGIN "/1", 500, NULL, false, false}};

    (void)state;
    cookies_are_kept = true;
    PLAY(there, TRAWL__STATE__FETCHED);
    PLAY(back, TRAWL__STATE__FETCHED);
    PLAY(far, TRAWL__STATE__FETCHED);
    PLAY(away, TRAWL__STATE__REDIRECTED);
    PLAY(no_cookie, TRAWL__STATE__REDIRECTED);
    PLAY(circle, TRAWL__STATE__REDIRECTED);
    PLAY(plain, TRAWL__STATE__REDIRECTED);
    PLAY(other, TRAWL__STATE__REDIRECTED);
    PLAY(broken, TRAWL__STATE__RETRY);
    cookies_are_kept = false;
    static const struct step off[] = {{PAGE, 302, ORIGIN "/check?set=1", true, true}};
    PLAY(off, TRAWL__STATE__REDIRECTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walls),
        cmocka_unit_test(test_detours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

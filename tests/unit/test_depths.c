/* depths: the shortest way to a URL counts, whichever was found first; a plain link frees what was behind redirects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/peer.h"

/* Of a URL of origin 1 that is done; `depth` and `hops` as they stand in its record. False: it is not done. */
static bool done(const struct master *m, const char *path, uint32_t *depth, uint32_t *hops) {
    struct record_key prefix = record_group('u');
    struct store_iter *i =
        store_iter_open(m->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    struct arena arena;
    bool found = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, value, n);
        assert_non_null(d);
        if (d->path.len != strlen(path) || memcmp(d->path.data, path, d->path.len) != 0)
            continue;
        *depth = d->depth;
        *hops = d->hops;
        found = true;
    }
    assert_true(store_iter_close(i));
    arena_release(&arena);
    return found;
}

static void assert_done(const struct master *m, const char *path, uint32_t depth, uint32_t hops) {
    uint32_t its_depth = 0, its_hops = 0;

    assert_true(done(m, path, &its_depth, &its_hops));
    assert_int_equal(its_depth, depth);
    assert_int_equal(its_hops, hops);
}

/* A page or a redirect of the site. */
struct answer {
    const char *path, *to; /* `to`: it redirects there */
    const char *links[4];
};

static const struct answer *answer_of(const struct answer *site, ProtobufCBinaryData path) {
    for (; site->path != NULL; site++)
        if (path.len == strlen(site->path) && memcmp(path.data, site->path, path.len) == 0)
            return site;
    fail();
    return NULL;
}

/* One lease: all that is in it is fetched, but for `held`. False: nothing is granted. */
static bool fetch(struct peer *p, const struct answer *site, const char *held) {
    enum { ITEMS = 64 };
    static Trawl__Outcome outcomes[ITEMS];
    static ProtobufCBinaryData links[ITEMS][4];
    Trawl__Outcome *list[ITEMS];
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);

    if (x->n_grants == 0)
        return false;
    const Trawl__Grant *g = x->grants[0];
    for (size_t i = 0; i < g->n_items; i++) {
        const struct answer *a = answer_of(site, g->items[i]->path);
        Trawl__Outcome *o = list[i] = &outcomes[i];
        trawl__outcome__init(o);
        o->fp = g->items[i]->fp;
        o->state = a->to == NULL ? TRAWL__STATE__FETCHED : TRAWL__STATE__REDIRECTED;
        o->status = 200;
        if (a->to != NULL)
            o->redirect_to = (ProtobufCBinaryData){strlen(a->to), (uint8_t *)a->to};
        for (; o->n_links < 4 && a->links[o->n_links] != NULL; o->n_links++)
            links[i][o->n_links] = (ProtobufCBinaryData){strlen(a->links[o->n_links]),
                                                         (uint8_t *)a->links[o->n_links]};
        o->links = links[i];
        if (held != NULL && strcmp(held, a->path) == 0) {
            o->state = TRAWL__STATE__UNTRIED;
            o->n_links = 0;
        }
    }
    report.attempt = g->attempt;
    report.outcomes = list;
    report.n_outcomes = g->n_items;
    report.done = true;
    (void)peer_exchange(p, &report, NULL, 0);
    master_wait(p->master, 200);
    return true;
}

static const struct answer site[] = {
    {"/", NULL, {"/slow", "/1"}}, {"/slow", NULL, {"/goal"}}, {"/1", NULL, {"/2"}},
    {"/2", NULL, {"/3"}},         {"/3", NULL, {"/goal"}},    {"/goal", NULL, {"/child"}},
    {"/child", NULL, {"/leaf"}},  {"/leaf", NULL, {NULL}},    {NULL, NULL, {NULL}}};

/* /goal is found by four links and then by two: its child and what is behind that come nearer with it, over any number of
 * restarts. */
static void test_shorter_way(void **state) {
    (void)state;
    for (uint32_t limit = 3; limit <= 5; limit++)
        for (int restart = 0; restart < 2; restart++) {
            struct master m;
            struct peer p;
            uint32_t depth, hops;

            master_begin(&m);
            m.options.keep = true;
            m.options.max_depth_set = true;
            m.options.max_depth = limit;
            master_load(&m);
            master_seed(&m, "http://a.example/");
            peer_join(&p, &m, "w1", 1);
            for (int i = 0; i < 8 && fetch(&p, site, "/slow"); i++)
                ;
            assert_int_equal(done(&m, "/goal", &depth, &hops), limit >= 4);
            assert_int_equal(done(&m, "/child", &depth, &hops), limit >= 5);
            for (int i = 0; i < 8 && fetch(&p, site, NULL); i++) {
                if (restart == 0)
                    continue;
                master_restart(&m);
                master_wait(&m, 2 * m.options.lease_ms);
                peer_die(&p);
            }
            assert_done(&m, "/goal", 2, 0);
            assert_done(&m, "/child", 3, 0);
            assert_int_equal(done(&m, "/leaf", &depth, &hops), limit >= 4);
            if (limit >= 4)
                assert_done(&m, "/leaf", 4, 0);
            peer_release(&p);
            master_end(&m);
        }
}

/* The least depth of an origin's pages, as its record says. */
static uint32_t origin_depth(const struct master *m, uint32_t id) {
    struct record_key key = record_origin(id);
    struct arena arena;
    struct buf value;

    buf_init(&value, LIMIT_WIRE_BYTES);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    assert_int_equal(store_get(m->store, key.bytes, key.len, &value), STORE_FOUND);
    Trawl__StoredOrigin *o =
        wire_unpack(&arena, &trawl__stored_origin__descriptor, value.data, value.len);
    assert_non_null(o);
    uint32_t depth = o->depth;
    arena_release(&arena);
    buf_release(&value);
    return depth;
}

static const struct answer two_ways[] = {{"/", NULL, {"/slow", "/1"}},
                                         {"/slow", NULL, {"http://b.example/x"}},
                                         {"/1", NULL, {"/2"}},
                                         {"/2", NULL, {"/3"}},
                                         {"/3", NULL, {"http://b.example/x"}},
                                         {"/x", NULL, {NULL}},
                                         {"/child", NULL, {NULL}},
                                         {NULL, NULL, {NULL}}};

struct granted {
    uint64_t attempt, fp;
};

/* All is granted; where the URL is in that. */
static struct granted granted_at(const Trawl__ExchangeReply *x, const char *path) {
    for (size_t i = 0; i < x->n_grants; i++) {
        const Trawl__Item *it = x->grants[i]->items[0];
        if (it->path.len == strlen(path) && memcmp(it->path.data, path, it->path.len) == 0)
            return (struct granted){x->grants[i]->attempt, it->fp};
    }
    fail();
    return (struct granted){0, 0};
}

/* `link`: what it links to, or NULL. `segment`: which segment its record is in, 0 for none; the worker has none. */
static void report(struct peer *p, struct granted g, Trawl__State state, const char *link,
                   uint32_t segment, bool done) {
    Trawl__VisitReport visit = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
    ProtobufCBinaryData links[] = {{link == NULL ? 0 : strlen(link), (uint8_t *)link}};

    outcome.fp = g.fp;
    outcome.state = state;
    outcome.status = state == TRAWL__STATE__FETCHED ? 200 : 0;
    outcome.reason = state == TRAWL__STATE__RETRY ? "connection-reset" : "";
    outcome.segment = segment;
    outcome.links = links;
    outcome.n_links = link != NULL;
    visit.attempt = g.attempt;
    visit.outcomes = outcomes;
    visit.n_outcomes = 1;
    visit.done = done;
    (void)peer_exchange(p, &visit, NULL, 0);
}

enum goes_on { ENDED, TRIED_IN_VAIN, REFUSED, LOST, GOES_ON };

static void go_on(struct peer *p, struct granted x, enum goes_on how) {
    switch (how) {
    case ENDED:
        report(p, x, TRAWL__STATE__FETCHED, NULL, 0, true);
        break;
    case TRIED_IN_VAIN:
        report(p, x, TRAWL__STATE__RETRY, NULL, 0, true);
        break;
    case REFUSED:
        report(p, x, TRAWL__STATE__LINKS, "/child", 0, false);
        report(p, x, TRAWL__STATE__FETCHED, NULL, 7, true);
        break;
    default:
        report(p, x, TRAWL__STATE__LINKS, "/child", 0, false);
        peer_die(p);
    }
}

/* A page that was leased by four links, and has told one of its own, comes two links near; and however it goes on, so do its
 * link and its origin, without being told again. */
static void test_nearer_while_leased(void **state) {
    (void)state;
    for (enum goes_on how = ENDED; how < GOES_ON; how++) {
        struct master m;
        struct peer p;

        master_begin(&m);
        m.options.max_depth_set = true;
        m.options.max_depth = 9;
        master_load(&m);
        master_seed(&m, "http://a.example/");
        peer_join(&p, &m, "w1", 1);
        for (int i = 0; i < 4; i++)
            assert_true(fetch(&p, two_ways, "/slow"));
        const Trawl__ExchangeReply *all = peer_exchange(&p, NULL, NULL, 2);
        const struct granted slow = granted_at(all, "/slow"), x = granted_at(all, "/x");
        report(&p, x, TRAWL__STATE__LINKS, "/child", 0, false);
        assert_int_equal(origin_depth(&m, 2), 4);
        report(&p, slow, TRAWL__STATE__FETCHED, "http://b.example/x", 0, true);
        go_on(&p, x, how);
        master_wait(&m, 60000);
        peer_die(&p);
        for (int i = 0; i < 8 && fetch(&p, two_ways, NULL); i++)
            ;
        assert_done(&m, "/x", 2, 0);
        assert_done(&m, "/child", 3, 0);
        assert_int_equal(origin_depth(&m, 2), 2);
        peer_release(&p);
        master_end(&m);
    }
}

/* What 21 redirects had given up, a link leads to. */
static void test_link_behind_redirects(void **state) {
    enum { HOPS = 23 };
    static struct answer chain[HOPS + 4];
    static char text[HOPS + 1][32];
    struct master m;
    struct peer p;
    uint32_t depth, hops;

    (void)state;
    for (int i = 0; i <= HOPS; i++)
        snprintf(text[i], sizeof text[i], "http://a.example/r%d", i);
    for (int i = 0; i < HOPS; i++)
        chain[i] = (struct answer){strrchr(text[i], '/'), text[i + 1], {NULL}};
    chain[HOPS] = (struct answer){strrchr(text[HOPS], '/'), NULL, {NULL}};
    chain[HOPS + 1] = (struct answer){"/", NULL, {"/r0", "/late"}};
    chain[HOPS + 2] = (struct answer){"/late", NULL, {"/r10"}};
    master_begin(&m);
    m.options.keep = true;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    for (int i = 0; i < 2 * HOPS && fetch(&p, chain, "/late"); i++)
        ;
    assert_ended(&m, "http://a.example/r21", "excluded redirect-limit");
    for (int i = 0; i < 2 * HOPS && fetch(&p, chain, NULL); i++)
        ;
    assert_done(&m, "/r10", 1, 0);
    assert_done(&m, "/r21", 1, 11);
    assert_done(&m, "/r23", 1, 13);
    assert_false(done(&m, "http://a.example/r21", &depth, &hops));
    peer_release(&p);
    master_end(&m);
}

/* The user names what is behind the limit. */
static void test_named(void **state) {
    struct master m;
    struct peer p;
    uint32_t depth, hops;

    (void)state;
    master_begin(&m);
    m.options.keep = true;
    m.options.max_depth_set = true;
    m.options.max_depth = 1;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    for (int i = 0; i < 8 && fetch(&p, site, NULL); i++)
        ;
    assert_false(done(&m, "/goal", &depth, &hops));
    master_seed(&m, "http://a.example/goal");
    master_wait(&m, 200);
    for (int i = 0; i < 8 && fetch(&p, site, NULL); i++)
        ;
    assert_done(&m, "/goal", 0, 0);
    assert_done(&m, "/child", 1, 0);
    assert_false(done(&m, "/leaf", &depth, &hops));
    peer_release(&p);
    master_end(&m);
}

static const struct answer elsewhere[] = {{"/", NULL, {"/slow", "/1"}},
                                          {"/slow", NULL, {"/page"}},
                                          {"/1", NULL, {"/2"}},
                                          {"/2", NULL, {"/page"}},
                                          {"/page", NULL, {"http://x.example/goal"}},
                                          {"/goal", NULL, {NULL}},
                                          {NULL, NULL, {NULL}}};

/* What was excluded, and so had no origin, when a page that links to it was read, comes nearer with that page when options have
 * let it in meanwhile. */
static void test_let_in_later(void **state) {
    struct master m;
    struct peer p;
    uint32_t depth, hops;

    (void)state;
    master_begin(&m);
    m.options.keep = true;
    m.options.max_depth_set = true;
    m.options.max_depth = 3;
    assert_true(string_list_add(&m.options.exclude, "^http://x\\."));
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&p, &m, "w1", 1);
    for (int i = 0; i < 8 && fetch(&p, elsewhere, "/slow"); i++)
        ;
    assert_done(&m, "/page", 3, 0);
    string_list_release(&m.options.exclude);
    master_restart(&m);
    master_wait(&m, 2 * m.options.lease_ms);
    peer_die(&p);
    assert_false(done(&m, "/goal", &depth, &hops));
    for (int i = 0; i < 8 && fetch(&p, elsewhere, NULL); i++)
        ;
    assert_done(&m, "/page", 2, 0);
    assert_done(&m, "/goal", 3, 0);
    peer_release(&p);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shorter_way),           cmocka_unit_test(test_nearer_while_leased),
        cmocka_unit_test(test_link_behind_redirects), cmocka_unit_test(test_named),
        cmocka_unit_test(test_let_in_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

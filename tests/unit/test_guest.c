/* robots.txt that redirects: who waits for whom, and that nobody waits for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "shared/robots.h"
#include "tests/unit/peer.h"

struct site {
    const char *url, *to; /* NULL: it has rules, which forbid all */
};

struct world {
    struct master m;
    struct peer p;
    const struct site *sites;
    size_t site_count;
    unsigned robots_asked, pages_asked, restart_at; /* with so many requests; 0: not */
};

static const char *redirect_of(const struct world *w, const char *url) {
    for (size_t i = 0; i < w->site_count; i++)
        if (strcmp(w->sites[i].url, url) == 0)
            return w->sites[i].to;
    return NULL;
}

static void fill(struct world *w, const char *url, struct buf *rules, Trawl__RobotsReport *r) {
    const char *to = redirect_of(w, url);
    struct robots parsed;

    w->robots_asked++;
    r->status = to == NULL ? 200 : 302;
    r->valid_ms = 3600 * 1000;
    if (to != NULL) {
        r->redirect_to = (ProtobufCBinaryData){strlen(to), (uint8_t *)to};
        return;
    }
    robots_init(&parsed);
    assert_true(robots_parse(&parsed, "User-agent: *\nDisallow: /x", 26, "trawl"));
    assert_true(robots_encode(&parsed, rules));
    robots_release(&parsed);
    r->rules = (ProtobufCBinaryData){rules->len, (uint8_t *)rules->data};
}

/* The worker's part of one grant. The rules that came with a page are noted. */
static void serve(struct world *w, const Trawl__Grant *g) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
    Trawl__RobotsReport robots = TRAWL__ROBOTS_REPORT__INIT;
    const Trawl__Item *item = g->items[0];
    struct buf rules;
    char url[256];

    buf_init(&rules, 4096);
    report.attempt = g->attempt;
    report.done = true;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    outcome.fp = item->fp;
    outcome.reason = "";
    snprintf(url, sizeof url, "%.*s%.*s", (int)g->origin.len, g->origin.data,
             g->fetch_robots ? 11 : (int)item->path.len,
             g->fetch_robots ? "/robots.txt" : (const char *)item->path.data);
    if (g->fetch_robots) {
        assert_false(item->robots);
        fill(w, url, &rules, &robots);
        report.robots = &robots;
        outcome.state = TRAWL__STATE__UNTRIED;
    } else if (item->robots) {
        fill(w, url, &rules, &robots);
        outcome.robots = &robots;
        outcome.state = TRAWL__STATE__FETCHED;
        outcome.status = robots.status;
    } else {
        w->pages_asked++;
        outcome.state = TRAWL__STATE__FETCHED;
        outcome.status = 200;
    }
    (void)peer_exchange(&w->p, &report, NULL, 0);
    buf_release(&rules);
}

/* Whether it ended with nothing pending; `rules`: of the last origin whose page was granted. */
static void crawl(struct world *w, const char *const *seeds, size_t count) {
    w->m.options.robots_ignore = false;
    master_load(&w->m);
    for (size_t i = 0; i < count; i++)
        master_seed(&w->m, seeds[i]);
    peer_join(&w->p, &w->m, "w1", 1);
    for (int turns = 0; turns < 200 && core_state(w->m.core) == CORE_RUNNING; turns++) {
        if (w->restart_at > 0 && w->robots_asked == w->restart_at) {
            w->restart_at = 0;
            master_restart(&w->m);
            peer_die(&w->p);
        }
        const Trawl__ExchangeReply *x = peer_exchange(&w->p, NULL, 0, 1);
        if (x->n_grants > 0)
            serve(w, x->grants[0]);
        else
            master_wait(&w->m, 1000);
        (void)peer_beat(&w->p, 0);
    }
    assert_int_not_equal(core_state(w->m.core), CORE_RUNNING);
    assert_string_equal(core_why(w->m.core), "frontier empty");
    assert_int_equal(master_stats(&w->m).pending, 0);
}

static size_t rules_of(struct world *w, const char *name) {
    struct record_key prefix = record_group('o');
    struct store_iter *i =
        store_iter_open(w->m.store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    struct arena arena;
    size_t rules = 0;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        Trawl__StoredOrigin *o = wire_unpack(&arena, &trawl__stored_origin__descriptor, value, n);
        assert_non_null(o);
        if (o->name.len != strlen(name) || memcmp(o->name.data, name, o->name.len) != 0)
            continue;
        struct robots r;
        struct robots_match why;
        struct buf kept;
        uint32_t id;
        const void *at = store_iter_key(i, &n);
        buf_init(&kept, LIMIT_ROBOTS_ENCODED_BYTES);
        robots_init(&r);
        assert_true(record_parse_number4(at, n, 'o', &id));
        struct record_key key = record_rules(id);
        assert_int_equal(store_get(w->m.store, key.bytes, key.len, &kept), STORE_FOUND);
        assert_true(robots_decode(&r, kept.data, kept.len));
        rules = robots_allowed(&r, "/x", 2, &why) ? 0 : 1;
        buf_release(&kept);
        robots_release(&r);
    }
    assert_true(store_iter_close(i));
    arena_release(&arena);
    return rules;
}

static void finish(struct world *w) {
    peer_release(&w->p);
    master_end(&w->m);
}

#define BEGIN(w, table)                                                                            \
    struct world w = {.sites = table, .site_count = sizeof table / sizeof *table};                 \
    master_begin(&w.m)

/* http and https, www and bare: each says that the other has it. */
static void test_circle(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "https://a.example/robots.txt"},
        {"https://a.example/robots.txt", "http://a.example/robots.txt"}};
    static const char *const seeds[] = {"http://a.example/", "https://a.example/"};

    (void)state;
    for (unsigned at = 0; at < 6; at++) {
        BEGIN(w, sites);
        w.restart_at = at;
        crawl(&w, seeds, 2);
        assert_int_equal(w.pages_asked, 2);
        assert_in_range(w.robots_asked, 2, 14);
        finish(&w);
    }
}

static void test_longer_circle(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "http://b.example/robots.txt"},
        {"http://b.example/robots.txt", "http://c.example/r"},
        {"http://c.example/r", "http://a.example/robots.txt"}};
    static const char *const seeds[] = {"http://a.example/", "http://b.example/",
                                        "http://c.example/"};

    (void)state;
    BEGIN(w, sites);
    crawl(&w, seeds, 3);
    assert_int_equal(w.pages_asked, 3);
    finish(&w);
}

/* A worker follows what stays at its origin by itself; what it reports then is over. */
static void test_itself(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "http://a.example/robots.txt"}};
    static const char *const seeds[] = {"http://a.example/"};

    (void)state;
    BEGIN(w, sites);
    crawl(&w, seeds, 1);
    assert_int_equal(w.robots_asked, 1);
    assert_int_equal(w.pages_asked, 1);
    finish(&w);
}

/* No circle, though each waits for a file of the other: both files are fetched, and their rules kept. */
static void test_crossed(void **state) {
    static const struct site sites[] = {{"http://a.example/robots.txt", "http://b.example/a.txt"},
                                        {"http://b.example/robots.txt", "http://a.example/b.txt"}};
    static const char *const seeds[] = {"http://a.example/", "http://b.example/"};

    (void)state;
    BEGIN(w, sites);
    crawl(&w, seeds, 2);
    assert_int_equal(w.robots_asked, 4);
    assert_int_equal(rules_of(&w, "http://a.example"), 1);
    assert_int_equal(rules_of(&w, "http://b.example"), 1);
    finish(&w);
}

/* There and back again within five: RFC 9309 §2.3.1.2 wants these rules. */
static void test_back(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "http://b.example/robots.txt"},
        {"http://b.example/robots.txt", "http://a.example/real.txt"}};
    static const char *const seeds[] = {"http://a.example/"};

    (void)state;
    for (unsigned at = 0; at < 3; at++) {
        BEGIN(w, sites);
        w.restart_at = at;
        crawl(&w, seeds, 1);
        assert_int_equal(rules_of(&w, "http://a.example"), 1);
        finish(&w);
    }
}

/* Where it lies no page may be fetched any more: that is no page. */
static void test_full_host(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "http://b.example/robots.txt"}};
    static const char *const seeds[] = {"http://b.example/", "http://b.example/2",
                                        "http://a.example/"};
    struct world w = {.sites = sites, .site_count = 1};

    (void)state;
    master_begin(&w.m);
    w.m.options.max_pages_per_host = 1;
    w.m.options.robots_ignore = false;
    w.m.options.delay_ms = 100;
    master_load(&w.m);
    master_seed(&w.m, seeds[0]);
    master_seed(&w.m, seeds[1]);
    peer_join(&w.p, &w.m, "w1", 1);
    for (int turns = 0; turns < 20; turns++) {
        const Trawl__ExchangeReply *x = peer_exchange(&w.p, NULL, 0, 1);
        if (x->n_grants > 0)
            serve(&w, x->grants[0]);
        if (turns == 10)
            master_seed(&w.m, seeds[2]);
        master_wait(&w.m, 1000);
        (void)peer_beat(&w.p, 0);
    }
    assert_int_equal(w.pages_asked, 2);
    assert_int_equal(rules_of(&w, "http://a.example"), 1);
    assert_string_equal(core_why(w.m.core), "--max-pages-per-host reached");
    finish(&w);
}

/* A port that is not fetched from: unavailable. */
static void test_nowhere(void **state) {
    static const struct site sites[] = {
        {"http://a.example/robots.txt", "http://b.example:22/robots.txt"}};
    static const char *const seeds[] = {"http://a.example/"};

    (void)state;
    BEGIN(w, sites);
    crawl(&w, seeds, 1);
    assert_int_equal(w.robots_asked, 1);
    assert_int_equal(w.pages_asked, 1);
    finish(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circle),  cmocka_unit_test(test_longer_circle),
        cmocka_unit_test(test_itself),  cmocka_unit_test(test_crossed),
        cmocka_unit_test(test_back),    cmocka_unit_test(test_full_host),
        cmocka_unit_test(test_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

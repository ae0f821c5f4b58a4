/* verdicts: what the options decide of a URL is decided again when they change, both ways, and when the scope grows; a
 * crash at any write of the pass changes nothing; what the user names is decided again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/peer.h"

/* ---- a crawl of one page with links ------------------------------------------------------------------------------- */

/* Fetches the first URL of what is granted; `to`: it redirects there; else the links, up to NULL, are on it. */
static void fetch_one(struct master *m, const char *to, const char *const *links) {
    struct peer p;
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
    ProtobufCBinaryData list[16];

    peer_join(&p, m, "w1", m->starts);
    const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    outcome.fp = x->grants[0]->items[0]->fp;
    outcome.state = to == NULL ? TRAWL__STATE__FETCHED : TRAWL__STATE__REDIRECTED;
    outcome.status = to == NULL ? 200 : 301;
    if (to != NULL)
        outcome.redirect_to = (ProtobufCBinaryData){strlen(to), (uint8_t *)to};
    for (; links != NULL && links[outcome.n_links] != NULL; outcome.n_links++)
        list[outcome.n_links] = (ProtobufCBinaryData){strlen(links[outcome.n_links]),
                                                      (uint8_t *)links[outcome.n_links]};
    outcome.links = list;
    report.attempt = x->grants[0]->attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = true;
    (void)peer_exchange(&p, &report, NULL, 0);
    assert_int_equal(
        peer_ask(&p, TRAWL__REQUEST__BODY_LEAVE, &(Trawl__Leave)TRAWL__LEAVE__INIT)->code,
        TRAWL__CODE__OK);
    peer_release(&p);
}

static bool is_queued(const struct master *m, const char *path) {
    struct record_key prefix = record_group('q');
    struct store_iter *i =
        store_iter_open(m->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    struct arena arena;
    bool found = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t n;
        const void *value = store_iter_value(i, &n);
        Trawl__QueuedUrl *q = wire_unpack(&arena, &trawl__queued_url__descriptor, value, n);
        assert_non_null(q);
        found |= q->path.len == strlen(path) && memcmp(q->path.data, path, q->path.len) == 0;
    }
    assert_true(store_iter_close(i));
    arena_release(&arena);
    return found;
}

/* Of a URL that is not queued `path` is its path, or all of it if it was excluded unasked. */
static void assert_queued(const struct master *m, const char *path) {
    struct buf told;

    if (!is_queued(m, path))
        print_error("%s is not queued\n", path);
    assert_true(is_queued(m, path));
    buf_init(&told, 4096);
    master_tell(m, path, &told);
    assert_string_equal(told.data, "unknown\n");
    buf_release(&told);
}

static void assert_excluded(const struct master *m, const char *url, const char *reason) {
    char expected[96];
    struct buf told;

    snprintf(expected, sizeof expected, "excluded %s\n", reason);
    buf_init(&told, 4096);
    master_tell(m, url, &told);
    assert_string_equal(told.data, expected);
    assert_false(is_queued(m, url + strlen("http://a.example")));
    buf_release(&told);
}

/* The figures are those of the records. */
static void assert_figures(const struct master *m) {
    struct core_stats s = master_stats(m);

    assert_int_equal(s.known, s.pending + s.fetched + s.redirected + s.excluded + s.failed);
}

/* ---- other options ------------------------------------------------------------------------------------------------ */

static void set_nothing(struct options *o) {
    (void)o;
}

static void set_exclude(struct options *o) {
    assert_true(string_list_add(&o->exclude, "/x"));
}

static void set_include(struct options *o) {
    assert_true(string_list_add(&o->include, "/$|/good"));
}

static void set_host(struct options *o) {
    o->scope = SCOPE_HOST;
}

static void set_url_length(struct options *o) {
    o->max_url_length = 24;
}

static void set_path_depth(struct options *o) {
    o->max_path_depth = 2;
}

static void set_repeats(struct options *o) {
    o->max_repeats = 2;
}

static void set_query_params(struct options *o) {
    o->max_query_params = 1;
}

static void set_template(struct options *o) {
    o->max_per_template = 1;
}

static void set_order_kept(struct options *o) {
    o->query_order_keep = true;
}

/* One link is excluded under `strict` options and not under others. */
static const struct {
    void (*strict)(struct options *);
    void (*loose)(struct options *);
    const char *links[3];
    const char *subject; /* path */
    const char *reason;
} rows[] = {
    {set_exclude, set_nothing, {"/x/1", "/good"}, "/x/1", "exclude"},
    {set_include, set_nothing, {"/x/1", "/good"}, "/x/1", "include"},
    {set_url_length,
     set_nothing,
     {"/a-path-that-is-long"},
     "/a-path-that-is-long",
     "trap-url-length"},
    {set_path_depth, set_nothing, {"/a/b/c/d/e"}, "/a/b/c/d/e", "trap-path-depth"},
    {set_repeats, set_nothing, {"/a/a/a/a"}, "/a/a/a/a", "trap-repeats"},
    {set_query_params, set_nothing, {"/p?a=1&b=2&c=3"}, "/p?a=1&b=2&c=3", "trap-query-params"},
    {set_template, set_nothing, {"/item/1", "/item/2"}, "/item/2", "trap-template"},
    {set_nothing, set_order_kept, {"/p?a=1&b=2", "/p?b=2&a=1"}, "/p?b=2&a=1", "trap-query-order"},
};

static void begin(struct master *m) {
    master_begin(m);
    m->options.keep = true;
    m->options.max_url_length = m->options.max_path_depth = m->options.max_repeats = 0;
    m->options.max_query_params = m->options.max_per_template = 0;
    m->options.query_order_keep = false;
}

/* The same crawldb, under options of its own. */
static void resume(struct master *m, void (*set)(struct options *)) {
    struct master fresh;

    core_free(m->core);
    begin(&fresh);
    store_close(fresh.store);
    options_release(&m->options);
    m->options = fresh.options;
    set(&m->options);
    master_load(m);
}

static void test_options(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct master m;
        char url[96];

        snprintf(url, sizeof url, "http://a.example%s", rows[i].subject);
        begin(&m);
        rows[i].strict(&m.options);
        master_load(&m);
        master_seed(&m, "http://a.example/");
        fetch_one(&m, NULL, rows[i].links);
        assert_excluded(&m, url, rows[i].reason);
        resume(&m, rows[i].loose);
        assert_queued(&m, rows[i].subject);
        assert_int_equal(master_stats(&m).requeued, 1);
        assert_figures(&m);
        resume(&m, rows[i].strict);
        assert_excluded(&m, url, rows[i].reason);
        assert_int_equal(master_stats(&m).excluded_now, 1);
        assert_figures(&m);
        resume(&m, rows[i].strict);
        assert_int_equal(master_stats(&m).excluded_now + master_stats(&m).requeued, 0);
        assert_figures(&m);
        master_end(&m);
    }
}

static void test_scope(void **state) {
    static const char *const links[] = {"http://b.example/page", "/here", NULL};
    struct master m;

    (void)state;
    begin(&m);
    set_host(&m.options);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    fetch_one(&m, NULL, links);
    assert_excluded(&m, "http://b.example/page", "scope");
    resume(&m, set_nothing);
    assert_queued(&m, "/page");
    resume(&m, set_host);
    assert_excluded(&m, "http://b.example/page", "scope");
    /* Named by the user: it, and with it what it brings into scope. */
    master_seed(&m, "http://b.example/");
    master_wait(&m, 3000);
    assert_queued(&m, "/page");
    assert_queued(&m, "/here");
    assert_figures(&m);
    master_end(&m);
}

/* ---- crashes -------------------------------------------------------------------------------------------------------- */

enum { LINKS = 12 };

static struct master many_links(void) {
    static char text[LINKS][32];
    const char *links[LINKS + 1] = {NULL};
    struct master m;
    uint64_t synced;

    begin(&m);
    set_exclude(&m.options);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    for (int i = 0; i < LINKS; i++) {
        snprintf(text[i], sizeof text[i], "/%s/%d", i % 2 == 0 ? "x" : "y", i);
        links[i] = text[i];
    }
    fetch_one(&m, NULL, links);
    assert_true(store_sync(m.store, &synced, NULL));
    return m;
}

/* What was excluded is queued, and the other half the other way round, wherever the pass was cut off; if the next start
 * has the first options again, all is as it was. */
static void crash_at_any_write(bool back) {
    for (uint64_t nth = 1;; nth++) {
        struct master m = many_links();
        struct error err = {0};
        static const unsigned char random16[16] = {9};

        core_free(m.core);
        free(m.options.exclude.items[0]);
        m.options.exclude.items[0] = strdup("/y");
        store_mem_fail_write(m.store, nth, EIO);
        m.core = core_new(&m.options, m.store, m.now, random16, &err);
        bool ended = m.core != NULL;
        core_free(m.core);
        store_mem_fail_write(m.store, 0, 0);
        store_mem_crash(m.store, nth * 7);
        m.options.exclude.items[0][1] = back ? 'x' : 'y';
        master_load(&m);
        for (int i = 0; i < LINKS; i++) {
            char url[64];
            snprintf(url, sizeof url, "http://a.example/%s/%d", i % 2 == 0 ? "x" : "y", i);
            if (i % 2 == back)
                assert_queued(&m, url + strlen("http://a.example"));
            else
                assert_excluded(&m, url, "exclude");
        }
        assert_figures(&m);
        master_end(&m);
        if (ended)
            break;
    }
}

static void test_crash_at_any_write(void **state) {
    (void)state;
    crash_at_any_write(false);
    crash_at_any_write(true);
}

/* The scope grew, and the master was killed before the pass was through: the next start does it. */
static void test_crash_while_scope_grows(void **state) {
    static const char *const links[] = {"http://b.example/page", NULL};
    struct master m;

    (void)state;
    begin(&m);
    set_host(&m.options);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    fetch_one(&m, NULL, links);
    master_wait(&m, 3000);
    master_seed(&m, "http://b.example/");
    master_restart(&m);
    assert_queued(&m, "/page");
    master_end(&m);
}

/* ---- what the user names ----------------------------------------------------------------------------------------------- */

static void end_granted(struct master *m, Trawl__State end, const char *reason) {
    struct peer p;
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};

    peer_join(&p, m, "w1", m->starts);
    const Trawl__ExchangeReply *x = peer_exchange(&p, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    outcome.fp = x->grants[0]->items[0]->fp;
    outcome.state = end;
    outcome.reason = (char *)reason;
    report.attempt = x->grants[0]->attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = true;
    (void)peer_exchange(&p, &report, NULL, 0);
    (void)peer_ask(&p, TRAWL__REQUEST__BODY_LEAVE, &(Trawl__Leave)TRAWL__LEAVE__INIT);
    peer_release(&p);
}

static void test_named(void **state) {
    static const struct {
        Trawl__State end;
        const char *reason, *told;
    } ends[] = {{TRAWL__STATE__FAILED, "timeout", "failed timeout\n"},
                {TRAWL__STATE__EXCLUDED, "robots: line 2", "excluded robots: line 2\n"},
                {TRAWL__STATE__EXCLUDED, "noindex", "excluded noindex\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct master m;
        struct buf told;

        begin(&m);
        master_load(&m);
        master_seed(&m, "http://a.example/");
        end_granted(&m, ends[i].end, ends[i].reason);
        buf_init(&told, 4096);
        master_tell(&m, "/", &told);
        assert_string_equal(told.data, ends[i].told);
        buf_release(&told);
        master_seed(&m, "http://a.example/");
        assert_queued(&m, "/");
        assert_figures(&m);
        master_end(&m);
    }
}

/* What was fetched is not fetched again for being named. */
static void test_named_done(void **state) {
    struct master m;

    (void)state;
    begin(&m);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    fetch_one(&m, NULL, NULL);
    master_seed(&m, "http://a.example/");
    assert_int_equal(master_stats(&m).pending, 0);
    assert_int_equal(master_stats(&m).fetched, 1);
    master_end(&m);
}

static void set_allow_net(struct options *o) {
    assert_true(string_list_add(&o->allow_net, "10.0.0.0/8"));
}

static void set_obey(struct options *o) {
    o->robots_ignore = false;
}

/* An origin that was given up for its address, or its robots.txt, is asked again when that is allowed. */
static void test_parked(void **state) {
    static const struct {
        void (*before)(struct options *), (*after)(struct options *);
        Trawl__Verdict verdict;
        const char *reason, *told;
    } parked[] = {{set_nothing, set_allow_net, TRAWL__VERDICT__FORBIDDEN,
                   "address-not-allowed: 10.0.0.1", "excluded address-not-allowed: 10.0.0.1\n"},
                  {set_obey, set_nothing, TRAWL__VERDICT__UNREACHABLE,
                   "robots-unreachable: timeout", "failed robots-unreachable: timeout\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof parked / sizeof *parked; i++) {
        struct master m;
        struct peer p;
        struct buf told;
        Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;

        begin(&m);
        parked[i].before(&m.options);
        m.options.retries = 1;
        master_load(&m);
        master_seed(&m, "http://a.example/page");
        peer_join(&p, &m, "w1", 1);
        report.attempt = peer_exchange(&p, NULL, NULL, 1)->grants[0]->attempt;
        report.verdict = parked[i].verdict;
        report.reason = (char *)parked[i].reason;
        report.done = true;
        (void)peer_exchange(&p, &report, NULL, 0);
        peer_release(&p);
        master_wait(&m, 1000);
        buf_init(&told, 4096);
        master_tell(&m, "/page", &told);
        assert_string_equal(told.data, parked[i].told);
        buf_release(&told);
        resume(&m, parked[i].after);
        assert_queued(&m, "/page");
        assert_figures(&m);
        peer_join(&p, &m, "w1", 2);
        assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 0); /* in the grace, */
        master_wait(&m, 2 * m.options.lease_ms);
        peer_die(&p);
        assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 1); /* and behind it */
        peer_release(&p);
        master_end(&m);
    }
}

/* ---- redirects of seeds --------------------------------------------------------------------------------------------------- */

static void set_prefix(struct options *o) {
    o->scope = SCOPE_PREFIX;
}

/* A seed's redirect takes its own directory along to another host, and nothing else. */
static void test_redirect_of_seed(void **state) {
    static const struct {
        void (*scope)(struct options *);
        const char *seed, *to;
        const char *in, *out; /* in scope and out of it after that; NULL: none */
    } cases[] = {
        {set_prefix, "http://example.com/docs/a", "http://example.com/b", NULL,
         "http://example.com/c"},
        {set_prefix, "http://example.com/docs/a", "http://example.com/", NULL,
         "http://example.com/c"},
        {set_prefix, "http://example.com/docs/a?x=/y/", "https://www.example.com/docs/z",
         "https://www.example.com/docs/more/2", "https://www.example.com/other"},
        {set_prefix, "http://example.com/docs/a", "https://www.example.com/",
         "https://www.example.com/docs/2", "https://www.example.com/other"},
        {set_prefix, "http://example.com/docs/a", "http://example.com/docs/b",
         "http://example.com/docs/c/d", "http://example.com/other"},
        {set_host, "http://example.com/a", "https://www.example.com/b", "https://www.example.com/c",
         "http://other.example.com/"},
        {set_host, "http://example.com/a", "http://elsewhere.example/", "http://example.com/c",
         "http://elsewhere.example/b"},
        {set_host, "http://example.com/a", "http://example.com:8080/", NULL,
         "http://www.example.com/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *links[] = {cases[i].out, cases[i].in, NULL};
        struct master m;

        begin(&m);
        cases[i].scope(&m.options);
        master_load(&m);
        master_seed(&m, cases[i].seed);
        fetch_one(&m, cases[i].to, links);
        assert_excluded(&m, cases[i].out, "scope");
        if (cases[i].in != NULL)
            assert_queued(&m, strchr(strstr(cases[i].in, "://") + 3, '/'));
        master_end(&m);
    }
}

/* What lies there was found before the seed redirected. */
static void test_redirect_comes_later(void **state) {
    static const char *const links[] = {"http://www.example.com/page", "http://www.example.com/to",
                                        NULL};
    struct master m;

    (void)state;
    begin(&m);
    set_host(&m.options);
    master_load(&m);
    master_seed(&m, "http://a.example/");
    fetch_one(&m, NULL, links);
    assert_excluded(&m, "http://www.example.com/page", "scope");
    master_seed(&m, "http://example.com/");
    fetch_one(&m, "http://www.example.com/to", NULL);
    master_wait(&m, 3000);
    assert_queued(&m, "/page");
    assert_queued(&m, "/to");
    assert_figures(&m);
    master_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_crash_at_any_write),
        cmocka_unit_test(test_crash_while_scope_grows),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_named_done),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_redirect_of_seed),
        cmocka_unit_test(test_redirect_comes_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

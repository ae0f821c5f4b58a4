/* traps: what the master excludes on discovery, what it counts, and that a restart changes neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "master/core_state.h"
#include "master/store_mem.h"

static const struct now now = {.mono_ms = 1000, .unix_ms = 1700000000000};

struct crawl {
    struct options options;
    struct store *store;
    struct core *core;
};

static void load(struct crawl *k) {
    static const unsigned char random16[16] = {1};
    struct error err = {0};

    k->core = core_new(&k->options, k->store, now, random16, &err);
    assert_non_null(k->core);
}

static void begin(struct crawl *k) {
    assert_true(options_init(&k->options));
    k->options.scope = SCOPE_ANY;
    k->store = store_mem_new();
    assert_non_null(k->store);
}

static void restart(struct crawl *k) {
    core_free(k->core);
    load(k);
}

static void end(struct crawl *k) {
    core_free(k->core);
    store_close(k->store);
    options_release(&k->options);
}

static void find(struct crawl *k, const char *url, struct discovery d) {
    assert_true(frontier_discover(k->core, now, url, strlen(url), d));
    assert_true(core_flush(k->core));
}

static void find_link(struct crawl *k, const char *url) {
    find(k, url, (struct discovery){.depth = 1});
}

static void assert_counts(const struct crawl *k, uint64_t pending, uint64_t excluded) {
    struct core_stats s;

    core_stats(k->core, &s);
    assert_int_equal(s.pending, pending);
    assert_int_equal(s.excluded, excluded);
}

static void test_limits(void **state) {
    struct crawl k;

    (void)state;
    begin(&k);
    load(&k);
    find_link(&k, "http://a/x/x/x");
    assert_counts(&k, 1, 0);
    find_link(&k, "http://a/x/x/x/x");
    find_link(&k, "http://a/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21");
    assert_counts(&k, 1, 2);
    assert_int_equal(k.core->traps.excluded[TRAP_REPEATS], 1);
    assert_int_equal(k.core->traps.excluded[TRAP_PATH_DEPTH], 1);
    restart(&k);
    assert_counts(&k, 1, 2);
    assert_int_equal(k.core->traps.excluded[TRAP_REPEATS], 1);
    /* Who names a URL means it. */
    find(&k, "http://a/x/x/x/x/x", (struct discovery){.seed = true});
    assert_counts(&k, 2, 2);
    end(&k);
}

static void test_query_order(void **state) {
    struct crawl k;

    (void)state;
    begin(&k);
    load(&k);
    find_link(&k, "http://a/?x=1&y=2");
    find_link(&k, "http://a/?y=2&x=1");
    assert_counts(&k, 1, 1);
    restart(&k);
    find_link(&k, "http://a/?y=2&x=1&z=3");
    find_link(&k, "http://a/?z=3&x=1&y=2");
    find_link(&k, "http://a/?&y=2&x=1");
    assert_counts(&k, 2, 3);
    assert_int_equal(k.core->traps.excluded[TRAP_QUERY_ORDER], 3);
    /* A server that puts them in order by a redirect shows the page only there. */
    find(&k, "http://a/?y=2&z=3&x=1", (struct discovery){.depth = 1, .hops = 1});
    assert_counts(&k, 3, 3);
    end(&k);

    begin(&k);
    k.options.query_order_keep = true;
    load(&k);
    find_link(&k, "http://a/?x=1&y=2");
    find_link(&k, "http://a/?y=2&x=1");
    assert_counts(&k, 2, 0);
    end(&k);
}

static void test_templates(void **state) {
    struct crawl k;

    (void)state;
    begin(&k);
    k.options.max_per_template = 3;
    load(&k);
    find_link(&k, "http://a/cal/1/1");
    find_link(&k, "http://a/cal/1/2");
    restart(&k);
    find_link(&k, "http://a/cal/1/3");
    assert_counts(&k, 3, 0);
    find_link(&k, "http://a/cal/2/1");
    restart(&k);
    find_link(&k, "http://a/cal/2/2");
    assert_counts(&k, 3, 2);
    assert_int_equal(k.core->traps.excluded[TRAP_TEMPLATE], 2);
    find_link(&k, "http://b/cal/1/1");
    find_link(&k, "http://a/cal/1/x");
    assert_counts(&k, 5, 2);
    end(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_query_order),
        cmocka_unit_test(test_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* sitemaps: which ones the master fetches, what their links are taken for, and that a restart changes neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "master/core_state.h"
#include "master/store_mem.h"
#include "shared/limits.h"
#include "shared/robots.h"

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

/* A crawl of http://a/ and what --scope host makes of it. */
static void begin(struct crawl *k) {
    struct error err = {0};

    assert_true(options_init(&k->options));
    assert_true(string_list_add(&k->options.exclude, "hidden"));
    k->store = store_mem_new();
    assert_non_null(k->store);
    load(k);
    assert_true(core_seed(k->core, now, "http://a/", 9, &err));
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

/* The robots.txt of the origin becomes known. */
static void robots(struct crawl *k, const char *origin, const char *text) {
    struct origin *o = origin_get(k->core, origin, strlen(origin));
    Trawl__RobotsReport m = TRAWL__ROBOTS_REPORT__INIT;
    struct robots rules;
    struct buf encoded;

    assert_non_null(o);
    robots_init(&rules);
    buf_init(&encoded, LIMIT_ROBOTS_ENCODED_BYTES);
    assert_true(robots_parse(&rules, text, strlen(text), "trawl"));
    assert_true(robots_encode(&rules, &encoded));
    m.rules = (ProtobufCBinaryData){.data = (uint8_t *)encoded.data, .len = encoded.len};
    m.valid_ms = LIMIT_ROBOTS_VALID_MS;
    origin_robots(k->core, now, o, &m);
    assert_true(core_flush(k->core));
    buf_release(&encoded);
    robots_release(&rules);
}

/* How the URL is known: "page", "sitemap N depth D", the reason of its exclusion, or "" if it is not. */
static const char *known(struct crawl *k, const char *url) {
    static char text[64];
    uint64_t fp = frontier_fingerprint(k->core, url, strlen(url));
    struct record_key done = record_done(fp), prefix = record_group('q');
    struct store_iter *i;
    struct arena arena;

    text[0] = '\0';
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_reset(&k->core->value);
    if (store_get(k->store, done.bytes, done.len, &k->core->value) == STORE_FOUND) {
        Trawl__DoneUrl *d = wire_unpack(&arena, &trawl__done_url__descriptor, k->core->value.data,
                                        k->core->value.len);
        assert_non_null(d);
        snprintf(text, sizeof text, "%s", d->reason);
    }
    i = store_iter_open(k->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    for (; store_iter_valid(i); store_iter_next(i)) {
        size_t len;
        const void *value = store_iter_value(i, &len);
        Trawl__QueuedUrl *q = wire_unpack(&arena, &trawl__queued_url__descriptor, value, len);
        assert_non_null(q);
        if (q->fp != fp)
            continue;
        assert_int_equal(text[0], '\0');
        if (q->sitemap == 0)
            snprintf(text, sizeof text, "page");
        else
            snprintf(text, sizeof text, "sitemap %u depth %u", q->sitemap, q->depth);
    }
    store_iter_close(i);
    arena_release(&arena);
    return text;
}

static void find(struct crawl *k, const char *url, struct discovery d) {
    assert_true(frontier_discover(k->core, now, url, strlen(url), d));
    assert_true(core_flush(k->core));
}

static void test_robots(void **state) {
    struct crawl k;

    (void)state;
    begin(&k);
    robots(&k, "http://a",
           "Sitemap: http://a/s.xml\nSitemap: http://b/s.xml\nSitemap: t.xml\nSitemap: ftp://a/x\n"
           "Sitemap: http://a/hidden.xml\nSitemap: http://a:22/x\nSitemap: http://[\n");
    assert_string_equal(known(&k, "http://a/s.xml"), "sitemap 1 depth 0");
    assert_string_equal(known(&k, "http://b/s.xml"), "sitemap 1 depth 0");
    assert_string_equal(known(&k, "http://a/t.xml"), "sitemap 1 depth 0");
    assert_string_equal(known(&k, "http://a/hidden.xml"), "exclude");
    assert_string_equal(known(&k, "http://a:22/x"), "port");
    /* There is no page of b: what its robots.txt names is nobody's wish. */
    robots(&k, "http://b", "Sitemap: http://c/s.xml\n");
    assert_string_equal(known(&k, "http://c/s.xml"), "");
    restart(&k);
    assert_string_equal(known(&k, "http://a/s.xml"), "sitemap 1 depth 0");
    struct core_stats s;
    core_stats(k.core, &s);
    assert_int_equal(s.pending, 4);
    end(&k);
}

/* The rules come first, the page later, and a restart between. Sitemaps are as far from a seed as the origin. */
static void test_page_later(void **state) {
    struct crawl k;
    struct error err = {0};

    (void)state;
    begin(&k);
    robots(&k, "http://b", "Sitemap: http://b/s.xml\n");
    restart(&k);
    assert_string_equal(known(&k, "http://b/s.xml"), "");
    k.options.scope = SCOPE_ANY;
    restart(&k);
    find(&k, "http://b/page", (struct discovery){.depth = 7});
    assert_string_equal(known(&k, "http://b/s.xml"), "sitemap 1 depth 7");
    restart(&k);
    robots(&k, "http://b", "Sitemap: http://b/t.xml\n");
    assert_string_equal(known(&k, "http://b/t.xml"), "sitemap 1 depth 7");
    assert_true(core_sitemap(k.core, now, "http://b/u.xml", 14, &err));
    assert_string_equal(known(&k, "http://b/u.xml"), "sitemap 1 depth 0");
    end(&k);
}

static void test_off(void **state) {
    struct crawl k;
    struct error err = {0};

    (void)state;
    begin(&k);
    k.options.sitemaps_off = true;
    robots(&k, "http://a", "Sitemap: http://a/s.xml\n");
    assert_string_equal(known(&k, "http://a/s.xml"), "");
    assert_true(core_sitemap(k.core, now, "http://b/s.xml", 14, &err));
    assert_string_equal(known(&k, "http://b/s.xml"), "sitemap 1 depth 0");
    assert_false(core_sitemap(k.core, now, "nothing", 7, &err));
    end(&k);
}

static struct discovery link_of(uint32_t level, bool index, const char *link) {
    struct lease_item it = {.fp = 5, .depth = 3, .sitemap = level};
    Trawl__Outcome o = TRAWL__OUTCOME__INIT;

    o.sitemaps = index;
    return sitemaps_link(&it, &o,
                         (ProtobufCBinaryData){.data = (uint8_t *)link, .len = strlen(link)});
}

static void test_links(void **state) {
    struct discovery d;
    struct crawl k;

    (void)state;
    d = link_of(1, false, "/p");
    assert_int_equal(d.sitemap, 0);
    assert_int_equal(d.depth, 4);
    assert_int_equal(d.via, 5);
    assert_false(d.named);
    d = link_of(1, true, "/s.xml");
    assert_int_equal(d.sitemap, 2);
    assert_int_equal(d.depth, 3);
    assert_true(d.named);
    /* Elsewhere it has to be in scope. */
    assert_false(link_of(1, true, "http://b/s.xml").named);
    /* An index that a page links to. */
    assert_int_equal(link_of(0, true, "/s.xml").sitemap, 2);

    begin(&k);
    find(&k, "http://a/5", (struct discovery){.sitemap = LIMIT_SITEMAP_NESTING, .named = true});
    find(&k, "http://a/6", (struct discovery){.sitemap = LIMIT_SITEMAP_NESTING + 1, .named = true});
    find(&k, "http://b/2", (struct discovery){.sitemap = 2});
    assert_string_equal(known(&k, "http://a/5"), "sitemap 5 depth 0");
    assert_string_equal(known(&k, "http://a/6"), "sitemap-nesting");
    assert_string_equal(known(&k, "http://b/2"), "scope");
    end(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_robots),
        cmocka_unit_test(test_page_later),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

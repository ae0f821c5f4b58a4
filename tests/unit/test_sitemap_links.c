/* sitemap_links: canonical, distinct, absolute; what is no URL harms no other; storage is reused. */
#include "worker/sitemap_links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shared/buf.h"

static struct url document;

static void assert_reads(struct sitemap_links *l, const char *body, enum sitemap_kind kind,
                         enum sitemap_result result, const char *urls) {
    struct buf all;

    sitemap_links_read(l, &document, NULL, body, strlen(body));
    assert_int_equal(l->kind, kind);
    assert_int_equal(l->result, result);
    buf_init(&all, 1 << 20);
    buf_append_str(&all, "");
    for (size_t i = 0; i < l->list.count; i++)
        buf_printf(&all, "%s\n", sitemap_links_url(l, i));
    assert_string_equal(all.data == NULL ? "" : all.data, urls);
    buf_release(&all);
}

static void test_links(void **state) {
    struct sitemap_links l;

    (void)state;
    sitemap_links_init(&l);
    assert_reads(&l, "http://A/x/../y#z\nhttp://a/y\nhttp://[bad\nhttp://a/\xc3\xa4 b\nhttp://b\n",
                 SITEMAP_TEXT, SITEMAP_OK, "http://a/y\nhttp://a/%C3%A4%20b\nhttp://b/\n");
    assert_reads(&l, "<sitemapindex><sitemap><loc>http://a/1</loc></sitemap></sitemapindex>",
                 SITEMAP_INDEX, SITEMAP_OK, "http://a/1\n");
    assert_reads(&l, "<urlset><url><loc>http://a/1</loc></url>", SITEMAP_URLSET, SITEMAP_DAMAGED,
                 "http://a/1\n");
    /* The server's own octets; a feed's own place. */
    assert_reads(&l, "http://a/caf\xe9\nhttp://a/b\n", SITEMAP_TEXT, SITEMAP_OK,
                 "http://a/caf%E9\nhttp://a/b\n");
    assert_reads(&l, "<feed><entry><link href='../x'/></entry></feed>", SITEMAP_ATOM, SITEMAP_OK,
                 "http://h.example/x\n");
    assert_reads(&l, "<p>no</p>", SITEMAP_UNKNOWN, SITEMAP_NOT_ONE, "");
    sitemap_links_release(&l);
}

/* As many as a sitemap may have, and one more. */
static void test_full(void **state) {
    struct sitemap_links l;
    struct buf body;

    (void)state;
    sitemap_links_init(&l);
    buf_init(&body, 8 << 20);
    for (int i = 0; i < SITEMAP_URLS_MAX; i++)
        buf_printf(&body, "http://a/%d\n", i);
    sitemap_links_read(&l, &document, NULL, body.data, body.len);
    assert_int_equal(l.result, SITEMAP_OK);
    assert_int_equal(l.list.count, SITEMAP_URLS_MAX);
    buf_append_str(&body, "http://a/x\n");
    sitemap_links_read(&l, &document, NULL, body.data, body.len);
    assert_int_equal(l.result, SITEMAP_LIMITED);
    assert_int_equal(l.list.count, SITEMAP_URLS_MAX);
    buf_release(&body);
    sitemap_links_release(&l);
}

static int set_up(void **state) {
    (void)state;
    url_init(&document);
    return (int)url_parse(&document, "http://h.example/d/feed", 23, NULL);
}

static int tear_down(void **state) {
    (void)state;
    url_release(&document);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

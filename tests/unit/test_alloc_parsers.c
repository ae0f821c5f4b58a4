/*
 * Memory runs out at the N-th allocation of a parser, for every N: it says so, or gives what it gives otherwise;
 * nothing leaks, and the same object does its work when it is asked again with memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "proto/wire.h"
#include "shared/cdxj.h"
#include "shared/content.h"
#include "shared/css.h"
#include "shared/page.h"
#include "shared/robots.h"
#include "shared/scope.h"
#include "shared/sitemap.h"
#include "shared/url.h"
#include "shared/warc_read.h"
#include "shared/warc_write.h"
#include "tests/unit/alloc.h"
#include "worker/sitemap_links.h"

#ifndef ALLOC_OWN

enum { OUT_BYTES = 1 << 16, SWEEP_MAX = 20000 };

/* One piece of work, which tells what it found in `out`; false: no memory, and `out` does not count. `again` objects
 * are kept from call to call, as their users keep them. */
struct work {
    void *(*make)(void); /* NULL: nothing is kept; may itself be refused memory */
    void (*drop)(void *kept);
    bool (*run)(void *kept, struct buf *out);
};

/* Writes to `out` are the test's own: there is room. */
static void tell(struct buf *out, const void *bytes, size_t len) {
    assert_true(buf_append(out, bytes, len) && buf_append_char(out, '\n'));
}

static void tell_number(struct buf *out, uint64_t n) {
    char text[32];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)n);

    tell(out, text, (size_t)len);
}

/* With the n-th allocation refused; then, with the same object, once more. True: there were fewer than n. */
static bool run_without(const struct work *w, unsigned long n, const struct buf *expected,
                        struct buf *out, unsigned *refused) {
    buf_reset(out);
    alloc_fail_at(n);
    void *kept = w->make == NULL ? NULL : w->make();
    bool made = w->make == NULL || kept != NULL;
    bool done = made && w->run(kept, out);
    bool all = alloc_stop();
    if (done)
        assert_string_equal(out->data, expected->data);
    else
        ++*refused;
    assert_true(done || !all);
    if (made) {
        buf_reset(out);
        assert_true(w->run(kept, out));
        assert_string_equal(out->data, expected->data);
    }
    if (kept != NULL)
        w->drop(kept);
    OPENSSL_thread_stop(); /* its own queue of errors */
    return all;
}

static void sweep(const struct work *w) {
    struct buf expected, out;
    unsigned refused = 0;
    unsigned long n = 1;

    buf_init(&expected, OUT_BYTES);
    buf_init(&out, OUT_BYTES);
    assert_true(buf_reserve(&expected, OUT_BYTES) && buf_reserve(&out, OUT_BYTES));
    void *kept = w->make == NULL ? NULL : w->make();
    assert_true(w->run(kept, &expected));
    assert_true(expected.len > 0);
    if (kept != NULL)
        w->drop(kept);
    OPENSSL_thread_stop();
    for (bool all = false; !all; n++) {
        assert_true(n < SWEEP_MAX);
        long live = alloc_live;
        all = run_without(w, n, &expected, &out, &refused);
        assert_int_equal(alloc_live, live);
    }
    /* Something was refused, and it was told. */
    assert_true(refused > 0);
    buf_release(&expected);
    buf_release(&out);
}

/* ---- URLs ------------------------------------------------------------------------------------------------------- */

static void *make_url(void) {
    struct url *u = malloc(sizeof *u);

    if (u != NULL)
        url_init(u);
    return u;
}

static void drop_url(void *kept) {
    url_release(kept);
    free(kept);
}

static bool run_url(void *kept, struct buf *out) {
    static const char *const texts[] = {
        "http://EXAMPLE.org:80/a/../b?q=1#f",
        "https://user:pass@\303\274ber.example/\303\244?\303\266",
        "http://xn--bcher-kva.example/x",
        "http://0x7f.1/",
        "http://[::1]:8080/%zz",
        "../rel/./ative?x y",
        "data:text/plain,x",
        "http://a b/",
    };
    struct url base, *u = kept;
    bool fine = true;

    url_init(&base);
    fine = url_parse(&base, "http://base.example/dir/page", 28, NULL) == URL_OK;
    for (size_t i = 0; fine && i < sizeof texts / sizeof texts[0]; i++) {
        enum url_result why = url_parse(u, texts[i], strlen(texts[i]), &base);
        fine = why != URL_NO_MEMORY;
        tell_number(out, why);
        if (why != URL_OK)
            continue;
        url_canonicalise(u);
        tell(out, u->href, u->href_len);
    }
    url_release(&base);
    return fine;
}

static void test_url(void **state) {
    (void)state;
    sweep(&(struct work){make_url, drop_url, run_url});
}

/* ---- robots.txt --------------------------------------------------------------------------------------------------- */

static bool run_robots(void *kept, struct buf *out) {
    static const char text[] = "User-agent: trawl\nDisallow: /a*b$\nAllow: /a\nCrawl-delay: 2\n\n"
                               "User-agent: *\nDisallow: /\nSitemap: http://x.example/s.xml\n";
    struct robots rules, again;
    struct buf bytes;

    (void)kept;
    robots_init(&rules);
    robots_init(&again);
    buf_init(&bytes, 1 << 16);
    bool fine =
        robots_parse(&rules, text, sizeof text - 1, "trawl") && robots_encode(&rules, &bytes);
    if (fine && !robots_decode(&again, bytes.data, bytes.len)) {
        assert_true(again.no_memory);
        /* Without rules nothing is allowed. */
        assert_false(robots_allowed(&again, "/a", 2, NULL));
        fine = false;
    }
    if (fine) {
        tell_number(out, robots_allowed(&again, "/a", 2, NULL));
        tell_number(out, robots_allowed(&again, "/axb", 4, NULL));
        tell_number(out, robots_crawl_delay_ms(&again));
        tell_number(out, again.sitemap_count);
    }
    buf_release(&bytes);
    robots_release(&again);
    robots_release(&rules);
    return fine;
}

static void test_robots(void **state) {
    (void)state;
    sweep(&(struct work){NULL, NULL, run_robots});
}

/* ---- pages and what is in them -------------------------------------------------------------------------------------- */

static void *make_page(void) {
    struct page *p = malloc(sizeof *p);

    if (p != NULL)
        page_init(p);
    return p;
}

static void drop_page(void *kept) {
    page_release(kept);
    free(kept);
}

static bool extract(struct page *p, const struct page_input *in, struct buf *out) {
    if (page_extract(p, in) != PAGE_OK)
        return false;
    for (size_t i = 0; i < p->links.count; i++)
        tell(out, page_link_url(p, i), strlen(page_link_url(p, i)));
    if (p->canonical.len > 0)
        tell(out, p->canonical.data, p->canonical.len);
    tell_number(out, p->links_refused);
    return true;
}

static bool run_page(void *kept, struct buf *out) {
    static const char html[] =
        "<!doctype html><html><head><title>x</title><meta http-equiv=refresh content='1; url=/r'>"
        "<base href='/base/'><link rel=canonical href=c><link rel=stylesheet href=s.css>"
        "<style>@import 'i.css'; a { background: url(\\62 g.png) }</style></head><body>"
        "<a href='one?a=1&amp;b=2'>1</a><a href='one?a=1&amp;b=2'>1</a><a href='mailto:x@y'>m</a>"
        "<img src=i.png srcset='a.png 1x, b.png 2x'><iframe src=f></iframe>"
        "<p style='background:url(p.png)'><a href='http://b\xfc"
        "cher.example/\xe4?\xf6'>u</a>";
    static const char utf16[] = "\xff\xfe<\0a\0 \0h\0r\0e\0f\0=\0x\0>\0";
    static const char css[] = "@import url(\"a.css\"); b { background: url(b\\.png) }";
    struct page_input in = {.body = html, .body_len = sizeof html - 1, .follow = PAGE_FOLLOW_ALL};
    struct url document;

    url_init(&document);
    bool fine = url_parse(&document, "http://a.example/x/y", 20, NULL) == URL_OK;
    in.document = &document;
    in.content_type = "text/html; charset=iso-8859-1";
    in.content_type_len = strlen(in.content_type);
    fine = fine && extract(kept, &in, out);
    in.body = utf16;
    in.body_len = sizeof utf16 - 1;
    in.content_type = "text/html";
    in.content_type_len = strlen(in.content_type);
    fine = fine && extract(kept, &in, out);
    in.body = css;
    in.body_len = sizeof css - 1;
    in.content_type = "text/css";
    in.content_type_len = strlen(in.content_type);
    fine = fine && extract(kept, &in, out);
    url_release(&document);
    return fine;
}

static void test_page(void **state) {
    (void)state;
    sweep(&(struct work){make_page, drop_page, run_page});
}

static bool run_css(void *kept, struct buf *out) {
    static const char text[] =
        "@import 'a.css'; x { y: url(  \"b\\000063.png\" ) } z { url(d.png) }";
    struct css c;
    struct buf url;

    (void)kept;
    buf_init(&url, 1024);
    css_init(&c, text, sizeof text - 1);
    while (css_next(&c, &url))
        tell(out, url.data, url.len);
    buf_release(&url);
    return !c.no_memory;
}

static void test_css(void **state) {
    (void)state;
    sweep(&(struct work){NULL, NULL, run_css});
}

/* ---- sitemaps --------------------------------------------------------------------------------------------------------- */

static void *make_sitemap_links(void) {
    struct sitemap_links *l = malloc(sizeof *l);

    if (l != NULL)
        sitemap_links_init(l);
    return l;
}

static void drop_sitemap_links(void *kept) {
    sitemap_links_release(kept);
    free(kept);
}

static bool read_sitemap(struct sitemap_links *l, const char *text, size_t len, struct buf *out) {
    struct url from;

    url_init(&from);
    bool ok = url_parse(&from, "http://h.example/d/feed", 23, NULL) == URL_OK;
    if (ok)
        sitemap_links_read(l, &from, NULL, text, len);
    url_release(&from);
    if (!ok)
        return false;
    if (l->result == SITEMAP_NO_MEMORY)
        return false;
    tell_number(out, l->kind);
    tell_number(out, l->result);
    for (size_t i = 0; i < l->list.count; i++)
        tell(out, sitemap_links_url(l, i), strlen(sitemap_links_url(l, i)));
    return true;
}

static bool run_sitemap(void *kept, struct buf *out) {
    static const char xml[] = "<?xml version='1.0'?><urlset "
                              "xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
                              "<url><loc>http://a.example/&amp;1</loc><lastmod>x</lastmod></url>"
                              "<url><loc><![CDATA[http://a.example/2]]></loc></url></urlset>";
    static const char text[] = "http://a.example/1\r\nhttp://a.example/2\n";
    static const char rss[] = "<rss version='2.0'><channel><link>http://a.example/</link><item>"
                              "<link>http://a.example/i</link></item></channel></rss>";

    return read_sitemap(kept, xml, sizeof xml - 1, out) &&
           read_sitemap(kept, text, sizeof text - 1, out) &&
           read_sitemap(kept, rss, sizeof rss - 1, out);
}

static void test_sitemap(void **state) {
    (void)state;
    sweep(&(struct work){make_sitemap_links, drop_sitemap_links, run_sitemap});
}

/* ---- content codings -------------------------------------------------------------------------------------------------- */

static const unsigned char gzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                     0x2b, 0x29, 0x4a, 0x2c, 0xcf, 0x51, 0x28, 0x41, 0x90, 0x00,
                                     0xf8, 0xa6, 0xf1, 0xc4, 0x11, 0x00, 0x00, 0x00};

static bool decode(const char *coding, const void *bytes, size_t len, struct buf *out) {
    struct buf body;

    buf_init(&body, 1 << 20);
    enum content_result why = content_decode(coding, strlen(coding), bytes, len, &body, NULL);
    if (why != CONTENT_NO_MEMORY) {
        tell_number(out, why);
        tell(out, body.len > 0 ? body.data : "", body.len);
    }
    buf_release(&body);
    return why != CONTENT_NO_MEMORY;
}

static bool run_content(void *kept, struct buf *out) {
    static const unsigned char zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x65, 0x00, 0x00,
                                         0x30, 0x74, 0x72, 0x61, 0x77, 0x6c, 0x20, 0x01, 0x00,
                                         0x31, 0x4a, 0x11, 0x07, 0x7f, 0x83, 0x3c};
    static const unsigned char br[] = {0x1f, 0x1d, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55,
                                       0x86, 0xd6, 0x6c, 0x20, 0x69, 0x6f, 0xd3, 0x10, 0x49, 0xe6,
                                       0xa9, 0x03, 0x52, 0x1a, 0xf1, 0x78, 0xd1, 0x0c};

    (void)kept;
    return decode("gzip", gzip, sizeof gzip, out) && decode("zstd", zstd, sizeof zstd, out) &&
           decode("br", br, sizeof br, out) && decode("gzip", gzip, 12, out) &&
           decode("identity", "x", 1, out);
}

static void test_content(void **state) {
    struct buf out;

    (void)state;
    buf_init(&out, OUT_BYTES);
    assert_true(run_content(NULL, &out));
    assert_non_null(
        strstr(out.data,
               "0\ntrawl trawl trawl\n0\ntrawl trawl trawl\n0\nhello hello hello hello brotli\n"));
    buf_release(&out);
    sweep(&(struct work){NULL, NULL, run_content});
}

/* ---- WARC ------------------------------------------------------------------------------------------------------------- */

struct warc {
    struct buf bytes; /* the file; has its room before */
};

static bool give(void *arg, const void *bytes, size_t len) {
    struct warc *w = arg;

    return buf_append(&w->bytes, bytes, len);
}

static void *make_warc(void) {
    struct warc *w = malloc(sizeof *w);

    if (w == NULL)
        return NULL;
    buf_init(&w->bytes, OUT_BYTES);
    if (buf_reserve(&w->bytes, OUT_BYTES))
        return w;
    free(w);
    return NULL;
}

static void drop_warc(void *kept) {
    buf_release(&((struct warc *)kept)->bytes);
    free(kept);
}

static bool write_warc(struct warc *file) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
    const struct warc_write_piece body = {.bytes = "<p>hello", .len = 8};
    const struct warc_write_record r = {.type = WARC_WRITE_RESPONSE,
                                        .date_ms = 1700000000000,
                                        .uri = "http://a.example/",
                                        .uri_len = 17,
                                        .head = head,
                                        .head_len = sizeof head - 1,
                                        .body = &body,
                                        .body_count = 1};
    struct warc_write_place place;
    struct warc_write *w = warc_write_new(6, (struct warc_write_sink){give, file});

    buf_reset(&file->bytes);
    enum warc_write_result why = WARC_WRITE_NO_MEMORY;
    if (w != NULL)
        why = warc_write_info(w, 1700000000000, "x.warc.gz", "software: t\r\n", 13, &place);
    if (why == WARC_WRITE_OK)
        why = warc_write_record(w, &r, &place);
    warc_write_free(w);
    assert_true(why == WARC_WRITE_OK || why == WARC_WRITE_NO_MEMORY);
    return why == WARC_WRITE_OK;
}

static bool read_warc(const struct warc *file, struct buf *out) {
    const struct warc_read_record *record;
    struct warc_read_report report;
    struct warc_read *r = warc_read_new();
    enum warc_read_result why = WARC_READ_NO_MEMORY;

    if (r == NULL)
        return false;
    warc_read_open_bytes(r, file->bytes.data, file->bytes.len);
    while ((why = warc_read_next(r, &record)) == WARC_READ_RECORD) {
        why = warc_read_check(r, &report);
        if (why != WARC_READ_RECORD)
            break;
        tell(out, record->type, strlen(record->type));
        tell_number(out, report.problems);
        tell_number(out, report.payload_bytes);
    }
    warc_read_free(r);
    assert_true(why == WARC_READ_END || why == WARC_READ_NO_MEMORY);
    return why == WARC_READ_END;
}

static bool run_warc(void *kept, struct buf *out) {
    return write_warc(kept) && read_warc(kept, out);
}

static void test_warc(void **state) {
    (void)state;
    sweep(&(struct work){make_warc, drop_warc, run_warc});
}

/* ---- the wire, the index, the scope ------------------------------------------------------------------------------------- */

static bool run_wire(void *kept, struct buf *out) {
    uint64_t attempts[] = {1, 2, 3};
    Trawl__Heartbeat beat = TRAWL__HEARTBEAT__INIT;
    Trawl__Request request = TRAWL__REQUEST__INIT;
    struct arena arena;
    struct buf bytes;

    (void)kept;
    beat.attempts = attempts;
    beat.n_attempts = 3;
    request.version = WIRE_VERSION;
    request.body_case = TRAWL__REQUEST__BODY_HEARTBEAT;
    request.heartbeat = &beat;
    buf_init(&bytes, 4096);
    arena_init(&arena, 1 << 20);
    bool fine = wire_pack(&bytes, &request.base);
    const Trawl__Request *back = fine ? wire_request_unpack(&arena, bytes.data, bytes.len) : NULL;
    fine = back != NULL;
    if (fine) {
        tell_number(out, back->heartbeat->n_attempts);
        tell_number(out, back->heartbeat->attempts[2]);
    }
    arena_release(&arena);
    buf_release(&bytes);
    return fine;
}

static void test_wire(void **state) {
    (void)state;
    sweep(&(struct work){NULL, NULL, run_wire});
}

static bool run_cdxj(void *kept, struct buf *out) {
    const struct cdxj_record record = {.url = "http://www.a.example:81/X/?b=2&a=1",
                                       .url_len = 34,
                                       .date_ms = 1700000000000,
                                       .mime = "text/html",
                                       .status = 200,
                                       .digest = "sha1:X",
                                       .length = 1,
                                       .filename = "x.warc.gz"};
    struct buf line;

    (void)kept;
    buf_init(&line, 4096);
    bool fine = cdxj_append(&line, &record);
    if (fine)
        tell(out, line.data, line.len);
    buf_release(&line);
    return fine;
}

static void test_cdxj(void **state) {
    (void)state;
    sweep(&(struct work){NULL, NULL, run_cdxj});
}

static bool run_scope(void *kept, struct buf *out) {
    char *include[] = {(char[]){"^http://(a|b)\\.example/"}};
    struct options options;
    struct error err = {0};
    struct url u;
    bool fine = options_init(&options);

    (void)kept;
    url_init(&u);
    fine = fine && string_list_add(&options.include, include[0]) &&
           string_list_add(&options.exclude, "\\.pdf$");
    struct scope *s = fine ? scope_new(&options, &err) : NULL;
    fine = s != NULL && url_parse(&u, "http://a.example/x.pdf", 22, NULL) == URL_OK &&
           scope_add_seed(s, &u);
    if (fine)
        tell_number(out, scope_check(s, &u));
    fine = fine && url_parse(&u, "http://a.example/x", 18, NULL) == URL_OK;
    if (fine)
        tell_number(out, scope_check(s, &u));
    fine = fine && !scope_no_memory(s);
    scope_free(s);
    url_release(&u);
    options_release(&options);
    return fine;
}

static void test_scope(void **state) {
    (void)state;
    sweep(&(struct work){NULL, NULL, run_scope});
}

#define SWEEPS                                                                                     \
    cmocka_unit_test(test_url), cmocka_unit_test(test_robots), cmocka_unit_test(test_page),        \
        cmocka_unit_test(test_css), cmocka_unit_test(test_sitemap),                                \
        cmocka_unit_test(test_content), cmocka_unit_test(test_warc), cmocka_unit_test(test_wire),  \
        cmocka_unit_test(test_cdxj), cmocka_unit_test(test_scope)
#else
static void test_sanitizer(void **state) {
    (void)state;
    skip();
}
#define SWEEPS cmocka_unit_test(test_sanitizer)
#endif

int main(void) {
    const struct CMUnitTest tests[] = {SWEEPS};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

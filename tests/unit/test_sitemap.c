/* sitemap: what counts as a URL in each format, in pieces of any size, limits and hostile input. */
#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/limits.h"
#include "shared/sitemap.h"
#include "shared/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#else
#define SANITIZED
#endif

#ifndef SANITIZED
/* Every growth of an array goes through here, so that the N-th can be made to fail. */
void *__libc_realloc(void *p, size_t n);
void *realloc(void *p, size_t n);

static long reallocs_left = -1; /* before the one that fails; -1: none does */

void *realloc(void *p, size_t n) {
    if (reallocs_left == 0)
        return NULL;
    if (reallocs_left > 0)
        reallocs_left--;
    return __libc_realloc(p, n);
}
#endif

struct outcome {
    enum sitemap_result result;
    enum sitemap_kind kind;
    size_t count;
    struct buf urls;   /* one a line */
    size_t stop_after; /* 0: never */
};

static bool on_url(void *ctx, const char *url, size_t len) {
    struct outcome *o = ctx;

    o->count++;
    buf_append(&o->urls, url, len);
    buf_append_char(&o->urls, '\n');
    return o->count != o->stop_after;
}

/* Where the document is from, and the charset that its Content-Type says: of the tests that set them. */
static struct url source;
static const struct charset *stated;

static void run(struct outcome *o, const char *p, size_t n, size_t piece) {
    struct sitemap *s = sitemap_new(on_url, o);

    assert_non_null(s);
    if (source.href_len > 0)
        assert_true(sitemap_set_source(s, &source, stated));
    buf_init(&o->urls, 64 << 20);
    o->count = 0;
    while (n > 0) {
        size_t now = n < piece ? n : piece;
        char *copy = malloc(now); /* so that a sanitizer sees reads behind it */
        assert_non_null(copy);
        memcpy(copy, p, now);
        sitemap_feed(s, copy, now);
        free(copy);
        p += now;
        n -= now;
    }
    o->result = sitemap_finish(s);
    if (o->result != SITEMAP_OK)
        assert_int_equal(sitemap_feed(s, "x", 1), o->result);
    o->kind = sitemap_kind(s);
    assert_int_equal(sitemap_url_count(s), o->count);
    sitemap_free(s);
}

/* The same whole and byte by byte. `urls`: one a line. */
static void assert_yields_bytes(const char *text, size_t len, enum sitemap_result result,
                                enum sitemap_kind kind, const char *urls) {
    static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct outcome o = {.stop_after = 0};
        run(&o, text, len, pieces[i]);
        assert_string_equal(o.urls.len > 0 ? o.urls.data : "", urls);
        assert_int_equal(o.result, result);
        assert_int_equal(o.kind, kind);
        buf_release(&o.urls);
    }
}

static void assert_yields(const char *text, enum sitemap_result result, enum sitemap_kind kind,
                          const char *urls) {
    assert_yields_bytes(text, strlen(text), result, kind, urls);
}

static void urlsets(void **state) {
    (void)state;
    assert_yields(
        "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
        "<url><loc> http://a/?x=1&amp;y=&#50;\n</loc><lastmod>2004</lastmod></url>"
        "<url><loc><![CDATA[https://b/?x&y]]></loc></url>"
        "<url><lastmod>2004</lastmod></url><url><loc/></url></urlset>",
        SITEMAP_OK, SITEMAP_URLSET, "http://a/?x=1&y=2\nhttps://b/?x&y\n");
    /* No namespace, an unbound prefix, another prefix than the root's. */
    assert_yields("<urlset><s:url><s:loc>http://a/</s:loc></s:url></urlset>", SITEMAP_OK,
                  SITEMAP_URLSET, "http://a/\n");
    assert_yields("<sitemapindex><sitemap><loc>http://a/</loc></sitemap></sitemapindex>",
                  SITEMAP_OK, SITEMAP_INDEX, "http://a/\n");
    assert_yields("<urlset/>", SITEMAP_OK, SITEMAP_URLSET, "");
}

static void extensions_are_not_pages(void **state) {
    (void)state;
    assert_yields("<urlset><url><image:loc>http://no/1</image:loc><image:image>"
                  "<image:loc>http://no/2</image:loc><loc>http://no/3</loc></image:image>"
                  "<xhtml:link rel='alternate' href='http://no/4'/>"
                  "<loc>http://a/</loc><video:content_loc>http://no/5</video:content_loc></url>"
                  "<loc>http://no/6</loc></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");
    assert_yields("<urlset><url><loc>http://a/<b>b</b>c</loc></url></urlset>", SITEMAP_OK,
                  SITEMAP_URLSET, "http://a/c\n");
}

static void only_absolute_http(void **state) {
    (void)state;
    assert_yields("<urlset><url><loc>/a</loc></url><url><loc>ftp://a/</loc></url>"
                  "<url><loc>//a/b</loc></url><url><loc>javascript:alert(1)</loc></url>"
                  "<url><loc>http://</loc></url><url><loc>HTTPS://A/</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "HTTPS://A/\n");
}

static void feeds(void **state) {
    (void)state;
    assert_yields(
        "<rss version='2.0'><channel><link>http://no/</link><item><title>t</title>"
        "<link>http://a/1</link><guid>http://no/1</guid></item>"
        "<item><guid>http://a/2</guid></item>"
        "<item><guid isPermaLink='false'>http://no/3</guid></item>"
        "<item><atom:link href='http://no/4'/><guid isPermaLink='true'> http://a/4 </guid>"
        "</item><item><guid>urn:5</guid></item></channel></rss>",
        SITEMAP_OK, SITEMAP_RSS, "http://a/1\nhttp://a/2\nhttp://a/4\n");
    assert_yields("<r:RDF><channel><link>http://no/</link></channel><item>"
                  "<link>http://a/</link></item></r:RDF>",
                  SITEMAP_OK, SITEMAP_RSS, "http://a/\n");
    assert_yields("<feed><link href='http://no/'/><entry><link rel='self' href='http://no/1'/>"
                  "<link rel='alternate' href='http://a/1'/><link href='http://no/2'/></entry>"
                  "<entry><link href='b'/><link href='http://a/2&amp;'/>"
                  "<source><link href='http://no/3'/></source></entry></feed>",
                  SITEMAP_OK, SITEMAP_ATOM, "http://a/1\nhttp://a/2&\n");
}

static void text_lines(void **state) {
    (void)state;
    assert_yields("http://a/1\r\n\r\n  https://a/2 \t\rnot a URL\nhttp://a/3", SITEMAP_OK,
                  SITEMAP_TEXT, "http://a/1\nhttps://a/2\nhttp://a/3\n");
    assert_yields("\xef\xbb\xbf\nhttp://a/\xc3\xa9\xc2\xa0\n", SITEMAP_OK, SITEMAP_TEXT,
                  "http://a/\xc3\xa9\n");
    assert_yields("hello", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
    assert_yields("", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
    assert_yields("h", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
    assert_yields(" \n \xef\xbb\xbf", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
}

static void other_documents(void **state) {
    (void)state;
    assert_yields("<html><body><loc>http://no/</loc></body></html>", SITEMAP_NOT_ONE,
                  SITEMAP_UNKNOWN, "");
    assert_yields("<!DOCTYPE html><p>", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
    assert_yields("<", SITEMAP_NOT_ONE, SITEMAP_UNKNOWN, "");
    assert_yields("<urlset><url><loc>http://a/</loc></url><url><loc>http://no/</lo",
                  SITEMAP_DAMAGED, SITEMAP_URLSET, "http://a/\n");
    assert_yields("<urlset><url><loc>http://a/</loc></url><url><loc>http://no/</loc></urls>",
                  SITEMAP_DAMAGED, SITEMAP_URLSET, "http://a/\nhttp://no/\n");
    assert_yields("<urlset><url><loc>http://a/</loc></url></urlset><x/>", SITEMAP_DAMAGED,
                  SITEMAP_URLSET, "http://a/\n");
}

static void encodings(void **state) {
    static const char body[] = "<urlset><url><loc>http://a/\xe9</loc></url></urlset>";
    static const char *const labels[][2] = {{"iso-8859-1", "http://a/\xc3\xa9\n"},
                                            {"windows-1252", "http://a/\xc3\xa9\n"},
                                            {"windows-1251", "http://a/\xd0\xb9\n"},
                                            {"koi8-r", "http://a/\xd0\x98\n"}};
    char text[300], utf16[2000];
    size_t n = 0;
    (void)state;

    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        snprintf(text, sizeof text, "<?xml version='1.0' encoding='%s'?>%s", labels[i][0], body);
        assert_yields(text, SITEMAP_OK, SITEMAP_URLSET, labels[i][1]);
    }
    assert_yields("<?xml version='1.0' encoding='utf8'?><urlset x='\xf0\x9f\x98\x80'><url>"
                  "<loc>http://a/\xc3\xa9\xe2\x82\xac</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/\xc3\xa9\xe2\x82\xac\n");
    assert_yields("<?xml version='1.0' encoding='shift_jis'?><urlset><!-- \x83\x5c --><url>"
                  "<loc>http://a/</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");
    static const char ascii[] = "<urlset><url><loc>http://a/</loc></url></urlset>";
    utf16[n++] = '\xff';
    utf16[n++] = '\xfe';
    for (const char *p = ascii; *p != '\0'; p++) {
        utf16[n++] = *p;
        utf16[n++] = '\0';
    }
    assert_yields_bytes(utf16, n, SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");
}

static void white_space_in_front(void **state) {
    (void)state;
    assert_yields(
        "\xef\xbb\xbf \r\n\t<?xml version='1.0'?><urlset><url><loc>"
        "\xe2\x80\x80\xe3\x80\x80http://a/\xc2\xa0\xe2\x80\x8b\xef\xbb\xbf</loc></url></urlset>",
        SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");
}

static void entities_are_not_expanded(void **state) {
    (void)state;
    assert_yields("<!DOCTYPE urlset [<!ENTITY x SYSTEM 'file:///etc/passwd'>"
                  "<!ENTITY y 'http://no/'><!ENTITY % z SYSTEM 'file:///etc/passwd'> %z;]>"
                  "<urlset><url><loc>http://a/</loc></url><url><loc>&x;</loc></url>"
                  "<url><loc>http://no/&x;</loc></url><url><loc>&y;</loc></url>"
                  "<url><loc>http://no/&y;</loc></url><url><loc>http://b/</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/\nhttp://b/\n");
    assert_yields("<!DOCTYPE urlset SYSTEM 'http://no/sitemap.dtd'>"
                  "<urlset><url><loc>http://no/&x;</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "");
    assert_yields(
        "<urlset><url><loc><xi:include href='file:///etc/passwd' parse='text'/></loc></url>"
        "</urlset>",
        SITEMAP_OK, SITEMAP_URLSET, "");
}

/* A document type declaration with `depth` entities, each made of ten of the one before. */
static void put_laughs(struct buf *b, int depth) {
    buf_append_str(b, "<!DOCTYPE feed [<!ENTITY e0 'ha ha ha '>");
    for (int i = 1; i < depth; i++) {
        buf_printf(b, "<!ENTITY e%d '", i);
        for (int k = 0; k < 10; k++)
            buf_printf(b, "&e%d;", i - 1);
        buf_append_str(b, "'>");
    }
    buf_append_str(b, "]>");
}

static void laughs_are_bounded(void **state) {
    struct outcome o = {.stop_after = 0};
    struct buf b;
    (void)state;

    buf_init(&b, 1 << 20);
    put_laughs(&b, 12);
    buf_append_str(&b, "<urlset><url><loc>http://no/&e11;</loc></url>"
                       "<url><loc>http://a/</loc></url></urlset>");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_OK);
    assert_string_equal(o.urls.data, "http://a/\n");
    buf_release(&o.urls);

    buf_reset(&b);
    put_laughs(&b, 12);
    buf_append_str(&b, "<feed><entry><link href='http://no/&e11;'/></entry></feed>");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_DAMAGED);
    assert_int_equal(o.count, 0);
    buf_release(&o.urls);
    buf_release(&b);
}

static void hostile_shapes(void **state) {
    struct outcome o = {.stop_after = 0};
    struct buf b;
    (void)state;

    buf_init(&b, SITEMAP_BYTES_MAX);
    buf_append_str(&b, "<urlset>");
    for (int i = 0; i < 200; i++)
        buf_append_str(&b, "<a>");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_DAMAGED); /* too deep */
    buf_release(&o.urls);

    buf_reset(&b);
    buf_append_str(&b, "<urlset><!--");
    while (b.len < 3 * SITEMAP_MARKUP_BYTES)
        buf_append_str(&b, "0123456789abcdef");
    buf_append_str(&b, "--></urlset>");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_DAMAGED); /* one piece of markup too long */
    buf_release(&o.urls);

    buf_reset(&b);
    buf_append_str(&b, "<urlset>");
    for (int i = 0; b.len < 8 << 20; i++)
        buf_printf(&b, "<a%d b%d=''/>", i, i);
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_DAMAGED); /* names are remembered: out of its memory */
    buf_release(&o.urls);

    buf_reset(&b);
    buf_append_str(&b, "<urlset><url><loc>http://a/");
    while (b.len < 2 << 20)
        buf_append_str(&b, "0123456789abcdef");
    buf_append_str(&b, "</loc></url><url><loc>http://b/</loc></url></urlset>");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_OK); /* a URL too long is left out */
    assert_string_equal(o.urls.data, "http://b/\n");
    buf_release(&o.urls);
    buf_release(&b);
}

static void limits(void **state) {
    struct outcome o = {.stop_after = 0};
    struct buf b;
    (void)state;

    buf_init(&b, SITEMAP_BYTES_MAX + 100);
    for (int i = 0; i < SITEMAP_URLS_MAX; i++)
        buf_printf(&b, "http://a/%d\n", i);
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_OK);
    assert_int_equal(o.count, SITEMAP_URLS_MAX);
    buf_release(&o.urls);
    buf_append_str(&b, "http://a/\n");
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_LIMITED);
    assert_int_equal(o.count, SITEMAP_URLS_MAX);
    buf_release(&o.urls);

    buf_reset(&b);
    buf_append_str(&b, "http://a/\n");
    while (b.len < SITEMAP_BYTES_MAX)
        buf_append_char(&b, '\n');
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_OK);
    buf_release(&o.urls);
    buf_append_char(&b, '\n');
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_LIMITED);
    assert_int_equal(o.count, 1);
    buf_release(&o.urls);
    buf_release(&b);

    o.stop_after = 2;
    run(&o, "http://a/1\nhttp://a/2\nhttp://a/3\n", 33, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_STOPPED);
    assert_int_equal(o.count, 2);
    buf_release(&o.urls);
}

static void put_gzip(struct buf *b, const char *p, size_t n) {
    z_stream z = {.next_in = (unsigned char *)p, .avail_in = (unsigned)n};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, n);
    assert_true(buf_reserve(b, bound));
    z.next_out = (unsigned char *)b->data + b->len;
    z.avail_out = (unsigned)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b->len += bound - z.avail_out;
    deflateEnd(&z);
}

static void gzip_files(void **state) {
    static const char text[] = "<urlset><url><loc>http://a/</loc></url></urlset>";
    struct buf b;
    (void)state;

    buf_init(&b, 64 << 20);
    put_gzip(&b, text, sizeof text - 1);
    assert_yields_bytes(b.data, b.len, SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");
    assert_yields_bytes(b.data, b.len - 1, SITEMAP_DAMAGED, SITEMAP_URLSET, "http://a/\n");
    b.data[b.len - 6] ^= 1;
    assert_yields_bytes(b.data, b.len, SITEMAP_DAMAGED, SITEMAP_URLSET, "http://a/\n");

    buf_reset(&b);
    put_gzip(&b, text, 20);
    put_gzip(&b, text + 20, sizeof text - 1 - 20);
    buf_append(&b, "\0\0\0\0", 4); /* padding of a tape */
    assert_yields_bytes(b.data, b.len, SITEMAP_OK, SITEMAP_URLSET, "http://a/\n");

    buf_reset(&b);
    put_gzip(&b, "http://a/\n", 10);
    assert_yields_bytes(b.data, b.len, SITEMAP_OK, SITEMAP_TEXT, "http://a/\n");
    buf_release(&b);
}

static void gzip_bombs(void **state) {
    struct outcome o = {.stop_after = 0};
    struct buf b, twice;
    size_t size = SITEMAP_BYTES_MAX + 1000;
    char *zeros = calloc(1, size);
    (void)state;

    assert_non_null(zeros);
    buf_init(&b, 64 << 20);
    buf_init(&twice, 64 << 20);
    memset(zeros, '\n', size);
    memcpy(zeros, "http://a/", 9);
    put_gzip(&b, zeros, size);
    free(zeros);
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_LIMITED);
    assert_int_equal(o.count, 1);
    buf_release(&o.urls);

    put_gzip(&twice, b.data, b.len);
    run(&o, twice.data, twice.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_NOT_ONE); /* gzip in gzip */
    buf_release(&o.urls);

    buf_reset(&b);
    for (int i = 0; i < SITEMAP_GZIP_MEMBERS + 10; i++)
        put_gzip(&b, "", 0);
    run(&o, b.data, b.len, SIZE_MAX);
    assert_int_equal(o.result, SITEMAP_NOT_ONE);
    buf_release(&o.urls);
    buf_release(&b);
    buf_release(&twice);
}

static void without_memory(void **state) {
    (void)state;
#ifdef SANITIZED
    skip();
#else
    static const char text[] =
        "<rss><item><link>http://a/</link></item><item><guid>http://b/</guid>"
        "</item></rss>";
    enum sitemap_result result = SITEMAP_NO_MEMORY;
    long n = 0;

    for (; result != SITEMAP_OK; n++) {
        struct outcome o = {.stop_after = 0};
        buf_init(&o.urls, 100);
        assert_true(buf_reserve(&o.urls, 100));
        reallocs_left = n;
        struct sitemap *s = sitemap_new(on_url, &o);
        if (s != NULL) {
            sitemap_feed(s, text, sizeof text - 1);
            result = sitemap_finish(s);
        }
        reallocs_left = -1;
        assert_int_equal(o.count == 2, result == SITEMAP_OK);
        assert_true(result == SITEMAP_OK || result == SITEMAP_NO_MEMORY);
        sitemap_free(s);
        buf_release(&o.urls);
    }
    assert_true(n > 1); /* at least one allocation was made to fail */
#endif
}

static bool holds(const char *sitemap_url, const char *url) {
    return sitemap_location_holds(sitemap_url, strlen(sitemap_url), url, strlen(url));
}

static void location_rule(void **state) {
    (void)state;
    assert_true(holds("http://a/b/s.xml", "http://a/b/"));
    assert_true(holds("http://a/b/s.xml", "http://a/b/c/d?e"));
    assert_false(holds("http://a/b/s.xml", "http://a/b"));
    assert_false(holds("http://a/b/s.xml", "http://a/bc"));
    assert_false(holds("http://a/b/s.xml", "http://a:81/b/c"));
    assert_true(holds("http://a/s.xml?x=/b/c#/d/", "http://a/e"));
    assert_false(holds("http://a", "http://a/"));
    assert_false(holds("mailto:a", "mailto:a"));
    assert_false(holds("http://a/", "http://ab/"));
}

/* RFC 4287 §2, XML Base: the innermost base counts, relative to the one around it, the document's own at last. */
static void relative_links(void **state) {
    (void)state;
    url_init(&source);
    assert_int_equal(url_parse(&source, "http://h/f/feed.xml?x", 21, NULL), URL_OK);
    assert_yields("<feed><entry><link href='/r'/></entry><entry><link href='../p'/></entry>"
                  "<entry><link href='?q'/></entry><entry><link href='//o/s'/></entry>"
                  "<entry><link href=''/></entry><entry><link href='mailto:a@b'/></entry></feed>",
                  SITEMAP_OK, SITEMAP_ATOM,
                  "http://h/r\nhttp://h/p\nhttp://h/f/feed.xml?q\nhttp://o/s\n");
    assert_yields("<feed xml:base='http://b/1/2'><entry xml:base='3/'><link href='a'/></entry>"
                  "<entry><link xml:base='/4/' href='b'/></entry><entry><link href='c'/></entry>"
                  "<entry xml:base='http://['><link href='d'/></entry></feed>",
                  SITEMAP_OK, SITEMAP_ATOM,
                  "http://b/1/3/a\nhttp://b/4/b\nhttp://b/1/c\nhttp://b/1/d\n");
    assert_yields(
        "<feed><entry><link rel='http://www.iana.org/assignments/relation/alternate' href='e'/>"
        "</entry></feed>",
        SITEMAP_OK, SITEMAP_ATOM, "http://h/f/e\n");
    assert_yields(
        "<rss xml:base='http://b/'><channel><link>no</link><item><link> i </link></item>"
        "<item><guid>no</guid></item><item><link/><guid>http://a/g</guid></item></channel></rss>",
        SITEMAP_OK, SITEMAP_RSS, "http://b/i\nhttp://a/g\n");
    /* Sitemaps themselves have absolute URLs only. */
    assert_yields("<urlset xml:base='http://b/'><url><loc>/no</loc></url></urlset>", SITEMAP_OK,
                  SITEMAP_URLSET, "");
    url_release(&source);
    assert_yields("<feed><entry><link href='/r'/></entry></feed>", SITEMAP_OK, SITEMAP_ATOM, "");
}

/* RFC 7303 §3, and servers that say what is not so: no link behind a character of another encoding is lost. */
static void encodings_that_lie(void **state) {
    static const struct {
        const char *charset, *text, *urls;
    } cases[] = {
        {NULL, "<urlset><t>caf\xe9</t><url><loc>http://a/1</loc></url></urlset>", "http://a/1\n"},
        {NULL,
         "<?xml version='1.0' encoding='utf-16'?><urlset><url><loc>http://a/2</loc></url></urlset>",
         "http://a/2\n"},
        {NULL,
         "<?xml version='1.0' "
         "encoding='klingon'?><urlset><url><loc>http://a/3</loc></url></urlset>",
         "http://a/3\n"},
        {"windows-1251", "<urlset><url><loc>http://a/\xe4</loc></url></urlset>",
         "http://a/\xd0\xb4\n"},
        {"windows-1251",
         "<?xml version='1.0' "
         "encoding='utf-8'?><urlset><url><loc>http://a/\xe4</loc></url></urlset>",
         "http://a/\xd0\xb4\n"},
        {"windows-1251", "\xef\xbb\xbf<urlset><url><loc>http://a/\xc3\xa4</loc></url></urlset>",
         "http://a/\xc3\xa4\n"},
        {"utf-16", "<urlset><url><loc>http://a/4</loc></url></urlset>", "http://a/4\n"},
        {NULL,
         "<?xml version='1.0' "
         "encoding='windows-1251'?><urlset><url><loc>http://a/\xe4</loc></url></urlset>",
         "http://a/\xd0\xb4\n"},
        {NULL, "<urlset><t>\x1b[0m\x0b</t><url><loc>http://a/5</loc></url></urlset>",
         "http://a/5\n"},
        {NULL, "<urlset><t>\xe4\xb8</t><url><loc>http://a/6\xf0\x9f</loc></url></urlset>",
         "http://a/6\xef\xbf\xbd\xef\xbf\xbd\n"},
        {NULL,
         "<urlset><url><loc>http://a/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</loc></url></urlset>",
         "http://a/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n"},
    };

    (void)state;
    url_init(&source);
    assert_int_equal(url_parse(&source, "http://h/s.xml", 14, NULL), URL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *label = cases[i].charset;
        stated = label != NULL ? charset_by_label(label, strlen(label)) : NULL;
        assert_yields(cases[i].text, SITEMAP_OK, SITEMAP_URLSET, cases[i].urls);
    }
    stated = NULL;
    url_release(&source);
    static const char big_endian[] = "\0<\0u\0r\0l\0s\0e\0t\0>\0<\0u\0r\0l\0>\0<\0l\0o\0c\0>"
                                     "\0h\0t\0t\0p\0:\0/\0/\0a\0/\0<\0/\0l\0o\0c"
                                     "\0>\0<\0/\0u\0r\0l\0>\0<\0/\0u\0r\0l\0s\0e\0t\0>";
    assert_yields_bytes(big_endian, sizeof big_endian - 1, SITEMAP_OK, SITEMAP_URLSET,
                        "http://a/\n");
}

static size_t put_unit(char *to, unsigned unit, bool big_endian) {
    to[!big_endian] = (char)(unit & 0xff);
    to[big_endian] = (char)(unit >> 8);
    return 2;
}

/* The text in UTF-16, whatever it says of itself. Returns the bytes. */
static size_t put_utf16(char *to, const char *text, bool big_endian, bool mark) {
    size_t n = mark ? put_unit(to, 0xfeff, big_endian) : 0;

    for (; *text != '\0'; text++)
        n += put_unit(to + n, (unsigned char)*text, big_endian);
    return n;
}

static void utf16_by_its_looks(void **state) {
    static const char *const texts[] = {
        "<?xml version='1.0' encoding='UTF-8'?><urlset><url><loc>http://a/</loc></url></urlset>",
        "<?xml version='1.0' encoding='iso-8859-1'?>\r\n<urlset><t>\x01</t><url><loc>http://a/"
        "</loc></url></urlset>",
        "<urlset><url><loc>http://a/</loc></url></urlset>", "http://a/\r\n"};
    static const char pair[] = "\0h\0t\0t\0p\0:\0/\0/\0a\0/\xd8\x3d\xde\x00\xd8\x3d\0b\xde\x00\0\n";
    char bytes[400];
    (void)state;

    for (size_t i = 0; i < 16; i++) {
        size_t n = put_utf16(bytes, texts[i / 4], i % 2, i / 2 % 2);
        assert_yields_bytes(bytes, n, SITEMAP_OK, i < 12 ? SITEMAP_URLSET : SITEMAP_TEXT,
                            "http://a/\n");
    }
    assert_yields_bytes(pair, sizeof pair - 1, SITEMAP_OK, SITEMAP_TEXT,
                        "http://a/\xf0\x9f\x98\x80\xef\xbf\xbd"
                        "b\xef\xbf\xbd\n");
}

/* Nothing behind an '&' that XML does not know is lost. */
static void odd_references(void **state) {
    (void)state;
    assert_yields(
        "<urlset><url><t>a & b &nbsp; &eacute; &#x1f; &#0; "
        "&#55296;</t><loc>http://a/?b=1&c=2&copy=3"
        "&amp;d</loc></url><url><loc>http://b/&#38;&#x26;&eacute;&none;</loc></url></urlset>",
        SITEMAP_OK, SITEMAP_URLSET, "http://a/?b=1&c=2&copy=3&d\nhttp://b/&&\xc3\xa9&none;\n");
    assert_yields("<feed><entry><link href='http://a/?b&c=&lt'/></entry></feed>", SITEMAP_OK,
                  SITEMAP_ATOM, "http://a/?b&c=&lt\n");
    assert_yields("<urlset><url><loc><![CDATA[http://a/?b&c&amp;d&#0;]]]></loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/?b&c&amp;d&#0;]\n");
    assert_yields("<?xml version='1.0' encoding='windows-1251'?><urlset><url><loc>http://a/\xe4?b&c"
                  "</loc></url></urlset>",
                  SITEMAP_OK, SITEMAP_URLSET, "http://a/\xd0\xb4?b&c\n");
    assert_yields("http://a/?b&c\n", SITEMAP_OK, SITEMAP_TEXT, "http://a/?b&c\n");
}

/* The parser reads an open tag again from its beginning with each piece that it gets: what is mended does not make pieces. */
static void mending_is_linear(void **state) {
    static const char head[] = "<urlset><url x='";
    static const char *const units[] = {"\xff", "&", "\x01"};
    char *text = malloc(SITEMAP_MARKUP_BYTES);
    (void)state;

    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    for (size_t i = 0; i < 3; i++) {
        memset(text + sizeof head - 1, units[i][0], SITEMAP_MARKUP_BYTES - sizeof head + 1);
        struct outcome o = {.stop_after = 0};
        clock_t began = clock();
        run(&o, text, SITEMAP_MARKUP_BYTES, SIZE_MAX);
        assert_int_equal(o.result, SITEMAP_DAMAGED);
        buf_release(&o.urls);
        assert_true(clock() - began < 5 * CLOCKS_PER_SEC); /* it is 0.1 s; half an hour by pieces */
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urlsets),
        cmocka_unit_test(extensions_are_not_pages),
        cmocka_unit_test(only_absolute_http),
        cmocka_unit_test(feeds),
        cmocka_unit_test(relative_links),
        cmocka_unit_test(encodings_that_lie),
        cmocka_unit_test(utf16_by_its_looks),
        cmocka_unit_test(odd_references),
        cmocka_unit_test(mending_is_linear),
        cmocka_unit_test(text_lines),
        cmocka_unit_test(other_documents),
        cmocka_unit_test(encodings),
        cmocka_unit_test(white_space_in_front),
        cmocka_unit_test(entities_are_not_expanded),
        cmocka_unit_test(laughs_are_bounded),
        cmocka_unit_test(hostile_shapes),
        cmocka_unit_test(limits),
        cmocka_unit_test(gzip_files),
        cmocka_unit_test(gzip_bombs),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(location_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From a body to its links: what counts as a link, where it leads, how the page is read. */
#include "shared/page.h"

#include "shared/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct page page;
static struct url document;

static int set_up(void **state) {
    (void)state;
    page_init(&page);
    url_init(&document);
    return (int)url_parse(&document, "http://h.example/d/p.html?q", 27, NULL);
}

static int tear_down(void **state) {
    (void)state;
    page_release(&page);
    url_release(&document);
    return 0;
}

static void extract_bytes(const char *type, const char *body, size_t n, uint32_t follow) {
    struct page_input in = {
        .body = body,
        .body_len = n,
        .content_type = type,
        .content_type_len = type != NULL ? strlen(type) : 0,
        .document = &document,
        .follow = follow,
        .agent = "trawl",
    };

    assert_int_equal(page_extract(&page, &in), PAGE_OK);
}

static void extract(const char *body) {
    extract_bytes("text/html; charset=utf-8", body, strlen(body), PAGE_FOLLOW_LINKS);
}

static void extract_all(const char *body) {
    extract_bytes("text/html; charset=utf-8", body, strlen(body), PAGE_FOLLOW_ALL);
}

/* The links as "kind url\n", with "!" behind the kind for nofollow. */
static void assert_links(const char *expected) {
    struct buf got;

    buf_init(&got, 1 << 20);
    buf_append_str(&got, "");
    for (size_t i = 0; i < page.links.count; i++) {
        const struct link_list_item *item = &page.links.items[i];
        buf_printf(&got, "%s%s %s\n", page_link_kind_name((enum page_link_kind)item->kind),
                   item->flags & PAGE_LINK_NOFOLLOW ? "!" : "", page_link_url(&page, i));
    }
    assert_string_equal(got.data, expected);
    buf_release(&got);
}

/* With what the header says. */
static void extract_fields(const char *type, const char *body, const char *link,
                           const char *refresh) {
    struct page_input in = {.body = body,
                            .body_len = strlen(body),
                            .content_type = type,
                            .content_type_len = strlen(type),
                            .document = &document,
                            .follow = PAGE_FOLLOW_LINKS,
                            .link = {link, strlen(link)},
                            .refresh = {refresh, strlen(refresh)}};

    assert_int_equal(page_extract(&page, &in), PAGE_OK);
}

/* RFC 8288; the base is the document, whatever <base> says. */
static void test_link_field(void **state) {
    (void)state;
    extract_fields(
        "text/html", "<base href=/b/><a href=1>",
        "<2>; rel=next, <3>; rel=\"nofollow prev\", <4>; rel=preload, <5>; rel=preconnect, "
        "<mailto:x>; rel=author, <6>, </7>; rel=alternate; anchor=\"\", "
        "</8>; rel=next; anchor=\"/other\", <caf\xe9>; rel=help, <9>; rel=license; anchor=\"#a\"",
        "");
    assert_links("a http://h.example/b/1\n"
                 "link-next http://h.example/d/2\n"
                 "link-prev! http://h.example/d/3\n"
                 "link-alternate http://h.example/7\n"
                 "link-document http://h.example/d/caf%E9\n"
                 "link-document http://h.example/d/9\n");
    extract_fields("text/html", "<p>", "<c>; rel=canonical", "");
    assert_string_equal(page.canonical.data, "http://h.example/d/c");
    extract_fields("text/html", "<link rel=canonical href=x>", "<c>; rel=canonical", "");
    assert_string_equal(page.canonical.data, "http://h.example/d/x");
    /* Of a body that has no links of its own. */
    extract_fields("application/pdf", "<a href=no>", "<p.html>; rel=canonical", "");
    assert_links("link-canonical http://h.example/d/p.html\n");
}

static void test_refresh_field(void **state) {
    (void)state;
    extract_fields("text/html", "<base href=/b/>", "", "3; url='r?a'");
    assert_links("meta-refresh http://h.example/d/r?a\n");
    extract_fields("text/plain", "", "", "99999999999999999999;URL=http://h.example/big");
    assert_links("meta-refresh http://h.example/big\n");
    extract_fields("text/html", "", "", "5");
    assert_links("");
}

/* A document in an attribute: its links count, from the page's base; what it says of itself does not. */
static void test_srcdoc(void **state) {
    (void)state;
    extract("<base href=/b/><iframe srcdoc='<base href=/no/><a href=\"1?x&amp;amp;y\">"
            "<link rel=canonical href=/no><meta name=robots content=noindex>"
            "<!-- <a href=no> --><iframe srcdoc=\"&lt;a href=2>\"></iframe>'></iframe><a href=3>");
    assert_links("a http://h.example/b/3\n"
                 "a http://h.example/b/1?x&y\n"
                 "link-canonical http://h.example/no\n"
                 "a http://h.example/b/2\n");
    assert_int_equal(page.canonical.len, 0);
    assert_false(page.robots.noindex);
    extract("<iframe srcdoc=''></iframe><iframe srcdoc></iframe>");
    assert_links("");
    static const char sjis[] =
        "<meta charset=shift_jis><iframe srcdoc='<a href=/\x82\xa0>'></iframe>";
    extract_bytes("text/html", sjis, sizeof sjis - 1, PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/%E3%81%82\n");
    assert_string_equal(page.charset->name, "shift_jis");
}

/* XML documents whose root is HTML's or SVG's, under any XML type; no other XML. */
static void test_xml_documents(void **state) {
    static const char xhtml[] = "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE html>"
                                "<html xmlns='http://www.w3.org/1999/xhtml'><script src='s'/>"
                                "<a href='1'/></html>";
    static const char *const types[] = {"application/xml", "text/xml; charset=utf-8",
                                        "application/xhtml+xml", "application/vnd.wap.xhtml+xml"};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        extract_bytes(types[i], xhtml, sizeof xhtml - 1, PAGE_FOLLOW_LINKS);
        assert_links("a http://h.example/d/1\n");
    }
    static const char svg[] = "<svg xmlns:xlink='x'><a xlink:href='1'/><a href='2'/></svg>";
    extract_bytes("image/svg+xml", svg, sizeof svg - 1, PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/d/1\na http://h.example/d/2\n");
    static const char rss[] = "<rss><channel><a href='1'/></channel></rss>";
    extract_bytes("application/xml", rss, sizeof rss - 1, PAGE_FOLLOW_LINKS);
    assert_links("");
}

/* A Content-Type that is a list, or says nothing. */
static void test_types(void **state) {
    static const char *const html[] = {"text/plain, text/html",
                                       "text/html, garbage",
                                       "*/*",
                                       "",
                                       "unknown/unknown",
                                       "application/unknown",
                                       "text",
                                       "text/html, text/html;charset=utf-8"};
    static const char *const other[] = {"text/html, text/plain", "text/plain", "image/png, */*"};
    static const char body[] = "<!doctype html><a href=1>";

    (void)state;
    for (size_t i = 0; i < sizeof html / sizeof html[0]; i++) {
        extract_bytes(html[i], body, sizeof body - 1, PAGE_FOLLOW_LINKS);
        assert_links("a http://h.example/d/1\n");
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        extract_bytes(other[i], body, sizeof body - 1, PAGE_FOLLOW_LINKS);
        assert_links("");
    }
}

static void test_kinds_of_documents(void **state) {
    (void)state;
    extract("<a href=a><area href='b'><iframe src=\"c\"></iframe><frame src=e>"
            "<form action=f></form><form method=POST action=g></form><form></form>"
            "<meta http-equiv=refresh content='3; url=h'><meta http-equiv=Refresh content=3>"
            "<link rel=next href=i><link rel='PREV' href=j><link rel=alternate href=k>"
            "<link rel=canonical href=l><link rel=license href=m><svg><a xlink:href=n></a></svg>");
    assert_links("a http://h.example/d/a\narea http://h.example/d/b\niframe http://h.example/d/c\n"
                 "frame http://h.example/d/e\nform http://h.example/d/f\n"
                 "meta-refresh http://h.example/d/h\nlink-next http://h.example/d/i\n"
                 "link-prev http://h.example/d/j\nlink-alternate http://h.example/d/k\n"
                 "link-canonical http://h.example/d/l\nlink-document http://h.example/d/m\n"
                 "a http://h.example/d/n\n");
}

static const char parts[] =
    "<img src=a srcset='b 1x, c 2x'><script src=d></script><link rel=stylesheet href=e>"
    "<link rel='alternate stylesheet' href=f><link rel='shortcut icon' href=g>"
    "<video src=h poster=i><source src=j srcset=k><track src=l></video><audio src=m></audio>"
    "<embed src=n><object data=o></object><body background=p><input type=image src=q>"
    "<link rel=preload href=r><link rel=preconnect href=s><link rel=manifest href=t>"
    "<svg><image href=u /></svg>";

static void test_kinds_of_parts(void **state) {
    (void)state;
    extract_all(parts);
    assert_links("srcset http://h.example/d/b\nsrcset http://h.example/d/c\n"
                 "img http://h.example/d/a\nscript http://h.example/d/d\n"
                 "link-stylesheet http://h.example/d/e\nlink-stylesheet http://h.example/d/f\n"
                 "link-icon http://h.example/d/g\nvideo http://h.example/d/h\n"
                 "img http://h.example/d/i\nsrcset http://h.example/d/k\n"
                 "source http://h.example/d/j\ntrack http://h.example/d/l\n"
                 "audio http://h.example/d/m\nembed http://h.example/d/n\n"
                 "object http://h.example/d/o\nimg http://h.example/d/p\n"
                 "img http://h.example/d/q\nlink-preload http://h.example/d/r\n"
                 "link-other http://h.example/d/t\nimg http://h.example/d/u\n");
    extract(parts);
    assert_links("");
}

static void test_css(void **state) {
    (void)state;
    extract_all("<style>@import 'a'; b{c:url( d )} /* url(x) */ e{f:url(\"g\\68\")}"
                "s{content:'url(no)'}</style><p style='background:url(i)'>url(no)"
                "<svg><style>a{b:url(j)}</style></svg>");
    assert_links("css http://h.example/d/a\ncss http://h.example/d/d\ncss http://h.example/d/gh\n"
                 "css http://h.example/d/i\ncss http://h.example/d/j\n");
    extract_bytes("text/css", "a{b:url(c)}", 11, PAGE_FOLLOW_ALL);
    assert_links("css http://h.example/d/c\n");
    assert_false(page.is_html);
    extract_bytes("text/css", "a{b:url(c)}", 11, PAGE_FOLLOW_LINKS);
    assert_links("");
}

static void test_what_is_not_a_link(void **state) {
    (void)state;
    extract("<!-- <a href=a> --><script>'<a href=b>'</script><style><a href=c></style>"
            "<textarea><a href=d></textarea><title><a href=e></title><xmp><a href=f></xmp>"
            "<noembed><a href=g></noembed><noframes><a href=h></noframes>"
            "<iframe><a href=i></iframe><p href=j><a name=k><a href='mailto:l'>"
            "<a href='javascript:m'><a href='data:,n'><a href='http://['>");
    assert_links("");
    assert_int_equal(page.links_refused, 4);
}

static void test_noscript_and_template_count(void **state) {
    (void)state;
    extract("<noscript><a href=a></noscript><template><a href=b></template>");
    assert_links("a http://h.example/d/a\na http://h.example/d/b\n");
}

/* What is in a <template> is no part of the document (HTML §4.12.3): it says nothing of the page. */
static void test_template_says_nothing(void **state) {
    (void)state;
    extract("<template><base href='http://no/'><meta name=robots content=none><link rel=canonical "
            "href=/no>"
            "<template></template><base href='http://no/'></template><a href=a>"
            "<link rel=canonical href=c><base href='/e/'></template><a href=b>");
    assert_links("link-canonical http://h.example/no\na http://h.example/e/a\n"
                 "link-canonical http://h.example/e/c\na http://h.example/e/b\n");
    assert_false(page.robots.noindex);
    assert_string_equal(page.canonical.data, "http://h.example/e/c");
    /* In SVG it is no template. */
    extract("<svg><template></svg><base href='/e/'><a href=a>"
            "<svg><foreignObject><template></template></foreignObject></svg>");
    assert_links("a http://h.example/e/a\n");
    extract("<svg><foreignObject><template></template></foreignObject></svg><base href='/e/'><a "
            "href=a>");
    assert_links("a http://h.example/e/a\n");
}

static void test_base_applies_to_all(void **state) {
    (void)state;
    extract("<a href=a><base target=x><base href='http://b.example/c/'><base href=http://no/>"
            "<a href=d>");
    assert_links("a http://b.example/c/a\na http://b.example/c/d\n");
    extract("<base href='e/f'><a href=g>");
    assert_links("a http://h.example/d/e/g\n");
    extract("<base href='data:,x'><a href=g><svg><base href=http://no/></svg>");
    assert_links("a http://h.example/d/g\n");
}

static void test_once_each(void **state) {
    (void)state;
    extract("<a href='a#1'><a href=a><area href=' ./a '><a href='#2'><a href=''>"
            "<a href='http://H.example:80/d/a'>");
    assert_links("a http://h.example/d/a\na http://h.example/d/p.html?q\n");
}

static void test_nofollow(void **state) {
    (void)state;
    extract("<a rel='x NoFollow' href=a><a rel=nofollow href=b><a href=b><a href=c>"
            "<a href=c rel=nofollow>");
    assert_links("a! http://h.example/d/a\na http://h.example/d/b\na http://h.example/d/c\n");
}

static void assert_robots(const char *body, bool noindex, bool nofollow) {
    extract(body);
    assert_int_equal(page.robots.noindex, noindex);
    assert_int_equal(page.robots.nofollow, nofollow);
}

static void test_meta_robots(void **state) {
    (void)state;
    assert_robots("<a href=a>", false, false);
    assert_robots("<meta name=Robots content='x,NOINDEX , y'>", true, false);
    assert_robots("<meta name=robots content='nofollow'>", false, true);
    assert_robots("<meta name=robots content='none'>", true, true);
    assert_robots("<meta name=Trawl content='noindex'>", true, false);
    assert_robots("<meta name=otherbot content='none'>", false, false);
    assert_robots("<meta name=robots content='noindexing'>", false, false);
    assert_robots("<meta name=robots content='unavailable_after: 2020-01-01'>", false, false);
    assert_true(page.robots.until_unix_ms == 1577836800000);
    extract("<a href=a>");
    assert_true(page.robots.until_unix_ms == INT64_MAX);
}

static void test_canonical(void **state) {
    (void)state;
    extract("<link rel=canonical href='/x#y'><link rel=canonical href=/z>");
    assert_string_equal(page.canonical.data, "http://h.example/x");
    extract("<a href=b>");
    assert_int_equal(page.canonical.len, 0);
}

static void test_references_in_urls(void **state) {
    (void)state;
    extract("<a href='?a=1&amp;b=2&copy=3&#x26;c'>");
    assert_links("a http://h.example/d/p.html?a=1&b=2&copy=3&c\n");
}

static void assert_type(const char *type, const char *body, bool is_html) {
    extract_bytes(type, body, strlen(body), PAGE_FOLLOW_LINKS);
    assert_int_equal(page.is_html, is_html);
    assert_int_equal(page.links.count, is_html);
}

static void test_content_types(void **state) {
    (void)state;
    assert_type("text/html", "<a href=a>", true);
    assert_type("TEXT/HTML;charset=x", "<a href=a>", true);
    assert_type("application/xhtml+xml", "<a href='a'/>", true);
    assert_type("text/plain", "<a href=a>", false);
    assert_type("application/pdf", "<a href=a>", false);
    assert_type(NULL, "<!doctype HTML><a href=a>", true);
    assert_type(NULL, " \n<a href=a>", true);
    assert_type("", "<p><a href=a>", true);
    assert_type("nonsense", "<p><a href=a>", true);
    assert_type(NULL, "GIF89a<a href=a>", false);
}

/* The encoding is looked at before the root is, and prefixes are not: XHTML is a vocabulary, not a spelling. */
static void test_xml_by_its_root(void **state) {
    static const char text[] =
        "<?xml version='1.0' encoding='utf-16'?><!-- --><h:html "
        "xmlns:h='http://www.w3.org/1999/xhtml'><h:head><h:base href='/e/'/></h:head>"
        "<h:a href='a'/></h:html>";
    char utf16[2 + 2 * sizeof text];
    size_t n = 2;
    (void)state;

    memcpy(utf16, "\xfe\xff", 2);
    for (const char *p = text; *p != '\0'; p++) {
        utf16[n++] = '\0';
        utf16[n++] = *p;
    }
    for (size_t skip = 0; skip <= 2; skip += 2) {
        extract_bytes("application/xml", utf16 + skip, n - skip, PAGE_FOLLOW_LINKS);
        assert_links("a http://h.example/e/a\n");
        extract_bytes("text/xml; charset=utf-16be", utf16 + skip, n - skip, PAGE_FOLLOW_LINKS);
        assert_links("a http://h.example/e/a\n");
    }
    extract_bytes("application/xml", text, sizeof text - 1, PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/e/a\n");
    extract_bytes(NULL, text, sizeof text - 1, PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/e/a\n");
    extract_bytes(NULL, "<?xml version='1.0'?><rss><a href='b'/></rss>", 45, PAGE_FOLLOW_LINKS);
    assert_links("");
    extract("<h:base href='/e/'><h:a href=a><a href=b>");
    assert_links("a http://h.example/d/b\n");
}

static void test_xhtml_closes_itself(void **state) {
    static const char body[] = "<script src='x'/><title/><a href='a'/><style/><a href='b'/>";

    (void)state;
    extract_bytes("application/xhtml+xml", body, strlen(body), PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/d/a\na http://h.example/d/b\n");
    extract(body);
    assert_links("");
}

static void assert_encoded(const char *type, const char *body, size_t n, const char *expected) {
    extract_bytes(type, body, n, PAGE_FOLLOW_LINKS);
    assert_links(expected);
}

#define ENCODED(type, body, expected) assert_encoded(type, body, sizeof body - 1, expected)

static void test_encodings(void **state) {
    (void)state;
    /* UTF-8 declared, found valid, with a byte order mark. */
    ENCODED("text/html;charset=utf-8", "<a href='\xc3\xa9?\xc3\xa9'>",
            "a http://h.example/d/%C3%A9?%C3%A9\n");
    ENCODED("text/html", "<a href='\xc3\xa9?\xc3\xa9'>", "a http://h.example/d/%C3%A9?%C3%A9\n");
    ENCODED("text/html;charset=latin1", "\xef\xbb\xbf<a href='?\xc3\xa9'>",
            "a http://h.example/d/p.html?%C3%A9\n");
    /* In a legacy encoding the path is UTF-8 and the query is not. */
    ENCODED("text/html;charset=iso-8859-1", "<a href='\xe9?\xe9&x=&eacute;&#x20ac;&#x4e00;'>",
            "a http://h.example/d/%C3%A9?%E9&x=%E9%80%26%2319968%3B\n");
    ENCODED("text/html", "<a href='?\xe9'>", "a http://h.example/d/p.html?%E9\n");
    ENCODED("text/html", "<meta charset=shift_jis><a href='\x83\x65?\x83\x65'>",
            "a http://h.example/d/%E3%83%86?%83e\n");
    ENCODED("text/html;charset=x-user-defined", "<a href='\xff'>",
            "a http://h.example/d/%EF%9F%BF\n");
    /* An empty query before a fragment, a '?' that belongs to one: what stands behind a space is not cut off. */
    ENCODED("text/html;charset=iso-8859-1",
            "<a href='a?\n#\xe9'><a href='b\n#?#\xe9'><a href='?\xe9'>",
            "a http://h.example/d/a?\na http://h.example/d/b\na http://h.example/d/p.html?%E9\n");
    ENCODED("text/html;charset=iso-8859-1", "<link rel=canonical href='a?#\xe9'><a href='b'>",
            "link-canonical http://h.example/d/a?\na http://h.example/d/b\n");
    /* UTF-16, by its mark. */
    ENCODED("text/html", "\xff\xfe<\0a\0 \0h\0r\0e\0f\0=\0\xe9\0?\0\xe9\0>\0",
            "a http://h.example/d/%C3%A9?%C3%A9\n");
    /* Replacement: nothing can be read. */
    ENCODED("text/html;charset=iso-2022-kr", "<a href=a>", "");
}

static void test_late_meta_charset(void **state) {
    char body[4096];
    int n = snprintf(body, sizeof body,
                     "<a href=x>%2000s<meta charset=windows-1251><a href='\xe9?\xe9'>", "");

    (void)state;
    assert_encoded("text/html", body, (size_t)n,
                   "a http://h.example/d/x\na http://h.example/d/%D0%B9?%E9\n");
}

static void test_malformed_utf8(void **state) {
    (void)state;
    ENCODED("text/html;charset=utf-8", "<a href='\xff\xe9'>",
            "a http://h.example/d/%EF%BF%BD%EF%BF%BD\n");
    ENCODED("text/html;charset=utf-8", "<a href='a\0b'>", "a http://h.example/d/a%EF%BF%BDb\n");
}

static void test_too_long(void **state) {
    size_t n = LIMIT_URL_BYTES + 100;
    char *body = malloc(n);

    (void)state;
    assert_non_null(body);
    memset(body, 'x', n);
    memcpy(body, "<a href='", 9);
    memcpy(body + n - 12, "'><a href=b>", 12);
    extract_bytes("text/html", body, n, PAGE_FOLLOW_LINKS);
    assert_links("a http://h.example/d/b\n");
    assert_int_equal(page.links_refused, 1);
    free(body);
}

static void test_link_limit(void **state) {
    struct buf body;

    (void)state;
    buf_init(&body, 64 << 20);
    for (int i = 0; i < LIMIT_PAGE_LINKS + 10; i++)
        buf_printf(&body, "<a href=%d><a href=1>", i);
    extract_bytes("text/html", body.data, body.len, PAGE_FOLLOW_LINKS);
    assert_int_equal(page.links.count, LIMIT_PAGE_LINKS);
    assert_int_equal(page.links_dropped, 10);
    buf_release(&body);
    extract("<a href=a>");
    assert_links("a http://h.example/d/a\n");
    assert_int_equal(page.links_dropped, 0);
}

/* ---- anchors --------------------------------------------------------------------------------------------- */

static void extract_anchors(const char *body, size_t n) {
    const struct page_input in = {.body = body,
                                  .body_len = n,
                                  .content_type = "text/html; charset=utf-8",
                                  .content_type_len = 24,
                                  .document = &document,
                                  .follow = PAGE_FOLLOW_ALL,
                                  .anchors = true};

    assert_int_equal(page_extract(&page, &in), PAGE_OK);
}

/* The texts as "path|text" lines, in their order. */
static void assert_anchors(const char *body, const char *expected) {
    struct buf got;

    extract_anchors(body, strlen(body));
    buf_init(&got, 1 << 20);
    buf_append_str(&got, "");
    for (size_t i = 0; i < page.anchors.count; i++) {
        const struct anchor *a = &page.anchors.items[i];
        buf_printf(&got, "%s|%.*s\n", page_link_url(&page, a->link) + strlen("http://h.example"),
                   (int)a->len, page.anchors.text.data + a->at);
    }
    assert_string_equal(got.data, expected);
    buf_release(&got);
}

static void test_anchor_texts(void **state) {
    (void)state;
    assert_anchors("out <a href=a>one</a> out <a name=x>no link</a> <a href=b>two</a>",
                   "/d/a|one\n/d/b|two\n");
    assert_anchors("<a href=a>\n  Tom &amp; Jerry&nbsp;\t&#x43;o\r\n </a>",
                   "/d/a|Tom & Jerry Co\n");
    assert_anchors("<a href=a> <img src=i> </a><a href=b></a>", "");
    assert_anchors("<a href=a>w<b>or</b>d<br>and<div>block</div>s</a>", "/d/a|word and block s\n");
    assert_anchors("<a href=a>open <a href=b>next<p>more", "/d/a|open\n/d/b|next more\n");
    assert_anchors("<a href=a>x<script>if (a<b) f('</a>')</script>y<style>p{}</style>z"
                   "<!-- c --><textarea>t</textarea></a>",
                   "/d/a|x y z\n");
    assert_anchors("<svg><a href=a><text>in svg</text></a></svg>", "/d/a|in svg\n");
}

/* One link, several texts; they belong to the link wherever <base> stands, and whatever comes of the others. */
static void test_anchors_of_links(void **state) {
    (void)state;
    assert_anchors("<a href=a#1>one</a><a href='mailto:x'>mail</a><a href=b>two</a><a href=a>one "
                   "more</a><base href=/e/>",
                   "/e/a|one\n/e/b|two\n/e/a|one more\n");
    assert_int_equal(page.links.count, 2);
    extract("<a href=a>not asked for</a>");
    assert_int_equal(page.anchors.count, 0);
}

static void test_anchor_is_one_line_of_utf8(void **state) {
    (void)state;
    assert_anchors("<a href=a>a\x1b[31mb\x7f\xc2\x85z\xe2\x80\xa8\xe3\x80\x80q</a>",
                   "/d/a|a [31mb z q\n");
    assert_anchors("<a href=a>\xff\xc3\xa9\xe2\x82</a>", "/d/a|\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\n");
}

static void test_anchor_bounds(void **state) {
    struct buf body;

    (void)state;
    buf_init(&body, 64 << 20);
    buf_append_str(&body, "<a href=a>x");
    for (int i = 0; i < 10000; i++)
        buf_append_str(&body, "\xc3\xa9");
    extract_anchors(body.data, body.len);
    assert_int_equal(page.anchors.count, 1);
    assert_int_equal(page.anchors.items[0].len, ANCHOR_BYTES - 1);
    assert_true(charset_is_valid_utf8(page.anchors.text.data, page.anchors.items[0].len));
    assert_int_equal(page.anchors.dropped, 0);
    buf_reset(&body);
    for (int i = 0; i < LIMIT_PAGE_LINKS + 7; i++)
        buf_append_str(&body, "<a href=a>x</a>");
    extract_anchors(body.data, body.len);
    assert_int_equal(page.anchors.count, LIMIT_PAGE_LINKS);
    assert_int_equal(page.anchors.dropped, 7);
    buf_release(&body);
}

static void test_empty(void **state) {
    (void)state;
    extract_bytes(NULL, NULL, 0, PAGE_FOLLOW_ALL);
    assert_false(page.is_html);
    extract_bytes("text/html", NULL, 0, PAGE_FOLLOW_ALL);
    assert_true(page.is_html);
    assert_links("");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_field),
        cmocka_unit_test(test_refresh_field),
        cmocka_unit_test(test_srcdoc),
        cmocka_unit_test(test_xml_documents),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_kinds_of_documents),
        cmocka_unit_test(test_kinds_of_parts),
        cmocka_unit_test(test_css),
        cmocka_unit_test(test_what_is_not_a_link),
        cmocka_unit_test(test_noscript_and_template_count),
        cmocka_unit_test(test_template_says_nothing),
        cmocka_unit_test(test_base_applies_to_all),
        cmocka_unit_test(test_once_each),
        cmocka_unit_test(test_nofollow),
        cmocka_unit_test(test_meta_robots),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_references_in_urls),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_xhtml_closes_itself),
        cmocka_unit_test(test_xml_by_its_root),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_late_meta_charset),
        cmocka_unit_test(test_malformed_utf8),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_link_limit),
        cmocka_unit_test(test_anchor_texts),
        cmocka_unit_test(test_anchors_of_links),
        cmocka_unit_test(test_anchor_is_one_line_of_utf8),
        cmocka_unit_test(test_anchor_bounds),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

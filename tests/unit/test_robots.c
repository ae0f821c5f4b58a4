/* robots: groups, matching, spelling, limits, the encoded form, and what happens without memory. */
#include "shared/limits.h"
#include "shared/robots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void parse(struct robots *r, const char *text, const char *token) {
    robots_init(r);
    assert_true(robots_parse(r, text, strlen(text), token));
}

static bool allowed(const char *text, const char *token, const char *path) {
    struct robots r;

    parse(&r, text, token);
    bool yes = robots_allowed(&r, path, strlen(path), NULL);
    robots_release(&r);
    return yes;
}

#define assert_allowed(text, token, path) assert_true(allowed(text, token, path))
#define assert_forbidden(text, token, path) assert_false(allowed(text, token, path))

/* RFC 9309 §5.1 */
static void rfc_simple_example(void **state) {
    static const char text[] = "User-Agent: *\n"
                               "Disallow: *.gif$\n"
                               "Disallow: /example/\n"
                               "Allow: /publications/\n"
                               "\n"
                               "User-Agent: foobot\n"
                               "Disallow:/\n"
                               "Allow:/example/page.html\n"
                               "Allow:/example/allowed.gif\n"
                               "\n"
                               "User-Agent: barbot\n"
                               "User-Agent: bazbot\n"
                               "Disallow: /example/page.html\n"
                               "\n"
                               "User-Agent: quxbot\n";
    (void)state;

    assert_forbidden(text, "trawl", "/a.gif");
    assert_allowed(text, "trawl", "/a.gif?x");
    assert_forbidden(text, "trawl", "/example/page.html");
    assert_allowed(text, "trawl", "/publications/a");
    assert_allowed(text, "foobot", "/example/page.html");
    assert_allowed(text, "foobot", "/example/allowed.gif");
    assert_forbidden(text, "foobot", "/publications/");
    assert_forbidden(text, "barbot", "/example/page.html");
    assert_forbidden(text, "BazBot", "/example/page.html");
    assert_allowed(text, "bazbot", "/a.gif");
    /* A group without rules is a group: "*" is not for quxbot. */
    assert_allowed(text, "quxbot", "/example/page.html");
}

/* RFC 9309 §5.2 and §2.2.2 */
static void rfc_longest_match(void **state) {
    static const char text[] = "User-Agent: foobot\n"
                               "Allow: /example/page/\n"
                               "Disallow: /example/page/disallowed.gif\n";
    (void)state;

    assert_allowed(text, "foobot", "/example/page/a.gif");
    assert_forbidden(text, "foobot", "/example/page/disallowed.gif");
    assert_allowed("user-agent: *\ndisallow: /a\nallow: /a\n", "x", "/a");
    assert_allowed("user-agent: *\nallow: /a\ndisallow: /a\n", "x", "/a");
    assert_forbidden("user-agent: *\nallow: /a\ndisallow: /a*\n", "x", "/a");
}

/* Each of them as a rule forbids each of them as a path. */
static void assert_all_same(const char *const *spellings, size_t count) {
    char text[200];

    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "user-agent: *\ndisallow: %s\n", spellings[i]);
        for (size_t k = 0; k < count; k++)
            assert_forbidden(text, "x", spellings[k]);
    }
}

/* RFC 9309 §2.2.2, the table of paths; §2.2.3, the two tables of special characters. */
static void rfc_tables(void **state) {
    (void)state;
    assert_forbidden("user-agent: *\ndisallow: /foo/bar?baz=quz", "x", "/foo/bar?baz=quz");
    static const char *const query[] = {"/foo/bar?baz=https://foo.bar",
                                        "/foo/bar?baz=https%3A%2F%2Ffoo.bar"};
    static const char *const utf8[] = {"/foo/bar/\xe3\x83\x84", "/foo/bar/%E3%83%84",
                                       "/foo/bar/%e3%83%84"};
    static const char *const unreserved[] = {"/foo/bar/%62%61%7A", "/foo/bar/baz"};
    static const char *const star[] = {"/path/file-with-a-%2A.html", "/path/file-with-a-%2a.html"};

    assert_all_same(query, 2);
    assert_all_same(utf8, 3);
    assert_all_same(unreserved, 2);
    assert_all_same(star, 2);
    assert_forbidden("user-agent: *\ndisallow: /path/file-with-a-%2A.html", "x",
                     "/path/file-with-a-*.html");
    assert_allowed("user-agent: *\ndisallow: /path/file-with-a-%2A.html", "x",
                   "/path/file-with-a-b.html");
    assert_forbidden("user-agent: *\ndisallow: /path/foo-%24", "x", "/path/foo-$");
    assert_forbidden("user-agent: *\ndisallow: /path/foo-%24", "x", "/path/foo-$1");
    assert_forbidden("user-agent: *\nallow: /this/path/exactly$\ndisallow: /", "x",
                     "/this/path/exactly/not");
    assert_allowed("user-agent: *\nallow: /this/path/exactly$\ndisallow: /", "x",
                   "/this/path/exactly");
    assert_allowed("user-agent: *\nallow: /this/*/exactly\ndisallow: /", "x",
                   "/this/a/b/exactly/c");
}

static void separators_differ_from_their_escapes(void **state) {
    (void)state;
    assert_allowed("user-agent: *\ndisallow: /a/b", "x", "/a%2Fb");
    assert_allowed("user-agent: *\ndisallow: /a%2fb", "x", "/a/b");
    assert_forbidden("user-agent: *\ndisallow: /a%2fb", "x", "/a%2Fb");
    assert_allowed("user-agent: *\ndisallow: /a?b", "x", "/a%3fb");
    assert_allowed("user-agent: *\ndisallow: /?a=1", "x", "/?a%3D1");
    assert_allowed("user-agent: *\ndisallow: /?a+b", "x", "/?a%2Bb");
    assert_forbidden("user-agent: *\ndisallow: /wiki/Special:", "x", "/wiki/Special%3ARandom");
    assert_forbidden("user-agent: *\ndisallow: /wiki/Special%3a", "x", "/wiki/Special:Random");
    /* A rule that does not say where the query starts sees it as it is written. */
    assert_forbidden("user-agent: *\ndisallow: /*%2F", "x", "/a?u=%2F");
    assert_forbidden("user-agent: *\ndisallow: /*/print", "x", "/a?u=/print");
    assert_forbidden("user-agent: *\ndisallow: /*?*/print", "x", "/a?u=%2fprint");
}

static void spelling_of_odd_octets(void **state) {
    (void)state;
    assert_forbidden("user-agent: *\ndisallow: /100%", "x", "/100%25");
    assert_forbidden("user-agent: *\ndisallow: /100%2", "x", "/100%252");
    assert_forbidden("user-agent: *\ndisallow: /100%zz", "x", "/100%zz");
    assert_forbidden("user-agent: *\ndisallow: /a b", "x", "/a%20b");
    assert_forbidden("user-agent: *\ndisallow: /\xff", "x", "/%ff");
    assert_forbidden("user-agent: *\ndisallow: /~joe", "x", "/%7Ejoe");
    assert_allowed("user-agent: *\ndisallow: /%2561", "x", "/a"); /* unescaped once */
    assert_allowed("user-agent: *\ndisallow: /A", "x", "/a");
}

static void wildcards(void **state) {
    (void)state;
    assert_forbidden("user-agent: *\ndisallow: /*.php$", "x", "/a.php.php");
    assert_allowed("user-agent: *\ndisallow: /*.php$", "x", "/a.php?b");
    assert_forbidden("user-agent: *\ndisallow: /*$", "x", "/a");
    assert_forbidden("user-agent: *\ndisallow: *", "x", "/a");
    assert_forbidden("user-agent: *\ndisallow: /**a***b", "x", "/xaxb");
    assert_allowed("user-agent: *\ndisallow: /a*b*a$", "x", "/ab");
    assert_forbidden("user-agent: *\ndisallow: /$", "x", "/");
    assert_allowed("user-agent: *\ndisallow: /$", "x", "/a");
    assert_forbidden("user-agent: *\ndisallow: /$a", "x", "/$a");
    assert_forbidden("user-agent: *\ndisallow: /a$$", "x", "/a$");
    assert_allowed("user-agent: *\ndisallow: /ab*ab$", "x", "/ab");
    assert_allowed("user-agent: *\ndisallow: private", "x", "/private");
    assert_allowed("user-agent: *\ndisallow: $", "x", "/");
    assert_forbidden("user-agent: *\ndisallow: /", "x", "");
}

static void groups(void **state) {
    (void)state;
    /* Groups of one agent are one; lines that are no rules end no list of agents. */
    assert_forbidden("user-agent: a\ndisallow: /x\nuser-agent: b\ndisallow: /y\n"
                     "user-agent: A\ndisallow: /z\n",
                     "a", "/z");
    assert_forbidden("user-agent: a\nsitemap: s\ncrawl-delay: 1\nfoo: bar\n\nuser-agent: b\n"
                     "disallow: /\n",
                     "a", "/");
    assert_allowed("disallow: /\nuser-agent: a\n", "a", "/");
    assert_forbidden("user-agent: a\nuser-agent: *\ndisallow: /\n", "b", "/");
    assert_forbidden("user-agent: a/1.0 (x)\ndisallow: /\n", "a", "/");
    assert_allowed("user-agent: ab\ndisallow: /\n", "a", "/");
    assert_allowed("user-agent: a\ndisallow: /\n", "ab", "/");
    assert_allowed("user-agent: a-b\ndisallow: /\n", "a", "/");
    assert_forbidden("user-agent: ab42bot\ndisallow: /\n", "ab", "/");
    assert_allowed("user-agent: ab42bot\ndisallow: /\n", "ab42bot", "/");
    assert_forbidden("user-agent: * # all\ndisallow: /\n", "a", "/");
    assert_allowed("user-agent: *bot\ndisallow: /\n", "a", "/");
    /* A rule ends the list even where its value is empty or cannot match. */
    assert_allowed("user-agent: a\ndisallow:\nuser-agent: b\ndisallow: /\n", "a", "/");
    assert_allowed("user-agent: a\ndisallow: x\nuser-agent: b\ndisallow: /\n", "a", "/");
    assert_allowed("user-agent: a\ndisallow: /\n", "*", "/");
}

static void lines_and_fields(void **state) {
    (void)state;
    assert_forbidden("\xef\xbb\xbfUSER-AGENT:*\r\rDISALLOW:/a#b\r\n", "x", "/a");
    assert_forbidden(" \tuser-agent \t: \t* \r\n disallow : /a \t", "x", "/a");
    assert_allowed("user-agent: *\ndisallow /a\n", "x", "/a");
    assert_allowed("user-agent: *\n#disallow: /a\n", "x", "/a");
    assert_allowed("user-agent: *\nx # : y\ndisallow: # /a\n", "x", "/a");
    assert_allowed("\n\xef\xbb\xbfuser-agent: *\ndisallow: /\n", "x", "/a");
    assert_allowed("", "x", "/a");
    assert_allowed(":\n:::\n\r\n\r", "x", "/a");
}

/* A file that an editor saved as "Unicode" forbids what it says. */
static void utf16(void **state) {
    static const char text[] = "User-agent: *\r\nDisallow: /a\r\nAllow: /a/b";
    char bytes[2 * sizeof text];
    struct robots r;
    (void)state;

    for (int big_endian = 0; big_endian < 2; big_endian++) {
        size_t n = 0;
        for (const char *p = text; *p != '\0'; p++, n += 2) {
            bytes[n + 2 + (size_t)!big_endian] = '\0';
            bytes[n + 2 + (size_t)big_endian] = *p;
        }
        memcpy(bytes, big_endian ? "\xfe\xff" : "\xff\xfe", 2);
        robots_init(&r);
        assert_true(robots_parse(&r, bytes, n + 2, "x"));
        assert_int_equal(r.rule_count, 2);
        assert_false(robots_allowed(&r, "/a", 2, NULL));
        assert_true(robots_allowed(&r, "/a/b", 4, NULL));
        assert_true(robots_parse(&r, bytes, 2, "x"));
        assert_int_equal(r.rule_count, 0);
        robots_release(&r);
    }
}

/* In UTF-16 too the line that the limit cuts does not count. */
static void utf16_is_cut(void **state) {
    static const char head[] = "User-agent: *\nDisallow: /a\n#", tail[] = "\nAllow: /";
    size_t units = LIMIT_ROBOTS_BYTES / 2 - 1, rest = units - (sizeof head - 1) - (sizeof tail - 1);
    char *bytes = calloc(1, LIMIT_ROBOTS_BYTES + 100);
    struct robots r;
    (void)state;

    assert_non_null(bytes);
    memcpy(bytes, "\xff\xfe", 2);
    for (size_t i = 0; i < units; i++)
        bytes[2 + 2 * i] = i < sizeof head - 1          ? head[i]
                           : i < sizeof head - 1 + rest ? 'x'
                                                        : tail[i - rest - (sizeof head - 1)];
    memcpy(bytes + LIMIT_ROBOTS_BYTES, "a\0b\0", 4);
    robots_init(&r);
    assert_true(robots_parse(&r, bytes, LIMIT_ROBOTS_BYTES + 4, "x"));
    assert_int_equal(r.rule_count, 1);
    assert_false(robots_allowed(&r, "/a", 2, NULL));
    robots_release(&r);
    free(bytes);
}

static void explains(void **state) {
    static const char text[] =
        "# one\r\nuser-agent: *\r\n\r\nallow: /p%61ge \ndisallow: /page/a b\n";
    struct robots r;
    struct robots_match why;
    (void)state;

    parse(&r, text, "trawl");
    assert_true(robots_allowed(&r, "/page", 5, &why));
    assert_int_equal(why.reason, ROBOTS_BY_RULE);
    assert_int_equal(why.line, 4);
    assert_true(why.allow);
    assert_string_equal(why.text, "/p%61ge");
    assert_false(robots_allowed(&r, "/page/a%20b", 11, &why));
    assert_int_equal(why.line, 5);
    assert_false(why.allow);
    assert_string_equal(why.text, "/page/a b");
    assert_int_equal(why.text_len, 9);
    assert_true(robots_allowed(&r, "/other", 6, &why));
    assert_int_equal(why.reason, ROBOTS_BY_NO_RULE);
    assert_int_equal(why.line, 0);
    assert_null(why.text);
    robots_release(&r);
}

static void robots_txt_itself(void **state) {
    struct robots r;
    struct robots_match why;
    (void)state;

    parse(&r, "user-agent: *\ndisallow: /\n", "x");
    assert_true(robots_allowed(&r, "/robots.txt", 11, &why));
    assert_int_equal(why.reason, ROBOTS_BY_ITSELF);
    assert_false(robots_allowed(&r, "/robots.txt/", 12, &why));
    assert_false(robots_allowed(&r, "/robots.tx", 10, &why));
    robots_disallow_all(&r);
    assert_true(robots_allowed(&r, "/robots.txt", 11, &why));
    assert_false(robots_allowed(&r, "/", 1, &why));
    assert_int_equal(why.reason, ROBOTS_BY_STATE);
    robots_allow_all(&r);
    assert_true(robots_allowed(&r, "/", 1, &why));
    robots_release(&r);
    assert_false(robots_allowed(&r, "/", 1, NULL));
}

static void statuses(void **state) {
    (void)state;
    assert_int_equal(robots_verdict_for_status(200), ROBOTS_PARSE);
    assert_int_equal(robots_verdict_for_status(204), ROBOTS_PARSE);
    assert_int_equal(robots_verdict_for_status(301), ROBOTS_REDIRECT);
    for (int status = 400; status < 500; status++) {
        bool not_now = status == 408 || status == 421 || status == 425 || status == 429;
        assert_int_equal(robots_verdict_for_status(status),
                         not_now ? ROBOTS_DISALLOW_ALL : ROBOTS_ALLOW_ALL);
    }
    for (int status = 500; status < 600; status++)
        assert_int_equal(robots_verdict_for_status(status), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(0), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(-1), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(100), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(999), ROBOTS_DISALLOW_ALL);
}

static uint32_t delay_of(const char *text, const char *token) {
    struct robots r;

    parse(&r, text, token);
    uint32_t delay_ms = robots_crawl_delay_ms(&r);
    robots_release(&r);
    return delay_ms;
}

static void crawl_delays(void **state) {
    (void)state;
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: 10", "x"), 10000);
    assert_int_equal(delay_of("user-agent: *\nCrawl-Delay : 0.25 # s", "x"), 250);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: .0001", "x"), 1);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: -1", "x"), 0);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: soon", "x"), 0);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: .", "x"), 0);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: 99999999999999999999999", "x"),
                     UINT32_MAX);
    assert_int_equal(delay_of("user-agent: *\ncrawl-delay: 2\ncrawl-delay: 1", "x"), 2000);
    assert_int_equal(delay_of("crawl-delay: 2", "x"), 0);
    /* The agents named since the last rule or Crawl-delay; a rule's list goes on. */
    static const char text[] = "user-agent: a\ncrawl-delay: 1\nuser-agent: b\ncrawl-delay: 2\n"
                               "user-agent: *\ndisallow: /x\ncrawl-delay: 3\n";
    assert_int_equal(delay_of(text, "a"), 1000);
    assert_int_equal(delay_of(text, "b"), 2000);
    assert_int_equal(delay_of(text, "c"), 3000);
    assert_forbidden(text, "a", "/x");
    /* A crawler with a group of its own does not take that of "*". */
    assert_int_equal(delay_of("user-agent: a\nallow: /\nuser-agent: *\ncrawl-delay: 1", "a"), 0);
}

static void sitemaps(void **state) {
    struct robots r;
    struct buf text;
    size_t len;
    (void)state;

    parse(&r, "Sitemap: /a.xml \nuser-agent: b\nSITEMAP :http://b/#c\nsitemap:\n", "x");
    assert_int_equal(r.sitemap_count, 2);
    assert_string_equal(robots_sitemap(&r, 0, &len), "/a.xml");
    assert_int_equal(len, 6);
    assert_string_equal(robots_sitemap(&r, 1, &len), "http://b/");
    robots_release(&r);

    buf_init(&text, LIMIT_ROBOTS_BYTES);
    for (int i = 0; i < ROBOTS_SITEMAPS_MAX + 10; i++)
        buf_printf(&text, "sitemap: /%d\n", i);
    assert_true(robots_parse(&r, text.data, text.len, "x"));
    assert_int_equal(r.sitemap_count, ROBOTS_SITEMAPS_MAX);
    buf_release(&text);
    robots_release(&r);
}

/* RFC 9309 §2.5: what is before the limit counts; the rule that it cuts does not. */
static void size_limit(void **state) {
    static const char head[] = "user-agent: *\ndisallow: /first\n", tail[] = "disallow: /last";
    size_t size = LIMIT_ROBOTS_BYTES;
    char *text = malloc(size + 100);
    struct robots r;
    (void)state;

    assert_non_null(text);
    robots_init(&r);
    for (int over = -1; over <= 8; over++) {
        size_t at = size + (size_t)(over + 1) - strlen(tail) - 1;
        memset(text, '\n', size + 100);
        memcpy(text, head, strlen(head));
        memcpy(text + at, tail, strlen(tail)); /* its line end is at size + over */
        assert_true(robots_parse(&r, text, size + 100, "x"));
        assert_false(robots_allowed(&r, "/first", 6, NULL));
        assert_int_equal(robots_allowed(&r, "/last", 5, NULL), over >= 0);
        assert_true(robots_allowed(&r, "/la", 3, NULL));
        assert_true(robots_parse(&r, text, size, "x"));
        assert_int_equal(robots_allowed(&r, "/last", 5, NULL), over >= 0);
    }
    free(text);
    robots_release(&r);
}

/* No rule makes matching look at more than the path and itself, whatever its wildcards. */
static void wildcards_are_linear(void **state) {
    static char path[LIMIT_URL_BYTES];
    struct buf text;
    struct robots r;
    struct robots_match why;
    (void)state;

    memset(path, 'a', sizeof path);
    path[0] = '/';
    for (int form = 0; form < 4; form++) {
        buf_init(&text, LIMIT_ROBOTS_BYTES);
        buf_append_str(&text, "user-agent: *\ndisallow: /");
        for (int i = 0; i < 2000; i++)
            buf_append_str(&text, form == 0 ? "a*" : form == 1 ? "*a" : form == 2 ? "**" : "*aa");
        buf_append_str(&text, form == 2 ? "b" : "b$");
        robots_init(&r);
        assert_true(robots_parse(&r, text.data, text.len, "x"));
        assert_true(robots_allowed(&r, path, sizeof path, &why));
        assert_true(why.steps <= sizeof path + text.len);
        robots_release(&r);
        buf_release(&text);
    }
}

static void long_paths(void **state) {
    static char path[LIMIT_URL_BYTES + 1];
    struct robots r;
    struct robots_match why;
    (void)state;

    memset(path, 0xff, sizeof path); /* every octet becomes three */
    path[0] = '/';
    path[1] = '?';
    parse(&r, "user-agent: *\ndisallow: /*%FF$\n", "x");
    assert_false(robots_allowed(&r, path, LIMIT_URL_BYTES, &why));
    assert_int_equal(why.reason, ROBOTS_BY_RULE);
    assert_false(robots_allowed(&r, path, sizeof path, &why));
    assert_int_equal(why.reason, ROBOTS_BY_URL_LIMIT);
    robots_release(&r);
}

static const char everything[] =
    "user-agent: *\ndisallow: /*.gif$\nallow: /a%20b\ncrawl-delay: 1.5\n"
    "disallow: /?q=%2F\nsitemap: https://a/b.xml\nsitemap: /c\n";

static void assert_same(const struct robots *a, const struct robots *b) {
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->crawl_delay_ms, b->crawl_delay_ms);
    assert_int_equal(a->rule_count, b->rule_count);
    assert_int_equal(a->sitemap_count, b->sitemap_count);
    for (size_t i = 0; i < a->rule_count; i++) {
        const struct robots_rule *x = &a->rules[i], *y = &b->rules[i];
        assert_int_equal(x->line, y->line);
        assert_int_equal(x->allow, y->allow);
        assert_int_equal(x->anchored, y->anchored);
        assert_int_equal(x->in_query, y->in_query);
        assert_string_equal(a->text.data + x->text_at, b->text.data + y->text_at);
        assert_int_equal(x->pattern_len, y->pattern_len);
        assert_memory_equal(a->patterns.data + x->pattern_at, b->patterns.data + y->pattern_at,
                            x->pattern_len);
    }
    for (size_t i = 0; i < a->sitemap_count; i++) {
        size_t n;
        assert_string_equal(robots_sitemap(a, i, &n), robots_sitemap(b, i, &n));
    }
}

static void encodes(void **state) {
    struct robots r, back;
    struct buf b;
    (void)state;

    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    robots_init(&back);
    parse(&r, everything, "x");
    for (int i = 0; i < 3; i++) {
        assert_true(robots_encode(&r, &b));
        assert_true(robots_decode(&back, b.data, b.len));
        assert_same(&r, &back);
        buf_reset(&b);
        if (i == 0)
            robots_allow_all(&r);
        else
            robots_disallow_all(&r);
    }
    parse(&r, "", "x");
    assert_true(robots_encode(&r, &b));
    assert_true(robots_decode(&back, b.data, b.len));
    assert_true(robots_allowed(&back, "/", 1, NULL));
    buf_release(&b);
    robots_release(&r);
    robots_release(&back);
}

static void decoding_refuses_damage(void **state) {
    struct robots r, back;
    struct buf b;
    (void)state;

    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    robots_init(&back);
    parse(&r, everything, "x");
    assert_true(robots_encode(&r, &b));
    for (size_t n = 0; n < b.len; n++) {
        char *cut = malloc(n + 1); /* so that a sanitizer sees reads behind it */
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        assert_false(robots_decode(&back, cut, n));
        assert_false(robots_allowed(&back, "/", 1, NULL));
        free(cut);
    }
    for (size_t i = 0; i < b.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
            if (robots_decode(&back, b.data, b.len))
                robots_allowed(&back, "/a.gif?b", 8, NULL);
            b.data[i] = (char)(b.data[i] ^ (1 << bit));
        }
    }
    buf_append_char(&b, 0);
    assert_false(robots_decode(&back, b.data, b.len));
    assert_false(robots_decode(&back, NULL, 0));
    assert_false(robots_decode(&back, "\1\2\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff", 13));
    assert_false(robots_decode(&back, "\1\2\0\0\1\0\1x", 8)); /* a rule that no path can match */
    assert_false(robots_decode(&back, "\1\3", 2));
    assert_false(robots_decode(&back, "\2\1", 2));
    buf_release(&b);
    robots_release(&r);
    robots_release(&back);
}

/* The largest file stays under the limits of its encoded form. */
static void encodes_the_largest(void **state) {
    struct buf text, b;
    struct robots r, back;
    (void)state;

    buf_init(&text, LIMIT_ROBOTS_BYTES);
    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    buf_append_str(&text, "user-agent:*\n");
    while (buf_append_str(&text, "allow:/\n"))
        ;
    robots_init(&r);
    robots_init(&back);
    assert_true(robots_parse(&r, text.data, text.len, "x"));
    assert_true(r.rule_count > 63990);
    assert_true(robots_encode(&r, &b));
    assert_true(b.len <= LIMIT_ROBOTS_BYTES);
    assert_true(robots_decode(&back, b.data, b.len));
    assert_int_equal(back.rule_count, r.rule_count);
    robots_release(&r);
    robots_release(&back);
    buf_release(&text);
    buf_release(&b);
}

static void without_memory(void **state) {
    (void)state;
#ifdef SANITIZED
    skip();
#else
    struct robots r;
    struct buf b;
    long n = 0;

    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    robots_init(&r);
    for (bool done = false; !done; n++) {
        reallocs_left = n;
        done = robots_parse(&r, everything, strlen(everything), "x");
        reallocs_left = -1;
        assert_int_equal(robots_allowed(&r, "/x", 2, NULL), done);
    }
    assert_true(n > 3);
    reallocs_left = 0;
    assert_false(robots_encode(&r, &b));
    reallocs_left = -1;
    buf_reset(&b);
    assert_true(robots_encode(&r, &b));
    n = 0;
    for (bool done = false; !done; n++) {
        reallocs_left = n;
        done = robots_decode(&r, b.data, b.len);
        reallocs_left = -1;
        assert_int_equal(robots_allowed(&r, "/x", 2, NULL), done);
    }
    assert_true(n > 3);
    buf_release(&b);
    robots_release(&r);
#endif
}

static void assert_token(const char *user_agent, const char *wanted) {
    char *token = robots_product_token(user_agent);

    if (wanted == NULL) {
        assert_null(token);
    } else {
        assert_non_null(token);
        assert_string_equal(token, wanted);
    }
    free(token);
}

static void product_tokens(void **state) {
    (void)state;
    assert_token("trawl/0.1 (+https://example.org/)", "trawl");
    assert_token("trawl", "trawl");
    assert_token(" My_Bot-x y", "My_Bot-x");
    assert_token("mj12bot/1.4", "mj");
    assert_token("Mozilla/5.0 (compatible; trawl/0.1; +https://example.org/)", "trawl");
    assert_token("Mozilla/5.0 (X11; Linux)", "Mozilla");
    assert_token("Mozilla/5.0 (compatible; )", "Mozilla");
    assert_token("", NULL);
    assert_token("(none)", NULL);
    assert_token(NULL, NULL);
    assert_true(robots_token_is_valid("Foo_Bar-baz"));
    assert_false(robots_token_is_valid("Foo1"));
    assert_false(robots_token_is_valid(""));
    assert_false(robots_token_is_valid("Foo Bar"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_simple_example),
        cmocka_unit_test(rfc_longest_match),
        cmocka_unit_test(rfc_tables),
        cmocka_unit_test(separators_differ_from_their_escapes),
        cmocka_unit_test(spelling_of_odd_octets),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(groups),
        cmocka_unit_test(lines_and_fields),
        cmocka_unit_test(utf16),
        cmocka_unit_test(utf16_is_cut),
        cmocka_unit_test(explains),
        cmocka_unit_test(robots_txt_itself),
        cmocka_unit_test(statuses),
        cmocka_unit_test(crawl_delays),
        cmocka_unit_test(sitemaps),
        cmocka_unit_test(size_limit),
        cmocka_unit_test(wildcards_are_linear),
        cmocka_unit_test(long_paths),
        cmocka_unit_test(encodes),
        cmocka_unit_test(decoding_refuses_damage),
        cmocka_unit_test(encodes_the_largest),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(product_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

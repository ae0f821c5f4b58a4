/* The tokenizer's bounds, its options, and the context that stands in for a tree. The standard's
 * cases themselves are in test_corpus_html_tokenizer.c and test_corpus_html_tree.c. */
#include "shared/html.h"
#include "shared/html_context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes tokens down as "<a href=x>", "</a>", text in quotes, "!comment". */
struct trace {
    struct html html;
    struct html_context context;
    const struct html_element *element;
    struct buf log;
    size_t tags, attrs, longest_value;
    bool truncated, name_truncated;
    const char *unwanted; /* name of the element whose attributes are not wanted */
    size_t stop_after;    /* tags; 0: never */
};

static bool on_want(void *ctx, const char *name, size_t n) {
    struct trace *t = ctx;

    t->element = html_element_find(name, n);
    return t->unwanted == NULL || strlen(t->unwanted) != n || memcmp(t->unwanted, name, n) != 0;
}

static bool on_start_tag(void *ctx, const struct html_tag *tag) {
    struct trace *t = ctx;

    html_context_start_tag(&t->context, t->element, tag, &t->html);
    t->tags++;
    t->attrs += tag->attr_count;
    t->name_truncated = t->name_truncated || tag->name_truncated;
    buf_append_char(&t->log, '<');
    buf_append(&t->log, tag->name, tag->name_len);
    for (size_t i = 0; i < tag->attr_count; i++) {
        const struct html_attr *a = &tag->attrs[i];
        buf_append_char(&t->log, ' ');
        buf_append(&t->log, a->name, a->name_len);
        buf_append_char(&t->log, '=');
        buf_append(&t->log, a->value, a->value_len);
        t->truncated = t->truncated || a->truncated;
        if (a->value_len > t->longest_value)
            t->longest_value = a->value_len;
    }
    buf_append_str(&t->log, tag->self_closing ? "/>" : ">");
    return t->stop_after == 0 || t->tags < t->stop_after;
}

static bool on_end_tag(void *ctx, const struct html_tag *tag) {
    struct trace *t = ctx;

    html_context_end_tag(&t->context, html_element_find(tag->name, tag->name_len), &t->html);
    buf_append_str(&t->log, "</");
    buf_append(&t->log, tag->name, tag->name_len);
    return buf_append_char(&t->log, '>') || true;
}

static bool on_text(void *ctx, const char *p, size_t n) {
    struct trace *t = ctx;

    return buf_append(&t->log, p, n) || true;
}

static bool on_comment(void *ctx, const char *p, size_t n, bool truncated) {
    struct trace *t = ctx;

    t->truncated = t->truncated || truncated;
    buf_append_char(&t->log, '!');
    return buf_append(&t->log, p, n) || true;
}

static const struct html_events events = {
    .want = on_want,
    .start_tag = on_start_tag,
    .end_tag = on_end_tag,
    .text = on_text,
    .comment = on_comment,
};

static void trace_init(struct trace *t) {
    *t = (struct trace){0};
    html_init(&t->html, &events, t);
    html_context_init(&t->context);
    buf_init(&t->log, 1 << 20);
}

static void trace_release(struct trace *t) {
    html_release(&t->html);
    buf_release(&t->log);
}

static void assert_tokens(const char *input, const char *expected) {
    struct trace t;

    trace_init(&t);
    html_set_text(&t.html, true);
    assert_true(html_feed(&t.html, input, strlen(input)));
    assert_true(html_finish(&t.html));
    assert_string_equal(t.log.len > 0 ? t.log.data : "", expected);
    trace_release(&t);
}

static void test_raw_text(void **state) {
    (void)state;
    assert_tokens("<title><a></title>", "<title><a></title>");
    assert_tokens("<script>if (a<b) '<a>'</script><b>", "<script>if (a<b) '<a>'</script><b>");
    assert_tokens("<script><!--<script></script><a>--></script>",
                  "<script><!--<script></script><a>--></script>");
    assert_tokens("<noscript><a href=x></noscript>", "<noscript><a href=x></noscript>");
    assert_tokens("<style></STYLE ><a>", "<style></style><a>");
    assert_tokens("<textarea>&lt;</x></textarea>", "<textarea><</x></textarea>");
    assert_tokens("<plaintext></plaintext><a>", "<plaintext></plaintext><a>");
}

static void test_foreign_content(void **state) {
    (void)state;
    assert_tokens("<svg><style><a></style></svg>", "<svg><style><a></style></svg>");
    assert_tokens("<svg><![CDATA[<a>]]></svg><![CDATA[<a>]]>", "<svg><a></svg>![CDATA[<a]]>");
    assert_tokens("<svg><foreignObject><style><a></style></foreignObject><style><b></svg>",
                  "<svg><foreignobject><style><a></style></foreignobject><style><b></svg>");
    assert_tokens("<svg><p><style><a></style>", "<svg><p><style><a></style>");
    assert_tokens("<svg/><style><a></style>", "<svg/><style><a></style>");
    assert_tokens("<math><mi><style></b></style></mi><style><b></b></style></math>",
                  "<math><mi><style></b></style></mi><style><b></b></style></math>");
}

/* §13.2.6: what <svg> and <math> begin in each other, and where HTML may stand in them. "C" is a CDATA section where those are,
 * a comment elsewhere. */
static void test_foreign_in_foreign(void **state) {
#define CDATA "<![CDATA[C>]]>"
#define COMMENT "![CDATA[C]]>"
    static const struct {
        const char *input, *expected;
    } cases[] = {
        {"<math><svg><title>" CDATA, "<math><svg><title>C>"},
        {"<math><svg><foreignObject>" CDATA "<b>" CDATA, "<math><svg><foreignobject>C><b>" COMMENT},
        {"<math><svg><mi><b>" CDATA, "<math><svg><mi><b>" COMMENT},
        {"<math><svg><title><a>" CDATA, "<math><svg><title><a>C>"},
        {"<math><svg></svg>" CDATA "</math>" CDATA, "<math><svg></svg>C></math>" COMMENT},
        {"<svg><math><mi><a>" CDATA, "<svg><math><mi><a>C>"},
        {"<svg><math></math><title><a>" CDATA, "<svg><math></math><title><a>" COMMENT},
        {"<math><annotation-xml><svg><title><a>" CDATA,
         "<math><annotation-xml><svg><title><a>" COMMENT},
        {"<math><annotation-xml><x/><y></y><svg><title><a>" CDATA,
         "<math><annotation-xml><x/><y></y><svg><title><a>" COMMENT},
        {"<math><annotation-xml><y><svg><title><a>" CDATA,
         "<math><annotation-xml><y><svg><title><a>C>"},
        {"<math><annotation-xml><svg></svg></annotation-xml><svg><title><a>" CDATA,
         "<math><annotation-xml><svg></svg></annotation-xml><svg><title><a>C>"},
        {"<math><annotation-xml><mi><b></mi><svg><title><a>" CDATA,
         "<math><annotation-xml><mi><b></mi><svg><title><a>" COMMENT},
        {"<math><annotation-xml></math>" CDATA, "<math><annotation-xml></math>" COMMENT},
        {"<math><annotation-xml encoding=Text/HTML><svg><title><a>" CDATA,
         "<math><annotation-xml encoding=Text/HTML><svg><title><a>" COMMENT},
        {"<math><annotation-xml encoding='application/xhtml+xml'><a>" CDATA,
         "<math><annotation-xml encoding=application/xhtml+xml><a>" COMMENT},
        {"<math><annotation-xml encoding=text/xml><a>" CDATA,
         "<math><annotation-xml encoding=text/xml><a>C>"},
        {"<math><mtext>" CDATA "<svg>" CDATA "</svg>" CDATA "<i>" CDATA,
         "<math><mtext>C><svg>C></svg>C><i>" COMMENT},
        {"<svg><desc>" CDATA "</desc>" CDATA, "<svg><desc>C></desc>C>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_tokens(cases[i].input, cases[i].expected);
}

static void test_text_off(void **state) {
    static const char input[] = "a&amp;b<i title='&lt;&#x41'>c</i><!-- d -->e";
    struct trace t;

    (void)state;
    trace_init(&t);
    assert_true(html_feed(&t.html, input, strlen(input)) && html_finish(&t.html));
    assert_string_equal(t.log.data, "<i title=<A></i>! d ");
    trace_release(&t);
}

static void test_newlines_over_chunks(void **state) {
    struct trace t;

    (void)state;
    trace_init(&t);
    html_set_text(&t.html, true);
    assert_true(html_feed(&t.html, "a\r", 2) && html_feed(&t.html, "\n\r", 2) &&
                html_feed(&t.html, "b", 1) && html_finish(&t.html));
    assert_string_equal(t.log.data, "a\n\nb");
    trace_release(&t);
}

static void test_unwanted_tags(void **state) {
    static const char input[] = "<i a=1 b='>' c=\">\" d><b e=2>";
    struct trace t;

    (void)state;
    trace_init(&t);
    t.unwanted = "i";
    assert_true(html_feed(&t.html, input, strlen(input)) && html_finish(&t.html));
    assert_string_equal(t.log.data, "<b e=2>");
    trace_release(&t);
}

static void test_callback_stops(void **state) {
    struct trace t;

    (void)state;
    trace_init(&t);
    t.stop_after = 2;
    assert_false(html_feed(&t.html, "<a><b><i>", 9));
    assert_int_equal(t.tags, 2);
    assert_false(html_feed(&t.html, "<u>", 3));
    assert_false(html_finish(&t.html));
    assert_false(t.html.no_memory);
    html_reset(&t.html);
    t.stop_after = 0;
    assert_true(html_feed(&t.html, "<u>", 3));
    assert_int_equal(t.tags, 3);
    trace_release(&t);
}

/* 100 MiB of one attribute, one name, one comment: kept up to the bound, read to the end. */
static void test_huge_tokens(void **state) {
    static const char *const starts[] = {"<a href=\"", "<a href=", "<",         "<!--",
                                         "<!",         "<a ",      "<!DOCTYPE "};
    static const char *const ends[] = {"\"><b>", " ><b>", "><b>", "--><b>", "><b>", "><b>", "><b>"};
    enum { CHUNK = 1 << 20 };
    char *chunk = malloc(CHUNK);

    (void)state;
    assert_non_null(chunk);
    memset(chunk, 'x', CHUNK);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct trace t;
        trace_init(&t);
        html_feed(&t.html, starts[i], strlen(starts[i]));
        for (int n = 0; n < 100; n++)
            assert_true(html_feed(&t.html, chunk, CHUNK));
        html_feed(&t.html, ends[i], strlen(ends[i]));
        assert_true(html_finish(&t.html));
        assert_true(t.tags >= 1);
        assert_memory_equal(t.log.data + t.log.len - 3, "<b>", 3);
        assert_true(t.html.bytes.size <= HTML_TAG_BYTES + 1);
        assert_true(t.html.comment.size <= HTML_COMMENT_MAX + 1);
        assert_true(t.longest_value <= HTML_VALUE_MAX);
        trace_release(&t);
    }
    free(chunk);
}

static void test_many_attributes(void **state) {
    struct trace t;

    (void)state;
    trace_init(&t);
    html_feed(&t.html, "<a", 2);
    for (int i = 0; i < 100000; i++) {
        char attr[32];
        int n = snprintf(attr, sizeof attr, " a%d=%d", i, i);
        assert_true(html_feed(&t.html, attr, (size_t)n));
    }
    assert_true(html_feed(&t.html, "><b>", 4));
    assert_int_equal(t.attrs, HTML_TAG_ATTRS);
    assert_int_equal(t.tags, 2);
    trace_release(&t);
}

static void test_deep_nesting(void **state) {
    static const char *const tags[] = {"<div>", "<svg>", "<svg><foreignObject>", "<math><mi>"};

    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        struct trace t;
        trace_init(&t);
        for (int n = 0; n < 1000000; n++)
            assert_true(html_feed(&t.html, tags[i], strlen(tags[i])));
        assert_true(t.tags >= 1000000);
        trace_release(&t);
    }
}

/* Values full of references and NULs, which grow when decoded, at every length around the cap. */
static void test_decoding_at_the_cap(void **state) {
    size_t n = HTML_VALUE_MAX + 16;
    char *value = malloc(n);
    struct trace t;

    (void)state;
    assert_non_null(value);
    trace_init(&t);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++)
            value[i] = round == 0 ? '\0' : "&nGt;"[i % 5];
        for (int attr = 0; attr < 6; attr++) {
            html_feed(&t.html, attr == 0 ? "<a b0='" : "' c='", attr == 0 ? 7 : 5);
            html_feed(&t.html, value, n - (size_t)attr);
        }
        assert_true(html_feed(&t.html, "'>", 2));
    }
    assert_int_equal(t.tags, 2);
    assert_true(t.truncated);
    assert_false(t.html.no_memory);
    assert_true(t.html.bytes.size <= HTML_TAG_BYTES + 1);
    trace_release(&t);
    free(value);
}

static void test_duplicate_attributes(void **state) {
    (void)state;
    assert_tokens("<a X=1 x=2 y=3 x=4>", "<a x=1 y=3>");
}

static void test_truncated_name_matches_nothing(void **state) {
    struct trace t;

    (void)state;
    trace_init(&t);
    html_feed(&t.html, "<", 1);
    for (int i = 0; i < HTML_NAME_MAX + 1; i++)
        html_feed(&t.html, "a", 1);
    html_feed(&t.html, ">", 1);
    assert_true(t.name_truncated);
    trace_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_text),
        cmocka_unit_test(test_foreign_content),
        cmocka_unit_test(test_foreign_in_foreign),
        cmocka_unit_test(test_text_off),
        cmocka_unit_test(test_newlines_over_chunks),
        cmocka_unit_test(test_unwanted_tags),
        cmocka_unit_test(test_callback_stops),
        cmocka_unit_test(test_huge_tokens),
        cmocka_unit_test(test_many_attributes),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_decoding_at_the_cap),
        cmocka_unit_test(test_duplicate_attributes),
        cmocka_unit_test(test_truncated_name_matches_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The known-answer corpora for values of attributes and headers: WPT's srcset, meta refresh and MIME type tests. */
#include "shared/charset.h"
#include "shared/metarefresh.h"
#include "shared/mimetype.h"
#include "shared/srcset.h"
#include "tests/unit/corpus_html.h"

#include <strings.h>

/* ------------------------------------------------------------------ srcset.json */

static bool is_edge(char c) {
    return (unsigned char)c <= 0x20;
}

/* What the URL parser makes of its input first: no outer spaces, no tabs or newlines. */
static void clean_url(struct buf *to, const char *p, size_t n) {
    buf_reset(to);
    while (n > 0 && is_edge(*p)) {
        p++;
        n--;
    }
    while (n > 0 && is_edge(p[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
            buf_append_char(to, p[i]);
    buf_append(to, "", 1);
}

static bool srcset_yields(const json_t *srcset, const json_t *chosen) {
    const char *url;
    size_t n, count = 0;
    bool found = false;
    struct srcset it;
    struct buf a, b;

    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    srcset_init(&it, json_string_value(srcset), json_string_length(srcset));
    while (srcset_next(&it, &url, &n)) {
        count++;
        if (json_is_null(chosen))
            continue;
        clean_url(&a, url, n);
        clean_url(&b, json_string_value(chosen), json_string_length(chosen));
        found = found || strcmp(a.data, b.data) == 0;
    }
    buf_release(&a);
    buf_release(&b);
    return json_is_null(chosen) ? count == 0 : found;
}

static void test_srcset(void **state) {
    struct score s = {.name = "html/srcset.json"};
    json_t *root = load(s.name), *item;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, item) {
        const json_t *srcset = json_object_get(item, "srcset");
        score_add(&s, srcset_yields(srcset, json_object_get(item, "chosen")),
                  json_string_value(srcset), json_string_length(srcset));
    }
    json_decref(root);
    score_print(&s);
    assert_int_equal(s.passed, s.total);
}

/* ------------------------------------------------------------------ meta-refresh.json */

static bool refresh_matches(const json_t *item) {
    const json_t *content = json_object_get(item, "content"), *url = json_object_get(item, "url");
    const json_t *delay = json_object_get(item, "delay");
    struct metarefresh m;
    bool ok = metarefresh_parse(&m, json_string_value(content), json_string_length(content));
    struct buf clean;

    if (!ok || json_is_null(delay))
        return !ok && json_is_null(delay);
    if (json_integer_value(delay) != (json_int_t)m.delay_s)
        return false;
    if (m.url == NULL || json_is_null(url))
        return m.url == NULL && json_is_null(url);
    buf_init(&clean, 1 << 20);
    clean_url(&clean, m.url, m.url_len);
    ok = strcmp(clean.data, json_string_value(url)) == 0;
    buf_release(&clean);
    return ok;
}

static void test_meta_refresh(void **state) {
    struct score s = {.name = "html/meta-refresh.json"};
    json_t *root = load(s.name), *item;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, item) {
        const json_t *content = json_object_get(item, "content");
        score_add(&s, refresh_matches(item), json_string_value(content),
                  json_string_length(content));
    }
    json_decref(root);
    score_print(&s);
    assert_int_equal(s.passed, s.total);
}

/* ------------------------------------------------------------------ mime-types.json */

/* A header's bytes stand for the characters up to U+00FF: a case with others is not about bytes. */
static bool is_latin1(const json_t *s) {
    const unsigned char *p = (const unsigned char *)json_string_value(s);

    for (size_t i = 0; i < json_string_length(s); i++)
        if (p[i] > 0xc3)
            return false;
    return true;
}

static bool mime_matches(const json_t *item) {
    const json_t *input = json_object_get(item, "input"), *output = json_object_get(item, "output");
    const json_t *encoding = json_object_get(item, "encoding");
    const char *label = NULL;
    size_t n, label_len = 0;
    char *raw = to_bytes(input, &n);
    struct mimetype m;
    struct buf got;

    mimetype_init(&m);
    buf_init(&got, 1 << 20);
    bool ok = mimetype_parse(&m, raw, n) == MIMETYPE_OK;
    if (ok && json_is_string(output)) {
        size_t want_len;
        char *want = to_bytes(output, &want_len);
        ok = mimetype_serialise(&m, &got) && got.len == want_len &&
             memcmp(got.data, want, want_len) == 0;
        free(want);
        const struct charset *c = mimetype_param(&m, "charset", &label, &label_len)
                                      ? charset_by_label(label, label_len)
                                      : NULL;
        if (ok && json_is_string(encoding))
            ok = c != NULL && strcasecmp(c->name, json_string_value(encoding)) == 0;
        else if (ok && json_is_null(encoding))
            ok = c == NULL;
    } else {
        ok = !ok && json_is_null(output);
    }
    buf_release(&got);
    mimetype_release(&m);
    free(raw);
    return ok;
}

static void test_mime_types(void **state) {
    struct score s = {.name = "html/mime-types.json"};
    json_t *root = load(s.name), *item;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, item) {
        const json_t *input = json_object_get(item, "input");
        if (!is_latin1(input))
            continue;
        score_add(&s, mime_matches(item), json_string_value(input), json_string_length(input));
    }
    json_decref(root);
    score_print(&s);
    assert_int_equal(s.passed, s.total);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_srcset),
        cmocka_unit_test(test_meta_refresh),
        cmocka_unit_test(test_mime_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

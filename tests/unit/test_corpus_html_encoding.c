/* The known-answer corpus for the encoding of a page that declares it, or does not: html5lib's encoding tests. */
#include "shared/charset.h"
#include "shared/html.h"
#include "tests/unit/corpus_html.h"

#include <strings.h>

struct late_charset {
    const struct charset *found;
};

static bool charset_start_tag(void *ctx, const struct html_tag *tag) {
    struct late_charset *l = ctx;
    bool pragma = false;
    const struct html_attr *content = NULL;

    if (tag->name_len != 4 || memcmp(tag->name, "meta", 4) != 0 || l->found != NULL)
        return true;
    for (size_t i = 0; i < tag->attr_count; i++) {
        const struct html_attr *a = &tag->attrs[i];
        if (a->name_len == 7 && memcmp(a->name, "charset", 7) == 0)
            l->found = charset_declared(a->value, a->value_len);
        if (a->name_len == 7 && memcmp(a->name, "content", 7) == 0)
            content = a;
        if (a->name_len == 10 && memcmp(a->name, "http-equiv", 10) == 0)
            pragma = a->value_len == 12 && strncasecmp(a->value, "content-type", 12) == 0;
    }
    if (pragma && content != NULL && l->found == NULL)
        l->found = charset_from_meta_content(content->value, content->value_len);
    return true;
}

/* As page.c does it: byte order mark, prescan, then what the tokenizer comes across. */
static const struct charset *sniff(const char *p, size_t n) {
    static const struct html_events events = {.start_tag = charset_start_tag};
    struct late_charset late = {0};
    struct html h;
    size_t bom_len;
    const struct charset *c = charset_from_bom(p, n, &bom_len);

    if (c == NULL)
        c = charset_prescan(p, n);
    if (c != NULL)
        return c;
    html_init(&h, &events, &late);
    assert_true(html_feed(&h, p, n) && html_finish(&h));
    html_release(&h);
    return late.found != NULL ? late.found : charset_windows_1252();
}

static void run_encoding_file(struct score *s, const char *name) {
    struct section section, body, data = {0};
    size_t len = 0;
    char *text = read_all(name, &len);
    const char *at = text, *end = text + len;

    assert_non_null(text);
    while (read_section(&at, end, &section, &body)) {
        if (section_is(&section, "#data")) {
            data = body;
        } else if (section_is(&section, "#encoding")) {
            size_t n = strcspn(body.text, "\n");
            const struct charset *want = charset_by_label(body.text, n);
            const struct charset *got = sniff(data.text, data.len > 0 ? data.len - 1 : 0);
            if (want != got)
                printf("  got %s, not %.*s\n", got->name, (int)n, body.text);
            score_add(s, want == got, data.text, data.len);
        }
    }
    free(text);
}

static void test_encoding(void **state) {
    (void)state;
    for_each_file("html/encoding", ".dat", run_encoding_file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

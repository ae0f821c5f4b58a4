/*
 * The known-answer corpus for HTML's trees: html5lib's tests of tree construction.
 *
 * A tokenizer has no tree: of tree construction it is checked that every element and attribute of
 * the expected tree is found. What a tree builder drops (a <col> outside a table) is found too, and
 * is no failure; what it makes up (<tbody>) is not looked for.
 */
#include "shared/html.h"
#include "shared/html_context.h"
#include "tests/unit/corpus_html.h"

struct tree_test {
    struct html html;
    struct html_context context;
    const struct html_element *element;
    /* "\n<name>\n" of every element and "\nname=\"value\"\n" of every attribute, names in lower case */
    struct buf found;
};

static bool tree_want(void *ctx, const char *name, size_t n) {
    struct tree_test *t = ctx;

    t->element = html_element_find(name, n);
    return true;
}

static bool tree_start_tag(void *ctx, const struct html_tag *tag) {
    struct tree_test *t = ctx;

    html_context_start_tag(&t->context, t->element, tag, &t->html);
    buf_append_str(&t->found, "\n<");
    buf_append(&t->found, tag->name, tag->name_len);
    buf_append_str(&t->found, ">\n");
    for (size_t i = 0; i < tag->attr_count; i++) {
        buf_append_char(&t->found, '\n');
        buf_append(&t->found, tag->attrs[i].name, tag->attrs[i].name_len);
        buf_append_str(&t->found, "=\"");
        buf_append(&t->found, tag->attrs[i].value, tag->attrs[i].value_len);
        buf_append_str(&t->found, "\"\n");
    }
    return true;
}

static bool tree_end_tag(void *ctx, const struct html_tag *tag) {
    struct tree_test *t = ctx;

    html_context_end_tag(&t->context, html_element_find(tag->name, tag->name_len), &t->html);
    return true;
}

static const struct html_events tree_events = {
    .want = tree_want, .start_tag = tree_start_tag, .end_tag = tree_end_tag};

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Elements that the tree builder makes without a start tag of that name. */
static bool may_be_implied(const char *line) {
    static const char *const names[] = {"html",     "head", "body", "tbody", "tr",
                                        "colgroup", "p",    "br",   "img"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(line + 2, names[i], n) == 0 && line[2 + n] == '>')
            return true;
    }
    return false;
}

/* The line of an expected element, `| <name>` with any indent, as tree_test.found has it. */
static bool expected_element(const char *p, size_t n, struct buf *out) {
    const char *open = n > 0 ? memchr(p, '<', n) : NULL;

    if (open == NULL || p[n - 1] != '>' || open[1] == '!' || open[1] == '?')
        return false;
    for (const char *q = p + 1; q < open; q++)
        if (*q != ' ')
            return false;
    const char *space = memrchr(p, ' ', n); /* of "svg " */
    const char *start = space != NULL && space > open ? space + 1 : open + 1;
    buf_reset(out);
    buf_append_str(out, "\n<");
    for (; start < p + n; start++)
        buf_append_char(out, lower(*start));
    buf_append_char(out, '\n');
    return !may_be_implied(out->data);
}

/* The line of an expected attribute, `| name="value"` with any indent, as tree_test.found has it.
 * Foreign attributes are written "xlink href": the source has "xlink:href". */
static bool expected_attribute(const char *p, size_t n, struct buf *out) {
    size_t i = 1;

    if (n < 3 || p[0] != '|')
        return false;
    while (i < n && p[i] == ' ')
        i++;
    if (i == n || p[i] == '"' || p[i] == '<')
        return false;
    const char *eq = memchr(p + i, '=', n - i);
    if (eq == NULL || eq + 1 >= p + n || eq[1] != '"')
        return false;
    buf_reset(out);
    buf_append_char(out, '\n');
    for (const char *q = p + i; q < eq; q++)
        buf_append_char(out, *q == ' ' ? ':' : lower(*q));
    buf_append(out, eq, (size_t)(p + n - eq));
    return buf_append_char(out, '\n');
}

/* Whether every element and attribute of the expected tree was found. Values over several lines are skipped. */
static bool finds_all(const struct tree_test *t, const struct section *document) {
    const char *p = document->text, *end = p + document->len;
    bool in_text = false, all = true;
    struct buf line;

    buf_init(&line, 1 << 20);
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((eol != NULL ? eol : end) - p);
        if (n > 0 && p[0] == '|') {
            const char *q = p + 1;
            while (q < p + n && *q == ' ')
                q++;
            in_text = q < p + n && *q == '"' && (q + 1 == p + n || p[n - 1] != '"');
        }
        if (!in_text && n > 0 &&
            ((p[n - 1] == '"' && expected_attribute(p, n, &line)) ||
             expected_element(p, n, &line)) &&
            (t->found.len == 0 ||
             memmem(t->found.data, t->found.len, line.data, line.len) == NULL)) {
            printf("  missing%s", line.data);
            all = false;
        }
        p += n + 1;
    }
    buf_release(&line);
    return all;
}

/* The state in which a fragment's parsing starts (§13.4): its context element's content. */
static void start_in(struct tree_test *t, const struct section *context) {
    static const char svg[] = "svg ", math[] = "math ";
    size_t n = context->len;

    while (n > 0 && context->text[n - 1] == '\n')
        n--;
    if (n > 4 && memcmp(context->text, svg, 4) == 0) {
        t->context.stack[t->context.depth++] =
            (struct html_context_level){.ns = HTML_NAMESPACE_SVG};
    } else if (n > 5 && memcmp(context->text, math, 5) == 0) {
        t->context.stack[t->context.depth++] =
            (struct html_context_level){.ns = HTML_NAMESPACE_MATHML};
    } else {
        const struct html_element *e = html_element_find(context->text, n);
        if (e != NULL && e->content_state != HTML_DATA)
            html_set_state(&t->html, (enum html_state)e->content_state);
    }
    html_allow_cdata(&t->html, t->context.depth > 0);
}

static void run_tree_test(struct score *s, const struct section *data,
                          const struct section *context, const struct section *document) {
    struct tree_test t = {0};
    size_t n = data->len > 0 ? data->len - 1 : 0;

    html_init(&t.html, &tree_events, &t);
    html_context_init(&t.context);
    buf_init(&t.found, 1 << 20);
    if (context->text != NULL)
        start_in(&t, context);
    assert_true(html_feed(&t.html, data->text, n) && html_finish(&t.html));
    score_add(s, finds_all(&t, document), data->text, n);
    buf_release(&t.found);
    html_release(&t.html);
}

static void run_tree_file(struct score *s, const char *name) {
    struct section section, body, data = {0}, context = {0};
    bool script_on = false;
    size_t len = 0;
    char *text = read_all(name, &len);
    const char *at = text, *end = text + len;

    assert_non_null(text);
    while (read_section(&at, end, &section, &body)) {
        if (section_is(&section, "#data")) {
            data = body;
            context = (struct section){0};
            script_on = false;
        } else if (section_is(&section, "#document-fragment")) {
            context = body;
        } else if (section_is(&section, "#script-on")) {
            script_on = true;
        } else if (section_is(&section, "#document") && !script_on) {
            run_tree_test(s, &data, &context, &body);
        }
    }
    free(text);
}

static void test_tree_construction(void **state) {
    (void)state;
    for_each_file("html/tree-construction", ".dat", run_tree_file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_construction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

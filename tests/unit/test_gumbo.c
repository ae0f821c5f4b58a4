/*
 * Differential test: the raw links that the tokenizer finds are those of gumbo's tree, as sets of
 * (tag, attribute, value).
 *
 * By default over every 20th page of python3-doc; TRAWL_GUMBO_FULL=1 takes all pages of python3-doc,
 * rust-doc and openjdk-17-doc. Skipped where none of them is installed.
 */
#include "shared/buf.h"
#include "shared/html.h"
#include "shared/html_context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <gumbo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS_MAX = 1 << 20, SAMPLE = 20 };

static const char *const link_attrs[] = {"href", "src",      "srcset",     "action",
                                         "data", "poster",   "background", "content",
                                         "cite", "longdesc", "xlink:href"};

/* Links as "tag attr value", each an allocated string. */
struct set {
    char **items;
    size_t count;
};

static void set_add(struct set *s, const char *tag, size_t tag_len, const char *attr,
                    size_t attr_len, const char *value, size_t value_len) {
    size_t n = tag_len + attr_len + value_len + 2;
    char *item = malloc(n + 1);

    assert_non_null(item);
    assert_true(s->count < LINKS_MAX);
    snprintf(item, n + 1, "%.*s %.*s %.*s", (int)tag_len, tag, (int)attr_len, attr, (int)value_len,
             value);
    s->items[s->count++] = item;
}

static void set_init(struct set *s) {
    *s = (struct set){calloc(LINKS_MAX, sizeof *s->items), 0};
    assert_non_null(s->items);
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void set_sort(struct set *s) {
    size_t kept = 0;

    qsort(s->items, s->count, sizeof *s->items, compare);
    for (size_t i = 0; i < s->count; i++) {
        if (kept > 0 && strcmp(s->items[kept - 1], s->items[i]) == 0)
            free(s->items[i]);
        else
            s->items[kept++] = s->items[i];
    }
    s->count = kept;
}

static void set_clear(struct set *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i]);
    s->count = 0;
}

static bool is_link_attr(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof link_attrs / sizeof link_attrs[0]; i++)
        if (strlen(link_attrs[i]) == n && memcmp(link_attrs[i], name, n) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------ ours */

struct reader {
    struct html html;
    struct html_context context;
    const struct html_element *element;
    struct set *set;
};

static bool on_want(void *ctx, const char *name, size_t n) {
    struct reader *r = ctx;

    r->element = html_element_find(name, n);
    return true;
}

static bool on_start_tag(void *ctx, const struct html_tag *tag) {
    struct reader *r = ctx;

    html_context_start_tag(&r->context, r->element, tag, &r->html);
    for (size_t i = 0; i < tag->attr_count; i++) {
        const struct html_attr *a = &tag->attrs[i];
        if (is_link_attr(a->name, a->name_len))
            set_add(r->set, tag->name, tag->name_len, a->name, a->name_len, a->value, a->value_len);
    }
    return true;
}

static bool on_end_tag(void *ctx, const struct html_tag *tag) {
    struct reader *r = ctx;

    html_context_end_tag(&r->context, html_element_find(tag->name, tag->name_len), &r->html);
    return true;
}

static const struct html_events events = {
    .want = on_want, .start_tag = on_start_tag, .end_tag = on_end_tag};

static void read_ours(const char *body, size_t n, struct set *set) {
    struct reader r = {.set = set};

    html_init(&r.html, &events, &r);
    html_context_init(&r.context);
    assert_true(html_feed(&r.html, body, n) && html_finish(&r.html));
    html_release(&r.html);
}

/* ------------------------------------------------------------------ gumbo's */

static void add_element(struct set *set, const GumboElement *e) {
    const char *tag = gumbo_normalized_tagname(e->tag);
    GumboStringPiece piece = {tag, strlen(tag)};
    char lower[256];

    if (e->tag == GUMBO_TAG_UNKNOWN) {
        piece = e->original_tag;
        gumbo_tag_from_original_text(&piece);
    }
    for (size_t i = 0; i < piece.length && i < sizeof lower; i++)
        lower[i] = (char)(piece.data[i] >= 'A' && piece.data[i] <= 'Z' ? piece.data[i] + 32
                                                                       : piece.data[i]);
    for (unsigned i = 0; i < e->attributes.length; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        bool xlink = a->attr_namespace == GUMBO_ATTR_NAMESPACE_XLINK;
        const char *name = xlink && strcmp(a->name, "href") == 0 ? "xlink:href" : a->name;
        if (is_link_attr(name, strlen(name)))
            set_add(set, lower, piece.length, name, strlen(name), a->value, strlen(a->value));
    }
}

/* The next node in document order below `root`, without recursion. */
static const GumboNode *next_node(const GumboNode *n, const GumboNode *root) {
    bool has_children = n->type == GUMBO_NODE_ELEMENT || n->type == GUMBO_NODE_TEMPLATE;

    if (has_children && n->v.element.children.length > 0)
        return n->v.element.children.data[0];
    while (n != root) {
        const GumboVector *siblings = &n->parent->v.element.children;
        if (n->index_within_parent + 1 < siblings->length)
            return siblings->data[n->index_within_parent + 1];
        n = n->parent;
    }
    return NULL;
}

static void read_gumbo(const char *body, size_t n, struct set *set) {
    GumboOutput *out = gumbo_parse_with_options(&kGumboDefaultOptions, body, n);

    for (const GumboNode *at = out->root; at != NULL; at = next_node(at, out->root))
        if (at->type == GUMBO_NODE_ELEMENT || at->type == GUMBO_NODE_TEMPLATE)
            add_element(set, &at->v.element);
    gumbo_destroy_output(&kGumboDefaultOptions, out);
}

/* ------------------------------------------------------------------ the comparison */

static struct {
    struct set ours, gumbos;
    size_t seen, compared, differing, links;
    unsigned every;
} run;

static void print_difference(const char *path) {
    size_t i = 0, j = 0;

    printf("%s\n", path);
    while (i < run.ours.count || j < run.gumbos.count) {
        int order = i == run.ours.count     ? 1
                    : j == run.gumbos.count ? -1
                                            : strcmp(run.ours.items[i], run.gumbos.items[j]);
        if (order < 0)
            printf("  only ours: %.200s\n", run.ours.items[i]);
        else if (order > 0)
            printf("  only gumbo's: %.200s\n", run.gumbos.items[j]);
        i += order <= 0;
        j += order >= 0;
    }
}

static bool same_sets(void) {
    if (run.ours.count != run.gumbos.count)
        return false;
    for (size_t i = 0; i < run.ours.count; i++)
        if (strcmp(run.ours.items[i], run.gumbos.items[i]) != 0)
            return false;
    return true;
}

static void compare_page(const char *path, char *body, size_t n) {
    read_ours(body, n, &run.ours);
    read_gumbo(body, n, &run.gumbos);
    set_sort(&run.ours);
    set_sort(&run.gumbos);
    run.compared++;
    run.links += run.ours.count;
    if (!same_sets()) {
        run.differing++;
        print_difference(path);
    }
    set_clear(&run.ours);
    set_clear(&run.gumbos);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *where) {
    size_t len = strlen(path), n = (size_t)st->st_size;

    (void)where;
    if (type != FTW_F || len < 5 || strcmp(path + len - 5, ".html") != 0 || n == 0)
        return 0;
    if (run.seen++ % run.every != 0)
        return 0;
    FILE *f = fopen(path, "rb");
    char *body = malloc(n);
    assert_non_null(body);
    if (f != NULL && fread(body, 1, n, f) == n)
        compare_page(path, body, n);
    if (f != NULL)
        fclose(f);
    free(body);
    return 0;
}

static void test_same_links(void **state) {
    static const char *const roots[] = {"/usr/share/doc/python3/html/",
                                        "/usr/share/doc/rust-doc/html/",
                                        "/usr/share/doc/openjdk-17-doc/api/"};
    bool full = getenv("TRAWL_GUMBO_FULL") != NULL;

    (void)state;
    run.every = full ? 1 : SAMPLE;
    set_init(&run.ours);
    set_init(&run.gumbos);
    for (size_t i = 0; i < (full ? sizeof roots / sizeof roots[0] : 1); i++) {
        size_t before = run.compared;
        nftw(roots[i], visit, 32, 0);
        printf("gumbo: %s: %zu pages\n", roots[i], run.compared - before);
    }
    free(run.ours.items);
    free(run.gumbos.items);
    printf("gumbo: %zu pages, %zu links, %zu pages differ\n", run.compared, run.links,
           run.differing);
    if (run.compared == 0)
        skip();
    assert_int_equal(run.differing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_links)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

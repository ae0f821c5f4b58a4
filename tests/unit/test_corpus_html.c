/*
 * The known-answer corpora for HTML: html5lib's tokenizer, tree construction and encoding tests,
 * WPT's srcset, meta refresh and MIME type tests. Read from $TRAWL_CORPORA, by default
 * ../shared/corpora; skipped where they are missing. Every case runs whole and byte by byte.
 *
 * A tokenizer has no tree: of tree construction it is checked that every element and attribute of
 * the expected tree is found. What a tree builder drops (a <col> outside a table) is found too, and
 * is no failure; what it makes up (<tbody>) is not looked for.
 */
#include "shared/charset.h"
#include "shared/html.h"
#include "shared/html_context.h"
#include "shared/html_doctype.h"
#include "shared/metarefresh.h"
#include "shared/mimetype.h"
#include "shared/srcset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct score {
    const char *name;
    size_t passed, total;
};

static const char *corpus_path(char *path, size_t size, const char *name) {
    const char *root = getenv("TRAWL_CORPORA");

    snprintf(path, size, "%s/%s", root != NULL ? root : "../shared/corpora", name);
    return path;
}

static void score_add(struct score *s, bool passed, const char *what, size_t what_len) {
    s->total++;
    s->passed += passed;
    if (!passed)
        printf("corpus %s: case %zu fails: %.*s\n", s->name, s->total - 1,
               (int)(what_len < 300 ? what_len : 300), what);
}

static void score_print(const struct score *s) {
    printf("corpus %s: %zu of %zu\n", s->name, s->passed, s->total);
}

static json_t *load(const char *name) {
    char path[4096];
    json_error_t error;
    json_t *root = json_load_file(corpus_path(path, sizeof path, name), JSON_ALLOW_NUL, &error);

    return root;
}

static char *read_all(const char *name, size_t *len) {
    char path[4096], chunk[65536];
    FILE *f = fopen(corpus_path(path, sizeof path, name), "rb");
    struct buf b;

    if (f == NULL)
        return NULL;
    buf_init(&b, 64 << 20);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        assert_true(buf_append(&b, chunk, n));
    fclose(f);
    *len = b.len;
    buf_append_char(&b, '\0');
    return buf_take(&b);
}

/* ------------------------------------------------------------------ tokenizer/ *.test */

struct tokens {
    json_t *list;
    bool last_is_text;
};

/* jansson refuses what is not UTF-8, so bytes travel as Latin-1. */
static json_t *bytes(const char *p, size_t n) {
    char *out = malloc(2 * n + 1);
    size_t len = 0;

    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x80) {
            out[len++] = (char)c;
        } else {
            out[len++] = (char)(0xc0 | c >> 6);
            out[len++] = (char)(0x80 | (c & 0x3f));
        }
    }
    json_t *s = json_stringn_nocheck(out, len);
    free(out);
    return s;
}

static json_t *bytes_or_null(const char *p, size_t n) {
    return p == NULL ? json_null() : bytes(p, n);
}

static bool token_add(struct tokens *t, json_t *token, bool is_text) {
    json_array_append_new(t->list, token);
    t->last_is_text = is_text;
    return true;
}

static bool on_start_tag(void *ctx, const struct html_tag *tag) {
    json_t *token = json_array(), *attrs = json_object();

    for (size_t i = 0; i < tag->attr_count; i++) {
        json_t *name = bytes(tag->attrs[i].name, tag->attrs[i].name_len);
        json_object_setn_new_nocheck(attrs, json_string_value(name), json_string_length(name),
                                     bytes(tag->attrs[i].value, tag->attrs[i].value_len));
        json_decref(name);
    }
    json_array_append_new(token, json_string("StartTag"));
    json_array_append_new(token, bytes(tag->name, tag->name_len));
    json_array_append_new(token, attrs);
    if (tag->self_closing)
        json_array_append_new(token, json_true());
    return token_add(ctx, token, false);
}

static bool on_end_tag(void *ctx, const struct html_tag *tag) {
    json_t *token = json_array();

    json_array_append_new(token, json_string("EndTag"));
    json_array_append_new(token, bytes(tag->name, tag->name_len));
    return token_add(ctx, token, false);
}

static bool on_text(void *ctx, const char *p, size_t n) {
    struct tokens *t = ctx;
    json_t *more = bytes(p, n);

    if (t->last_is_text) {
        json_t *last = json_array_get(json_array_get(t->list, json_array_size(t->list) - 1), 1);
        size_t have = json_string_length(last), add = json_string_length(more);
        char *joined = malloc(have + add + 1);
        assert_non_null(joined);
        memcpy(joined, json_string_value(last), have);
        memcpy(joined + have, json_string_value(more), add);
        json_string_setn_nocheck(last, joined, have + add);
        free(joined);
        json_decref(more);
        return true;
    }
    json_t *token = json_array();
    json_array_append_new(token, json_string("Character"));
    json_array_append_new(token, more);
    return token_add(t, token, true);
}

static bool on_comment(void *ctx, const char *p, size_t n, bool truncated) {
    json_t *token = json_array();

    assert_false(truncated);
    json_array_append_new(token, json_string("Comment"));
    json_array_append_new(token, bytes(p, n));
    return token_add(ctx, token, false);
}

/* The text with NUL as U+FFFD, in lower case if asked. */
static json_t *doctype_text(const char *p, size_t n, bool lower) {
    struct buf b;

    if (p == NULL)
        return json_null();
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '\0')
            buf_append_str(&b, "\xef\xbf\xbd");
        else
            buf_append_char(&b, lower && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    json_t *s = bytes_or_null(b.len > 0 ? b.data : "", b.len);
    buf_release(&b);
    return s;
}

static bool on_doctype(void *ctx, const char *p, size_t n, bool at_eof) {
    json_t *token = json_array();
    struct html_doctype d;

    html_doctype_parse(&d, p, n, at_eof);
    json_array_append_new(token, json_string("DOCTYPE"));
    json_array_append_new(token, doctype_text(d.name, d.name_len, true));
    json_array_append_new(token, doctype_text(d.public_id, d.public_id_len, false));
    json_array_append_new(token, doctype_text(d.system_id, d.system_id_len, false));
    json_array_append_new(token, json_boolean(!d.force_quirks));
    return token_add(ctx, token, false);
}

static const struct html_events token_events = {
    .start_tag = on_start_tag,
    .end_tag = on_end_tag,
    .text = on_text,
    .comment = on_comment,
    .doctype = on_doctype,
};

/* The second round of \uHHHH that "doubleEscaped" asks for; lone surrogates as three bytes, which is
 * what a UTF-8 stream cannot hold: such cases are about UTF-16 and left out (NULL). */
static json_t *unescape(const char *p, size_t n) {
    struct buf b;
    json_t *result = NULL;
    bool surrogate = false;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n;) {
        unsigned code;
        if (n - i >= 6 && p[i] == '\\' && p[i + 1] == 'u' && sscanf(p + i + 2, "%4x", &code) == 1) {
            i += 6;
            surrogate = surrogate || (code >= 0xd800 && code < 0xe000);
            if (code >= 0x800)
                buf_append_char(&b, (char)(0xe0 | code >> 12));
            if (code >= 0x80)
                buf_append_char(
                    &b, (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6));
            buf_append_char(&b, (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code));
        } else {
            buf_append_char(&b, p[i++]);
        }
    }
    if (!surrogate)
        result = bytes(b.len > 0 ? b.data : "", b.len);
    buf_release(&b);
    return result;
}

/* The expected value in our Latin-1 form, unescaped if asked. NULL: not expressible in UTF-8. */
static json_t *expected_form(const json_t *v, bool unescaped) {
    const char *key;
    size_t i, key_len;
    json_t *item;

    if (json_is_string(v))
        return unescaped ? unescape(json_string_value(v), json_string_length(v))
                         : bytes(json_string_value(v), json_string_length(v));
    if (json_is_array(v)) {
        json_t *out = json_array();
        json_array_foreach(v, i, item) {
            if (json_array_append_new(out, expected_form(item, unescaped)) != 0) {
                json_decref(out);
                return NULL;
            }
        }
        return out;
    }
    if (!json_is_object(v))
        return json_deep_copy(v);
    json_t *out = json_object();
    json_object_keylen_foreach((json_t *)v, key, key_len, item) {
        json_t *name = unescaped ? unescape(key, key_len) : bytes(key, key_len);
        json_object_setn_new_nocheck(out, json_string_value(name), json_string_length(name),
                                     expected_form(item, unescaped));
        json_decref(name);
    }
    return out;
}

static enum html_state state_by_name(const char *name) {
    static const struct {
        const char *name;
        enum html_state state;
    } states[] = {
        {"Data state", HTML_DATA},
        {"PLAINTEXT state", HTML_PLAINTEXT},
        {"RCDATA state", HTML_RCDATA},
        {"RAWTEXT state", HTML_RAWTEXT},
        {"Script data state", HTML_SCRIPT_DATA},
        {"CDATA section state", HTML_CDATA_SECTION},
    };

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].name, name) == 0)
            return states[i].state;
    fail_msg("unknown state %s", name);
    return HTML_DATA;
}

/* The tokens of the input, given in chunks. */
static json_t *tokenize(const char *input, size_t n, size_t chunk, enum html_state state,
                        const char *last_start_tag) {
    struct tokens t = {.list = json_array()};
    struct html h;

    html_init(&h, &token_events, &t);
    html_set_text(&h, true);
    html_set_state(&h, state);
    if (last_start_tag != NULL)
        html_set_last_start_tag(&h, last_start_tag, strlen(last_start_tag));
    for (size_t i = 0; i < n; i += chunk)
        assert_true(html_feed(&h, input + i, n - i < chunk ? n - i : chunk));
    assert_true(html_finish(&h));
    html_release(&h);
    return t.list;
}

static bool check_case(const char *input, size_t n, const json_t *expected, enum html_state state,
                       const char *last_start_tag) {
    static const size_t chunks[] = {SIZE_MAX / 2, 1, 3};
    bool passed = true;

    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        json_t *got = tokenize(input, n, chunks[i], state, last_start_tag);
        if (!json_equal(got, expected)) {
            char *a = json_dumps(got, 0), *b = json_dumps(expected, 0);
            printf("  got %s\n  not %s\n", a, b);
            free(a);
            free(b);
            passed = false;
        }
        json_decref(got);
    }
    return passed;
}

/* Undoes bytes(). */
static char *to_bytes(const json_t *s, size_t *n) {
    const unsigned char *p = (const unsigned char *)json_string_value(s);
    size_t len = json_string_length(s);
    char *out = malloc(len + 1);

    assert_non_null(out);
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x80) {
            out[(*n)++] = (char)p[i];
            continue;
        }
        out[(*n)++] = (char)((p[i] & 3) << 6 | (p[i + 1] & 0x3f));
        i++;
    }
    return out;
}

static void run_tokenizer_test(struct score *s, const json_t *test) {
    bool twice = json_is_true(json_object_get(test, "doubleEscaped"));
    json_t *input = expected_form(json_object_get(test, "input"), twice);
    json_t *output = expected_form(json_object_get(test, "output"), twice);
    json_t *states = json_object_get(test, "initialStates"), *state;
    const char *description = json_string_value(json_object_get(test, "description"));
    const char *last = json_string_value(json_object_get(test, "lastStartTag"));
    bool passed = true;
    size_t i, n;

    if (input == NULL || output == NULL) {
        json_decref(input);
        json_decref(output);
        return;
    }
    char *raw = to_bytes(input, &n);
    if (states == NULL)
        passed = check_case(raw, n, output, HTML_DATA, last);
    json_array_foreach(states, i, state) passed =
        check_case(raw, n, output, state_by_name(json_string_value(state)), last) && passed;
    score_add(s, passed, description, strlen(description));
    free(raw);
    json_decref(input);
    json_decref(output);
}

/* Runs every file of a folder of the corpus, and fails the test if one case failed. */
static void for_each_file(const char *folder, const char *suffix,
                          void (*run)(struct score *, const char *)) {
    char path[4096];
    struct dirent **entries;
    int n = scandir(corpus_path(path, sizeof path, folder), &entries, NULL, alphasort);
    size_t failed = 0;

    if (n < 0)
        skip();
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t len = strlen(name), suffix_len = strlen(suffix);
        if (len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0) {
            char full[512];
            snprintf(full, sizeof full, "%s/%s", folder, name);
            struct score s = {.name = full};
            run(&s, full);
            score_print(&s);
            failed += s.total - s.passed;
        }
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(failed, 0);
}

/* xmlViolation.test expects an XML infoset, which a tokenizer for links does not make. */
static void run_tokenizer_file(struct score *s, const char *name) {
    json_t *root = load(name), *tests = json_object_get(root, "tests"), *test;
    size_t i;

    assert_non_null(root);
    json_array_foreach(tests, i, test) run_tokenizer_test(s, test);
    json_decref(root);
}

static void test_tokenizer(void **state) {
    (void)state;
    for_each_file("html/tokenizer", ".test", run_tokenizer_file);
}

/* ------------------------------------------------------------------ tree-construction/ *.dat */

/* Sections of a .dat file: from "#name\n" to the next line that starts with '#' and is a section. */
struct section {
    const char *text;
    size_t len;
};

static bool is_section_line(const char *p, const char *end) {
    static const char *const names[] = {
        "#data",       "#errors",    "#new-errors", "#document-fragment",
        "#script-off", "#script-on", "#document",   "#encoding"};
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    size_t n = (size_t)((eol != NULL ? eol : end) - p);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
            return true;
    return false;
}

static bool read_section(const char **at, const char *end, struct section *name,
                         struct section *body) {
    const char *p = *at;

    if (p >= end)
        return false;
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    eol = eol != NULL ? eol : end;
    *name = (struct section){p, (size_t)(eol - p)};
    p = eol < end ? eol + 1 : end;
    body->text = p;
    while (p < end && !is_section_line(p, end)) {
        eol = memchr(p, '\n', (size_t)(end - p));
        p = eol != NULL ? eol + 1 : end;
    }
    body->len = (size_t)(p - body->text);
    *at = p;
    return true;
}

static bool section_is(const struct section *s, const char *name) {
    return s->len == strlen(name) && memcmp(s->text, name, s->len) == 0;
}

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
        t->context.stack[t->context.depth++] = HTML_NAMESPACE_SVG;
    } else if (n > 5 && memcmp(context->text, math, 5) == 0) {
        t->context.stack[t->context.depth++] = HTML_NAMESPACE_MATHML;
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

/* ------------------------------------------------------------------ encoding/ *.dat */

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
        cmocka_unit_test(test_tokenizer),    cmocka_unit_test(test_tree_construction),
        cmocka_unit_test(test_encoding),     cmocka_unit_test(test_srcset),
        cmocka_unit_test(test_meta_refresh), cmocka_unit_test(test_mime_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

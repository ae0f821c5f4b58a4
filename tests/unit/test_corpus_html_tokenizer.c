/* The known-answer corpus for HTML's tokens: html5lib's tokenizer tests. Every case runs whole and byte by byte. */
#include "shared/html.h"
#include "shared/html_doctype.h"
#include "tests/unit/corpus_html.h"

struct tokens {
    json_t *list;
    bool last_is_text;
};

/* In Latin-1, as to_bytes() reads it. */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

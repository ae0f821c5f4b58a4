/*
 * libFuzzer target: the tokens must not depend on where the input is cut into chunks.
 *
 *     clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_html.c shared/{html*,buf}.c
 *
 * Of the input, the first byte chooses the state to start in and what events are on, the second how
 * many of the following bytes are lengths of chunks; the rest is HTML.
 */
#include "shared/html.h"
#include "shared/html_context.h"
#include "shared/html_doctype.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    struct html html;
    struct html_context context;
    const struct html_element *element;
    struct buf log; /* the tokens, written out */
    bool in_text;
};

static void write_token(struct trace *t, char type, const char *p, size_t n) {
    buf_append_char(&t->log, '\n');
    buf_append_char(&t->log, type);
    buf_append(&t->log, p, n);
    t->in_text = false;
}

static bool on_want(void *ctx, const char *name, size_t n) {
    struct trace *t = ctx;

    t->element = html_element_find(name, n);
    return n % 3 != 2 || html_context_wants(&t->context, t->element);
}

static bool on_start_tag(void *ctx, const struct html_tag *tag) {
    struct trace *t = ctx;

    html_context_start_tag(&t->context, t->element, tag, &t->html);
    write_token(t, tag->self_closing ? '/' : '<', tag->name, tag->name_len);
    for (size_t i = 0; i < tag->attr_count; i++) {
        write_token(t, '@', tag->attrs[i].name, tag->attrs[i].name_len);
        write_token(t, '=', tag->attrs[i].value, tag->attrs[i].value_len);
    }
    return true;
}

static bool on_end_tag(void *ctx, const struct html_tag *tag) {
    struct trace *t = ctx;

    html_context_end_tag(&t->context, html_element_find(tag->name, tag->name_len), &t->html);
    write_token(t, '>', tag->name, tag->name_len);
    return true;
}

static bool on_text(void *ctx, const char *p, size_t n) {
    struct trace *t = ctx;

    if (!t->in_text)
        write_token(t, '"', "", 0);
    t->in_text = true;
    buf_append(&t->log, p, n);
    return true;
}

static bool on_comment(void *ctx, const char *p, size_t n, bool truncated) {
    write_token(ctx, truncated ? '_' : '-', p, n);
    return true;
}

static bool on_doctype(void *ctx, const char *p, size_t n, bool at_eof) {
    struct html_doctype d;

    html_doctype_parse(&d, p, n, at_eof);
    write_token(ctx, d.force_quirks ? 'q' : 'd', p, n);
    return true;
}

static const struct html_events events = {
    .want = on_want,
    .start_tag = on_start_tag,
    .end_tag = on_end_tag,
    .text = on_text,
    .comment = on_comment,
    .doctype = on_doctype,
};

static void begin(struct trace *t, uint8_t how) {
    html_init(&t->html, &events, t);
    html_context_init(&t->context);
    buf_init(&t->log, 64 << 20);
    html_set_last_start_tag(&t->html, "script", 6);
    html_set_state(&t->html, (enum html_state)(how % HTML_TAG_OPEN));
    html_set_text(&t->html, (how & 0x40) == 0);
    html_allow_cdata(&t->html, (how & 0x80) != 0);
}

static void end(struct trace *t) {
    html_finish(&t->html);
    html_release(&t->html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trace whole = {0}, cut = {0};

    if (size < 2 || size - 2 < data[1])
        return 0;
    const uint8_t *lengths = data + 2, *body = lengths + data[1];
    size_t n = size - 2 - data[1];

    begin(&whole, data[0]);
    html_feed(&whole.html, body, n);
    end(&whole);

    begin(&cut, data[0]);
    for (size_t i = 0, at = 0; at < n; i++) {
        size_t len = data[1] > 0 ? 1u + lengths[i % data[1]] % 17 : 1;
        len = len < n - at ? len : n - at;
        html_feed(&cut.html, body + at, len);
        at += len;
    }
    end(&cut);

    if (whole.log.len != cut.log.len ||
        (whole.log.len > 0 && memcmp(whole.log.data, cut.log.data, whole.log.len) != 0))
        abort();
    buf_release(&whole.log);
    buf_release(&cut.log);
    return 0;
}

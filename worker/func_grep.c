/*
 * func_grep: lines that match a Perl-compatible pattern (its one argument): NAME TAB LINE, sorted by name, then by line. NAME is the
 * page's URL, or the file's name. Of pages the decoded source is searched, text types only. Control
 * characters come out as '?', TAB as a space; of a line the first 64 KiB.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buf.h"
#include "worker/func.h"

enum { STEPS_MAX = 1000000, LINE_BYTES = 64 << 10 };

struct grep {
    const struct trawl_api *api;
    pcre2_code *pattern;
    pcre2_match_data *match;
    pcre2_match_context *context;
    struct buf line;
};

static void grep_close(void *state) {
    struct grep *g = state;

    pcre2_match_context_free(g->context);
    pcre2_match_data_free(g->match);
    pcre2_code_free(g->pattern);
    buf_release(&g->line);
    free(g);
}

static bool compile(struct grep *g, const char *text, char *error) {
    PCRE2_UCHAR why[128];
    PCRE2_SIZE at;
    int code;

    g->pattern = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);
    if (g->pattern == NULL) {
        pcre2_get_error_message(code, why, sizeof why);
        snprintf(error, 256, "pattern %.80s: %.100s at %zu", text, (const char *)why, at);
        return false;
    }
    (void)pcre2_jit_compile(g->pattern, PCRE2_JIT_COMPLETE); /* slower without */
    g->match = pcre2_match_data_create_from_pattern(g->pattern, NULL);
    g->context = pcre2_match_context_create(NULL);
    if (g->match == NULL || g->context == NULL) {
        snprintf(error, 256, "out of memory");
        return false;
    }
    pcre2_set_match_limit(g->context, STEPS_MAX);
    return true;
}

static bool grep_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                      char *const *argv, char *error) {
    struct grep *g = calloc(1, sizeof *g);

    (void)t;
    if (argc != 1 || g == NULL) {
        snprintf(error, 256, "accepted is one pattern: trawl job run grep ... -- PATTERN");
        free(g);
        return false;
    }
    g->api = api;
    buf_init(&g->line, LINE_BYTES);
    *state = g;
    if (compile(g, argv[0], error))
        return true;
    grep_close(g);
    return false;
}

/* One line of output stays one. */
static void take_line(struct grep *g, struct trawl_task *t, const char *name, const char *p,
                      size_t n) {
    if (n > LINE_BYTES)
        n = LINE_BYTES;
    buf_reset(&g->line);
    if (!buf_append(&g->line, p, n))
        g->api->fail(t, "out of memory for a line");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)g->line.data[i] < 0x20 || g->line.data[i] == 0x7f)
            g->line.data[i] = g->line.data[i] == '\t' ? ' ' : '?';
    g->api->emit(t, name, strlen(name), g->line.data, n);
}

static void search(struct grep *g, struct trawl_task *t, const char *name, const char *p,
                   size_t n) {
    int found = pcre2_match(g->pattern, (PCRE2_SPTR)p, n, 0, 0, g->match, g->context);

    if (found >= 0)
        take_line(g, t, name, p, n);
    else if (found != PCRE2_ERROR_NOMATCH)
        g->api->count(t, "lines-given-up", 1);
}

static void grep_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct grep *g = state;
    const char *p = r->data, *end = r->data + r->len;

    if (r->of == TRAWL_INPUT_LINES) {
        search(g, t, r->name, r->data, r->len);
        return;
    }
    if (strncmp(r->mime, "text/", 5) != 0 && strcmp(r->mime, "application/xhtml+xml") != 0)
        return;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop != NULL ? stop : end) - p);
        search(g, t, r->name, p, n > 0 && p[n - 1] == '\r' ? n - 1 : n);
        p = stop != NULL ? stop + 1 : end;
    }
}

static void grep_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                        struct trawl_values *values) {
    const struct grep *g = state;
    const void *value;
    size_t len;

    while (g->api->next(values, &value, &len)) {
        g->api->write(t, key, key_len);
        g->api->write(t, "\t", 1);
        g->api->write(t, value, len);
        g->api->write(t, "\n", 1);
    }
}

const struct trawl_job func_grep = {.abi = TRAWL_JOB_ABI,
                                    .input = TRAWL_INPUT_ANY,
                                    .open = grep_open,
                                    .map = grep_map,
                                    .reduce = grep_reduce,
                                    .close = grep_close};

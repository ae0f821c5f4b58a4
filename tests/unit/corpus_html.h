/*
 * corpus_html: reading the known-answer corpora for HTML, and counting. They are in $TRAWL_CORPORA/html, by default
 * ../shared/corpora/html; where they are missing, load() and read_all() give NULL and for_each_file() skips the test.
 *
 * What scripts/corpora.sh reads are the lines that score_add() prints for a miss, and score_print() for a file.
 */
#ifndef TRAWL_TESTS_UNIT_CORPUS_HTML_H
#define TRAWL_TESTS_UNIT_CORPUS_HTML_H

#include "shared/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct score {
    const char *name;
    size_t passed, total;
};

static inline const char *corpus_path(char *path, size_t size, const char *name) {
    const char *root = getenv("TRAWL_CORPORA");

    snprintf(path, size, "%s/%s", root != NULL ? root : "../shared/corpora", name);
    return path;
}

static inline void score_add(struct score *s, bool passed, const char *what, size_t what_len) {
    s->total++;
    s->passed += passed;
    if (!passed)
        printf("corpus %s: case %zu fails: %.*s\n", s->name, s->total - 1,
               (int)(what_len < 300 ? what_len : 300), what);
}

static inline void score_print(const struct score *s) {
    printf("corpus %s: %zu of %zu\n", s->name, s->passed, s->total);
}

static inline json_t *load(const char *name) {
    char path[4096];
    json_error_t error;
    json_t *root = json_load_file(corpus_path(path, sizeof path, name), JSON_ALLOW_NUL, &error);

    return root;
}

static inline char *read_all(const char *name, size_t *len) {
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

/* Runs every file of a folder of the corpus, and fails the test if one case failed. */
static inline void for_each_file(const char *folder, const char *suffix,
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

/* What a string of characters up to U+00FF stands for: jansson refuses what is not UTF-8, so bytes travel as Latin-1.
 * To free(). */
static inline char *to_bytes(const json_t *s, size_t *n) {
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

/* Sections of a .dat file: from "#name\n" to the next line that starts with '#' and is a section. */
struct section {
    const char *text;
    size_t len;
};

static inline bool is_section_line(const char *p, const char *end) {
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

static inline bool read_section(const char **at, const char *end, struct section *name,
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

static inline bool section_is(const struct section *s, const char *name) {
    return s->len == strlen(name) && memcmp(s->text, name, s->len) == 0;
}

#endif

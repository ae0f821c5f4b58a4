/*
 * The known-answer corpus for sitemaps: expected.json, the files that it names, and
 * location-rule.json in $TRAWL_CORPORA/sitemaps (by default ../shared/corpora/sitemaps); skipped
 * where it is missing. Every file is read whole and byte by byte.
 */
#include "shared/sitemap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 1 << 20 };

static FILE *open_corpus(const char *name) {
    const char *root = getenv("TRAWL_CORPORA");
    char path[4096];

    snprintf(path, sizeof path, "%s/sitemaps/%s", root != NULL ? root : "../shared/corpora", name);
    return fopen(path, "rb");
}

static json_t *load(const char *name) {
    FILE *f = open_corpus(name);

    if (f == NULL)
        return NULL;
    json_t *root = json_loadf(f, 0, NULL);
    fclose(f);
    assert_non_null(root);
    return root;
}

static const char *const kind_names[] = {
    [SITEMAP_UNKNOWN] = "unknown", [SITEMAP_URLSET] = "urlset", [SITEMAP_INDEX] = "index",
    [SITEMAP_RSS] = "rss",         [SITEMAP_ATOM] = "atom",     [SITEMAP_TEXT] = "text",
};

static bool on_url(void *ctx, const char *url, size_t len) {
    json_array_append_new(ctx, json_stringn(url, len));
    return true;
}

/* What was found in a file: the URLs, and its kind. */
static json_t *read_sitemap(const char *name, size_t piece, const char **kind) {
    static char bytes[FILE_BYTES];
    FILE *f = open_corpus(name);
    json_t *urls = json_array();
    struct sitemap *s = sitemap_new(on_url, urls);

    assert_non_null(f);
    assert_non_null(s);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t at = 0; at < n; at += piece)
        sitemap_feed(s, bytes + at, n - at < piece ? n - at : piece);
    sitemap_finish(s);
    *kind = kind_names[sitemap_kind(s)];
    sitemap_free(s);
    return urls;
}

static bool check(const json_t *c, size_t piece) {
    const char *file = json_string_value(json_object_get(c, "file")), *kind;
    const json_t *wanted_urls = json_object_get(c, "urls");
    const json_t *wanted_count = json_object_get(c, "count");
    json_t *urls = read_sitemap(file, piece, &kind);
    bool ok = json_is_null(json_object_get(c, "kind")) ||
              strcmp(kind, json_string_value(json_object_get(c, "kind"))) == 0;

    if (json_is_integer(wanted_count))
        ok = ok && json_array_size(urls) == (size_t)json_integer_value(wanted_count);
    if (json_is_array(wanted_urls))
        ok = ok && json_equal(urls, wanted_urls);
    if (!ok)
        printf("corpus sitemaps/%s fails: %s, %zu URLs\n", file, kind, json_array_size(urls));
    json_decref(urls);
    return ok;
}

static void files(void **state) {
    json_t *root = load("expected.json");
    const json_t *c;
    size_t i, passed = 0;
    (void)state;

    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) passed += check(c, FILE_BYTES) && check(c, 1);
    printf("corpus sitemaps/expected.json: %zu of %zu\n", passed, json_array_size(root));
    assert_int_equal(passed, json_array_size(root));
    json_decref(root);
}

static void location_rule(void **state) {
    json_t *root = load("location-rule.json");
    const json_t *c;
    size_t i, passed = 0;
    (void)state;

    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        const char *sitemap_url = json_string_value(json_array_get(c, 0));
        const char *url = json_string_value(json_array_get(c, 1));
        bool holds = sitemap_location_holds(sitemap_url, strlen(sitemap_url), url, strlen(url));
        passed += holds == json_is_true(json_array_get(c, 2));
    }
    printf("corpus sitemaps/location-rule.json: %zu of %zu\n", passed, json_array_size(root));
    assert_int_equal(passed, json_array_size(root));
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(location_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The known-answer corpus for robots.txt: cases.jsonl and extra.json in $TRAWL_CORPORA/robots (by
 * default ../shared/corpora/robots); skipped where it is missing. Every check runs on the parsed
 * rules and again on what their encoded form decodes to.
 *
 * Checks of kind "rfc" and "stress" must all pass. The other kinds ask for choices of other parsers;
 * they are counted, and each miss is printed with the reason.
 */
#include "shared/limits.h"
#include "shared/robots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_MAX = 8, LINE_BYTES = 4 << 20 };

struct score {
    char kind[32];
    size_t passed, total, contradicted;
};

static struct score scores[KIND_MAX];

static FILE *open_corpus(const char *name) {
    const char *root = getenv("TRAWL_CORPORA");
    char path[4096];

    snprintf(path, sizeof path, "%s/robots/%s", root != NULL ? root : "../shared/corpora", name);
    return fopen(path, "rb");
}

static struct score *score_of(const char *kind) {
    for (size_t i = 0; i < KIND_MAX; i++) {
        if (scores[i].kind[0] == '\0')
            snprintf(scores[i].kind, sizeof scores[i].kind, "%s", kind);
        if (strcmp(scores[i].kind, kind) == 0)
            return &scores[i];
    }
    fail_msg("more kinds than expected: %s", kind);
    return NULL;
}

static size_t from_base64(const char *text, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0, count = 0;

    for (const char *p = text; *p != '\0' && *p != '='; p++) {
        const char *digit = strchr(digits, *p);
        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (++count % 4 != 1)
            out[n++] = (char)(bits >> (6 - 2 * ((count - 1) % 4)));
    }
    return n;
}

/* The bytes of "robots" or "robots_base64", to free(). */
static char *robots_of(const json_t *c, size_t *len) {
    const json_t *text = json_object_get(c, "robots"),
                 *base64 = json_object_get(c, "robots_base64");
    const char *s = json_string_value(text != NULL ? text : base64);
    size_t n = json_string_length(text != NULL ? text : base64);
    char *bytes = malloc(n + 1);

    assert_non_null(s);
    assert_non_null(bytes);
    if (text != NULL)
        memcpy(bytes, s, n);
    *len = text != NULL ? n : from_base64(s, bytes);
    return bytes;
}

/* Path and query as the corpus writes URLs: the scheme, and "//" before the host, may be missing. */
static const char *path_of_url(const char *url, char *out, size_t size) {
    const char *p = strncmp(url, "//", 2) == 0 ? url + 2 : url;
    size_t host = strcspn(p, "/?;#");
    const char *scheme = strstr(p, "://");

    if (scheme != NULL && (size_t)(scheme - p) < host) {
        p = scheme + 3;
        host = strcspn(p, "/?;#");
    }
    p += host;
    snprintf(out, size, "%s%.*s", *p == '/' ? "" : "/", (int)strcspn(p, "#"), p);
    return out;
}

/* The rules after a way through robots_encode() and robots_decode(). */
static void send_on(const struct robots *from, struct robots *to) {
    struct buf b;

    buf_init(&b, LIMIT_ROBOTS_ENCODED_BYTES);
    assert_true(robots_encode(from, &b));
    robots_init(to);
    assert_true(robots_decode(to, b.data, b.len));
    buf_release(&b);
}

/* ------------------------------------------------------------------ cases.jsonl */

static bool has_escape_of_unreserved(const char *s) {
    for (; (s = strchr(s, '%')) != NULL; s++) {
        char digits[3] = {0};
        snprintf(digits, sizeof digits, "%.2s", s + 1);
        long c = strtol(digits, NULL, 16);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            return true;
    }
    return false;
}

static bool has_non_ascii(const char *s) {
    while (*s != '\0' && (unsigned char)*s < 0x80)
        s++;
    return *s != '\0';
}

/* Why the RFC gives another answer than the check, or NULL. */
static const char *contradicted(const char *robots, const char *url, bool wanted) {
    if (!wanted && robots != NULL && has_escape_of_unreserved(robots))
        return "RFC 9309 2.2.2: escaped unreserved characters are unescaped before comparison";
    if (!wanted && has_non_ascii(url))
        return "RFC 9309 2.2.2: octets outside ASCII in the URI are escaped before comparison";
    return NULL;
}

static const char *reason_for_miss(const char *kind, const char *url) {
    if (strlen(url) > LIMIT_URL_BYTES)
        return "the URL is longer than LIMIT_URL_BYTES";
    if (strcmp(kind, "disputed") == 0)
        return "RFC 9309 2.2.2: /robots.txt is implicitly allowed";
    if (strcmp(kind, "google") == 0)
        return "a choice of google/robotstxt that RFC 9309 does not ask for";
    if (strcmp(kind, "crawler-commons") == 0)
        return "a choice of crawler-commons that RFC 9309 does not ask for";
    return "none: this is a fault";
}

static void check(const json_t *c, const json_t *check_case, const char *body, size_t body_len) {
    const char *kind = json_string_value(json_object_get(check_case, "kind"));
    const char *url = json_string_value(json_object_get(check_case, "url"));
    const char *agent = json_string_value(json_object_get(check_case, "agent"));
    bool wanted = json_is_true(json_object_get(check_case, "allowed"));
    struct score *score = score_of(kind);
    struct robots r, sent;
    struct robots_match why, sent_why;
    size_t size = strlen(url) + 2;
    char *path = malloc(size);

    assert_non_null(path);
    path_of_url(url, path, size);
    robots_init(&r);
    assert_true(robots_parse(&r, body, body_len, agent));
    send_on(&r, &sent);
    bool yes = robots_allowed(&r, path, strlen(path), &why);
    assert_int_equal(robots_allowed(&sent, path, strlen(path), &sent_why), yes);
    assert_int_equal(why.line, sent_why.line);

    const char *against =
        contradicted(json_string_value(json_object_get(c, "robots")), url, wanted);
    score->total++;
    score->passed += yes == wanted;
    if (yes != wanted) {
        score->contradicted += against != NULL;
        printf("corpus robots/cases.jsonl %s: %s agent %s url %.80s wanted %s: %s\n", kind,
               json_string_value(json_object_get(c, "id")), agent, url,
               wanted ? "allowed" : "disallowed",
               against != NULL ? against : reason_for_miss(kind, url));
    }
    robots_release(&r);
    robots_release(&sent);
    free(path);
}

static void check_delays(const json_t *c, const char *body, size_t len) {
    struct score *score = score_of("crawl-delay");
    size_t i;
    const json_t *d;

    json_array_foreach(json_object_get(c, "crawl_delays"), i, d) {
        const char *agent = json_string_value(json_object_get(d, "agent"));
        json_int_t wanted = json_integer_value(json_object_get(d, "crawl_delay_ms"));
        struct robots r;
        robots_init(&r);
        assert_true(robots_parse(&r, body, len, agent));
        score->total++;
        if (robots_crawl_delay_ms(&r) == (uint64_t)wanted)
            score->passed++;
        else
            printf("corpus robots/cases.jsonl crawl-delay: %s agent %s: %u ms, wanted %lld\n",
                   json_string_value(json_object_get(c, "id")), agent, robots_crawl_delay_ms(&r),
                   (long long)wanted);
        robots_release(&r);
    }
}

static void check_sitemaps(const json_t *c, const char *body, size_t len) {
    struct score *score = score_of("sitemap");
    size_t i;
    const json_t *s;

    json_array_foreach(json_object_get(c, "sitemaps"), i, s) {
        json_int_t wanted = json_integer_value(json_object_get(s, "sitemap_count"));
        struct robots r;
        robots_init(&r);
        assert_true(robots_parse(&r, body, len, "*"));
        score->total++;
        if (r.sitemap_count == (size_t)wanted)
            score->passed++;
        else
            printf("corpus robots/cases.jsonl sitemap: %s: %zu, wanted %lld\n",
                   json_string_value(json_object_get(c, "id")), r.sitemap_count, (long long)wanted);
        robots_release(&r);
    }
}

static void cases(void **state) {
    FILE *f = open_corpus("cases.jsonl");
    static char line[LINE_BYTES];
    (void)state;

    if (f == NULL)
        skip();
    while (fgets(line, sizeof line, f) != NULL) {
        json_t *c = json_loads(line, JSON_ALLOW_NUL, NULL);
        size_t len, i;
        const json_t *k;

        assert_non_null(c);
        char *body = robots_of(c, &len);
        json_array_foreach(json_object_get(c, "checks"), i, k) check(c, k, body, len);
        check_delays(c, body, len);
        check_sitemaps(c, body, len);
        free(body);
        json_decref(c);
    }
    fclose(f);
    for (size_t i = 0; i < KIND_MAX && scores[i].kind[0] != '\0'; i++) {
        const struct score *s = &scores[i];
        printf("corpus robots/cases.jsonl %s: %zu of %zu", s->kind, s->passed, s->total);
        if (s->contradicted > 0)
            printf(" (%zu checks contradict RFC 9309)", s->contradicted);
        printf("\n");
    }
    const struct score *rfc = score_of("rfc"), *stress = score_of("stress");
    assert_int_equal(rfc->passed + rfc->contradicted, rfc->total);
    assert_int_equal(stress->passed, stress->total);
}

/* ------------------------------------------------------------------ extra.json */

/* Whether `rule` for all agents forbids `path`, which no other spelling may do. */
static bool forbids(const char *rule, const char *path) {
    char text[512];
    struct robots r;

    snprintf(text, sizeof text, "user-agent: *\ndisallow: /%s$\n", rule);
    robots_init(&r);
    assert_true(robots_parse(&r, text, strlen(text), "x"));
    snprintf(text, sizeof text, "/%s", path);
    bool allowed = robots_allowed(&r, text, strlen(text), NULL);
    robots_release(&r);
    return !allowed;
}

/* The line of the rule that decides for /page, and whether any agent's rule is left out. */
static void check_lines(const json_t *c) {
    size_t len;
    char *body = robots_of(c, &len);
    struct robots r;
    struct robots_match why;

    robots_init(&r);
    assert_true(robots_parse(&r, body, len, "bar"));
    assert_false(robots_allowed(&r, "/page", 5, &why));
    assert_int_equal(why.line, json_integer_value(json_object_get(c, "last_line")));
    assert_true(robots_parse(&r, body, len, "foo"));
    assert_true(robots_allowed(&r, "/some/path", 10, &why));
    assert_int_equal(why.line, 2);
    robots_release(&r);
    free(body);
}

/* Two valid directives: a group for foo and its rule. One: the other is lost. */
static void check_bom(const json_t *c) {
    size_t len;
    char *body = robots_of(c, &len);
    struct robots r;

    robots_init(&r);
    assert_true(robots_parse(&r, body, len, "foo"));
    assert_int_equal(r.rule_count,
                     json_integer_value(json_object_get(c, "valid_directives")) == 2 ? 1 : 0);
    robots_release(&r);
    free(body);
}

static size_t check_pairs(const json_t *root) {
    size_t i, count = 0;
    const json_t *c;
    char path[256];

    json_array_foreach(json_object_get(root, "path_of_url"), i, c) {
        const char *url = json_string_value(json_array_get(c, 0));
        assert_string_equal(path_of_url(url, path, sizeof path),
                            json_string_value(json_array_get(c, 1)));
        count++;
    }
    json_array_foreach(json_object_get(root, "escape_pattern"), i, c) {
        const char *from = json_string_value(json_array_get(c, 0));
        const char *to = json_string_value(json_array_get(c, 1));
        assert_true(forbids(from, to));
        assert_true(forbids(to, from));
        count++;
    }
    json_array_foreach(json_object_get(root, "valid_product_token"), i, c) {
        const char *token = json_string_value(json_array_get(c, 0));
        assert_int_equal(robots_token_is_valid(token), json_is_true(json_array_get(c, 1)));
        count++;
    }
    return count;
}

static void extra(void **state) {
    FILE *f = open_corpus("extra.json");
    size_t i, count;
    const json_t *c;
    (void)state;

    if (f == NULL)
        skip();
    json_t *root = json_loadf(f, 0, NULL);
    fclose(f);
    assert_non_null(root);
    count = check_pairs(root);
    json_array_foreach(json_object_get(root, "line_counts"), i, c) {
        check_lines(c);
        count++;
    }
    json_array_foreach(json_object_get(root, "bom"), i, c) {
        check_bom(c);
        count++;
    }
    assert_int_equal(robots_verdict_for_status(200), ROBOTS_PARSE);
    assert_int_equal(robots_verdict_for_status(404), ROBOTS_ALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(503), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(0), ROBOTS_DISALLOW_ALL);
    assert_int_equal(robots_verdict_for_status(302), ROBOTS_REDIRECT);
    printf("corpus robots/extra.json: %zu of %zu\n", count, count);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(extra),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

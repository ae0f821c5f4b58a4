/*
 * The known-answer corpora for URLs: WPT's URL, IDNA and percent-encoding tests, ada's, urlcanon's
 * and crawler-commons' where they agree with the standard, the public suffix list's. Read from
 * $TRAWL_CORPORA, by default ../shared/corpora; skipped where they are missing.
 *
 * Cases that are known to fail are listed here with the reason.
 */
#include "shared/buf.h"
#include "shared/cdxj.h"
#include "shared/domain.h"
#include "shared/limits.h"
#include "shared/url.h"
#include "shared/url_percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

struct score {
    const char *name;
    size_t passed, known, total;
};

static struct url parsed, base;

static FILE *open_corpus(const char *name) {
    const char *root = getenv("TRAWL_CORPORA");
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : "../shared/corpora", name);
    return fopen(path, "rb");
}

/* "\ud800" without its other half, which no UTF-8 can hold, becomes "\ufffd". */
static void replace_lone_surrogates(char *text) {
    for (char *p = strchr(text, '\\'); p != NULL; p = strchr(p, '\\')) {
        unsigned high, low;
        if (p[1] != 'u') {
            p += 2;
            continue;
        }
        if (sscanf(p, "\\u%4x", &high) == 1 && high >= 0xd800 && high < 0xe000) {
            if (high < 0xdc00 && sscanf(p + 6, "\\u%4x", &low) == 1 && low >= 0xdc00 &&
                low < 0xe000)
                p += 6;
            else
                memcpy(p, "\\ufffd", 6);
        }
        p += 6;
    }
}

static json_t *load(const char *name) {
    FILE *f = open_corpus(name);
    char chunk[65536];
    json_error_t error;
    struct buf text;

    if (f == NULL)
        return NULL;
    buf_init(&text, 64 << 20);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        assert_true(buf_append(&text, chunk, n));
    fclose(f);
    replace_lone_surrogates(text.data);
    json_t *root = json_loads(text.data, JSON_ALLOW_NUL, &error);
    assert_non_null(root);
    buf_release(&text);
    return root;
}

static enum url_result parse(struct url *u, const json_t *text, const struct url *against) {
    return url_parse(u, json_string_value(text), json_string_length(text), against);
}

static void score_add(struct score *s, bool passed, const char *known, const char *what,
                      const struct url *got) {
    s->total++;
    s->passed += passed;
    if (passed)
        return;
    s->known += known != NULL;
    printf("corpus %s: case %zu fails: %s -> %s%s%s\n", s->name, s->total - 1, what,
           got->href_len > 0 ? got->href : "failure", known != NULL ? ": known: " : "",
           known != NULL ? known : "");
}

static void score_check(const struct score *s) {
    printf("corpus %s: %zu of %zu\n", s->name, s->passed, s->total);
    assert_int_equal(s->passed + s->known, s->total);
}

/* Both escaped, for a terminal. */
static char *dump(const json_t *v) {
    return json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
}

/* ------------------------------------------------------------------ urltestdata */

/* An API attribute: `prefix` belongs to it only when there is something behind it. */
static bool attribute_is(const json_t *c, const char *key, const char *prefix,
                         struct url_slice got) {
    const json_t *v = json_object_get(c, key);
    size_t skip = strlen(prefix);

    if (v == NULL)
        return true;
    if (got.len == 0)
        return json_string_length(v) == 0;
    return json_string_length(v) == got.len + skip &&
           memcmp(json_string_value(v), prefix, skip) == 0 &&
           memcmp(json_string_value(v) + skip, got.ptr, got.len) == 0;
}

static bool port_is(const json_t *c, const struct url *u) {
    char text[16] = "";

    if (u->port != URL_NONE)
        snprintf(text, sizeof text, "%u", u->port);
    return json_object_get(c, "port") == NULL ||
           strcmp(json_string_value(json_object_get(c, "port")), text) == 0;
}

/* The origin of http(s) URLs; of others it is not ours. */
static bool origin_is(const json_t *c, const struct url *u) {
    return json_object_get(c, "origin") == NULL || !url_is_http(u) ||
           u->host_start > u->scheme_end + 2 || attribute_is(c, "origin", "", url_origin(u));
}

static bool components_are(const json_t *c, const struct url *u) {
    struct url_slice scheme = url_scheme(u), href = {u->href, u->href_len};
    char protocol[256];

    snprintf(protocol, sizeof protocol, "%.*s:", (int)scheme.len, scheme.ptr);
    return attribute_is(c, "href", "", href) &&
           strcmp(json_string_value(json_object_get(c, "protocol")), protocol) == 0 &&
           attribute_is(c, "username", "", url_username(u)) &&
           attribute_is(c, "password", "", url_password(u)) &&
           attribute_is(c, "hostname", "", url_hostname(u)) && port_is(c, u) &&
           attribute_is(c, "pathname", "", url_pathname(u)) &&
           attribute_is(c, "search", "?", url_search(u)) &&
           attribute_is(c, "hash", "#", url_hash(u)) && origin_is(c, u);
}

static bool reparses(const struct url *u) {
    struct url again;

    url_init(&again);
    bool same = url_parse(&again, u->href, u->href_len, NULL) == URL_OK &&
                again.href_len == u->href_len && memcmp(again.href, u->href, u->href_len) == 0;
    url_release(&again);
    return same;
}

static bool case_passes(const json_t *c) {
    const json_t *against = json_object_get(c, "base");
    bool failure = json_is_true(json_object_get(c, "failure"));

    if (json_is_string(against) && parse(&base, against, NULL) != URL_OK)
        return failure && url_parse(&parsed, "", 0, NULL) != URL_OK;
    enum url_result result =
        parse(&parsed, json_object_get(c, "input"), json_is_string(against) ? &base : NULL);
    if (failure)
        return result == URL_INVALID;
    return result == URL_OK && components_are(c, &parsed) && reparses(&parsed);
}

static void run_urltestdata(const char *name) {
    struct score score = {.name = name};
    json_t *root = load(name), *c;
    size_t i;

    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        char *text = dump(c);
        if (json_is_object(c))
            score_add(&score, case_passes(c), NULL, text, &parsed);
        free(text);
    }
    json_decref(root);
    score_check(&score);
}

static void test_urltestdata(void **state) {
    (void)state;
    run_urltestdata("url/urltestdata.json");
}

static void test_ada(void **state) {
    (void)state;
    run_urltestdata("url/ada_extra_urltestdata.json");
}

/* ------------------------------------------------------------------ hosts */

static bool host_becomes(const json_t *input, const json_t *output) {
    struct buf text;

    buf_init(&text, 1 << 16);
    buf_append_str(&text, "https://");
    buf_append(&text, json_string_value(input), json_string_length(input));
    buf_append_str(&text, "/x");
    enum url_result result = url_parse(&parsed, text.data, text.len, NULL);
    buf_release(&text);
    if (!json_is_string(output))
        return result == URL_INVALID;
    struct url_slice host = url_hostname(&parsed);
    return result == URL_OK && host.len == json_string_length(output) &&
           memcmp(host.ptr, json_string_value(output), host.len) == 0;
}

/* Of what the standard accepts, ICU refuses what its version of Unicode does not have. */
static const char *known_idna(const json_t *input, const json_t *output) {
    const uint8_t *p = (const uint8_t *)json_string_value(input);
    int32_t n = (int32_t)json_string_length(input);

    for (int32_t i = 0; json_is_string(output) && i < n;) {
        UChar32 c;
        U8_NEXT(p, i, n, c);
        if (c > 0 && u_charType(c) == U_UNASSIGNED)
            return "newer than ICU's Unicode";
        if (c == 0x1806)
            return "disallowed before Unicode 16";
    }
    return NULL;
}

static void run_hosts(const char *name) {
    struct score score = {.name = name};
    json_t *root = load(name), *c;
    size_t i;

    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        json_t *input = json_object_get(c, "input"), *output = json_object_get(c, "output");
        char *text = dump(c);
        if (json_is_object(c))
            score_add(&score, host_becomes(input, output), known_idna(input, output), text,
                      &parsed);
        free(text);
    }
    json_decref(root);
    score_check(&score);
}

static void test_toascii(void **state) {
    (void)state;
    run_hosts("url/toascii.json");
}

static void test_idna(void **state) {
    (void)state;
    run_hosts("url/IdnaTestV2.json");
}

static void test_funky_ipv4(void **state) {
    struct score score = {.name = "url/urlcanon/funky_ipv4.json"};
    json_t *root = load(score.name), *output;
    const char *key;

    (void)state;
    if (root == NULL)
        skip();
    json_object_foreach(root, key, output) {
        json_t *input = json_string(key);
        score_add(&score, host_becomes(input, output), NULL, key, &parsed);
        json_decref(input);
    }
    json_decref(root);
    score_check(&score);
}

/* ------------------------------------------------------------------ the rest */

static void test_percent_encoding(void **state) {
    struct score score = {.name = "url/percent-encoding.json"};
    json_t *root = load(score.name), *c;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        if (!json_is_object(c))
            continue;
        const json_t *input = json_object_get(c, "input");
        const char *p = json_string_value(input);
        const char *want =
            json_string_value(json_object_get(json_object_get(c, "output"), "utf-8"));
        char got[256];
        *url_percent_encode(got, p, p + json_string_length(input), URL_SET_SPECIAL_QUERY) = '\0';
        score_add(&score, want != NULL && strcmp(got, want) == 0, NULL, p, &parsed);
    }
    json_decref(root);
    score_check(&score);
}

/* VerifyDnsLength is false in the URL parser: every case parses, whatever the strict check says. */
static void test_no_dns_length(void **state) {
    struct score score = {.name = "url/verifydnslength_tests.json"};
    json_t *root = load(score.name), *c;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        const json_t *input = json_object_get(c, "input");
        score_add(&score, parse(&parsed, input, NULL) == URL_OK, NULL, json_string_value(input),
                  &parsed);
    }
    json_decref(root);
    score_check(&score);
}

static void test_path_dots(void **state) {
    struct score score = {.name = "url/urlcanon/path_dots.json"};
    json_t *root = load(score.name), *output;
    const char *key;

    (void)state;
    if (root == NULL)
        skip();
    json_object_foreach(json_object_get(root, "special"), key, output) {
        char text[1024];
        int n = snprintf(text, sizeof text, "http://h%s", key);
        if (strchr(key, '\\') != NULL)
            continue; /* urlcanon leaves them; for the standard they are slashes */
        bool passed = url_parse(&parsed, text, (size_t)n, NULL) == URL_OK;
        struct url_slice path = url_pathname(&parsed);
        score_add(&score,
                  passed && path.len == json_string_length(output) &&
                      memcmp(path.ptr, json_string_value(output), path.len) == 0,
                  NULL, key, &parsed);
    }
    json_decref(root);
    score_check(&score);
}

/* Where urlcanon, of 2022, is not what the standard says (now). */
static const char *known_whatwg(const char *input) {
    static const char number[] = "urlcanon takes dots alone for 0.0.0.0";
    static const char failure[] = "a failure by the standard; urlcanon keeps the text";
    static const struct {
        const char *input, *why;
    } known[] = {
        {"http://09/", "ends in a number and is no address: a failure since 2021"},
        {"http://\xc3\xa2\xc2\x98\xc2\x83.net/", "UTF-8 read as Latin-1: U+0098 is disallowed"},
        {"www.google.com", failure},
        {"file://%", failure},
        {"http:%/", failure},
        {"http:%2e%2e/a/b", number},
        {"http:/%2e/a/b", number},
        {"http:/%2e%2e%2e/a/b", number},
        {"http://%2e%2e/a/b", number},
        {"http:///%2e/a/b", number},
        {"http:///%2e%2e%2e/a/b", number},
        {"file://%2e%2e/a/b", number},
        {"lolscheme:/x x#x x", "spaces in fragments are encoded since 2017"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].input, input) == 0)
            return known[i].why;
    return NULL;
}

static void test_urlcanon_whatwg(void **state) {
    struct score score = {.name = "url/urlcanon/supplemental_whatwg.json"};
    json_t *root = load(score.name), *output;
    const char *key;

    (void)state;
    if (root == NULL)
        skip();
    json_object_foreach(root, key, output) {
        bool passed = url_parse(&parsed, key, strlen(key), NULL) == URL_OK &&
                      strcmp(parsed.href, json_string_value(output)) == 0;
        score_add(&score, passed, known_whatwg(key), key, &parsed);
    }
    json_decref(root);
    score_check(&score);
}

static void test_idempotence(void **state) {
    struct score score = {.name = "url/urlcanon/idempotence.json"};
    json_t *root = load(score.name), *c;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, c)
        score_add(&score, parse(&parsed, c, NULL) != URL_OK || reparses(&parsed), NULL,
                  json_string_value(c), &parsed);
    json_decref(root);
    score_check(&score);
}

static void test_resolve(void **state) {
    struct score score = {.name = "url/crawlercommons-resolve.json"};
    json_t *root = load(score.name), *c;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        const json_t *input = json_object_get(c, "input");
        bool with_base = parse(&base, json_object_get(c, "base"), NULL) == URL_OK;
        bool ok = parse(&parsed, input, with_base ? &base : NULL) == URL_OK;
        const json_t *want = json_object_get(c, "expected");
        score_add(&score,
                  json_is_null(want) ? !ok
                                     : ok && strcmp(parsed.href, json_string_value(want)) == 0,
                  NULL, json_string_value(input), &parsed);
    }
    json_decref(root);
    score_check(&score);
}

/* ------------------------------------------------------------------ dialects */

/* Whether the canonical form of a URL is this one, and stays as it is when it is parsed again. */
static bool canonical_is(const char *input, const json_t *want) {
    bool ok = url_parse(&parsed, input, strlen(input), NULL) == URL_OK;

    if (!ok)
        return json_is_null(want);
    if (url_is_http(&parsed))
        url_canonicalise(&parsed);
    assert_true(reparses(&parsed));
    return !json_is_null(want) && strcmp(parsed.href, json_string_value(want)) == 0;
}

/* What crawler-commons does to a URL that trawl asks a server for just as the page says. */
static const char *normalize_reason(const char *input) {
    const char *path = strstr(input, "://");

    if (strpbrk(input, "%`") != NULL)
        return "crawler-commons rewrites percent-escapes";
    if (path == NULL)
        return "crawler-commons adds a scheme, and keeps file URLs another way";
    if (strstr(path + 3, "//") != NULL || path[3] == '/')
        return "crawler-commons drops empty segments";
    if (strchr(input, '?') != NULL)
        return "crawler-commons sorts parameters, and drops a '?' without any";
    return strchr(input, '[') != NULL ? "crawler-commons keeps an IPv4 address in an IPv6 address"
                                      : "a choice of crawler-commons";
}

static void test_normalize(void **state) {
    struct score score = {.name = "url/crawlercommons-normalize.json"};
    json_t *root = load(score.name), *c;
    size_t i;

    (void)state;
    if (root == NULL)
        skip();
    json_array_foreach(root, i, c) {
        const char *input = json_string_value(json_object_get(c, "input"));
        score_add(&score, canonical_is(input, json_object_get(c, "expected")),
                  normalize_reason(input), input, &parsed);
    }
    json_decref(root);
    score_check(&score);
}

/* Keys of an index. */
static void test_surt(void **state) {
    struct score score = {.name = "url/urlcanon/surt.json, defaultIASurt"};
    json_t *root = load("url/urlcanon/surt.json"), *want;
    const char *key;
    struct buf surt;

    (void)state;
    if (root == NULL)
        skip();
    buf_init(&surt, 4 * LIMIT_URL_BYTES);
    url_release(&parsed);
    json_object_foreach(json_object_get(root, "defaultIASurt"), key, want) {
        buf_reset(&surt);
        assert_true(cdxj_surt(key, strlen(key), &surt));
        score_add(&score,
                  surt.len == json_string_length(want) &&
                      memcmp(surt.data, json_string_value(want), surt.len) == 0,
                  strncmp(key, "http", 4) != 0 ? "what is no http URL is left as it is" : NULL, key,
                  &parsed);
    }
    json_decref(root);
    buf_release(&surt);
    score_check(&score);
}

/* ------------------------------------------------------------------ registrable domains */

static bool registrable_is(const char *host, const char *want) {
    char text[1024];
    int n = snprintf(text, sizeof text, "http://%s/", host);
    struct url_slice got = {"", 0}, expected;
    struct url other;

    if (url_parse(&parsed, text, (size_t)n, NULL) == URL_OK)
        got = domain_registrable(&parsed);
    if (strcmp(want, "null") == 0)
        return got.len == 0;
    url_init(&other);
    n = snprintf(text, sizeof text, "http://%s/", want);
    assert_int_equal(url_parse(&other, text, (size_t)n, NULL), URL_OK);
    expected = url_hostname(&other);
    bool same = got.len == expected.len && memcmp(got.ptr, expected.ptr, got.len) == 0;
    url_release(&other);
    return same;
}

static void test_registrable(void **state) {
    struct score score = {.name = "psl/registrable.tsv"};
    FILE *f = open_corpus(score.name);
    char line[1024], host[512], want[512];

    (void)state;
    if (f == NULL)
        skip();
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#' || sscanf(line, "%511[^\t]\t%511[^\t]", host, want) != 2)
            continue;
        score_add(&score, registrable_is(host, want), NULL, line, &parsed);
    }
    fclose(f);
    score_check(&score);
}

static int release(void **state) {
    (void)state;
    url_release(&parsed);
    url_release(&base);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urltestdata),
        cmocka_unit_test(test_ada),
        cmocka_unit_test(test_toascii),
        cmocka_unit_test(test_idna),
        cmocka_unit_test(test_percent_encoding),
        cmocka_unit_test(test_no_dns_length),
        cmocka_unit_test(test_funky_ipv4),
        cmocka_unit_test(test_path_dots),
        cmocka_unit_test(test_urlcanon_whatwg),
        cmocka_unit_test(test_idempotence),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_surt),
        cmocka_unit_test(test_registrable),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}

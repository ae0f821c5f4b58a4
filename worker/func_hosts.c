/*
 * func_hosts: what a crawl got from each origin, and how fast: ten columns with TABs between them, sorted by origin:
 *
 *     ORIGIN URLS PAGES ERRORS BYTES ANSWERS MEAN MEDIAN P99 MAX
 *
 * URLS: all that are known, with those that wait or were excluded. PAGES: those fetched with a status below 400. ERRORS:
 * those that failed for good, and those with a status of 400 or more. BYTES: of all bodies, as received.
 * ANSWERS: URLs with a status; of these are the times in milliseconds, from the request to the end of the body of the
 * last attempt: the mean, rounded; the smallest that half of them, and 99 in 100, do not exceed; the longest. They are
 * exact, and "-" where there is no answer. The crawl's own requests for robots.txt are no URLs.
 *
 * A value of the map's output is one of two: 'a' and five sums; 't', a time and how often. Numbers are
 * big-endian, so that times come sorted, and behind the sums.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/func.h"

enum { URLS, PAGES, ERRORS, BYTES, ANSWERS, SUMS };
enum { SUMS_BYTES = 1 + 8 * SUMS, TIME_BYTES = 1 + 8 + 8 };

struct hosts {
    const struct trawl_api *api;
};

static bool hosts_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    struct hosts *h = calloc(1, sizeof *h);

    (void)t;
    (void)argv;
    if (argc != 0 || h == NULL) {
        snprintf(error, 256, argc != 0 ? "it takes no arguments" : "out of memory");
        free(h);
        return false;
    }
    h->api = api;
    *state = h;
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------- */

static void put(unsigned char *to, uint64_t n) {
    for (int i = 7; i >= 0; i--, n >>= 8)
        to[i] = (unsigned char)n;
}

static uint64_t get(const unsigned char *from) {
    uint64_t n = 0;

    for (int i = 0; i < 8; i++)
        n = n << 8 | from[i];
    return n;
}

static void emit_sums(const struct hosts *h, struct trawl_task *t, const void *key, size_t key_len,
                      const uint64_t sums[SUMS]) {
    unsigned char value[SUMS_BYTES] = {'a'};

    for (int i = 0; i < SUMS; i++)
        put(value + 1 + 8 * i, sums[i]);
    h->api->emit(t, key, key_len, value, sizeof value);
}

static void emit_time(const struct hosts *h, struct trawl_task *t, const void *key, size_t key_len,
                      uint64_t ms, uint64_t often) {
    unsigned char value[TIME_BYTES] = {'t'};

    put(value + 1, ms);
    put(value + 9, often);
    h->api->emit(t, key, key_len, value, sizeof value);
}

/* ---- map ---------------------------------------------------------------------------------------------- */

/* scheme://host[:port] of a canonical URL; 0: it is none. */
static size_t origin_length(const char *url) {
    const char *host = strstr(url, "://");

    return host == NULL ? 0 : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

static uint64_t number(const json_t *row, const char *name) {
    json_int_t n = json_integer_value(json_object_get(row, name));

    return n > 0 ? (uint64_t)n : 0;
}

static void count_row(const struct hosts *h, struct trawl_task *t, const json_t *row) {
    const char *url = json_string_value(json_object_get(row, "url"));
    const char *is = json_string_value(json_object_get(row, "state"));
    size_t len = url != NULL ? origin_length(url) : 0;
    uint64_t sums[SUMS] = {[URLS] = 1}, status = number(row, "status");

    if (len == 0 || is == NULL) {
        h->api->fail(t, "a line is no outcome of a URL");
        return;
    }
    sums[BYTES] = number(row, "length");
    sums[ANSWERS] = status > 0;
    sums[ERRORS] = strcmp(is, "failed") == 0 || status >= 400;
    sums[PAGES] = strcmp(is, "fetched") == 0 && sums[ERRORS] == 0;
    emit_sums(h, t, url, len, sums);
    if (status > 0)
        emit_time(h, t, url, len, number(row, "duration_ms"), 1);
}

static void hosts_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    const struct hosts *h = state;
    json_t *row = json_loadb(r->data, r->len, 0, NULL);

    if (row == NULL)
        h->api->fail(t, "a line is no JSON, or out of memory");
    count_row(h, t, row);
    json_decref(row);
}

/* ---- combine and reduce --------------------------------------------------------------------------------- */

static void add_sums(uint64_t sums[SUMS], const unsigned char *value) {
    for (int i = 0; i < SUMS; i++)
        sums[i] += get(value + 1 + 8 * i);
}

static void hosts_combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    const struct hosts *h = state;
    uint64_t sums[SUMS] = {0}, ms = 0, often = 0;
    const void *value;
    size_t len;

    while (h->api->next(values, &value, &len)) {
        const unsigned char *v = value;
        if (len == SUMS_BYTES) {
            add_sums(sums, v);
            continue;
        }
        if (often > 0 && get(v + 1) != ms) {
            emit_time(h, t, key, key_len, ms, often);
            often = 0;
        }
        ms = get(v + 1);
        often += get(v + 9);
    }
    if (sums[URLS] > 0)
        emit_sums(h, t, key, key_len, sums);
    if (often > 0)
        emit_time(h, t, key, key_len, ms, often);
}

struct times {
    uint64_t seen, total, median, p99, max;
};

/* The times come in order, so the one that the n-th of them is is known when n have come. */
static void add_time(struct times *x, uint64_t answers, const unsigned char *value) {
    uint64_t ms = get(value + 1), before = x->seen, half = (answers + 1) / 2;
    uint64_t most = answers - answers / 100;

    x->seen += get(value + 9);
    x->total += ms * get(value + 9);
    if (before < half && x->seen >= half)
        x->median = ms;
    if (before < most && x->seen >= most)
        x->p99 = ms;
    x->max = ms;
}

static void hosts_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    const struct hosts *h = state;
    uint64_t sums[SUMS] = {0};
    struct times x = {0};
    const void *value;
    char line[256];
    size_t len;

    while (h->api->next(values, &value, &len))
        if (len == SUMS_BYTES)
            add_sums(sums, value);
        else
            add_time(&x, sums[ANSWERS], value);
    h->api->write(t, key, key_len);
    for (int i = 0; i < SUMS; i++)
        h->api->write(t, line, (size_t)snprintf(line, sizeof line, "\t%" PRIu64, sums[i]));
    int n = x.seen == 0 ? snprintf(line, sizeof line, "\t-\t-\t-\t-\n")
                        : snprintf(line, sizeof line,
                                   "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
                                   (x.total + x.seen / 2) / x.seen, x.median, x.p99, x.max);
    h->api->write(t, line, (size_t)n);
}

const struct trawl_job func_hosts = {.abi = TRAWL_JOB_ABI,
                                     .input = TRAWL_INPUT_OUTCOMES,
                                     .open = hosts_open,
                                     .map = hosts_map,
                                     .combine = hosts_combine,
                                     .reduce = hosts_reduce,
                                     .close = free};

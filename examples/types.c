/*
 * types: what a crawl's pages are: TYPE TAB PAGES TAB BYTES, by Content-Type. A job for trawl, as a shared object.
 *
 *     cc -shared -fPIC -I worker -o types.so examples/types.c
 *     trawl job run ./types.so --input DIR
 *
 * map() emits the type of each page with "1 BYTES"; combine() and reduce() add such pairs up.
 */
#include <stdio.h>
#include <string.h>

#include "trawl_job.h"

static const struct trawl_api *api;

static bool open_job(void **state, struct trawl_task *t, const struct trawl_api *given, int argc,
                     char *const *argv, char *error) {
    (void)state;
    (void)t;
    (void)argv;
    api = given;
    if (argc > 0)
        snprintf(error, 256, "it takes no arguments");
    return argc == 0;
}

static void map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    const char *type = r->mime[0] != '\0' ? r->mime : "unknown";
    char value[48];

    (void)state;
    if (r->status < 200 || r->status > 299)
        return;
    int n = snprintf(value, sizeof value, "1 %zu", r->len);
    api->emit(t, type, strlen(type), value, (size_t)n);
}

static void add_up(struct trawl_values *values, unsigned long long *pages,
                   unsigned long long *bytes) {
    const void *value;
    size_t len;

    *pages = *bytes = 0;
    while (api->next(values, &value, &len)) {
        unsigned long long p = 0, b = 0;
        char text[48];
        snprintf(text, sizeof text, "%.*s", (int)len, (const char *)value);
        sscanf(text, "%llu %llu", &p, &b);
        *pages += p;
        *bytes += b;
    }
}

static void combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                    struct trawl_values *values) {
    unsigned long long pages, bytes;
    char value[48];

    (void)state;
    add_up(values, &pages, &bytes);
    int n = snprintf(value, sizeof value, "%llu %llu", pages, bytes);
    api->emit(t, key, key_len, value, (size_t)n);
}

static void reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                   struct trawl_values *values) {
    unsigned long long pages, bytes;
    char numbers[64];

    (void)state;
    add_up(values, &pages, &bytes);
    int n = snprintf(numbers, sizeof numbers, "\t%llu\t%llu\n", pages, bytes);
    api->write(t, key, key_len);
    api->write(t, numbers, (size_t)n);
}

const struct trawl_job trawl_job = {.abi = TRAWL_JOB_ABI,
                                    .input = TRAWL_INPUT_PAGES,
                                    .open = open_job,
                                    .map = map,
                                    .combine = combine,
                                    .reduce = reduce};

/*
 * func_pagerank: PageRank (Brin, Page 1998; Langville, Meyer 2004) of a crawl's pages: URL TAB RANK, sorted by URL; the ranks add up to 1.
 *
 *     rank(p) = (1 - d) / N + d * (sum over the pages q that link to p of rank(q) / links(q) + dangling / N),  d = 0.85
 *
 * The N pages are the URLs with a record of a 2xx response or a redirect in the archive, but for robots.txt. A link counts once for
 * each pair of pages, if it leads to another one that is in the archive; links are those of record_links.h. A
 * redirect links to its target. A revisit record has the links of its payload, if the file named by the first job's argument says where that
 * is (record_copies.h); else it links to the URL it refers to. `dangling` is the rank of pages without
 * links: it goes to all alike.
 *
 * Four jobs, put behind each other by cli/job_chain.h:
 *   pagerank        links between archived pages: URL, and SOURCE TAB TARGET. Counts `pages`.
 *   pagerank-graph  of each page one line: ID TAB URL TAB RANK TAB ID ID ID... Argument: N.
 *   pagerank-step   one iteration over such lines. Arguments: N, the leak.
 *   pagerank-end    URL TAB RANK. Arguments: N, and two numbers to be counted: `iterations`, `delta`.
 *
 * A rank is a whole number of units of 1e-18, so that sums do not depend on their order, and an output not on how many
 * workers made it. What a division leaves over is in the `leak` with the rank of dangling pages: counted by one job, given to
 * the next one. `delta`: the sum of the changes of all ranks. An ID is 64 bits of a hash of the URL, in hexadecimal.
 * A page has at most TARGETS_MAX links (targets-left-out counts the others), so that its line is not too long.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/buf.h"
#include "worker/func.h"
#include "worker/record_copies.h"
#include "worker/record_kind.h"
#include "worker/record_links.h"

#define UNIT UINT64_C(1000000000000000000)
enum { DAMPING_PERCENT = 85, TARGETS_MAX = 200000, ID_BYTES = 8, ID_DIGITS = 16 };

struct pagerank {
    const struct trawl_api *api;
    struct record_links from; /* of the first job */
    struct record_copies copies;
    uint64_t numbers[3]; /* arguments */
    struct buf line;
};

static void pagerank_close(void *state) {
    struct pagerank *p = state;

    record_links_release(&p->from);
    record_copies_release(&p->copies);
    buf_release(&p->line);
    free(p);
}

static bool open_with(void **state, const struct trawl_api *api, int wanted, int argc,
                      char *const *argv, char *error) {
    struct pagerank *p = calloc(1, sizeof *p);

    if (p == NULL || argc != wanted) {
        snprintf(error, 256, p == NULL ? "out of memory" : "it is a part of the job pagerank");
        free(p);
        return false;
    }
    for (int i = 0; i < argc; i++)
        p->numbers[i] = strtoull(argv[i], NULL, 10);
    p->api = api;
    record_links_init(&p->from, false);
    record_copies_init(&p->copies);
    buf_init(&p->line, 16 << 20);
    *state = p;
    return true;
}

static void write_line(struct pagerank *p, struct trawl_task *t) {
    buf_append_char(&p->line, '\n');
    if (p->line.failed)
        p->api->fail(t, "out of memory for a page's links");
    p->api->write(t, p->line.data, p->line.len);
}

/* A line that says nothing, so that the next job has an input when there is nothing to say. */
static void write_nothing(void *state, struct trawl_task *t) {
    const struct pagerank *p = state;

    if (p->api->reduces(t))
        p->api->write(t, "\n", 1);
}

/* ---- links between archived pages ---------------------------------------------------------------------------- */

static bool pagerank_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                          char *const *argv, char *error) {
    struct pagerank *p;

    (void)t;
    if (!open_with(state, api, 0, 0, argv, error))
        return false;
    p = *state;
    if (argc == 0 || record_copies_load(&p->copies, argv[0]))
        return true;
    snprintf(error, 256, "%.150s: %m", argv[0]);
    pagerank_close(p);
    return false;
}

/* Values of a URL: 'P', it is in the archive; 'S' and a URL that links to it. */
static void emit_link(struct pagerank *p, struct trawl_task *t, const char *to, size_t to_len,
                      const char *source) {
    buf_reset(&p->line);
    buf_append_char(&p->line, 'S');
    if (!buf_append_str(&p->line, source))
        p->api->fail(t, "out of memory for a link");
    p->api->emit(t, to, to_len, p->line.data, p->line.len);
}

static void emit_links(struct pagerank *p, struct trawl_task *t, const struct trawl_record *r) {
    if (!record_links_read(&p->from, r))
        p->api->fail(t, "out of memory for links");
    for (size_t i = 0; i < p->from.page.links.count; i++)
        emit_link(p, t, page_link_url(&p->from.page, i), p->from.page.links.items[i].len, r->name);
}

static void pagerank_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct pagerank *p = state;
    bool is_revisit = strcmp(r->record_type, "revisit") == 0;
    struct trawl_record copy = *r;

    if (r->name[0] == '\0' || record_kind_is_robots_txt(r->name) ||
        (r->status / 100 != 2 && r->status / 100 != 3 && !(is_revisit && r->status == 0)))
        return;
    p->api->emit(t, r->name, strlen(r->name), "P", 1);
    if (!is_revisit)
        emit_links(p, t, r);
    else if (r->refers_to[0] != '\0' && !record_copies_has(&p->copies, r->name))
        emit_link(p, t, r->refers_to, strlen(r->refers_to), r->name);
    for (size_t at = 0;
         !is_revisit && (copy.name = record_copies_next(&p->copies, r->name, &at)) != NULL;)
        emit_links(p, t, &copy);
}

/* The values come sorted: 'P' before 'S', and what is the same behind itself. */
static void pagerank_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                            struct trawl_values *values) {
    struct pagerank *p = state;
    const char *value;
    const void *next;
    size_t len, last_len = 0;

    for (bool first = true; p->api->next(values, &next, &len); first = false) {
        value = next;
        if (first && value[0] != 'P')
            return;
        if (first) {
            buf_reset(&p->line);
            buf_append(&p->line, key, key_len);
            write_line(p, t);
            p->api->count(t, "pages", 1);
        }
        bool known = p->line.len > last_len && last_len == len - 1 &&
                     memcmp(p->line.data, value + 1, last_len) == 0;
        if (value[0] == 'P' || known ||
            (len - 1 == key_len && memcmp(value + 1, key, key_len) == 0))
            continue;
        buf_reset(&p->line);
        buf_append(&p->line, value + 1, len - 1);
        last_len = len - 1;
        buf_append_char(&p->line, '\t');
        buf_append(&p->line, key, key_len);
        write_line(p, t);
    }
}

const struct trawl_job func_pagerank = {.abi = TRAWL_JOB_ABI,
                                        .input = TRAWL_INPUT_PAGES,
                                        .open = pagerank_open,
                                        .map = pagerank_map,
                                        .reduce = pagerank_reduce,
                                        .end = write_nothing,
                                        .close = pagerank_close};

/* ---- one line a page --------------------------------------------------------------------------------------- */

static bool graph_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    (void)t;
    return open_with(state, api, 1, argc, argv, error);
}

static void graph_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    const struct pagerank *p = state;
    const char *tab = memchr(r->data, '\t', r->len);
    unsigned char id[ID_BYTES];

    if (r->len == 0)
        return;
    if (tab == NULL) {
        p->api->emit(t, r->data, r->len, "", 0);
        return;
    }
    uint64_t h = XXH3_64bits(tab + 1, r->len - (size_t)(tab + 1 - r->data));
    for (int i = 0; i < ID_BYTES; i++)
        id[i] = (unsigned char)(h >> (56 - 8 * i));
    p->api->emit(t, r->data, (size_t)(tab - r->data), id, sizeof id);
}

static uint64_t read_number(const unsigned char *id) {
    uint64_t h = 0;

    for (int i = 0; i < ID_BYTES; i++)
        h = h << 8 | id[i];
    return h;
}

/* What of a rank does not go along links. */
static void count_leak(const struct pagerank *p, struct trawl_task *t, uint64_t rank,
                       uint64_t links) {
    p->api->count(t, "leak", (int64_t)(links == 0 ? rank : rank % links));
}

static void graph_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    struct pagerank *p = state;
    uint64_t rank = UNIT / p->numbers[0], links = 0;
    const void *value;
    size_t len;

    buf_reset(&p->line);
    buf_printf(&p->line, "%016" PRIx64 "\t", (uint64_t)XXH3_64bits(key, key_len));
    buf_append(&p->line, key, key_len);
    buf_printf(&p->line, "\t%" PRIu64 "\t", rank);
    while (p->api->next(values, &value, &len)) {
        if (len != ID_BYTES)
            continue;
        if (links == TARGETS_MAX) {
            p->api->count(t, "targets-left-out", 1);
            continue;
        }
        buf_printf(&p->line, "%s%016" PRIx64, links > 0 ? " " : "", read_number(value));
        links++;
    }
    write_line(p, t);
    count_leak(p, t, rank, links);
}

const struct trawl_job func_pagerank_graph = {.abi = TRAWL_JOB_ABI,
                                              .input = TRAWL_INPUT_LINES,
                                              .open = graph_open,
                                              .map = graph_map,
                                              .reduce = graph_reduce,
                                              .close = pagerank_close};

/* ---- one iteration ----------------------------------------------------------------------------------------- */

static bool step_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                      char *const *argv, char *error) {
    (void)t;
    return open_with(state, api, 2, argc, argv, error);
}

/* ID TAB URL TAB RANK TAB TARGETS, taken apart. */
struct page_line {
    const char *url, *targets;
    size_t url_len, targets_len;
    uint64_t rank, links;
};

static bool split_line(const char *p, size_t len, struct page_line *out) {
    const char *end = p + len, *url = memchr(p, '\t', len);
    const char *rank = url != NULL ? memchr(url + 1, '\t', (size_t)(end - url - 1)) : NULL;
    const char *targets = rank != NULL ? memchr(rank + 1, '\t', (size_t)(end - rank - 1)) : NULL;

    if (targets == NULL || url - p != ID_DIGITS)
        return false;
    *out = (struct page_line){.url = url + 1,
                              .url_len = (size_t)(rank - url - 1),
                              .targets = targets + 1,
                              .targets_len = (size_t)(end - targets - 1)};
    for (const char *d = rank + 1; d < targets; d++)
        out->rank = out->rank * 10 + (uint64_t)(*d - '0');
    out->links = (out->targets_len + 1) / (ID_DIGITS + 1);
    return true;
}

/* Values of an ID: 'G' and its page's line; 'R' and a share of somebody's rank. */
static void step_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct pagerank *p = state;
    unsigned char share[1 + ID_BYTES] = {'R'};
    struct page_line line;

    if (!split_line(r->data, r->len, &line)) {
        p->api->fail(t, "a line is no page of pagerank");
        return;
    }
    buf_reset(&p->line);
    buf_append_char(&p->line, 'G');
    if (!buf_append(&p->line, r->data, r->len))
        p->api->fail(t, "out of memory for a page's links");
    p->api->emit(t, r->data, ID_DIGITS, p->line.data, p->line.len);
    for (int i = 0; i < ID_BYTES && line.links > 0; i++)
        share[1 + i] = (unsigned char)(line.rank / line.links >> (56 - 8 * i));
    for (uint64_t i = 0; i < line.links; i++)
        p->api->emit(t, line.targets + i * (ID_DIGITS + 1), ID_DIGITS, share, sizeof share);
}

static void step_combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    const struct pagerank *p = state;
    unsigned char share[1 + ID_BYTES] = {'R'};
    uint64_t sum = 0;
    const void *value;
    bool any = false;
    size_t len;

    while (p->api->next(values, &value, &len)) {
        const unsigned char *v = value;
        if (v[0] == 'G') {
            p->api->emit(t, key, key_len, value, len);
            continue;
        }
        any = true;
        sum += read_number(v + 1);
    }
    for (int i = 0; i < ID_BYTES; i++)
        share[1 + i] = (unsigned char)(sum >> (56 - 8 * i));
    if (any)
        p->api->emit(t, key, key_len, share, sizeof share);
}

static uint64_t damped(uint64_t n) {
    return (uint64_t)((unsigned __int128)n * DAMPING_PERCENT / 100);
}

static void step_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                        struct trawl_values *values) {
    struct pagerank *p = state;
    struct page_line line = {0};
    uint64_t sum = 0;
    const void *value;
    size_t len;

    buf_reset(&p->line);
    while (p->api->next(values, &value, &len)) {
        const unsigned char *v = value;
        if (v[0] == 'R')
            sum += read_number(v + 1);
        else if (!buf_append(&p->line, v + 1, len - 1))
            p->api->fail(t, "out of memory for a page's links");
    }
    if (p->line.len == 0 || !split_line(p->line.data, p->line.len, &line))
        p->api->fail(t, "a page of pagerank is lost, or two have the same hash");
    uint64_t rank = (UNIT - damped(UNIT) + damped(p->numbers[1])) / p->numbers[0] + damped(sum);
    p->api->count(t, "delta", (int64_t)(rank > line.rank ? rank - line.rank : line.rank - rank));
    count_leak(p, t, rank, line.links);
    char number[40];
    int n = snprintf(number, sizeof number, "\t%" PRIu64 "\t", rank);
    p->api->write(t, key, key_len);
    p->api->write(t, "\t", 1);
    p->api->write(t, line.url, line.url_len);
    p->api->write(t, number, (size_t)n);
    p->api->write(t, line.targets, line.targets_len);
    p->api->write(t, "\n", 1);
}

const struct trawl_job func_pagerank_step = {.abi = TRAWL_JOB_ABI,
                                             .input = TRAWL_INPUT_LINES,
                                             .open = step_open,
                                             .map = step_map,
                                             .combine = step_combine,
                                             .reduce = step_reduce,
                                             .close = pagerank_close};

/* ---- the end ----------------------------------------------------------------------------------------------- */

static bool end_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                     char *const *argv, char *error) {
    (void)t;
    return open_with(state, api, 3, argc, argv, error);
}

static void end_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    const struct pagerank *p = state;
    struct page_line line;
    char number[40];

    if (!split_line(r->data, r->len, &line)) {
        p->api->fail(t, "a line is no page of pagerank");
        return;
    }
    int n = snprintf(number, sizeof number, "\t%" PRIu64 ".%018" PRIu64 "\n", line.rank / UNIT,
                     line.rank % UNIT);
    p->api->emit(t, line.url, line.url_len, number, (size_t)n);
}

static void end_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                       struct trawl_values *values) {
    const struct pagerank *p = state;
    const void *value;
    size_t len;

    while (p->api->next(values, &value, &len)) {
        p->api->write(t, key, key_len);
        p->api->write(t, value, len);
    }
}

/* What the chain knows, said once. */
static void end_end(void *state, struct trawl_task *t) {
    const struct pagerank *p = state;

    if (!p->api->reduces(t) || p->api->partition(t) != 0)
        return;
    p->api->count(t, "pages", (int64_t)p->numbers[0]);
    p->api->count(t, "iterations", (int64_t)p->numbers[1]);
    p->api->count(t, "delta", (int64_t)p->numbers[2]);
}

const struct trawl_job func_pagerank_end = {.abi = TRAWL_JOB_ABI,
                                            .input = TRAWL_INPUT_LINES,
                                            .open = end_open,
                                            .map = end_map,
                                            .reduce = end_reduce,
                                            .end = end_end,
                                            .close = pagerank_close};

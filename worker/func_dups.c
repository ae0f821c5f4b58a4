/*
 * func_dups: pages that are the same, or nearly: KIND TAB GROUP TAB URL, sorted. KIND is `exact` or `near`; GROUP is the first
 * URL of the group.
 *
 * exact: the same payload, content coding undone, of two URLs or more; a revisit record says so of itself. near: groups of
 * text pages whose simhashes differ in at most SIMHASH_NEAR bits from one to the next, if not all of them are exact; pages of
 * fewer than WORDS_MIN words are left out. A group is closed: what is near to one of it is in it. Looked at
 * are responses 2xx but for robots.txt. Of a URL that was archived more than once all versions count.
 *
 * Two jobs. `dups` finds pairs. For near ones (Manku et al., section 3): two hashes that differ in 3 bits are the same in
 * one of 4 blocks of 16; so the key is a block and its value, and the pages behind a key are compared with each
 * other. A pair is written by the first block that both share. Equal hashes are one in comparisons. A key with more than
 * BUCKET_MAX different hashes compares the first ones only, and counts the others (hashes-left-out).
 * `dups-groups` joins the pairs in one reduce task, in memory: about 100 bytes and the URL for each page of a pair.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/buf.h"
#include "shared/map.h"
#include "shared/page_text.h"
#include "worker/func.h"
#include "worker/record_kind.h"
#include "worker/simhash.h"

enum {
    WORDS_MIN = 10,
    BUCKET_MAX = 20000,
    TEXT_BYTES = 8 << 20,
    BLOCKS = 4,
    BLOCK_BITS = 16,
    KEY_BYTES = 4, /* 'n', block, value */
    HASH_BYTES = 8,
};

/* ---- pairs ------------------------------------------------------------------------------------------------- */

struct same {
    uint64_t hash;
    size_t at; /* in `urls`: the first URL with that hash */
};

struct dups {
    const struct trawl_api *api;
    struct page_text text;
    struct buf value, last, urls; /* of reduce(): URLs, each with its NUL */
    struct same *bucket;
};

static void dups_close(void *state) {
    struct dups *d = state;

    page_text_release(&d->text);
    buf_release(&d->value);
    buf_release(&d->last);
    buf_release(&d->urls);
    free(d->bucket);
    free(d);
}

static bool dups_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                      char *const *argv, char *error) {
    struct dups *d = calloc(1, sizeof *d);

    (void)t;
    (void)argc;
    (void)argv;
    if (d == NULL || (d->bucket = calloc(BUCKET_MAX, sizeof *d->bucket)) == NULL) {
        snprintf(error, 256, "out of memory");
        free(d);
        return false;
    }
    d->api = api;
    page_text_init(&d->text, TEXT_BYTES);
    buf_init(&d->value, 1 << 20);
    buf_init(&d->last, 1 << 20);
    buf_init(&d->urls, 1 << 30);
    *state = d;
    return true;
}

static uint64_t block_value(uint64_t hash, unsigned block) {
    return hash >> BLOCK_BITS * block & 0xffff;
}

static void emit_near(struct dups *d, struct trawl_task *t, const char *url) {
    unsigned char key[KEY_BYTES] = {'n'};
    size_t words;
    uint64_t hash = simhash(d->text.text.data, d->text.text.len, &words);

    if (words < WORDS_MIN)
        return;
    buf_reset(&d->value);
    for (int i = HASH_BYTES - 1; i >= 0; i--)
        buf_append_char(&d->value, (char)(hash >> 8 * i & 0xff));
    if (!buf_append_str(&d->value, url))
        d->api->fail(t, "out of memory for a page");
    for (unsigned i = 0; i < BLOCKS; i++) {
        uint64_t v = block_value(hash, i);
        key[1] = (unsigned char)i;
        key[2] = (unsigned char)(v >> 8);
        key[3] = (unsigned char)v;
        d->api->emit(t, key, sizeof key, d->value.data, d->value.len);
    }
}

static void emit_payload(struct dups *d, struct trawl_task *t, const struct trawl_record *r) {
    unsigned char key[1 + EVP_MAX_MD_SIZE] = {'e'};
    unsigned int len = 0;

    if (EVP_Digest(r->data, r->len, key + 1, &len, EVP_sha256(), NULL) != 1)
        d->api->fail(t, "no SHA-256");
    d->api->emit(t, key, 1 + len, r->name, strlen(r->name));
    d->api->count(t, "pages", 1);
}

/* A revisit says what it is the same as: a pair that is known already. */
static void emit_revisit(struct dups *d, struct trawl_task *t, const struct trawl_record *r) {
    buf_reset(&d->value);
    buf_append_char(&d->value, 'r');
    if (!buf_append_str(&d->value, r->refers_to))
        d->api->fail(t, "out of memory for a page");
    if (r->refers_to[0] == '\0' || strcmp(r->refers_to, r->name) == 0)
        return;
    d->api->emit(t, d->value.data, d->value.len, r->refers_to, d->value.len - 1);
    d->api->emit(t, d->value.data, d->value.len, r->name, strlen(r->name));
    d->api->count(t, "revisits", 1);
}

static void dups_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct dups *d = state;

    if (record_kind_is_robots_txt(r->name) || r->name[0] == '\0')
        return;
    bool is_revisit = strcmp(r->record_type, "revisit") == 0;
    if (is_revisit && (r->status == 0 || r->status / 100 == 2))
        emit_revisit(d, t, r);
    if (is_revisit || r->status / 100 != 2 || r->len == 0)
        return;
    if (r->cut) {
        d->api->count(t, "cut-left-out", 1);
        return;
    }
    emit_payload(d, t, r);
    if (!page_text_is_text(r->mime))
        return;
    if (!page_text_read(&d->text, r->data, r->len, r->content_type))
        d->api->fail(t, "out of memory for a page's text");
    if (d->text.text.len > 0)
        emit_near(d, t, r->name);
}

static void write_pair(const struct dups *d, struct trawl_task *t, char kind, const char *a,
                       const char *b) {
    d->api->write(t, &kind, 1);
    d->api->write(t, "\t", 1);
    d->api->write(t, a, strlen(a));
    d->api->write(t, "\t", 1);
    d->api->write(t, b, strlen(b));
    d->api->write(t, "\n", 1);
}

/* Appends one; its place. */
static size_t keep_url(struct dups *d, struct trawl_task *t, const char *url, size_t len) {
    size_t at = d->urls.len;

    buf_append(&d->urls, url, len);
    if (!buf_append_char(&d->urls, '\0'))
        d->api->fail(t, "out of memory for pages that are alike");
    return at;
}

/* All URLs of one payload are pairs with the first of them. They come sorted. */
static void reduce_same(struct dups *d, struct trawl_task *t, struct trawl_values *values) {
    const void *value;
    size_t len, first = SIZE_MAX;

    while (d->api->next(values, &value, &len)) {
        if (first == SIZE_MAX) {
            first = keep_url(d, t, value, len);
            continue;
        }
        size_t at = keep_url(d, t, value, len);
        if (strcmp(d->urls.data + first, d->urls.data + at) != 0)
            write_pair(d, t, 'e', d->urls.data + first, d->urls.data + at);
        d->urls.len = at;
    }
}

static uint64_t read_hash(const unsigned char *p) {
    uint64_t h = 0;

    for (int i = 0; i < HASH_BYTES; i++)
        h = h << 8 | p[i];
    return h;
}

/* Is `block` the first one in which they are the same? */
static bool is_first_shared(uint64_t a, uint64_t b, unsigned block) {
    for (unsigned i = 0; i < block; i++)
        if (block_value(a ^ b, i) == 0)
            return false;
    return true;
}

static void compare(const struct dups *d, struct trawl_task *t, size_t count, unsigned block) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++)
            if (simhash_distance(d->bucket[i].hash, d->bucket[k].hash) <= SIMHASH_NEAR &&
                is_first_shared(d->bucket[i].hash, d->bucket[k].hash, block))
                write_pair(d, t, 'n', d->urls.data + d->bucket[i].at,
                           d->urls.data + d->bucket[k].at);
        d->api->progress(t);
    }
}

/* The values come sorted by hash, then by URL. */
static void reduce_near(struct dups *d, struct trawl_task *t, unsigned block,
                        struct trawl_values *values) {
    const void *value;
    size_t len, count = 0;

    while (d->api->next(values, &value, &len)) {
        uint64_t hash = read_hash(value);
        const char *url = (const char *)value + HASH_BYTES;
        struct same *last = count > 0 ? &d->bucket[count - 1] : NULL;
        if (last != NULL && last->hash == hash) {
            size_t at = keep_url(d, t, url, len - HASH_BYTES);
            if (block == 0 && strcmp(d->urls.data + last->at, d->urls.data + at) != 0)
                write_pair(d, t, 'n', d->urls.data + last->at, d->urls.data + at);
            d->urls.len = at;
        } else if (count == BUCKET_MAX) {
            d->api->count(t, "hashes-left-out", 1);
        } else {
            d->bucket[count++] = (struct same){hash, keep_url(d, t, url, len - HASH_BYTES)};
        }
    }
    compare(d, t, count, block);
}

static void dups_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                        struct trawl_values *values) {
    struct dups *d = state;
    const unsigned char *k = key;

    (void)key_len;
    buf_reset(&d->urls);
    if (k[0] == 'n')
        reduce_near(d, t, k[1], values);
    else
        reduce_same(d, t, values);
}

/* A line that says nothing, so that the next job has an input when there is no pair. */
static void dups_end(void *state, struct trawl_task *t) {
    const struct dups *d = state;

    if (d->api->reduces(t))
        d->api->write(t, "-\n", 2);
}

const struct trawl_job func_dups = {.abi = TRAWL_JOB_ABI,
                                    .input = TRAWL_INPUT_PAGES,
                                    .open = dups_open,
                                    .map = dups_map,
                                    .reduce = dups_reduce,
                                    .end = dups_end,
                                    .close = dups_close};

/* ---- groups ------------------------------------------------------------------------------------------------ */

/* A URL, in two forests (union-find): of what is exactly the same, and of what is the same or near. */
enum { EXACT, NEAR, FORESTS };

struct node {
    struct node *next; /* with the same hash of its URL */
    struct node *parent[FORESTS];
    const struct node *group[FORESTS]; /* of a root: the first URL of the group */
    size_t sizes[FORESTS];             /* of a root: nodes; for NEAR those that are exact roots */
    char url[];
};

struct groups {
    const struct trawl_api *api;
    struct map by_hash;
    struct node **all;
    size_t count, size;
};

static void groups_close(void *state) {
    struct groups *g = state;

    for (size_t i = 0; i < g->count; i++)
        free(g->all[i]);
    free(g->all);
    map_release(&g->by_hash);
    free(g);
}

static bool groups_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                        char *const *argv, char *error) {
    struct groups *g = calloc(1, sizeof *g);

    (void)t;
    (void)argc;
    (void)argv;
    if (g == NULL) {
        snprintf(error, 256, "out of memory");
        return false;
    }
    g->api = api;
    map_init(&g->by_hash);
    *state = g;
    return true;
}

static void groups_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    const struct groups *g = state;

    if (r->len > 2)
        g->api->emit(t, r->data, 1, r->data + 2, r->len - 2);
}

static bool grow(struct groups *g) {
    if (g->count < g->size)
        return true;
    size_t size = g->size == 0 ? 1024 : 2 * g->size;
    struct node **all = realloc(g->all, size * sizeof(struct node *));
    if (all == NULL)
        return false;
    g->all = all;
    g->size = size;
    return true;
}

static struct node *node_of(struct groups *g, struct trawl_task *t, const char *url, size_t len) {
    uint64_t hash = XXH3_64bits(url, len);
    struct node *first = map_get(&g->by_hash, hash), *n = first;

    while (n != NULL && (strlen(n->url) != len || memcmp(n->url, url, len) != 0))
        n = n->next;
    if (n != NULL)
        return n;
    n = calloc(1, sizeof *n + len + 1);
    if (n == NULL || !grow(g) || !map_put(&g->by_hash, hash, n)) {
        free(n);
        g->api->fail(t, "out of memory for groups");
        abort();
    }
    memcpy(n->url, url, len);
    n->next = first;
    n->parent[EXACT] = n->parent[NEAR] = n;
    g->all[g->count++] = n;
    return n;
}

static struct node *root(struct node *n, int forest) {
    while (n->parent[forest] != n)
        n = n->parent[forest] = n->parent[forest]->parent[forest];
    return n;
}

static void join(struct node *a, struct node *b, int forest) {
    root(b, forest)->parent[forest] = root(a, forest);
}

/* The keys are 'e' and 'n'; a value is URL TAB URL. */
static void groups_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    struct groups *g = state;
    const void *value;
    size_t len;

    (void)key_len;
    while (g->api->next(values, &value, &len)) {
        const char *tab = memchr(value, '\t', len);
        if (tab == NULL) {
            g->api->fail(t, "a line is no pair");
            return;
        }
        size_t a_len = (size_t)(tab - (const char *)value);
        struct node *a = node_of(g, t, value, a_len);
        struct node *b = node_of(g, t, tab + 1, len - a_len - 1);
        if (*(const char *)key == 'e')
            join(a, b, EXACT);
        join(a, b, NEAR);
    }
}

static int by_url(const void *a, const void *b) {
    return strcmp((*(struct node *const *)a)->url, (*(struct node *const *)b)->url);
}

static int by_group(const struct node *a, const struct node *b, int forest) {
    int c = strcmp(a->group[forest]->url, b->group[forest]->url);

    return c != 0 ? c : strcmp(a->url, b->url);
}

static int by_exact(const void *a, const void *b) {
    return by_group(*(struct node *const *)a, *(struct node *const *)b, EXACT);
}

static int by_near(const void *a, const void *b) {
    return by_group(*(struct node *const *)a, *(struct node *const *)b, NEAR);
}

static void write_groups(struct groups *g, struct trawl_task *t, int forest) {
    const char *kind = forest == EXACT ? "exact" : "near";
    const struct node *last = NULL;

    qsort(g->all, g->count, sizeof(struct node *), forest == EXACT ? by_exact : by_near);
    for (size_t i = 0; i < g->count; i++) {
        struct node *n = g->all[i];
        if (root(n, forest)->sizes[forest] < 2)
            continue;
        g->api->write(t, kind, strlen(kind));
        g->api->write(t, "\t", 1);
        g->api->write(t, n->group[forest]->url, strlen(n->group[forest]->url));
        g->api->write(t, "\t", 1);
        g->api->write(t, n->url, strlen(n->url));
        g->api->write(t, "\n", 1);
        if (n->group[forest] != last)
            g->api->count(t, forest == EXACT ? "exact-groups" : "near-groups", 1);
        last = n->group[forest];
    }
}

static void groups_end(void *state, struct trawl_task *t) {
    struct groups *g = state;

    if (!g->api->reduces(t) || g->count == 0)
        return;
    qsort(g->all, g->count, sizeof(struct node *), by_url);
    for (size_t i = 0; i < g->count; i++)
        for (int f = EXACT; f < FORESTS; f++) {
            struct node *r = root(g->all[i], f);
            r->sizes[f] += f == EXACT || root(g->all[i], EXACT) == g->all[i];
            if (r->group[f] == NULL)
                r->group[f] = g->all[i];
            g->all[i]->group[f] = r->group[f];
        }
    write_groups(g, t, EXACT);
    write_groups(g, t, NEAR);
}

const struct trawl_job func_dups_groups = {.abi = TRAWL_JOB_ABI,
                                           .input = TRAWL_INPUT_LINES,
                                           .open = groups_open,
                                           .map = groups_map,
                                           .reduce = groups_reduce,
                                           .end = groups_end,
                                           .close = groups_close};

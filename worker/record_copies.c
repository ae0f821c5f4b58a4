#include "worker/record_copies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

void record_copies_init(struct record_copies *c) {
    *c = (struct record_copies){.count = 0};
}

void record_copies_release(struct record_copies *c) {
    free(c->text);
    free(c->items);
    free(c->hashes);
    record_copies_init(c);
}

static uint64_t hash_of(const char *url) {
    return XXH3_64bits(url, strlen(url));
}

static int compare(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int by_hash(const void *a, const void *b) {
    return compare(((const struct record_copy *)a)->hash, ((const struct record_copy *)b)->hash);
}

static int by_number(const void *a, const void *b) {
    return compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* The whole file, with a NUL behind it. */
static bool read_text(struct record_copies *c, FILE *f, size_t *len) {
    struct stat st;

    if (fstat(fileno(f), &st) != 0)
        return false;
    *len = (size_t)st.st_size;
    c->text = malloc(*len + 1);
    if (c->text == NULL || fread(c->text, 1, *len, f) != *len)
        return false;
    c->text[*len] = '\0';
    return true;
}

static bool split_text(struct record_copies *c, size_t len) {
    size_t lines = 0;
    char *rest = c->text;

    for (size_t i = 0; i < len; i++)
        lines += c->text[i] == '\n';
    c->items = calloc(lines + 1, sizeof *c->items);
    c->hashes = calloc(lines + 1, sizeof *c->hashes);
    if (c->items == NULL || c->hashes == NULL)
        return false;
    for (char *line; c->count < lines && (line = strsep(&rest, "\n")) != NULL;) {
        char *tab = strchr(line, '\t');
        if (tab == NULL) {
            errno = EINVAL;
            return false;
        }
        *tab = '\0';
        c->items[c->count] = (struct record_copy){hash_of(line), line, tab + 1};
        c->hashes[c->count++] = hash_of(tab + 1);
    }
    qsort(c->items, c->count, sizeof *c->items, by_hash);
    qsort(c->hashes, c->count, sizeof *c->hashes, by_number);
    return true;
}

bool record_copies_load(struct record_copies *c, const char *path) {
    FILE *f = fopen(path, "re");
    size_t len = 0;

    if (f == NULL)
        return false;
    bool ok = read_text(c, f, &len) && split_text(c, len);
    int why = errno;
    fclose(f);
    errno = why;
    return ok;
}

/* The first item that has that hash, or a larger one. */
static size_t lower_bound(const struct record_copies *c, uint64_t hash) {
    size_t from = 0, to = c->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (c->items[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const char *record_copies_next(const struct record_copies *c, const char *original, size_t *at) {
    if (c->count == 0)
        return NULL;
    uint64_t hash = hash_of(original);
    for (size_t i = *at == 0 ? lower_bound(c, hash) : *at - 1;
         i < c->count && c->items[i].hash == hash; i++)
        if (strcmp(c->items[i].original, original) == 0) {
            *at = i + 2;
            return c->items[i].url;
        }
    return NULL;
}

bool record_copies_has(const struct record_copies *c, const char *url) {
    uint64_t hash = hash_of(url);

    return c->count > 0 &&
           bsearch(&hash, c->hashes, c->count, sizeof *c->hashes, by_number) != NULL;
}

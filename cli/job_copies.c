#include "cli/job_copies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rows.h"

enum { DIGEST_BYTES = 20 };

struct original {
    unsigned char digest[DIGEST_BYTES];
    char *url; /* NULL: not found yet */
};

struct copies {
    struct original *items; /* one a digest, sorted */
    size_t count, size;
    FILE *to;
    size_t written;
};

static int by_digest(const void *a, const void *b) {
    return memcmp(a, b, DIGEST_BYTES);
}

static struct original *find(const struct copies *c, const struct row *row) {
    return c->count == 0
               ? NULL
               : bsearch(row->done->digest.data, c->items, c->count, sizeof *c->items, by_digest);
}

static bool is_page(const struct row *row) {
    return row->done != NULL && row->done->status / 100 == 2 && row->segment != NULL &&
           row->done->digest.len == DIGEST_BYTES;
}

/* ---- the three walks; false: no memory, or it cannot be written ----------------------------------------------- */

static bool note_digest(struct copies *c, const struct row *row) {
    if (!row->done->revisit)
        return true;
    if (c->count == c->size) {
        size_t size = c->size == 0 ? 256 : 2 * c->size;
        struct original *items = realloc(c->items, size * sizeof *items);
        if (items == NULL)
            return false;
        c->items = items;
        c->size = size;
    }
    c->items[c->count] = (struct original){.url = NULL};
    memcpy(c->items[c->count++].digest, row->done->digest.data, DIGEST_BYTES);
    return true;
}

static bool note_original(struct copies *c, const struct row *row) {
    struct original *o = row->done->revisit ? NULL : find(c, row);

    if (o == NULL || o->url != NULL)
        return true;
    o->url = strndup(row->url, row->url_len);
    return o->url != NULL;
}

static bool write_copy(struct copies *c, const struct row *row) {
    const struct original *o = row->done->revisit ? find(c, row) : NULL;

    if (o == NULL || o->url == NULL)
        return true;
    c->written++;
    return fprintf(c->to, "%s\t%.*s\n", o->url, (int)row->url_len, row->url) > 0;
}

static bool walk(struct copies *c, const char *dir,
                 bool (*visit)(struct copies *, const struct row *), struct error *err) {
    struct error ignored;
    struct rows *r = rows_open(dir, &ignored);
    struct row row;
    bool ok = true;

    if (r == NULL)
        return true;
    while (ok && rows_next(r, &row))
        ok = !is_page(&row) || visit(c, &row);
    if (!ok)
        error_set(err, errno, "copies of pages of %.300s", dir);
    return rows_close(r, ok ? err : NULL) && ok;
}

/* One item a digest. */
static void sort(struct copies *c) {
    size_t kept = 0;

    if (c->count > 1)
        qsort(c->items, c->count, sizeof *c->items, by_digest);
    for (size_t i = 0; i < c->count; i++)
        if (kept == 0 || by_digest(&c->items[i], &c->items[kept - 1]) != 0)
            c->items[kept++] = c->items[i];
    c->count = kept;
}

static bool walk_all(struct copies *c, const struct string_list *crawls,
                     bool (*visit)(struct copies *, const struct row *), struct error *err) {
    for (size_t i = 0; i < crawls->count; i++)
        if (!walk(c, crawls->items[i], visit, err))
            return false;
    return true;
}

bool job_copies_write(const struct string_list *crawls, const char *path, size_t *count,
                      struct error *err) {
    struct copies c = {.to = fopen(path, "we")};

    if (c.to == NULL) {
        error_set(err, errno, "cannot write %.300s", path);
        return false;
    }
    bool ok = walk_all(&c, crawls, note_digest, err);
    sort(&c);
    if (c.count > 0)
        ok =
            ok && walk_all(&c, crawls, note_original, err) && walk_all(&c, crawls, write_copy, err);
    if (fclose(c.to) != 0 && ok) {
        error_set(err, errno, "cannot write %.300s", path);
        ok = false;
    }
    for (size_t i = 0; i < c.count; i++)
        free(c.items[i].url);
    free(c.items);
    *count = c.written;
    return ok;
}

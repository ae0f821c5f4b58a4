#include "master/committed.h"

#include <stdlib.h>

#include "master/core_state.h"

struct committed_note {
    uint32_t segment;
    struct committed_record record;
};

/* ---- writing ---------------------------------------------------------------------------------------------- */

void committed_note(struct core *c, const struct segment *s, struct committed_record r) {
    struct committed_notes *n = &c->committed;

    if (n->count == n->size) {
        size_t size = n->size == 0 ? 256 : n->size * 2;
        struct committed_note *items = realloc(n->items, size * sizeof *items);
        if (items == NULL) {
            core_fail(c, "out of memory for committed records");
            return;
        }
        n->items = items;
        n->size = size;
    }
    n->items[n->count++] = (struct committed_note){s->id, r};
}

static int by_place(const void *a, const void *b) {
    const struct committed_note *x = a, *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return (x->record.offset > y->record.offset) - (x->record.offset < y->record.offset);
}

/* The first `count` notes, all of one segment. */
static void put_entry(struct core *c, const struct committed_note *notes, size_t count) {
    struct record_key key = record_committed(notes[0].segment, notes[0].record.offset);

    buf_reset(&c->value);
    record_committed_begin(&c->value, notes[0].record);
    for (size_t i = 1; i < count; i++)
        record_committed_append(&c->value, notes[i - 1].record.offset, notes[i].record);
    if (c->value.failed || !batch_put(&c->batch, key.bytes, key.len, c->value.data, c->value.len))
        core_fail(c, "out of memory for a batch");
}

void committed_put(struct core *c) {
    struct committed_notes *n = &c->committed;
    size_t end;

    if (n->count == 0)
        return;
    qsort(n->items, n->count, sizeof *n->items, by_place);
    for (size_t i = 0; i < n->count; i = end) {
        for (end = i + 1; end < n->count && n->items[end].segment == n->items[i].segment; end++)
            ;
#ifdef MUTANT_LIST_FIRST
        put_entry(c, n->items + i, 1);
#else
        put_entry(c, n->items + i, end - i);
#endif
    }
    n->count = 0;
}

void committed_notes_release(struct committed_notes *n) {
    free(n->items);
    *n = (struct committed_notes){NULL, 0, 0};
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static bool list_add(struct committed_list *l, struct committed_record r) {
    if (l->count == l->size) {
        size_t size = l->size == 0 ? 1024 : l->size * 2;
        struct committed_record *items = realloc(l->items, size * sizeof *items);
        if (items == NULL)
            return false;
        l->items = items;
        l->size = size;
    }
    l->items[l->count++] = r;
    return true;
}

/* False: the core has failed. */
static bool read_entry(struct core *c, const struct store_iter *iter, uint64_t from_offset,
                       struct committed_list *list) {
    size_t key_len, value_len;
    const void *key = store_iter_key(iter, &key_len);
    const void *value = store_iter_value(iter, &value_len);
    struct committed_cursor cursor;
    struct committed_record r;

    if (!record_committed_open(&cursor, key, key_len, value, value_len)) {
        core_fail(c, "a list of committed records of the crawldb cannot be read");
        return false;
    }
    while (record_committed_next(&cursor, &r))
        if (r.offset >= from_offset && !list_add(list, r)) {
            core_fail(c, "out of memory for a segment's records");
            return false;
        }
    if (cursor.broken)
        core_fail(c, "a list of committed records of the crawldb cannot be read");
    return !cursor.broken;
}

static int by_offset(const void *a, const void *b) {
    const struct committed_record *x = a, *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

static struct store_iter *walk(struct core *c, const struct segment *s) {
    struct record_key prefix = record_committed_of(s->id);
    struct store_iter *iter =
        store_iter_open(c->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);

    if (iter == NULL)
        core_fail(c, "cannot read a segment's records");
    return iter;
}

static bool end_walk(struct core *c, struct store_iter *iter) {
    if (!store_iter_close(iter))
        core_fail(c, "cannot read a segment's records");
    return !c->failed;
}

bool committed_read(struct core *c, const struct segment *s, uint64_t from_offset,
                    struct committed_list *list) {
    struct store_iter *iter = walk(c, s);

    if (iter == NULL)
        return false;
    while (store_iter_valid(iter) && read_entry(c, iter, from_offset, list))
        store_iter_next(iter);
    if (!end_walk(c, iter))
        return false;
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, by_offset);
    return true;
}

void committed_list_release(struct committed_list *list) {
    free(list->items);
    *list = (struct committed_list){NULL, 0, 0};
}

void committed_delete(struct core *c, const struct segment *s) {
    struct store_iter *iter = walk(c, s);

    if (iter == NULL)
        return;
    for (; store_iter_valid(iter) && !c->failed; store_iter_next(iter)) {
        size_t len;
        const void *key = store_iter_key(iter, &len);
        if (!batch_delete(&c->batch, key, len))
            core_fail(c, "out of memory for a batch");
    }
    (void)end_walk(c, iter);
}

#include "master/store_mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Entries are immutable and counted: the node that shows one, the undo log and iterators share it. A node
 * leaves the list when its key is deleted but lives on in the undo log, so that undoing never needs memory.
 *
 * `lock` guards all but what an iterator reads: nodes change in write() only, which the iterating thread itself
 * calls, and which first gives every open iterator its own list of what it has still to show (S3).
 */

enum { HEIGHT_MAX = 16 };

struct entry {
    size_t refs, key_len, value_len;
    char bytes[]; /* key, value */
};

struct node {
    struct entry *entry;
    unsigned height;
    struct node *next[];
};

/* One operation taken back: the node shows `before` again, and is in the list if it was. */
struct undo {
    struct node *node;
    struct entry *before; /* NULL: it was not there */
    bool removed;         /* by the operation; the node is then only here */
};

struct fault {
    uint64_t countdown; /* 0: none */
    int errno_value;
};

struct mem {
    struct store store; /* first */
    pthread_mutex_t lock;
    struct node *head; /* HEIGHT_MAX high, no entry */
    size_t count;
    uint64_t random;
    struct undo *undos; /* of all writes that are not synced */
    size_t undo_count, undo_size;
    size_t *marks; /* where each write's undos begin */
    size_t mark_count, mark_size;
    struct fault write_fault, sync_fault, read_fault;
    struct mem_iter *iters;
};

struct mem_iter {
    struct store_iter iter; /* first */
    struct mem_iter *next;
    size_t prefix_len;
    const struct node *node; /* while nothing was written since */
    bool detached;
    struct entry **entries; /* when detached: what is left */
    size_t count, at;
    char prefix[];
};

/* ---- entries --------------------------------------------------------------------------------------------- */

static struct entry *entry_new(const struct batch_op *op) {
    struct entry *e = malloc(sizeof *e + op->key_len + op->value_len);

    if (e == NULL)
        return NULL;
    *e = (struct entry){.refs = 1, .key_len = op->key_len, .value_len = op->value_len};
    memcpy(e->bytes, op->key, op->key_len);
    memcpy(e->bytes + op->key_len, op->value, op->value_len);
    return e;
}

static void entry_unref(struct entry *e) {
    if (e != NULL && --e->refs == 0)
        free(e);
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t shared_len = a_len < b_len ? a_len : b_len;
    int order = shared_len == 0 ? 0 : memcmp(a, b, shared_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* ---- the skip list --------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct node *node_new(unsigned height, struct entry *entry) {
    struct node *n = calloc(1, sizeof *n + height * sizeof n->next[0]);

    if (n != NULL) {
        n->height = height;
        n->entry = entry;
    }
    return n;
}

static void node_free(struct node *n) {
    entry_unref(n->entry);
    free(n);
}

/* The first node not less than `key`; `before`, if wanted, gets its predecessor on each level. */
static struct node *find(const struct mem *m, const char *key, size_t key_len,
                         struct node *before[HEIGHT_MAX]) {
    struct node *at = m->head;

    for (int level = HEIGHT_MAX - 1; level >= 0; level--) {
        struct node *next;

        while ((next = at->next[level]) != NULL &&
               compare(next->entry->bytes, next->entry->key_len, key, key_len) < 0)
            at = next;
        if (before != NULL)
            before[level] = at;
    }
    return at->next[0];
}

static bool is_key(const struct node *n, const char *key, size_t key_len) {
    return n != NULL && compare(n->entry->bytes, n->entry->key_len, key, key_len) == 0;
}

static void link_node(struct mem *m, struct node *n, struct node *before[HEIGHT_MAX]) {
    for (unsigned level = 0; level < n->height; level++) {
        n->next[level] = before[level]->next[level];
        before[level]->next[level] = n;
    }
    m->count++;
}

static void unlink_node(struct mem *m, struct node *n, struct node *before[HEIGHT_MAX]) {
    for (unsigned level = 0; level < n->height; level++)
        before[level]->next[level] = n->next[level];
    m->count--;
}

/* ---- writing and undoing --------------------------------------------------------------------------------- */

static bool reserve(void **array, size_t *size, size_t need, size_t item_size) {
    if (need <= *size)
        return true;
    size_t larger = *size * 2 > need ? *size * 2 : need;
    void *p = realloc(*array, larger * item_size);

    if (p == NULL)
        return false;
    *array = p;
    *size = larger;
    return true;
}

static bool put(struct mem *m, const struct batch_op *op) {
    struct node *before[HEIGHT_MAX], *n = find(m, op->key, op->key_len, before);
    struct undo *u = &m->undos[m->undo_count];
    struct entry *e = entry_new(op);

    if (e == NULL)
        return false;
    if (is_key(n, op->key, op->key_len)) {
        *u = (struct undo){.node = n, .before = n->entry};
        n->entry = e;
    } else {
        /* A quarter of the nodes reaches each next level. */
        unsigned height = 1;
        for (uint64_t r = next_random(&m->random); (r & 3) == 0 && height < HEIGHT_MAX; r >>= 2)
            height++;
        n = node_new(height, e);
        if (n == NULL) {
            entry_unref(e);
            return false;
        }
        link_node(m, n, before);
        *u = (struct undo){.node = n};
    }
    m->undo_count++;
    return true;
}

static void erase(struct mem *m, const struct batch_op *op) {
    struct node *before[HEIGHT_MAX], *n = find(m, op->key, op->key_len, before);

    if (!is_key(n, op->key, op->key_len))
        return;
    unlink_node(m, n, before);
    m->undos[m->undo_count++] = (struct undo){.node = n, .removed = true};
}

/* Takes back all but the first `keep` operations, the newest first. */
static void undo_down_to(struct mem *m, size_t keep) {
    while (m->undo_count > keep) {
        struct undo *u = &m->undos[--m->undo_count];
        struct node *before[HEIGHT_MAX];

        find(m, u->node->entry->bytes, u->node->entry->key_len, before);
        if (u->removed) {
            link_node(m, u->node, before);
        } else if (u->before != NULL) {
            entry_unref(u->node->entry);
            u->node->entry = u->before;
        } else {
            unlink_node(m, u->node, before);
            node_free(u->node);
        }
    }
}

/* Nothing can be taken back any more. */
static void forget_undos(struct mem *m) {
    for (size_t i = 0; i < m->undo_count; i++) {
        if (m->undos[i].removed)
            node_free(m->undos[i].node);
        else
            entry_unref(m->undos[i].before);
    }
    m->undo_count = 0;
    m->mark_count = 0;
}

/* True once, when its turn has come. */
static bool strikes(struct fault *f, const char *doing, struct error *err) {
    if (f->countdown == 0 || --f->countdown > 0)
        return false;
    error_set(err, f->errno_value, "cannot %s the crawldb in memory", doing);
    return true;
}

static bool in_range(const struct mem_iter *it, const struct node *n) {
    return n != NULL && n->entry->key_len >= it->prefix_len &&
           memcmp(n->entry->bytes, it->prefix, it->prefix_len) == 0;
}

/* Gives an iterator its own list of what is left of its range. */
static bool detach(struct mem_iter *it) {
    size_t count = 0;
    const struct node *n;

    for (n = it->node; in_range(it, n); n = n->next[0])
        count++;
    it->entries = malloc((count + 1) * sizeof(struct entry *));
    if (it->entries == NULL)
        return false;
    for (n = it->node; in_range(it, n); n = n->next[0]) {
        n->entry->refs++;
        it->entries[it->count++] = n->entry;
    }
    it->detached = true;
    return true;
}

static bool apply(struct mem *m, const struct batch *b) {
    size_t undos = m->undo_count;
    struct batch_op op;

    for (struct mem_iter *it = m->iters; it != NULL; it = it->next)
        if (!it->detached && !detach(it))
            return false;
    if (!reserve((void **)&m->undos, &m->undo_size, undos + batch_count(b), sizeof *m->undos) ||
        !reserve((void **)&m->marks, &m->mark_size, m->mark_count + 1, sizeof *m->marks))
        return false;
    for (size_t at = 0; batch_next(b, &at, &op);) {
        if (op.value == NULL) {
            erase(m, &op);
        } else if (!put(m, &op)) {
            undo_down_to(m, undos);
            return false;
        }
    }
    m->marks[m->mark_count++] = undos;
    return true;
}

/* ---- the interface --------------------------------------------------------------------------------------- */

static bool mem_write(struct store *s, const struct batch *b, struct error *err) {
    struct mem *m = (struct mem *)s;

    pthread_mutex_lock(&m->lock);
    bool ok = !strikes(&m->write_fault, "write", err);
    if (ok && !apply(m, b)) {
        error_set(err, ENOMEM, "cannot write the crawldb in memory");
        ok = false;
    }
    pthread_mutex_unlock(&m->lock);
    return ok;
}

static bool mem_sync(struct store *s, struct error *err) {
    struct mem *m = (struct mem *)s;

    pthread_mutex_lock(&m->lock);
    bool ok = !strikes(&m->sync_fault, "sync", err);
    if (ok)
        forget_undos(m);
    pthread_mutex_unlock(&m->lock);
    return ok;
}

static enum store_result mem_get(struct store *s, const void *key, size_t key_len,
                                 struct buf *value, struct error *err) {
    struct mem *m = (struct mem *)s;
    enum store_result result = STORE_NOT_FOUND;

    pthread_mutex_lock(&m->lock);
    const struct node *n = find(m, key, key_len, NULL);
    if (strikes(&m->read_fault, "read", err)) {
        result = STORE_FAILED;
    } else if (is_key(n, key, key_len)) {
        buf_append(value, n->entry->bytes + key_len, n->entry->value_len);
        result = STORE_FOUND;
    }
    pthread_mutex_unlock(&m->lock);
    return result;
}

/* As when only the process has crashed: all that was written is found. */
static bool mem_reopen(struct store *s, struct error *err) {
    struct mem *m = (struct mem *)s;

    (void)err;
    pthread_mutex_lock(&m->lock);
    forget_undos(m);
    pthread_mutex_unlock(&m->lock);
    return true;
}

static void mem_close(struct store *s) {
    struct mem *m = (struct mem *)s;
    struct node *n = m->head->next[0];

    forget_undos(m);
    while (n != NULL) {
        struct node *next = n->next[0];

        node_free(n);
        n = next;
    }
    free(m->head);
    free(m->undos);
    free(m->marks);
    pthread_mutex_destroy(&m->lock);
    store_release(s);
    free(m);
}

static struct store_iter *mem_iter_open(struct store *s, const void *prefix, size_t prefix_len,
                                        const void *from, size_t from_len, struct error *err) {
    struct mem *m = (struct mem *)s;
    struct mem_iter *it = malloc(sizeof *it + prefix_len);

    if (it == NULL) {
        error_set(err, ENOMEM, "cannot read the crawldb in memory");
        return NULL;
    }
    *it = (struct mem_iter){.prefix_len = prefix_len};
    if (prefix_len > 0)
        memcpy(it->prefix, prefix, prefix_len);
    pthread_mutex_lock(&m->lock);
    if (strikes(&m->read_fault, "read", err)) {
        free(it);
        it = NULL;
    } else {
        bool later = compare(from, from_len, prefix, prefix_len) > 0;
        it->node = later ? find(m, from, from_len, NULL) : find(m, prefix, prefix_len, NULL);
        it->next = m->iters;
        m->iters = it;
    }
    pthread_mutex_unlock(&m->lock);
    return it == NULL ? NULL : &it->iter;
}

static const struct entry *current(const struct mem_iter *it) {
    if (it->detached)
        return it->at < it->count ? it->entries[it->at] : NULL;
    return in_range(it, it->node) ? it->node->entry : NULL;
}

static bool mem_iter_valid(const struct store_iter *iter) {
    return current((const struct mem_iter *)iter) != NULL;
}

static const void *mem_iter_key(const struct store_iter *iter, size_t *len) {
    const struct entry *e = current((const struct mem_iter *)iter);

    *len = e->key_len;
    return e->bytes;
}

static const void *mem_iter_value(const struct store_iter *iter, size_t *len) {
    const struct entry *e = current((const struct mem_iter *)iter);

    *len = e->value_len;
    return e->bytes + e->key_len;
}

static void mem_iter_next(struct store_iter *iter) {
    struct mem_iter *it = (struct mem_iter *)iter;

    if (it->detached)
        it->at++;
    else
        it->node = it->node->next[0];
}

static bool mem_iter_close(struct store_iter *iter, struct error *err) {
    struct mem_iter *it = (struct mem_iter *)iter;
    struct mem *m = (struct mem *)iter->store;

    (void)err;
    pthread_mutex_lock(&m->lock);
    struct mem_iter **link = &m->iters;
    while (*link != it)
        link = &(*link)->next;
    *link = it->next;
    for (size_t i = 0; i < it->count; i++)
        entry_unref(it->entries[i]);
    pthread_mutex_unlock(&m->lock);
    free(it->entries);
    free(it);
    return true;
}

static const struct store_ops ops = {
    .write = mem_write,
    .sync = mem_sync,
    .get = mem_get,
    .reopen = mem_reopen,
    .close = mem_close,
    .iter_open = mem_iter_open,
    .iter_valid = mem_iter_valid,
    .iter_key = mem_iter_key,
    .iter_value = mem_iter_value,
    .iter_next = mem_iter_next,
    .iter_close = mem_iter_close,
};

struct store *store_mem_new(void) {
    struct mem *m = calloc(1, sizeof *m);

    if (m == NULL || (m->head = node_new(HEIGHT_MAX, NULL)) == NULL) {
        free(m);
        return NULL;
    }
    store_init(&m->store, &ops);
    pthread_mutex_init(&m->lock, NULL);
    return &m->store;
}

/* ---- crashes and faults ---------------------------------------------------------------------------------- */

void store_mem_crash(struct store *s, uint64_t seed) {
    struct mem *m = (struct mem *)s;
    size_t keep;

    assert(s->ops->close == ops.close && s->iters_open == 0);
    switch (next_random(&seed) % 4) { /* the ends are where mistakes are */
    case 0:
        keep = 0;
        break;
    case 1:
        keep = m->mark_count;
        break;
    default:
        keep = (size_t)(next_random(&seed) % (m->mark_count + 1));
    }
    if (keep < m->mark_count)
        undo_down_to(m, m->marks[keep]);
    forget_undos(m);
    atomic_store(&s->failed, false);
}

size_t store_mem_unsynced(const struct store *s) {
    return ((const struct mem *)s)->mark_count;
}

size_t store_mem_count(const struct store *s) {
    return ((const struct mem *)s)->count;
}

static void set_fault(struct mem *m, struct fault *f, uint64_t nth, int errno_value) {
    pthread_mutex_lock(&m->lock);
    *f = (struct fault){nth, errno_value};
    pthread_mutex_unlock(&m->lock);
}

void store_mem_fail_write(struct store *s, uint64_t nth, int errno_value) {
    struct mem *m = (struct mem *)s;
    set_fault(m, &m->write_fault, nth, errno_value);
}

void store_mem_fail_sync(struct store *s, uint64_t nth, int errno_value) {
    struct mem *m = (struct mem *)s;
    set_fault(m, &m->sync_fault, nth, errno_value);
}

void store_mem_fail_read(struct store *s, uint64_t nth, int errno_value) {
    struct mem *m = (struct mem *)s;
    set_fault(m, &m->read_fault, nth, errno_value);
}

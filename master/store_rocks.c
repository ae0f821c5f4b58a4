#include "master/store_rocks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "shared/io.h"
enum { PREFIX_BYTES = 5 }; /* of the keys of one origin's queue, record.h: what filters know */

struct rocks {
    struct store store; /* first */
    char *path;
    bool read_only;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_options;
    rocksdb_writebatch_t *batch; /* scratch of the writer */
    struct batch_op *ops;        /* likewise */
    size_t ops_size;
    rocksdb_t *db;             /* NULL: a reopening failed */
    struct rocks_iter *parked; /* closed, nothing was written since: serves for a prefix as long */
};

struct rocks_iter {
    struct store_iter iter; /* first */
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *options;
    size_t prefix_len;
    bool behind; /* it was to begin behind all keys that have the prefix */
    bool bounded;
    char upper[]; /* the first key behind the prefix; `options` points to it */
};

/* ---- messages ------------------------------------------------------------------------------------------- */

/* What RocksDB says, in our words where they are clearer. Frees `why`. */
static void explain(struct error *err, const char *path, const char *doing, char *why) {
    static const struct {
        const char *text;
        int errno_value;
    } known[] = {{"No space left on device", ENOSPC}, {"Disk quota exceeded", EDQUOT},
                 {"Permission denied", EACCES},       {"Read-only file system", EROFS},
                 {"Too many open files", EMFILE},     {"Input/output error", EIO}};

    if (strstr(why, "lock file") != NULL || strstr(why, "lock hold") != NULL) {
        error_set(err, 0, "%s is in use by another crawl", path);
        goto out;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(why, known[i].text) != NULL) {
            error_set(err, known[i].errno_value, "cannot %s the crawldb %s", doing, path);
            goto out;
        }
    if (strncmp(why, "Corruption", strlen("Corruption")) == 0)
        error_set(err, 0, "the crawldb %s is damaged: %s", path, why);
    else
        error_set(err, 0, "cannot %s the crawldb %s: %s", doing, path, why);
out:
    rocksdb_free(why);
}

/* ---- the directory -------------------------------------------------------------------------------------- */

enum presence { ABSENT, PRESENT, UNUSABLE };

/* A creation that was cut short leaves these, and then CURRENT makes it a database. */
static bool is_leftover(const char *name) {
    static const char *const patterns[] = {".",        "..",         "LOCK",    "LOG*",
                                           "IDENTITY", "MANIFEST-*", "*.dbtmp", "OPTIONS-*"};

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

/* Without CURRENT, RocksDB would begin anew and delete whatever tables it finds. */
static enum presence look_inside(const char *path, struct error *err) {
    bool has_current = false, has_other = false;
    DIR *dir = opendir(path);

    if (dir == NULL) {
        error_set(err, errno, "cannot open the crawldb %s", path);
        return UNUSABLE;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, "CURRENT") == 0)
            has_current = true;
        else if (!is_leftover(e->d_name))
            has_other = true;
    }
    closedir(dir);
    if (has_current)
        return PRESENT;
    if (has_other) {
        error_set(err, 0, "%s holds files but no whole crawldb", path);
        return UNUSABLE;
    }
    return ABSENT;
}

/* Sees to it that the directory is there and is what the mode asks for. */
static bool prepare(const char *path, enum store_rocks_mode mode, struct error *err) {
    bool may_create = mode == STORE_ROCKS_CREATE || mode == STORE_ROCKS_OPEN_OR_CREATE;
    struct stat st;
    enum presence found = ABSENT;

    if (stat(path, &st) == 0) {
        if (!S_ISDIR(st.st_mode)) {
            error_set(err, 0, "%s is not a directory", path);
            return false;
        }
        found = look_inside(path, err);
    } else if (errno != ENOENT) {
        error_set(err, errno, "cannot open the crawldb %s", path);
        return false;
    }
    if (may_create && !io_make_dir(AT_FDCWD, path, 0777)) {
        error_set(err, errno, "cannot create the crawldb %s", path);
        return false;
    }
    if (found == PRESENT && mode == STORE_ROCKS_CREATE)
        error_set(err, 0, "%s already holds a crawl", path);
    else if (found == ABSENT && !may_create)
        error_set(err, 0, "there is no crawl in %s", path);
    else
        return found != UNUSABLE;
    return false;
}

/* ---- options -------------------------------------------------------------------------------------------- */

enum { FILES_MAX = 512, FILES_MIN = 32 };

static void set_tables(rocksdb_options_t *o) {
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(STORE_ROCKS_CACHE_BYTES);

    rocksdb_block_based_options_set_block_cache(t, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    rocksdb_block_based_options_set_block_size(t, 16 << 10);
    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_ribbon(10));
    rocksdb_block_based_options_set_whole_key_filtering(t, 0);
    rocksdb_options_set_block_based_table_factory(o, t);
    /* Who asks for a key usually knows that it is there: the last level, nine tenths of all, needs no
     * filter. */
    rocksdb_options_set_optimize_filters_for_hits(o, 1);
    rocksdb_cache_destroy(cache);
    rocksdb_block_based_options_destroy(t);
}

/* A visit reads a few neighbours in the queue of one origin, which few of the tables hold: filters of the origins
 * that they do hold keep it from looking into the others. For other keys such a prefix is nearly the whole key. */
static void set_prefixes(rocksdb_options_t *o) {
    rocksdb_options_set_prefix_extractor(o,
                                         rocksdb_slicetransform_create_fixed_prefix(PREFIX_BYTES));
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.02);
}

/* Tiers: runs of about the same size are merged, four or more at once. By levels, a key of 100 million is written twelve
 * times, because it is merged with ten times as many that have not changed, on each level; by tiers four or five
 * times. The price is that more runs are read, which filters keep small, and more room while large ones are
 * merged. A crawldb that was written by levels is taken as it is: each level is a run. */
static void set_compaction(rocksdb_options_t *o) {
    rocksdb_universal_compaction_options_t *u = rocksdb_universal_compaction_options_create();

    rocksdb_universal_compaction_options_set_min_merge_width(u, 4);
    rocksdb_universal_compaction_options_set_size_ratio(u, 50);
    rocksdb_options_set_compaction_style(o, rocksdb_universal_compaction);
    rocksdb_options_set_universal_compaction_options(o, u);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, 12);
    /* While the largest runs are merged, a minute or more, small ones may gather. */
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 64);
    rocksdb_options_set_level0_stop_writes_trigger(o, 96);
    rocksdb_universal_compaction_options_destroy(u);
}

/* Tables that are open at once: fewer where descriptors are few, so that the log and new tables get theirs. */
static int files_max(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 > FILES_MAX)
        return FILES_MAX;
    return limit.rlim_cur / 4 < FILES_MIN ? FILES_MIN : (int)(limit.rlim_cur / 4);
}

static rocksdb_options_t *make_options(bool may_create) {
    rocksdb_options_t *o = rocksdb_options_create();

    rocksdb_options_set_create_if_missing(o, may_create);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_wal_recovery_mode(o, rocksdb_point_in_time_recovery);

    /* Small, to stay near the processor's caches: random inserts are what costs most. */
    rocksdb_options_set_write_buffer_size(o, STORE_ROCKS_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, STORE_ROCKS_BUFFERS);
    set_compaction(o);
    /* One writer. */
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
    /* A visit to the queue undoes some blocks for three URLs: with LZ4 it takes a quarter longer, for a fifth less on
     * disk. */
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    /* One writes buffers, one merges; and another merges small runs when they pile up behind large ones. */
    rocksdb_options_set_max_background_jobs(o, 3);
    /* Written out as it comes, so that the fdatasync of store_sync() finds little to do. */
    rocksdb_options_set_bytes_per_sync(o, 1 << 20);
    rocksdb_options_set_wal_bytes_per_sync(o, 512 << 10);
    rocksdb_options_set_max_open_files(o, files_max());

    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_info_log_level(o, 4 /* what is fatal: see has_room() */);
    rocksdb_options_set_max_log_file_size(o, 1 << 20);
    rocksdb_options_set_keep_log_file_num(o, 3);
    set_tables(o);
    set_prefixes(o);
    return o;
}

/* ---- the iterator that is kept ---------------------------------------------------------------------------- */

/* To open one takes as long as a third of what is then done with it, and an exchange opens dozens, between which nothing
 * is written: so the last one is kept, until there is a write that it would not see. */

static void iter_free(struct rocks_iter *it) {
    if (it == NULL)
        return;
    rocksdb_iter_destroy(it->it);
    rocksdb_readoptions_destroy(it->options);
    free(it);
}

static void unpark(struct rocks *r) {
    iter_free(r->parked);
    r->parked = NULL;
}

/* ---- operations ------------------------------------------------------------------------------------------ */

/* RocksDB writes a log of its own, state/LOG, and aborts at the second line that does not fit on the disk: an assertion of its
 * WritableFileWriter. Its head, at each opening, is all that it has at its level here; so it is not opened where there is
 * no room for that, and for what an opening writes beside it. */
static bool has_room(const struct rocks *r, struct error *err) {
    struct statvfs fs;

    if (statvfs(r->path, &fs) != 0 || fs.f_blocks == 0)
        return true;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes >= STORE_ROCKS_ROOM_BYTES)
        return true;
    error_set(err, ENOSPC, "cannot open the crawldb %s with %llu KiB free, %d are needed", r->path,
              (unsigned long long)(bytes / 1024), STORE_ROCKS_ROOM_BYTES / 1024);
    return false;
}

static bool open_db(struct rocks *r, struct error *err) {
    char *why = NULL;

    if (!r->read_only && !has_room(r, err))
        return false;
    if (r->read_only)
        r->db = rocksdb_open_for_read_only(r->options, r->path, 0, &why);
    else
        r->db = rocksdb_open(r->options, r->path, &why);
    if (why == NULL)
        return true;
    r->db = NULL;
    explain(err, r->path, "open", why);
    return false;
}

static bool not_open(const struct rocks *r, struct error *err) {
    if (r->db != NULL)
        return false;
    error_set(err, 0, "the crawldb %s is not open", r->path);
    return true;
}

/* By key; operations on one key stay in their order, which is that of their places in the batch. */
static int op_compare(const void *x, const void *y) {
    const struct batch_op *a = x, *b = y;
    int order = memcmp(a->key, b->key, a->key_len < b->key_len ? a->key_len : b->key_len);

    if (order != 0)
        return order;
    if (a->key_len != b->key_len)
        return a->key_len < b->key_len ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

/* The memtable looks for the place of a key from that of the one before: neighbours cost little. Whoever reads
 * sees all of a batch or nothing, so that its order does not matter. */
static bool sort_ops(struct rocks *r, const struct batch *b) {
    size_t count = batch_count(b), n = 0;

    if (count > r->ops_size) {
        struct batch_op *ops = realloc(r->ops, count * sizeof *ops);
        if (ops == NULL)
            return false;
        r->ops = ops;
        r->ops_size = count;
    }
    for (size_t at = 0; batch_next(b, &at, &r->ops[n]);)
        n++;
    qsort(r->ops, n, sizeof *r->ops, op_compare);
    return true;
}

static bool rocks_write(struct store *s, const struct batch *b, struct error *err) {
    struct rocks *r = (struct rocks *)s;
    char *why = NULL;

    unpark(r);
    if (not_open(r, err))
        return false;
    if (!sort_ops(r, b)) {
        error_set(err, ENOMEM, "cannot write the crawldb %s", r->path);
        return false;
    }
    rocksdb_writebatch_clear(r->batch);
    for (size_t i = 0; i < batch_count(b); i++) {
        const struct batch_op *op = &r->ops[i];
        if (op->value != NULL)
            rocksdb_writebatch_put(r->batch, op->key, op->key_len, op->value, op->value_len);
        else
            rocksdb_writebatch_delete(r->batch, op->key, op->key_len);
    }
    rocksdb_write(r->db, r->write_options, r->batch, &why);
    if (why == NULL)
        return true;
    explain(err, r->path, "write", why);
    return false;
}

static bool rocks_sync(struct store *s, struct error *err) {
    struct rocks *r = (struct rocks *)s;
    char *why = NULL;

    if (not_open(r, err))
        return false;
    if (r->read_only)
        return true;
    rocksdb_flush_wal(r->db, 1, &why);
    if (why == NULL)
        return true;
    explain(err, r->path, "sync", why);
    return false;
}

static enum store_result rocks_get(struct store *s, const void *key, size_t key_len,
                                   struct buf *value, struct error *err) {
    struct rocks *r = (struct rocks *)s;
    char *why = NULL;
    size_t len;

    if (not_open(r, err))
        return STORE_FAILED;
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned(r->db, r->read_options, key, key_len, &why);
    if (why != NULL) {
        explain(err, r->path, "read", why);
        return STORE_FAILED;
    }
    if (found == NULL)
        return STORE_NOT_FOUND;
    const char *bytes = rocksdb_pinnableslice_value(found, &len);
    buf_append(value, bytes, len);
    rocksdb_pinnableslice_destroy(found);
    return STORE_FOUND;
}

static bool rocks_reopen(struct store *s, struct error *err) {
    struct rocks *r = (struct rocks *)s;

    unpark(r);
    if (r->db != NULL)
        rocksdb_close(r->db);
    r->db = NULL;
    /* What was there must be there still. */
    rocksdb_options_set_create_if_missing(r->options, 0);
    return open_db(r, err);
}

/* Whoever opens it next, an export or the next start, would have to take the same writes from the log, key by key. What
 * fails here is in the log still. */
static void write_buffers(struct rocks *r) {
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *why = NULL;

    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush(r->db, options, &why);
    rocksdb_free(why);
    rocksdb_flushoptions_destroy(options);
}

static void rocks_close(struct store *s) {
    struct rocks *r = (struct rocks *)s;

    unpark(r);
    if (r->db != NULL) {
        if (!r->read_only && !store_failed(s, NULL))
            write_buffers(r);
        rocksdb_close(r->db);
    }
    rocksdb_writebatch_destroy(r->batch);
    rocksdb_readoptions_destroy(r->read_options);
    rocksdb_writeoptions_destroy(r->write_options);
    rocksdb_options_destroy(r->options);
    store_release(s);
    free(r->ops);
    free(r->path);
    free(r);
}

/* ---- iterators ------------------------------------------------------------------------------------------- */

static void start(struct rocks_iter *it, const char *prefix, size_t prefix_len, const char *from,
                  size_t from_len) {
    size_t shared_len = from_len < prefix_len ? from_len : prefix_len;
    int order = shared_len == 0 ? 0 : memcmp(from, prefix, shared_len);

    it->behind = order > 0;
    if (order < 0 || (order == 0 && from_len < prefix_len))
        rocksdb_iter_seek(it->it, prefix, prefix_len);
    else if (order == 0)
        rocksdb_iter_seek(it->it, from, from_len);
}

/* The first key behind those that begin with the prefix becomes the bound. False: there is none. RocksDB looks
 * it up in `options` with each seek. */
static bool set_bound(struct rocks_iter *it, const char *prefix) {
    size_t len = it->prefix_len;

    while (len > 0 && (unsigned char)prefix[len - 1] == 0xff)
        len--;
    if (len == 0)
        return false;
    memcpy(it->upper, prefix, len);
    it->upper[len - 1]++;
    rocksdb_readoptions_set_iterate_upper_bound(it->options, it->upper, len);
    return true;
}

static struct rocks_iter *iter_new(struct rocks *r, const char *prefix, size_t prefix_len) {
    struct rocks_iter *it = malloc(sizeof *it + prefix_len);

    if (it == NULL)
        return NULL;
    it->prefix_len = prefix_len;
    it->options = rocksdb_readoptions_create();
    if (prefix_len < PREFIX_BYTES)
        rocksdb_readoptions_set_total_order_seek(it->options, 1);
    else
        rocksdb_readoptions_set_prefix_same_as_start(it->options, 1);
    it->bounded = set_bound(it, prefix);
    it->it = rocksdb_create_iterator(r->db, it->options);
    return it;
}

/* The kept one, if it will do. */
static struct rocks_iter *iter_again(struct rocks *r, const char *prefix, size_t prefix_len) {
    struct rocks_iter *it = r->parked;

    if (it == NULL || it->prefix_len != prefix_len || !set_bound(it, prefix))
        return NULL;
    r->parked = NULL;
    return it;
}

static struct store_iter *rocks_iter_open(struct store *s, const void *prefix, size_t prefix_len,
                                          const void *from, size_t from_len, struct error *err) {
    struct rocks *r = (struct rocks *)s;
    struct rocks_iter *it;

    if (not_open(r, err))
        return NULL;
    it = iter_again(r, prefix, prefix_len);
    if (it == NULL)
        it = iter_new(r, prefix, prefix_len);
    if (it == NULL) {
        error_set(err, ENOMEM, "cannot read the crawldb %s", r->path);
        return NULL;
    }
    start(it, prefix, prefix_len, from, from_len);
    return &it->iter;
}

static bool rocks_iter_valid(const struct store_iter *iter) {
    const struct rocks_iter *it = (const struct rocks_iter *)iter;

    return !it->behind && rocksdb_iter_valid(it->it) != 0;
}

static const void *rocks_iter_key(const struct store_iter *iter, size_t *len) {
    return rocksdb_iter_key(((const struct rocks_iter *)iter)->it, len);
}

static const void *rocks_iter_value(const struct store_iter *iter, size_t *len) {
    return rocksdb_iter_value(((const struct rocks_iter *)iter)->it, len);
}

static void rocks_iter_next(struct store_iter *iter) {
    rocksdb_iter_next(((struct rocks_iter *)iter)->it);
}

static bool rocks_iter_close(struct store_iter *iter, struct error *err) {
    struct rocks_iter *it = (struct rocks_iter *)iter;
    struct rocks *r = (struct rocks *)iter->store;
    char *why = NULL;

    rocksdb_iter_get_error(it->it, &why);
    bool ok = why == NULL;
    if (!ok)
        explain(err, r->path, "read", why);
    unpark(r);
    if (ok && it->bounded && it->prefix_len >= PREFIX_BYTES)
        r->parked = it;
    else
        iter_free(it);
    return ok;
}

static uint64_t number_of(const struct rocks *r, const char *property) {
    uint64_t n = 0;

    (void)rocksdb_property_int(r->db, property, &n);
    return n;
}

void store_rocks_settle(struct store *s) {
    const struct rocks *r = (const struct rocks *)s;
    const struct timespec step = {.tv_nsec = 5000000};

    while (r->db != NULL && (number_of(r, "rocksdb.mem-table-flush-pending") > 0 ||
                             number_of(r, "rocksdb.num-running-flushes") > 0 ||
                             number_of(r, "rocksdb.compaction-pending") > 0 ||
                             number_of(r, "rocksdb.num-running-compactions") > 0))
        nanosleep(&step, NULL);
}

static const struct store_ops ops = {
    .write = rocks_write,
    .sync = rocks_sync,
    .get = rocks_get,
    .reopen = rocks_reopen,
    .close = rocks_close,
    .iter_open = rocks_iter_open,
    .iter_valid = rocks_iter_valid,
    .iter_key = rocks_iter_key,
    .iter_value = rocks_iter_value,
    .iter_next = rocks_iter_next,
    .iter_close = rocks_iter_close,
};

struct store *store_rocks_open(const char *path, enum store_rocks_mode mode, struct error *err) {
    struct rocks *r;

    if (!prepare(path, mode, err))
        return NULL;
    r = calloc(1, sizeof *r);
    if (r == NULL || (r->path = strdup(path)) == NULL) {
        error_set(err, ENOMEM, "cannot open the crawldb %s", path);
        free(r);
        return NULL;
    }
    store_init(&r->store, &ops);
    r->read_only = mode == STORE_ROCKS_READ_ONLY;
    r->options = make_options(mode == STORE_ROCKS_CREATE || mode == STORE_ROCKS_OPEN_OR_CREATE);
    r->write_options = rocksdb_writeoptions_create();
    r->read_options = rocksdb_readoptions_create();
    r->batch = rocksdb_writebatch_create();
    if (open_db(r, err))
        return &r->store;
    rocks_close(&r->store);
    return NULL;
}

/* The crawldb: the same tests against both implementations, then what only one of them has. */
#include "master/store.h"
#include "master/store_mem.h"
#include "master/store_rocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct store *store;
    char dir[64]; /* empty: in memory */
};

/* ---- helpers --------------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void make_dir(char dir[64]) {
    snprintf(dir, 64, "/tmp/trawl-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir) {
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void put1(struct store *s, const char *key, const char *value) {
    struct batch b;
    uint64_t seq;
    struct error err;

    batch_init(&b);
    assert_true(batch_put(&b, key, strlen(key), value, strlen(value)));
    if (!store_write(s, &b, &seq, &err))
        fail_msg("%s", err.text);
    batch_release(&b);
}

static void delete1(struct store *s, const char *key) {
    struct batch b;
    uint64_t seq;

    batch_init(&b);
    assert_true(batch_delete(&b, key, strlen(key)));
    assert_true(store_write(s, &b, &seq, NULL));
    batch_release(&b);
}

static void assert_value(struct store *s, const char *key, const char *expected) {
    struct buf value;

    buf_init(&value, 1 << 20);
    enum store_result result = store_get(s, key, strlen(key), &value);
    if (expected == NULL) {
        assert_int_equal(result, STORE_NOT_FOUND);
    } else {
        assert_int_equal(result, STORE_FOUND);
        assert_int_equal(value.len, strlen(expected));
        assert_memory_equal(value.data, expected, value.len);
    }
    buf_release(&value);
}

/* Everything in the range as "key=value ". */
static void show(struct store_iter *it, struct buf *out) {
    for (; store_iter_valid(it); store_iter_next(it)) {
        size_t key_len, value_len;
        const char *key = store_iter_key(it, &key_len);
        const char *value = store_iter_value(it, &value_len);

        buf_append(out, key, key_len);
        buf_append_char(out, '=');
        buf_append(out, value, value_len);
        buf_append_char(out, ' ');
    }
    assert_true(store_iter_close(it));
}

static void assert_range(struct store *s, const char *prefix, const char *from,
                         const char *expected) {
    struct buf out;
    struct store_iter *it = store_iter_open(s, prefix, strlen(prefix), from, strlen(from));

    assert_non_null(it);
    buf_init(&out, 1 << 20);
    buf_append_str(&out, "");
    show(it, &out);
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

/* ---- both ------------------------------------------------------------------------------------------------ */

static int setup_mem(void **state) {
    struct fixture *f = calloc(1, sizeof *f);

    f->store = store_mem_new();
    *state = f;
    return f->store == NULL;
}

static int setup_rocks(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;

    make_dir(f->dir);
    f->store = store_rocks_open(f->dir, STORE_ROCKS_OPEN_OR_CREATE, &err);
    if (f->store == NULL)
        print_error("%s\n", err.text);
    *state = f;
    return f->store == NULL;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    store_close(f->store);
    if (f->dir[0] != '\0')
        remove_dir(f->dir);
    free(f);
    return 0;
}

static void puts_and_gets(void **state) {
    struct store *s = ((struct fixture *)*state)->store;

    assert_value(s, "a", NULL);
    put1(s, "a", "1");
    assert_value(s, "a", "1");
    put1(s, "a", "");
    assert_value(s, "a", "");
    put1(s, "a", "a longer value than before");
    assert_value(s, "a", "a longer value than before");
    assert_value(s, "", NULL);
    assert_value(s, "aa", NULL);
    delete1(s, "a");
    delete1(s, "never there");
    assert_value(s, "a", NULL);
}

static void a_batch_applies_in_order(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct batch b;
    uint64_t seq, first;

    batch_init(&b);
    batch_put(&b, "k", 1, "1", 1);
    batch_delete(&b, "k", 1);
    batch_put(&b, "l", 1, "1", 1);
    batch_put(&b, "l", 1, "2", 1);
    assert_true(store_write(s, &b, &first, NULL));
    assert_value(s, "k", NULL);
    assert_value(s, "l", "2");
    batch_reset(&b);
    batch_delete(&b, "l", 1);
    batch_put(&b, "l", 1, NULL, 0);
    assert_true(store_write(s, &b, &seq, NULL));
    assert_int_equal(seq, first + 1);
    assert_value(s, "l", "");
    batch_reset(&b);
    assert_int_equal(batch_count(&b), 0);
    assert_true(store_write(s, &b, &seq, NULL)); /* empty is fine */
    batch_release(&b);
}

static void a_failed_batch_is_refused(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct batch b;
    struct error err;
    uint64_t seq;

    batch_init(&b);
    batch_put(&b, "k", 1, "1", 1);
    assert_false(batch_put(&b, "l", 1, "", (size_t)BATCH_BYTES + 1));
    assert_false(batch_put(&b, "m", 1, "1", 1));
    assert_true(batch_failed(&b));
    assert_false(store_write(s, &b, &seq, &err));
    assert_int_equal(err.errno_value, ENOMEM);
    assert_value(s, "k", NULL);
    batch_reset(&b);
    assert_false(batch_failed(&b));
    assert_true(store_reopen(s, &err));
    put1(s, "k", "1");
    assert_value(s, "k", "1");
    batch_release(&b);
}

static void ranges(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    static const char *const keys[] = {"b",  "ba",   "a",        "ab",        "abc",
                                       "ac", "\xff", "\xff\xff", "\xff\xff a"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put1(s, keys[i], "v");
    delete1(s, "ac");
    assert_range(s, "a", "a", "a=v ab=v abc=v ");
    assert_range(s, "a", "", "a=v ab=v abc=v ");
    assert_range(s, "a", "ab", "ab=v abc=v ");
    assert_range(s, "a", "aba", "abc=v ");
    assert_range(s, "a", "b", "");
    assert_range(s, "ab", "a", "ab=v abc=v ");
    assert_range(s, "x", "x", "");
    assert_range(s, "\xff\xff", "", "\xff\xff=v \xff\xff a=v ");
    assert_range(s, "", "b", "b=v ba=v \xff=v \xff\xff=v \xff\xff a=v ");
    assert_range(s, "", "", "a=v ab=v abc=v b=v ba=v \xff=v \xff\xff=v \xff\xff a=v ");
}

static void iterators_see_the_past(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct buf out;
    struct store_iter *all, *some;

    buf_init(&out, 1 << 20);
    put1(s, "a", "1");
    put1(s, "b", "1");
    put1(s, "c", "1");
    all = store_iter_open(s, "", 0, "", 0);
    some = store_iter_open(s, "b", 1, "b", 1);
    assert_true(store_iter_valid(all));
    store_iter_next(all);
    delete1(s, "b");
    put1(s, "c", "2");
    put1(s, "aa", "2");
    put1(s, "d", "2");
    show(all, &out);
    assert_string_equal(out.data, "b=1 c=1 ");
    delete1(s, "d");
    buf_reset(&out);
    show(some, &out);
    assert_string_equal(out.data, "b=1 ");
    assert_range(s, "", "", "a=1 aa=2 c=2 ");
    buf_release(&out);
}

static void binary_keys(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct batch b;
    struct buf value;
    uint64_t seq;

    batch_init(&b);
    buf_init(&value, 4);
    batch_put(&b, "\0\0", 2, "\0\1", 2);
    batch_put(&b, "\0", 1, "abcde", 5);
    assert_true(store_write(s, &b, &seq, NULL));
    assert_int_equal(store_get(s, "\0\0", 2, &value), STORE_FOUND);
    assert_int_equal(value.len, 2);
    assert_memory_equal(value.data, "\0\1", 2);
    /* What does not fit is a failure, and it sticks. */
    assert_false(store_failed(s, NULL));
    assert_int_equal(store_get(s, "\0", 1, &value), STORE_FAILED);
    assert_true(store_failed(s, NULL));
    batch_release(&b);
    buf_release(&value);
}

static void sync_says_upto_where(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    uint64_t synced;

    assert_true(store_sync(s, &synced, NULL));
    assert_int_equal(synced, 0);
    put1(s, "a", "1");
    put1(s, "b", "1");
    assert_true(store_sync(s, &synced, NULL));
    assert_int_equal(synced, 2);
    assert_true(store_reopen(s, NULL));
    put1(s, "c", "1");
    assert_true(store_sync(s, &synced, NULL));
    assert_int_equal(synced, 3);
    assert_range(s, "", "", "a=1 b=1 c=1 ");
}

static uint64_t random_below(uint64_t *state, uint64_t n) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % n;
}

/* Random batches against the simplest thing that works: an array of 64 values. */
static void agrees_with_a_model(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    enum { KEYS = 64, ROUNDS = 300 };
    unsigned model[KEYS] = {0}; /* 0: absent */
    uint64_t random = 1, seq;
    struct batch b;
    struct buf expected, got;

    batch_init(&b);
    buf_init(&expected, 1 << 20);
    buf_init(&got, 1 << 20);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        batch_reset(&b);
        for (uint64_t n = random_below(&random, 20); n > 0; n--) {
            unsigned k = (unsigned)random_below(&random, KEYS);
            char key[8], value[16];

            snprintf(key, sizeof key, "%02u", k);
            snprintf(value, sizeof value, "%u", round);
            model[k] = random_below(&random, 3) == 0 ? 0 : round;
            if (model[k] == 0)
                batch_delete(&b, key, 2);
            else
                batch_put(&b, key, 2, value, strlen(value));
        }
        assert_true(store_write(s, &b, &seq, NULL));
        buf_reset(&expected);
        buf_reset(&got);
        unsigned from = (unsigned)random_below(&random, KEYS);
        for (unsigned k = from; k < KEYS; k++)
            if (model[k] != 0)
                buf_printf(&expected, "%02u=%u ", k, model[k]);
        char from_key[8];
        snprintf(from_key, sizeof from_key, "%02u", from);
        show(store_iter_open(s, "", 0, from_key, 2), &got);
        buf_append_str(&expected, "");
        buf_append_str(&got, "");
        assert_string_equal(got.data, expected.data);
    }
    batch_release(&b);
    buf_release(&expected);
    buf_release(&got);
}

/* Bytes of which neighbours, and what has no successor of its length, come up often. */
static size_t random_key(uint64_t *random, char key[8], size_t min) {
    static const char bytes[] = {'\0', '\1', '\xfe', '\xff'};
    size_t len = min + random_below(random, 8 - min + 1);

    for (size_t i = 0; i < len; i++)
        key[i] = i < 2 ? 'q' : bytes[random_below(random, sizeof bytes)];
    if (random_below(random, 10) == 0)
        memset(key, 0xff, len);
    return len;
}

static void walk(struct store *s, const char *prefix, size_t prefix_len, const char *from,
                 size_t from_len, struct buf *out) {
    struct store_iter *it = store_iter_open(s, prefix, prefix_len, from, from_len);

    assert_non_null(it);
    buf_reset(out);
    buf_append_str(out, "");
    show(it, out);
}

/* Many walks, with writes between some of them, and one inside another: what is kept from one to the next must not
 * show. Both stores go through the same. */
static void walks_one_after_another(void **state) {
    struct store *rocks = ((struct fixture *)*state)->store, *mem = store_mem_new();
    uint64_t random = 7, seq;
    struct batch b;
    struct buf expected, got;

    batch_init(&b);
    buf_init(&expected, 1 << 20);
    buf_init(&got, 1 << 20);
    for (unsigned round = 0; round < 20000; round++) {
        char key[8], from[8];
        size_t len = random_key(&random, key, 1), from_len = random_key(&random, from, 1);

        if (random_below(&random, 8) == 0) {
            batch_reset(&b);
            if (random_below(&random, 2) == 0)
                batch_put(&b, key, len, "v", 1);
            else
                batch_delete(&b, key, len);
            assert_true(store_write(rocks, &b, &seq, NULL) && store_write(mem, &b, &seq, NULL));
        }
        if (round % 4000 == 3999)
            assert_true(store_reopen(rocks, NULL));
        struct store_iter *outer =
            random_below(&random, 4) == 0 ? store_iter_open(rocks, from, from_len, "", 0) : NULL;
        walk(rocks, key, len, from, from_len, &got);
        walk(mem, key, len, from, from_len, &expected);
        assert_int_equal(got.len, expected.len);
        assert_memory_equal(got.data, expected.data, expected.len);
        if (outer != NULL) {
            buf_reset(&got);
            buf_append_str(&got, "");
            show(outer, &got);
            walk(mem, from, from_len, "", 0, &expected);
            assert_int_equal(got.len, expected.len);
            assert_memory_equal(got.data, expected.data, expected.len);
        }
    }
    store_close(mem);
    batch_release(&b);
    buf_release(&expected);
    buf_release(&got);
}

struct syncer {
    struct store *store;
    atomic_uint_fast64_t synced;
    atomic_bool stop;
    bool ok;
};

static void *sync_all_the_time(void *arg) {
    struct syncer *y = arg;
    uint64_t synced;

    y->ok = true;
    while (!atomic_load(&y->stop) && y->ok) {
        y->ok = store_sync(y->store, &synced, NULL);
        atomic_store(&y->synced, synced);
    }
    return NULL;
}

static void syncs_beside_the_writer(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct syncer y = {.store = s};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, sync_all_the_time, &y), 0);
    for (unsigned i = 0; i < 3000; i++) {
        char key[16];

        snprintf(key, sizeof key, "%u", i % 100);
        put1(s, key, "v");
        assert_true(atomic_load(&y.synced) <= i + 1);
    }
    atomic_store(&y.stop, true);
    pthread_join(thread, NULL);
    assert_true(y.ok);
    uint64_t synced;
    assert_true(store_sync(s, &synced, NULL));
    assert_int_equal(synced, 3000);
}

/* ---- in memory -------------------------------------------------------------------------------------------- */

static void a_crash_keeps_a_prefix(void **state) {
    bool lost_all = false, lost_none = false, lost_some = false;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct store *s = store_mem_new();
        uint64_t synced;

        put1(s, "a", "old");
        put1(s, "gone", "1");
        assert_true(store_sync(s, &synced, NULL));
        put1(s, "a", "new");      /* 1 */
        delete1(s, "gone");       /* 2 */
        put1(s, "b", "1");        /* 3 */
        put1(s, "gone", "again"); /* 4 */
        delete1(s, "b");          /* 5 */
        assert_int_equal(store_mem_unsynced(s), 5);
        store_mem_crash(s, seed);
        assert_int_equal(store_mem_unsynced(s), 0);

        static const char *const after[] = {
            "a=old gone=1 ", "a=new gone=1 ",         "a=new ",
            "a=new b=1 ",    "a=new b=1 gone=again ", "a=new gone=again ",
        };
        struct buf out;
        size_t i = 0;
        buf_init(&out, 1000);
        show(store_iter_open(s, "", 0, "", 0), &out);
        while (i < 6 && strcmp(out.data, after[i]) != 0)
            i++;
        assert_in_range(i, 0, 5);
        lost_all |= i == 0;
        lost_none |= i == 5;
        lost_some |= i > 0 && i < 5;
        store_mem_crash(s, seed + 1); /* nothing is left to lose */
        assert_range(s, "", "", after[i]);
        buf_release(&out);
        store_close(s);
    }
    assert_true(lost_all && lost_none && lost_some);
}

static void faults_stick(void **state) {
    struct store *s = ((struct fixture *)*state)->store;
    struct batch b;
    struct error err = {0};
    struct buf value;
    uint64_t seq;

    batch_init(&b);
    buf_init(&value, 100);
    batch_put(&b, "x", 1, "1", 1);
    put1(s, "a", "1");
    store_mem_fail_write(s, 2, ENOSPC);
    put1(s, "b", "1");
    assert_false(store_write(s, &b, &seq, &err));
    assert_int_equal(err.errno_value, ENOSPC);
    assert_false(store_write(s, &b, &seq, &err));
    err.errno_value = 0;
    assert_false(store_sync(s, &seq, &err));
    assert_int_equal(err.errno_value, ENOSPC);
    assert_range(s, "", "", "a=1 b=1 ");
    assert_true(store_reopen(s, NULL));
    assert_true(store_write(s, &b, &seq, &err));

    store_mem_fail_sync(s, 1, EIO);
    assert_false(store_sync(s, &seq, &err));
    assert_int_equal(err.errno_value, EIO);
    store_mem_crash(s, 7);
    assert_true(store_sync(s, &seq, &err));

    store_mem_fail_read(s, 1, EIO);
    assert_int_equal(store_get(s, "a", 1, &value), STORE_FAILED);
    assert_false(store_write(s, &b, &seq, &err));
    assert_true(store_reopen(s, NULL));
    store_mem_fail_read(s, 1, EIO);
    assert_null(store_iter_open(s, "", 0, "", 0));
    assert_true(store_failed(s, &err));
    batch_release(&b);
    buf_release(&value);
}

/* ---- on disk ---------------------------------------------------------------------------------------------- */

static void assert_refused(const char *path, enum store_rocks_mode mode, const char *why) {
    struct error err = {0};

    assert_null(store_rocks_open(path, mode, &err));
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, why);
}

static void opening(void **state) {
    char dir[64], path[128];
    struct store *s;
    struct error err;

    (void)state;
    make_dir(dir);
    snprintf(path, sizeof path, "%s/db", dir);
    assert_refused(path, STORE_ROCKS_OPEN, "there is no crawl in");
    assert_refused(path, STORE_ROCKS_READ_ONLY, "there is no crawl in");
    assert_int_equal(access(path, F_OK), -1);
    s = store_rocks_open(path, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    put1(s, "a", "1");
    assert_refused(path, STORE_ROCKS_OPEN, "in use by another crawl");
    store_close(s);
    assert_refused(path, STORE_ROCKS_CREATE, "already holds a crawl");
    s = store_rocks_open(path, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    assert_value(s, "a", "1");
    put1(s, "b", "1");
    store_close(s);

    uint64_t seq;
    struct batch b;
    batch_init(&b);
    batch_put(&b, "c", 1, "1", 1);
    s = store_rocks_open(path, STORE_ROCKS_READ_ONLY, &err);
    assert_non_null(s);
    assert_range(s, "", "", "a=1 b=1 ");
    assert_true(store_sync(s, &seq, &err));
    assert_false(store_write(s, &b, &seq, &err));
    store_close(s);
    batch_release(&b);

    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    assert_refused(path, STORE_ROCKS_OPEN_OR_CREATE, "is not a directory");
    assert_refused(dir, STORE_ROCKS_OPEN_OR_CREATE, "holds files but no whole crawldb");
    snprintf(path, sizeof path, "%s/no/parent", dir);
    assert_refused(path, STORE_ROCKS_CREATE, "No such file or directory");
    remove_dir(dir);
}

/* The only file with that suffix, opened for writing. */
static int open_file(const char *dir, const char *suffix) {
    char path[512] = "";
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name), suffix_len = strlen(suffix);

        if (len < suffix_len || strcmp(e->d_name + len - suffix_len, suffix) != 0)
            continue;
        assert_string_equal(path, "");
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    }
    closedir(d);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static off_t size_of(int fd) {
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void long_value(char value[1000]) {
    memset(value, 'v', 999);
    value[999] = '\0';
}

/* An orderly end leaves tables, and nothing in the log. */
static void closing_empties_the_log(void **state) {
    char dir[64], value[1000];
    struct error err;

    (void)state;
    long_value(value);
    make_dir(dir);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    put1(s, "a", value);
    store_close(s);
    int table = open_file(dir, ".sst"), log = open_file(dir, ".log");
    assert_true(size_of(log) < (off_t)sizeof value);
    close(table);
    close(log);
    s = store_rocks_open(dir, STORE_ROCKS_READ_ONLY, &err);
    assert_non_null(s);
    assert_value(s, "a", value);
    store_close(s);
    remove_dir(dir);
}

static void damage_is_reported(void **state) {
    char dir[64], key[16];
    struct error err;
    struct buf value;
    uint64_t seq;
    struct batch b;

    (void)state;
    make_dir(dir);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, &err);
    assert_non_null(s);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put1(s, key, "value");
    }
    assert_true(store_reopen(s, &err)); /* makes a table of it */
    store_close(s);

    int fd = open_file(dir, ".sst");
    char bytes[64];
    assert_int_equal(pread(fd, bytes, sizeof bytes, 100), sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)~bytes[i];
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 100), sizeof bytes);
    s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    buf_init(&value, 100);
    assert_int_equal(store_get(s, "1", 1, &value), STORE_FAILED);
    assert_true(store_failed(s, &err));
    assert_non_null(strstr(err.text, "is damaged"));
    batch_init(&b);
    assert_false(store_write(s, &b, &seq, &err)); /* nothing follows a wrong answer */
    struct store_iter *it = store_iter_open(s, "", 0, "", 0);
    while (store_iter_valid(it))
        store_iter_next(it);
    assert_false(store_iter_close(it));
    store_close(s);

    assert_int_equal(ftruncate(fd, 200), 0);
    close(fd);
    assert_refused(dir, STORE_ROCKS_OPEN, "is damaged");
    buf_release(&value);
    remove_dir(dir);
}

/* ---- on disk, in a process of its own --------------------------------------------------------------------- */

enum { KEYS_A_BATCH = 10, CHILD_SKIPPED = 77 };

/* Batch `n`: ten keys "00000042.0" to "00000042.9". */
static bool write_numbered(struct store *s, unsigned n, struct error *err) {
    struct batch b;
    uint64_t seq;
    char key[32];

    batch_init(&b);
    for (int i = 0; i < KEYS_A_BATCH; i++) {
        snprintf(key, sizeof key, "%08u.%d", n, i);
        batch_put(&b, key, strlen(key), "some value, some value, some value", 34);
    }
    bool ok = store_write(s, &b, &seq, err);
    batch_release(&b);
    return ok;
}

/* Whole batches 1 .. n and nothing else: returns n. */
static unsigned check_numbered(struct store *s) {
    struct store_iter *it = store_iter_open(s, "", 0, "", 0);
    unsigned count = 0;
    char expected[32];

    assert_non_null(it);
    for (; store_iter_valid(it); store_iter_next(it), count++) {
        size_t len;
        const char *key = store_iter_key(it, &len);

        snprintf(expected, sizeof expected, "%08u.%u", count / KEYS_A_BATCH + 1,
                 count % KEYS_A_BATCH);
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(key, expected, len);
    }
    assert_true(store_iter_close(it));
    assert_int_equal(count % KEYS_A_BATCH, 0);
    return count / KEYS_A_BATCH;
}

static void *report_syncs(void *arg) {
    uint64_t synced;

    while (store_sync(arg, &synced, NULL))
        if (write(STDOUT_FILENO, &synced, sizeof synced) != sizeof synced)
            break;
    return NULL;
}

/* Writes until it is killed; each sync's number goes to standard output. */
static int child_writer(const char *dir) {
    pthread_t thread;
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, NULL);

    if (s == NULL || pthread_create(&thread, NULL, report_syncs, s) != 0)
        return 1;
    for (unsigned n = 1; n < 100000000; n++)
        if (!write_numbered(s, n, NULL))
            return 1;
    return 1;
}

/* Fills a file system of 24 MB of its own, makes room, goes on. */
static int child_disk_full(const char *dir) {
    char path[128];
    struct error err = {0};
    unsigned n = 1;

    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=24m") != 0)
        return CHILD_SKIPPED;
    snprintf(path, sizeof path, "%s/ballast", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_int_equal(posix_fallocate(fd, 0, 16 << 20), 0);
    snprintf(path, sizeof path, "%s/db", dir);
    struct store *s = store_rocks_open(path, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    while (write_numbered(s, n, &err))
        n++;
    assert_int_equal(err.errno_value, ENOSPC);
    assert_false(write_numbered(s, n, &err));
    uint64_t synced;
    assert_false(store_sync(s, &synced, &err));
    assert_int_equal(err.errno_value, ENOSPC);
    for (int i = 0; i < 3; i++) /* still full: no crash, and nothing lost */
        if (!store_reopen(s, &err))
            assert_int_equal(err.errno_value, ENOSPC);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_true(store_reopen(s, &err));
    assert_in_range(check_numbered(s), n - 1, n);
    n = check_numbered(s);
    for (unsigned i = 1; i <= 100; i++)
        assert_true(write_numbered(s, n + i, &err));
    assert_true(store_sync(s, &synced, &err));
    store_close(s);
    s = store_rocks_open(path, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    assert_int_equal(check_numbered(s), n + 100);
    store_close(s);
    close(fd);
    return 0;
}

static const char torn_keys[] = "abcdefgh";

/* Syncs one key, tells how long the log is then, writes eight more, and is gone. */
static int child_torn(const char *dir) {
    struct error err;
    uint64_t synced;
    char value[1000];

    long_value(value);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, &err);
    assert_non_null(s);
    put1(s, "acknowledged", "1");
    assert_true(store_sync(s, &synced, &err));
    int fd = open_file(dir, ".log");
    off_t durable = size_of(fd);
    assert_int_equal(write(STDOUT_FILENO, &durable, sizeof durable), sizeof durable);
    for (size_t i = 0; torn_keys[i] != '\0'; i++)
        put1(s, (char[]){torn_keys[i], '\0'}, value);
    _exit(0);
}

static pid_t start_child(const char *role, const char *dir, int *out) {
    int pipe_fds[2];

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(pipe_fds[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_store", role, dir, (char *)NULL);
        _exit(1);
    }
    close(pipe_fds[1]);
    *out = pipe_fds[0];
    return pid;
}

/* What a power cut may leave behind the last sync: a log cut anywhere, or with pages missing. */
static void a_torn_log_loses_only_its_end(void **state) {
    (void)state;
    for (int hole = 0; hole <= 1; hole++) {
        for (int eighths = 0; eighths < 8; eighths++) {
            char dir[64], value[1000];
            struct error err;
            int out, status;
            off_t durable;

            long_value(value);
            make_dir(dir);
            pid_t pid = start_child("torn", dir, &out);
            assert_int_equal(read(out, &durable, sizeof durable), sizeof durable);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_int_equal(status, 0);
            close(out);

            int fd = open_file(dir, ".log");
            off_t size = size_of(fd), at = durable + (size - durable) * eighths / 8 + 500;
            static const char zeros[600];
            if (hole)
                assert_int_equal(pwrite(fd, zeros, sizeof zeros, at), sizeof zeros);
            else
                assert_int_equal(ftruncate(fd, at), 0);
            close(fd);
            struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
            if (s == NULL)
                fail_msg("%s", err.text);
            assert_value(s, "acknowledged", "1");
            for (int i = 0; i < 8; i++) {
                char key[2] = {torn_keys[i], '\0'};

                assert_value(s, key, i < eighths ? value : NULL);
            }
            store_close(s);
            remove_dir(dir);
        }
    }
}

static void kill_9_loses_nothing_acknowledged(void **state) {
    (void)state;
    for (unsigned round = 1; round <= 5; round++) {
        char dir[64];
        int out, status;
        uint64_t synced = 0, last = 0;
        struct error err;

        make_dir(dir);
        pid_t pid = start_child("writer", dir, &out);
        while (last < round * 3000 && read(out, &synced, sizeof synced) == sizeof synced)
            last = synced;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(out, &synced, sizeof synced) == sizeof synced)
            last = synced;
        close(out);
        assert_true(last >= round * 3000);

        struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
        if (s == NULL)
            fail_msg("%s", err.text);
        assert_true(check_numbered(s) >= last);
        store_close(s);
        remove_dir(dir);
    }
}

static void goes_on_after_a_full_disk(void **state) {
    char dir[64];
    int out, status;

    (void)state;
    make_dir(dir);
    pid_t pid = start_child("disk-full", dir, &out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(out);
    remove_dir(dir);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* An assertion in a child prints and aborts: there is no test to fail. */
int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "writer") == 0)
        return child_writer(argv[2]);
    if (argc == 3 && strcmp(argv[1], "torn") == 0)
        return child_torn(argv[2]);
    if (argc == 3 && strcmp(argv[1], "disk-full") == 0)
        return child_disk_full(argv[2]);
#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_mem, teardown),                                    \
        cmocka_unit_test_setup_teardown(test, setup_rocks, teardown)
    const struct CMUnitTest tests[] = {
        BOTH(puts_and_gets),
        BOTH(a_batch_applies_in_order),
        BOTH(a_failed_batch_is_refused),
        BOTH(ranges),
        BOTH(iterators_see_the_past),
        BOTH(binary_keys),
        BOTH(sync_says_upto_where),
        BOTH(agrees_with_a_model),
        cmocka_unit_test_setup_teardown(walks_one_after_another, setup_rocks, teardown),
        BOTH(syncs_beside_the_writer),
        cmocka_unit_test(a_crash_keeps_a_prefix),
        cmocka_unit_test_setup_teardown(faults_stick, setup_mem, teardown),
        cmocka_unit_test(opening),
        cmocka_unit_test(closing_empties_the_log),
        cmocka_unit_test(a_torn_log_loses_only_its_end),
        cmocka_unit_test(damage_is_reported),
        cmocka_unit_test(kill_9_loses_nothing_acknowledged),
        cmocka_unit_test(goes_on_after_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The crawldb: the same tests against both implementations. What only one of them has is in test_store_mem.c and
 * test_store_rocks.c. */
#include "master/store.h"
#include "master/store_mem.h"
#include "master/store_rocks.h"
#include "tests/unit/store_rig.h"

#include <errno.h>
#include <pthread.h>

struct fixture {
    struct store *store;
    char dir[64]; /* empty: in memory */
};

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

int main(void) {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

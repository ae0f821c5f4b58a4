/* The crawldb in memory: what a crash leaves of it, and the faults that it is told to have. */
#include "master/store_mem.h"
#include "tests/unit/store_rig.h"

#include <errno.h>

static int setup(void **state) {
    *state = store_mem_new();
    return *state == NULL;
}

static int teardown(void **state) {
    store_close(*state);
    return 0;
}

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
    struct store *s = *state;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_keeps_a_prefix),
        cmocka_unit_test_setup_teardown(faults_stick, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * store_rig: a crawldb filled and looked at in one line each, and directories for it. What is not as expected fails the
 * test.
 *
 *     put1(s, "a", "1");
 *     assert_value(s, "a", "1");
 *     assert_range(s, "", "", "a=1 ");       // prefix, from; every entry as "key=value "
 */
#ifndef TRAWL_TESTS_UNIT_STORE_RIG_H
#define TRAWL_TESTS_UNIT_STORE_RIG_H

#include "master/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void make_dir(char dir[64]) {
    snprintf(dir, 64, "/tmp/trawl-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static inline void remove_dir(const char *dir) {
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void put1(struct store *s, const char *key, const char *value) {
    struct batch b;
    uint64_t seq;
    struct error err;

    batch_init(&b);
    assert_true(batch_put(&b, key, strlen(key), value, strlen(value)));
    if (!store_write(s, &b, &seq, &err))
        fail_msg("%s", err.text);
    batch_release(&b);
}

static inline void delete1(struct store *s, const char *key) {
    struct batch b;
    uint64_t seq;

    batch_init(&b);
    assert_true(batch_delete(&b, key, strlen(key)));
    assert_true(store_write(s, &b, &seq, NULL));
    batch_release(&b);
}

static inline void assert_value(struct store *s, const char *key, const char *expected) {
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
static inline void show(struct store_iter *it, struct buf *out) {
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

static inline void assert_range(struct store *s, const char *prefix, const char *from,
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

#endif

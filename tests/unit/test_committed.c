/* committed: what was noted is listed, by rising offsets, whatever it was committed with; and what crawls of before have. */
#include "master/committed.h"
#include "master/core_state.h"
#include "master/store_mem.h"
#include "shared/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEGMENT = 7, OTHER = 8 };

struct bench {
    struct core core;
    struct segment segment, other;
};

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->core.store = store_mem_new();
    assert_non_null(b->core.store);
    batch_init(&b->core.batch);
    buf_init(&b->core.value, LIMIT_WIRE_BYTES);
    b->segment.id = SEGMENT;
    b->other.id = OTHER;
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct bench *b = *state;

    committed_notes_release(&b->core.committed);
    batch_release(&b->core.batch);
    buf_release(&b->core.value);
    store_close(b->core.store);
    free(b);
    return 0;
}

static struct committed_record record(uint64_t offset) {
    return (struct committed_record){offset, offset % 1000 + 1,
                                     offset * UINT64_C(0x9e3779b97f4a7c15)};
}

static void expect(struct core *c, const struct segment *s, uint64_t from, const uint64_t *offsets,
                   size_t n) {
    struct committed_list list = {NULL, 0, 0};

    assert_true(committed_read(c, s, from, &list));
    assert_int_equal(list.count, n);
    for (size_t i = 0; i < n; i++) {
        struct committed_record r = record(offsets[i]);
        assert_int_equal(list.items[i].offset, r.offset);
        assert_int_equal(list.items[i].length, r.length);
        assert_true(list.items[i].fp == r.fp);
    }
    committed_list_release(&list);
}

static size_t entries(struct core *c) {
    struct store_iter *iter = store_iter_open(c->store, "g", 1, "g", 1);
    size_t n = 0;

    assert_non_null(iter);
    for (; store_iter_valid(iter); store_iter_next(iter))
        n++;
    assert_true(store_iter_close(iter));
    return n;
}

static void test_one_entry_an_exchange(void **state) {
    struct bench *b = *state;
    struct core *c = &b->core;
    static const uint64_t first[] = {500, 0, 70, UINT64_C(1) << 62, 128}, second[] = {100, 60, 300},
                          all[] = {0, 60, 70, 100, 128, 300, 500, UINT64_C(1) << 62};

    for (size_t i = 0; i < 5; i++)
        committed_note(c, &b->segment, record(first[i]));
    committed_note(c, &b->other, record(5));
    assert_true(core_flush(c));
    assert_int_equal(entries(c), 2);
    for (size_t i = 0; i < 3; i++)
        committed_note(c, &b->segment, record(second[i]));
    assert_true(core_flush(c));
    assert_int_equal(entries(c), 3);

    expect(c, &b->segment, 0, all, 8);
    expect(c, &b->segment, 61, all + 2, 6);
    expect(c, &b->segment, UINT64_MAX, NULL, 0);
    expect(c, &b->other, 0, (const uint64_t[]){5}, 1);

    committed_delete(c, &b->segment);
    assert_true(core_flush(c));
    expect(c, &b->segment, 0, NULL, 0);
    expect(c, &b->other, 0, (const uint64_t[]){5}, 1);
}

static void put(struct core *c, uint64_t offset, const void *value, size_t len) {
    struct record_key key = record_committed(SEGMENT, offset);

    assert_true(batch_put(&c->batch, key.bytes, key.len, value, len));
    assert_true(core_flush(c));
}

/* Up to 0.1.0 each record was an entry of its own. */
static void test_single_records(void **state) {
    struct bench *b = *state;
    static const unsigned char value[16] = {0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    struct committed_list list = {NULL, 0, 0};

    put(&b->core, 4096, value, sizeof value);
    assert_true(committed_read(&b->core, &b->segment, 0, &list));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].offset, 4096);
    assert_int_equal(list.items[0].length, 258);
    assert_true(list.items[0].fp == UINT64_C(0x0102030405060708));
    committed_list_release(&list);
}

/* Cut anywhere but between two records, it is damage: never a shorter list. */
static void test_cut_value(void **state) {
    struct bench *b = *state;
    struct core *c = &b->core;
    struct buf value;

    buf_init(&value, 100);
    record_committed_begin(&value, record(1000));
    size_t whole = value.len;
    record_committed_append(&value, 1000, record(70000));
    for (size_t len = 0; len < value.len; len++) {
        struct committed_list list = {NULL, 0, 0};
        put(c, 1000, value.data, len);
        if (committed_read(c, &b->segment, 0, &list) != (len == whole))
            fail_msg("%zu bytes of %zu", len, value.len);
        committed_list_release(&list);
        assert_int_equal(c->failed, len != whole);
        c->failed = false;
        c->failure.text[0] = '\0';
    }
    /* A number that goes on for ever. */
    value.len = whole;
    for (size_t i = 0; i < 40; i++)
        assert_true(buf_append_char(&value, (char)0xff));
    put(c, 1000, value.data, value.len);
    struct committed_list list = {NULL, 0, 0};
    assert_false(committed_read(c, &b->segment, 0, &list));
    committed_list_release(&list);
    buf_release(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_entry_an_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(test_single_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_value, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

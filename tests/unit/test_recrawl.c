/* recrawl: a round begins whole, whatever crashes when; what it asks with; what is forgotten is asked for in full. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "master/core.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "shared/limits.h"

enum { URLS = 3000, UNASKED = 100 };

static void put_bytes(struct store *s, struct record_key key, const void *bytes, size_t len) {
    struct batch b;
    uint64_t seq;

    batch_init(&b);
    assert_true(batch_put(&b, key.bytes, key.len, bytes, len));
    assert_true(store_write(s, &b, &seq, NULL));
    batch_release(&b);
}

static void put(struct store *s, struct record_key key, const ProtobufCMessage *value) {
    struct buf packed;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    assert_true(wire_pack(&packed, value));
    put_bytes(s, key, packed.data, packed.len);
    buf_release(&packed);
}

/* A crawl that is finished: fetched URLs with ETags, and some that were excluded unasked. */
static struct store *finished(void) {
    struct store *s = store_mem_new();
    Trawl__StoredOrigin origin = TRAWL__STORED_ORIGIN__INIT;
    Trawl__StoredSegment segment = TRAWL__STORED_SEGMENT__INIT;
    uint64_t synced;

    assert_non_null(s);
    origin.name = (ProtobufCBinaryData){16, (uint8_t *)"http://a.example"};
    origin.parked = TRAWL__STATE__FAILED;
    origin.reason = "unreachable";
    put(s, record_origin(1), &origin.base);
    put_bytes(s, record_seed(0), "http://a.example/", 17);
    segment.name = "w1-0-0-0";
    segment.worker = "w1";
    segment.sealed = true;
    put(s, record_segment(7), &segment.base);
    for (uint32_t i = 0; i < URLS; i++) {
        Trawl__DoneUrl d = TRAWL__DONE_URL__INIT;
        char path[32];

        d.origin = i < UNASKED ? 0 : 1;
        d.state = i < UNASKED ? TRAWL__STATE__EXCLUDED : TRAWL__STATE__FETCHED;
        d.path =
            (ProtobufCBinaryData){(size_t)snprintf(path, sizeof path, "/%u", i), (uint8_t *)path};
        d.status = 200;
        d.etag = (ProtobufCBinaryData){3, (uint8_t *)"\"e\""};
        d.digest = (ProtobufCBinaryData){20, (uint8_t *)"01234567890123456789"};
        d.segment = i < UNASKED ? 0 : 7;
        d.fetched_at_ms = 1000 + i;
        put(s, record_done(UINT64_C(0x9e3779b97f4a7c15) * (i + 1)), &d.base);
    }
    assert_true(store_sync(s, &synced, NULL));
    return s;
}

static size_t count(struct store *s, char group) {
    struct record_key prefix = record_group(group);
    struct store_iter *i = store_iter_open(s, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
    size_t n = 0;

    for (; store_iter_valid(i); store_iter_next(i))
        n++;
    assert_true(store_iter_close(i));
    return n;
}

/* Opens and closes it; false: the store failed. */
static bool start(struct store *s, bool recrawl) {
    static const unsigned char random16[16] = {1};
    struct options options;
    struct error err = {0};

    options_init(&options);
    options.recrawl = recrawl;
    struct core *c =
        core_new(&options, s, (struct now){.mono_ms = 1, .unix_ms = 1}, random16, &err);
    core_free(c);
    options_release(&options);
    return c != NULL;
}

static void assert_old(struct store *s) {
    assert_int_equal(count(s, 'u'), URLS);
    assert_int_equal(count(s, 'q'), 0);
    assert_int_equal(count(s, 'h'), 0);
}

static void assert_begun(struct store *s) {
    assert_int_equal(count(s, 'u'), UNASKED);
    assert_int_equal(count(s, 'q'), URLS - UNASKED);
    assert_int_equal(count(s, 'h'), URLS - UNASKED);
}

static void test_begins(void **state) {
    struct store *s = finished();

    (void)state;
    assert_true(start(s, false));
    assert_old(s);
    assert_true(start(s, true));
    assert_begun(s);
    /* Asked for again amid the round: it goes on. */
    assert_true(start(s, true));
    assert_begun(s);
    store_close(s);
}

static void test_crash_at_any_write(void **state) {
    bool was_old = false, was_begun = false;

    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct store *s = finished();
        store_mem_fail_write(s, nth, EIO);
        bool ended = start(s, true);
        store_mem_fail_write(s, 0, 0);
        store_mem_crash(s, nth * 7);
        assert_true(start(s, false));
        if (count(s, 'q') == 0) {
            assert_old(s);
            was_old = true;
        } else {
            assert_begun(s);
            was_begun = true;
        }
        store_close(s);
        if (ended)
            break;
    }
    assert_true(was_old && was_begun);
}

static void test_what_is_kept(void **state) {
    struct store *s = finished();
    struct record_key key = record_queue_of(1);
    struct arena arena;
    size_t len;

    (void)state;
    assert_true(start(s, true));
    struct store_iter *i = store_iter_open(s, key.bytes, key.len, key.bytes, key.len);
    assert_true(store_iter_valid(i));
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const void *value = store_iter_value(i, &len);
    Trawl__QueuedUrl *q = wire_unpack(&arena, &trawl__queued_url__descriptor, value, len);
    assert_non_null(q);
    Trawl__Capture *c =
        wire_unpack(&arena, &trawl__capture__descriptor, q->capture.data, q->capture.len);
    assert_non_null(c);
    assert_int_equal(c->etag.len, 3);
    assert_int_equal(c->segment, 7);
    assert_int_equal(c->digest.len, 20);
    assert_in_range(c->at_ms, 1000, 1000 + URLS);
    assert_true(store_iter_close(i));
    struct buf b;
    buf_init(&b, LIMIT_WIRE_BYTES);
    key = record_origin(1);
    assert_int_equal(store_get(s, key.bytes, key.len, &b), STORE_FOUND);
    Trawl__StoredOrigin *o = wire_unpack(&arena, &trawl__stored_origin__descriptor, b.data, b.len);
    assert_non_null(o);
    assert_int_equal(o->parked, TRAWL__STATE__PENDING);
    buf_release(&b);
    arena_release(&arena);
    store_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins),
        cmocka_unit_test(test_crash_at_any_write),
        cmocka_unit_test(test_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

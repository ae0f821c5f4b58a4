/*
 * Memory runs out at the N-th allocation, for every N: content, warc_write and warc_read say so and leak
 * nothing. Skipped under sanitizers, which have an allocator of their own.
 */
#include "shared/content.h"
#include "shared/warc_read.h"
#include "shared/warc_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define OWN_ALLOCATOR 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 1
#endif

#ifndef OWN_ALLOCATOR
enum { MANY = 1000000, FILE_BYTES = 4 << 20 };

/* Allocations until the one that fails; negative: none does. And how many there were. */
static int countdown = -1;
static unsigned long allocations;

static bool fails_now(void) {
    allocations++;
    return countdown >= 0 && countdown-- == 0;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *calloc(size_t count, size_t n);
void *realloc(void *p, size_t n);

void *malloc(size_t n) {
    return fails_now() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n) {
    return fails_now() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n) {
    return fails_now() ? NULL : __libc_realloc(p, n);
}

static char big[(1 << 20) + 5000];
static struct buf file;

static bool sink(void *arg, const void *bytes, size_t len) {
    (void)arg;
    return buf_append(&file, bytes, len);
}

static enum warc_write_result write_one(struct warc_write *w, size_t body_len) {
    static const char head[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    struct warc_write_piece body = {big, body_len};
    struct warc_write_record r = {.type = WARC_WRITE_RESPONSE,
                                  .uri = "http://a/",
                                  .uri_len = 9,
                                  .head = head,
                                  .head_len = sizeof head - 1,
                                  .body = &body,
                                  .body_count = 1};
    struct warc_write_place place;

    return warc_write_record(w, &r, &place);
}

/* A writer, a small record and a big one. */
static bool write_all(void) {
    struct warc_write *w = warc_write_new(1, (struct warc_write_sink){.write = sink});
    bool ok = false;

    buf_reset(&file);
    if (w == NULL)
        return false;
    enum warc_write_result why = write_one(w, 1000);
    if (why == WARC_WRITE_OK)
        why = write_one(w, sizeof big);
    assert_true(why == WARC_WRITE_OK || why == WARC_WRITE_NO_MEMORY);
    ok = why == WARC_WRITE_OK;
    warc_write_free(w);
    return ok;
}

static bool read_all(void) {
    struct warc_read *r = warc_read_new();
    const struct warc_read_record *record;
    struct warc_read_report report;
    enum warc_read_result why;

    if (r == NULL)
        return false;
    warc_read_open_bytes(r, file.data, file.len);
    while ((why = warc_read_next(r, &record)) == WARC_READ_RECORD &&
           (why = warc_read_check(r, &report)) == WARC_READ_RECORD)
        assert_int_equal(report.problems, 0);
    warc_read_free(r);
    assert_true(why == WARC_READ_END || why == WARC_READ_NO_MEMORY);
    return why == WARC_READ_END;
}

static bool decode_all(void) {
    static const unsigned char brotli[] = {0x0b, 0x02, 0x80, 'h', 'e', 'l', 'l', 'o', 0x03};
    struct buf out;
    bool ok = true;

    buf_init(&out, FILE_BYTES);
    enum content_result why = content_decode("gzip", 4, file.data, file.len, &out, NULL);
    assert_true(why == CONTENT_OK || why == CONTENT_NO_MEMORY);
    ok = why == CONTENT_OK;
    why = content_decode("br", 2, brotli, sizeof brotli, &out, NULL);
    assert_true(why == CONTENT_OK || why == CONTENT_NO_MEMORY);
    ok = ok && why == CONTENT_OK;
    why = content_decode("zstd", 4, "\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello", 14, &out, NULL);
    assert_true(why == CONTENT_OK || why == CONTENT_NO_MEMORY);
    ok = ok && why == CONTENT_OK && out.len == 5;
    buf_release(&out);
    return ok;
}

/* `work` fails at each of its allocations until it has them all, and gives back all it took. */
static void sweep(bool (*work)(void)) {
    bool done = false;

    assert_true(work()); /* libraries set themselves up */
    for (int n = 0; !done && n < MANY; n++) {
        countdown = n;
        done = work() && countdown >= 0;
        countdown = -1;
    }
    assert_true(done);
    size_t before = mallinfo2().uordblks;
    assert_true(work());
    assert_int_equal(mallinfo2().uordblks, before);
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof big; i++) {
        seed = seed * 1664525 + 1013904223;
        big[i] = (char)(seed >> 28);
    }
    buf_init(&file, FILE_BYTES);
    assert_true(buf_reserve(&file, FILE_BYTES));
    sweep(write_all);
    assert_true(write_all());
    sweep(read_all);
    sweep(decode_all);
    buf_release(&file);
}

/* The writer allocates nothing once it has seen records of the kind; OpenSSL 3 does, once a digest. */
static void test_steady_state(void **state) {
    (void)state;
    buf_init(&file, FILE_BYTES);
    assert_true(buf_reserve(&file, FILE_BYTES));
    struct warc_write *w = warc_write_new(1, (struct warc_write_sink){.write = sink});
    assert_non_null(w);
    for (int i = 0; i < 20; i++) {
        unsigned long before = allocations;
        assert_int_equal(write_one(w, 9000 - 10 * (size_t)i), WARC_WRITE_OK);
        if (i > 0)
            assert_true(allocations - before <= 2);
    }
    warc_write_free(w);
    buf_release(&file);
}
#else
static void test_every_allocation_fails(void **state) {
    (void)state;
    skip();
}

static void test_steady_state(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_steady_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

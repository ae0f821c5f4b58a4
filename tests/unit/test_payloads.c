/* payloads: only committed records are given, of this session; the table is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/payloads.h"

static void digest_of(uint32_t n, unsigned char digest[20]) {
    memset(digest, 0, 20);
    memcpy(digest + 1, &n, sizeof n);
}

static void note(struct payloads *p, uint32_t n, const char *segment, uint64_t offset) {
    struct payload r = {
        .offset = offset, .at_unix_ms = 7, .url = (char *)"http://a/", .url_len = 9};

    digest_of(n, r.digest);
    payloads_note(p, segment, &r);
}

static void commit(struct payloads *p, uint32_t n, const char *segment, uint64_t offset) {
    unsigned char digest[20];

    digest_of(n, digest);
    payloads_committed(p, segment, offset, digest);
}

static const struct payload *find(const struct payloads *p, uint32_t n) {
    unsigned char digest[20];

    digest_of(n, digest);
    return payloads_find(p, digest);
}

static void test_only_committed(void **state) {
    struct payloads *p = payloads_new();

    (void)state;
    assert_non_null(p);
    payloads_session(p, 1);
    note(p, 1, "s", 100);
    assert_null(find(p, 1));
    commit(p, 1, "s", 90);
    commit(p, 1, "t", 100);
    commit(p, 2, "s", 100);
    assert_null(find(p, 1));
    commit(p, 1, "s", 100);
    assert_non_null(find(p, 1));
    assert_int_equal(find(p, 1)->offset, 100);
    assert_memory_equal(find(p, 1)->url, "http://a/", 9);
    /* What is committed stays what it is. */
    note(p, 1, "s", 200);
    assert_int_equal(find(p, 1)->offset, 100);
    payloads_free(p);
}

/* Its first record may turn out uncommitted: the second one counts. */
static void test_noted_again(void **state) {
    struct payloads *p = payloads_new();

    (void)state;
    payloads_session(p, 1);
    note(p, 1, "s", 100);
    note(p, 1, "s", 200);
    commit(p, 1, "s", 100);
    assert_null(find(p, 1));
    commit(p, 1, "s", 200);
    assert_int_equal(find(p, 1)->offset, 200);
    payloads_free(p);
}

static void test_dies_with_the_session(void **state) {
    struct payloads *p = payloads_new();

    (void)state;
    payloads_session(p, 1);
    note(p, 1, "s", 100);
    commit(p, 1, "s", 100);
    payloads_session(p, 1);
    assert_non_null(find(p, 1));
    payloads_session(p, 2);
    assert_null(find(p, 1));
    commit(p, 1, "s", 100);
    assert_null(find(p, 1));
    payloads_free(p);
}

static void test_bounded(void **state) {
    struct payloads *p = payloads_new();
    size_t found = 0;

    (void)state;
    payloads_session(p, 1);
    for (uint32_t n = 0; n < 3 * PAYLOADS_MAX; n++) {
        note(p, n, "s", n);
        commit(p, n, "s", n);
    }
    for (uint32_t n = 0; n < 3 * PAYLOADS_MAX; n++)
        if (find(p, n) != NULL) {
            assert_int_equal(find(p, n)->offset, n);
            found++;
        }
    assert_in_range(found, 1, PAYLOADS_MAX);
    payloads_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_committed),
        cmocka_unit_test(test_noted_again),
        cmocka_unit_test(test_dies_with_the_session),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

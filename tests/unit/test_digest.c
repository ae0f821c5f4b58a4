/*
 * digest: whatever the lengths, the digests are OpenSSL's, side by side or in pieces, again and again with the same maker.
 */
#include "shared/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { BYTES = 5 << 20 };

static uint8_t *bytes;

static void expect(const uint8_t got[DIGEST_BYTES], const uint8_t *p, size_t len) {
    uint8_t right[DIGEST_BYTES];

    assert_int_equal(EVP_Digest(p, len, right, NULL, EVP_sha1(), NULL), 1);
    assert_memory_equal(got, right, DIGEST_BYTES);
}

static void check(struct digest *d, size_t len, size_t tail_at) {
    uint8_t whole[DIGEST_BYTES], tail[DIGEST_BYTES];

    assert_true(digest_message(d, bytes, len, tail_at, whole, tail));
    expect(whole, bytes, len);
    expect(tail, bytes + tail_at, len - tail_at);
}

static void test_known(void **state) {
    /* FIPS 180-2, appendix A.1, and the digest of nothing. */
    static const uint8_t abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                  0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    static const uint8_t nothing[] = {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
                                      0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09};
    struct digest *d = digest_new();
    uint8_t whole[DIGEST_BYTES], tail[DIGEST_BYTES];

    (void)state;
    assert_true(digest_message(d, "abc", 3, 3, whole, tail));
    assert_memory_equal(whole, abc, sizeof abc);
    assert_memory_equal(tail, nothing, sizeof nothing);
    digest_free(d);
}

static void test_lengths(void **state) {
    struct digest *d = digest_new();

    (void)state;
    for (size_t len = 0; len < 700; len++)
        check(d, len, len * 7 % (len + 1));
    for (size_t tail = 0; tail < 600; tail++)
        check(d, 300 + tail, 300);
    for (size_t len = 1000; len < BYTES; len = len * 5 / 3 + 1) {
        check(d, len, 0);
        check(d, len, 313);
        check(d, len, len - 257);
    }
    for (size_t len = 65536 - 700; len <= 65536 + 700; len += 7)
        check(d, len, len % 3 * 200);
    check(d, BYTES, 200);
    digest_free(d);
}

static void test_pieces(void **state) {
    struct digest *d = digest_new();
    uint8_t whole[DIGEST_BYTES], tail[DIGEST_BYTES];

    (void)state;
    for (int again = 0; again < 2; again++) {
        assert_true(digest_begin(d));
        assert_true(digest_add(d, bytes, 100, false));
        assert_true(digest_add(d, bytes + 100, 5000, true));
        assert_true(digest_add(d, bytes + 5100, 0, true));
        assert_true(digest_add(d, bytes + 5100, 1, true));
        assert_true(digest_end(d, whole, tail));
        expect(whole, bytes, 5101);
        expect(tail, bytes + 100, 5001);
    }
    digest_free(d);
    digest_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_pieces),
    };

    bytes = malloc(BYTES);
    if (bytes == NULL)
        return 1;
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(bytes);
    return failed;
}

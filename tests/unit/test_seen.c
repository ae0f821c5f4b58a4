/* The seen-set against a sorted array, its memory, and the fingerprint against OpenSSL's SipHash. */
#include "master/seen.h"
#include "shared/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void adds_once(void **state) {
    static const uint64_t edges[] = {
        0,          1,          UINT64_MAX, UINT64_MAX - 1,  1ull << 63,
        1ull << 56, 1ull << 32, 255,        (1ull << 56) - 1};
    struct seen *s = seen_new();
    enum { EDGES = sizeof edges / sizeof *edges };

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < EDGES; i++)
        assert_false(seen_has(s, edges[i]));
    for (size_t i = 0; i < EDGES; i++) {
        assert_int_equal(seen_add(s, edges[i]), SEEN_ADDED);
        assert_int_equal(seen_add(s, edges[i]), SEEN_ALREADY);
        assert_int_equal(seen_count(s), i + 1);
    }
    for (size_t i = 0; i < EDGES; i++)
        assert_true(seen_has(s, edges[i]));
    assert_false(seen_has(s, 2));
    seen_free(s);
    seen_free(NULL);
}

static void many_come_back(void **state) {
    enum { COUNT = 1000000 };
    struct seen *s = seen_new();
    uint64_t random = 1, others = 2;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen_add(s, next_random(&random)), SEEN_ADDED);
    assert_int_equal(seen_count(s), COUNT);
    random = 1;
    for (int i = 0; i < COUNT; i++) {
        assert_true(seen_has(s, next_random(&random)));
        assert_false(seen_has(s, next_random(&others)));
    }
    random = 1;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen_add(s, next_random(&random)), SEEN_ALREADY);
    seen_free(s);
}

/* Not what a keyed hash gives, but nothing may break: all in one shard, all with one home. */
static void crowds(void **state) {
    struct seen *s = seen_new();

    (void)state;
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(seen_add(s, UINT64_MAX - i), SEEN_ADDED);
    for (uint64_t i = 1; i < 3000; i++)
        assert_int_equal(seen_add(s, i), SEEN_ADDED);
    for (uint64_t i = 1; i < 3000; i++) {
        assert_true(seen_has(s, i));
        assert_true(seen_has(s, UINT64_MAX - i));
    }
    assert_false(seen_has(s, 3000));
    assert_false(seen_has(s, UINT64_MAX - 3000));
    seen_free(s);
}

/* As full as each shard of many millions: values that differ only in bits which a slot does not hold are told apart;
 * 7 bytes a slot. The same when so many have one home that the bits do not follow from the place any more. */
static void large_shards(void **state) {
    enum { COUNT = 300000, CROWD = 5000, UPPER_BITS = 8 };
    const uint64_t shard = 7ull << 56, value_mask = (1ull << 56) - 1, crowd = 0x123456789abcull;
    struct seen *s = seen_new();
    uint64_t random = 8, fp;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        fp = shard | (next_random(&random) & value_mask);
        assert_int_equal(seen_add(s, fp), SEEN_ADDED);
        assert_int_equal(seen_add(s, fp), SEEN_ALREADY);
        if (i >= COUNT / 2)
            assert_in_range(seen_memory_bytes(s), i * 76 / 10, i * 89 / 10 + 20000);
    }
    for (size_t round = 0; round < 2; round++) {
        random = 8;
        for (size_t i = 0; i < COUNT; i++) {
            fp = shard | (next_random(&random) & value_mask);
            assert_true(seen_has(s, fp));
            for (unsigned bit = 0; bit < UPPER_BITS; bit++)
                assert_false(seen_has(s, fp ^ 1ull << (48 + bit)));
        }
        for (uint64_t i = 0; i < CROWD && round == 0; i++)
            assert_int_equal(seen_add(s, shard | (crowd + i)), SEEN_ADDED);
    }
    while (seen_count(s) < 2 * COUNT)
        assert_int_equal(seen_add(s, shard | (next_random(&random) & value_mask)), SEEN_ADDED);
    for (uint64_t i = 0; i < CROWD; i++) {
        assert_true(seen_has(s, shard | (crowd + i)));
        assert_false(seen_has(s, shard | (crowd + i) | 1ull << 50));
    }
    seen_free(s);
}

/* Slots that would be empty. */
static void zeros(void **state) {
    struct seen *s = seen_new();

    (void)state;
    for (uint64_t upper = 0; upper < 1 << 16; upper += 3) {
        assert_int_equal(seen_add(s, upper << 48), SEEN_ADDED);
        assert_int_equal(seen_add(s, upper << 48), SEEN_ALREADY);
    }
    for (uint64_t upper = 0; upper < 1 << 16; upper++)
        assert_int_equal(seen_has(s, upper << 48), upper % 3 == 0);
    seen_free(s);
}

static void batches_are_the_same(void **state) {
    enum { ROUNDS = 300, MAX = 200 };
    struct seen *one = seen_new(), *many = seen_new();
    uint64_t random = 3, fps[MAX];
    uint8_t was_new[MAX];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = next_random(&random) % MAX;

        for (size_t i = 0; i < n; i++) /* often the same again, also within a batch */
            fps[i] = (next_random(&random) % 10000) * 0x9e3779b97f4a7c15u;
        assert_int_equal(seen_add_batch(many, fps, n, was_new), n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(seen_add(one, fps[i]) == SEEN_ADDED, was_new[i]);
    }
    assert_int_equal(seen_count(one), seen_count(many));
    seen_free(one);
    seen_free(many);
}

/* A note stays with its fingerprint, whatever is added, pushed on and grown around it. */
static void notes_stay(void **state) {
    enum { COUNT = 300000, SHARD_COUNT = 3 };
    const uint64_t value_mask = (1ull << 56) - 1;
    struct seen *s = seen_new();
    uint64_t random = 9;
    uint8_t note;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t fp = (uint64_t)(i % SHARD_COUNT) << 56 | (next_random(&random) & value_mask);
        assert_false(seen_note(s, fp, &note));
        assert_int_equal(seen_add(s, fp), SEEN_ADDED);
        assert_true(seen_note(s, fp, &note));
        assert_int_equal(note, 0);
        seen_set_note(s, fp, (uint8_t)(fp % 251));
    }
    random = 9;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t fp = (uint64_t)(i % SHARD_COUNT) << 56 | (next_random(&random) & value_mask);
        assert_true(seen_note(s, fp, &note));
        assert_int_equal(note, fp % 251);
    }
    seen_set_note(s, 12345, 7); /* not there: nothing */
    assert_false(seen_note(s, 12345, &note));
    seen_free(s);
}

/* Between 10,000 and 3,000,000 entries, at every size: the stated bytes an entry, and no jump. */
static void memory_is_as_stated(void **state) {
    struct seen *s = seen_new();
    uint64_t random = 4, before = seen_memory_bytes(s);

    (void)state;
    for (uint64_t n = 1; n <= 3000000; n++) {
        seen_add(s, next_random(&random));
        uint64_t bytes = seen_memory_bytes(s);
        if (n > 1000000) {
            assert_in_range(bytes, n * 89 / 10, n * 102 / 10);
            assert_true(bytes - before < n / 9);
        }
        before = bytes;
    }
    seen_free(s);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Room made for all of them is not grown by them, in whatever order, and is no more than without; what was there
 * stays, and the set goes on growing as ever. */
static void room_is_enough(void **state) {
    enum { COUNT = 1000000, BEFORE = 5000 };
    uint64_t *fps = malloc(COUNT * sizeof *fps), random = 7;
    struct seen *s = seen_new();

    (void)state;
    assert_non_null(fps);
    for (size_t i = 0; i < COUNT; i++)
        fps[i] = next_random(&random);
    for (size_t i = 0; i < BEFORE; i++)
        assert_int_equal(seen_add(s, fps[i]), SEEN_ADDED);
    assert_true(seen_reserve(s, COUNT));
    uint64_t bytes = seen_memory_bytes(s);
    assert_in_range(bytes, COUNT * 89 / 10, COUNT * 103 / 10);
    for (size_t i = 0; i < BEFORE; i++)
        assert_true(seen_has(s, fps[i]));
    qsort(fps + BEFORE, COUNT - BEFORE, sizeof *fps, by_value);
    for (size_t i = BEFORE; i < COUNT; i++)
        assert_int_equal(seen_add(s, fps[i]), SEEN_ADDED);
    assert_in_range(seen_memory_bytes(s), bytes, bytes + bytes / 50);
    assert_true(seen_reserve(s, COUNT / 2));
    assert_in_range(seen_memory_bytes(s), bytes, bytes + bytes / 50);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(seen_has(s, fps[i]));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(seen_add(s, next_random(&random)), SEEN_ADDED);
    assert_in_range(seen_memory_bytes(s), 2 * COUNT * 89 / 10, 2 * COUNT * 102 / 10);
    seen_free(s);
    free(fps);
}

static void no_memory_is_a_result(void **state) {
    struct rlimit old, tight;
    uint64_t random = 5, added = 0, fp = 0;
    uint8_t was_new;

    (void)state;
    if (SANITIZED) /* they need address space without limit */
        skip();
    struct seen *s = seen_new();
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    tight = old;
    tight.rlim_cur = 64 << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    enum seen_result result;
    while ((result = seen_add(s, fp = next_random(&random))) == SEEN_ADDED)
        added++;
    assert_int_equal(result, SEEN_NO_MEMORY);
    assert_int_equal(seen_add_batch(s, &fp, 1, &was_new), 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_int_equal(seen_count(s), added);
    assert_false(seen_has(s, fp));
    assert_int_equal(seen_add(s, fp), SEEN_ADDED); /* goes on */
    random = 5;
    for (uint64_t i = 0; i <= added; i++)
        assert_true(seen_has(s, next_random(&random)));
    seen_free(s);
}

/* The first of the reference's 64 vectors and the paper's own example (appendix A). */
static void fingerprint_has_the_reference_values(void **state) {
    unsigned char key[16], input[15];

    (void)state;
    for (unsigned char i = 0; i < sizeof key; i++)
        key[i] = i;
    for (unsigned char i = 0; i < sizeof input; i++)
        input[i] = i;
    assert_true(fingerprint(key, "", 0) == 0x726fdb47dd0e0e31u);
    assert_true(fingerprint(key, input, sizeof input) == 0xa129ca6149be45e5u);
}

static uint64_t openssl_siphash(EVP_MAC_CTX *ctx, const unsigned char key[16], const void *bytes,
                                size_t len) {
    size_t size = 8, out_len;
    unsigned char out[8];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                           OSSL_PARAM_construct_end()};
    uint64_t value = 0;

    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, bytes, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &out_len, sizeof out), 1);
    assert_int_equal(out_len, 8);
    for (int i = 7; i >= 0; i--)
        value = value << 8 | out[i];
    return value;
}

static void fingerprint_agrees_with_openssl(void **state) {
    enum { LEN_MAX = 300 };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    unsigned char key[16], bytes[LEN_MAX];
    uint64_t random = 6;

    (void)state;
    assert_non_null(ctx);
    for (size_t len = 0; len <= LEN_MAX; len++) {
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (unsigned char)next_random(&random);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)next_random(&random);
        assert_true(fingerprint(key, bytes, len) == openssl_siphash(ctx, key, bytes, len));
    }
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_once),
        cmocka_unit_test(many_come_back),
        cmocka_unit_test(crowds),
        cmocka_unit_test(large_shards),
        cmocka_unit_test(zeros),
        cmocka_unit_test(batches_are_the_same),
        cmocka_unit_test(notes_stay),
        cmocka_unit_test(memory_is_as_stated),
        cmocka_unit_test(room_is_enough),
        cmocka_unit_test(no_memory_is_a_result),
        cmocka_unit_test(fingerprint_has_the_reference_values),
        cmocka_unit_test(fingerprint_agrees_with_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

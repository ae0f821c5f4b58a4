/* Rules of robots.txt that many origins share: one copy, gone with its last user. */
#include "master/rules_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void equal_ones_are_one(void **state) {
    struct map pool;

    (void)state;
    map_init(&pool);
    struct rules *a = rules_get(&pool, "abc", 3), *b = rules_get(&pool, "abc", 3);
    struct rules *c = rules_get(&pool, "abd", 3), *d = rules_get(&pool, "ab", 2);
    struct rules *none = rules_get(&pool, NULL, 0);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_not_equal(a, d);
    assert_ptr_equal(rules_get(&pool, "", 0), none);
    assert_int_equal(pool.count, 4);
    assert_int_equal(d->len, 2);
    assert_memory_equal(c->bytes, "abd", 3);
    rules_drop(&pool, a);
    assert_memory_equal(b->bytes, "abc", 3);
    assert_ptr_equal(rules_get(&pool, "abc", 3), b);
    rules_drop(&pool, b);
    rules_drop(&pool, b);
    assert_int_equal(pool.count, 3);
    rules_drop(&pool, c);
    rules_drop(&pool, d);
    rules_drop(&pool, none);
    rules_drop(&pool, none);
    rules_drop(&pool, NULL);
    assert_int_equal(pool.count, 0);
    map_release(&pool);
}

/* One text takes another's number, as a collision would: it is kept apart, and nobody loses his. */
static void collisions_are_not_shared(void **state) {
    struct map pool;

    (void)state;
    map_init(&pool);
    struct rules *a = rules_get(&pool, "first", 5);
    uint64_t hash = a->hash;
    struct rules *b = rules_get(&pool, "other", 5);
    assert_ptr_equal(map_remove(&pool, b->hash), b);
    b->hash = hash; /* what rules_get() makes of a collision */
    rules_drop(&pool, b);
    assert_ptr_equal(rules_get(&pool, "first", 5), a);

    assert_ptr_equal(map_remove(&pool, hash), a);
    memcpy(a->bytes, "again", 5); /* now "first" meets another text under its hash */
    assert_true(map_put(&pool, hash, a));
    b = rules_get(&pool, "first", 5);
    assert_ptr_not_equal(b, a);
    assert_memory_equal(b->bytes, "first", 5);
    rules_drop(&pool, b);
    assert_ptr_equal(map_get(&pool, hash), a);
    rules_drop(&pool, a);
    rules_drop(&pool, a);
    assert_int_equal(pool.count, 0);
    map_release(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_are_one),
        cmocka_unit_test(collisions_are_not_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* address_choice: which address of a host is tried next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/address_choice.h"

enum { NOW_MS = 100 * 60 * 1000 };

struct rig {
    struct netaddr_policy policy;
    struct address_wish wish;
    struct dns_address addresses[6];
    struct dns_answer answer;
};

static void begin(struct rig *r) {
    *r = (struct rig){.wish = {.policy = &r->policy}};
    netaddr_policy_init(&r->policy);
    r->answer.addresses = r->addresses;
}

static void end(struct rig *r) {
    netaddr_policy_release(&r->policy);
}

/* 8.8.8.`last` or 2606:4700::`last`, both public; 10.0.0.`last` is not. */
static void add(struct rig *r, unsigned len, uint8_t first, uint8_t last, int64_t blamed_ms) {
    struct dns_address *a = &r->addresses[r->answer.count++];

    *a = (struct dns_address){.len = (uint8_t)len, .blamed_ms = blamed_ms};
    if (len == 16) {
        memcpy(a->bytes, "\x26\x06\x47\x00", 4);
    } else {
        memset(a->bytes, first, 3);
    }
    a->bytes[len - 1] = last;
}

static unsigned chosen(const struct rig *r) {
    const char *why_not = NULL;
    const struct dns_address *a = address_choose(&r->answer, &r->wish, NOW_MS, &why_not);

    return a == NULL ? 0 : a->bytes[a->len - 1];
}

static void the_resolvers_first(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    add(&r, 16, 0, 1, 0);
    add(&r, 4, 8, 2, 0);
    assert_int_equal(chosen(&r), 1);
    end(&r);
}

static void what_worked_stays(void **state) {
    const unsigned char had[] = {8, 8, 8, 3};
    struct rig r;

    (void)state;
    begin(&r);
    add(&r, 4, 8, 2, 0);
    add(&r, 4, 8, 3, 0);
    r.wish.had = had;
    r.wish.had_len = 4;
    assert_int_equal(chosen(&r), 3);
    assert_true(address_has_other(&r.answer, &r.wish, NOW_MS));
    r.addresses[1].blamed_ms = NOW_MS; /* until nobody answers there */
    assert_int_equal(chosen(&r), 2);
    assert_true(address_has_other(&r.answer, &r.wish, NOW_MS));
    r.addresses[0].blamed_ms = NOW_MS - 1;
    assert_false(address_has_other(&r.answer, &r.wish, NOW_MS));
    assert_int_equal(chosen(&r), 2); /* both are dead: the other one for longer */
    end(&r);
}

static void families_alternate(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    add(&r, 16, 0, 1, NOW_MS - 5);
    add(&r, 16, 0, 2, 0);
    add(&r, 4, 8, 3, 0);
    add(&r, 4, 8, 4, 0);
    assert_int_equal(chosen(&r), 3);
    r.addresses[2].blamed_ms = NOW_MS - 4;
    assert_int_equal(chosen(&r), 2);
    r.addresses[1].blamed_ms = NOW_MS - 3;
    assert_int_equal(chosen(&r), 4);
    r.addresses[3].blamed_ms = NOW_MS - 2;
    assert_int_equal(chosen(&r), 1);
    end(&r);
}

static void blame_ends(void **state) {
    struct rig r;

    (void)state;
    begin(&r);
    add(&r, 4, 8, 2, NOW_MS - DNS_BLAME_MS);
    add(&r, 4, 8, 3, 0);
    assert_int_equal(chosen(&r), 2);
    end(&r);
}

static void forbidden_ones_are_none(void **state) {
    const char *why_not = NULL;
    struct rig r;

    (void)state;
    begin(&r);
    add(&r, 4, 10, 1, 0);
    add(&r, 4, 8, 2, NOW_MS);
    add(&r, 4, 10, 3, 0);
    assert_int_equal(chosen(&r), 2); /* dead, but allowed */
    assert_false(address_has_other(&r.answer, &r.wish, NOW_MS));
    r.addresses[1] = r.addresses[0];
    assert_null(address_choose(&r.answer, &r.wish, NOW_MS, &why_not));
    assert_non_null(why_not);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_resolvers_first),     cmocka_unit_test(what_worked_stays),
        cmocka_unit_test(families_alternate),      cmocka_unit_test(blame_ends),
        cmocka_unit_test(forbidden_ones_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The list of copies: what is found by an original, what is a copy, what is no list. */
#include "worker/record_copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/test_record_copies.XXXXXX";

static int set_up(void **state) {
    (void)state;
    int fd = mkstemp(path);

    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

static bool load(struct record_copies *c, const char *text) {
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    record_copies_init(c);
    return record_copies_load(c, path);
}

/* All copies of an original, each once, in any order: as a set of the digits that they end in. */
static unsigned copies_of(const struct record_copies *c, const char *original) {
    const char *url;
    unsigned set = 0;

    for (size_t at = 0; (url = record_copies_next(c, original, &at)) != NULL;) {
        unsigned bit = 1u << (url[strlen(url) - 1] - '0');
        assert_int_equal(set & bit, 0);
        set |= bit;
    }
    return set;
}

static void test_copies_are_found(void **state) {
    struct record_copies c;

    (void)state;
    assert_true(load(&c, "http://a/\thttp://a/1\nhttp://b/\thttp://b/3\nhttp://a/\thttp://a/2\n"
                         "http://a/\thttp://a/5\n"));
    assert_int_equal(copies_of(&c, "http://a/"), 1u << 1 | 1u << 2 | 1u << 5);
    assert_int_equal(copies_of(&c, "http://b/"), 1u << 3);
    assert_int_equal(copies_of(&c, "http://c/"), 0);
    assert_true(record_copies_has(&c, "http://b/3"));
    assert_false(record_copies_has(&c, "http://b/"));
    record_copies_release(&c);
}

static void test_none(void **state) {
    struct record_copies c;

    (void)state;
    assert_true(load(&c, ""));
    assert_int_equal(copies_of(&c, "http://a/"), 0);
    assert_false(record_copies_has(&c, "http://a/"));
    record_copies_release(&c);
    record_copies_init(&c);
    assert_int_equal(copies_of(&c, "http://a/"), 0);
    assert_false(record_copies_load(&c, "/nonexistent/copies"));
    assert_int_equal(errno, ENOENT);
    record_copies_release(&c);
}

static void test_no_list(void **state) {
    struct record_copies c;

    (void)state;
    assert_false(load(&c, "no tab\n"));
    assert_int_equal(errno, EINVAL);
    record_copies_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_found),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

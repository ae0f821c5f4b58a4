/* Which job of a chain is next, by what the last one counted; wrong arguments. */
#include "cli/job_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct job_chain chain;
static struct job_stage stage;
static struct error err;

static bool begin(const char *name, struct string_list *given) {
    err.text[0] = '\0';
    return job_chain_init(&chain, name, given, &err);
}

/* The next stage behind one that counted that. */
static bool next(int64_t pages, int64_t leak, int64_t delta) {
    Trawl__TaskCounter counters[3], *pointers[3];
    Trawl__JobInfo info = TRAWL__JOB_INFO__INIT;
    const char *const names[] = {"pages", "leak", "delta"};
    const int64_t numbers[] = {pages, leak, delta};

    for (size_t i = 0; i < 3; i++) {
        trawl__task_counter__init(&counters[i]);
        counters[i].name = (char *)names[i];
        counters[i].n = numbers[i];
        pointers[i] = &counters[i];
    }
    info.counters = pointers;
    info.n_counters = 3;
    return job_chain_next(&chain, &info, &stage, &err);
}

static void assert_stage(const char *function, size_t arguments, bool is_last) {
    assert_string_equal(stage.function, function);
    assert_int_equal(stage.argument_count, arguments);
    assert_int_equal(stage.is_last, is_last);
}

static void test_one_job(void **state) {
    char *words[] = {(char *)"a", (char *)"b"};
    struct string_list given = {words, 2};

    (void)state;
    assert_true(begin("./count.so", &given));
    assert_true(job_chain_next(&chain, NULL, &stage, &err));
    assert_stage("./count.so", 2, true);
    assert_ptr_equal(stage.arguments, words);
    assert_false(next(0, 0, 0));
    assert_string_equal(err.text, "");
}

static void test_dups(void **state) {
    struct string_list given = {0};

    (void)state;
    assert_true(begin("dups", &given));
    assert_true(job_chain_next(&chain, NULL, &stage, &err));
    assert_stage("dups", 0, false);
    assert_true(next(9, 0, 0));
    assert_stage("dups-groups", 0, true);
    assert_true(stage.one_reduce);
    assert_false(next(9, 0, 0));
}

/* Until the change is small enough: 1e-3 of a rank of 1, which is 1e18. */
static void test_pagerank_ends_by_tolerance(void **state) {
    char *words[] = {(char *)"1e-3"};
    struct string_list given = {words, 1};

    (void)state;
    assert_true(begin("pagerank", &given));
    assert_true(job_chain_next(&chain, NULL, &stage, &err));
    assert_stage("pagerank", 0, false);
    assert_true(stage.wants_copies);
    assert_true(next(40, 0, 0));
    assert_stage("pagerank-graph", 1, false);
    assert_false(stage.wants_copies);
    assert_string_equal(stage.arguments[0], "40");
    assert_true(next(0, 123, 0));
    assert_stage("pagerank-step", 2, false);
    assert_string_equal(stage.arguments[0], "40");
    assert_string_equal(stage.arguments[1], "123");
    assert_true(next(0, 77, 1000000000000001));
    assert_stage("pagerank-step", 2, false);
    assert_string_equal(stage.arguments[1], "77");
    assert_true(next(0, 78, 1000000000000000));
    assert_stage("pagerank-end", 3, true);
    assert_string_equal(stage.arguments[1], "2");
    assert_string_equal(stage.arguments[2], "1000000000000000");
    assert_false(next(0, 0, 0));
}

static void test_pagerank_ends_by_iterations(void **state) {
    char *words[] = {(char *)"1e-9", (char *)"3"};
    struct string_list given = {words, 2};

    (void)state;
    assert_true(begin("pagerank", &given));
    assert_true(job_chain_next(&chain, NULL, &stage, &err));
    for (int i = 0; i < 4; i++) {
        assert_true(next(40, 5, INT64_C(500000000000000000)));
        assert_stage(i == 0 ? "pagerank-graph" : "pagerank-step", i == 0 ? 1 : 2, false);
    }
    assert_true(next(40, 5, INT64_C(500000000000000000)));
    assert_stage("pagerank-end", 3, true);
    assert_string_equal(stage.arguments[1], "3");
}

static void test_pagerank_of_nothing(void **state) {
    struct string_list given = {0};

    (void)state;
    assert_true(begin("pagerank", &given));
    assert_true(job_chain_next(&chain, NULL, &stage, &err));
    assert_false(next(0, 0, 0));
    assert_string_equal(err.text, "pagerank: there is no page in the archive");
}

static void test_wrong_arguments(void **state) {
    static const char *const wrong[][3] = {
        {"0"}, {"-1"}, {"nan"}, {"2"}, {"1e-6x"}, {"1e-6", "0"}, {"1e-6", "x"}, {"1e-6", "5", "6"}};
    char *one[] = {(char *)"3"};
    struct string_list given = {one, 1};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t n = 0;
        while (n < 3 && wrong[i][n] != NULL)
            n++;
        struct string_list words = {(char **)wrong[i], n};
        assert_false(begin("pagerank", &words));
        assert_non_null(strstr(err.text, "accepted is"));
    }
    assert_false(begin("dups", &given));
    assert_false(begin("links", &given));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_job),
        cmocka_unit_test(test_dups),
        cmocka_unit_test(test_pagerank_ends_by_tolerance),
        cmocka_unit_test(test_pagerank_ends_by_iterations),
        cmocka_unit_test(test_pagerank_of_nothing),
        cmocka_unit_test(test_wrong_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

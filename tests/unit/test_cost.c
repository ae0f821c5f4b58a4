/* Sums over the stages are the process's CPU time; the split follows where the time went. */
#include "shared/cost.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t clock_us(clockid_t clock) {
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Uses so much CPU time of the thread. */
static void burn(uint64_t us) {
    uint64_t until = clock_us(CLOCK_THREAD_CPUTIME_ID) + us;

    while (clock_us(CLOCK_THREAD_CPUTIME_ID) < until)
        ;
}

static void assert_near(uint64_t value, uint64_t wanted, uint64_t tolerance) {
    assert_in_range(value, wanted > tolerance ? wanted - tolerance : 0, wanted + tolerance);
}

static uint64_t grown(const struct cost_sums *before, const struct cost_sums *after,
                      enum cost_stage stage) {
    assert_true(after->us[stage] >= before->us[stage]);
    return after->us[stage] - before->us[stage];
}

static void test_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < COST_STAGES; i++) {
        assert_non_null(cost_stage_name((enum cost_stage)i));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(cost_stage_name((enum cost_stage)i),
                                    cost_stage_name((enum cost_stage)k));
    }
}

static void *one_thread(void *arg) {
    struct cost_sums *sums = arg;

    assert_true(cost_begin(COST_OTHER));
    assert_true(cost_begin(COST_RPC)); /* of no effect */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cost_enter(COST_PARSE), COST_OTHER);
        burn(2000);
        assert_int_equal(cost_enter(COST_DECODE), COST_PARSE);
        burn(1000);
        assert_int_equal(cost_enter(COST_PARSE), COST_DECODE);
        burn(1000);
        assert_int_equal(cost_enter(COST_OTHER), COST_PARSE);
        burn(1000);
    }
    cost_settle();
    cost_read(sums, 0);
    cost_end();
    cost_end(); /* of no effect */
    return NULL;
}

static void run_thread(void *(*main)(void *), void *arg) {
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, main, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* 60 ms, 20 and 20 of 100. True: the split is near that. The sum must be, each time. */
static bool split_once(void) {
    struct cost_sums before, after;

    cost_read(&before, 0);
    uint64_t cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    run_thread(one_thread, &after);
    cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    uint64_t parse = grown(&before, &after, COST_PARSE);
    uint64_t decode = grown(&before, &after, COST_DECODE);
    uint64_t other = grown(&before, &after, COST_OTHER);
    assert_near(parse + decode + other, 100000, 20000);
    assert_near(cost_total_us(&after) - cost_total_us(&before), cpu, 5000);
    return parse > 50000 && parse < 70000 && decode > 12000 && decode < 28000 && other > 12000;
}

/* A preemption counts where it falls: on a busy machine the split is not right each time. */
static void test_split(void **state) {
    unsigned attempts = 0;
    (void)state;

    while (!split_once())
        assert_true(++attempts < 20);
}

static void *sleeper(void *arg) {
    const struct timespec pause = {.tv_nsec = 50000000};

    (void)arg;
    assert_true(cost_begin(COST_OTHER));
    cost_enter(COST_IDLE);
    nanosleep(&pause, NULL);
    cost_enter(COST_WRITE);
    nanosleep(&pause, NULL);
    burn(5000);
    cost_end();
    return NULL;
}

/* Waiting is no CPU time, in whatever stage. */
static void test_waiting(void **state) {
    struct cost_sums before, after;
    (void)state;

    cost_read(&before, 0);
    run_thread(sleeper, NULL);
    cost_read(&after, 0);
    assert_in_range(grown(&before, &after, COST_WRITE), 4000, 20000);
    assert_true(cost_total_us(&after) - cost_total_us(&before) < 40000);
}

static void *stranger(void *arg) {
    assert_int_equal(cost_enter(COST_PARSE), COST_PARSE);
    burn(30000);
    cost_settle();
    cost_read(arg, 0);
    return NULL;
}

/* A thread that has not begun counts as the rest. */
static void test_rest(void **state) {
    struct cost_sums before, after;
    (void)state;

    cost_read(&before, 0);
    run_thread(stranger, &after);
    assert_near(grown(&before, &after, COST_RPC), 30000, 15000);
    assert_int_equal(grown(&before, &after, COST_PARSE), 0);
}

static void *named(void *arg) {
    pthread_setname_np(pthread_self(), "engine:low");
    burn(30000);
    cost_read(arg, 0);
    return NULL;
}

static void test_named(void **state) {
    struct cost_sums before, after;
    (void)state;

    cost_name("engine:", COST_COMMIT);
    cost_read(&before, 0);
    run_thread(named, &after);
    assert_near(grown(&before, &after, COST_COMMIT), 30000, 15000);
    assert_true(grown(&before, &after, COST_RPC) < 15000);
}

/* A reading that is young enough is not made anew. */
static void test_age(void **state) {
    struct cost_sums first, second, third;
    (void)state;

    cost_read(&first, 0);
    run_thread(stranger, &second);
    cost_read(&first, 3600 * 1000);
    burn(10000);
    cost_read(&second, 3600 * 1000);
    assert_int_equal(cost_total_us(&first), cost_total_us(&second));
    cost_read(&third, 0);
    assert_true(cost_total_us(&third) >= cost_total_us(&second) + 5000);
}

static void test_add(void **state) {
    struct cost_sums a = {.us = {1, 2}}, b = {.us = {10, 20, [COST_OTHER] = 5}};
    (void)state;

    cost_add(&a, &b);
    assert_int_equal(a.us[0], 11);
    assert_int_equal(a.us[1], 22);
    assert_int_equal(cost_total_us(&a), 38);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_split), cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_rest),  cmocka_unit_test(test_named), cmocka_unit_test(test_age),
        cmocka_unit_test(test_add),
    };

    cost_init(COST_RPC);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

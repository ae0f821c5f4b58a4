/* Jobs of another thread: each run once, in order; never more under way than may be; none lost at the end. */
#include "worker/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "shared/channel.h"

enum { JOBS = 1000, PATIENCE_MS = 60 * 1000 };

struct counted {
    struct offload_job job; /* first */
    int number;
    bool was_run;
};

static struct counted jobs[JOBS];
static atomic_int runs;
static struct channel *gate; /* each job takes one message; NULL: none does */
static int abandoned, abandoned_unrun;

static void run(struct offload_job *job) {
    struct counted *c = (struct counted *)job;
    char pass;

    if (gate != NULL)
        assert_int_equal(channel_receive(gate, &pass, CHANNEL_WAIT), CHANNEL_OK);
    c->was_run = true;
    atomic_fetch_add(&runs, 1);
}

static void abandon(struct offload_job *job) {
    abandoned++;
    abandoned_unrun += !((struct counted *)job)->was_run;
}

static struct offload *begin(bool gated) {
    struct error err;

    for (int i = 0; i < JOBS; i++)
        jobs[i] = (struct counted){.job = {.run = run}, .number = i};
    atomic_store(&runs, 0);
    abandoned = abandoned_unrun = 0;
    gate = gated ? channel_new(JOBS, 1) : NULL;
    struct offload *o = offload_new("test", &err);
    assert_non_null(o);
    return o;
}

static void open_gate(int times) {
    for (int i = 0; i < times; i++)
        assert_int_equal(channel_send(gate, "x", 0), CHANNEL_OK);
}

/* Waits for one as an event loop does. */
static struct counted *take(struct offload *o) {
    struct offload_job *job;

    while ((job = offload_take(o)) == NULL) {
        struct pollfd p = {.fd = offload_fd(o), .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    }
    return (struct counted *)job;
}

static void test_in_order(void **state) {
    struct offload *o = begin(false);
    int submitted = 0, taken = 0;

    (void)state;
    while (taken < JOBS) {
        while (submitted < JOBS && offload_submit(o, &jobs[submitted].job))
            submitted++;
        struct counted *c = take(o);
        assert_int_equal(c->number, taken++);
        assert_true(c->was_run);
    }
    assert_null(offload_take(o));
    assert_int_equal(atomic_load(&runs), JOBS);
    offload_free(o, abandon);
    assert_int_equal(abandoned, 0);
}

static void test_bounded(void **state) {
    struct offload *o = begin(true);
    int n = 0;

    (void)state;
    while (n < JOBS && offload_submit(o, &jobs[n].job))
        n++;
    assert_int_equal(n, OFFLOAD_JOBS_MAX);
    /* One that is done, and not taken, still counts. */
    open_gate(1);
    struct pollfd p = {.fd = offload_fd(o), .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    assert_false(offload_submit(o, &jobs[n].job));
    assert_int_equal(take(o)->number, 0);
    assert_true(offload_submit(o, &jobs[n].job));
    assert_false(offload_submit(o, &jobs[n + 1].job));
    open_gate(n);
    for (int i = 1; i <= n; i++)
        assert_int_equal(take(o)->number, i);
    offload_free(o, NULL);
    channel_free(gate);
}

/* What runs is waited for, what does not is handed back. */
static void test_end(void **state) {
    struct offload *o = begin(true);

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(offload_submit(o, &jobs[i].job));
    open_gate(10);
    offload_free(o, abandon);
    assert_int_equal(abandoned, 10);
    assert_int_equal(abandoned_unrun, 10 - atomic_load(&runs));
    channel_free(gate);
    offload_free(NULL, abandon);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_end),
    };

    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}

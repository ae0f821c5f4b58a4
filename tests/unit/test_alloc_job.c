/* Memory refused at any allocation of a MapReduce job: the core or the task agent says so and is made anew, and the job ends
 * as it would have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

#include "master/core.h"
#include "master/store_mem.h"
#include "shared/limits.h"
#include "tests/unit/alloc.h"
#include "worker/task_agent.h"

#ifndef ALLOC_OWN

enum { ROUNDS_MAX = 20000, STARTED_MAX = 8, MAPS = 3, REDUCES = 2, RECORD = 5 };

/* A task that the agent has started. */
struct started {
    uint64_t attempt;
    Trawl__TaskKind kind;
    uint32_t number;
    bool skips;
};

struct rig {
    struct options options;
    struct store *store;
    struct core *core;
    struct task_agent *agent;
    struct now now;
    uint64_t incarnation;
    struct started started[STARTED_MAX];
    size_t count;
    const struct buf *asked[AGENT_LINES];
    uint64_t job; /* 0: not told yet */
    bool over, left;
    unsigned cores, agents; /* made */
};

static struct rig rig;

static void make_core(void) {
    static const unsigned char random16[16] = {3};
    struct error err = {0};

    while (rig.core == NULL) {
        assert_true(++rig.cores < 10);
        rig.core = core_new(&rig.options, rig.store, rig.now, random16, &err);
        if (rig.core != NULL)
            return;
        assert_string_not_equal(err.text, "");
        (void)store_reopen(rig.store, NULL);
    }
}

static void renew_core(void) {
    core_free(rig.core);
    rig.core = NULL;
    (void)store_reopen(rig.store, NULL);
    make_core();
}

static void make_agent(void) {
    struct task_agent_config config = {
        .worker = "w1", .tasks = 2, .serve = "tcp://127.0.0.1:1", .instance = {1}, .place = 1};

    rig.count = 0;
    rig.asked[AGENT_CALL] = rig.asked[AGENT_BEAT] = NULL;
    do {
        assert_true(++rig.agents < 10);
        config.incarnation = config.process = ++rig.incarnation;
        rig.agent = task_agent_new(&config);
    } while (rig.agent == NULL);
}

/* What the core says; its replies count as synced. The bytes are the caller's to release. */
static void ask_core(const void *bytes, size_t len, struct buf *reply) {
    struct arena arena;

    alloc_pause(true);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(reply, LIMIT_WIRE_BYTES);
    assert_true(buf_reserve(reply, 1 << 16));
    Trawl__Request *r = wire_request_unpack(&arena, bytes, len);
    assert_non_null(r);
    alloc_pause(false);
    (void)core_request(rig.core, rig.now, r, "test", reply);
    alloc_pause(true);
    arena_release(&arena);
    alloc_pause(false);
    if (core_failed(rig.core, NULL))
        renew_core();
}

/* ---- the worker ---------------------------------------------------------------------------------------- */

static void note_start(const struct task_effect *e) {
    bool skips = false;

    assert_true(rig.count < STARTED_MAX);
    for (size_t i = 0; i < e->spec->n_skip; i++)
        skips = skips || e->spec->skip[i] == RECORD;
    rig.started[rig.count++] = (struct started){
        .attempt = e->attempt, .kind = e->spec->kind, .number = e->spec->number, .skips = skips};
}

/* The first map task crashes on a record until that is skipped. */
static void end_task(const struct started *s) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;
    Trawl__TaskCounter words = TRAWL__TASK_COUNTER__INIT, *counters[] = {&words};
    uint64_t sizes[REDUCES] = {1, 2};
    static uint8_t name[] = "book.txt:5";

    words.name = "words";
    words.n = 10;
    r.end = TRAWL__TASK_END__DONE;
    r.counters = counters;
    r.n_counters = 1;
    if (s->kind == TRAWL__TASK_KIND__MAP) {
        r.partition_bytes = sizes;
        r.n_partition_bytes = REDUCES;
    }
    if (s->kind == TRAWL__TASK_KIND__MAP && s->number == 0 && !s->skips) {
        r.end = TRAWL__TASK_END__CRASHED;
        r.reason = "killed by signal 11";
        r.record = RECORD;
        r.record_name = (ProtobufCBinaryData){.len = sizeof name - 1, .data = name};
    }
    task_agent_ended(rig.agent, rig.now.mono_ms, s->attempt, &r);
}

static void answer(enum agent_line line) {
    struct buf reply;

    ask_core(rig.asked[line]->data, rig.asked[line]->len, &reply);
    rig.asked[line] = NULL;
    task_agent_reply(rig.agent, rig.now.mono_ms, line, reply.data, reply.len);
    buf_release(&reply);
}

/* True: the agent is void, and made anew. */
static bool obey(const struct task_effect *e) {
    switch (e->kind) {
    case TASK_SEND:
        rig.asked[e->line] = e->request;
        break;
    case TASK_START:
        note_start(e);
        break;
    case TASK_LEFT:
        rig.left = true;
        break;
    case TASK_FAILED:
        task_agent_free(rig.agent);
        make_agent();
        return true;
    case TASK_REFUSED:
        fail_msg("%s", e->text);
        break;
    default:
        break;
    }
    return false;
}

static void run_worker(void) {
    struct task_effect e;

    while (!rig.left && task_agent_poll(rig.agent, rig.now.mono_ms, &e))
        if (obey(&e))
            return;
    for (int line = 0; line < AGENT_LINES; line++)
        if (rig.asked[line] != NULL)
            answer((enum agent_line)line);
    while (rig.count > 0) {
        struct started s = rig.started[--rig.count];
        end_task(&s);
    }
}

/* ---- the operator -------------------------------------------------------------------------------------- */

static void pack_run(struct buf *out) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobRun run = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split split = TRAWL__SPLIT__INIT, *splits[MAPS] = {&split, &split, &split};
    static uint8_t token[16] = {1}, path[] = "/in";

    split.path = (ProtobufCBinaryData){.len = 3, .data = path};
    split.worker = "w9";
    spec.name = "words";
    spec.function = "wordcount";
    spec.output = "/out";
    spec.reduces = REDUCES;
    run.token = (ProtobufCBinaryData){.len = sizeof token, .data = token};
    run.spec = &spec;
    run.splits = splits;
    run.n_splits = MAPS;
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_JOB_RUN;
    r.job_run = &run;
    assert_true(wire_pack(out, &r.base));
}

static void pack_query(struct buf *out) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;

    q.job = rig.job;
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r.job_query = &q;
    assert_true(wire_pack(out, &r.base));
}

static void describe(const Trawl__JobInfo *i, struct buf *out) {
    buf_printf(out, "state %d, maps %u, reduces %u, %llu skipped", (int)i->state, i->maps->done,
               i->reduces->done, (unsigned long long)i->skipped_count);
    for (size_t k = 0; k < i->n_counters; k++)
        buf_printf(out, ", %s %lld", i->counters[k]->name, (long long)i->counters[k]->n);
}

static void operate(struct buf *out) {
    struct buf bytes, reply;
    struct arena arena;

    alloc_pause(true);
    buf_init(&bytes, LIMIT_WIRE_BYTES);
    if (rig.job == 0)
        pack_run(&bytes);
    else
        pack_query(&bytes);
    alloc_pause(false);
    ask_core(bytes.data, bytes.len, &reply);
    alloc_pause(true);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Reply *r = wire_reply_unpack(&arena, reply.data, reply.len);
    assert_non_null(r);
    if (r->code == TRAWL__CODE__OK) {
        rig.job = r->job->jobs[0]->job;
        rig.over = r->job->jobs[0]->state != TRAWL__JOB_STATE__JOB_RUNNING;
        if (rig.over)
            describe(r->job->jobs[0], out);
    } else {
        assert_int_equal(r->code, TRAWL__CODE__BUSY);
    }
    arena_release(&arena);
    buf_release(&bytes);
    buf_release(&reply);
    alloc_pause(false);
}

/* The whole job, with the `n`-th allocation refused. True: there were fewer. */
static bool run_without(unsigned long n, struct buf *out) {
    rig = (struct rig){.now = {.mono_ms = 100000, .unix_ms = 1700000000000}};
    assert_true(options_init(&rig.options));
    rig.options.jobs_only = true;
    rig.store = store_mem_new();
    assert_non_null(rig.store);
    alloc_fail_at(n);
    make_core();
    make_agent();
    for (int round = 0; !rig.over; round++) {
        assert_true(round < ROUNDS_MAX);
        operate(out);
        run_worker();
        rig.now.mono_ms += 20;
        core_tick(rig.core, rig.now);
        if (core_failed(rig.core, NULL))
            renew_core();
    }
    bool all = alloc_stop();
    core_free(rig.core);
    task_agent_free(rig.agent);
    store_close(rig.store);
    options_release(&rig.options);
    return all;
}

static void test_every_allocation_fails(void **state) {
    struct buf expected, got;
    unsigned long n = 1;

    (void)state;
    buf_init(&expected, 4096);
    buf_init(&got, 4096);
    assert_true(buf_reserve(&got, 4000));
    (void)run_without(0, &expected);
    assert_string_equal(expected.data, "state 1, maps 3, reduces 2, 1 skipped, words 50");
    for (bool all = false; !all; n++) {
        long live = alloc_live;
        buf_reset(&got);
        all = run_without(n, &got);
        if (strcmp(got.data, expected.data) != 0 || alloc_live != live)
            print_message("allocation %lu: %ld left; %s\n", n, alloc_live - live, got.data);
        assert_string_equal(got.data, expected.data);
        assert_int_equal(alloc_live, live);
    }
    assert_int_equal(rig.cores + rig.agents, 2);
    assert_true(n > 100);
    buf_release(&expected);
    buf_release(&got);
}
#else
static void test_every_allocation_fails(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

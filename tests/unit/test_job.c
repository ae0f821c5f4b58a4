/* Jobs in the master's core, with workers played by hand: who gets which task, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

#include "master/job.h"
#include "tests/unit/peer.h"

enum { MAPS_MAX = 8 };

static struct master m;

/* ---- operators and workers ----------------------------------------------------------------------------- */

struct wanted {
    uint32_t maps, reduces, attempts;
    bool no_backup;
    const char *homes[MAPS_MAX];
    unsigned char token;
};

/* An operator is a peer without a session. */
static struct peer operator_peer;

static const Trawl__Reply *run_job(struct wanted w) {
    Trawl__JobRun r = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split splits[MAPS_MAX], *list[MAPS_MAX];
    uint8_t token[16] = {w.token};

    for (uint32_t i = 0; i < w.maps; i++) {
        trawl__split__init(&splits[i]);
        splits[i].path = (ProtobufCBinaryData){.len = 4, .data = (uint8_t *)"/in1"};
        splits[i].to = 100;
        splits[i].worker = w.homes[i] == NULL ? "" : (char *)w.homes[i];
        list[i] = &splits[i];
    }
    spec.name = "words";
    spec.function = "wordcount";
    spec.output = "/out";
    spec.reduces = w.reduces;
    spec.attempts = w.attempts;
    spec.no_backup = w.no_backup;
    r.spec = &spec;
    r.token = (ProtobufCBinaryData){.len = sizeof token, .data = token};
    r.splits = list;
    r.n_splits = w.maps;
    return peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_RUN, &r);
}

static uint64_t begin_job(struct wanted w) {
    const Trawl__Reply *reply = run_job(w);

    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->job->n_jobs, 1);
    assert_int_equal(operator_peer.when, CORE_AFTER_SYNC);
    return reply->job->jobs[0]->job;
}

static const Trawl__JobInfo *job_now(uint64_t job) {
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;

    q.job = job;
    const Trawl__Reply *reply = peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_QUERY, &q);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->job->n_jobs, 1);
    return reply->job->jobs[0];
}

static void join(struct peer *p, const char *name, uint32_t tasks) {
    *p = (struct peer){.master = &m, .name = name, .incarnation = 1, .serial = 1, .tasks = tasks};
    arena_init(&p->arena, LIMIT_ARENA_BYTES);
    buf_init(&p->bytes, LIMIT_WIRE_BYTES);
    peer_come(p);
}

/* The same process, after the master has restarted. */
static void come_again(struct peer *p) {
    p->serial++;
    peer_come(p);
}

static const Trawl__ExchangeReply *exchange(struct peer *p, Trawl__TaskReport *report,
                                            uint32_t want, uint64_t has_job) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__TaskReport *reports[] = {report};

    x.number = ++p->number;
    x.tasks = reports;
    x.n_tasks = report != NULL;
    x.want_tasks = want;
    x.jobs = &has_job;
    x.n_jobs = has_job != 0;
    const Trawl__Reply *reply = peer_ask(p, TRAWL__REQUEST__BODY_EXCHANGE, &x);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->exchange;
}

/* The grant is valid until the peer's next request. NULL: none. */
static const Trawl__TaskGrant *take(struct peer *p) {
    const Trawl__ExchangeReply *x = exchange(p, NULL, 1, 0);

    return x->n_tasks == 0 ? NULL : x->tasks[0];
}

static uint64_t take_task(struct peer *p, Trawl__TaskKind kind) {
    const Trawl__TaskGrant *g = take(p);

    assert_non_null(g);
    assert_int_equal(g->spec->kind, kind);
    return g->attempt;
}

static Trawl__TaskResult result_of(Trawl__TaskEnd end) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;

    r.end = end;
    r.reason = end == TRAWL__TASK_END__DONE ? "" : "bad luck";
    return r;
}

/* Whether the report was taken. */
static bool report(struct peer *p, uint64_t attempt, Trawl__TaskResult *result) {
    Trawl__TaskReport r = TRAWL__TASK_REPORT__INIT;

    r.attempt = attempt;
    r.result = result;
    return exchange(p, &r, 0, 0)->n_tasks_lost == 0;
}

static bool report_end(struct peer *p, uint64_t attempt, Trawl__TaskEnd end) {
    Trawl__TaskResult r = result_of(end);

    return report(p, attempt, &r);
}

static bool report_map(struct peer *p, uint64_t attempt, size_t reduces) {
    Trawl__TaskResult r = result_of(TRAWL__TASK_END__DONE);
    Trawl__TaskCounter pages = TRAWL__TASK_COUNTER__INIT, *counters[] = {&pages};
    uint64_t bytes[] = {10, 20, 30, 40};

    pages.name = "pages";
    pages.n = 7;
    r.counters = counters;
    r.n_counters = 1;
    r.records_in = 5;
    r.partition_bytes = bytes;
    r.n_partition_bytes = reduces;
    return report(p, attempt, &r);
}

static void run_map(struct peer *p, size_t reduces) {
    assert_true(report_map(p, take_task(p, TRAWL__TASK_KIND__MAP), reduces));
}

static int setup(void **state) {
    (void)state;
    master_begin(&m);
    m.options.jobs_only = true;
    master_load(&m);
    operator_peer = (struct peer){.master = &m};
    arena_init(&operator_peer.arena, LIMIT_ARENA_BYTES);
    buf_init(&operator_peer.bytes, LIMIT_WIRE_BYTES);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    peer_release(&operator_peer);
    master_end(&m);
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static void a_job_from_begin_to_end(void **state) {
    struct peer w1, w2;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 2});

    (void)state;
    assert_int_equal(job, 1);
    join(&w1, "w1", 1);
    join(&w2, "w2", 1);
    uint64_t a = take_task(&w1, TRAWL__TASK_KIND__MAP), b = take_task(&w2, TRAWL__TASK_KIND__MAP);
    assert_true(report_map(&w1, a, 2));
    /* J2: no reduce task before the last map task is done. */
    assert_null(take(&w1));
    assert_true(report_map(&w2, b, 2));
    const Trawl__TaskGrant *g = take(&w1);
    assert_int_equal(g->spec->kind, TRAWL__TASK_KIND__REDUCE);
    assert_int_equal(g->spec->n_outputs, 2);
    assert_int_equal(g->spec->outputs[0]->attempt, a);
    assert_string_equal(g->spec->servers[g->spec->outputs[1]->server]->worker, "w2");
    assert_string_equal(wire_output_serve(g->spec, g->spec->outputs[1]), "tcp://127.0.0.1:1");
    assert_int_equal(g->spec->outputs[1]->bytes, g->spec->number == 0 ? 10 : 20);
    uint64_t r1 = g->attempt, r2 = take_task(&w2, TRAWL__TASK_KIND__REDUCE);
    assert_true(report_end(&w1, r1, TRAWL__TASK_END__DONE));
    /* J4: files are kept, and workers, until the last one. */
    core_stop(m.core, m.now, "no more");
    const Trawl__ExchangeReply *x = exchange(&w1, NULL, 0, job);
    assert_int_equal(x->n_jobs_over, 0);
    assert_int_equal(x->phase, TRAWL__PHASE__RUNNING);
    assert_true(report_end(&w2, r2, TRAWL__TASK_END__DONE));
    x = exchange(&w1, NULL, 0, job);
    assert_int_equal(x->n_jobs_over, 1);
    assert_int_equal(x->phase, TRAWL__PHASE__FINISHED);
    const Trawl__JobInfo *i = job_now(job);
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->maps->attempts, 2);
    assert_int_equal(i->maps->records_in, 10);
    assert_int_equal(i->counters[0]->n, 14);
    master_restart(&m);
    i = job_now(job);
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->counters[0]->n, 14);
    peer_release(&w1);
    peer_release(&w2);
}

static void a_repeated_request_runs_one_job(void **state) {
    struct wanted w = {.maps = 1, .reduces = 1, .token = 9};

    (void)state;
    assert_int_equal(begin_job(w), begin_job(w));
    w.token = 10;
    assert_int_equal(begin_job(w), 2);
    master_restart(&m);
    assert_int_equal(begin_job(w), 2);
    w.token = 11;
    assert_int_equal(begin_job(w), 3);
}

static void impossible_jobs_are_refused(void **state) {
    (void)state;
    assert_int_equal(run_job((struct wanted){.maps = 1})->code, TRAWL__CODE__REFUSED);
    core_stop(m.core, m.now, "no more");
    assert_int_equal(run_job((struct wanted){.maps = 1, .reduces = 1})->code, TRAWL__CODE__REFUSED);
}

static void the_report_of_a_stale_attempt_is_not_taken(void **state) {
    struct peer w1, w2;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    uint64_t stale = take_task(&w1, TRAWL__TASK_KIND__MAP);
    for (int i = 0; i < 15; i++) {
        master_wait(&m, 1000);
        peer_beat(&w1, 0);
    }
    join(&w2, "w2", 1);
    uint64_t fresh = take_task(&w2, TRAWL__TASK_KIND__MAP);
    assert_false(report_map(&w1, stale, 1));
    assert_int_equal(job_now(job)->maps->done, 0);
    assert_true(report_map(&w2, fresh, 1));
    assert_false(report_map(&w2, fresh, 1));
    assert_int_equal(job_now(job)->counters[0]->n, 7);
    assert_int_equal(job_now(job)->maps->done, 1);
    peer_release(&w1);
    peer_release(&w2);
}

static void a_lost_workers_map_output_is_made_again(void **state) {
    struct peer w1, w2;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    join(&w2, "w2", 1);
    run_map(&w1, 1);
    run_map(&w2, 1);
    uint64_t reduce = take_task(&w2, TRAWL__TASK_KIND__REDUCE);
    for (int i = 0; i < 15; i++) {
        master_wait(&m, 1000);
        peer_beat(&w2, reduce);
    }
    const Trawl__JobInfo *i = job_now(job);
    assert_int_equal(i->maps->done, 1);
    assert_int_equal(i->lost_maps, 1);
    assert_int_equal(i->counters[0]->n, 7);
    assert_int_equal(i->reduces->running, 1);
    /* The reducer may have had the output before. */
    assert_true(report_end(&w2, reduce, TRAWL__TASK_END__DONE));
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_DONE);
    peer_release(&w1);
    peer_release(&w2);
}

static void a_worker_started_anew_has_lost_its_output(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    run_map(&w1, 1);
    peer_die(&w1);
    assert_int_equal(job_now(job)->maps->done, 0);
    (void)take_task(&w1, TRAWL__TASK_KIND__MAP);
    peer_release(&w1);
}

static void a_restart_of_the_master_keeps_what_is_done(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 1});

    (void)state;
    join(&w1, "w1", 2);
    run_map(&w1, 1);
    uint64_t running = take_task(&w1, TRAWL__TASK_KIND__MAP);
    master_restart(&m);
    assert_int_equal(peer_beat(&w1, running)->code, TRAWL__CODE__RESTARTED);
    come_again(&w1);
    assert_int_equal(job_now(job)->maps->done, 1);
    assert_false(report_map(&w1, running, 1));
    run_map(&w1, 1);
    (void)take_task(&w1, TRAWL__TASK_KIND__REDUCE);
    assert_int_equal(job_now(job)->lost_maps, 0);
    peer_release(&w1);
}

static void a_worker_that_does_not_come_back_is_missed(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    run_map(&w1, 1);
    master_restart(&m);
    master_wait(&m, 15000);
    assert_int_equal(job_now(job)->maps->done, 0);
    assert_int_equal(job_now(job)->lost_maps, 1);
    master_restart(&m);
    assert_int_equal(job_now(job)->maps->done, 0);
    peer_release(&w1);
}

static void a_reducer_without_input_gives_back(void **state) {
    struct peer w1, w2;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 2});
    uint32_t gone = 0;
    Trawl__TaskResult r = result_of(TRAWL__TASK_END__INPUT_GONE);

    (void)state;
    r.gone = &gone;
    r.n_gone = 1;
    join(&w1, "w1", 1);
    join(&w2, "w2", 1);
    run_map(&w1, 2);
    uint64_t a = take_task(&w1, TRAWL__TASK_KIND__REDUCE),
             b = take_task(&w2, TRAWL__TASK_KIND__REDUCE);
    assert_true(report(&w1, a, &r));
    assert_int_equal(job_now(job)->lost_maps, 1);
    assert_int_equal(job_now(job)->reduces->failures, 0);
    run_map(&w1, 2);
    /* It speaks of the output before. */
    assert_true(report(&w2, b, &r));
    assert_int_equal(job_now(job)->lost_maps, 1);
    assert_int_equal(job_now(job)->maps->done, 1);
    peer_release(&w1);
    peer_release(&w2);
}

static void what_cannot_be_fails_the_job_at_once(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    assert_true(
        report_end(&w1, take_task(&w1, TRAWL__TASK_KIND__MAP), TRAWL__TASK_END__TASK_REFUSED));
    const Trawl__JobInfo *i = job_now(job);
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_FAILED);
    assert_true(i->refused);
    assert_string_equal(i->why, "bad luck");
    assert_int_equal(i->maps->failures, 1);
    master_restart(&m);
    assert_true(job_now(job)->refused);
    come_again(&w1);

    /* Another worker could do it: then it is that one's trouble. */
    job = begin_job((struct wanted){.maps = 2, .reduces = 1, .token = 1});
    run_map(&w1, 1);
    assert_true(
        report_end(&w1, take_task(&w1, TRAWL__TASK_KIND__MAP), TRAWL__TASK_END__TASK_REFUSED));
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_RUNNING);
    assert_int_equal(job_now(job)->maps->failures, 1);
    peer_release(&w1);
}

static void cancel(uint64_t job) {
    Trawl__JobCancel c = TRAWL__JOB_CANCEL__INIT;

    c.job = job;
    c.why = "enough";
    assert_int_equal(peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_CANCEL, &c)->code,
                     TRAWL__CODE__OK);
}

/* The first of many to begin, the last to end: whoever waits for it hears how. */
static void the_job_that_ended_last_is_not_the_one_forgotten(void **state) {
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    uint64_t first = begin_job((struct wanted){.maps = 1, .reduces = 1, .token = 1}), second = 0;
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < LIMIT_JOBS_KEPT + 3; i++) {
        master_wait(&m, 10);
        last = begin_job((struct wanted){.maps = 1, .reduces = 1, .token = (unsigned char)(i + 2)});
        second = second == 0 ? last : second;
        cancel(last);
        if (i == LIMIT_JOBS_KEPT / 2)
            master_restart(&m);
    }
    cancel(first);
    master_restart(&m);
    assert_int_equal(job_now(first)->state, TRAWL__JOB_STATE__JOB_CANCELLED);
    assert_int_equal(job_now(last)->state, TRAWL__JOB_STATE__JOB_CANCELLED);
    /* What is not known any more is over, which is told. */
    q.job = second;
    const Trawl__Reply *reply = peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_QUERY, &q);
    assert_int_equal(reply->code, TRAWL__CODE__REFUSED);
    assert_non_null(strstr(reply->error, "is over, and forgotten"));
    q.job = last + 100000;
    reply = peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_QUERY, &q);
    assert_non_null(strstr(reply->error, "no job"));
}

/* Of those that are over, first those go whose end somebody has heard. */
static void a_job_whose_end_was_told_is_forgotten_first(void **state) {
    uint64_t untold = begin_job((struct wanted){.maps = 1, .reduces = 1, .token = 1}), told = 0;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;

    (void)state;
    cancel(untold);
    for (int i = 0; i < LIMIT_JOBS_KEPT; i++) {
        master_wait(&m, 10);
        uint64_t job =
            begin_job((struct wanted){.maps = 1, .reduces = 1, .token = (unsigned char)(i + 2)});
        cancel(job);
        if (i == 0) {
            told = job;
            (void)job_now(told);
        }
    }
    assert_int_equal(job_now(untold)->state, TRAWL__JOB_STATE__JOB_CANCELLED);
    q.job = told;
    assert_int_equal(peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_QUERY, &q)->code,
                     TRAWL__CODE__REFUSED);
}

/* Each bound that a user can meet is told with what is accepted. */
static void what_is_too_much_is_refused_with_what_is_accepted(void **state) {
    static const struct {
        uint32_t reduces, attempts;
        const char *text;
    } wrong[] = {
        {0, 1, "0 reduce tasks: accepted are 1 to 4096"},
        {10000, 1, "10000 reduce tasks: accepted are 1 to 4096"},
        {1, 2000000, "2000000 attempts at a task: accepted are 1 to 1000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const Trawl__Reply *reply = run_job((struct wanted){
            .maps = 1, .reduces = wrong[i].reduces, .attempts = wrong[i].attempts, .token = 9});
        assert_int_equal(reply->code, TRAWL__CODE__REFUSED);
        assert_string_equal(reply->error, wrong[i].text);
    }
}

static void a_task_that_keeps_failing_fails_the_job(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 1, .attempts = 3});

    (void)state;
    join(&w1, "w1", 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_RUNNING);
        uint64_t a = take_task(&w1, TRAWL__TASK_KIND__MAP);
        if (i == 1)
            master_restart(&m), come_again(&w1), a = take_task(&w1, TRAWL__TASK_KIND__MAP);
        assert_true(report_end(&w1, a, TRAWL__TASK_END__TASK_FAILED));
    }
    const Trawl__JobInfo *i = job_now(job);
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_FAILED);
    assert_string_equal(i->why, "map task 0 failed 3 times; the last: map task 0 on w1: bad luck");
    assert_null(take(&w1));
    peer_release(&w1);
}

static void a_record_that_crashes_twice_is_skipped(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1, .attempts = 3});
    Trawl__TaskResult r = result_of(TRAWL__TASK_END__CRASHED);

    (void)state;
    join(&w1, "w1", 1);
    r.record_name = (ProtobufCBinaryData){.len = 8, .data = (uint8_t *)"http://x"};
    for (uint64_t record = 40; record < 44; record++)
        for (int times = 0; times < 2; times++) {
            const Trawl__TaskGrant *g = take(&w1);
            assert_int_equal(g->spec->n_skip, record - 40);
            r.record = record;
            assert_true(report(&w1, g->attempt, &r));
            if (record == 42)
                master_restart(&m), come_again(&w1);
        }
    const Trawl__TaskGrant *g = take(&w1);
    assert_int_equal(g->spec->n_skip, 4);
    assert_int_equal(g->spec->skip[3], 43);
    const Trawl__JobInfo *i = job_now(job);
    assert_int_equal(i->skipped_count, 4);
    assert_int_equal(i->skipped[0]->record, 40);
    assert_memory_equal(i->skipped[0]->name.data, "http://x", 8);
    assert_int_equal(i->maps->failures, 8);
    peer_release(&w1);
}

/* Three map tasks: one done after a second, so that there is a measure; the other two with `slow`. */
static void make_straggler(struct peer *fast, struct peer *slow, uint64_t *attempt) {
    uint64_t first = take_task(fast, TRAWL__TASK_KIND__MAP);

    *attempt = take_task(slow, TRAWL__TASK_KIND__MAP);
    for (int i = 0; i < 2; i++) {
        master_wait(&m, 500);
        peer_beat(fast, first);
        peer_beat(slow, *attempt);
    }
    assert_true(report_map(fast, first, 1));
}

static void a_straggler_gets_a_backup(void **state) {
    struct peer w1, w2;
    uint64_t job = begin_job((struct wanted){.maps = 2, .reduces = 1}), slow;

    (void)state;
    join(&w1, "w1", 1);
    join(&w2, "w2", 2);
    make_straggler(&w1, &w2, &slow);
    assert_null(take(&w1));
    for (int i = 0; i < 4; i++) {
        master_wait(&m, 500);
        peer_beat(&w1, 0);
        peer_beat(&w2, slow);
    }
    assert_null(take(&w2)); /* not to the worker that runs it */
    uint64_t backup = take_task(&w1, TRAWL__TASK_KIND__MAP);
    assert_null(take(&w1)); /* and only one */
    assert_int_equal(job_now(job)->maps->backups, 1);
    assert_true(report_map(&w1, backup, 1));
    const Trawl__Reply *beat = peer_beat(&w2, slow);
    assert_int_equal(beat->heartbeat->n_lost, 1);
    assert_false(report_map(&w2, slow, 1));
    assert_int_equal(job_now(job)->maps->done, 2);
    assert_int_equal(job_now(job)->maps->running, 0);
    peer_release(&w1);
    peer_release(&w2);
}

static void no_backup_when_told_so(void **state) {
    struct peer w1, w2;
    uint64_t slow;

    (void)state;
    begin_job((struct wanted){.maps = 2, .reduces = 1, .no_backup = true});
    join(&w1, "w1", 1);
    join(&w2, "w2", 1);
    make_straggler(&w1, &w2, &slow);
    for (int i = 0; i < 20; i++) {
        master_wait(&m, 500);
        peer_beat(&w1, 0);
        peer_beat(&w2, slow);
    }
    assert_null(take(&w1));
    peer_release(&w1);
    peer_release(&w2);
}

static void a_split_goes_to_where_it_lies(void **state) {
    struct peer w1, w2;

    (void)state;
    join(&w1, "w1", 4);
    join(&w2, "w2", 4);
    begin_job((struct wanted){.maps = 4, .reduces = 1, .homes = {"w2", "w1", "w9", "w2"}});
    const Trawl__ExchangeReply *x = exchange(&w1, NULL, 2, 0);
    assert_int_equal(x->n_tasks, 2);
    assert_int_equal(x->tasks[0]->spec->number, 1);
    assert_int_equal(x->tasks[1]->spec->number, 2); /* w9 is not here */
    assert_null(take(&w1));
    assert_int_equal(take(&w2)->spec->number, 0);
    master_wait(&m, PLACEMENT_MS);
    assert_int_equal(take(&w1)->spec->number, 3);
    peer_release(&w1);
    peer_release(&w2);
}

static void tasks_are_spread_at_first(void **state) {
    struct peer w1, w2;

    (void)state;
    join(&w1, "w1", 4);
    join(&w2, "w2", 4);
    begin_job((struct wanted){.maps = 4, .reduces = 1});
    assert_int_equal(exchange(&w1, NULL, 4, 0)->n_tasks, 2);
    assert_int_equal(exchange(&w1, NULL, 2, 0)->n_tasks, 0);
    assert_int_equal(exchange(&w2, NULL, 1, 0)->n_tasks, 1);
    master_wait(&m, PLACEMENT_MS);
    assert_int_equal(exchange(&w1, NULL, 2, 0)->n_tasks, 1);
    peer_release(&w1);
    peer_release(&w2);
}

static void a_cancelled_job_takes_its_leases_back(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});
    Trawl__JobCancel cancel = TRAWL__JOB_CANCEL__INIT;

    (void)state;
    join(&w1, "w1", 1);
    uint64_t a = take_task(&w1, TRAWL__TASK_KIND__MAP);
    cancel.job = job;
    cancel.why = "enough";
    for (int i = 0; i < 2; i++) {
        const Trawl__Reply *reply =
            peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_CANCEL, &cancel);
        assert_int_equal(reply->job->jobs[0]->state, TRAWL__JOB_STATE__JOB_CANCELLED);
    }
    assert_int_equal(peer_beat(&w1, a)->heartbeat->n_lost, 1);
    assert_int_equal(exchange(&w1, NULL, 1, job)->n_jobs_over, 1);
    assert_string_equal(job_now(job)->why, "enough");
    cancel.job = 77;
    assert_int_equal(peer_ask(&operator_peer, TRAWL__REQUEST__BODY_JOB_CANCEL, &cancel)->code,
                     TRAWL__CODE__REFUSED);
    peer_release(&w1);
}

static void a_job_without_input_has_empty_output(void **state) {
    struct peer w1;
    uint64_t job = begin_job((struct wanted){.maps = 0, .reduces = 1});

    (void)state;
    join(&w1, "w1", 1);
    assert_true(report_end(&w1, take_task(&w1, TRAWL__TASK_KIND__REDUCE), TRAWL__TASK_END__DONE));
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_DONE);
    peer_release(&w1);
}

/* A crawl beside a job: neither counts the other's sessions and leases, nor ends with it running. */
static void a_crawl_and_a_job_side_by_side(void **state) {
    struct peer loop, w1;

    (void)state;
    core_free(m.core);
    m.options.jobs_only = false;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&loop, &m, "f1", 1);
    join(&w1, "w1", 1);
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});
    uint64_t map = take_task(&w1, TRAWL__TASK_KIND__MAP);
    assert_int_equal(peer_exchange(&w1, NULL, NULL, 5)->n_grants, 0);
    const Trawl__ExchangeReply *x = peer_exchange(&loop, NULL, NULL, 1);
    assert_int_equal(x->n_grants, 1);
    assert_int_equal(x->n_tasks, 0);
    uint64_t visit = x->grants[0]->attempt, fp = x->grants[0]->items[0]->fp;
    /* Attempts of the other kind are nobody's. */
    assert_true(peer_report(&w1, map, fp, TRAWL__STATE__FETCHED, true)->visits[0]->lost);
    assert_false(report_map(&loop, visit, 1));
    assert_false(peer_report(&loop, visit, fp, TRAWL__STATE__FETCHED, true)->visits[0]->lost);
    master_wait(&m, 100);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    assert_int_equal(peer_exchange(&loop, NULL, NULL, 0)->phase, TRAWL__PHASE__FINISHED);
    Trawl__Leave leave = TRAWL__LEAVE__INIT;
    (void)peer_ask(&loop, TRAWL__REQUEST__BODY_LEAVE, &leave);
    assert_true(report_map(&w1, map, 1));
    master_wait(&m, 100);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    assert_true(report_end(&w1, take_task(&w1, TRAWL__TASK_KIND__REDUCE), TRAWL__TASK_END__DONE));
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(exchange(&w1, NULL, 1, job)->phase, TRAWL__PHASE__FINISHED);
    (void)peer_ask(&w1, TRAWL__REQUEST__BODY_LEAVE, &leave);
    /* Long enough for whoever asks ten times a second how the job is. */
    master_wait(&m, 500);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_DONE);
    master_wait(&m, 15000);
    assert_int_equal(core_state(m.core), CORE_ENDED);
    peer_release(&loop);
    peer_release(&w1);
}

/* The crawl is over, and nobody runs tasks: the master ends after a while, and the job goes on in its next run. */
static void a_job_without_workers_does_not_hold_the_master(void **state) {
    struct peer w1;

    (void)state;
    core_free(m.core);
    m.options.jobs_only = false;
    master_load(&m);
    uint64_t job = begin_job((struct wanted){.maps = 1, .reduces = 1});
    assert_int_equal(job_now(job)->slots, 0);
    join(&w1, "w1", 3);
    assert_int_equal(job_now(job)->slots, 3);
    master_wait(&m, 100);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    int64_t lease_ms = m.options.lease_ms;
    for (int64_t waited = 0; waited < 2 * lease_ms; waited += lease_ms / 4) {
        (void)peer_exchange(&w1, NULL, NULL, 0);
        master_wait(&m, lease_ms / 4);
    }
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    Trawl__Leave leave = TRAWL__LEAVE__INIT;
    (void)peer_ask(&w1, TRAWL__REQUEST__BODY_LEAVE, &leave);
    master_wait(&m, lease_ms / 2);
    assert_int_equal(core_state(m.core), CORE_STOPPING);
    master_wait(&m, lease_ms);
    assert_int_equal(core_state(m.core), CORE_ENDED);
    core_free(m.core);
    master_load(&m);
    assert_int_equal(job_now(job)->state, TRAWL__JOB_STATE__JOB_RUNNING);
    peer_release(&w1);
}

static void a_master_for_jobs_refuses_the_rest(void **state) {
    struct peer loop = {.master = &m, .name = "f1", .incarnation = 1};
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;

    (void)state;
    arena_init(&loop.arena, LIMIT_ARENA_BYTES);
    buf_init(&loop.bytes, LIMIT_WIRE_BYTES);
    assert_int_equal(peer_register(&loop)->code, TRAWL__CODE__REFUSED);
    q.name = "f1-0000-000001-0-0001";
    assert_int_equal(peer_ask(&loop, TRAWL__REQUEST__BODY_SEGMENT_QUERY, &q)->code,
                     TRAWL__CODE__REFUSED);
    master_wait(&m, 60000);
    assert_int_equal(core_state(m.core), CORE_RUNNING);
    core_stop(m.core, m.now, "no more");
    master_wait(&m, 1000);
    assert_int_equal(core_state(m.core), CORE_ENDED);
    peer_release(&loop);
}

static void the_status_has_jobs(void **state) {
    struct buf json;

    (void)state;
    begin_job((struct wanted){.maps = 3, .reduces = 2});
    buf_init(&json, LIMIT_WIRE_BYTES);
    assert_true(core_status_json(m.core, m.now, &json));
    assert_non_null(
        strstr(json.data, "\"jobs\":[{\"job\":1,\"name\":\"words\",\"state\":\"running\""));
    assert_non_null(strstr(json.data, "\"maps\":{\"idle\":3,\"running\":0,\"done\":0}"));
    buf_release(&json);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_from_begin_to_end),
        TEST(a_repeated_request_runs_one_job),
        TEST(impossible_jobs_are_refused),
        TEST(the_report_of_a_stale_attempt_is_not_taken),
        TEST(a_lost_workers_map_output_is_made_again),
        TEST(a_worker_started_anew_has_lost_its_output),
        TEST(a_restart_of_the_master_keeps_what_is_done),
        TEST(a_worker_that_does_not_come_back_is_missed),
        TEST(a_reducer_without_input_gives_back),
        TEST(a_task_that_keeps_failing_fails_the_job),
        TEST(what_cannot_be_fails_the_job_at_once),
        TEST(the_job_that_ended_last_is_not_the_one_forgotten),
        TEST(a_job_whose_end_was_told_is_forgotten_first),
        TEST(what_is_too_much_is_refused_with_what_is_accepted),
        TEST(a_record_that_crashes_twice_is_skipped),
        TEST(a_straggler_gets_a_backup),
        TEST(no_backup_when_told_so),
        TEST(a_split_goes_to_where_it_lies),
        TEST(tasks_are_spread_at_first),
        TEST(a_cancelled_job_takes_its_leases_back),
        TEST(a_job_without_input_has_empty_output),
        TEST(a_crawl_and_a_job_side_by_side),
        TEST(a_job_without_workers_does_not_hold_the_master),
        TEST(a_master_for_jobs_refuses_the_rest),
        TEST(the_status_has_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

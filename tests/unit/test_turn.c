/*
 * turn: whatever happens to a large crawl, no call of the core does more than LIMIT_TURN_WORK. Every call is looked at: as it
 * grows, when all origins have cooled down at once, when a worker with thousands of visits is lost or started again, after a
 * restart, when an origin with a long queue is given up, when the scope grows, when a disk is forgotten, and what operators
 * ask meanwhile.
 *
 *     test_turn                          a small one, in memory
 *     test_turn DIR [ORIGINS] [PAGES]    on disk, 100000 origins with 9 pages beside the first: a line for each kind of
 *                                        call, with its longest time (docs/performance.md). DIR must not exist
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "master/store_rocks.h"
#include "shared/work.h"
#include "tests/unit/peer.h"

enum { PAGES_MAX = 32, LINK_BYTES = 40, LINKS_MAX = 9000, KINDS = 24, LONG_QUEUES = 20 };

static struct crowd {
    const char *dir; /* NULL: in memory */
    unsigned origins, pages, loops;
    struct master m;
    struct {
        const char *what;
        uint64_t calls, work;
        double cpu_ms, wall_ms, total_ms;
    } kinds[KINDS];
    char segment[LIMIT_SEGMENT_NAME_BYTES];
    uint64_t offset;
} crowd;

/* ---- the meter ------------------------------------------------------------------------------------------------- */

struct stamp {
    struct timespec cpu, wall;
};

static struct stamp stamp(void) {
    struct stamp s;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s.cpu);
    clock_gettime(CLOCK_MONOTONIC, &s.wall);
    return s;
}

static double since_ms(struct timespec from, struct timespec to) {
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static void note(const char *what, struct stamp from) {
    struct stamp to = stamp();
    uint64_t did = core_turn_work(crowd.m.core);
    double cpu = since_ms(from.cpu, to.cpu), wall = since_ms(from.wall, to.wall);
    size_t k = 0;

    while (crowd.kinds[k].what != NULL && strcmp(crowd.kinds[k].what, what) != 0)
        assert_true(++k < KINDS);
    crowd.kinds[k].what = what;
    crowd.kinds[k].calls++;
    crowd.kinds[k].total_ms += wall;
    crowd.kinds[k].work = did > crowd.kinds[k].work ? did : crowd.kinds[k].work;
    crowd.kinds[k].cpu_ms = cpu > crowd.kinds[k].cpu_ms ? cpu : crowd.kinds[k].cpu_ms;
    crowd.kinds[k].wall_ms = wall > crowd.kinds[k].wall_ms ? wall : crowd.kinds[k].wall_ms;
    assert_false(core_failed(crowd.m.core, NULL));
    if (did > LIMIT_TURN_WORK)
        print_error("%s did %llu at once\n", what, (unsigned long long)did);
    assert_true(did <= LIMIT_TURN_WORK);
}

static void tick(const char *what) {
    struct stamp from = stamp();

    core_tick(crowd.m.core, crowd.m.now);
    note(what, from);
}

/* Time passes, and all that it brings is done. */
static void wait_ms(const char *what, int64_t ms) {
    crowd.m.now.mono_ms += ms;
    crowd.m.now.unix_ms += ms;
    do {
        tick(what);
        crowd.m.now.mono_ms++;
    } while (core_next_ms(crowd.m.core, crowd.m.now) <= crowd.m.now.mono_ms);
}

static const Trawl__Reply *ask(const char *what, struct peer *p, Trawl__Request__BodyCase body_case,
                               void *body) {
    Trawl__Request r = TRAWL__REQUEST__INIT;

    r.version = WIRE_VERSION;
    r.term = p->term;
    r.session = p->session;
    r.body_case = body_case;
    r.control = body;
    struct stamp from = stamp();
    (void)core_request(crowd.m.core, crowd.m.now, &r, "test", &p->bytes);
    note(what, from);
    arena_reset(&p->arena);
    const Trawl__Reply *reply = wire_reply_unpack(&p->arena, p->bytes.data, p->bytes.len);
    assert_non_null(reply);
    return reply;
}

/* ---- the crawl ------------------------------------------------------------------------------------------------- */

static void begin(void) {
    master_begin(&crowd.m);
    if (crowd.dir != NULL) {
        struct error err = {.text = ""};
        store_close(crowd.m.store);
        assert_int_equal(mkdir(crowd.dir, 0700), 0);
        char path[4096];
        snprintf(path, sizeof path, "%s/state", crowd.dir);
        crowd.m.store = store_rocks_open(path, STORE_ROCKS_CREATE, &err);
        if (crowd.m.store == NULL)
            print_error("%s\n", err.text);
        assert_non_null(crowd.m.store);
    }
    crowd.m.options.scope = SCOPE_HOST;
    crowd.m.options.delay_ms = 1000;
    crowd.m.options.keep = true;
    master_load(&crowd.m);
}

/* A URL of each origin, by `ctl add`. */
static void add_origins(struct peer *p) {
    static char text[LIMIT_CONTROL_URLS][LINK_BYTES];
    static ProtobufCBinaryData urls[LIMIT_CONTROL_URLS];
    Trawl__Control v = TRAWL__CONTROL__INIT;

    v.verb = TRAWL__VERB__ADD;
    v.urls = urls;
    for (unsigned o = 0; o < crowd.origins;) {
        for (v.n_urls = 0; v.n_urls < LIMIT_CONTROL_URLS && o < crowd.origins; o++, v.n_urls++) {
            int n = snprintf(text[v.n_urls], LINK_BYTES, "http://o%u.example/", o);
            urls[v.n_urls] = (ProtobufCBinaryData){(size_t)n, (uint8_t *)text[v.n_urls]};
        }
        assert_int_equal(ask("ctl add", p, TRAWL__REQUEST__BODY_CONTROL, &v)->code,
                         TRAWL__CODE__OK);
        /* No write for each of them. */
        assert_true(core_turn_work(crowd.m.core) < v.n_urls * WORK_SEEK);
    }
}

static void join(struct peer *p, const char *name, uint32_t loop, uint64_t incarnation) {
    static uint8_t instance[16];
    Trawl__Register r = TRAWL__REGISTER__INIT;

    *p = (struct peer){.master = &crowd.m, .name = name};
    arena_init(&p->arena, LIMIT_ARENA_BYTES);
    buf_init(&p->bytes, LIMIT_WIRE_BYTES);
    memset(instance, name[1], sizeof instance);
    r.worker = (char *)name;
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.incarnation = r.process = incarnation;
    r.place = PEER_PLACE;
    r.loop = loop;
    r.loops = crowd.loops + 1;
    const Trawl__Reply *reply = ask("register", p, TRAWL__REQUEST__BODY_REGISTER, &r);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    p->session = reply->register_->session;
    p->term = reply->term;
    snprintf(crowd.segment, sizeof crowd.segment, "%s-%s-%llu-0001", name,
             reply->register_->options->crawl, (unsigned long long)p->session);
}

/* Reports `visits`, and asks for as many as there may be. */
static const Trawl__ExchangeReply *exchange(const char *what, struct peer *p,
                                            Trawl__VisitReport **visits, size_t n, uint32_t want) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    char *segments[] = {crowd.segment};

    x.number = ++p->number;
    x.visits = visits;
    x.n_visits = n;
    x.segments = segments;
    x.n_segments = 1;
    x.want_visits = want;
    const Trawl__Reply *reply = ask(what, p, TRAWL__REQUEST__BODY_EXCHANGE, &x);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->exchange;
}

static Trawl__Outcome *fetched(struct arena *a, uint64_t fp, char (*text)[LINK_BYTES],
                               unsigned links) {
    Trawl__Outcome *o = arena_alloc(a, sizeof *o);

    trawl__outcome__init(o);
    o->fp = fp;
    o->state = TRAWL__STATE__FETCHED;
    o->status = 200;
    o->segment = 1;
    o->offset = crowd.offset += 100;
    o->record_length = 100;
    o->links = arena_alloc(a, (links + 1) * sizeof *o->links);
    for (unsigned i = 0; i < links; i++)
        o->links[o->n_links++] = (ProtobufCBinaryData){strlen(text[i]), (uint8_t *)text[i]};
    return o;
}

/* One worker fetches the first page of each origin, which links to the others. */
static void fetch_first_pages(struct peer *p) {
    static char text[PAGES_MAX][LINK_BYTES];
    Trawl__VisitReport *visits[LIMIT_EXCHANGE_GRANTS];
    const Trawl__ExchangeReply *x = exchange("exchange", p, NULL, 0, LIMIT_EXCHANGE_GRANTS);
    struct arena a;

    for (unsigned i = 0; i < crowd.pages; i++)
        snprintf(text[i], LINK_BYTES, "/page/number/%u", i);
    arena_init(&a, LIMIT_ARENA_BYTES);
    while (x->n_grants > 0) {
        arena_reset(&a);
        for (size_t i = 0; i < x->n_grants; i++) {
            visits[i] = arena_alloc(&a, sizeof *visits[i]);
            trawl__visit_report__init(visits[i]);
            visits[i]->attempt = x->grants[i]->attempt;
            visits[i]->outcomes = arena_alloc(&a, sizeof(Trawl__Outcome *));
            visits[i]->outcomes[0] = fetched(&a, x->grants[i]->items[0]->fp, text, crowd.pages);
            visits[i]->n_outcomes = 1;
            visits[i]->done = true;
        }
        x = exchange("exchange", p, visits, x->n_grants, LIMIT_EXCHANGE_GRANTS);
    }
    arena_release(&a);
    assert_int_equal(master_stats(&crowd.m).fetched, crowd.origins);
}

static void ask_all(struct peer *p) {
    static const char *const urls[] = {"http://o1.example/", "http://o1.example/page/number/1",
                                       "http://o1.example/x", "http://elsewhere.example/"};
    Trawl__Status s = TRAWL__STATUS__INIT;

    (void)ask("status", p, TRAWL__REQUEST__BODY_STATUS, &s);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        Trawl__Why w = TRAWL__WHY__INIT;
        w.url = (ProtobufCBinaryData){strlen(urls[i]), (uint8_t *)urls[i]};
        assert_int_equal(ask("why", p, TRAWL__REQUEST__BODY_WHY, &w)->code, TRAWL__CODE__OK);
    }
}

/* Each loop of the worker takes as many visits as it may have. */
static void hoard(struct peer *p, const char *name, uint64_t incarnation) {
    for (unsigned i = 0; i < crowd.loops; i++) {
        if (i > 0)
            peer_release(p);
        join(p, name, i, incarnation);
        while (exchange("exchange, many visits", p, NULL, 0, LIMIT_EXCHANGE_GRANTS)->n_grants > 0)
            ;
    }
    assert_true(master_stats(&crowd.m).leases >= crowd.origins / 4);
}

/* An origin with very many URLs is given up. */
static void give_up_a_long_one(struct peer *p) {
    static char text[LINKS_MAX][LINK_BYTES];
    const Trawl__ExchangeReply *x;
    uint64_t attempt = 0, before = master_stats(&crowd.m).failed + master_stats(&crowd.m).excluded;
    struct arena a;

    arena_init(&a, LIMIT_ARENA_BYTES);
    while (attempt == 0) {
        x = exchange("exchange", p, NULL, 0, 1);
        assert_true(x->n_grants > 0);
        attempt = x->grants[0]->attempt;
    }
    uint64_t fp = x->grants[0]->items[0]->fp;
    for (unsigned k = 0; k < (crowd.dir == NULL ? 2 : LONG_QUEUES); k++) {
        Trawl__VisitReport v = TRAWL__VISIT_REPORT__INIT, *visits[] = {&v};
        for (unsigned i = 0; i < LINKS_MAX; i++)
            snprintf(text[i], LINK_BYTES, "/long/%u", k * LINKS_MAX + i);
        arena_reset(&a);
        Trawl__Outcome *o = fetched(&a, fp, text, LINKS_MAX), *outcomes[] = {o};
        o->state = TRAWL__STATE__LINKS;
        o->segment = 0;
        v.attempt = attempt;
        v.outcomes = outcomes;
        v.n_outcomes = 1;
        (void)exchange("exchange, 9000 new links", p, visits, 1, 0);
    }
    Trawl__VisitReport v = TRAWL__VISIT_REPORT__INIT, *visits[] = {&v};
    v.attempt = attempt;
    v.verdict = TRAWL__VERDICT__FORBIDDEN;
    v.reason = "address-not-allowed";
    v.done = true;
    (void)exchange("exchange", p, visits, 1, 0);
    wait_ms("tick, an origin is given up", 10);
    assert_true(master_stats(&crowd.m).failed + master_stats(&crowd.m).excluded - before >=
                LINKS_MAX);
    arena_release(&a);
}

static void forget(struct peer *p, const char *name) {
    Trawl__Control v = TRAWL__CONTROL__INIT;

    v.verb = TRAWL__VERB__FORGET;
    v.worker = (char *)name;
    assert_int_equal(ask("ctl forget", p, TRAWL__REQUEST__BODY_CONTROL, &v)->code, TRAWL__CODE__OK);
    wait_ms("tick, a disk is forgotten", 10);
    assert_false(ask("ctl forget", p, TRAWL__REQUEST__BODY_CONTROL, &v)->control->more);
    assert_int_equal(master_stats(&crowd.m).fetched, 0);
}

static void report(void) {
    for (size_t k = 0; k < KINDS && crowd.kinds[k].what != NULL; k++)
        printf("%-34s %8llu calls, longest %7.2f ms of CPU, %7.2f ms by the wall, mean %6.3f ms, "
               "work up to %llu\n",
               crowd.kinds[k].what, (unsigned long long)crowd.kinds[k].calls, crowd.kinds[k].cpu_ms,
               crowd.kinds[k].wall_ms, crowd.kinds[k].total_ms / (double)crowd.kinds[k].calls,
               (unsigned long long)crowd.kinds[k].work);
}

static void test_no_turn_is_long(void **state) {
    struct peer a, b;

    (void)state;
    begin();
    join(&a, "w1", 0, 1);
    add_origins(&a);
    fetch_first_pages(&a);
    peer_release(&a);
    wait_ms("tick, all have cooled down", 60 * 1000); /* w1 is lost on the way */
    hoard(&b, "w2", 1);
    ask_all(&b);
    peer_release(&b);
    wait_ms("tick, a worker is lost", 60 * 1000);
    assert_int_equal(master_stats(&crowd.m).leases, 0);

    hoard(&b, "w2", 2);
    peer_release(&b);
    join(&b, "w2", crowd.loops, 3); /* all its other loops are over */
    wait_ms("tick, a worker has come back", 1);
    assert_int_equal(master_stats(&crowd.m).leases, 0);
    peer_release(&b);

    struct stamp from = stamp();
    master_restart(&crowd.m);
    struct stamp to = stamp();
    if (crowd.dir != NULL)
        printf("restart: %.0f ms by the wall\n", since_ms(from.wall, to.wall));
    wait_ms("tick, the grace ends", 60 * 1000);
    wait_ms("tick, all have cooled down", 2000);
    join(&b, "w3", 0, 1);
    give_up_a_long_one(&b);
    ask_all(&b);

    Trawl__Control v = TRAWL__CONTROL__INIT;
    ProtobufCBinaryData url = {24, (uint8_t *)"http://elsewhere.example"};
    v.verb = TRAWL__VERB__ADD;
    v.urls = &url;
    v.n_urls = 1;
    (void)ask("ctl add", &b, TRAWL__REQUEST__BODY_CONTROL, &v);
    wait_ms("tick, the scope is wider", 2000);
    forget(&b, "w1");
    peer_release(&b);
    master_end(&crowd.m);
    if (crowd.dir != NULL)
        report();
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

static void join_tasker(struct peer *p, const char *name) {
    *p = (struct peer){
        .master = &crowd.m, .name = name, .incarnation = 1, .tasks = LIMIT_WORKER_TASKS};
    arena_init(&p->arena, LIMIT_ARENA_BYTES);
    buf_init(&p->bytes, LIMIT_WIRE_BYTES);
    peer_come(p);
}

/* The last splits, one for each slot, lie with w2, all others with w1. */
static void run_long_job(struct peer *p, uint8_t number) {
    static Trawl__Split made[LIMIT_JOB_SPLITS], *splits[LIMIT_JOB_SPLITS];
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__JobRun run = TRAWL__JOB_RUN__INIT;
    uint8_t token[16] = {number};

    for (size_t i = 0; i < LIMIT_JOB_SPLITS; i++) {
        trawl__split__init(&made[i]);
        made[i].path = (ProtobufCBinaryData){3, (uint8_t *)"/in"};
        made[i].to = 1;
        made[i].worker = i < LIMIT_JOB_SPLITS - LIMIT_WORKER_TASKS ? "w1" : "w2";
        splits[i] = &made[i];
    }
    spec.name = spec.function = "wordcount";
    spec.output = "/out";
    spec.reduces = 1;
    run.token = (ProtobufCBinaryData){sizeof token, token};
    run.spec = &spec;
    run.splits = splits;
    run.n_splits = LIMIT_JOB_SPLITS;
    assert_int_equal(peer_ask(p, TRAWL__REQUEST__BODY_JOB_RUN, &run)->code, TRAWL__CODE__OK);
}

/* Each of its splits is behind all those of another worker: it gets them all, and not at once. */
static void test_tasks_far_behind(void **state) {
    struct peer first, second;
    size_t granted = 0, calls = 0;

    (void)state;
    memset(crowd.kinds, 0, sizeof crowd.kinds);
    master_begin(&crowd.m);
    master_load(&crowd.m);
    join_tasker(&first, "w1");
    join_tasker(&second, "w2");
    run_long_job(&first, 1);
    while (granted < LIMIT_WORKER_TASKS) {
        Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
        x.number = ++second.number;
        x.want_tasks = LIMIT_WORKER_TASKS;
        const Trawl__Reply *reply =
            ask("exchange, tasks", &second, TRAWL__REQUEST__BODY_EXCHANGE, &x);
        assert_int_equal(reply->code, TRAWL__CODE__OK);
        assert_true(reply->exchange->n_tasks > 0);
        for (size_t i = 0; i < reply->exchange->n_tasks; i++)
            assert_string_equal(reply->exchange->tasks[i]->spec->split->worker, "w2");
        granted += reply->exchange->n_tasks;
        calls++;
    }
    assert_true(calls > 1);
    peer_release(&first);
    peer_release(&second);
    master_end(&crowd.m);
}

/* More jobs than are counted at once: each is told of once. */
static void test_long_jobs_are_listed(void **state) {
    enum { JOBS = 8 };
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    struct peer p;
    size_t told = 0, pages = 0;
    bool more = true;

    (void)state;
    memset(crowd.kinds, 0, sizeof crowd.kinds);
    master_begin(&crowd.m);
    master_load(&crowd.m);
    join_tasker(&p, "w1");
    for (uint8_t i = 1; i <= JOBS; i++)
        run_long_job(&p, i);
    for (; more; pages++) {
        const Trawl__JobReply *jobs = ask("job list", &p, TRAWL__REQUEST__BODY_JOB_QUERY, &q)->job;
        assert_true(jobs->n_jobs > 0);
        for (size_t i = 0; i < jobs->n_jobs; i++, told++) {
            assert_true(jobs->jobs[i]->job > q.after);
            q.after = jobs->jobs[i]->job;
        }
        more = jobs->more;
    }
    assert_int_equal(told, JOBS);
    assert_true(pages > 1);
    peer_release(&p);
    master_end(&crowd.m);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_turn_is_long),
                                       cmocka_unit_test(test_tasks_far_behind),
                                       cmocka_unit_test(test_long_jobs_are_listed)};

    crowd.dir = argc > 1 ? argv[1] : NULL;
    crowd.origins = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : argc > 1 ? 100000 : 12000;
    crowd.pages = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : argc > 1 ? 9 : 3;
    crowd.pages = crowd.pages < PAGES_MAX ? crowd.pages : PAGES_MAX;
    crowd.loops = argc > 1 ? 10 : 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

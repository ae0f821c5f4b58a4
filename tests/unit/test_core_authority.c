/* Who may do what to whose: a worker acts on its own leases and segments, and on those of a dead one whose directory it
 * has. Whatever else a peer says is refused, and costs nobody else anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// cmocka needs the headers above.
#include <cmocka.h>

#include "tests/unit/peer.h"

static struct master m;
static struct peer w1, w2;
static char crawl[17];

static int setup(void **state) {
    (void)state;
    master_begin(&m);
    m.options.host_connections = 2;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    master_seed(&m, "http://b.example/");
    peer_join(&w1, &m, "w1", 1);
    peer_join(&w2, &m, "w2", 1);
    /* A repeat gets the same session. */
    const Trawl__Reply *again = peer_register(&w1);
    snprintf(crawl, sizeof crawl, "%s", again->register_->options->crawl);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    peer_release(&w1);
    peer_release(&w2);
    master_end(&m);
    return 0;
}

/* ---- segments --------------------------------------------------------------------------------------------- */

struct name {
    char text[LIMIT_SEGMENT_NAME_BYTES + 1];
};

static struct name segment_of(const char *worker) {
    struct name n;

    snprintf(n.text, sizeof n.text, "%s-%s-000000000007-00001", worker, crawl);
    return n;
}

/* The peer gets one URL and reports it as fetched, with a record in that segment. True: taken. */
static bool commit(struct peer *p, const char *segment) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;
    Trawl__Outcome outcome = TRAWL__OUTCOME__INIT, *outcomes[] = {&outcome};
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);

    assert_int_equal(x->n_grants, 1);
    outcome.fp = x->grants[0]->items[0]->fp;
    outcome.state = TRAWL__STATE__FETCHED;
    outcome.status = 200;
    outcome.segment = 1;
    outcome.offset = 300;
    outcome.record_length = 200;
    report.attempt = x->grants[0]->attempt;
    report.outcomes = outcomes;
    report.n_outcomes = 1;
    report.done = true;
    return peer_exchange(p, &report, segment, 0)->visits[0]->n_refused == 0;
}

static Trawl__Code query(struct peer *p, struct name segment, const char *instance_of,
                         size_t *count) {
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    uint8_t instance[16] = {0};

    memcpy(instance, instance_of, strlen(instance_of));
    q.name = segment.text;
    q.place = PEER_PLACE;
    q.instance = (ProtobufCBinaryData){.len = instance_of[0] == '\0' ? 0 : 16, .data = instance};
    const Trawl__Reply *reply = peer_ask(p, TRAWL__REQUEST__BODY_SEGMENT_QUERY, &q);
    if (count != NULL && reply->code == TRAWL__CODE__OK)
        *count = reply->segment->n_offsets;
    return reply->code;
}

static Trawl__Code seal(struct peer *p, struct name segment, uint64_t from, uint64_t length,
                        uint64_t from2, uint64_t length2) {
    Trawl__SegmentSeal s = TRAWL__SEGMENT_SEAL__INIT;
    uint64_t offsets[] = {from, from2}, lengths[] = {length, length2};
    uint8_t instance[16] = {0};

    memcpy(instance, p->name, strlen(p->name));
    s.name = segment.text;
    s.place = PEER_PLACE;
    s.instance = (ProtobufCBinaryData){.len = 16, .data = instance};
    s.hole_offsets = offsets;
    s.hole_lengths = lengths;
    s.n_hole_offsets = s.n_hole_lengths = from2 == 0 ? 1 : 2;
    s.size = 500;
    return peer_ask(p, TRAWL__REQUEST__BODY_SEGMENT_SEAL, &s)->code;
}

static void a_worker_commits_into_its_own_segments(void **state) {
    size_t count = 99;

    (void)state;
    assert_true(commit(&w1, segment_of("w1").text));
    assert_false(commit(&w2, segment_of("w1").text));
    assert_false(commit(&w2, segment_of("w").text));
    assert_false(commit(&w2, "w2-0123456789abcdef-000000000007-00001"));
    assert_true(commit(&w2, segment_of("w2").text));
    assert_int_equal(query(&w1, segment_of("w1"), "w1", &count), TRAWL__CODE__OK);
    assert_int_equal(count, 1);
}

/* What no outcome that was taken has named is nothing that the crawldb has to remember. */
static void segments_that_are_only_named_are_not_kept(void **state) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    struct name names[] = {segment_of("w1"), segment_of("w2")};
    char *list[] = {names[0].text, names[1].text};

    (void)state;
    x.number = ++w1.number;
    x.segments = list;
    x.n_segments = 2;
    assert_int_equal(peer_ask(&w1, TRAWL__REQUEST__BODY_EXCHANGE, &x)->code, TRAWL__CODE__OK);
    assert_int_equal(master_stats(&m).segments_unsealed, 0);
}

static void a_living_workers_segments_are_its_own_to_close(void **state) {
    size_t count = 99;

    (void)state;
    assert_int_equal(query(&w2, segment_of("w1"), "", &count), TRAWL__CODE__HELD);
    assert_int_equal(query(&w2, segment_of("w1"), "w2", &count), TRAWL__CODE__HELD);
    assert_int_equal(seal(&w2, segment_of("w1"), 300, 1, 0, 0), TRAWL__CODE__HELD);
    assert_true(commit(&w1, segment_of("w1").text));
    /* Whoever has the directory has the instance. */
    assert_int_equal(query(&w2, segment_of("w1"), "w1", &count), TRAWL__CODE__OK);
    assert_int_equal(count, 1);
    assert_false(commit(&w1, segment_of("w1").text));
}

static void a_dead_workers_segments_are_sealed_by_whoever_finds_them(void **state) {
    size_t count = 99;

    (void)state;
    assert_true(commit(&w1, segment_of("w1").text));
    for (int i = 0; i < 12; i++) {
        master_wait(&m, m.options.lease_ms / 8);
        (void)peer_beat(&w2, 0);
    }
    assert_int_equal(query(&w2, segment_of("w1"), "", &count), TRAWL__CODE__OK);
    assert_int_equal(count, 1);
}

static void holes_are_where_no_record_is(void **state) {
    (void)state;
    assert_true(commit(&w1, segment_of("w1").text)); /* 300 to 499 */
    assert_int_equal(query(&w1, segment_of("w1"), "w1", NULL), TRAWL__CODE__OK);
    const struct {
        uint64_t from, length, from2, length2;
    } wrong[] = {
        {300, 200, 0, 0},         {299, 2, 0, 0},        {499, 1, 0, 0},     {0, 1000, 0, 0},
        {500, 0, 0, 0},           {700, 10, 600, 10},    {100, 50, 120, 10}, {100, 50, 150, 10},
        {1000, UINT64_MAX, 0, 0}, {UINT64_MAX, 1, 0, 0}, {100, 10, 310, 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(seal(&w1, segment_of("w1"), wrong[i].from, wrong[i].length, wrong[i].from2,
                              wrong[i].length2),
                         TRAWL__CODE__BAD_REQUEST);
    assert_int_equal(master_stats(&m).segments_unsealed, 1);
    assert_int_equal(seal(&w1, segment_of("w1"), 200, 100, 500, 7), TRAWL__CODE__OK);
    assert_int_equal(master_stats(&m).segments_unsealed, 0);
}

/* ---- attachments ------------------------------------------------------------------------------------------ */

struct claim {
    uint64_t attempt;
    const char *origin;
    uint32_t connections;
};

/* True for those that stand, as bits. */
static unsigned attach(struct peer *p, const struct claim *claims, size_t count) {
    static uint8_t address[4] = {192, 0, 2, 1};
    Trawl__Attach a = TRAWL__ATTACH__INIT;
    Trawl__AttachVisit visits[8], *list[8];
    unsigned stand = 0;

    for (size_t i = 0; i < count; i++) {
        trawl__attach_visit__init(&visits[i]);
        visits[i].attempt = claims[i].attempt;
        visits[i].origin = (ProtobufCBinaryData){.len = strlen(claims[i].origin),
                                                 .data = (uint8_t *)claims[i].origin};
        visits[i].connections = claims[i].connections;
        visits[i].address = (ProtobufCBinaryData){.len = sizeof address, .data = address};
        list[i] = &visits[i];
    }
    a.visits = list;
    a.n_visits = count;
    p->number = 0;
    const Trawl__Reply *reply = peer_ask(p, TRAWL__REQUEST__BODY_ATTACH, &a);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    for (size_t i = 0; i < count; i++)
        stand |= (unsigned)!reply->attach->visits[i]->lost << i;
    return stand;
}

static void restart(void) {
    master_restart(&m);
    w1.term++;
    w2.term++;
}

static void give_back(struct peer *p, uint64_t attempt) {
    Trawl__VisitReport report = TRAWL__VISIT_REPORT__INIT;

    report.attempt = attempt;
    report.done = true;
    assert_false(peer_exchange(p, &report, NULL, 0)->visits[0]->lost);
}

/* The last connection at an address is given back while a lease without any names it. */
static void a_lease_without_connections_is_at_no_address(void **state) {
    (void)state;
    uint64_t a = peer_exchange(&w1, NULL, NULL, 1)->grants[0]->attempt;
    uint64_t b = peer_exchange(&w2, NULL, NULL, 1)->grants[0]->attempt;
    restart();
    assert_int_equal(
        attach(&w1, (struct claim[]){{a, "http://a.example", 0}, {b, "http://b.example", 1}}, 2),
        3);
    (void)attach(&w2, NULL, 0);
    give_back(&w1, b);
    give_back(&w1, a);
    master_wait(&m, 2 * m.options.lease_ms);
    assert_false(core_failed(m.core, NULL));
}

/* ---- tasks ------------------------------------------------------------------------------------------------ */

static uint64_t begin_job(void) {
    Trawl__JobRun r = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split split = TRAWL__SPLIT__INIT, *list[] = {&split};
    uint8_t token[16] = {1};

    split.path = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"/in"};
    spec.name = spec.function = "wordcount";
    spec.output = "/out";
    spec.reduces = 1;
    r.spec = &spec;
    r.token = (ProtobufCBinaryData){.len = sizeof token, .data = token};
    r.splits = list;
    r.n_splits = 1;
    const Trawl__Reply *reply = peer_ask(&w1, TRAWL__REQUEST__BODY_JOB_RUN, &r);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->job->jobs[0]->job;
}

static const Trawl__ExchangeReply *tasks(struct peer *p, uint64_t done, uint32_t want) {
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;
    Trawl__TaskReport report = TRAWL__TASK_REPORT__INIT, *reports[] = {&report};
    Trawl__TaskResult result = TRAWL__TASK_RESULT__INIT;
    uint64_t bytes = 10;

    result.partition_bytes = &bytes;
    result.n_partition_bytes = 1;
    report.attempt = done;
    report.result = &result;
    x.number = ++p->number;
    x.tasks = reports;
    x.n_tasks = done != 0;
    x.want_tasks = want;
    const Trawl__Reply *reply = peer_ask(p, TRAWL__REQUEST__BODY_EXCHANGE, &x);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->exchange;
}

static void come_with_tasks(struct peer *p, uint32_t n) {
    p->tasks = n;
    p->serial++;
    peer_come(p);
}

/* Nobody serves what it made: its map task runs again, and the reduce task waits for that. */
static void a_task_worker_that_comes_back_as_a_loop(void **state) {
    (void)state;
    (void)begin_job();
    come_with_tasks(&w1, 1);
    uint64_t map = tasks(&w1, 0, 1)->tasks[0]->attempt;
    assert_int_equal(tasks(&w1, map, 0)->n_tasks_lost, 0);
    come_with_tasks(&w1, 0);
    come_with_tasks(&w2, 1);
    const Trawl__ExchangeReply *x = tasks(&w2, 0, 1);
    assert_int_equal(x->n_tasks, 1);
    assert_int_equal(x->tasks[0]->spec->kind, TRAWL__TASK_KIND__MAP);
}

/* Tasks are granted while loops attach. A claim to the next number would meet whoever is granted it. */
static void numbers_of_this_term_are_not_attached(void **state) {
    (void)state;
    (void)begin_job();
    restart();
    come_with_tasks(&w2, 1);
    uint64_t map = tasks(&w2, 0, 1)->tasks[0]->attempt;
    assert_int_equal(attach(&w1,
                            (struct claim[]){{map + 1, "http://a.example", 1},
                                             {map, "http://b.example", 1},
                                             {0, "http://b.example", 1}},
                            3),
                     0);
}

/* It is handed to others, who connect to it. */
static void where_outputs_are_served_is_an_address(void **state) {
    static const char *const wrong[] = {"",
                                        "tcp://",
                                        "tcp://x",
                                        "tcp://[::1]",
                                        "tcp://127.0.0.1:0",
                                        "tcp://127.0.0.1:70000",
                                        "ipc:///tmp/x",
                                        "http://x:1"};
    uint8_t instance[16] = {'t', 'w'};
    Trawl__Register r = TRAWL__REGISTER__INIT;

    (void)state;
    r.worker = "tw";
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.process = r.loops = 1;
    r.tasks = 1;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.serve = (char *)wrong[i];
        assert_int_equal(peer_ask(&w1, TRAWL__REQUEST__BODY_REGISTER, &r)->code,
                         TRAWL__CODE__BAD_REQUEST);
    }
}

/* ---- numbers of peers ------------------------------------------------------------------------------------- */

static void names_of_workers_are_bounded(void **state) {
    uint8_t instance[16] = {1};
    Trawl__Register r = TRAWL__REGISTER__INIT;
    Trawl__Leave leave = TRAWL__LEAVE__INIT;
    char name[32];

    (void)state;
    r.worker = name;
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.process = r.loops = 1;
    for (int i = 2; i < LIMIT_WORKERS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        const Trawl__Reply *reply = peer_ask(&w2, TRAWL__REQUEST__BODY_REGISTER, &r);
        assert_int_equal(reply->code, TRAWL__CODE__OK);
        w2.session = reply->register_->session;
        (void)peer_ask(&w2, TRAWL__REQUEST__BODY_LEAVE, &leave);
    }
    snprintf(name, sizeof name, "late");
    assert_int_equal(peer_ask(&w2, TRAWL__REQUEST__BODY_REGISTER, &r)->code, TRAWL__CODE__REFUSED);
    /* One that is known is let in again. */
    snprintf(name, sizeof name, "n7");
    assert_int_equal(peer_ask(&w2, TRAWL__REQUEST__BODY_REGISTER, &r)->code, TRAWL__CODE__OK);
    assert_int_equal(peer_exchange(&w1, NULL, NULL, 1)->n_grants, 1);
}

/* Whoever had a name before, with whatever numbers, does not keep it. */
static void a_name_that_nobody_has_is_free(void **state) {
    uint8_t instance[16] = {9};
    Trawl__Register r = TRAWL__REGISTER__INIT;
    Trawl__Leave leave = TRAWL__LEAVE__INIT;

    (void)state;
    (void)peer_ask(&w1, TRAWL__REQUEST__BODY_LEAVE, &leave);
    r.worker = "w1";
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.incarnation = r.process = UINT64_MAX;
    r.loops = 1;
    const Trawl__Reply *reply = peer_ask(&w2, TRAWL__REQUEST__BODY_REGISTER, &r);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(peer_register(&w1)->code, TRAWL__CODE__BUSY);
    w2.session = reply->register_->session;
    (void)peer_ask(&w2, TRAWL__REQUEST__BODY_LEAVE, &leave);
    peer_come(&w1);
    assert_int_equal(peer_exchange(&w1, NULL, NULL, 1)->n_grants, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_worker_commits_into_its_own_segments),
        TEST(segments_that_are_only_named_are_not_kept),
        TEST(a_living_workers_segments_are_its_own_to_close),
        TEST(a_dead_workers_segments_are_sealed_by_whoever_finds_them),
        TEST(holes_are_where_no_record_is),
        TEST(a_lease_without_connections_is_at_no_address),
        TEST(a_task_worker_that_comes_back_as_a_loop),
        TEST(numbers_of_this_term_are_not_attached),
        TEST(where_outputs_are_served_is_an_address),
        TEST(names_of_workers_are_bounded),
        TEST(a_name_that_nobody_has_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

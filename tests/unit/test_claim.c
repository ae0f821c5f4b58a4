/* claim: whose a worker's name is, when its directory was copied, put back, or is used again. */
#include "master/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/peer.h"

enum { LEASE_MS = 10000, BEAT_MS = 1000 };

static struct master m;
static struct peer first;

static int setup(void **state) {
    (void)state;
    master_begin(&m);
    m.options.lease_ms = LEASE_MS;
    master_load(&m);
    master_seed(&m, "http://a.example/");
    peer_join(&first, &m, "w", 10);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    peer_release(&first);
    master_end(&m);
    return 0;
}

struct asker {
    uint64_t incarnation, process, place;
    const char *instance, *crawl;
    uint32_t tasks;
    Trawl__Code code;
    uint64_t session;
    char error[512];
};

static void ask(struct asker *a) {
    struct peer p = {.master = &m};
    uint8_t instance[16] = {0};
    Trawl__Register r = TRAWL__REGISTER__INIT;

    arena_init(&p.arena, LIMIT_ARENA_BYTES);
    buf_init(&p.bytes, LIMIT_WIRE_BYTES);
    memcpy(instance, a->instance == NULL ? "w" : a->instance, 1);
    r.worker = "w";
    r.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    r.incarnation = a->incarnation;
    r.process = a->process;
    r.place = a->place;
    r.crawl = a->crawl == NULL ? "" : (char *)a->crawl;
    r.loops = 1;
    r.serial = 1;
    r.tasks = a->tasks;
    r.serve = a->tasks > 0 ? "tcp://127.0.0.1:1" : "";
    const Trawl__Reply *reply = peer_ask(&p, TRAWL__REQUEST__BODY_REGISTER, &r);
    a->code = reply->code;
    a->session = reply->code == TRAWL__CODE__OK ? reply->register_->session : 0;
    snprintf(a->error, sizeof a->error, "%s", reply->error);
    peer_release(&p);
}

/* Asks again and again, as an agent does, while the first one beats or is silent. False: it is still waiting. */
static bool ask_for(struct asker *a, int64_t ms, bool first_lives) {
    for (; ms >= 0; ms -= BEAT_MS) {
        ask(a);
        if (a->code != TRAWL__CODE__BUSY)
            return true;
        master_wait(&m, BEAT_MS);
        if (first_lives)
            (void)peer_beat(&first, 0);
    }
    return false;
}

/* As like as can be: a copy made while both were stopped, then both are started. */
static struct asker copy(void) {
    return (struct asker){.incarnation = 10, .process = 77, .place = PEER_PLACE + 1};
}

static void a_copy_beside_the_first_is_refused(void **state) {
    struct asker a = copy();
    uint64_t session = first.session;

    (void)state;
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__BUSY);
    assert_non_null(strstr(a.error, "another process had the name w a moment ago"));
    assert_true(ask_for(&a, LEASE_MS, true));
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    assert_non_null(strstr(a.error, "in a directory of which this worker's is a copy"));
    assert_non_null(strstr(a.error, "another --name and an empty --dir"));
    assert_int_equal(peer_exchange(&first, NULL, NULL, 1)->n_grants, 1);
    assert_int_equal(first.session, session);
}

static void so_is_one_that_was_started_more_often(void **state) {
    struct asker a = copy();

    (void)state;
    a.incarnation = 11;
    assert_true(ask_for(&a, LEASE_MS, true));
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    (void)peer_beat(&first, 0);
}

static void so_is_another_directory(void **state) {
    struct asker a = copy();

    (void)state;
    a.instance = "x";
    assert_true(ask_for(&a, LEASE_MS, true));
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    assert_non_null(strstr(a.error, "in another directory"));
}

static void a_copy_of_one_that_died_waits_for_its_leases(void **state) {
    struct asker a = copy();

    (void)state;
    assert_false(ask_for(&a, LEASE_MS - 2 * BEAT_MS, false));
    assert_true(ask_for(&a, 3 * BEAT_MS, false));
    assert_int_equal(a.code, TRAWL__CODE__OK);
    assert_int_not_equal(a.session, first.session);
    /* The first one was only cut off. */
    assert_int_equal(peer_register(&first)->code, TRAWL__CODE__BUSY);
}

static void a_restart_in_the_same_place_is_let_in_at_once(void **state) {
    struct asker a = {.incarnation = 11, .process = 77, .place = PEER_PLACE};
    struct asker late = {.incarnation = 10, .process = 10, .place = PEER_PLACE};

    (void)state;
    assert_int_equal(peer_exchange(&first, NULL, NULL, 1)->n_grants, 1);
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__OK);
    assert_int_not_equal(a.session, first.session);
    /* What the dead one had still on its way. */
    ask(&late);
    assert_int_equal(late.code, TRAWL__CODE__REFUSED);
    uint64_t session = a.session;
    ask(&a);
    assert_int_equal(a.session, session);
}

/* Without /proc, say: two unknown places are not one. */
static void an_unknown_place_is_no_proof(void **state) {
    struct asker a = {.incarnation = 11, .process = 78}, b = {.incarnation = 12, .process = 79};

    (void)state;
    assert_true(ask_for(&a, 2 * LEASE_MS, false));
    assert_int_equal(a.code, TRAWL__CODE__OK);
    ask(&b);
    assert_int_equal(b.code, TRAWL__CODE__BUSY);
}

static void a_repeat_has_its_session(void **state) {
    struct asker a = {.incarnation = 10, .process = 10, .place = PEER_PLACE};

    (void)state;
    first.serial = 0;
    ask(&a);
    uint64_t session = a.session;
    ask(&a);
    assert_int_equal(a.session, session);
}

static void it_is_so_after_a_restart_of_the_master(void **state) {
    struct asker a = copy(), same = {.incarnation = 10, .process = 10, .place = PEER_PLACE};
    Trawl__Attach attach = TRAWL__ATTACH__INIT;

    (void)state;
    master_restart(&m);
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__BUSY);
    first.term =
        peer_ask(&first, TRAWL__REQUEST__BODY_HEARTBEAT, &(Trawl__Heartbeat)TRAWL__HEARTBEAT__INIT)
            ->term;
    assert_int_equal(peer_ask(&first, TRAWL__REQUEST__BODY_ATTACH, &attach)->code, TRAWL__CODE__OK);
    assert_true(ask_for(&a, LEASE_MS, true));
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    ask(&same);
    assert_int_equal(same.code, TRAWL__CODE__OK);
}

/* Whoever asks first is told first; who asks no more makes room. */
static void two_that_ask(void **state) {
    struct asker a = copy(), b = copy();

    (void)state;
    b.process = 78;
    for (int i = 0; i < 6; i++) {
        ask(&a);
        ask(&b);
        assert_int_equal(b.code, TRAWL__CODE__BUSY);
        master_wait(&m, BEAT_MS);
        (void)peer_beat(&first, 0);
    }
    assert_true(ask_for(&a, LEASE_MS, true));
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    assert_true(ask_for(&b, LEASE_MS, true));
    assert_int_equal(b.code, TRAWL__CODE__REFUSED);
}

/* Its file is a copy, too: it must not be closed for the one who writes it. */
static void a_copy_does_not_close_segments(void **state) {
    Trawl__SegmentQuery q = TRAWL__SEGMENT_QUERY__INIT;
    uint8_t instance[16] = {'w'};
    char name[64];
    struct asker crawl = {.process = 99, .crawl = "0000000000000000"};

    (void)state;
    ask(&crawl);
    const char *id = strstr(crawl.error, "this is ");
    assert_non_null(id);
    snprintf(name, sizeof name, "w-%.16s-000000000007-00001", id + 8);
    q.name = name;
    q.instance = (ProtobufCBinaryData){.len = sizeof instance, .data = instance};
    q.place = PEER_PLACE + 1;
    assert_int_equal(peer_ask(&first, TRAWL__REQUEST__BODY_SEGMENT_QUERY, &q)->code,
                     TRAWL__CODE__HELD);
    q.place = PEER_PLACE;
    assert_int_equal(peer_ask(&first, TRAWL__REQUEST__BODY_SEGMENT_QUERY, &q)->code,
                     TRAWL__CODE__OK);
}

static void the_directory_of_another_crawl_is_refused(void **state) {
    struct asker a = {
        .incarnation = 11, .process = 77, .place = PEER_PLACE, .crawl = "0123456789abcdef"};
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;

    (void)state;
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__REFUSED);
    assert_non_null(strstr(a.error, "another crawl (0123456789abcdef, and this is "));
    assert_non_null(strstr(a.error, "another --dir"));
    a.crawl = "../";
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__BAD_REQUEST);
    /* Nothing has happened to who is there. */
    x.number = 1;
    assert_int_equal(peer_ask(&first, TRAWL__REQUEST__BODY_EXCHANGE, &x)->code, TRAWL__CODE__OK);
}

/* Tasks bring no records. */
static void tasks_are_of_any_crawl(void **state) {
    struct asker a = {.incarnation = 11,
                      .process = 77,
                      .place = PEER_PLACE,
                      .tasks = 2,
                      .crawl = "0123456789abcdef"};

    (void)state;
    ask(&a);
    assert_int_equal(a.code, TRAWL__CODE__OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_copy_beside_the_first_is_refused),
        TEST(so_is_one_that_was_started_more_often),
        TEST(so_is_another_directory),
        TEST(a_copy_of_one_that_died_waits_for_its_leases),
        TEST(a_restart_in_the_same_place_is_let_in_at_once),
        TEST(an_unknown_place_is_no_proof),
        TEST(a_repeat_has_its_session),
        TEST(it_is_so_after_a_restart_of_the_master),
        TEST(two_that_ask),
        TEST(a_copy_does_not_close_segments),
        TEST(the_directory_of_another_crawl_is_refused),
        TEST(tasks_are_of_any_crawl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

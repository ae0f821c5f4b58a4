/* trial: a URL that kills its workers ends as failed, and only that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "master/trial.h"
#include "tests/unit/peer.h"

enum { ROUNDS_MAX = 2000 };

/* What the worker does with a URL. */
typedef bool kills(const char *origin, const char *path);

static bool kills_poison(const char *origin, const char *path) {
    (void)origin;
    return strstr(path, "poison") != NULL;
}

static bool kills_at_a(const char *origin, const char *path) {
    (void)path;
    return strcmp(origin, "http://a.example") == 0;
}

static bool kills_never(const char *origin, const char *path) {
    (void)origin;
    (void)path;
    return false;
}

/* A visit as the worker has it: copied, because answers pass. */
struct visit_plan {
    char origin[64];
    uint64_t attempt;
    size_t count, at;
    struct {
        uint64_t fp;
        char path[64];
    } items[LIMIT_VISIT_ITEMS];
};

static struct visit_plan plans[8];
static size_t plan_count;

static void take_grants(const Trawl__ExchangeReply *x) {
    for (size_t i = 0; i < x->n_grants; i++) {
        const Trawl__Grant *g = x->grants[i];
        struct visit_plan *v = &plans[plan_count++];
        assert_true(plan_count <= 8);
        *v = (struct visit_plan){.attempt = g->attempt};
        snprintf(v->origin, sizeof v->origin, "%.*s", (int)g->origin.len, g->origin.data);
        for (size_t k = 0; k < g->n_items; k++) {
            v->items[k].fp = g->items[k]->fp;
            snprintf(v->items[k].path, sizeof v->items[k].path, "%.*s", (int)g->items[k]->path.len,
                     g->items[k]->path.data);
        }
        v->count = g->n_items;
    }
}

/* One URL of each visit, in turn. False: the worker has died of one. */
static bool work_round(struct peer *p, kills *deadly) {
    for (size_t i = 0; i < plan_count; i++) {
        struct visit_plan *v = &plans[i];
        if (v->at == v->count)
            continue;
        if (deadly(v->origin, v->items[v->at].path))
            return false;
        bool last = v->at + 1 == v->count;
        (void)peer_report(p, v->attempt, v->items[v->at].fp, TRAWL__STATE__FETCHED, last);
        v->at++;
    }
    return true;
}

/* Works until nothing is left, and is started again whenever it dies. Returns how often it did. */
static unsigned work(struct master *m, struct peer *p, kills *deadly) {
    unsigned deaths = 0;

    plan_count = 0;
    for (int round = 0; round < ROUNDS_MAX && master_stats(m).pending > 0; round++) {
        bool idle = true;
        for (size_t i = 0; i < plan_count; i++)
            idle = idle && plans[i].at == plans[i].count;
        if (idle) {
            plan_count = 0;
            take_grants(peer_exchange(p, NULL, NULL, 8));
        }
        if (!work_round(p, deadly)) {
            deaths++;
            plan_count = 0;
            peer_die(p);
        }
        master_wait(m, 10);
    }
    assert_int_equal(master_stats(m).pending, 0);
    return deaths;
}

/* As one of which a segment is known. */
static void prove(struct master *m, const char *name) {
    struct worker *w = lease_worker_add(&m->core->leases, name);

    assert_non_null(w);
    w->proven = true;
}

static void begin(struct master *m, struct peer *p, const char *const *urls) {
    master_begin(m);
    master_load(m);
    for (; *urls != NULL; urls++)
        master_seed(m, *urls);
    peer_join(p, m, "w", 1);
    prove(m, "w");
}

static void end(struct master *m, struct peer *p) {
    peer_release(p);
    master_end(m);
}

static const char *const one_poison[] = {
    "http://a.example/1", "http://a.example/2", "http://a.example/poison",
    "http://a.example/3", "http://a.example/4", "http://b.example/5",
    "http://b.example/6", "http://c.example/7", NULL,
};

static void test_one_poison(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    begin(&m, &p, one_poison);
    assert_int_equal(work(&m, &p, kills_poison), TRIAL_GUILTY);
    assert_int_equal(master_stats(&m).fetched, 7);
    assert_ended(&m, "/poison", "failed lost-with-worker");
    end(&m, &p);
}

/* Two origins' at once, and two of one origin: none of the others is taken for one of them. */
static void test_several(void **state) {
    static const char *const urls[] = {
        "http://a.example/1", "http://a.example/poison-1",
        "http://a.example/2", "http://a.example/poison-2",
        "http://a.example/3", "http://b.example/poison-3",
        "http://b.example/4", "http://c.example/5",
        "http://c.example/6", NULL,
    };
    struct master m;
    struct peer p;

    (void)state;
    begin(&m, &p, urls);
    assert_in_range(work(&m, &p, kills_poison), 2 * TRIAL_GUILTY, 3 * TRIAL_GUILTY);
    assert_int_equal(master_stats(&m).fetched, 6);
    assert_int_equal(master_stats(&m).failed, 3);
    end(&m, &p);
}

/* Losses are in the crawldb: the master's restarts do not make it begin anew. */
static void test_restarts(void **state) {
    struct master m;
    struct peer p;
    unsigned deaths = 0;

    (void)state;
    begin(&m, &p, one_poison);
    for (; deaths < TRIAL_STAND; deaths++) {
        for (plan_count = 0; plan_count == 0 || work_round(&p, kills_poison);) {
            take_grants(peer_exchange(&p, NULL, NULL, 8));
            master_wait(&m, 10);
        }
        peer_die(&p);
        master_restart(&m);
        prove(&m, "w");
        master_wait(&m, m.options.lease_ms + 1000);
        peer_come(&p);
    }
    assert_int_equal(deaths + work(&m, &p, kills_poison), TRIAL_GUILTY);
    assert_ended(&m, "/poison", "failed lost-with-worker");
    end(&m, &p);
}

/* Killed from outside, again and again, whatever it does: then left in peace. */
static void test_kills_from_outside(void **state) {
    struct master m;
    struct peer p;

    (void)state;
    begin(&m, &p, one_poison);
    for (int i = 0; i < TRIAL_GUILTY - 1; i++) {
        (void)peer_exchange(&p, NULL, NULL, 8);
        peer_die(&p);
        master_wait(&m, 10);
    }
    assert_int_equal(work(&m, &p, kills_never), 0);
    assert_int_equal(master_stats(&m).fetched, 8);
    end(&m, &p);
}

static size_t items_granted(struct peer *p, uint64_t *attempt, uint64_t *fp) {
    const Trawl__ExchangeReply *x = peer_exchange(p, NULL, NULL, 1);

    assert_int_equal(x->n_grants, 1);
    *attempt = x->grants[0]->attempt;
    *fp = x->grants[0]->items[0]->fp;
    return x->grants[0]->n_items;
}

static const char *const three[] = {"http://a.example/1", "http://a.example/2",
                                    "http://a.example/3", NULL};

/* A worker that lives to tell of an error has survived the URL. */
static void test_survived(void **state) {
    struct master m;
    struct peer p;
    uint64_t attempt, fp;

    (void)state;
    begin(&m, &p, three);
    for (int i = 0; i < TRIAL_ALONE; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 3);
        peer_die(&p);
        master_wait(&m, 10);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 1);
        (void)peer_report(&p, attempt, fp, TRAWL__STATE__RETRY, true);
        master_wait(&m, 10);
    }
    assert_int_equal(items_granted(&p, &attempt, &fp), 3);
    end(&m, &p);
}

/* Leases that end while their session lives are nobody's fault; when it is silent they are. */
static void test_whose_lease_ends(void **state) {
    struct {
        bool beats;
        size_t granted_after;
    } cases[] = {{true, 3}, {false, 1}};
    uint64_t attempt, fp;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct master m;
        struct peer p;
        begin(&m, &p, three);
        for (int k = 0; k < TRIAL_ALONE; k++) {
            assert_int_equal(items_granted(&p, &attempt, &fp), 3);
            for (int64_t ms = 0; ms <= m.options.lease_ms + 1000; ms += 500) {
                if (cases[i].beats)
                    (void)peer_beat(&p, 0);
                master_wait(&m, 500);
            }
            assert_int_equal(master_stats(&m).leases, 0);
            if (!cases[i].beats)
                peer_come(&p);
        }
        assert_int_equal(items_granted(&p, &attempt, &fp), cases[i].granted_after);
        end(&m, &p);
    }
}

/* While one worker has a URL by itself it gets nothing else, and the other has all the rest. */
static void test_by_itself(void **state) {
    struct master m;
    struct peer p, other;
    uint64_t attempt, fp;

    (void)state;
    begin(&m, &p, (const char *const[]){"http://a.example/1", NULL});
    for (int i = 0; i < TRIAL_STAND; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 1);
        peer_die(&p);
        master_wait(&m, 10);
    }
    assert_int_equal(items_granted(&p, &attempt, &fp), 1);
    peer_join(&other, &m, "other", 1);
    master_seed(&m, "http://b.example/1");
    assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 0);
    assert_int_equal(peer_exchange(&other, NULL, NULL, 1)->n_grants, 1);
    /* It ends with whatever the worker says of it. */
    (void)peer_report(&p, attempt, fp, TRAWL__STATE__FETCHED, true);
    master_seed(&m, "http://c.example/1");
    assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 1);
    peer_release(&other);
    end(&m, &p);
}

static void be_troubled(struct peer *p, const char *trouble) {
    Trawl__Heartbeat h = TRAWL__HEARTBEAT__INIT;

    h.trouble = (char *)trouble;
    (void)peer_ask(p, TRAWL__REQUEST__BODY_HEARTBEAT, &h);
}

/* A worker with other leases is summoned: nothing new for it until they have ended. Others work on meanwhile. */
static void test_summons(void **state) {
    struct master m;
    struct peer p, other;
    uint64_t attempt, fp, others, others_fp, d_fp;

    (void)state;
    begin(&m, &p, (const char *const[]){"http://b.example/1", NULL});
    peer_join(&other, &m, "other", 1);
    assert_int_equal(items_granted(&other, &others, &others_fp), 1);
    be_troubled(&other, "no room"); /* or it would be asked when the first one has died with it */
    master_seed(&m, "http://a.example/1");
    for (int i = 0; i < TRIAL_STAND; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 1);
        peer_die(&p);
        master_wait(&m, 10);
    }
    be_troubled(&other, "");
    prove(&m, "other");
    /* Two visits are under way and one origin is ready: a second visit is the other's share. */
    master_seed(&m, "http://d.example/1");
    assert_int_equal(items_granted(&p, &attempt, &d_fp), 1);
    assert_true(d_fp != fp);
    assert_int_equal(peer_exchange(&other, NULL, NULL, 1)->n_grants, 0);
    master_seed(&m, "http://c.example/1");
    assert_int_equal(peer_exchange(&other, NULL, NULL, 1)->n_grants, 0);
    assert_int_equal(peer_exchange(&p, NULL, NULL, 8)->n_grants, 1);
    (void)peer_report(&other, others, others_fp, TRAWL__STATE__FETCHED, true);
    assert_int_equal(items_granted(&other, &attempt, &others_fp), 1);
    assert_true(others_fp == fp);
    peer_release(&other);
    end(&m, &p);
}

/* An origin that kills with everything is given up. */
static void test_origin(void **state) {
    struct master m;
    struct peer p;
    char url[64];

    (void)state;
    begin(&m, &p, (const char *const[]){"http://b.example/1", "http://b.example/2", NULL});
    for (int i = 0; i < 20; i++) {
        snprintf(url, sizeof url, "http://a.example/%d", i);
        master_seed(&m, url);
    }
    assert_in_range(work(&m, &p, kills_at_a), LIMIT_ORIGIN_CULPRITS * TRIAL_GUILTY / 2,
                    LIMIT_ORIGIN_CULPRITS * TRIAL_GUILTY);
    assert_int_equal(master_stats(&m).failed, 20);
    assert_int_equal(master_stats(&m).fetched, 2);
    assert_ended(&m, "/19", "failed lost-with-worker");
    end(&m, &p);
}

/* Whoever has never got anything done may die at whatever it is given: that says nothing of it. */
static void test_unproven(void **state) {
    struct master m;
    struct peer p;
    uint64_t attempt, fp;

    (void)state;
    begin(&m, &p, three);
    lease_worker_add(&m.core->leases, "w")->proven = false;
    for (int i = 0; i < 5 * TRIAL_GUILTY; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 3);
        peer_die(&p);
        master_wait(&m, 10);
    }
    assert_int_equal(master_stats(&m).pending, 3);
    assert_true(master_stats(&m).undecided);
    /* An answer is proof, and stays it, though it left nothing in the archive. */
    assert_int_equal(items_granted(&p, &attempt, &fp), 3);
    (void)peer_report(&p, attempt, fp, TRAWL__STATE__FETCHED, true);
    assert_true(lease_worker(&m.core->leases, "w")->proven);
    assert_false(master_stats(&m).undecided);
    master_restart(&m);
    assert_true(lease_worker(&m.core->leases, "w")->proven);
    end(&m, &p);
}

/* A worker that dies at everything, and one that is well: the one gets what it died with alone no more, the other
 * shows that it is harmless. */
static void test_another_first(void **state) {
    struct master m;
    struct peer p, other;
    uint64_t attempt, fp;

    (void)state;
    begin(&m, &p, (const char *const[]){"http://a.example/1", NULL});
    for (int i = 0; i < TRIAL_ALONE + 1; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 1);
        peer_die(&p);
        master_wait(&m, 10);
    }
    peer_join(&other, &m, "other", 1);
    prove(&m, "other");
    assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 0);
    assert_int_equal(items_granted(&other, &attempt, &fp), 1);
    (void)peer_report(&other, attempt, fp, TRAWL__STATE__FETCHED, true);
    assert_int_equal(master_stats(&m).fetched, 1);
    peer_release(&other);
    end(&m, &p);
}

/* The other has not proven itself yet, and may never have the chance if it is not asked. */
static void test_another_unproven(void **state) {
    struct master m;
    struct peer p, other;
    uint64_t attempt, fp;

    (void)state;
    begin(&m, &p, (const char *const[]){"http://a.example/1", NULL});
    for (int i = 0; i < TRIAL_ALONE + 1; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 1);
        peer_die(&p);
        master_wait(&m, 10);
    }
    peer_join(&other, &m, "other", 1);
    assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 0);
    assert_int_equal(items_granted(&other, &attempt, &fp), 1);
    (void)peer_report(&other, attempt, fp, TRAWL__STATE__FETCHED, true);
    assert_int_equal(master_stats(&m).fetched, 1);
    peer_release(&other);
    end(&m, &p);
}

/* A URL that kills both: they take turns, and the deaths of the one that has worked convict it. */
static void test_turns(void **state) {
    struct master m;
    struct peer p, other;
    unsigned deaths[2] = {0};

    (void)state;
    begin(&m, &p, (const char *const[]){"http://a.example/1", NULL});
    peer_join(&other, &m, "other", 1);
    for (int i = 0; i < 8 * TRIAL_GUILTY && master_stats(&m).failed == 0; i++) {
        for (int k = 0; k < 2; k++) {
            struct peer *who = k == 0 ? &p : &other;
            if (peer_exchange(who, NULL, NULL, 1)->n_grants == 0)
                continue;
            deaths[k]++;
            peer_die(who);
            master_wait(&m, 10);
        }
    }
    assert_int_equal(master_stats(&m).failed, 1);
    assert_int_equal(deaths[0], TRIAL_GUILTY);
    assert_in_range(deaths[1], TRIAL_GUILTY - TRIAL_ALONE - 1, 2 * TRIAL_GUILTY);
    peer_release(&other);
    end(&m, &p);
}

static void leave(struct peer *p, const char *trouble) {
    Trawl__Leave l = TRAWL__LEAVE__INIT;

    l.trouble = (char *)trouble;
    assert_int_equal(peer_ask(p, TRAWL__REQUEST__BODY_LEAVE, &l)->code, TRAWL__CODE__OK);
}

/* What the worker explains counts for nothing; while it is in trouble it gets nothing. */
static void test_explained(void **state) {
    struct master m;
    struct peer p;
    uint64_t attempt, fp;
    struct core_stats s;

    (void)state;
    begin(&m, &p, three);
    for (int i = 0; i < 2 * TRIAL_GUILTY; i++) {
        assert_int_equal(items_granted(&p, &attempt, &fp), 3);
        leave(&p, "no room");
        peer_die(&p);
        master_wait(&m, 10);
    }
    be_troubled(&p, "cannot write x:\nno room");
    assert_int_equal(peer_exchange(&p, NULL, NULL, 1)->n_grants, 0);
    s = master_stats(&m);
    assert_int_equal(s.workers_troubled, 1);
    assert_string_equal(s.trouble, "w: cannot write x:no room");
    (void)peer_beat(&p, 0);
    assert_int_equal(master_stats(&m).workers_troubled, 0);
    assert_int_equal(items_granted(&p, &attempt, &fp), 3);
    end(&m, &p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_poison),       cmocka_unit_test(test_several),
        cmocka_unit_test(test_restarts),         cmocka_unit_test(test_kills_from_outside),
        cmocka_unit_test(test_survived),         cmocka_unit_test(test_whose_lease_ends),
        cmocka_unit_test(test_by_itself),        cmocka_unit_test(test_summons),
        cmocka_unit_test(test_origin),           cmocka_unit_test(test_unproven),
        cmocka_unit_test(test_another_first),    cmocka_unit_test(test_explained),
        cmocka_unit_test(test_another_unproven), cmocka_unit_test(test_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

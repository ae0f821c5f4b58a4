#include "tests/sim/jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "master/core.h"
#include "master/record.h"
#include "master/store_mem.h"
#include "shared/heap.h"
#include "shared/limits.h"
#include "shared/map.h"
#include "tests/sim/rng.h"
#include "tests/sim/skew.h"
#include "worker/task_agent.h"

enum {
    WORKERS_MAX = 4,
    JOBS_MAX = 3,
    MAPS_MAX = 7,
    REDUCES_MAX = 4,
    POISON_MAX = 2, /* records of a map task that crash every attempt */
    FILES_MAX = 256,
    LEASE_MS = 2000,
    HEARTBEAT_MS = 300,
    TASK_TIMEOUT_MS = 3000,
    CALL_TIMEOUT_MS = 1000,
    FAULTS_END_MS = 40 * 1000,
    END_MS = 600 * 1000,
    EVENTS_MAX = 1000000,
    MAP = TRAWL__TASK_KIND__MAP,
    REDUCE = TRAWL__TASK_KIND__REDUCE,
};

/* ---- what there is ------------------------------------------------------------------------------------- */

struct sim_file {
    uint64_t job, attempt;
    uint32_t map;
};

struct sim_child {
    uint64_t attempt, job;
    Trawl__TaskKind kind;
    uint32_t number;
    bool hangs, killed;
    struct arena arena;
    Trawl__TaskSpec *spec;
    struct sim_child *next;
};

struct sim_tasker {
    uint32_t index;
    char name[16];
    uint64_t incarnation; /* of the process */
    uint64_t memory;      /* of its agent: events of an older one are void */
    bool alive, left;
    int64_t paused_until_ms;
    bool cut_up, cut_down;
    struct skew skew; /* of its clock */
    struct task_agent *agent;
    struct sim_child *children;
    struct sim_file files[FILES_MAX];
    size_t file_count;
    uint64_t call[AGENT_LINES]; /* number of the request under way; 0: none */
    struct buf asked[AGENT_LINES];
    int64_t wake_ms;
    struct {
        uint64_t master, session, number;
    } answered; /* the last exchange, as the master saw it */
};

/* A job as its operator knows it. */
struct sim_job {
    char name[16];
    uint64_t number; /* 0: the master does not know it */
    bool known;      /* and the operator has it */
    unsigned char token[16];
    uint32_t maps, reduces;
    bool no_backup, to_cancel;
    Trawl__JobState told;
    bool reduce_told[REDUCES_MAX];         /* its worker knows that it is done */
    uint64_t output[REDUCES_MAX];          /* attempt that made part-NNNNN; 0: not there */
    uint64_t accepted[2];                  /* reports of DONE that the master took */
    uint64_t poison[MAPS_MAX][POISON_MAX]; /* 0: none */
    uint64_t poisons;
};

enum event_kind {
    EVENT_WAKE,
    EVENT_REQUEST,
    EVENT_REPLY,
    EVENT_TIMEOUT,
    EVENT_CHILD,
    EVENT_ENDED, /* the worker learns that a child has */
    EVENT_MASTER_TICK,
    EVENT_MASTER_SYNC,
    EVENT_MASTER_START,
    EVENT_WORKER_START,
    EVENT_OPERATOR,
    EVENT_FAULT,
};

struct event {
    struct heap_item at;
    uint64_t order;
    enum event_kind kind;
    struct sim_tasker *worker; /* NULL: the master's, or an operator's */
    struct sim_job *job;       /* of an operator's request */
    uint64_t memory, number, attempt;
    enum agent_line line;
    struct buf bytes;
    struct event *held; /* behind it among the replies that wait for a sync */
};

struct world {
    const struct jobs_options *options;
    struct jobs_result *result;
    struct rng rng;
    int64_t now_ms;
    struct heap events;
    uint64_t orders, calls, memories, next_record;
    struct sim_tasker workers[WORKERS_MAX];
    uint32_t worker_count;
    struct sim_job jobs[JOBS_MAX];
    uint32_t job_count;
    bool stopped; /* the master was told to end */

    struct options crawl;
    struct store *store;
    struct core *core; /* NULL: the master is down */
    uint64_t master;   /* incarnation */
    struct event *held;
    bool syncing, ended;
    /* By attempt, each one more than it says, for NULL is no value of a map: */
    struct map renewed_ms; /* as the master sees it */
    struct map made_by;    /* incarnation of the worker that made its map output */
};

static const char *const fault_names[JOBS_FAULTS] = {
    "request lost",   "reply lost",    "late",          "doubled",       "partition up",
    "partition down", "worker killed", "worker paused", "master killed", "writes lost",
    "store full",     "task failed",   "task crashed",  "task hung",     "straggler",
    "file lost",      "input gone",    "map lost",      "backup",        "record skipped",
    "stale report",   "output there",  "job cancelled",
};

const char *jobs_fault_name(enum jobs_fault f) {
    return fault_names[f];
}

static void note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct world *w, const char *fmt, ...) {
    va_list args;

    if (w->options->trace == NULL)
        return;
    fprintf(w->options->trace, "%9.3f ", (double)w->now_ms / 1000);
    va_start(args, fmt);
    vfprintf(w->options->trace, fmt, args);
    va_end(args);
    fputc('\n', w->options->trace);
}

static void fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct world *w, const char *fmt, ...) {
    va_list args;

    if (w->result->why[0] != '\0')
        return;
    va_start(args, fmt);
    vsnprintf(w->result->why, sizeof w->result->why, fmt, args);
    va_end(args);
    note(w, "BROKEN %s", w->result->why);
}

static bool faults_over(const struct world *w) {
    return w->options->calm || w->now_ms >= FAULTS_END_MS;
}

/* May a fault of this kind happen now? Counts it. */
static bool fault(struct world *w, enum jobs_fault f, uint32_t permille) {
    if (faults_over(w) || rng_below(&w->rng, 1000) >= permille)
        return false;
    w->result->faults[f]++;
    return true;
}

static struct now master_now(const struct world *w) {
    return (struct now){.mono_ms = w->now_ms, .unix_ms = 1700000000000 + w->now_ms};
}

static bool put(struct world *w, struct event *e, int64_t at_ms) {
    return heap_set(&w->events, &e->at, at_ms * 1000000 + (int64_t)(e->order % 1000000));
}

static struct event *schedule(struct world *w, int64_t delay_ms, enum event_kind kind,
                              struct sim_tasker *s) {
    struct event *e = calloc(1, sizeof *e);

    if (e == NULL)
        abort();
    e->kind = kind;
    e->order = ++w->orders;
    e->worker = s;
    e->memory = s != NULL ? s->memory : w->master;
    buf_init(&e->bytes, LIMIT_WIRE_BYTES);
    if (!put(w, e, w->now_ms + delay_ms))
        abort();
    return e;
}

static void event_free(struct event *e) {
    buf_release(&e->bytes);
    free(e);
}

static void wake(struct world *w, struct sim_tasker *s, int64_t delay_ms) {
    if (s->agent == NULL || s->wake_ms <= w->now_ms + delay_ms)
        return;
    schedule(w, delay_ms, EVENT_WAKE, s);
    s->wake_ms = w->now_ms + delay_ms;
}

static void remember(struct map *m, uint64_t attempt, uint64_t n) {
    if (!map_put(m, attempt, (void *)(uintptr_t)(n + 1)))
        abort();
}

/* 0: nothing is known. */
static uint64_t recall(const struct map *m, uint64_t attempt) {
    void *v = map_get(m, attempt);

    return v == NULL ? 0 : (uint64_t)(uintptr_t)v - 1;
}

static struct sim_job *job_of(struct world *w, uint64_t number) {
    for (uint32_t i = 0; i < w->job_count; i++)
        if (w->jobs[i].number == number)
            return &w->jobs[i];
    return NULL;
}

/* ---- the store, read behind the master's back ---------------------------------------------------------- */

/* What the store says of the job. False: nothing. */
static bool stored_state(struct world *w, uint64_t number, Trawl__JobState *state) {
    struct record_key key = record_job(number);
    struct arena arena;
    struct buf value;
    bool found = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&value, LIMIT_WIRE_BYTES);
    if (store_get(w->store, key.bytes, key.len, &value) == STORE_FOUND) {
        const Trawl__StoredJob *j =
            wire_unpack(&arena, &trawl__stored_job__descriptor, value.data, value.len);
        assert(j != NULL);
        *state = j->info->state;
        found = true;
    }
    buf_release(&value);
    arena_release(&arena);
    return found;
}

static bool stored_done(struct world *w, uint64_t job, uint32_t reduce) {
    struct record_key key = record_task(job, TRAWL__TASK_KIND__REDUCE, reduce);
    struct arena arena;
    struct buf value;
    bool done = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&value, LIMIT_WIRE_BYTES);
    if (store_get(w->store, key.bytes, key.len, &value) == STORE_FOUND) {
        const Trawl__StoredTask *t =
            wire_unpack(&arena, &trawl__stored_task__descriptor, value.data, value.len);
        done = t != NULL && t->done;
    }
    buf_release(&value);
    arena_release(&arena);
    return done;
}

/* J5: what was told before the restart is there after it. */
static void check_told(struct world *w) {
    for (uint32_t i = 0; i < w->job_count; i++) {
        const struct sim_job *j = &w->jobs[i];
        Trawl__JobState state;
        if (!j->known)
            continue;
        if (!stored_state(w, j->number, &state)) {
            fail(w, "J5: job %llu was told of and is lost", (unsigned long long)j->number);
            continue;
        }
        if (j->told != TRAWL__JOB_STATE__JOB_RUNNING && state != j->told)
            fail(w, "J5: job %llu was over and is not any more", (unsigned long long)j->number);
        for (uint32_t k = 0; k < j->reduces; k++)
            if (state == TRAWL__JOB_STATE__JOB_RUNNING && j->reduce_told[k] &&
                !stored_done(w, j->number, k))
                fail(w, "J5: reduce task %u of job %llu was acknowledged and is lost", k,
                     (unsigned long long)j->number);
    }
}

/* ---- the network --------------------------------------------------------------------------------------- */

static int64_t travel_ms(struct world *w) {
    return fault(w, JOBS_LATE, 30) ? rng_below(&w->rng, 8000) : 1 + rng_below(&w->rng, 3);
}

static void send_request(struct world *w, struct sim_tasker *s, struct sim_job *job,
                         enum agent_line line, uint64_t number, const struct buf *bytes) {
    int copies = fault(w, JOBS_DOUBLED, 30) ? 2 : 1;

    if (s != NULL && s->cut_up) {
        w->result->faults[JOBS_PARTITION_UP]++;
        return;
    }
    if (fault(w, JOBS_REQUEST_LOST, 20))
        return;
    for (int i = 0; i < copies; i++) {
        struct event *e = schedule(w, travel_ms(w), EVENT_REQUEST, s);
        e->job = job;
        e->line = line;
        e->number = number;
        if (!buf_append(&e->bytes, bytes->data, bytes->len))
            abort();
    }
}

static void deliver(struct world *w, struct event *e) {
    if (e->worker != NULL && e->worker->cut_down) {
        w->result->faults[JOBS_PARTITION_DOWN]++;
        event_free(e);
        return;
    }
    if (fault(w, JOBS_REPLY_LOST, 20)) {
        event_free(e);
        return;
    }
    e->kind = EVENT_REPLY;
    if (!put(w, e, w->now_ms + travel_ms(w)))
        abort();
}

/* ---- the master ---------------------------------------------------------------------------------------- */

static const Trawl__Reply *ask(struct world *w, struct arena *arena, struct buf *out,
                               Trawl__Request *r) {
    r->version = WIRE_VERSION;
    (void)core_request(w->core, master_now(w), r, "check", out);
    return core_failed(w->core, NULL) ? NULL : wire_reply_unpack(arena, out->data, out->len);
}

/* J1: what is done was taken exactly once, and once more for each time that it was lost. After a restart of
 * the master (`anew`) counting begins with what it says. */
static void check_job(struct world *w, const Trawl__JobInfo *i, bool anew) {
    struct sim_job *j = &w->jobs[strtoul(i->name + 4, NULL, 10)];
    uint64_t maps = i->maps->done + i->lost_maps, reduces = i->reduces->done;
    if (anew) {
        j->number = i->job;
        j->accepted[MAP] = maps;
        j->accepted[REDUCE] = reduces;
    }
    if (j->accepted[MAP] != maps || j->accepted[REDUCE] != reduces)
        fail(w,
             "J1: of job %llu %llu map and %llu reduce attempts were taken, and %llu and %llu "
             "tasks are done",
             (unsigned long long)i->job, (unsigned long long)j->accepted[MAP],
             (unsigned long long)j->accepted[REDUCE], (unsigned long long)maps,
             (unsigned long long)reduces);
    if (i->state == TRAWL__JOB_STATE__JOB_FAILED)
        fail(w, "job %llu failed: %s", (unsigned long long)i->job, i->why);
    if (i->state == TRAWL__JOB_STATE__JOB_DONE)
        for (uint32_t k = 0; k < j->reduces; k++)
            if (j->output[k] == 0)
                fail(w, "J4: job %llu is done without the output of partition %u",
                     (unsigned long long)i->job, k);
}

static void check_jobs(struct world *w, bool anew) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    struct arena arena;
    struct buf out;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&out, LIMIT_WIRE_BYTES);
    r.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r.job_query = &q;
    for (uint32_t i = 0; i < w->job_count && anew; i++)
        w->jobs[i].number = 0;
    const Trawl__Reply *reply = ask(w, &arena, &out, &r);
    for (size_t i = 0; reply != NULL && i < reply->job->n_jobs; i++)
        check_job(w, reply->job->jobs[i], anew);
    buf_release(&out);
    arena_release(&arena);
}

static void drop_held(struct world *w) {
    while (w->held != NULL) {
        struct event *e = w->held;
        w->held = e->held;
        event_free(e);
    }
}

static void master_start(struct world *w) {
    static const unsigned char random16[16] = {1, 2, 3};
    struct error err = {0};

    w->core = core_new(&w->crawl, w->store, master_now(w), random16, &err);
    if (w->core == NULL) {
        note(w, "master cannot start: %s", err.text);
        if (!store_reopen(w->store, &err))
            fail(w, "the store does not open again: %s", err.text);
        schedule(w, 500, EVENT_MASTER_START, NULL);
        return;
    }
    note(w, "master starts");
    check_told(w);
    check_jobs(w, true);
    if (w->stopped)
        core_stop(w->core, master_now(w), "no more jobs");
    schedule(w, 10, EVENT_MASTER_TICK, NULL);
}

static void master_stop(struct world *w) {
    core_free(w->core);
    w->core = NULL;
    w->master++;
    w->syncing = false;
    drop_held(w);
}

static void master_kill(struct world *w) {
    note(w, "master killed");
    w->result->faults[JOBS_MASTER_KILLED]++;
    master_stop(w);
    w->result->faults[JOBS_WRITES_LOST] += store_mem_unsynced(w->store) > 0;
    store_mem_crash(w->store, rng_next(&w->rng));
    schedule(w, 100 + rng_below(&w->rng, 4000), EVENT_MASTER_START, NULL);
}

static void master_renew(struct world *w) {
    struct error err = {0};

    note(w, "the store failed: core made anew");
    master_stop(w);
    if (!store_reopen(w->store, &err))
        fail(w, "the store does not open again: %s", err.text);
    schedule(w, 100, EVENT_MASTER_START, NULL);
}

static void count_accepted(struct world *w, const Trawl__Exchange *x,
                           const Trawl__ExchangeReply *reply) {
    for (size_t i = 0; i < x->n_tasks; i++) {
        const Trawl__TaskReport *r = x->tasks[i];
        bool lost = false;
        for (size_t k = 0; k < reply->n_tasks_lost; k++)
            lost = lost || reply->tasks_lost[k] == r->attempt;
        w->result->faults[JOBS_STALE] += lost;
        if (lost || r->result->end != TRAWL__TASK_END__DONE)
            continue;
        struct sim_job *j = job_of(w, r->result->records_in);
        if (j != NULL)
            j->accepted[r->result->records_out]++;
    }
}

/* J2: all map outputs, each from a process that the master thinks alive, and that made it. */
static void check_grant(struct world *w, const Trawl__TaskGrant *g) {
    const struct sim_job *j = job_of(w, g->spec->job->job);

    if (g->spec->kind != TRAWL__TASK_KIND__REDUCE || j == NULL)
        return;
    if (g->spec->n_outputs != j->maps)
        fail(w, "J2: a reduce task was granted with %zu of %u map outputs", g->spec->n_outputs,
             j->maps);
    for (size_t i = 0; i < g->spec->n_outputs; i++) {
        const Trawl__MapOutput *o = g->spec->outputs[i];
        unsigned worker;
        unsigned long long incarnation;
        if (o->map != i || sscanf(o->serve, "tcp://w%u:%llu", &worker, &incarnation) != 2)
            fail(w, "J2: a reduce task was granted whose map %zu has no worker", i);
        else if (recall(&w->made_by, o->attempt) != incarnation)
            fail(w, "J2: map output %zu is not with the process that made it", i);
    }
}

static void note_exchange(struct world *w, const Trawl__Exchange *x,
                          const Trawl__ExchangeReply *reply) {
    count_accepted(w, x, reply);
    for (size_t i = 0; i < reply->n_tasks; i++) {
        const Trawl__TaskGrant *g = reply->tasks[i];
        remember(&w->renewed_ms, g->attempt, (uint64_t)w->now_ms);
        w->result->attempts++;
        note(w, "  grants %llu: %s %u of job %llu", (unsigned long long)g->attempt,
             g->spec->kind == TRAWL__TASK_KIND__MAP ? "map" : "reduce", g->spec->number,
             (unsigned long long)g->spec->job->job);
        check_grant(w, g);
    }
}

static void note_beat(struct world *w, const Trawl__Heartbeat *h,
                      const Trawl__HeartbeatReply *reply) {
    for (size_t i = 0; i < h->n_attempts; i++) {
        bool lost = false;
        for (size_t k = 0; k < reply->n_lost; k++)
            lost = lost || reply->lost[k] == h->attempts[i];
        if (!lost)
            remember(&w->renewed_ms, h->attempts[i], (uint64_t)w->now_ms);
    }
}

/* An exchange that the master has answered already gets the same bytes again, and changes nothing. */
static bool is_repeat(const struct world *w, struct sim_tasker *s, const Trawl__Request *r) {
    if (s == NULL || r->body_case != TRAWL__REQUEST__BODY_EXCHANGE)
        return false;
    bool same = s->answered.master == w->master && s->answered.session == r->session &&
                s->answered.number == r->exchange->number;
    s->answered.master = w->master;
    s->answered.session = r->session;
    s->answered.number = r->exchange->number;
    return same;
}

static void note_request(struct world *w, struct event *e, const Trawl__Request *r,
                         const Trawl__Reply *reply) {
    if (e->worker != NULL)
        note(w, "master: request %d of %s: code %d", (int)r->body_case, e->worker->name,
             (int)reply->code);
    if (reply->body_case == TRAWL__REPLY__BODY_EXCHANGE && !is_repeat(w, e->worker, r))
        note_exchange(w, r->exchange, reply->exchange);
    if (reply->body_case == TRAWL__REPLY__BODY_HEARTBEAT)
        note_beat(w, r->heartbeat, reply->heartbeat);
    if (reply->body_case == TRAWL__REPLY__BODY_JOB && r->body_case == TRAWL__REQUEST__BODY_JOB_RUN)
        e->job->number = reply->job->jobs[0]->job;
}

static void master_request(struct world *w, struct event *e) {
    struct arena arena, answered;
    struct buf reply;

    if (w->core == NULL || core_state(w->core) == CORE_ENDED) {
        event_free(e);
        return;
    }
    if (fault(w, JOBS_STORE_FULL, 2))
        store_mem_fail_write(w->store, 1, ENOSPC);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    arena_init(&answered, LIMIT_ARENA_BYTES);
    buf_init(&reply, LIMIT_WIRE_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    enum core_when when = core_request(w->core, master_now(w), r, "sim", &reply);
    bool failed = core_failed(w->core, NULL);
    const Trawl__Reply *said = wire_reply_unpack(&answered, reply.data, reply.len);
    assert(said != NULL);
    if (!failed)
        note_request(w, e, r, said);
    buf_release(&e->bytes);
    e->bytes = reply;
    arena_release(&arena);
    arena_release(&answered);
    if (failed) {
        deliver(w, e);
        master_renew(w);
        return;
    }
    check_jobs(w, false);
    if (when == CORE_AT_ONCE) {
        deliver(w, e);
        return;
    }
    e->held = w->held;
    w->held = e;
    if (!w->syncing) {
        w->syncing = true;
        schedule(w, 1 + rng_below(&w->rng, 10), EVENT_MASTER_SYNC, NULL);
    }
}

static void master_synced(struct world *w) {
    struct error err = {0};
    struct event *ready = w->held;
    uint64_t seq;

    w->syncing = false;
    if (!store_sync(w->store, &seq, &err)) {
        master_renew(w);
        return;
    }
    w->held = NULL;
    while (ready != NULL) {
        struct event *e = ready;
        ready = e->held;
        deliver(w, e);
    }
}

static void master_tick(struct world *w) {
    core_tick(w->core, master_now(w));
    if (core_failed(w->core, NULL)) {
        master_renew(w);
        return;
    }
    check_jobs(w, false);
    w->ended = core_state(w->core) == CORE_ENDED;
    int64_t next = core_next_ms(w->core, master_now(w)) - w->now_ms;
    schedule(w, next < 1 ? 1 : next, EVENT_MASTER_TICK, NULL);
}

/* ---- children ------------------------------------------------------------------------------------------ */

static void child_free(struct sim_child *c) {
    arena_release(&c->arena);
    free(c);
}

static struct sim_child *child_of(const struct sim_tasker *s, uint64_t attempt) {
    struct sim_child *c = s->children;

    while (c != NULL && c->attempt != attempt)
        c = c->next;
    return c;
}

static void child_unlink(struct sim_tasker *s, const struct sim_child *c) {
    struct sim_child **at = &s->children;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

/* A few take twenty times as long. */
static int64_t task_ms(struct world *w) {
    int64_t ms = 50 + rng_below(&w->rng, 600);

    return fault(w, JOBS_STRAGGLER, 60) ? ms * 20 : ms;
}

static void child_start(struct world *w, struct sim_tasker *s, const struct task_effect *e) {
    struct sim_child *c = calloc(1, sizeof *c);
    struct buf packed;

    if (c == NULL)
        abort();
    buf_init(&packed, LIMIT_WIRE_BYTES);
    arena_init(&c->arena, LIMIT_ARENA_BYTES);
    if (!wire_pack(&packed, &e->spec->base))
        abort();
    c->spec = wire_unpack(&c->arena, &trawl__task_spec__descriptor, packed.data, packed.len);
    buf_release(&packed);
    c->attempt = e->attempt;
    c->job = e->spec->job->job;
    c->kind = e->spec->kind;
    c->number = e->spec->number;
    c->hangs = fault(w, JOBS_CHILD_HUNG, 40);
    c->next = s->children;
    s->children = c;
    note(w, "%s starts %llu", s->name, (unsigned long long)c->attempt);
    if (!c->hangs)
        schedule(w, task_ms(w), EVENT_CHILD, s)->attempt = c->attempt;
}

static void report_end(struct world *w, struct sim_tasker *s, const struct sim_child *c,
                       Trawl__TaskResult *r) {
    struct event *e = schedule(w, rng_below(&w->rng, 3), EVENT_ENDED, s);

    r->reason = r->end == TRAWL__TASK_END__DONE ? "" : "as chance would have it";
    /* Which task it was, for count_accepted() and note_told(). */
    r->records_in = c->job;
    r->records_out = c->kind;
    r->bytes_in = c->number;
    e->attempt = c->attempt;
    if (!wire_pack(&e->bytes, &r->base))
        abort();
}

static bool is_skipped(const struct sim_child *c, uint64_t record) {
    for (size_t i = 0; i < c->spec->n_skip; i++)
        if (c->spec->skip[i] == record)
            return true;
    return false;
}

/* The record that kills the attempt; 0: none does. */
static uint64_t deadly_record(struct world *w, const struct sim_child *c) {
    const struct sim_job *j = job_of(w, c->job);

    for (size_t i = 0; i < POISON_MAX && c->kind == TRAWL__TASK_KIND__MAP && j != NULL; i++)
        if (j->poison[c->number][i] != 0 && !is_skipped(c, j->poison[c->number][i]))
            return j->poison[c->number][i];
    /* Bad luck, never twice on the same record. */
    return fault(w, JOBS_CHILD_CRASHED, 40) ? 1000 + ++w->next_record : 0;
}

static const struct sim_tasker *process(const struct world *w, const char *serve) {
    unsigned number;
    unsigned long long incarnation;

    if (sscanf(serve, "tcp://w%u:%llu", &number, &incarnation) != 2 || number >= w->worker_count)
        return NULL;
    const struct sim_tasker *s = &w->workers[number];
    return s->alive && s->incarnation == incarnation ? s : NULL;
}

static bool has_file(const struct sim_tasker *s, uint64_t job, uint32_t map, uint64_t attempt) {
    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].job == job && s->files[i].map == map && s->files[i].attempt == attempt)
            return true;
    return false;
}

/* Fetches every map output. False: some cannot be had; they are in `gone`. */
static bool fetch_input(struct world *w, struct sim_tasker *s, const struct sim_child *c,
                        Trawl__TaskResult *r, uint32_t gone[MAPS_MAX]) {
    r->gone = gone;
    for (size_t i = 0; i < c->spec->n_outputs; i++) {
        const Trawl__MapOutput *o = c->spec->outputs[i];
        const struct sim_tasker *from = process(w, o->serve);
        bool reachable =
            from != NULL &&
            (from == s || (!from->cut_up && !from->cut_down && from->paused_until_ms <= w->now_ms));
        if (!reachable || !has_file(from, c->job, o->map, o->attempt))
            r->gone[r->n_gone++] = o->map;
    }
    return r->n_gone == 0;
}

static void commit_output(struct world *w, const struct sim_child *c) {
    struct sim_job *j = job_of(w, c->job);

    if (j == NULL)
        return;
    if (j->output[c->number] != 0) {
        w->result->faults[JOBS_TOO_LATE]++;
        return;
    }
    j->output[c->number] = c->attempt;
    note(w, "part %u of job %llu is there", c->number, (unsigned long long)c->job);
}

static void keep_output(struct world *w, struct sim_tasker *s, const struct sim_child *c) {
    if (s->file_count == FILES_MAX) {
        fail(w, "map outputs pile up on %s", s->name);
        return;
    }
    s->files[s->file_count++] =
        (struct sim_file){.job = c->job, .attempt = c->attempt, .map = c->number};
    remember(&w->made_by, c->attempt, s->incarnation);
}

static void run_child(struct world *w, struct sim_tasker *s, const struct sim_child *c) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;
    uint64_t sizes[REDUCES_MAX] = {1, 2, 3, 4}, deadly = deadly_record(w, c);
    uint32_t gone[MAPS_MAX];

    r.end = TRAWL__TASK_END__DONE;
    if (deadly != 0) {
        r.end = TRAWL__TASK_END__CRASHED;
        r.record = deadly;
    } else if (fault(w, JOBS_CHILD_FAILED, 60)) {
        r.end = TRAWL__TASK_END__TASK_FAILED;
    } else if (c->kind == TRAWL__TASK_KIND__MAP) {
        r.partition_bytes = sizes;
        r.n_partition_bytes = c->spec->job->reduces;
    } else if (!fetch_input(w, s, c, &r, gone)) {
        w->result->faults[JOBS_INPUT_GONE]++;
        r.end = TRAWL__TASK_END__INPUT_GONE;
    } else {
        commit_output(w, c);
    }
    report_end(w, s, c, &r);
}

static void child_event(struct world *w, struct event *e) {
    const struct sim_child *c = child_of(e->worker, e->attempt);

    if (c != NULL && !c->killed)
        run_child(w, e->worker, c);
}

/* The worker's process hears of it, and puts the map's output where it belongs. */
static void ended_event(struct world *w, struct event *e) {
    struct sim_tasker *s = e->worker;
    struct sim_child *c = child_of(s, e->attempt);
    struct arena arena;

    if (c == NULL)
        return;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__TaskResult *r =
        wire_unpack(&arena, &trawl__task_result__descriptor, e->bytes.data, e->bytes.len);
    assert(r != NULL);
    if (r->end == TRAWL__TASK_END__DONE && c->kind == TRAWL__TASK_KIND__MAP)
        keep_output(w, s, c);
    note(w, "%s: %llu ends: %d", s->name, (unsigned long long)c->attempt, (int)r->end);
    task_agent_ended(s->agent, skew_now(&s->skew, w->now_ms), c->attempt, r);
    child_unlink(s, c);
    child_free(c);
    arena_release(&arena);
}

static void child_kill(struct world *w, struct sim_tasker *s, uint64_t attempt) {
    struct sim_child *c = child_of(s, attempt);
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;

    if (c == NULL || c->killed)
        return;
    note(w, "%s kills %llu", s->name, (unsigned long long)attempt);
    c->killed = true;
    r.end = TRAWL__TASK_END__TASK_FAILED;
    report_end(w, s, c, &r);
}

/* ---- a worker ------------------------------------------------------------------------------------------ */

static void remove_files(struct sim_tasker *s, uint64_t job, uint64_t attempt) {
    size_t kept = 0;

    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].job != job || (attempt != 0 && s->files[i].attempt != attempt))
            s->files[kept++] = s->files[i];
    s->file_count = kept;
}

/* J4: not before the job is over. */
static void remove_job(struct world *w, struct sim_tasker *s, uint64_t job) {
    Trawl__JobState state;

    if (stored_state(w, job, &state) && state == TRAWL__JOB_STATE__JOB_RUNNING)
        fail(w, "J4: %s removes what it keeps of job %llu, which runs", s->name,
             (unsigned long long)job);
    remove_files(s, job, 0);
}

static void send_line(struct world *w, struct sim_tasker *s, const struct task_effect *e) {
    uint64_t number = ++w->calls;

    s->call[e->line] = number;
    buf_reset(&s->asked[e->line]);
    if (!buf_append(&s->asked[e->line], e->request->data, e->request->len))
        abort();
    send_request(w, s, NULL, e->line, number, e->request);
    struct event *t = schedule(w, CALL_TIMEOUT_MS, EVENT_TIMEOUT, s);
    t->line = e->line;
    t->number = number;
}

static void obey(struct world *w, struct sim_tasker *s, const struct task_effect *e) {
    switch (e->kind) {
    case TASK_SEND:
        send_line(w, s, e);
        break;
    case TASK_START:
        child_start(w, s, e);
        break;
    case TASK_KILL:
        child_kill(w, s, e->attempt);
        break;
    case TASK_DISCARD:
        remove_files(s, e->job, e->attempt);
        break;
    case TASK_REMOVE_JOB:
        remove_job(w, s, e->job);
        break;
    case TASK_LEFT:
        s->left = true;
        note(w, "%s leaves", s->name);
        break;
    case TASK_REFUSED:
        fail(w, "%s is refused: %s", s->name, e->text);
        break;
    case TASK_FAILED:
        fail(w, "%s has no memory", s->name);
        break;
    }
}

/* T1: no child of a worker that is awake runs when the master may have let somebody else have its task. */
static void check_leases(struct world *w, const struct sim_tasker *s) {
    for (const struct sim_child *c = s->children; c != NULL; c = c->next)
        if (!c->killed && w->now_ms > (int64_t)recall(&w->renewed_ms, c->attempt) + LEASE_MS)
            fail(w, "T1: %s runs %llu without a lease", s->name, (unsigned long long)c->attempt);
}

static void run_worker(struct world *w, struct sim_tasker *s) {
    struct task_effect e;
    int64_t now = skew_now(&s->skew, w->now_ms);

    if (s->agent == NULL || s->left)
        return;
    for (const struct sim_child *c = s->children; c != NULL; c = c->next)
        if (!c->hangs)
            task_agent_progress(s->agent, now, c->attempt);
    while (!s->left && w->result->why[0] == '\0' && task_agent_poll(s->agent, now, &e))
        obey(w, s, &e);
    check_leases(w, s);
    int64_t at = skew_when(&s->skew, w->now_ms, task_agent_next_ms(s->agent, now));
    if (s->wake_ms <= w->now_ms)
        s->wake_ms = INT64_MAX;
    wake(w, s, at - w->now_ms < 1 ? 1 : at - w->now_ms);
}

static void worker_start(struct world *w, struct sim_tasker *s) {
    struct task_agent_config config = {.worker = s->name, .tasks = 1 + rng_below(&w->rng, 3)};
    char serve[64];

    s->incarnation++;
    s->memory = ++w->memories;
    s->alive = true;
    s->left = false;
    s->paused_until_ms = 0;
    s->wake_ms = INT64_MAX;
    s->file_count = 0; /* it begins with nothing: worker/task_files.h */
    skew_draw(&s->skew, &w->rng);
    memset(s->call, 0, sizeof s->call);
    snprintf(serve, sizeof serve, "tcp://%s:%llu", s->name, (unsigned long long)s->incarnation);
    config.serve = serve;
    config.incarnation = s->incarnation;
    config.instance[0] = (unsigned char)(s->index + 1);
    s->agent = task_agent_new(&config);
    if (s->agent == NULL)
        abort();
    note(w, "%s starts", s->name);
    wake(w, s, 0);
}

static void worker_stop(struct world *w, struct sim_tasker *s) {
    while (s->children != NULL) {
        struct sim_child *c = s->children;
        s->children = c->next;
        child_free(c);
    }
    task_agent_free(s->agent);
    s->agent = NULL;
    s->alive = false;
    s->memory = ++w->memories;
}

static void restart_later(struct world *w, struct sim_tasker *s, int64_t delay_ms) {
    schedule(w, delay_ms, EVENT_WORKER_START, s);
}

/* ---- the operator -------------------------------------------------------------------------------------- */

static void ask_run(struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    static uint8_t path[] = "/in";
    Trawl__JobRun m = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split splits[MAPS_MAX], *list[MAPS_MAX];
    char homes[MAPS_MAX][16];

    for (uint32_t i = 0; i < j->maps; i++) {
        trawl__split__init(&splits[i]);
        splits[i].path = (ProtobufCBinaryData){.len = 3, .data = path};
        snprintf(homes[i], sizeof homes[i], "w%u", i % (WORKERS_MAX + 1));
        splits[i].worker = i % 2 == 0 ? homes[i] : "";
        list[i] = &splits[i];
    }
    spec.name = j->name;
    spec.function = "fake";
    spec.output = "/out";
    spec.reduces = j->reduces;
    spec.no_backup = j->no_backup;
    spec.timeout_ms = TASK_TIMEOUT_MS;
    m.token = (ProtobufCBinaryData){.len = sizeof j->token, .data = j->token};
    m.spec = &spec;
    m.splits = list;
    m.n_splits = j->maps;
    r->body_case = TRAWL__REQUEST__BODY_JOB_RUN;
    r->job_run = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

static void ask_cancel(const struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    Trawl__JobCancel m = TRAWL__JOB_CANCEL__INIT;

    m.job = j->number;
    r->body_case = TRAWL__REQUEST__BODY_JOB_CANCEL;
    r->job_cancel = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

static void ask_query(const struct sim_job *j, Trawl__Request *r, struct buf *bytes) {
    Trawl__JobQuery m = TRAWL__JOB_QUERY__INIT;

    m.job = j->number;
    r->body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r->job_query = &m;
    if (!wire_pack(bytes, &r->base))
        abort();
}

static void operator_asks(struct world *w, struct sim_job *j) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    struct buf bytes;

    if (j->told != TRAWL__JOB_STATE__JOB_RUNNING)
        return;
    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r.version = WIRE_VERSION;
    if (!j->known)
        ask_run(j, &r, &bytes);
    else if (j->to_cancel && rng_chance(&w->rng, 20))
        ask_cancel(j, &r, &bytes);
    else
        ask_query(j, &r, &bytes);
    send_request(w, NULL, j, AGENT_CALL, 0, &bytes);
    buf_release(&bytes);
    schedule(w, 500, EVENT_OPERATOR, NULL)->job = j;
}

/* What may be skipped is what kills each attempt; and in a job that is done, all of that was. */
static void check_over(struct world *w, const struct sim_job *j, const Trawl__JobInfo *i) {
    bool done = i->state == TRAWL__JOB_STATE__JOB_DONE;

    w->result->faults[JOBS_SKIPPED] += i->skipped_count;
    w->result->faults[JOBS_MAP_LOST] += i->lost_maps;
    w->result->faults[JOBS_BACKUP] += i->maps->backups + i->reduces->backups;
    w->result->faults[JOBS_CANCELLED] += i->state == TRAWL__JOB_STATE__JOB_CANCELLED;
    if (i->skipped_count > j->poisons || (done && i->skipped_count != j->poisons))
        fail(w, "job %s: %llu records skipped, of %llu that crash", j->name,
             (unsigned long long)i->skipped_count, (unsigned long long)j->poisons);
    if (j->no_backup && i->maps->backups + i->reduces->backups > 0)
        fail(w, "job %s was not to have backups", j->name);
    if (w->options->calm && (i->maps->attempts != j->maps || i->reduces->attempts != j->reduces))
        fail(w, "without faults %llu map and %llu reduce attempts were made at %u and %u tasks",
             (unsigned long long)i->maps->attempts, (unsigned long long)i->reduces->attempts,
             j->maps, j->reduces);
}

static void all_told(struct world *w) {
    for (uint32_t i = 0; i < w->job_count; i++)
        if (w->jobs[i].told == TRAWL__JOB_STATE__JOB_RUNNING)
            return;
    w->stopped = true;
    if (w->core != NULL)
        core_stop(w->core, master_now(w), "no more jobs");
}

static void operator_told(struct world *w, const struct event *e) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (reply != NULL && reply->code == TRAWL__CODE__OK && reply->job->n_jobs == 1 &&
        e->job->told == TRAWL__JOB_STATE__JOB_RUNNING) {
        const Trawl__JobInfo *i = reply->job->jobs[0];
        if (e->job->known && e->job->number != i->job)
            fail(w, "%s has become another job", e->job->name);
        e->job->known = true;
        e->job->number = i->job;
        e->job->told = i->state;
        if (i->state != TRAWL__JOB_STATE__JOB_RUNNING) {
            note(w, "%s is over", e->job->name);
            check_over(w, e->job, i);
            all_told(w);
        }
    }
    arena_release(&arena);
}

/* ---- faults -------------------------------------------------------------------------------------------- */

static void lose_file(struct world *w, struct sim_tasker *s) {
    if (s->file_count == 0)
        return;
    w->result->faults[JOBS_FILE_LOST]++;
    s->files[rng_below(&w->rng, (uint32_t)s->file_count)] = s->files[s->file_count - 1];
    s->file_count--;
}

static void fault_worker(struct world *w) {
    struct sim_tasker *s = &w->workers[rng_below(&w->rng, w->worker_count)];

    if (!s->alive || s->paused_until_ms > 0)
        return;
    switch (rng_below(&w->rng, 5)) {
    case 0:
        note(w, "%s killed", s->name);
        w->result->faults[JOBS_WORKER_KILLED]++;
        worker_stop(w, s);
        restart_later(w, s, 100 + rng_below(&w->rng, 5000));
        break;
    case 1:
        w->result->faults[JOBS_WORKER_PAUSED]++;
        s->paused_until_ms = w->now_ms + 100 + rng_below(&w->rng, 6000);
        note(w, "%s paused until %lld", s->name, (long long)s->paused_until_ms);
        break;
    case 2:
        s->cut_up = !s->cut_up;
        break;
    case 3:
        s->cut_down = !s->cut_down;
        break;
    default:
        lose_file(w, s);
        break;
    }
}

static void fault_event(struct world *w) {
    if (faults_over(w)) {
        for (uint32_t i = 0; i < w->worker_count; i++)
            w->workers[i].cut_up = w->workers[i].cut_down = false;
        note(w, "the faults heal");
        return;
    }
    if (w->core != NULL && rng_chance(&w->rng, 8))
        master_kill(w);
    else if (rng_chance(&w->rng, 60))
        fault_worker(w);
    schedule(w, 100 + rng_below(&w->rng, 2000), EVENT_FAULT, NULL);
}

/* ---- events -------------------------------------------------------------------------------------------- */

/* What a worker is promised by the answer that it sees. */
static void note_told(struct world *w, const struct sim_tasker *s, const struct event *e) {
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Request *r =
        wire_request_unpack(&arena, s->asked[e->line].data, s->asked[e->line].len);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, e->bytes.data, e->bytes.len);
    if (r != NULL && reply != NULL && reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_tasks; i++) {
            const Trawl__TaskReport *t = r->exchange->tasks[i];
            bool lost = false;
            for (size_t k = 0; k < reply->exchange->n_tasks_lost; k++)
                lost = lost || reply->exchange->tasks_lost[k] == t->attempt;
            struct sim_job *j = job_of(w, t->result->records_in);
            if (!lost && j != NULL && t->result->end == TRAWL__TASK_END__DONE &&
                t->result->records_out == REDUCE)
                j->reduce_told[t->result->bytes_in] = true;
        }
    arena_release(&arena);
}

static void reply_event(struct world *w, struct event *e) {
    struct sim_tasker *s = e->worker;

    if (s == NULL) {
        operator_told(w, e);
        return;
    }
    if (s->call[e->line] != e->number)
        return;
    s->call[e->line] = 0;
    note_told(w, s, e);
    task_agent_reply(s->agent, skew_now(&s->skew, w->now_ms), e->line, e->bytes.data, e->bytes.len);
    run_worker(w, s);
}

static void timeout_event(struct world *w, struct event *e) {
    struct sim_tasker *s = e->worker;

    if (s->call[e->line] != e->number)
        return;
    s->call[e->line] = 0;
    task_agent_no_reply(s->agent, skew_now(&s->skew, w->now_ms), e->line);
    run_worker(w, s);
}

static void wake_event(struct world *w, struct sim_tasker *s) {
    if (s->wake_ms > w->now_ms)
        return;
    s->wake_ms = INT64_MAX;
    run_worker(w, s);
}

/* Is it of a process, or a master, that is gone? */
static bool is_void(const struct world *w, const struct event *e) {
    switch (e->kind) {
    case EVENT_REQUEST:
    case EVENT_OPERATOR:
    case EVENT_FAULT:
    case EVENT_WORKER_START:
        return false;
    case EVENT_REPLY:
        return e->worker != NULL && e->memory != e->worker->memory;
    case EVENT_MASTER_TICK:
    case EVENT_MASTER_SYNC:
        return e->memory != w->master || w->core == NULL;
    case EVENT_MASTER_START:
        return e->memory != w->master || w->core != NULL;
    default:
        return e->memory != e->worker->memory;
    }
}

/* The events of a paused worker wait for it; its children go on. */
static bool put_off(struct world *w, struct event *e) {
    if (e->worker == NULL || e->worker->paused_until_ms <= w->now_ms || e->kind == EVENT_REQUEST ||
        e->kind == EVENT_CHILD || e->kind == EVENT_WORKER_START)
        return false;
    e->order = ++w->orders;
    if (!put(w, e, e->worker->paused_until_ms))
        abort();
    return true;
}

static void happen(struct world *w, struct event *e) {
    switch (e->kind) {
    case EVENT_WAKE:
        wake_event(w, e->worker);
        break;
    case EVENT_REPLY:
        reply_event(w, e);
        break;
    case EVENT_TIMEOUT:
        timeout_event(w, e);
        break;
    case EVENT_CHILD:
        child_event(w, e);
        break;
    case EVENT_ENDED:
        ended_event(w, e);
        run_worker(w, e->worker);
        break;
    case EVENT_MASTER_TICK:
        master_tick(w);
        break;
    case EVENT_MASTER_SYNC:
        master_synced(w);
        break;
    case EVENT_MASTER_START:
        master_start(w);
        break;
    case EVENT_WORKER_START:
        if (!e->worker->alive)
            worker_start(w, e->worker);
        break;
    case EVENT_OPERATOR:
        operator_asks(w, e->job);
        break;
    default:
        fault_event(w);
        break;
    }
    event_free(e);
}

static void unpause(struct world *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_tasker *s = &w->workers[i];
        if (s->paused_until_ms == 0 || s->paused_until_ms > w->now_ms)
            continue;
        s->paused_until_ms = 0;
        note(w, "%s resumes", s->name);
        run_worker(w, s);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static void job_init(struct world *w, struct sim_job *j, uint32_t number) {
    struct rng *r = &w->rng;

    snprintf(j->name, sizeof j->name, "job-%u", number);
    j->token[0] = (unsigned char)(number + 1);
    j->maps = rng_below(r, MAPS_MAX + 1);
    j->reduces = 1 + rng_below(r, REDUCES_MAX);
    j->no_backup = rng_chance(r, 20);
    j->to_cancel = !w->options->calm && rng_chance(r, 10);
    for (uint32_t i = 0; i < j->maps && !w->options->calm; i++)
        for (uint32_t k = 0; k < POISON_MAX; k++)
            if (rng_chance(r, 10)) {
                j->poison[i][k] = 1 + i * POISON_MAX + k;
                j->poisons++;
            }
    schedule(w, rng_below(r, 15000), EVENT_OPERATOR, NULL)->job = j;
}

static void world_init(struct world *w) {
    struct rng *r = &w->rng;

    if (!options_init(&w->crawl))
        abort();
    w->crawl.jobs_only = true;
    w->crawl.lease_ms = LEASE_MS;
    w->crawl.heartbeat_ms = HEARTBEAT_MS;
    w->store = store_mem_new();
    heap_init(&w->events);
    map_init(&w->renewed_ms);
    map_init(&w->made_by);
    w->worker_count = 1 + rng_below(r, WORKERS_MAX);
    w->job_count = 1 + rng_below(r, JOBS_MAX);
    w->result->jobs = w->job_count;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_tasker *s = &w->workers[i];
        s->index = i;
        snprintf(s->name, sizeof s->name, "w%u", i);
        for (int k = 0; k < AGENT_LINES; k++)
            buf_init(&s->asked[k], LIMIT_WIRE_BYTES);
        restart_later(w, s, rng_below(r, 100));
    }
    for (uint32_t i = 0; i < w->job_count; i++)
        job_init(w, &w->jobs[i], i);
    master_start(w);
    if (!w->options->calm)
        schedule(w, rng_below(r, 3000), EVENT_FAULT, NULL);
}

static void world_release(struct world *w) {
    struct heap_item *it;

    master_stop(w);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        worker_stop(w, &w->workers[i]);
        for (int k = 0; k < AGENT_LINES; k++)
            buf_release(&w->workers[i].asked[k]);
    }
    while ((it = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, it);
        event_free((struct event *)it);
    }
    heap_release(&w->events);
    map_release(&w->renewed_ms);
    map_release(&w->made_by);
    store_close(w->store);
    options_release(&w->crawl);
}

/* The master has ended: everybody has left, but for those that were away for so long that it counts them as lost. */
static void check_end(struct world *w) {
    if (!w->stopped)
        fail(w, "the master ended before it was told to");
    for (uint32_t i = 0; i < w->worker_count; i++)
        if (w->workers[i].left && w->workers[i].children != NULL)
            fail(w, "%s left with a child running", w->workers[i].name);
}

void jobs_run(const struct jobs_options *options, struct jobs_result *result) {
    struct world *w = calloc(1, sizeof *w);
    struct heap_item *it;

    if (w == NULL)
        abort();
    *result = (struct jobs_result){.ok = false};
    w->options = options;
    w->result = result;
    w->rng.state = options->seed ^ 0x6a6f6273; /* another course than the crawl of this seed */
    world_init(w);
    while (!w->ended && result->why[0] == '\0' && (it = heap_min(&w->events)) != NULL) {
        struct event *e = (struct event *)it;
        heap_remove(&w->events, it);
        w->now_ms = it->key / 1000000;
        unpause(w);
        if (is_void(w, e))
            event_free(e);
        else if (e->kind == EVENT_REQUEST)
            master_request(w, e); /* takes it over */
        else if (!put_off(w, e))
            happen(w, e);
        if (++result->events > EVENTS_MAX || w->now_ms > END_MS)
            fail(w, "the jobs do not end: %llu events, %lld s", (unsigned long long)result->events,
                 (long long)w->now_ms / 1000);
    }
    if (result->why[0] == '\0')
        check_end(w);
    result->ended_ms = w->now_ms;
    result->ok = result->why[0] == '\0';
    world_release(w);
    free(w);
}

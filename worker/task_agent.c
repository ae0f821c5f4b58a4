#include "worker/task_agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"

enum { REPORT_BYTES_MAX = LIMIT_WIRE_BYTES / 2 };

enum task_agent_state {
    STATE_OUTSIDE, /* to register */
    STATE_JOINED,  /* has a session */
    STATE_LEAVING, /* the master has let us go; the shell is to be told */
    STATE_LEFT,
    STATE_REFUSED,
};

enum attempt_state { ATTEMPT_GRANTED, ATTEMPT_RUNNING, ATTEMPT_ENDED };

/* Why a running one is to be killed; the first reason counts. */
enum attempt_kill {
    KILL_NOT,
    KILL_LOST,    /* the master, or the session, is not ours any more: nothing is reported */
    KILL_FENCED,  /* given back */
    KILL_LEAVING, /* given back */
    KILL_HANGS,   /* reported as such */
};

struct attempt {
    uint64_t number;
    enum attempt_state state;
    enum attempt_kill kill;
    bool killed; /* the shell was told */
    bool sent;   /* its report is in the exchange under way */
    uint64_t beat;
    int64_t deadline_ms, progress_ms;
    struct arena arena; /* of what follows */
    const Trawl__TaskSpec *spec;
    Trawl__TaskResult *result; /* of one that has ended */
    struct attempt *next;
};

/* A job of which files may lie here. */
struct kept_job {
    uint64_t number;
    bool over;
};

struct task_agent {
    char *worker, *serve;
    unsigned char instance[16];
    uint64_t incarnation, process, place;
    uint32_t tasks;

    enum task_agent_state state;
    Trawl__Phase phase;
    bool draining, out_of_memory, failure_told;
    int64_t drained_ms, heard_ms; /* when told to drain; last answer */
    uint64_t session, term;
    uint32_t serial;
    uint64_t number; /* of the last exchange made */
    uint64_t beat;   /* of the last heartbeat made */
    int64_t next_beat_ms, next_poll_ms;
    uint32_t heartbeat_ms, lease_ms;
    char refusal[512];

    struct agent_line_state lines[AGENT_LINES];
    struct arena message, inbound; /* being built, being read */

    struct attempt *attempts;
    struct attempt *discarded; /* to be told of by TASK_DISCARD; the first one may have been */
    bool discard_told;
    struct kept_job *jobs;
    size_t job_count;
};

/* ---- life -------------------------------------------------------------------------------------------- */

struct task_agent *task_agent_new(const struct task_agent_config *config) {
    struct task_agent *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->incarnation = config->incarnation;
    a->process = config->process;
    a->place = config->place;
    a->tasks = config->tasks;
    memcpy(a->instance, config->instance, sizeof a->instance);
    a->heartbeat_ms = 1000;
    a->lease_ms = 10000;
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_init(&a->lines[i]);
    arena_init(&a->message, LIMIT_ARENA_BYTES);
    arena_init(&a->inbound, LIMIT_ARENA_BYTES);
    a->worker = strdup(config->worker);
    a->serve = strdup(config->serve);
    if (a->worker != NULL && a->serve != NULL)
        return a;
    task_agent_free(a);
    return NULL;
}

static void attempt_free(struct attempt *t) {
    arena_release(&t->arena);
    free(t);
}

static void free_list(struct attempt *list) {
    while (list != NULL) {
        struct attempt *t = list;
        list = t->next;
        attempt_free(t);
    }
}

void task_agent_free(struct task_agent *a) {
    if (a == NULL)
        return;
    free_list(a->attempts);
    free_list(a->discarded);
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_release(&a->lines[i]);
    arena_release(&a->message);
    arena_release(&a->inbound);
    free(a->jobs);
    free(a->worker);
    free(a->serve);
    free(a);
}

static bool leaving(const struct task_agent *a) {
    return a->draining || a->phase == TRAWL__PHASE__DRAINING || a->phase == TRAWL__PHASE__FINISHED;
}

void task_agent_drain(struct task_agent *a, int64_t now_ms) {
    if (a->draining)
        return;
    a->draining = true;
    a->drained_ms = now_ms;
}

uint64_t task_agent_session(const struct task_agent *a) {
    return a->state == STATE_JOINED ? a->session : 0;
}

size_t task_agent_running(const struct task_agent *a) {
    size_t n = 0;

    for (const struct attempt *t = a->attempts; t != NULL; t = t->next)
        n += t->state != ATTEMPT_ENDED;
    return n;
}

/* ---- attempts ---------------------------------------------------------------------------------------- */

static struct attempt *find(const struct task_agent *a, uint64_t number) {
    struct attempt *t = a->attempts;

    while (t != NULL && t->number != number)
        t = t->next;
    return t;
}

static void unlink_attempt(struct task_agent *a, const struct attempt *t) {
    struct attempt **at = &a->attempts;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static void forget(struct task_agent *a, struct attempt *t) {
    unlink_attempt(a, t);
    attempt_free(t);
}

/* The master did not take it: what a map task has left goes. */
static void discard(struct task_agent *a, struct attempt *t) {
    unlink_attempt(a, t);
    if (t->result == NULL || t->result->end != TRAWL__TASK_END__DONE ||
        t->spec->kind != TRAWL__TASK_KIND__MAP) {
        attempt_free(t);
        return;
    }
    struct attempt **end = &a->discarded;
    while (*end != NULL)
        end = &(*end)->next;
    t->next = NULL;
    *end = t;
}

static void stop(struct attempt *t, enum attempt_kill why) {
    if (t->kill == KILL_NOT)
        t->kill = why;
}

/* The lease is not ours. */
static void lose(struct task_agent *a, struct attempt *t) {
    switch (t->state) {
    case ATTEMPT_GRANTED:
        forget(a, t);
        break;
    case ATTEMPT_RUNNING:
        t->kill = KILL_LOST;
        break;
    default:
        if (!t->sent)
            discard(a, t);
        break;
    }
}

static bool hangs(const struct attempt *t, int64_t now_ms) {
    uint32_t timeout_ms = t->spec->job->timeout_ms;

    return timeout_ms > 0 && now_ms - t->progress_ms >= timeout_ms;
}

void task_agent_progress(struct task_agent *a, int64_t now_ms, uint64_t attempt) {
    struct attempt *t = find(a, attempt);

    if (t != NULL)
        t->progress_ms = now_ms;
}

static bool set_result(struct task_agent *a, struct attempt *t, const Trawl__TaskResult *r) {
    struct buf packed;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (wire_pack(&packed, &r->base))
        t->result =
            wire_unpack(&t->arena, &trawl__task_result__descriptor, packed.data, packed.len);
    buf_release(&packed);
    a->out_of_memory = a->out_of_memory || t->result == NULL;
    return t->result != NULL;
}

/* What is told of one that was stopped: that it succeeded just before, or why it was stopped. */
static void explain(struct attempt *t) {
    static char hung[] = "no progress for longer than the task's timeout";
    static char given[] = "stopped by its worker";

    if (t->kill == KILL_NOT || t->result->end == TRAWL__TASK_END__DONE)
        return;
    t->result->end =
        t->kill == KILL_HANGS ? TRAWL__TASK_END__TIMED_OUT : TRAWL__TASK_END__GIVEN_BACK;
    t->result->reason = t->kill == KILL_HANGS ? hung : given;
}

void task_agent_ended(struct task_agent *a, int64_t now_ms, uint64_t attempt,
                      const Trawl__TaskResult *result) {
    struct attempt *t = find(a, attempt);

    if (t == NULL || t->state != ATTEMPT_RUNNING || !set_result(a, t, result))
        return;
    t->state = ATTEMPT_ENDED;
    t->progress_ms = now_ms;
    if (t->kill == KILL_LOST)
        discard(a, t);
    else
        explain(t);
}

/* Ends one that was never started. */
static void give_back(struct task_agent *a, struct attempt *t) {
    const Trawl__TaskResult nothing = TRAWL__TASK_RESULT__INIT;

    if (!set_result(a, t, &nothing))
        return;
    t->state = ATTEMPT_ENDED;
    t->kill = KILL_LEAVING;
    t->result->end = TRAWL__TASK_END__GIVEN_BACK;
}

/* What time and the phase do to attempts. */
static void look(struct task_agent *a, int64_t now_ms) {
    for (struct attempt *t = a->attempts; t != NULL; t = t->next) {
        if (t->state == ATTEMPT_ENDED)
            continue;
#ifndef MUTANT_TASK_UNFENCED
        if (now_ms >= t->deadline_ms)
            stop(t, KILL_FENCED);
#endif
        if (leaving(a))
            stop(t, KILL_LEAVING);
        if (t->state == ATTEMPT_GRANTED && t->kill != KILL_NOT)
            give_back(a, t);
        if (t->state == ATTEMPT_RUNNING && hangs(t, now_ms))
            stop(t, KILL_HANGS);
    }
}

/* ---- jobs -------------------------------------------------------------------------------------------- */

static void keep_job(struct task_agent *a, uint64_t number) {
    for (size_t i = 0; i < a->job_count; i++)
        if (a->jobs[i].number == number)
            return;
    struct kept_job *all = realloc(a->jobs, (a->job_count + 1) * sizeof *all);
    if (all == NULL) {
        a->out_of_memory = true;
        return;
    }
    a->jobs = all;
    all[a->job_count++] = (struct kept_job){.number = number};
}

static bool has_attempt(const struct task_agent *a, uint64_t job) {
    for (const struct attempt *t = a->attempts; t != NULL; t = t->next)
        if (t->spec->job->job == job)
            return true;
    for (const struct attempt *t = a->discarded; t != NULL; t = t->next)
        if (t->spec->job->job == job)
            return true;
    return false;
}

static void job_over(struct task_agent *a, uint64_t number) {
    for (size_t i = 0; i < a->job_count; i++)
        if (a->jobs[i].number == number)
            a->jobs[i].over = true;
    for (struct attempt *t = a->attempts, *next; t != NULL; t = next) {
        next = t->next;
        if (t->spec->job->job == number)
            lose(a, t);
    }
}

/* ---- requests ---------------------------------------------------------------------------------------- */

static bool make(struct task_agent *a, int64_t now_ms, enum agent_line line, Trawl__Request *r) {
    r->version = WIRE_VERSION;
    if (agent_line_make(&a->lines[line], now_ms, r))
        return true;
    a->out_of_memory = true;
    return false;
}

static void speak_for_session(const struct task_agent *a, Trawl__Request *r) {
    r->session = a->session;
    r->term = a->term;
}

static bool make_register(struct task_agent *a, int64_t now_ms) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Register m = TRAWL__REGISTER__INIT;

    m.worker = a->worker;
    m.instance = (ProtobufCBinaryData){.data = a->instance, .len = sizeof a->instance};
    m.incarnation = a->incarnation;
    m.process = a->process;
    m.place = a->place;
    m.loops = 1;
    m.serial = ++a->serial;
    m.tasks = a->tasks;
    m.serve = a->serve;
    r.body_case = TRAWL__REQUEST__BODY_REGISTER;
    r.register_ = &m;
    return make(a, now_ms, AGENT_CALL, &r);
}

static bool make_leave(struct task_agent *a, int64_t now_ms) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Leave m = TRAWL__LEAVE__INIT;

    speak_for_session(a, &r);
    r.body_case = TRAWL__REQUEST__BODY_LEAVE;
    r.leave = &m;
    return make(a, now_ms, AGENT_CALL, &r);
}

static size_t count_ended(const struct task_agent *a) {
    size_t n = 0;

    for (const struct attempt *t = a->attempts; t != NULL; t = t->next)
        n += t->state == ATTEMPT_ENDED;
    return n;
}

static bool add_reports(struct task_agent *a, Trawl__Exchange *x) {
    size_t bytes = 0;

    x->tasks = arena_alloc(&a->message, (count_ended(a) + 1) * sizeof(Trawl__TaskReport *));
    for (struct attempt *t = a->attempts; t != NULL && x->tasks != NULL; t = t->next) {
        if (t->state != ATTEMPT_ENDED)
            continue;
        size_t more = protobuf_c_message_get_packed_size(&t->result->base);
        if (x->n_tasks > 0 && bytes + more > REPORT_BYTES_MAX)
            break;
        Trawl__TaskReport *report = arena_alloc(&a->message, sizeof *report);
        if (report == NULL)
            return false;
        trawl__task_report__init(report);
        report->attempt = t->number;
        report->result = t->result;
        x->tasks[x->n_tasks++] = report;
        t->sent = true;
        bytes += more;
    }
    return x->tasks != NULL;
}

static bool add_jobs(struct task_agent *a, Trawl__Exchange *x) {
    x->jobs = arena_alloc(&a->message, (a->job_count + 1) * sizeof *x->jobs);
    for (size_t i = 0; i < a->job_count && x->jobs != NULL; i++)
        if (!a->jobs[i].over)
            x->jobs[x->n_jobs++] = a->jobs[i].number;
    return x->jobs != NULL;
}

static uint32_t free_slots(const struct task_agent *a) {
    size_t n = task_agent_running(a);

    return leaving(a) || n >= a->tasks ? 0 : a->tasks - (uint32_t)n;
}

static int64_t exchange_due_ms(const struct task_agent *a, int64_t now_ms) {
    if (count_ended(a) > 0)
        return now_ms;
    return free_slots(a) > 0 ? a->next_poll_ms : INT64_MAX;
}

static bool make_exchange(struct task_agent *a, int64_t now_ms) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Exchange x = TRAWL__EXCHANGE__INIT;

    arena_reset(&a->message);
    speak_for_session(a, &r);
    r.body_case = TRAWL__REQUEST__BODY_EXCHANGE;
    r.exchange = &x;
    x.number = a->number + 1;
    x.want_tasks = free_slots(a);
    if (!add_reports(a, &x) || !add_jobs(a, &x)) {
        a->out_of_memory = true;
        return false;
    }
    if (!make(a, now_ms, AGENT_CALL, &r))
        return false;
    a->number++;
    return true;
}

static bool may_leave(const struct task_agent *a) {
    return leaving(a) && a->attempts == NULL;
}

static int64_t call_due_ms(const struct task_agent *a, int64_t now_ms) {
    switch (a->state) {
    case STATE_OUTSIDE:
        return a->draining ? INT64_MAX : now_ms;
    case STATE_JOINED:
        return may_leave(a) ? now_ms : exchange_due_ms(a, now_ms);
    default:
        return INT64_MAX;
    }
}

static bool make_call(struct task_agent *a, int64_t now_ms) {
    if (call_due_ms(a, now_ms) > now_ms)
        return false;
    if (a->state == STATE_OUTSIDE)
        return make_register(a, now_ms);
    return may_leave(a) ? make_leave(a, now_ms) : make_exchange(a, now_ms);
}

static bool make_beat(struct task_agent *a, int64_t now_ms) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Heartbeat m = TRAWL__HEARTBEAT__INIT;
    size_t count = 0;

    if (a->state != STATE_JOINED || now_ms < a->next_beat_ms)
        return false;
    for (const struct attempt *t = a->attempts; t != NULL; t = t->next)
        count++;
    m.attempts = calloc(count + 1, sizeof *m.attempts);
    if (m.attempts == NULL) {
        a->out_of_memory = true;
        return false;
    }
    a->beat++;
    for (struct attempt *t = a->attempts; t != NULL; t = t->next) {
        if (t->state != ATTEMPT_ENDED && (t->kill != KILL_NOT || hangs(t, now_ms)))
            continue;
        t->beat = a->beat;
        m.attempts[m.n_attempts++] = t->number;
    }
    m.transfers = (uint32_t)task_agent_running(a);
    speak_for_session(a, &r);
    r.body_case = TRAWL__REQUEST__BODY_HEARTBEAT;
    r.heartbeat = &m;
    bool made = make(a, now_ms, AGENT_BEAT, &r);
    free(m.attempts);
    a->next_beat_ms = now_ms + a->heartbeat_ms;
    return made;
}

/* ---- answers ----------------------------------------------------------------------------------------- */

/* The master knows nothing of us any more (T3). */
static void lose_session(struct task_agent *a) {
    a->state = STATE_OUTSIDE;
    a->phase = TRAWL__PHASE__RUNNING;
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_discard(&a->lines[i]);
    for (struct attempt *t = a->attempts, *next; t != NULL; t = next) {
        next = t->next;
        if (t->state == ATTEMPT_RUNNING)
            t->kill = KILL_LOST;
        else
            forget(a, t);
    }
}

static void take_heartbeat(struct task_agent *a, const Trawl__HeartbeatReply *r) {
    int64_t end = agent_line_lease_end(a->lines[AGENT_BEAT].made_ms, a->lease_ms);
    struct attempt *t;

    for (size_t i = 0; i < r->n_lost; i++)
        if ((t = find(a, r->lost[i])) != NULL && t->beat == a->beat)
            lose(a, t);
    for (t = a->attempts; t != NULL; t = t->next)
        if (t->beat == a->beat && end > t->deadline_ms)
            t->deadline_ms = end;
    a->phase = r->phase;
}

static void take_register(struct task_agent *a, int64_t now_ms, const Trawl__Reply *reply) {
    const Trawl__RegisterReply *r = reply->register_;

    if (r->session == 0 || r->options == NULL)
        return;
    a->heartbeat_ms = r->options->heartbeat_ms > 0 ? r->options->heartbeat_ms : 1000;
    a->lease_ms = r->options->lease_ms > 0 ? r->options->lease_ms : 10000;
    a->session = r->session;
    a->term = reply->term;
    a->number = 0;
    a->state = STATE_JOINED;
    a->next_beat_ms = now_ms + a->heartbeat_ms;
    a->next_poll_ms = now_ms;
}

static void take_grant(struct task_agent *a, int64_t now_ms, const Trawl__TaskGrant *g) {
    struct buf packed;

    if (g->spec == NULL || g->spec->job == NULL || find(a, g->attempt) != NULL)
        return;
    struct attempt *t = calloc(1, sizeof *t);
    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (t == NULL || !wire_pack(&packed, &g->spec->base))
        goto fail;
    arena_init(&t->arena, LIMIT_ARENA_BYTES);
    t->spec = wire_unpack(&t->arena, &trawl__task_spec__descriptor, packed.data, packed.len);
    if (t->spec == NULL)
        goto fail;
    t->number = g->attempt;
    t->progress_ms = now_ms;
    t->deadline_ms = agent_line_lease_end(a->lines[AGENT_CALL].made_ms, a->lease_ms);
    t->next = a->attempts;
    a->attempts = t;
    keep_job(a, t->spec->job->job);
    buf_release(&packed);
    return;
fail:
    if (t != NULL)
        attempt_free(t);
    buf_release(&packed);
    a->out_of_memory = true;
}

static void take_exchange(struct task_agent *a, int64_t now_ms, const Trawl__ExchangeReply *r) {
    struct attempt *t;

    for (size_t i = 0; i < r->n_tasks_lost; i++)
        if ((t = find(a, r->tasks_lost[i])) != NULL && t->sent)
            discard(a, t);
    for (struct attempt *next, *at = a->attempts; at != NULL; at = next) {
        next = at->next;
        if (at->sent)
            forget(a, at);
    }
    for (size_t i = 0; i < r->n_jobs_over; i++)
        job_over(a, r->jobs_over[i]);
    for (size_t i = 0; i < r->n_tasks; i++)
        take_grant(a, now_ms, r->tasks[i]);
    a->phase = r->phase;
    a->next_poll_ms = now_ms + r->wait_ms;
}

static void take_ok(struct task_agent *a, int64_t now_ms, enum agent_line line,
                    const Trawl__Reply *reply) {
    Trawl__Request__BodyCase asked = a->lines[line].body;

    if (asked == TRAWL__REQUEST__BODY_LEAVE)
        a->state = STATE_LEAVING;
    else if (asked == TRAWL__REQUEST__BODY_HEARTBEAT &&
             reply->body_case == TRAWL__REPLY__BODY_HEARTBEAT)
        take_heartbeat(a, reply->heartbeat);
    else if (asked == TRAWL__REQUEST__BODY_REGISTER &&
             reply->body_case == TRAWL__REPLY__BODY_REGISTER)
        take_register(a, now_ms, reply);
    else if (asked == TRAWL__REQUEST__BODY_EXCHANGE &&
             reply->body_case == TRAWL__REPLY__BODY_EXCHANGE)
        take_exchange(a, now_ms, reply->exchange);
}

static void take_refusal(struct task_agent *a, const Trawl__Reply *reply) {
    bool outside = a->state == STATE_OUTSIDE;

    lose_session(a);
    if (!outside)
        return;
    a->state = STATE_REFUSED;
    snprintf(a->refusal, sizeof a->refusal, "the master refuses this worker: %s", reply->error);
}

static void take_reply(struct task_agent *a, int64_t now_ms, enum agent_line line,
                       const Trawl__Reply *reply) {
    struct agent_line_state *l = &a->lines[line];
    bool discarded = l->discarded;

    if (reply->code == TRAWL__CODE__BUSY && !discarded) {
        agent_line_rest(l, now_ms);
        return;
    }
    l->state = LINE_FREE;
    l->failures = 0;
    if (discarded)
        return;
    switch (reply->code) {
    case TRAWL__CODE__OK:
        take_ok(a, now_ms, line, reply);
        break;
    case TRAWL__CODE__RESTARTED:
        lose_session(a);
        break;
    case TRAWL__CODE__UNKNOWN_SESSION:
        if (l->body == TRAWL__REQUEST__BODY_LEAVE)
            a->state = STATE_LEAVING;
        else
            lose_session(a);
        break;
    default:
        take_refusal(a, reply);
        break;
    }
}

void task_agent_reply(struct task_agent *a, int64_t now_ms, enum agent_line line, const void *bytes,
                      size_t len) {
    if (a->lines[line].state != LINE_UNDER_WAY)
        return;
    arena_reset(&a->inbound);
    const Trawl__Reply *reply = wire_reply_unpack(&a->inbound, bytes, len);
    if (reply == NULL) {
        task_agent_no_reply(a, now_ms, line);
        return;
    }
    a->heard_ms = now_ms;
    take_reply(a, now_ms, line, reply);
}

/* A heartbeat is made anew: its time counts from when it was made. */
void task_agent_no_reply(struct task_agent *a, int64_t now_ms, enum agent_line line) {
    struct agent_line_state *l = &a->lines[line];

    if (l->state != LINE_UNDER_WAY)
        return;
    if (line == AGENT_CALL && !l->discarded) {
        agent_line_rest(l, now_ms);
        return;
    }
    l->state = LINE_FREE;
    l->failures++;
    if (line == AGENT_BEAT)
        a->next_beat_ms = now_ms + (l->failures > 3 ? LINE_REST_MAX_MS / 2 : LINE_REST_FIRST_MS);
}

/* ---- polling ----------------------------------------------------------------------------------------- */

static bool emit(struct task_effect *e, enum task_effect_kind kind, const struct attempt *t) {
    *e = (struct task_effect){.kind = kind};
    if (t != NULL) {
        e->attempt = t->number;
        e->job = t->spec->job->job;
        e->spec = t->spec;
    }
    return true;
}

static bool poll_attempts(struct task_agent *a, struct task_effect *e) {
    for (struct attempt *t = a->attempts; t != NULL; t = t->next) {
        if (t->state == ATTEMPT_GRANTED && a->state == STATE_JOINED) {
            t->state = ATTEMPT_RUNNING;
            return emit(e, TASK_START, t);
        }
        if (t->state == ATTEMPT_RUNNING && t->kill != KILL_NOT && !t->killed) {
            t->killed = true;
            return emit(e, TASK_KILL, t);
        }
    }
    return false;
}

static bool poll_discarded(struct task_agent *a, struct task_effect *e) {
    if (a->discard_told) {
        struct attempt *t = a->discarded;
        a->discarded = t->next;
        attempt_free(t);
        a->discard_told = false;
    }
    if (a->discarded == NULL)
        return false;
    a->discard_told = true;
    return emit(e, TASK_DISCARD, a->discarded);
}

static bool poll_jobs(struct task_agent *a, struct task_effect *e) {
    for (size_t i = 0; i < a->job_count; i++) {
        uint64_t number = a->jobs[i].number;
        if (!a->jobs[i].over || has_attempt(a, number))
            continue;
        a->jobs[i] = a->jobs[--a->job_count];
        emit(e, TASK_REMOVE_JOB, NULL);
        e->job = number;
        return true;
    }
    return false;
}

static bool poll_line(struct task_agent *a, int64_t now_ms, enum agent_line line,
                      struct task_effect *e) {
    struct agent_line_state *l = &a->lines[line];

    if (l->state == LINE_FREE &&
        !(line == AGENT_CALL ? make_call(a, now_ms) : make_beat(a, now_ms)))
        return false;
    if (!agent_line_send(l, now_ms))
        return false;
    emit(e, TASK_SEND, NULL);
    e->line = line;
    e->request = &l->request;
    return true;
}

/* The work is to end and the master has been silent for longer than any lease, or is not there. */
static bool given_up(const struct task_agent *a, int64_t now_ms) {
    int64_t since = a->drained_ms > a->heard_ms ? a->drained_ms : a->heard_ms;
    int64_t patience = 2 * (int64_t)a->lease_ms;

    if (a->draining && patience > LIMIT_DRAIN_SILENCE_MS)
        patience = LIMIT_DRAIN_SILENCE_MS;
    if (task_agent_running(a) > 0 || !leaving(a))
        return false;
    return now_ms - since > patience ||
           (a->state == STATE_OUTSIDE && a->lines[AGENT_CALL].state != LINE_UNDER_WAY);
}

static bool poll_end(struct task_agent *a, int64_t now_ms, struct task_effect *e) {
    if (a->state == STATE_REFUSED && a->refusal[0] != '\0') {
        if (task_agent_running(a) > 0)
            return false;
        emit(e, TASK_REFUSED, NULL);
        e->text = a->refusal;
        a->state = STATE_LEFT;
        return true;
    }
    if (a->state != STATE_LEAVING && !given_up(a, now_ms))
        return false;
    a->state = STATE_LEFT;
    return emit(e, TASK_LEFT, NULL);
}

static bool poll_failure(struct task_agent *a, struct task_effect *e) {
    if (a->failure_told)
        return false;
    a->failure_told = true;
    return emit(e, TASK_FAILED, NULL);
}

bool task_agent_poll(struct task_agent *a, int64_t now_ms, struct task_effect *e) {
    if (a->out_of_memory)
        return poll_failure(a, e);
    if (a->state == STATE_LEFT)
        return false;
    look(a, now_ms);
    return poll_attempts(a, e) || poll_discarded(a, e) || poll_jobs(a, e) ||
           poll_end(a, now_ms, e) || poll_line(a, now_ms, AGENT_BEAT, e) ||
           poll_line(a, now_ms, AGENT_CALL, e);
}

static void earlier(int64_t *at, int64_t t) {
    if (t < *at)
        *at = t;
}

int64_t task_agent_next_ms(const struct task_agent *a, int64_t now_ms) {
    const struct agent_line_state *call = &a->lines[AGENT_CALL], *beat = &a->lines[AGENT_BEAT];
    int64_t next = now_ms + 1000;

    for (const struct attempt *t = a->attempts; t != NULL; t = t->next) {
        if (t->state == ATTEMPT_ENDED || t->kill != KILL_NOT)
            continue;
        earlier(&next, t->deadline_ms);
        if (t->spec->job->timeout_ms > 0)
            earlier(&next, t->progress_ms + t->spec->job->timeout_ms);
    }
    if (call->state == LINE_RESTING)
        earlier(&next, call->retry_ms);
    if (call->state == LINE_FREE)
        earlier(&next, call_due_ms(a, now_ms));
    if (beat->state == LINE_RESTING)
        earlier(&next, beat->retry_ms);
    if (beat->state == LINE_FREE && a->state == STATE_JOINED)
        earlier(&next, a->next_beat_ms);
    return next;
}

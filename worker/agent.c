#include "worker/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "worker/agent_state.h"

#define VISIT_OF(item, member) ((struct visit *)((char *)(item)-offsetof(struct visit, member)))

enum {
    RESULTS_TO_SYNC = 512,     /* so many records are worth a sync at once; */
    SYNC_LINGER_MS = 50,       /* fewer wait so long for company */
    UNACKNOWLEDGED_MAX = 4096, /* results; beyond, nothing is started */
    RESULT_BYTES_MAX = 16 << 20,
};

/* ---- life ------------------------------------------------------------------------------------------------------ */

_Static_assert((int)LIMIT_EXCHANGE_LINKS <= (int)LIMIT_PAGE_LINKS,
               "the master refuses outcomes with more links");

struct agent *agent_new(const struct agent_config *config) {
    struct agent *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->incarnation = config->incarnation;
    a->process = config->process;
    a->place = config->place;
    snprintf(a->crawl, sizeof a->crawl, "%s", config->crawl == NULL ? "" : config->crawl);
    a->loop = config->loop;
    a->loops = config->loops;
    a->transfers_max = config->transfers_max;
    a->committed = config->committed;
    a->committed_arg = config->committed_arg;
    a->exchange_link_bytes =
        config->exchange_link_bytes > 0 ? config->exchange_link_bytes : LIMIT_EXCHANGE_LINK_BYTES;
    a->exchange_links = config->exchange_links > 0 ? config->exchange_links : LIMIT_EXCHANGE_LINKS;
    a->message_bytes = config->message_bytes > 0 ? config->message_bytes : LIMIT_MESSAGE_BYTES;
    a->attach_items = config->attach_items > 0 ? config->attach_items : LIMIT_ATTACH_ITEMS;
    memcpy(a->instance, config->instance, sizeof a->instance);
    a->next_fetch = 1;
    a->unsynced_since_ms = a->ready_since_ms = INT64_MAX;
    a->heartbeat_ms = 1000;
    a->lease_ms = 10000;
    a->retries = 1;
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_init(&a->lines[i]);
    arena_init(&a->message, LIMIT_ARENA_BYTES);
    arena_init(&a->inbound, LIMIT_ARENA_BYTES);
    arena_init(&a->options_arena, LIMIT_ARENA_BYTES);
    told_init(&a->told, config->link_key);
    heap_init(&a->deadlines);
    heap_init(&a->starts);
    map_init(&a->fetches);
    a->worker = strdup(config->worker);
    a->token_given = config->product_token != NULL;
    a->token = config->product_token == NULL ? NULL : strdup(config->product_token);
    if (a->worker == NULL || (config->product_token != NULL && a->token == NULL)) {
        agent_free(a);
        return NULL;
    }
    return a;
}

void agent_free(struct agent *a) {
    size_t at = 0;
    void *f;

    if (a == NULL)
        return;
    while (a->visits != NULL) {
        struct visit *v = a->visits;
        a->visits = v->next;
        visit_free(v);
    }
    visit_free(a->dying);
    while ((f = map_next(&a->fetches, &at)) != NULL)
        free(f);
    while (a->segments != NULL) {
        struct agent_segment *s = a->segments;
        a->segments = s->next;
        free(s->name);
        free(s);
    }
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_release(&a->lines[i]);
    arena_release(&a->message);
    arena_release(&a->inbound);
    arena_release(&a->options_arena);
    heap_release(&a->deadlines);
    heap_release(&a->starts);
    map_release(&a->fetches);
    told_release(&a->told);
    free(a->links.items);
    free(a->worker);
    free(a->token);
    free(a);
}

bool agent_leaving(const struct agent *a) {
    return a->draining || a->phase == TRAWL__PHASE__DRAINING || a->phase == TRAWL__PHASE__FINISHED;
}

bool agent_troubled(const struct agent *a) {
    return a->trouble[0] != '\0';
}

bool agent_working(const struct agent *a) {
    return a->state == AGENT_STATE_JOINED && a->phase == TRAWL__PHASE__RUNNING && !a->draining &&
           !agent_troubled(a);
}

void agent_stay(struct agent *a) {
    if (!agent_leaving(a))
        a->rotated = false;
}

void agent_drain(struct agent *a, int64_t now_ms) {
    if (a->draining)
        return;
    a->draining = true;
    a->drained_ms = now_ms;
    for (struct visit *v = a->visits; v != NULL; v = v->next) {
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
        agent_schedule(a, v);
        agent_attend(a, v);
    }
}

void agent_hold(struct agent *a, bool hold) {
    a->hold = hold;
}

/* As at the end of its lease, but that the lease is given back. */
static void recall(struct agent *a, struct visit *v) {
    v->fenced = true;
    visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    agent_schedule(a, v);
    agent_attend(a, v);
}

void agent_trouble(struct agent *a, int64_t now_ms, const char *text) {
    snprintf(a->trouble, sizeof a->trouble, "%s", text == NULL ? "" : text);
    a->next_beat_ms = now_ms;
    a->next_poll_ms = now_ms;
    for (struct visit *v = a->visits; v != NULL; v = v->next)
        if (agent_troubled(a))
            recall(a, v);
        else
            agent_schedule(a, v);
}

void agent_fail(struct agent *a, int64_t now_ms, const char *text) {
    if (a->failing)
        return;
    snprintf(a->trouble, sizeof a->trouble, "%s", text);
    a->failing = true;
    a->failed_ms = now_ms;
    agent_report_void(a);
    for (size_t i = 0; i < AGENT_LINES; i++)
        agent_line_discard(&a->lines[i]);
    for (struct visit *v = a->visits; v != NULL; v = v->next)
        agent_lose(a, v);
}

void agent_note_traffic(struct agent *a, uint32_t transfers, uint64_t bytes_in) {
    a->note_transfers = transfers;
    a->note_bytes = bytes_in;
}

void agent_note_cost(struct agent *a, const struct cost_sums *sums) {
    a->note_cost = *sums;
}

size_t agent_visits(const struct agent *a) {
    return a->visit_count;
}

uint64_t agent_session(const struct agent *a) {
    return a->session;
}

int64_t agent_lease_end(const struct agent *a, int64_t made_ms) {
    return agent_line_lease_end(made_ms, a->lease_ms);
}

/* ---- visits ------------------------------------------------------------------------------------------------------ */

void agent_attend(struct agent *a, struct visit *v) {
    if (v->attention)
        return;
    v->attention = true;
    v->next_attention = NULL;
    if (a->attention_last != NULL)
        a->attention_last->next_attention = v;
    else
        a->attention_first = v;
    a->attention_last = v;
}

static struct visit *take_attention(struct agent *a) {
    struct visit *v = a->attention_first;

    if (v == NULL)
        return NULL;
    a->attention_first = v->next_attention;
    if (a->attention_first == NULL)
        a->attention_last = NULL;
    v->attention = false;
    return v;
}

void agent_schedule(struct agent *a, struct visit *v) {
    bool was_delayed = v->start.place != 0 && v->delay_ms > 0;

    if (!visit_startable(v))
        heap_remove(&a->starts, &v->start);
    else if (!heap_set(&a->starts, &v->start, v->next_start_ms))
        a->out_of_memory = true;
    a->delayed_starts += v->start.place != 0 && v->delay_ms > 0;
    a->delayed_starts -= was_delayed;
}

void agent_set_deadline(struct agent *a, struct visit *v, int64_t deadline_ms) {
    v->deadline_ms = deadline_ms;
    if (!heap_set(&a->deadlines, &v->deadline, deadline_ms))
        a->out_of_memory = true;
}

void agent_add_visit(struct agent *a, struct visit *v) {
    v->next = a->visits;
    if (a->visits != NULL)
        a->visits->prev = v;
    a->visits = v;
    a->visit_count++;
    agent_set_deadline(a, v, v->deadline_ms);
    agent_attend(a, v);
}

static void remove_visit(struct agent *a, struct visit *v) {
    heap_remove(&a->deadlines, &v->deadline);
    visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    agent_schedule(a, v);
    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        a->visits = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    a->visit_count--;
}

size_t agent_result_bytes(const struct visit_result *r) {
    return r->bytes + r->link_bytes + r->robots.len;
}

void agent_drop_result(struct agent *a, struct visit *v, struct visit_result **at) {
    struct visit_result *r = *at;

    *at = r->next;
    if (v->results_end == &r->next)
        v->results_end = at;
    v->result_count--;
    a->unacknowledged--;
    a->result_bytes -= agent_result_bytes(r);
    a->unsynced -= r->mark > a->synced;
    if (r->segment != NULL)
        r->segment->pending--;
    visit_result_free(r);
}

void agent_lose(struct agent *a, struct visit *v) {
    v->lost = true;
    visit_end(v, TRAWL__VERDICT__REACHED, NULL);
    agent_schedule(a, v);
    agent_attend(a, v);
}

struct agent_segment *agent_segment(struct agent *a, const char *name) {
    struct agent_segment *s;

    for (s = a->segments; s != NULL; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s;
    s = calloc(1, sizeof *s);
    if (s == NULL || (s->name = strdup(name)) == NULL) {
        free(s);
        a->out_of_memory = true;
        return NULL;
    }
    s->next = a->segments;
    a->segments = s;
    return s;
}

/* ---- what the visits need ------------------------------------------------------------------------------------------ */

static bool emit(struct agent_effect *e, enum agent_effect_kind kind, struct visit *v) {
    *e = (struct agent_effect){.kind = kind, .visit = v};
    return true;
}

/* Its right has ended: everything of it stops, at once. */
static bool abort_visit(struct agent *a, struct visit *v, int64_t now_ms, struct agent_effect *e) {
    agent_void_fetches(a, v, now_ms);
    v->closing = v->closed = true;
    if (v->address_state == VISIT_ADDRESS_RESOLVING)
        v->address_state = VISIT_ADDRESS_NEEDED;
    agent_return_queue(a, v, now_ms);
    a->urgent = true;
    agent_attend(a, v);
    return emit(e, AGENT_ABORT, v);
}

/* A lost visit: what it still would report is void, but for what is in the exchange under way. */
static bool bury(struct agent *a, struct visit *v, struct agent_effect *e) {
    struct visit_result **at = &v->results;

    while (*at != NULL) {
        if (v->in_exchange && (*at)->sent)
            at = &(*at)->next;
        else
            agent_drop_result(a, v, at);
    }
    if (v->in_exchange)
        return false;
    remove_visit(a, v);
    a->dying = v;
    return emit(e, AGENT_FORGET, v);
}

static bool attend_visit(struct agent *a, struct visit *v, int64_t now_ms, struct agent_effect *e) {
    if ((v->lost || v->fenced) && !v->closed)
        return abort_visit(a, v, now_ms, e);
    if (v->lost)
        return bury(a, v, e);
    if (!v->ending) {
        if (v->address_state != VISIT_ADDRESS_NEEDED || v->transfers > 0)
            return false;
        v->address_state = VISIT_ADDRESS_RESOLVING;
        return emit(e, AGENT_RESOLVE, v);
    }
    if (v->address_state == VISIT_ADDRESS_RESOLVING)
        return abort_visit(a, v, now_ms, e);
    if (v->transfers > 0)
        return false;
    agent_return_queue(a, v, now_ms);
    if (v->closing)
        return false;
    v->closing = true;
    return emit(e, AGENT_CLOSE, v);
}

void agent_fence(struct agent *a, int64_t now_ms) {
    struct heap_item *it;

#ifdef MUTANT_NO_LEASE_CHECK
    now_ms = 0;
#endif
    while ((it = heap_min(&a->deadlines)) != NULL && it->key <= now_ms) {
        struct visit *v = VISIT_OF(it, deadline);
        heap_remove(&a->deadlines, it);
        v->fenced = true;
        visit_end(v, TRAWL__VERDICT__REACHED, NULL);
        agent_schedule(a, v);
        agent_attend(a, v);
    }
}

void agent_closed(struct agent *a, int64_t now_ms, struct visit *v) {
    (void)now_ms;
    v->closed = true;
    a->urgent = true;
    agent_attend(a, v);
}

void agent_resolved(struct agent *a, int64_t now_ms, struct visit *v, const void *address,
                    size_t len, bool forbidden, const char *reason) {
    (void)now_ms;
    if (v->address_state != VISIT_ADDRESS_RESOLVING)
        return;
    if (len != 4 && len != 16) {
        v->address_state = VISIT_ADDRESS_NEEDED;
        visit_end(v, forbidden ? TRAWL__VERDICT__FORBIDDEN : TRAWL__VERDICT__UNREACHABLE, reason);
    } else if (len == v->address_len && memcmp(address, v->address, len) == 0) {
        v->address_state = VISIT_ADDRESS_BOOKED;
#ifdef MUTANT_MOVE_UNCLAIMED
    } else if (v->moves > 0) {
        memcpy(v->address, address, len);
        v->address_len = len;
        v->address_state = VISIT_ADDRESS_BOOKED;
#endif
    } else {
        memcpy(v->address, address, len);
        v->address_len = len;
        v->address_state = VISIT_ADDRESS_CLAIM;
        a->urgent = true;
    }
    agent_schedule(a, v);
    agent_attend(a, v);
}

/* ---- segments and syncing -------------------------------------------------------------------------------------------- */

static bool sync_due(const struct agent *a, int64_t now_ms) {
    if (a->syncing || a->unsynced == 0)
        return false;
    return a->unsynced >= RESULTS_TO_SYNC || now_ms - a->unsynced_since_ms >= SYNC_LINGER_MS ||
           a->transfers == 0;
}

void agent_synced(struct agent *a, int64_t now_ms, uint64_t mark) {
    size_t unsynced = 0;

    a->syncing = false;
    a->synced = mark;
    for (struct visit *v = a->visits; v != NULL; v = v->next)
        for (struct visit_result *r = v->results; r != NULL; r = r->next)
            unsynced += r->mark > mark;
    a->unsynced = unsynced;
    a->unsynced_since_ms = unsynced > 0 ? now_ms : INT64_MAX;
    if (a->ready_since_ms > now_ms)
        a->ready_since_ms = now_ms;
}

void agent_segment_closed(struct agent *a, const char *name) {
    struct agent_segment *s = agent_segment(a, name);

    if (s != NULL)
        s->closed = true;
}

void agent_sealed(struct agent *a, int64_t now_ms, const char *segment) {
    (void)now_ms;
    for (struct agent_segment **at = &a->segments; *at != NULL; at = &(*at)->next) {
        struct agent_segment *s = *at;
        if (strcmp(s->name, segment) != 0)
            continue;
        *at = s->next;
        free(s->name);
        free(s);
        return;
    }
}

static struct agent_segment *segment_to_seal(const struct agent *a) {
    struct agent_segment *s = a->segments;

    while (s != NULL && (!s->closed || s->sealing || s->pending > 0))
        s = s->next;
    return s;
}

/* ---- polling ------------------------------------------------------------------------------------------------------------ */

/* The work is to end and the master has been silent for longer than any lease, or than whoever ends this process waits:
 * what is open stays open, and is recovered by whoever starts next in this directory. If nothing is, there is only the session to end, and
 * after a lease without a word it has ended: the master may have gone before its answer to that was on its way. */
static bool given_up(const struct agent *a, int64_t now_ms) {
    int64_t since = a->drained_ms > a->heard_ms ? a->drained_ms : a->heard_ms;
    int64_t patience = (agent_may_leave(a) ? 1 : 2) * (int64_t)a->lease_ms;

    if (a->draining && patience > LIMIT_DRAIN_SILENCE_MS)
        patience = LIMIT_DRAIN_SILENCE_MS;
    return agent_leaving(a) && now_ms - since > patience;
}

/* The last word was heard, or nobody is there to hear it. */
static bool last_word_said(const struct agent *a, int64_t now_ms) {
    return a->failing && (now_ms - a->failed_ms > LIMIT_LAST_WORD_MS ||
                          (a->state != AGENT_STATE_JOINED && a->visit_count == 0));
}

static bool poll_end(struct agent *a, int64_t now_ms, struct agent_effect *e) {
    if (a->state == AGENT_STATE_LEFT)
        return false;
    if (last_word_said(a, now_ms) || a->state == AGENT_STATE_LEAVING || given_up(a, now_ms) ||
        (a->draining && a->state == AGENT_STATE_OUTSIDE && a->visit_count == 0 &&
         a->lines[AGENT_CALL].state != LINE_UNDER_WAY)) {
        a->state = AGENT_STATE_LEFT;
        return emit(e, AGENT_LEFT, NULL);
    }
    if (a->rotate) {
        a->rotate = false;
        return emit(e, AGENT_ROTATE, NULL);
    }
    if (agent_leaving(a) && !a->failing && a->visit_count == 0 && !a->rotated) {
        a->rotated = true;
        return emit(e, AGENT_ROTATE, NULL);
    }
    return false;
}

static bool poll_line(struct agent *a, int64_t now_ms, enum agent_line line,
                      struct agent_effect *e) {
    struct agent_line_state *l = &a->lines[line];

    if (l->state == LINE_FREE &&
        !(line == AGENT_CALL ? agent_make_call(a, now_ms) : agent_make_beat(a, now_ms)))
        return false;
    if (!agent_line_send(l, now_ms))
        return false;
    emit(e, AGENT_SEND, NULL);
    e->line = line;
    e->request = &l->request;
    return true;
}

static bool poll_visits(struct agent *a, int64_t now_ms, struct agent_effect *e) {
    struct visit *v;

    agent_fence(a, now_ms);
    while ((v = take_attention(a)) != NULL)
        if (attend_visit(a, v, now_ms, e))
            return true;
    return false;
}

static bool poll_once(struct agent *a, struct agent_effect *e) {
    if (a->state == AGENT_STATE_REFUSED && a->refusal[0] != '\0') {
        emit(e, AGENT_REFUSED, NULL);
        e->text = a->refusal;
        return true;
    }
    if (a->waits && !a->waits_told) {
        a->waits_told = true;
        emit(e, AGENT_WAITS, NULL);
        e->text = a->refusal;
        return true;
    }
    if (a->options != NULL) {
        emit(e, AGENT_OPTIONS, NULL);
        e->options = a->options;
        a->options = NULL;
        return true;
    }
    return false;
}

static bool poll_disk(struct agent *a, int64_t now_ms, struct agent_effect *e) {
    struct agent_segment *s = segment_to_seal(a);

    if (a->failing)
        return false;
    if (sync_due(a, now_ms)) {
        a->syncing = true;
        emit(e, AGENT_SYNC, NULL);
        e->mark = a->mark;
        return true;
    }
    if (s == NULL)
        return false;
    s->sealing = true;
    emit(e, AGENT_SEAL, NULL);
    e->segment = s->name;
    return true;
}

bool agent_poll(struct agent *a, int64_t now_ms, struct agent_effect *e) {
    visit_free(a->dying);
    a->dying = NULL;
    if (a->state == AGENT_STATE_LEFT)
        return false;
    if (a->out_of_memory)
        return emit(e, AGENT_FAILED, NULL);
    return poll_once(a, e) || poll_visits(a, now_ms, e) || poll_disk(a, now_ms, e) ||
           poll_end(a, now_ms, e) || poll_line(a, now_ms, AGENT_BEAT, e) ||
           poll_line(a, now_ms, AGENT_CALL, e);
}

static void earlier(int64_t *at, int64_t t) {
    if (t < *at)
        *at = t;
}

int64_t agent_next_ms(const struct agent *a, int64_t now_ms) {
    int64_t next = now_ms + 1000;
    const struct heap_item *deadline = heap_min(&a->deadlines), *start = heap_min(&a->starts);
    const struct agent_line_state *call = &a->lines[AGENT_CALL], *beat = &a->lines[AGENT_BEAT];

    if (a->attention_first != NULL)
        return now_ms;
    if (deadline != NULL)
        earlier(&next, deadline->key);
    if (start != NULL && agent_working(a) && !a->hold && a->transfers < a->transfers_max)
        earlier(&next, start->key);
    if (!a->syncing && a->unsynced > 0)
        earlier(&next, a->unsynced_since_ms + SYNC_LINGER_MS);
    if (call->state == LINE_RESTING)
        earlier(&next, call->retry_ms);
    if (call->state == LINE_FREE)
        earlier(&next, agent_call_due_ms(a, now_ms));
    if (beat->state == LINE_RESTING)
        earlier(&next, beat->retry_ms);
    if (beat->state == LINE_FREE && a->state == AGENT_STATE_JOINED)
        earlier(&next, a->next_beat_ms);
    return next;
}

/* ---- accessors for the shell ------------------------------------------------------------------------------------------------ */

int64_t visit_deadline_ms(const struct visit *v) {
    return v->deadline_ms;
}

const void *visit_address(const struct visit *v, size_t *len) {
    *len = v->address_len;
    return v->address_len == 0 ? NULL : v->address;
}

const char *visit_origin(const struct visit *v) {
    return v->origin;
}

void *visit_shell(const struct visit *v) {
    return v->shell;
}

void visit_set_shell(struct visit *v, void *shell) {
    v->shell = shell;
}

/* ---- back-pressure ------------------------------------------------------------------------------------------------------------ */

bool agent_backlogged(const struct agent *a) {
    return a->unacknowledged >= UNACKNOWLEDGED_MAX || a->result_bytes >= RESULT_BYTES_MAX;
}

bool agent_may_start(const struct agent *a) {
    return !a->out_of_memory && agent_working(a) && !a->hold && a->transfers < a->transfers_max &&
           !agent_backlogged(a);
}
